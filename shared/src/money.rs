//! Money: an integer of minor units and an ISO 4217 code, never a float.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Three capital letters of ISO 4217.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[A-Z]{3}$", example = "EUR"))]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// Text that is no currency code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a currency: three capital letters of ISO 4217 are expected, such as EUR")]
pub struct InvalidCurrency(String);

impl Currency {
    /// The euro, the demo shop's currency.
    pub const EUR: Self = Self(*b"EUR");
    /// The US dollar.
    pub const USD: Self = Self(*b"USD");

    /// The code, such as `EUR`.
    pub fn as_str(&self) -> &str {
        // Invariant: three ASCII capitals, checked by every constructor.
        std::str::from_utf8(&self.0).unwrap_or("???")
    }

    /// How many decimals its amounts are written with: minor units as ISO 4217 has them.
    pub fn decimals(self) -> u32 {
        self.listed().and_then(iso_currency::Currency::exponent).map_or(2, u32::from)
    }

    /// Whether something can be sold in it: ISO 4217 lists it, and not as a metal, a fund, a test or the past.
    pub fn is_in_use(self) -> bool {
        let is_money = |listed: &iso_currency::Currency| !listed.is_special() && !listed.is_fund();
        self.listed().filter(is_money).is_some_and(|listed| listed.is_superseded().is_none())
    }

    fn listed(self) -> Option<iso_currency::Currency> {
        iso_currency::Currency::from_code(self.as_str())
    }
}

impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(text: &str) -> Result<Self, InvalidCurrency> {
        match text.as_bytes() {
            &[a, b, c] if [a, b, c].iter().all(u8::is_ascii_uppercase) => Ok(Self([a, b, c])),
            _ => Err(InvalidCurrency(text.chars().take(80).collect())),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidCurrency;

    fn try_from(text: String) -> Result<Self, InvalidCurrency> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A sum too large for 63 bits of minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the amount is too large to count in minor units")]
pub struct Overflow;

/// An amount in the minor unit of its currency: 1999 EUR minor is € 19.99.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Money {
    /// Minor units; never negative where a price, a total or a payment is meant.
    pub amount_minor: i64,
    /// What they are units of.
    pub currency: Currency,
}

impl Money {
    /// `amount_minor` units of `currency`.
    pub const fn new(amount_minor: i64, currency: Currency) -> Self {
        Self { amount_minor, currency }
    }

    /// `unit` times `quantity`.
    pub fn times(self, quantity: u32) -> Result<Self, Overflow> {
        let amount_minor = self.amount_minor.checked_mul(i64::from(quantity)).ok_or(Overflow)?;
        Ok(Self { amount_minor, ..self })
    }
}

impl fmt::Display for Money {
    /// With the decimals of its currency: for people to read, never to compute with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.amount_minor < 0 { "-" } else { "" };
        let (units, decimals) = (self.amount_minor.unsigned_abs(), self.currency.decimals());
        let one = 10u64.pow(decimals);
        if decimals == 0 {
            return write!(f, "{sign}{units} {}", self.currency);
        }
        let width = decimals as usize;
        write!(f, "{sign}{}.{:0width$} {}", units / one, units % one, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_is_three_capitals() {
        assert_eq!("EUR".parse(), Ok(Currency::EUR));
        for bad in ["", "eur", "EU", "EURO", "E1R", "ÄÖ"] {
            assert!(bad.parse::<Currency>().is_err(), "{bad}");
        }
    }

    #[test]
    fn f5_something_can_be_sold_in_a_currency_that_is_in_use() {
        for (code, is_in_use) in [
            ("EUR", true),
            ("JPY", true),
            ("KWD", true),
            ("XOF", true),
            ("ZWG", true),
            ("QQQ", false),
            ("XXX", false),
            ("XAU", false),
            ("XTS", false),
            ("CLF", false),
            ("DEM", false),
            ("HRK", false),
        ] {
            let currency: Currency = code.parse().expect("three capitals");
            assert_eq!(currency.is_in_use(), is_in_use, "{code}");
        }
    }

    #[test]
    fn money_multiplies_without_wrapping() {
        let price = Money::new(1_999, Currency::EUR);
        assert_eq!(price.times(3), Ok(Money::new(5_997, Currency::EUR)));
        assert_eq!(Money::new(i64::MAX, Currency::EUR).times(2), Err(Overflow));
        assert_eq!(price.to_string(), "19.99 EUR");
        assert_eq!(Money::new(-5, Currency::USD).to_string(), "-0.05 USD");
    }

    #[test]
    fn money_is_written_with_the_decimals_of_its_currency() {
        for (minor, code, text) in [
            (1_500, "JPY", "1500 JPY"),
            (-1, "JPY", "-1 JPY"),
            (1_500, "KWD", "1.500 KWD"),
            (7, "KWD", "0.007 KWD"),
            (12_345, "CLF", "1.2345 CLF"),
            (i64::MIN, "EUR", "-92233720368547758.08 EUR"),
        ] {
            let currency = code.parse().expect("a currency");
            assert_eq!(Money::new(minor, currency).to_string(), text);
        }
    }

    #[test]
    fn money_is_json_as_the_contract_says() {
        let json = serde_json::to_string(&Money::new(1_999, Currency::EUR)).expect("serialises");
        assert_eq!(json, r#"{"amount_minor":1999,"currency":"EUR"}"#);
    }
}
