//! What has many digits and is no card: telephone numbers, bank accounts, book and product codes, parcels, ids, dates.

use super::brand::is_common_card;
use super::digits::Piece;

/// How the numbers of parcels begin that are letters and then only digits.
const PARCELS: [&str; 8] = ["YT", "LP", "SF", "JJD", "JD", "JVGL", "JJFI", "UE"];

/// The stretches between what is known to be something else. Each begins and ends with digits.
pub(super) fn parts(pieces: &[Piece]) -> Vec<&[Piece]> {
    let mut parts = Vec::new();
    let (mut from, mut at) = (0, 0);
    while at < pieces.len() {
        let length = match &pieces[at] {
            Piece::Digits(_) => known(pieces, at),
            Piece::Gap(_) => None,
        };
        if let Some(length) = length {
            parts.push(&pieces[from..at]);
            at += length;
            from = at;
        } else {
            at += 1;
        }
    }
    parts.push(&pieces[from..]);
    parts
}

/// How many pieces from `at` on are something that is known.
fn known(pieces: &[Piece], at: usize) -> Option<usize> {
    let before = at.checked_sub(1).map_or("", |before| gap(&pieces[before]));
    let rest = &pieces[at..];
    phone(before, rest)
        .or_else(|| account(before, rest))
        .or_else(|| uuid(pieces, at))
        .or_else(|| parcel(before, rest))
        .or_else(|| product(before, rest))
        .or_else(|| national(rest))
        .or_else(|| date(rest))
        .or_else(|| tax_number(rest))
        .or_else(|| citizen(rest))
}

fn gap(piece: &Piece) -> &str {
    match piece {
        Piece::Gap(gap) => gap,
        Piece::Digits(_) => "",
    }
}

/// Groups of digits with signs of `allowed` between them: how many pieces, and the digits so far.
fn groups(rest: &[Piece], allowed: fn(char) -> bool) -> impl Iterator<Item = (usize, &[u8], Option<&str>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let Some(Piece::Digits(digits)) = rest.get(at) else { return None };
        let behind = rest.get(at + 1).map(gap);
        let pieces = at + 1;
        let goes_on = behind.is_some_and(|gap| gap.chars().count() <= 3 && gap.chars().all(allowed));
        at = if goes_on { at + 2 } else { rest.len() };
        Some((pieces, digits.as_slice(), behind))
    })
}

/// `+49 1512 3410008`: after a plus, with no more digits than a country's numbers have.
fn phone(before: &str, rest: &[Piece]) -> Option<usize> {
    if !before.trim_end_matches(['(', ' ']).ends_with(['+', '＋']) {
        return None;
    }
    let (mut number, mut length) = (Vec::new(), 0);
    for (pieces, digits, _) in
        groups(rest, |c| matches!(c, ' ' | '\u{a0}' | '(' | ')' | '-' | '.' | '/' | '–' | '‑'))
    {
        if number.len() + digits.len() > longest(&number, digits) {
            return None;
        }
        number.extend_from_slice(digits);
        length = pieces;
    }
    (number.len() >= 7).then_some(length)
}

/// Austria and Germany have long numbers; elsewhere 13 digits are the most, the country's code included.
fn longest(number: &[u8], more: &[u8]) -> usize {
    let mut digits = number.iter().chain(more);
    match (digits.next(), digits.next()) {
        (Some(4), Some(3 | 9)) => 15,
        _ => 13,
    }
}

/// Whether digits without a plus are a telephone number all the same: the code of Austria or Germany apart from 11
/// digits, or a German mobile number in one piece.
pub(super) fn is_phone(groups: &[usize], number: &[u8]) -> bool {
    number.len() == 13
        && match groups {
            [13] => matches!(number, [4, 9, 1, 5..=7, ..]),
            [2, ..] => matches!(number, [4, 3 | 9, ..]),
            _ => false,
        }
}

