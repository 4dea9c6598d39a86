//! Card numbers never get past this filter: neither into the database nor into a log.

use serde_json::Value;

use crate::problem::Problem;

/// The most characters between two groups of digits: ` - ` is three.
const GAP_MAX: usize = 3;
/// The length of a card number.
const DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// Refuses a body with what looks like a card number in any field. The refusal names the field, never the number.
pub(crate) fn refuse(body: &Value) -> Result<(), Problem> {
    match find(body, "the body") {
        None => Ok(()),
        Some(field) => Err(Problem::unprocessable(
            "card_number_refused",
            format!(
                "{field} looks like a card number; send the payment provider's token instead, never the card"
            ),
        )),
    }
}

fn find(value: &Value, name: &str) -> Option<String> {
    match value {
        Value::Null | Value::Bool(_) => None,
        Value::Number(number) => contains_card(&number.to_string()).then(|| name.to_owned()),
        Value::String(text) => {
            // A UUID is not a card number, even if all of its digits are decimal.
            let is_id = text.len() == 36 && uuid::Uuid::try_parse(text).is_ok();
            (!is_id && contains_card(text)).then(|| name.to_owned())
        }
        Value::Array(values) => values.iter().find_map(|value| find(value, name)),
        Value::Object(fields) => fields.iter().find_map(|(key, value)| {
            if contains_card(key) { Some("a field's name".to_owned()) } else { find(value, key) }
        }),
    }
}

/// Whether groups of digits in `text`, with up to [`GAP_MAX`] other characters between them, together have the length
/// and the check digit of a card number. A letter ends a number.
fn contains_card(text: &str) -> bool {
    // Most texts have too few digits for a card number.
    if text.chars().filter_map(digit).take(*DIGITS.start()).count() < *DIGITS.start() {
        return false;
    }
    let mut groups: Vec<Vec<u8>> = vec![Vec::new()];
    let mut gap = 0;
    for character in text.chars().chain(['x']) {
        if let Some(digit) = digit(character) {
            if gap > 0 && groups.last().is_some_and(|group| !group.is_empty()) {
                groups.push(Vec::new());
            }
            gap = 0;
            groups.last_mut().into_iter().for_each(|group| group.push(digit));
        } else {
            gap += 1;
            if character.is_alphabetic() || gap > GAP_MAX {
                if any_card(&groups) {
                    return true;
                }
                groups = vec![Vec::new()];
            }
        }
    }
    false
}

/// The value of a digit, also of the full-width digits of East Asian keyboards.
fn digit(character: char) -> Option<u8> {
    let character = match character {
        '\u{ff10}'..='\u{ff19}' => char::from_u32(u32::from(character) - 0xff10 + u32::from('0'))?,
        character => character,
    };
    character.to_digit(10).and_then(|digit| u8::try_from(digit).ok())
}

/// Whether some neighbouring groups form a card number, perhaps with other digits before or after it.
fn any_card(groups: &[Vec<u8>]) -> bool {
    (0..groups.len()).any(|from| {
        let mut digits = Vec::new();
        for group in &groups[from..] {
            digits.extend_from_slice(group);
            // Longer candidates cannot match either; so the work grows with the text, not with its square.
            if digits.len() > *DIGITS.end() {
                return false;
            }
            if DIGITS.contains(&digits.len()) && luhn(&digits) {
                return true;
            }
        }
        false
    })
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
    sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_number_is_seen_in_any_field_and_any_writing() {
        for (text, expected) in [
            (r#"{"notes": "4242424242424242"}"#, true),
            (r#"{"notes": "my card is 4242 4242 4242 4242, thanks"}"#, true),
            (r#"{"notes": "4242-4242-4242-4242"}"#, true),
            (r#"{"notes": "4242 - 4242 - 4242 - 4242"}"#, true),
            (r#"{"notes": "4242.4242/4242\n4242"}"#, true),
            (r#"{"notes": "４２４２ ４２４２ ４２４２ ４２４２"}"#, true),
            (r#"{"notes": "2 pieces, flat 12 4242 4242 4242 4242 123"}"#, true),
            (r#"{"a": [{"b": 4242424242424242}]}"#, true),
            (r#"{"4242424242424242": 1}"#, true),
            (r#"{"notes": "card4242424242424242"}"#, true),
            (r#"{"notes": "\u0034242424242424242"}"#, true),
            // An American Express number has 15 digits, an old Visa one 13.
            (r#"{"notes": "378282246310005"}"#, true),
            (r#"{"notes": "4222222222222"}"#, true),
            // The check digit is wrong.
            (r#"{"notes": "4242424242424241"}"#, false),
            (r#"{"notes": "call +49 30 901820"}"#, false),
            (r#"{"notes": "0000000000000000"}"#, false),
            (r#"{"cart_id": "01234567-1234-7123-8123-424242424242"}"#, false),
            (r#"{"token": "tok_ok", "quantity": 12}"#, false),
        ] {
            let body: Value = serde_json::from_str(text).expect("JSON");
            assert_eq!(refuse(&body).is_err(), expected, "{text}");
        }
    }

    #[test]
    fn a_body_full_of_digits_is_looked_through_at_once() {
        let body = serde_json::json!({"notes": "1 ".repeat(32_000)});
        let since = std::time::Instant::now();
        assert!(refuse(&body).is_ok());
        assert!(since.elapsed().as_millis() < 1_000, "{:?}", since.elapsed());
    }

    #[test]
    fn the_refusal_never_repeats_the_number() {
        let body = serde_json::json!({"payment": {"token": "4242424242424242"}});
        let problem = format!("{:?}", refuse(&body).expect_err("a card number"));
        assert!(problem.contains("token looks like"), "{problem}");
        assert!(!problem.contains("4242"), "{problem}");
    }
}
