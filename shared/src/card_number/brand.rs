//! Which numbers issuers give to cards: prefix, length, and check digit.

/// The longest card number.
pub(super) const DIGITS_MAX: usize = 19;

/// Whether `digits` can be the number of a card.
pub(super) fn is_card(digits: &[u8]) -> bool {
    (is_common(digits) || is_other(digits)) && luhn(digits)
}

/// Whether `digits` can be the number of a card of the usual length of a large brand.
pub(super) fn is_common_card(digits: &[u8]) -> bool {
    is_common(digits) && luhn(digits)
}

/// The number that the first `count` digits are.
fn prefix(digits: &[u8], count: usize) -> u32 {
    digits.iter().take(count).fold(0, |number, digit| number * 10 + u32::from(*digit))
}

fn is_common(digits: &[u8]) -> bool {
    let (two, three, four) = (prefix(digits, 2), prefix(digits, 3), prefix(digits, 4));
    match digits.len() {
        // Diners Club.
        14 => matches!(three, 300..=305 | 309) || matches!(two, 36 | 38 | 39),
        // American Express.
        15 => matches!(two, 34 | 37),
        // Visa, Mastercard, Discover, UnionPay, JCB, and Maestro.
        16 => {
            matches!(two, 40..=49 | 51..=55 | 62 | 65)
                || matches!(three, 644..=649)
                || matches!(four, 2221..=2720 | 6011 | 3528..=3589)
                || is_maestro(four)
        }
        _ => false,
    }
}

/// Of lengths that are rare, or of brands whose prefixes say little.
fn is_other(digits: &[u8]) -> bool {
    let (one, two, three, four) =
        (prefix(digits, 1), prefix(digits, 2), prefix(digits, 3), prefix(digits, 4));
    match digits.len() {
        12 | 14 | 15 => is_maestro(four),
        13 => one == 4 || is_maestro(four),
        16..=DIGITS_MAX => {
            (one == 4 && digits.len() == DIGITS_MAX)
                || matches!(two, 36 | 38 | 39 | 50 | 56..=58 | 60 | 62..=65 | 67 | 81)
                || matches!(three, 300..=305)
                || matches!(four, 2200..=2204 | 3528..=3589)
        }
        _ => false,
    }
}

const fn is_maestro(four: u32) -> bool {
    matches!(four, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763)
}

/// The check of ISO/IEC 7812-1: every second digit from the right counts twice.
fn luhn(digits: &[u8]) -> bool {
    let doubled = |digit: u8| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| u32::from(if at % 2 == 1 { doubled(*digit) } else { *digit }))
        .sum();
    sum.is_multiple_of(10)
}
