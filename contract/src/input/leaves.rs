//! Reading single values.

use std::fmt::Display;
use std::str::FromStr;

use holdfast_saga::records::view::ShownState;
use holdfast_shared::{CartId, Currency, Money, OrderId, OrderStatus, PaymentMethod, SagaId, Sku, Time};
use strum::IntoEnumIterator;
use uuid::Uuid;

use super::fault::{At, Faults};
use super::read::Read;
use crate::json::Json;

/// Reads a text and parses it; the error of the type says what is expected.
pub fn parsed<T>(value: Json, at: &At<'_>, faults: &mut Faults) -> Option<T>
where
    T: TryFrom<String, Error: Display>,
{
    let text = String::read(value, at, faults)?;
    T::try_from(text).map_err(|error| faults.invalid::<T>(at, error.to_string())).ok()
}

/// Reads one of the names of a closed list.
pub fn choice<T>(value: Json, at: &At<'_>, faults: &mut Faults) -> Option<T>
where
    T: FromStr + IntoEnumIterator + Display,
{
    let text = String::read(value, at, faults)?;
    if let Ok(chosen) = text.parse() {
        return Some(chosen);
    }
    let names: Vec<_> = T::iter().map(|name| name.to_string()).collect();
    faults.invalid(at, format!("expected one of {}", names.join(", ")))
}

impl Read for String {
    fn read(value: Json, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        match value {
            Json::Text(text) if text.contains('\0') => {
                faults.invalid(at, "it has a character that no text may have (U+0000)")
            }
            Json::Text(text) => Some(text),
            value => faults.wrong_type(at, "a text", &value),
        }
    }
}

impl Read for bool {
    fn read(value: Json, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        match value {
            Json::Bool(value) => Some(value),
            Json::Text(text) if at.is_in_query() && text == "true" => Some(true),
            Json::Text(text) if at.is_in_query() && text == "false" => Some(false),
            value => faults.wrong_type(at, "true or false", &value),
        }
    }
}

/// Reads a whole number of a type that cannot hold every one.
fn whole<T>(value: Json, at: &At<'_>, faults: &mut Faults, min: &T, max: &T) -> Option<T>
where
    T: TryFrom<i128> + FromStr + Display,
{
    let number = match value {
        Json::Whole(number) => T::try_from(number).ok(),
        Json::Text(text) if at.is_in_query() => {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if !is_number {
                return faults.invalid(at, "expected a whole number");
            }
            text.parse().ok()
        }
        value => return faults.wrong_type(at, "a whole number", &value),
    };
    if number.is_none() {
        faults.invalid::<T>(at, format!("expected a whole number from {min} to {max}"));
    }
    number
}

macro_rules! read_whole {
    ($($number:ty),*) => {$(
        impl Read for $number {
            fn read(value: Json, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
                whole(value, at, faults, &Self::MIN, &Self::MAX)
            }
        }
    )*};
}

read_whole!(u32, u64, i64);

/// Reads a text that `parse` knows; `expected` says which.
fn text_as<T>(
    value: Json,
    at: &At<'_>,
    faults: &mut Faults,
    parse: impl FnOnce(&str) -> Option<T>,
    expected: &str,
) -> Option<T> {
    let text = String::read(value, at, faults)?;
    parse(&text).or_else(|| faults.invalid(at, expected))
}

impl Read for Uuid {
    fn read(value: Json, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let expected = "expected a UUID, as an earlier answer had it";
        text_as(value, at, faults, |text| Self::try_parse(text).ok(), expected)
    }
}

impl Read for CartId {
    fn read(value: Json, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        Uuid::read(value, at, faults).map(Self)
    }
}

impl Read for SagaId {
    fn read(value: Json, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let expected = "expected the id of a saga, such as 1042.3";
        text_as(value, at, faults, |text| text.parse().ok(), expected)
    }
}

read_by!(parsed: Sku, Currency);
read_by!(choice: PaymentMethod, OrderStatus, ShownState);

read_fields!(Money { amount_minor, currency });

impl Read for OrderId {
    fn read(value: Json, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let number = i64::read(value, at, faults)?;
        let found = Self::from_number(number);
        found.or_else(|| faults.invalid(at, "expected the number of an order, such as 1042"))
    }
}

impl Read for Time {
    fn read(value: Json, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let expected = "expected a time such as 2026-11-30T10:00:00Z";
        text_as(value, at, faults, |text| text.parse().ok(), expected)
    }
}
