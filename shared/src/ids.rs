//! Typed ids: a mix-up of two kinds does not compile.
//!
//! Inside, an order is a small number: half the index and a tenth less WAL than a UUID key. Its
//! public id is a `UUIDv7` computed from the number and the instant of acceptance, so nothing is
//! stored twice. The sagas of an order are numbered within it: saga `1042.0` is the checkout of
//! order 1042, `1042.1` its confirmation notice. A child's id therefore follows from its parent,
//! and all sagas of an order lie side by side in the primary key.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Time;

/// Sagas per order: the low bits of a saga id.
const SLOT_BITS: u32 = 8;
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
    fn new(text: &str, expected: &'static str) -> Self {
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

    /// The number itself.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The saga in `slot` of this order.
    pub const fn saga(self, slot: u8) -> SagaId {
        SagaId((self.0 << SLOT_BITS) | slot as i64)
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
        (number > 0 && number < (1 << (62 - SLOT_BITS))).then_some(Self(number))
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
        match text.parse::<i64>() {
            Ok(number) if number > 0 && number < (1 << (62 - SLOT_BITS)) => Ok(Self(number)),
            Ok(_) | Err(_) => Err(InvalidId::new(text, "an order number such as 1042")),
        }
    }
}

/// A saga: the order it serves and its slot there. Written `1042.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SagaId(i64);

impl SagaId {
    /// Wraps a key that came out of the database.
    pub const fn from_key(key: i64) -> Self {
        Self(key)
    }

    /// The database's key.
    pub const fn key(self) -> i64 {
        self.0
    }

    /// The order this saga serves.
    pub const fn order(self) -> OrderId {
        OrderId(self.0 >> SLOT_BITS)
    }

    /// Its place among the order's sagas.
    pub const fn slot(self) -> u8 {
        self.0.to_le_bytes()[0]
    }
}

impl fmt::Display for SagaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.order(), self.slot())
    }
}

impl FromStr for SagaId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId::new(text, "a saga id such as 1042.0");
        let (order, slot) = text.split_once('.').ok_or_else(invalid)?;
        let order: OrderId = order.parse().map_err(|_| invalid())?;
        Ok(order.saga(slot.parse().map_err(|_| invalid())?))
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

/// Which shop this is to payment providers, queues and recipients: ten hexadecimal digits, drawn at random by the
/// migration that created the database. A database that is created anew is another shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShopId(u64);

impl ShopId {
    const DIGITS: usize = 10;

    /// A random shop.
    pub fn random() -> Self {
        Self(rand::random::<u64>() >> (64 - 4 * Self::DIGITS))
    }
}

impl fmt::Display for ShopId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$x}", self.0, width = Self::DIGITS)
    }
}

impl FromStr for ShopId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != Self::DIGITS || !text.bytes().all(is_digit) {
            return Err(InvalidId::new(text, "a shop id such as 9f2c41ab07"));
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| InvalidId::new(text, "a shop id"))
    }
}

impl Serialize for ShopId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ShopId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What all keys of one saga begin with: the shop, the order and a nonce, as in `9f2c41ab07-1042-81f3a2c95d0e`.
///
/// It is drawn once, in the commit that starts the saga, and never follows from numbers that a sequence can give
/// again: a restored backup, a copy of the database or another shop on the same provider account can repeat an order's
/// number and a saga's slot, but not this.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyPrefix(String);

impl KeyPrefix {
    /// The prefix with this nonce, of which 48 bits count.
    pub fn new(shop: ShopId, order: OrderId, nonce: u64) -> Self {
        Self(format!("{shop}-{order}-{:012x}", nonce & ((1 << 48) - 1)))
    }

    /// A prefix read back from where it was stored.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The prefix as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where the prefixes of one shop's sagas come from: no two draws are the same.
#[derive(Debug, Clone)]
pub struct KeySource {
    shop: ShopId,
    /// `None`: the operating system's randomness.
    seeded: Option<Arc<Mutex<StdRng>>>,
}

impl KeySource {
    /// Random prefixes in the name of `shop`.
    pub const fn random(shop: ShopId) -> Self {
        Self { shop, seeded: None }
    }

    /// Repeatable ones for tests and simulations. Clones share the sequence.
    pub fn seeded(shop: ShopId, seed: u64) -> Self {
        Self { shop, seeded: Some(Arc::new(Mutex::new(StdRng::seed_from_u64(seed)))) }
    }

    /// The shop in whose name they are.
    pub const fn shop(&self) -> ShopId {
        self.shop
    }

    /// A fresh prefix for a saga of `order`.
    pub fn draw(&self, order: OrderId) -> KeyPrefix {
        let nonce = match &self.seeded {
            None => rand::random(),
            Some(rng) => rng.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next_u64(),
        };
        KeyPrefix::new(self.shop, order, nonce)
    }
}

/// The stable key of a call to the outside: the saga's own prefix, the step and the generation.
///
/// The same call repeated carries the same key, so the other side can refuse to do it twice. The
/// generation rises only in a commit that records proof that the last one moved nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepKey(String);

impl StepKey {
    /// The key of `generation` of `step` in the saga whose keys begin with `prefix`.
    pub fn new(prefix: &KeyPrefix, step: &str, generation: u32) -> Self {
        Self(format!("{}:{step}:{generation}", prefix.0))
    }

