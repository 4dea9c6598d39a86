//! What names us to the outside: the shop, and the keys of calls. None of it follows from numbers that a sequence can
//! give again.

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use crate::ids::{InvalidId, OrderId};

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
pub struct KeyPrefix(Arc<str>);

impl KeyPrefix {
    /// The prefix with this nonce, of which 48 bits count. A saga that serves no order has a 0 in the order's place.
    pub fn new(shop: ShopId, order: impl Into<Option<OrderId>>, nonce: u64) -> Self {
        let order = order.into().map_or(0, OrderId::number);
        Self(format!("{shop}-{order}-{:012x}", nonce & ((1 << 48) - 1)).into())
    }

    /// A prefix read back from where it was stored.
    pub fn from_stored(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The prefix as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The shop and the order it belongs to, if Holdfast made it; no order where its saga serves none.
    pub fn owner(&self) -> Option<(ShopId, Option<OrderId>)> {
        let mut parts = self.0.split('-');
        let (shop, order, nonce) = (parts.next()?, parts.next()?, parts.next()?);
        let is_nonce = nonce.len() == 12 && nonce.bytes().all(|byte| byte.is_ascii_hexdigit());
        let order = if order == "0" { None } else { Some(order.parse().ok()?) };
        (is_nonce && parts.next().is_none()).then_some((shop.parse().ok()?, order))
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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

    /// The same ones, in the name of another shop.
    #[must_use]
    pub fn of(&self, shop: ShopId) -> Self {
        Self { shop, ..self.clone() }
    }

    /// The shop in whose name they are.
    pub const fn shop(&self) -> ShopId {
        self.shop
    }

    /// A fresh prefix for a saga of `order`, or for one that serves none.
    pub fn draw(&self, order: impl Into<Option<OrderId>>) -> KeyPrefix {
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
pub struct StepKey(Arc<str>);

impl StepKey {
    /// The key of `generation` of `step` in the saga whose keys begin with `prefix`.
    pub fn new(prefix: &KeyPrefix, step: &str, generation: u32) -> Self {
        Self(format!("{}:{step}:{generation}", prefix.0).into())
    }

    /// A key read back from where it was stored.
    pub fn from_stored(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The key as the provider sees it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a key of the saga whose keys begin with `prefix`.
    pub fn begins_with(&self, prefix: &KeyPrefix) -> bool {
        self.0.strip_prefix(prefix.as_str()).is_some_and(|step| prefix.0.is_empty() || step.starts_with(':'))
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

#[cfg(test)]
mod tests {
    use super::*;

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
        let longest = KeySource::random(shop()).draw(OrderId::new((1 << 42) - 1));
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
    fn seeded_keys_repeat() {
        let (keys, again) = (KeySource::seeded(shop(), 7), KeySource::seeded(shop(), 7));
        assert_eq!(keys.draw(OrderId::new(1)), again.draw(OrderId::new(1)));
    }
}
