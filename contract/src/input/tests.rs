//! What callers send, and every fault of it.

use holdfast_shared::{Money, PaymentMethod};

use super::*;
use crate::checkout::{AddressBody, CheckoutBody};
use crate::dead_letter::RetryBody;
use crate::order::RefundBody;
use crate::text::Note;

/// What a query can have: texts only.
#[derive(Debug)]
struct Query {
    limit: Option<u32>,
    method: Option<PaymentMethod>,
    open: Option<bool>,
}

read_fields!(Query { limit, method, open });

fn read<T: Read>(at: &At<'_>, text: &str) -> Result<T, Vec<(String, String)>> {
    let value = serde_json::from_str(text).expect("JSON");
    let mut faults = Faults::default();
    let read = T::read(value, at, &mut faults);
    if faults.is_empty() {
        return Ok(read.expect("a value, where there is no fault"));
    }
    let place = |fault: &Fault| match &fault.place {
        Place::Pointer(place) | Place::Parameter(place) => place.clone(),
        Place::Header(name) => (*name).to_owned(),
    };
    Err(faults.as_slice().iter().map(|fault| (place(fault), fault.code.as_str().to_owned())).collect())
}

fn check<T: Read + std::fmt::Debug>(text: &str, expected: &[(&str, &str)]) {
    let expected = expected.iter().map(|(at, code)| ((*at).to_owned(), (*code).to_owned())).collect();
    assert_eq!(read::<T>(&At::BODY, text).expect_err(text), Vec::from_iter::<Vec<_>>(expected), "{text}");
}