/// An IBAN: two letters, two check digits, and as a whole 1 modulo 97.
fn account(before: &str, rest: &[Piece]) -> Option<usize> {
    let mut letters = before.chars().rev();
    let (second, first) = (letters.next()?, letters.next()?);
    let is_word = letters.next().is_some_and(char::is_alphanumeric);
    if !first.is_ascii_alphabetic() || !second.is_ascii_alphabetic() || is_word {
        return None;
    }
    let mut signs: Vec<u32> = Vec::new();
    for (at, piece) in rest.iter().enumerate() {
        match piece {
            Piece::Digits(digits) => {
                signs.extend(digits.iter().map(|digit| u32::from(*digit)));
                let ends = rest.get(at + 1).is_none_or(|next| !gap(next).starts_with(char::is_alphanumeric));
                if ends && is_account(first, second, &signs) {
                    return Some(at + 1);
                }
            }
            Piece::Gap(gap) => {
                let mut so_far = signs.clone();
                for sign in gap.chars() {
                    match sign.to_digit(36) {
                        Some(value) => so_far.push(value),
                        None if matches!(sign, ' ' | '\u{a0}' | '-') => {}
                        None => return None,
                    }
                    if is_account(first, second, &so_far) {
                        return Some(at + 1);
                    }
                }
                signs = so_far;
            }
        }
        if signs.len() > 32 {
            return None;
        }
    }
    None
}

fn is_account(first: char, second: char, signs: &[u32]) -> bool {
    let Some((check, account)) = signs.split_at_checked(2) else { return false };
    if !(11..=30).contains(&account.len()) || check.iter().any(|sign| *sign > 9) {
        return false;
    }
    let country = [first, second].map(|letter| letter.to_digit(36).unwrap_or(0));
    let fold =
        |rest: u32, sign: &u32| if *sign > 9 { (rest * 100 + sign) % 97 } else { (rest * 10 + sign) % 97 };
    account.iter().chain(&country).chain(check).fold(0, fold) == 1
}

/// A UUID, unless it begins with a card number.
fn uuid(pieces: &[Piece], at: usize) -> Option<usize> {
    // It may begin with letters, which are the end of the gap before.
    let mut text = String::new();
    let mut ends = Vec::new();
    let before = at.checked_sub(1).map_or("", |before| gap(&pieces[before]));
    let hex = |c: &char| c.is_ascii_hexdigit() || *c == '-';
    let start: String = before.chars().rev().take_while(hex).collect::<Vec<_>>().into_iter().rev().collect();
    text.push_str(&start);
    for piece in &pieces[at..] {
        match piece {
            Piece::Digits(digits) => text.extend(digits.iter().map(|digit| char::from(b'0' + digit))),
            Piece::Gap(gap) => text.push_str(gap),
        }
        ends.push(text.len());
        if text.len() >= 72 {
            break;
        }
    }
    let found = text.get(..36).filter(|text| is_uuid(text))?;
    let digits: Vec<u8> = found
        .bytes()
        .filter(|byte| *byte != b'-')
        .take_while(u8::is_ascii_digit)
        .take(16)
        .map(|byte| byte - b'0')
        .collect();
    if digits.len() == 16 && is_common_card(&digits) {
        return None;
    }
    // A piece that goes on behind the id belongs to it as far as digits are concerned, unless it is a longer number.
    let length = ends.iter().position(|end| *end >= 36)? + 1;
    let goes_on = text[36..].starts_with(|c: char| c.is_ascii_alphanumeric());
    (!goes_on).then_some(length)
}

fn is_uuid(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        14 => matches!(byte, b'1'..=b'8'),
        19 => matches!(byte.to_ascii_lowercase(), b'8' | b'9' | b'a' | b'b'),
        _ => byte.is_ascii_hexdigit(),
    })
}

/// The number of a parcel that begins with its carrier's letters.
fn parcel(before: &str, rest: &[Piece]) -> Option<usize> {
    let Piece::Digits(digits) = rest.first()? else { return None };
    let letters: String = before
        .chars()
        .rev()
        .take_while(char::is_ascii_alphanumeric)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    (PARCELS.contains(&letters.as_str()) && digits.len() >= 8).then_some(1)
}

