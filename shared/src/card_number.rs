//! Card numbers in texts: one judgement for every way in.
//!
//! A net, not a wall. It is there for buyers who type their card into the wrong field and for callers who send it by
//! mistake; whoever wants to hide a number from it, can. So it asks for an issuer's prefix, the length of that issuer's
//! cards and the check digit, and lets what is known to be something else pass.

mod brand;
mod digits;
mod honest;

use self::brand::{is_card, is_common_card};
use self::digits::{Piece, pieces};

/// Fewer digits are no card number.
const DIGITS_MIN: usize = 12;
/// The most blanks between two groups of digits.
const BLANKS_MAX: usize = 12;
/// The most other signs between them, such as dots and dashes.
const SIGNS_MAX: usize = 4;
/// The most letters between them.
const LETTERS_MAX: usize = 5;
/// A number that goes on after the card: the code on its back, or the month it expires.
const APPENDED: [usize; 2] = [3, 4];

/// Whether something in `text` looks like a card number, however its digits are written and separated.
pub fn has_card_number(text: &str) -> bool {
    if !digits::has_at_least(text, DIGITS_MIN) {
        return false;
    }
    let pieces = pieces(text);
    honest::parts(&pieces).into_iter().any(has_card)
}

/// Whether `text` as a whole is a card number. This is for keys and ids, which machines make: random digits and letters
/// hold what looks like a card more often than a caller puts one there.
pub fn is_card_number(text: &str) -> bool {
    digits::bare(text).is_some_and(|digits| is_common_card(&digits))
}

/// Whether the digits of neighbouring fields, which hold nothing but digits, together are a card number.
pub fn is_split_card_number(fields: &[&str]) -> bool {
    let digits: Vec<Vec<u8>> = fields.iter().map(|field| digits::bare(field).unwrap_or_default()).collect();
    (0..digits.len()).any(|from| {
        let mut joined = Vec::new();
        digits[from..].iter().take(4).take_while(|part| part.len() >= 4).enumerate().any(|(at, part)| {
            joined.extend_from_slice(part);
            at > 0 && is_common_card(&joined)
        })
    })
}

/// Whether a stretch of digits and what separates them holds a card number.
fn has_card(stretch: &[Piece]) -> bool {
    (0..stretch.len()).any(|from| starts_card(&stretch[from..]))
}

/// Whether a card number begins with the first piece.
fn starts_card(stretch: &[Piece]) -> bool {
    let Some(Piece::Digits(first)) = stretch.first() else { return false };
    // No issuer's cards begin with another digit.
    if !first.first().is_some_and(|digit| (2..=6).contains(digit)) {
        return false;
    }
    if has_appendix(first) {
        return true;
    }
    let mut number = first.clone();
    let mut groups = vec![first.len()];
    let mut gaps = Gaps::default();
    if is_card(&number) && !honest::is_phone(&groups, &number) {
        return true;
    }
    for pair in stretch[1..].chunks(2) {
        let [Piece::Gap(gap), Piece::Digits(group)] = pair else { return false };
        if !gaps.take(gap) {
            return false;
        }
        number.extend_from_slice(group);
        groups.push(group.len());
        if number.len() > brand::DIGITS_MAX {
            return false;
        }
        if is_card(&number) && gaps.fit(&groups) && !honest::is_phone(&groups, &number) {
            return true;
        }
    }
    false
}

/// Whether a longer number begins with a card's.
fn has_appendix(number: &[u8]) -> bool {
    APPENDED.iter().any(|appended| {
        number.len().checked_sub(*appended).is_some_and(|length| is_common_card(&number[..length]))
    })
}

/// What separates the groups of a number.
#[derive(Default)]
struct Gaps {
    count: usize,
    /// Those that have letters in them.
    with_letters: usize,
    /// Whether a letter stands apart from the digits, as a word does.
    stands_apart: bool,
    /// Those that end an item of a list, or a line.
    ends: usize,
}

impl Gaps {
    /// Counts a gap, and says whether a number can go on behind it.
    fn take(&mut self, gap: &str) -> bool {
        let blanks = gap.chars().filter(|c| c.is_whitespace()).count();
        let letters = gap.chars().filter(|c| c.is_alphabetic()).count();
        let signs = gap.chars().count() - blanks - letters;
        self.count += 1;
        self.ends += usize::from(gap.contains([',', ';', '\n', '、', '،']));
        self.with_letters += usize::from(letters > 0);
        self.stands_apart |= letters > 0 && blanks > 0;
        blanks <= BLANKS_MAX && signs <= SIGNS_MAX && letters <= LETTERS_MAX
    }

    /// Whether they are the gaps of one number: letters, and the end of an item here and there, are so between regular
    /// groups alone. Otherwise a street number, a postal code and a telephone number would be one.
    fn fit(&self, groups: &[usize]) -> bool {
        let is_plain = self.ends == 0 && self.with_letters == 0;
        let are_between_all = !self.stands_apart || self.with_letters == self.count;
        is_plain || (is_regular(groups) && are_between_all)
    }
}

/// As cards are printed: in groups of one size, or as American Express and Diners Club do.
fn is_regular(groups: &[usize]) -> bool {
    let Some((last, others)) = groups.split_last() else { return false };
    let size = others.first().copied().unwrap_or(*last);
    matches!(groups, [4, 6, 4 | 5]) || (others.iter().all(|group| *group == size) && *last <= size)
}

#[cfg(test)]
mod tests;
