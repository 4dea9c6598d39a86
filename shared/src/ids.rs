//! Typed ids: a mix-up of two kinds does not compile.
//!
//! Inside, an order is a small number: half the index and a tenth less WAL than a UUID key. Its
//! public id is a `UUIDv7` computed from the number and the instant of acceptance, so nothing is
//! stored twice. The sagas of an order are numbered within it: saga `1042.0` is the checkout of
//! order 1042, `1042.1` its confirmation notice. A child's id therefore follows from its parent,
//! and all sagas of an order lie side by side in the primary key.

use crate::Time;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Mutex;
use uuid::Uuid;

/// Sagas per order: the low bits of a saga id. SQL that goes from an order to its sagas has this number, too.
const SLOT_BITS: u32 = 20;

/// The largest slot of an order.
pub const SLOT_MAX: u32 = (1 << SLOT_BITS) - 1;

/// From here on, keys are those of sagas without an order. They sort after those of all orders.
const STANDALONE: i64 = 1 << 62;

/// A `UUIDv7` has 62 free bits at its end.
const LOW_62: u64 = (1 << 62) - 1;

/// Odd, so multiplication modulo 2^62 can be undone; spreads neighbouring numbers apart.
const SPREAD: u64 = 0x1E37_79B9_7F4A_7C15;

/// Text that should be an id but is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct InvalidId {
    text: String,
    expected: &'static str,
}

impl InvalidId {
    pub(crate) fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.chars().take(80).collect(), expected }
    }
}

/// An order's number: positive, given out by the database, never reused; gaps are normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = i64, minimum = 1, example = 1042))]
#[serde(transparent)]
pub struct OrderId(i64);

impl OrderId {
    /// Wraps a number that came out of the database. It is positive and leaves room for the slots.
    pub const fn new(number: i64) -> Self {
        debug_assert!(number > 0 && number < (1 << (62 - SLOT_BITS)));
        Self(number)
    }

    /// The same of a number that may be none of an order.
    pub const fn from_number(number: i64) -> Option<Self> {
        if number > 0 && number < (1 << (62 - SLOT_BITS)) { Some(Self(number)) } else { None }
    }

    /// The number itself.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The saga in `slot` of this order.
    pub const fn saga(self, slot: u32) -> SagaId {
        debug_assert!(slot <= SLOT_MAX);
        SagaId((self.0 << SLOT_BITS) | slot as i64)
    }

    /// All sagas that this order can have.
    pub const fn sagas(self) -> RangeInclusive<SagaId> {
        self.saga(0)..=self.saga(SLOT_MAX)
    }

    /// The id the world outside sees. `accepted_at` is the order's instant of acceptance.
    pub fn public(self, accepted_at: Time) -> Uuid {
        let millis = accepted_at.as_millis().cast_unsigned() & ((1 << 48) - 1);
        let spread = self.0.cast_unsigned().wrapping_mul(SPREAD) & LOW_62;
        let high = (millis << 16) | (0x7 << 12) | (spread >> 50);
        Uuid::from_u64_pair(high, (0b10 << 62) | spread)
    }

    /// The number behind a public id, unproven: the caller compares [`Self::public`] of the order it
    /// finds with what it was given, so that a made-up id finds nothing.
    pub fn from_public(public: Uuid) -> Option<Self> {
        let (_, low) = public.as_u64_pair();
        let number = (low & LOW_62).wrapping_mul(spread_inverse()) & LOW_62;
        let number = i64::try_from(number).ok()?;
        Self::from_number(number)
    }
}

/// The multiplicative inverse of [`SPREAD`] modulo 2^64 (hence also modulo 2^62), by Newton's method.
const fn spread_inverse() -> u64 {
    let mut inverse = SPREAD;
    let mut round = 0;
    while round < 6 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(SPREAD.wrapping_mul(inverse)));
        round += 1;
    }
    inverse
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for OrderId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let order = text.parse().ok().and_then(Self::from_number);
        order.ok_or_else(|| InvalidId::new(text, "an order number such as 1042"))
    }
}

/// A saga: the order it serves and its slot there, written `1042.0`; or one that serves no order, such as a message about
/// an account, written `0.17`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SagaId(i64);

impl SagaId {
    /// Wraps a key that came out of the database.
    pub const fn from_key(key: i64) -> Self {
        Self(key)
    }

    /// A saga that serves no order. The caller derives `number` from what started it, so that a repeat is the same saga.
    pub const fn standalone(number: i64) -> Self {
        debug_assert!(number > 0 && number < STANDALONE);
        Self(STANDALONE | number)
    }

    /// The sagas of the orders with these numbers. Those that serve no order lie behind the last one.
    pub fn of_orders(numbers: &RangeInclusive<i64>) -> RangeInclusive<Self> {
        let order = |number: &i64| OrderId::from_number(*number);
        let before_all = if *numbers.start() > 0 { i64::MAX } else { i64::MIN };
        let first = order(numbers.start()).map_or(Self(before_all), |first| *first.sagas().start());
        let last = order(numbers.end()).map_or(Self(i64::MAX), |last| *last.sagas().end());
        first..=last
    }

    /// The database's key.
    pub const fn key(self) -> i64 {
        self.0
    }