    /// A key read back from where it was stored.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The key as the provider sees it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `latest` or an earlier generation of it.
    pub fn is_up_to(&self, latest: &Self) -> bool {
        let parts = |key: &Self| {
            let (step, generation) = key.0.rsplit_once(':')?;
            Some((step.to_owned(), generation.parse::<u32>().ok()?))
        };
        match (parts(self), parts(latest)) {
            (Some((step, generation)), Some((latest_step, latest))) => {
                step == latest_step && (1..=latest).contains(&generation)
            }
            (None, _) | (_, None) => false,
        }
    }

    /// The shop and the order this key belongs to, if Holdfast made it.
    pub fn owner(&self) -> Option<(ShopId, OrderId)> {
        let mut parts = self.0.split(':').next()?.split('-');
        let (shop, order, _nonce) = (parts.next()?, parts.next()?, parts.next()?);
        Some((shop.parse().ok()?, order.parse().ok()?))
    }
}

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
        for number in [1, 2, 1042, 999_999_999, (1 << 54) - 1] {
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
        assert_eq!((saga.order(), saga.slot()), (OrderId::new(1042), 3));
        for bad in ["", "1042", "1042.", ".3", "1042.256", "0.0", "-1.0", "a.b"] {
            assert!(bad.parse::<SagaId>().is_err(), "{bad}");
        }
    }

    fn shop() -> ShopId {
        "00c0ffee42".parse().expect("ten hexadecimal digits")
    }

    #[test]
    fn a_shop_id_is_ten_lower_case_hexadecimal_digits() {
        assert_eq!(shop().to_string(), "00c0ffee42");
        let random = ShopId::random();
        assert_eq!(random.to_string().parse(), Ok(random));
        assert_ne!(random, ShopId::random());
        for bad in ["", "c0ffee42", "00C0FFEE42", "00c0ffee421", "+0c0ffee42", "00c0ffee4g"] {
            assert!(bad.parse::<ShopId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn m7_a_step_key_names_its_shop_and_its_order_and_no_two_sagas_share_one() {
        let order = OrderId::new(12);
        let key = StepKey::new(&KeyPrefix::new(shop(), order, 0xbeef), "take_payment", 1);
        assert_eq!(key.as_str(), "00c0ffee42-12-00000000beef:take_payment:1");
        assert_eq!(key.owner(), Some((shop(), order)));
        for other in ["else:1", "12.0:take_payment:1", "00c0ffee42-12:take_payment:1", "00c0ffee42-x-1:a:1"] {
            assert_eq!(StepKey::from_stored(other).owner(), None, "{other}");
        }
        for (keys, again) in [
            (KeySource::random(shop()), KeySource::random(shop())),
            (KeySource::seeded(shop(), 1), KeySource::seeded(shop(), 2)),
        ] {
            assert_ne!(keys.draw(order), keys.draw(order));
            assert_ne!(keys.draw(order), again.draw(order));
        }
        let longest = KeySource::random(shop()).draw(OrderId::new((1 << 54) - 1));
        let longest = StepKey::new(&longest, "refund_payment_of_a_long_name", 4_000_000_000);
        assert!(longest.as_str().len() <= 108, "a provider takes 108 characters: {longest}");
    }

    #[test]
    fn a_step_key_knows_its_earlier_generations() {
        let prefix = |nonce| KeyPrefix::new(shop(), OrderId::new(12), nonce);
        let latest = StepKey::new(&prefix(1), "take_payment", 2);
        for (key, is_up_to) in [
            (StepKey::new(&prefix(1), "take_payment", 1), true),
            (StepKey::new(&prefix(1), "take_payment", 2), true),
            (StepKey::new(&prefix(1), "take_payment", 0), false),
            (StepKey::new(&prefix(1), "take_payment", 3), false),
            (StepKey::new(&prefix(2), "take_payment", 1), false),
            (StepKey::new(&prefix(1), "refund_payment", 1), false),
            (StepKey::from_stored("take_payment"), false),
            (StepKey::from_stored(format!("{}:take_payment:x", prefix(1).as_str())), false),
        ] {
            assert_eq!(key.is_up_to(&latest), is_up_to, "{key}");
        }
        assert!(!latest.is_up_to(&StepKey::from_stored("else")));
    }

    #[test]
    fn seeded_ids_repeat_and_system_ids_do_not() {
        let now = Time::from_micros(1);
        assert_eq!(SeededIds::new(7).cart(now), SeededIds::new(7).cart(now));
        assert_ne!(SystemIds.cart(now), SystemIds.cart(now));
        let (keys, again) = (KeySource::seeded(shop(), 7), KeySource::seeded(shop(), 7));
        assert_eq!(keys.draw(OrderId::new(1)), again.draw(OrderId::new(1)));
    }
}
