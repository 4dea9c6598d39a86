//! What a request brings besides its path: a body, a query, and headers, judged as a whole.
//!
//! Nothing is swallowed: whatever an operation neither uses nor needs is a fault. All faults are listed at once, and only
//! to a caller who may do what they ask: a handler calls [`Input::check`] once it knows that.

mod headers;

use std::convert::Infallible;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Query, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode, Uri};
use holdfast_contract::input::{At, Faults, Nothing, Read};
use holdfast_contract::json::Json;
use holdfast_contract::problem::Code;

pub(crate) use self::headers::{IdempotencyKey, IfMatch, Preconditions, ReadHeaders, Seen};
use crate::card_numbers;
use crate::problem::Problem;

/// What a request brings: a body of type `B`, a query of type `Q`, and headers of type `H`. A body that is not there is
/// read as `{}`.
#[derive(Debug)]
pub(crate) struct Input<B = Nothing, Q = Nothing, H = ()>(Result<(B, Q, H), Problem>);

impl<B, Q, H> Input<B, Q, H> {
    /// All of it, or all faults of it.
    pub(crate) fn check(self) -> Result<(B, Q, H), Problem> {
        self.0
    }

    /// The body, if nothing has a fault.
    pub(crate) fn body(self) -> Result<B, Problem> {
        self.0.map(|(body, _, _)| body)
    }

    /// The query, if nothing has a fault.
    pub(crate) fn query(self) -> Result<Q, Problem> {
        self.0.map(|(_, query, _)| query)
    }

    /// Whether something has a fault.
    pub(crate) const fn is_faulty(&self) -> bool {
        self.0.is_err()
    }
}

impl<B, Q, H, S> FromRequest<S> for Input<B, Q, H>
where
    B: Read + Send,
    Q: Read + Send,
    H: ReadHeaders + Send,
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        let query = query_of(request.uri());
        let mut faults = Faults::default();
        // Read here, before the body takes the request: a copy of all headers would cost every order.
        let headers = H::read_strictly(request.headers(), &mut faults);
        let (kind, cards) = (check_type(request.headers()), card_numbers::in_headers(request.headers()));
        let head = Head { query, headers, faults, kind, cards };
        let body = Bytes::from_request(request, state).await;
        Ok(Self(read(head, body)))
    }
}

/// What is known of a request before its body is read.
struct Head<H> {
    query: Json,
    headers: Option<H>,
    faults: Faults,
    /// Whether a body is of a type that is read.
    kind: Result<(), Problem>,
    /// The headers that look like card numbers.
    cards: Faults,
}

fn read<B: Read, Q: Read, H>(
    head: Head<H>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(B, Q, H), Problem> {
    let Head { query, headers, mut faults, kind, cards } = head;
    let body = body.map_err(|rejection| unread(&rejection))?;
    if !body.is_empty() {
        kind?;
    }
    let body = parse(&body, &mut faults);
    card_numbers::find(body.as_ref(), &query, cards)?;
    let query = Q::read(query, &At::QUERY, &mut faults);
    let body = body.and_then(|body| B::read(body, &At::BODY, &mut faults));
    match (body, query, headers) {
        (Some(body), Some(query), Some(headers)) if faults.is_empty() => Ok((body, query, headers)),
        _ => Err(Problem::of_faults(&faults)),
    }
}

/// The parameters of the query.
pub(crate) fn parameters(uri: &Uri) -> Vec<(String, String)> {
    Query::try_from_uri(uri).map_or_else(|_| Vec::new(), |Query(pairs)| pairs)
}

/// The query, as an object of texts.
fn query_of(uri: &Uri) -> Json {
    Json::Object(parameters(uri).into_iter().map(|(name, value)| (name, Json::Text(value))).collect())
}

fn parse(body: &[u8], faults: &mut Faults) -> Option<Json> {
    if body.is_empty() {
        return Some(Json::Object(Vec::new()));
    }
    let malformed = |error: serde_json::Error| {
        let (line, column) = (error.line(), error.column());
        faults.note(
            &At::BODY,
            Code::MalformedJson,
            format!("the body is not JSON: line {line}, column {column}"),
        );
    };
    serde_json::from_slice(body).map_err(malformed).ok()
}

/// Only JSON, in UTF-8, as it is.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let refuse = || Problem::new(Code::UnsupportedMediaType, "send the body as application/json");
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(kind), None) = (types.next(), types.next()) else { return Err(refuse()) };
    let mut parts = kind.to_str().unwrap_or_default().split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let is_utf8 = parts.filter(|part| !part.is_empty()).all(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        !name.trim().eq_ignore_ascii_case("charset")
            || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    let encodings = headers.get_all(CONTENT_ENCODING);
    let is_plain = encodings.iter().all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if is_json && is_utf8 && is_plain { Ok(()) } else { Err(refuse()) }
}

fn unread(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::new(
            Code::BodyTooLarge,
            "the body is larger than 64 KiB; no request here needs that",
        );
    }
    Problem::new(Code::BodyIncomplete, "the body is incomplete; send the request again")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn check(types: &[&'static str], encoding: Option<&'static str>, is_taken: bool) {
        let mut headers = HeaderMap::new();
        for kind in types {
            headers.append(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        if let Some(encoding) = encoding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        assert_eq!(check_type(&headers).is_ok(), is_taken, "{types:?} {encoding:?}");
    }

    #[test]
    fn f16_a_body_is_json_by_its_type() {
        for json in
            ["application/json", "Application/JSON ; charset=UTF-8", "application/json;charset=\"utf-8\";"]
        {
            check(&[json], None, true);
        }
        check(&["application/json"], Some("identity"), true);
        for other in [
            "text/json",
            "application/jsonx",
            "application/merge-patch+json",
            "application/json; charset=latin1",
            "",
        ] {
            check(&[other], None, false);
        }
        check(&[], None, false);
        check(&["application/json", "application/json"], None, false);
        check(&["application/json"], Some("gzip"), false);
    }
}
