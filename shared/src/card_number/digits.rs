//! The digits of a text, of every script, and what is between them.

/// The zeros of the decimal digits of Unicode; nine more follow each.
const ZEROS: &[u32] = &[
    0x0030, 0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66,
    0x0de6, 0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50,
    0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30,
    0x10d40, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730,
    0x118e0, 0x11950, 0x11bf0, 0x11c50, 0x11d50, 0x11da0, 0x11f50, 0x16130, 0x16a60, 0x16ac0, 0x16b50,
    0x16d70, 0x1ccf0, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e4f0, 0x1e5f1,
    0x1e950, 0x1fbf0,
];

/// A stretch of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Digits, with nothing visible between them.
    Digits(Vec<u8>),
    /// What stands between, before or after them.
    Gap(String),
}

/// The value of a digit of any script, and of those in circles and above or below the line.
pub(super) fn digit(character: char) -> Option<u8> {
    if character.is_ascii() {
        return character.to_digit(10).and_then(|digit| u8::try_from(digit).ok());
    }
    let code = u32::from(character);
    let value = match character {
        '²' => 2,
        '³' => 3,
        '¹' => 1,
        '⁰' | '₀' | '⓪' | '⓿' => 0,
        '⁴'..='⁹' => code - 0x2070,
        '₁'..='₉' => code - 0x2080,
        '①'..='⑨' => code - 0x245f,
        '❶'..='❾' => code - 0x2775,
        _ => {
            let zero = ZEROS[..ZEROS.partition_point(|zero| *zero <= code)].last()?;
            code - zero
        }
    };
    u8::try_from(value).ok().filter(|value| *value <= 9)
}

/// What nobody sees between two digits.
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{20e3}' | '\u{300}'..='\u{33f}'
    )
}

/// Whether a text has so many digits.
pub(super) fn has_at_least(text: &str, count: usize) -> bool {
    // Nearly all texts are ruled out here, most of them by their length.
    text.len() >= count && text.chars().filter_map(digit).take(count).count() == count
}

/// The text as digits and gaps, which alternate.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for character in text.chars().filter(|character| !is_invisible(*character)) {
        match (digit(character), pieces.last_mut()) {
            (Some(digit), Some(Piece::Digits(digits))) => digits.push(digit),
            (Some(digit), _) => pieces.push(Piece::Digits(vec![digit])),
            (None, Some(Piece::Gap(gap))) => gap.push(character),
            (None, _) => pieces.push(Piece::Gap(character.to_string())),
        }
    }
    pieces
}

/// The digits of a text that has no letters.
pub(super) fn bare(text: &str) -> Option<Vec<u8>> {
    let mut digits = Vec::new();
    for character in text.chars() {
        match digit(character) {
            Some(digit) => digits.push(digit),
            None if character.is_alphabetic() || character == '+' => return None,
            None => {}
        }
    }
    Some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_every_script_are_digits() {
        assert!(ZEROS.is_sorted());
        for four in ['4', '٤', '۴', '४', '４', '𝟒', '𝟜', '𝟰', '⁴', '₄', '④', '❹', '෪', '๔']
        {
            assert_eq!(digit(four), Some(4), "{four}");
        }
        for other in ['x', 'Ⅳ', '四', '½', '⑩', ':', '/', '٪'] {
            assert_eq!(digit(other), None, "{other}");
        }
    }
}
