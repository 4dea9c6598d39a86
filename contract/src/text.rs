//! Text of callers: bounded, without control characters, and in one form however it was typed.
//!
//! Blanks around a text are removed, a tab counts as a blank, and characters are composed (NFC).

use serde::Serialize;
use unicode_normalization::UnicodeNormalization as _;

use crate::input::{At, Faults, Read, parsed};
use crate::json::Json;

/// One line of 1 to `MAX` characters that is not blank and has no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Text<const MAX: usize>(String);

/// Lines of text, 1 to `MAX` characters, not blank; every line break is kept as `\n`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Note<const MAX: usize>(String);

impl<const MAX: usize> TryFrom<String> for Text<MAX> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let clean = tidied(&text);
        if fits(&text, &clean, MAX, is_unseen) {
            return Ok(Self(clean));
        }
        Err(format!("expected 1 to {MAX} characters on one line"))
    }
}

impl<const MAX: usize> TryFrom<String> for Note<MAX> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // Line breaks as Windows and old Macs write them.
        let text = if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text };
        let clean = tidied(&text);
        if fits(&text, &clean, MAX, |c| is_unseen(c) && c != '\n') {
            return Ok(Self(clean));
        }
        Err(format!("expected 1 to {MAX} characters without control characters"))
    }
}

/// Without blanks around it, with a blank for a tab, in the composed form (NFC): what looks the same is the same.
pub(crate) fn tidied(text: &str) -> String {
    let is_blank = |c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}');
    text.trim_matches(is_blank).nfc().map(|c| if c == '\t' { ' ' } else { c }).collect()
}

/// What no text needs: control characters, and the marks that change the direction of the text after them, or end its line.
pub fn is_unseen(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Composing can make a text longer. Callers count what they type, so the shorter length counts.
fn fits(typed: &str, clean: &str, max: usize, forbidden: fn(char) -> bool) -> bool {
    let length = clean.chars().count().min(typed.chars().count());
    (1..=max).contains(&length) && !clean.is_empty() && !clean.chars().any(forbidden)
}

impl<const MAX: usize> Read for Text<MAX> {
    const BLANK_IS_ABSENT: bool = true;

    fn read(value: Json, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        parsed(value, at, faults)
    }
}

impl<const MAX: usize> Read for Note<MAX> {
    const BLANK_IS_ABSENT: bool = true;

    fn read(value: Json, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        parsed(value, at, faults)
    }
}

impl<const MAX: usize> From<Text<MAX>> for String {
    fn from(text: Text<MAX>) -> Self {
        text.0
    }
}

impl<const MAX: usize> From<Note<MAX>> for String {
    fn from(note: Note<MAX>) -> Self {
        note.0
    }
}

#[cfg(feature = "openapi")]
mod openapi {
    use std::borrow::Cow;

    use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
    use utoipa::openapi::{RefOr, Schema};
    use utoipa::{PartialSchema, ToSchema};

    use super::{Note, Text};

    /// `inner` is the class of the characters that may stand within the text.
    fn schema(max: usize, inner: &str) -> RefOr<Schema> {
        let seen = r"[^\s\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\u200b\ufeff]";
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .min_length(Some(1))
            .max_length(Some(max))
            .pattern(Some(format!("^{inner}*{seen}{inner}*$")))
            .into()
    }

    impl<const MAX: usize> PartialSchema for Text<MAX> {
        fn schema() -> RefOr<Schema> {
            schema(MAX, r"[^\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]")
        }
    }

    impl<const MAX: usize> ToSchema for Text<MAX> {
        fn name() -> Cow<'static, str> {
            Cow::Owned(format!("Text{MAX}"))
        }
    }

    impl<const MAX: usize> PartialSchema for Note<MAX> {
        fn schema() -> RefOr<Schema> {
            schema(MAX, r"[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]")
        }
    }

    impl<const MAX: usize> ToSchema for Note<MAX> {
        fn name() -> Cow<'static, str> {
            Cow::Owned(format!("Note{MAX}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Result<String, String> {
        Text::<10>::try_from(text.to_owned()).map(Into::into)
    }

    fn note(text: &str) -> Result<String, String> {
        Note::<10>::try_from(text.to_owned()).map(Into::into)
    }

    #[test]
    fn f20_text_is_taken_as_browsers_and_the_world_send_it() {
        assert_eq!(line(" Ada\tBuyer\u{a0}").as_deref(), Ok("Ada Buyer"));
        assert_eq!(line("Mu\u{308}ller").as_deref(), Ok("M\u{fc}ller"), "composed");
        assert_eq!(line("\u{feff}\u{3000}東京\u{3000}").as_deref(), Ok("東京"));
        assert_eq!(note("a\r\nb\rc\td\n").as_deref(), Ok("a\nb\nc d"));
        for refused in ["", " ", "\t", "\u{200b}", "a\u{0}b", "12345678901", "a\u{1b}[31m", "a\u{85}b"] {
            assert!(line(refused).is_err(), "{refused:?}");
            assert!(note(refused).is_err(), "{refused:?}");
        }
        assert!(line("a\nb").is_err(), "two lines are not one");
        // Ten characters that are twenty once they are composed.
        assert!(line(&"\u{958}".repeat(10)).is_ok());
    }
}
