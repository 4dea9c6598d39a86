//! Text of callers: bounded, and without control characters.

use serde::{Deserialize, Serialize};

/// One line of 1 to `MAX` characters that is not blank and has no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text<const MAX: usize>(String);

/// Lines of text, 1 to `MAX` characters, not blank; line breaks are the only control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Note<const MAX: usize>(String);

impl<const MAX: usize> TryFrom<String> for Text<MAX> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if fits(&text, MAX, char::is_control) {
            return Ok(Self(text));
        }
        Err(format!("expected 1 to {MAX} characters on one line"))
    }
}

impl<const MAX: usize> TryFrom<String> for Note<MAX> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if fits(&text, MAX, |c| c.is_control() && c != '\n') {
            return Ok(Self(text));
        }
        Err(format!("expected 1 to {MAX} characters without control characters"))
    }
}

fn fits(text: &str, max: usize, forbidden: fn(char) -> bool) -> bool {
    !text.trim().is_empty() && text.chars().count() <= max && !text.chars().any(forbidden)
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

    fn schema(max: usize, pattern: &str) -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .min_length(Some(1))
            .max_length(Some(max))
            .pattern(Some(pattern))
            .into()
    }

    impl<const MAX: usize> PartialSchema for Text<MAX> {
        fn schema() -> RefOr<Schema> {
            schema(
                MAX,
                r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$",
            )
        }
    }

    impl<const MAX: usize> ToSchema for Text<MAX> {
        fn name() -> Cow<'static, str> {
            Cow::Owned(format!("Text{MAX}"))
        }
    }

    impl<const MAX: usize> PartialSchema for Note<MAX> {
        fn schema() -> RefOr<Schema> {
            let within = r"[^\u0000-\u0009\u000b-\u001f\u007f-\u009f]*";
            schema(MAX, &format!(r"^{within}[^\s\u0000-\u001f\u007f-\u009f]{within}$"))
        }
    }

    impl<const MAX: usize> ToSchema for Note<MAX> {
        fn name() -> Cow<'static, str> {
            Cow::Owned(format!("Note{MAX}"))
        }
    }
}