/// An EAN or ISBN of 13 digits with its check digit, in one piece or in the groups of such a code.
fn product(before: &str, rest: &[Piece]) -> Option<usize> {
    if before.ends_with(|c: char| c.is_alphabetic()) {
        return None;
    }
    let mut code = Vec::new();
    let mut sizes = Vec::new();
    for (pieces, digits, _) in groups(rest, |c| matches!(c, ' ' | '-' | '‑' | '–')) {
        code.extend_from_slice(digits);
        sizes.push(digits.len());
        if code.len() >= 13 {
            let is_book = code.starts_with(&[9, 7, 8]) || code.starts_with(&[9, 7, 9]);
            let is_grouped = matches!(sizes.as_slice(), [13] | [1, 6, 6] | [7, 6] | [2, 5, 5, 1]);
            return (code.len() == 13 && (is_book || is_grouped) && has_product_check(&code))
                .then_some(pieces);
        }
    }
    None
}

fn has_product_check(code: &[u8]) -> bool {
    let sum: u32 =
        code.iter().enumerate().map(|(at, digit)| u32::from(*digit) * if at % 2 == 0 { 1 } else { 3 }).sum();
    sum.is_multiple_of(10)
}

/// Numbers of North America, as `415-555-2671`, with something else behind them.
fn national(rest: &[Piece]) -> Option<usize> {
    let [
        Piece::Digits(area),
        Piece::Gap(one),
        Piece::Digits(exchange),
        Piece::Gap(two),
        Piece::Digits(line),
        ..,
    ] = rest
    else {
        return None;
    };
    let is_gap = |gap: &str| matches!(gap, " " | "-" | "." | ") " | ")" | ")-");
    let ends = rest.get(5).is_none_or(|behind| !is_gap(gap(behind)));
    let has_form = (area.len(), exchange.len(), line.len()) == (3, 3, 4) && is_gap(one) && is_gap(two);
    (has_form && ends && area[0] > 1 && exchange[0] > 1).then_some(5)
}

/// `2026-11-30` and `30.11.2026`.
fn date(rest: &[Piece]) -> Option<usize> {
    let [
        Piece::Digits(one),
        Piece::Gap(first),
        Piece::Digits(two),
        Piece::Gap(second),
        Piece::Digits(three),
        ..,
    ] = rest
    else {
        return None;
    };
    let value = |digits: &[u8]| digits.iter().fold(0_u32, |number, digit| number * 10 + u32::from(*digit));
    let (year, month, day) = match (one.len(), two.len(), three.len()) {
        (4, 1 | 2, 1 | 2) => (value(one), value(two), value(three)),
        (1 | 2, 1 | 2, 4) => (value(three), value(two), value(one)),
        _ => return None,
    };
    let is_date = (1900..=2100).contains(&year) && (1..=31).contains(&month) && (1..=31).contains(&day);
    let is_apart = rest.get(5).is_none_or(|behind| gap(behind) != first.as_str());
    let has_signs = first == second && matches!(first.as_str(), "-" | "." | "/");
    (is_date && is_apart && has_signs).then_some(5)
}

/// A Brazilian company's number, as `12.345.678/0001-95`.
fn tax_number(rest: &[Piece]) -> Option<usize> {
    let sizes: Vec<usize> = rest.iter().step_by(2).take(5).map_while(size).collect();
    let signs: Vec<&str> = rest.iter().skip(1).step_by(2).take(4).map(gap).collect();
    (sizes == [2, 3, 3, 4, 2] && signs == [".", ".", "/", "-"]).then_some(9)
}

fn size(piece: &Piece) -> Option<usize> {
    match piece {
        Piece::Digits(digits) => Some(digits.len()),
        Piece::Gap(_) => None,
    }
}

/// A Chinese citizen's number: a place, a day of birth, and a check digit of its own (ISO 7064).
fn citizen(rest: &[Piece]) -> Option<usize> {
    let Piece::Digits(digits) = rest.first()? else { return None };
    let number = |from: usize, to: usize| {
        digits[from..to].iter().fold(0_u32, |number, digit| number * 10 + u32::from(*digit))
    };
    if digits.len() != 18 || !(1900..=2100).contains(&number(6, 10)) {
        return None;
    }
    let is_day = (1..=12).contains(&number(10, 12)) && (1..=31).contains(&number(12, 14));
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2, 1];
    let sum: u32 = digits.iter().zip(weights).map(|(digit, weight)| u32::from(*digit) * weight).sum();
    (is_day && sum % 11 == 1).then_some(1)
}
