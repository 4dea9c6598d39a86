//! Parsers of values on the command line.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use holdfast_contract::text::Text;
use holdfast_shared::{Queue, ShopId, Time, has_card_number};
use strum::IntoEnumIterator;

const NAME_MAX: usize = 80;
const REASON_MAX: usize = 500;
/// More calls in flight than any provider takes from one process.
const CALLS_MAX: usize = 10_000;
/// The longest window for a buyer, for an admin, or of a token.
const DAYS_MAX: u64 = 366;

/// One of the values of an enum, in upper or lower case.
pub(crate) fn one_of<T>() -> impl TypedValueParser<Value = T>
where
    T: IntoEnumIterator + Into<&'static str> + FromStr<Err: std::error::Error + Send + Sync + 'static>,
    T: Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(T::iter().map(Into::into)).try_map(|typed: String| {
        let known =
            T::iter().map(Into::<&'static str>::into).find(|known| known.eq_ignore_ascii_case(&typed));
        known.unwrap_or(&typed).parse()
    })
}

/// The name of a person or of a key prefix.
pub(crate) fn name(text: &str) -> Result<String, String> {
    one_line::<NAME_MAX>(text)
}

/// A value that may be left out: an empty variable counts as unset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Optional<T>(Option<T>);

impl<T> Optional<T> {
    /// The value of an option, if there is one.
    pub(crate) fn of(option: Option<Self>) -> Option<T> {
        option.and_then(|Self(value)| value)
    }
}

/// A value that may be left out; `what` says what is expected.
fn optional<T: FromStr>(text: &str, what: &str) -> Result<Optional<T>, String> {
    if text.is_empty() {
        return Ok(Optional(None));
    }
    let value = text.parse().map_err(|_| format!("expected {what}"));
    value.map(|value| Optional(Some(value)))
}

/// The id of a shop.
pub(crate) fn shop_id(text: &str) -> Result<Optional<ShopId>, String> {
    optional(text, "ten hexadecimal digits, such as 9f2c41ab07")
}

/// An address to listen on, which may be left out.
pub(crate) fn optional_address(text: &str) -> Result<Optional<SocketAddr>, String> {
    optional(text, "an address with its port, such as 0.0.0.0:9464")
}

/// The reason of a decision.
pub(crate) fn reason(text: &str) -> Result<String, String> {
    one_line::<REASON_MAX>(text)
}

/// What is typed here is kept, as what comes over the API is; so it is read by the same rules.
fn one_line<const MAX: usize>(typed: &str) -> Result<String, String> {
    let text = String::from(Text::<MAX>::try_from(typed.to_owned())?);
    if has_card_number(&text) {
        return Err("it looks like a card number, and those are kept nowhere; leave it out".to_owned());
    }
    Ok(text)
}

/// A duration above zero: with zero, a window would end before anyone can decide.
pub(crate) fn window(text: &str) -> Result<humantime::Duration, String> {
    let duration = duration(text)?;
    if duration.is_zero() { Err(format!("expected 1s to {DAYS_MAX}d")) } else { Ok(duration) }
}

/// A duration, such as `30m`.
pub(crate) fn duration(text: &str) -> Result<humantime::Duration, String> {
    let duration: humantime::Duration =
        text.parse().map_err(|error| format!("expected a duration such as 90s, 30m or 48h: {error}"))?;
    if *duration > Duration::from_hours(24 * DAYS_MAX) {
        return Err(format!("expected at most {DAYS_MAX}d"));
    }
    Ok(duration)
}

/// Since when: an instant, or so long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    At(Time),
    Ago(Duration),
}

impl Since {
    /// The instant that it means at `now`.
    pub(crate) fn at(self, now: Time) -> Time {
        match self {
            Self::At(at) => at,
            Self::Ago(age) => now - age,
        }
    }
}

/// An instant, or how long ago it was.
pub(crate) fn since(text: &str) -> Result<Since, String> {
    if let Ok(at) = text.parse() {
        return Ok(Since::At(at));
    }
    let ago = duration(text).map(|age| Since::Ago(*age));
    ago.map_err(|_| {
        "expected a time such as 2026-11-30T10:00:00Z, or how long ago, such as 90m, 2h or 3d".to_owned()
    })
}

/// A pool, and how many of its calls may be in flight.
pub(crate) fn pool(text: &str) -> Result<(Queue, usize), String> {
    let (name, calls) = text.split_once('=').ok_or("expected POOL=N, such as checkout=256")?;
    let pools = Queue::iter().map(Into::<&str>::into).collect::<Vec<_>>().join(", ");
    let queue = name.parse().map_err(|_| format!("pool {name:?} does not exist; the pools are {pools}"))?;
    match calls.parse() {
        Ok(calls @ 1..=CALLS_MAX) => Ok((queue, calls)),
        Ok(_) | Err(_) => Err(format!("expected 1 to {CALLS_MAX} calls in flight")),
    }
}

/// A change of a stock level.
pub(crate) fn delta(text: &str) -> Result<i64, String> {
    match text.parse() {
        Ok(0) => Err("0 changes nothing; give the number of pieces to add or to remove".to_owned()),
        Ok(delta) => Ok(delta),
        Err(_) => Err("expected a whole number such as 10 or -3".to_owned()),
    }
}