    /// The order this saga serves, if it serves one.
    pub const fn order(self) -> Option<OrderId> {
        if self.0 < STANDALONE { Some(OrderId(self.0 >> SLOT_BITS)) } else { None }
    }

    /// Its place among the order's sagas; `None` for one that serves no order.
    pub fn slot(self) -> Option<u32> {
        self.order().and_then(|_| u32::try_from(self.0 & i64::from(SLOT_MAX)).ok())
    }
}

impl fmt::Display for SagaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.order() {
            Some(order) => write!(f, "{order}.{}", self.0 & i64::from(SLOT_MAX)),
            None => write!(f, "0.{}", self.0 & !STANDALONE),
        }
    }
}

impl FromStr for SagaId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId::new(text, "a saga id such as 1042.0");
        let (order, slot) = text.split_once('.').ok_or_else(invalid)?;
        if order == "0" {
            let number = slot.parse().ok().filter(|number| (1..STANDALONE).contains(number));
            return number.map(Self::standalone).ok_or_else(invalid);
        }
        let order: OrderId = order.parse().map_err(|_| invalid())?;
        let slot = slot.parse().ok().filter(|slot| *slot <= SLOT_MAX);
        Ok(order.saga(slot.ok_or_else(invalid)?))
    }
}

impl Serialize for SagaId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SagaId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A cart: unguessable, because for a guest knowing it is the right to use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, format = Uuid))]
#[serde(transparent)]
pub struct CartId(pub Uuid);

impl fmt::Display for CartId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A customer: random, and nothing else in our rows says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CustomerId(pub Uuid);

impl CustomerId {
    /// One that nobody has.
    pub fn random() -> Self {
        Self(uuid::Builder::from_random_bytes(rand::random()).into_uuid())
    }
}

/// Where ids that nobody may guess come from.
pub trait Ids: Send + Sync + fmt::Debug {
    /// A fresh cart id, no other call returns it again.
    fn cart(&self, now: Time) -> CartId;
}

/// Random ids from the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    fn cart(&self, now: Time) -> CartId {
        cart_at(now, &rand::random())
    }
}

/// Every bit but the instant is drawn afresh: a counter, as generators of `UUIDv7` keep one to sort the ids of one
/// millisecond, would let one cart's owner guess at the next one's.
fn cart_at(now: Time, random: &[u8; 10]) -> CartId {
    let millis = u64::try_from(now.as_millis()).unwrap_or(0);
    CartId(uuid::Builder::from_unix_timestamp_millis(millis, random).into_uuid())
}

/// Repeatable ids for tests, simulations and the demo: the same seed gives the same ids.
#[derive(Debug)]
pub struct SeededIds(Mutex<StdRng>);

impl SeededIds {
    /// Ids that follow from `seed` alone.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Ids for SeededIds {
    fn cart(&self, now: Time) -> CartId {
        let mut random = [0u8; 10];
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).fill_bytes(&mut random);
        cart_at(now, &random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_id_is_a_uuid_v7_and_leads_back_to_its_order() {
        let at = Time::from_micros(1_700_000_000_123_456);
        for number in [1, 2, 1042, 999_999_999, (1 << 42) - 1] {
            let order = OrderId::new(number);
            let public = order.public(at);
            assert_eq!(public.get_version_num(), 7, "{public}");
            assert_eq!(public.get_variant(), uuid::Variant::RFC4122, "{public}");
            assert_eq!(OrderId::from_public(public), Some(order), "{public}");
        }
    }

    #[test]
    fn another_instant_gives_another_public_id() {
        let order = OrderId::new(7);
        let public = order.public(Time::from_micros(1_000_000));
        assert_ne!(public, order.public(Time::from_micros(2_000_000)));
        assert_ne!(public, OrderId::new(8).public(Time::from_micros(1_000_000)));
    }

    #[test]
    fn a_saga_id_is_written_as_order_dot_slot() {
        let saga = OrderId::new(1042).saga(3);
        assert_eq!(saga.to_string(), "1042.3");
        assert_eq!("1042.3".parse::<SagaId>(), Ok(saga));
        assert_eq!((saga.order(), saga.slot()), (Some(OrderId::new(1042)), Some(3)));
        let last = OrderId::new((1 << 42) - 1).saga(SLOT_MAX);
        assert_eq!(last.to_string().parse(), Ok(last));
        for bad in
            ["", "1042", "1042.", ".3", "1042.1048576", "0.0", "-1.0", "a.b", "0.-1", "0.4611686018427387904"]
        {
            assert!(bad.parse::<SagaId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_saga_without_an_order_comes_after_all_that_have_one() {
        let saga = SagaId::standalone(17);
        assert_eq!((saga.to_string(), "0.17".parse()), ("0.17".to_owned(), Ok(saga)));
        assert_eq!((saga.order(), saga.slot()), (None, None));
        assert!(saga > OrderId::new((1 << 42) - 1).saga(SLOT_MAX));
        assert!(saga < SagaId::standalone(18));
    }

    #[test]
    fn seeded_ids_repeat_and_system_ids_do_not() {
        let now = Time::from_micros(1);
        assert_eq!(SeededIds::new(7).cart(now), SeededIds::new(7).cart(now));
        assert_ne!(SystemIds.cart(now), SystemIds.cart(now));
    }
}