#[test]
fn f16_nothing_passes_for_an_object_but_an_object() {
    check::<Money>(r#"[5, "EUR"]"#, &[("", "wrong_type")]);
    check::<Money>(r#""5 EUR""#, &[("", "wrong_type")]);
    check::<Money>("null", &[("", "wrong_type")]);
    check::<RefundBody>(r#"{"reason": "x", "amount": [5, "EUR"]}"#, &[("/amount", "wrong_type")]);
    check::<AddressBody>(r#"["A", "B", null, "C", null, "1", "US"]"#, &[("", "wrong_type")]);
}

// Whatever 64 KiB can hold is read in moments: time that grows with the square of it would be a weapon.
#[test]
fn f16_thousands_of_fields_are_read_at_once() {
    for field in ["\"reason\":1", "\"x\":1"] {
        let body = format!("{{{}}}", vec![field; 100_000].join(","));
        let since = std::time::Instant::now();
        let faults = read::<RefundBody>(&At::BODY, &body).expect_err("faults");
        assert!(faults.len() <= 51, "{}", faults.len());
        assert!(since.elapsed() < std::time::Duration::from_secs(2), "{field}: {:?}", since.elapsed());
    }
}

#[test]
fn f16_what_is_unknown_or_doubled_is_a_fault_at_every_depth() {
    check::<Money>(
        r#"{"amount_minor": 5, "currency": "EUR", "decimals": 2}"#,
        &[("/decimals", "unknown_field")],
    );
    check::<RefundBody>(
        r#"{"reason": "x", "amount": {"amount_minor": 5, "currency": "EUR", "a/b~c": 1}}"#,
        &[("/amount/a~1b~0c", "unknown_field")],
    );
    check::<RefundBody>(
        r#"{"reason": "x", "amount": {"amount_minor": 5, "currency": "EUR", "amount_minor": 500}}"#,
        &[("/amount/amount_minor", "duplicate_field")],
    );
    check::<RefundBody>(r#"{"reason": "x", "reason": "x"}"#, &[("/reason", "duplicate_field")]);
    check::<RetryBody>(r#"{"filter": {"colour": "red"}}"#, &[("/filter/colour", "unknown_field")]);
    check::<RetryBody>(r#"{"ids": ["1.0", 7, "x"]}"#, &[("/ids/1", "wrong_type"), ("/ids/2", "invalid")]);
}

#[test]
fn f17_all_faults_are_listed_at_once_in_plain_english() {
    let text = r#"{
        "cart_id": "7", "payment": {"method": "barter", "tokn": "tok_ok"}, "contact": {"email": "nobody"},
        "shipping_address": {"name": 5, "line1": "x", "city": " ", "postal_code": "1", "country": "UK"},
        "expected_total": {"amount_minor": "5", "currency": "eur"}, "notes": 5.5
    }"#;
    check::<CheckoutBody>(
        text,
        &[
            ("/cart_id", "invalid"),
            ("/payment/method", "invalid"),
            ("/payment/tokn", "unknown_field"),
            ("/contact/email", "invalid"),
            ("/shipping_address/name", "wrong_type"),
            ("/shipping_address/city", "invalid"),
            ("/shipping_address/country", "invalid"),
            ("/expected_total/amount_minor", "wrong_type"),
            ("/expected_total/currency", "invalid"),
            ("/notes", "wrong_type"),
        ],
    );
    let mut faults = Faults::default();
    CheckoutBody::read(serde_json::from_str(text).expect("JSON"), &At::BODY, &mut faults);
    let said = format!("{:?}", faults.as_slice().iter().map(|fault| &fault.detail).collect::<Vec<_>>());
    for rust in ["u32", "i64", "struct", "enum", "variant", "Some(", "invalid type"] {
        assert!(!said.contains(rust), "{rust} in {said}");
    }
}

#[test]
fn a_body_full_of_faults_gets_a_bounded_answer() {
    let fields: Vec<_> = (0..10_000).map(|n| format!(r#""f{n}": 1"#)).collect();
    let text = format!("{{{}}}", fields.join(","));
    let faults = read::<Money>(&At::BODY, &text).expect_err("many faults");
    assert_eq!(faults.len(), 50);
}

#[test]
fn f20_a_blank_text_in_an_optional_field_is_none() {
    let address = |postal_code: &str, country: &str| {
        format!(
            r#"{{"name": "A", "line1": "1 Way", "line2": "", "region": " ", "city": "B", {postal_code} "country": "{country}"}}"#
        )
    };
    for (postal_code, country) in
        [("", "HK"), (r#""postal_code": "","#, "AE"), (r#""postal_code": null,"#, "IE")]
    {
        let read = read::<AddressBody>(&At::BODY, &address(postal_code, country)).expect("an address");
        assert!(read.line2.is_none() && read.region.is_none() && read.postal_code.is_none());
    }
    for country in ["DE", "US", "JP"] {
        check::<AddressBody>(&address("", country), &[("/postal_code", "missing")]);
    }
    let notes: Option<Note<9>> = read(&At::BODY, r#""a\r\nb\t""#).expect("a note");
    assert_eq!(notes.map(String::from).as_deref(), Some("a\nb"));
}

#[test]
fn f20_an_address_may_be_of_any_alphabet() {
    for email in [
        "max@müller.de",
        "用户@例子.公司",
        " ada@example.com ",
        "o'brien+x@mail.example.ie",
        "δοκιμή@παράδειγμα.δοκιμή",
    ] {
        let text = format!(r#"{{"email": "{email}", "phone": ""}}"#);
        let contact: crate::checkout::ContactBody = read(&At::BODY, &text).expect(email);
        assert_eq!(String::from(contact.email), email.trim());
    }
    for email in ["nobody", "@example.com", "a@", "a b@example.com", "a@b@c", "a\\u0000@b.de", "a@b\\n.de"] {
        check::<crate::checkout::ContactBody>(
            &format!(r#"{{"email": "{email}"}}"#),
            &[("/email", "invalid")],
        );
    }
}

#[test]
fn parameters_are_texts_and_faults_name_them() {
    let query: Query =
        read(&At::QUERY, r#"{"limit": "7", "method": "card", "open": "true"}"#).expect("a query");
    assert_eq!((query.limit, query.method, query.open), (Some(7), Some(PaymentMethod::Card), Some(true)));
    let faults = read::<Query>(
        &At::QUERY,
        r#"{"limit": "", "method": "gold", "open": "1", "limit": "3", "opne": "true"}"#,
    );
    let faults = faults.expect_err("faults");
    let expected = [
        ("limit", "duplicate_parameter"),
        ("limit", "invalid"),
        ("method", "invalid"),
        ("open", "invalid"),
        ("opne", "unknown_parameter"),
    ];
    assert_eq!(faults, expected.map(|(at, code)| (at.to_owned(), code.to_owned())));
    for limit in ["-1", "+1", "1.0", "99999999999", " 1", "0x1"] {
        assert!(read::<Query>(&At::QUERY, &format!(r#"{{"limit": "{limit}"}}"#)).is_err(), "{limit}");
    }
}

#[test]
fn f15_a_token_that_nobody_would_use_is_refused() {
    use crate::checkout::PaymentChoice;
    for method in ["cod", "none"] {
        check::<PaymentChoice>(
            &format!(r#"{{"method": "{method}", "token": "tok_ok"}}"#),
            &[("/token", "invalid")],
        );
        for token in ["", r#", "token": "" "#, r#", "token": null"#] {
            assert!(read::<PaymentChoice>(&At::BODY, &format!(r#"{{"method": "{method}"{token}}}"#)).is_ok());
        }
    }
    assert!(read::<PaymentChoice>(&At::BODY, r#"{"method": "card", "token": "tok_ok"}"#).is_ok());
}

// F20 and F10: forms send an empty text for what nobody filled in. An amount or a filter that is blank is no "all".
#[test]
fn f20_only_a_text_may_be_left_blank() {
    for blank in ["", " ", "\\t\\n"] {
        let refund = format!(r#"{{"amount": "{blank}", "reason": "a dent"}}"#);
        check::<RefundBody>(&refund, &[("/amount", "wrong_type")]);
        for condition in ["saga", "step", "error_contains"] {
            let filter = format!(r#"{{"filter": {{"{condition}": "{blank}"}}}}"#);
            check::<RetryBody>(&filter, &[(&format!("/filter/{condition}"), "invalid")]);
        }
        let since = format!(r#"{{"filter": {{"older_than_secs": "{blank}"}}}}"#);
        check::<RetryBody>(&since, &[("/filter/older_than_secs", "wrong_type")]);
        let reason = read::<RetryBody>(&At::BODY, &format!(r#"{{"ids": ["1.0"], "reason": "{blank}"}}"#));
        assert!(reason.expect("a body").reason.is_none());
    }
}

#[test]
fn what_no_text_may_have_is_refused_everywhere() {
    for text in ["a\\u0000b", "a\\u202eb", "a\\u2028b", "a\\u2066b", "a\\u0007b"] {
        check::<RefundBody>(&format!(r#"{{"reason": "{text}"}}"#), &[("/reason", "invalid")]);
    }
    check::<RetryBody>(r#"{"filter": {"saga": "a\u0000"}}"#, &[("/filter/saga", "invalid")]);
}
