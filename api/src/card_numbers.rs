//! Card numbers never get past this filter: neither into the database nor into a log. It is a net, not a wall; what it
//! knows is in [`holdfast_shared::has_card_number`].

use axum::http::{HeaderMap, HeaderName};
use holdfast_contract::input::{At, Faults};
use holdfast_contract::json::Json;
use holdfast_contract::problem::Code;
use holdfast_shared::{has_card_number, is_card_number, is_split_card_number};

use crate::headers::{IDEMPOTENCY_KEY, LAST_EVENT_ID};
use crate::problem::Problem;

/// The headers whose values are kept, or get into a log.
const KEPT: [(HeaderName, &str); 2] =
    [(IDEMPOTENCY_KEY, "Idempotency-Key"), (LAST_EVENT_ID, "Last-Event-ID")];
/// Fields that are numbers by themselves. Two neighbours of them are no card, whatever their digits.
const NUMBERS: [&str; 2] = ["phone", "postal_code"];

/// Fewer digits are no card number.
const DIGITS_MIN: usize = 12;
/// The most text of a request that is looked through, in bytes, where it has enough digits: no honest request has more,
/// and looking costs far more than sending.
const LOOKED_THROUGH_MAX: usize = 16 * 1024;

const DETAIL: &str = "it looks like a card number; send the payment provider's token instead, never the card";

/// The headers with what looks like a card number.
pub(crate) fn in_headers(headers: &HeaderMap) -> Faults {
    let mut faults = Faults::default();
    for (name, shown) in &KEPT {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        if values.into_iter().any(is_card_number) {
            faults.header::<()>(shown, Code::CardNumberRefused, DETAIL);
        }
    }
    faults
}

/// Refuses a request with what looks like a card number, in its headers or anywhere else. The refusal names the places,
/// never the numbers, and no other fault: its text might repeat them.
pub(crate) fn find(body: Option<&Json>, query: &Json, in_headers: Faults) -> Result<(), Problem> {
    let mut search = Search { faults: in_headers, bare: Vec::new(), left: LOOKED_THROUGH_MAX };
    if let Some(body) = body {
        search.value(body, &At::BODY);
    }
    search.value(query, &At::QUERY);
    if search.faults.is_empty() && is_split_card_number(&search.bare) {
        let detail = format!("two fields of it together: {DETAIL}");
        search.faults.note(&At::BODY, Code::CardNumberRefused, detail);
    }
    if search.faults.is_empty() { Ok(()) } else { Err(Problem::of_faults(&search.faults)) }
}

struct Search<'a> {
    faults: Faults,
    /// The texts that a number may be split into, in their order.
    bare: Vec<&'a str>,
    /// How much text may still be looked through.
    left: usize,
}

impl<'a> Search<'a> {
    fn value(&mut self, value: &'a Json, at: &At<'_>) {
        let is_card = match value {
            // No operation takes a number with decimals, so none is ever kept. Short numbers are no cards.
            Json::Null | Json::Bool(_) | Json::Decimal(_) | Json::Whole(-99_999_999_999..=99_999_999_999) => {
                false
            }
            Json::Whole(number) => has_card_number(&number.to_string()),
            Json::Text(text) => self.looks_through(text),
            Json::List(values) => {
                for (n, value) in values.iter().enumerate() {
                    self.value(value, &at.item(n));
                }
                false
            }
            Json::Object(fields) => {
                for (name, value) in fields {
                    self.field(name, value, at);
                }
                false
            }
        };
        if is_card {
            self.faults.note(at, Code::CardNumberRefused, DETAIL);
        }
    }

    fn looks_through(&mut self, text: &str) -> bool {
        let digits = text.bytes().filter(|byte| !byte.is_ascii() || byte.is_ascii_digit()).take(DIGITS_MIN);
        if digits.count() < DIGITS_MIN {
            return false;
        }
        let is_within = self.left >= text.len();
        self.left = self.left.saturating_sub(text.len());
        is_within && has_card_number(text)
    }

    fn field(&mut self, name: &str, value: &'a Json, at: &At<'_>) {
        if self.looks_through(name) {
            self.faults.note(at, Code::CardNumberRefused, format!("a field's name: {DETAIL}"));
            return;
        }
        if let Json::Text(text) = value
            && (4..40).contains(&text.len())
            && !NUMBERS.contains(&name)
            && text.starts_with(|c: char| c.is_numeric())
        {
            self.bare.push(text);
        }
        self.value(value, &at.field(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, headers: &[(HeaderName, &'static str)], expected: Option<&str>) {
        let body: Json = serde_json::from_str(body).expect("JSON");
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(name.clone(), value.parse().expect("a header"));
        }
        let problem = find(Some(&body), &Json::Object(Vec::new()), in_headers(&map))
            .err()
            .map(|problem| format!("{problem:?}"));
        match expected {
            None => assert_eq!(problem, None, "{body:?}"),
            Some(place) => {
                let problem = problem.unwrap_or_else(|| panic!("{body:?} passes"));
                assert!(problem.contains(place), "{place}: {problem}");
                assert!(!problem.contains("4242"), "{problem}");
            }
        }
    }

    #[test]
    fn f21_a_request_full_of_digits_is_no_weapon() {
        let text = format!("{} 4242424242424242", "4-".repeat(30_000));
        let body = format!(r#"{{"a": "{text}", "notes": "4242424242424242"}}"#);
        check(&body, &[], None);
        check(r#"{"a": "4-4-4-4", "notes": "4242424242424242"}"#, &[], Some("/notes"));
    }

    #[test]
    fn f21_a_card_number_is_seen_in_every_part_and_never_repeated() {
        for (body, place) in [
            (r#"{"notes": "4242424242424242"}"#, "/notes"),
            (r#"{"payment": {"token": "4242424242424242"}}"#, "/payment/token"),
            (r#"{"a": [1, {"b": 4242424242424242}]}"#, "/a/1/b"),
            (r#"{"x": {"4242424242424242": 1}}"#, "/x"),
            (r#"{"notes": "\u0034242424242424242"}"#, "/notes"),
            (r#"{"line1": "4242 4242", "line2": "4242 4242"}"#, "two fields"),
        ] {
            check(body, &[], Some(place));
        }
        check("{}", &[(IDEMPOTENCY_KEY, "4242424242424242")], Some("Idempotency-Key"));
        check("{}", &[(LAST_EVENT_ID, "4242-4242-4242-4242")], Some("Last-Event-ID"));
        for body in [
            r#"{"cart_id": "01234567-1234-7123-8123-424242424242"}"#,
            r#"{"token": "tok_ok", "quantity": 12}"#,
            r#"{"phone": "42424242", "postal_code": "42424242"}"#,
            r#"{"amount_minor": 42424242, "total": 42424242}"#,
        ] {
            check(body, &[(IDEMPOTENCY_KEY, "01890a5d-ac96-774b-bcce-b302099a8057")], None);
        }
        // Keys that machines make, with a card's digits by chance.
        for key in
            ["demo-4242424242424242-7", "order-2026-4111111111111111", "k4a2b4c2d4e2f4a2b4c2d4e2f4a2b4c2d"]
        {
            check("{}", &[(IDEMPOTENCY_KEY, key)], None);
        }
    }
}
