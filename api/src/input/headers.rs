//! Headers that ask for something: an operation uses them, or refuses them.

use axum::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue};
use holdfast_contract::input::Faults;
use holdfast_contract::problem::Code;
use holdfast_saga::shop::catalog::Expect;

use crate::headers::IDEMPOTENCY_KEY;

/// The headers that would be broken promises if an operation ignored them.
const ASKING: [(HeaderName, &str); 3] =
    [(IDEMPOTENCY_KEY, "Idempotency-Key"), (IF_MATCH, "If-Match"), (IF_NONE_MATCH, "If-None-Match")];

/// The longest idempotency key.
const KEY_MAX: usize = 255;

/// A header that a request can do without; `Err`: it has a fault.
type Optional = Result<Option<String>, ()>;

/// The headers that an operation uses.
pub(crate) trait ReadHeaders: Sized {
    /// Their names.
    const USED: &'static [&'static str];

    /// Reads them; `None`: there are faults.
    fn read(headers: &HeaderMap, faults: &mut Faults) -> Option<Self>;

    /// Reads them, and notes those that the operation does not use.
    fn read_strictly(headers: &HeaderMap, faults: &mut Faults) -> Option<Self> {
        for (name, shown) in &ASKING {
            if headers.contains_key(name) && !Self::USED.contains(shown) {
                let detail = "this operation takes no such header; leave it out";
                faults.header::<()>(shown, Code::UnexpectedHeader, detail);
            }
        }
        Self::read(headers, faults)
    }
}

impl ReadHeaders for () {
    const USED: &'static [&'static str] = &[];

    fn read(_: &HeaderMap, _: &mut Faults) -> Option<Self> {
        Some(())
    }
}

/// For reads: the versions that a caller has seen already.
#[derive(Debug, Default)]
pub(crate) struct Seen(Vec<String>);

impl Seen {
    /// Whether the caller has seen the version with this `ETag`. A weak one is as good: nothing is combined from parts.
    pub(crate) fn has(&self, tag: &str) -> bool {
        self.0.iter().any(|seen| seen == "*" || seen.strip_prefix("W/").unwrap_or(seen) == tag)
    }
}

impl ReadHeaders for Seen {
    const USED: &'static [&'static str] = &["If-None-Match"];

    fn read(headers: &HeaderMap, _: &mut Faults) -> Option<Self> {
        let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        Some(Self(values.flat_map(|value| value.split(',')).map(|tag| tag.trim().to_owned()).collect()))
    }
}

/// The idempotency key of an operation that needs one.
#[derive(Debug)]
pub(crate) struct IdempotencyKey(pub(crate) String);

impl ReadHeaders for IdempotencyKey {
    const USED: &'static [&'static str] = &["Idempotency-Key"];

    fn read(headers: &HeaderMap, faults: &mut Faults) -> Option<Self> {
        let Some(key) = idempotency_key(headers, faults).ok()? else {
            let detail = "the header Idempotency-Key is missing; send a fresh UUID, and the same one when you repeat the request";
            return faults.header("Idempotency-Key", Code::IdempotencyKeyMissing, detail);
        };
        Some(Self(key))
    }
}

/// The idempotency key, with or without the quotes of a structured field.
fn idempotency_key(headers: &HeaderMap, faults: &mut Faults) -> Optional {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().map_or("", str::trim);
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let fits = (1..=KEY_MAX).contains(&bare.len())
        && bare.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"')
        && values.next().is_none();
    if fits {
        return Ok(Some(bare.to_owned()));
    }
    let detail = format!(
        "Idempotency-Key must be one value of 1 to {KEY_MAX} printable ASCII characters without blanks"
    );
    faults.header::<()>("Idempotency-Key", Code::IdempotencyKeyMalformed, detail);
    Err(())
}

/// The version that a caller insists on, and the key of their request; each is optional.
#[derive(Debug)]
pub(crate) struct IfMatch {
    /// The version.
    pub(crate) version: Option<String>,
    /// The idempotency key.
    pub(crate) key: Option<String>,
}

impl ReadHeaders for IfMatch {
    const USED: &'static [&'static str] = &["If-Match", "Idempotency-Key"];

    fn read(headers: &HeaderMap, faults: &mut Faults) -> Option<Self> {
        let (version, key) = (if_match(headers, faults), idempotency_key(headers, faults));
        Some(Self { version: version.ok()?, key: key.ok()? })
    }
}

/// What a caller believes is there.
#[derive(Debug)]
pub(crate) struct Preconditions(pub(crate) Expect);

impl ReadHeaders for Preconditions {
    const USED: &'static [&'static str] = &["If-Match", "If-None-Match"];

    fn read(headers: &HeaderMap, faults: &mut Faults) -> Option<Self> {
        let mut absent = headers.get_all(IF_NONE_MATCH).iter().map(HeaderValue::as_bytes);
        let expect = match (if_match(headers, faults).ok()?, absent.next()) {
            (None, None) => Expect::Any,
            (None, Some(b"*")) if absent.next().is_none() => Expect::Absent,
            (Some(version), None) => Expect::Is(version),
            (_, Some(_)) => {
                let detail = "send either If-Match with an ETag, or If-None-Match: *";
                return faults.header("If-None-Match", Code::InvalidPrecondition, detail);
            }
        };
        Some(Self(expect))
    }
}

/// The version in `If-Match` with one strong `ETag`.
fn if_match(headers: &HeaderMap, faults: &mut Faults) -> Optional {
    let mut values = headers.get_all(IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let version = value.to_str().ok().and_then(|text| text.trim().strip_prefix('"')?.strip_suffix('"'));
    match version {
        Some(version) if !version.contains('"') && values.next().is_none() => Ok(Some(version.to_owned())),
        _ => {
            let detail = "If-Match must be one ETag in quotes, as the API returned it";
            faults.header::<()>("If-Match", Code::InvalidPrecondition, detail);
            Err(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&'static str], expected: Result<&str, Code>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_static(value));
        }
        let mut faults = Faults::default();
        let read = IdempotencyKey::read(&headers, &mut faults).map(|key| key.0);
        let code = faults.as_slice().first().map(|fault| fault.code);
        assert_eq!((read.as_deref(), code), (expected.ok(), expected.err()), "{values:?}");
    }

    #[test]
    fn a_key_is_one_printable_word_quoted_or_not() {
        check(&["abc-1"], Ok("abc-1"));
        check(&["\"abc-1\""], Ok("abc-1"));
        check(&[], Err(Code::IdempotencyKeyMissing));
        for malformed in ["", "\"\"", "a b", "\"a", "a\"b"] {
            check(&[malformed], Err(Code::IdempotencyKeyMalformed));
        }
        check(&["a", "b"], Err(Code::IdempotencyKeyMalformed));
    }
}
