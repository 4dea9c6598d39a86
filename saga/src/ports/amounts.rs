//! Which amounts a provider can take and give back: its own table (M13).

use std::collections::BTreeMap;

use holdfast_shared::{Currency, Money};

/// What each provider can take and give back, by its name.
pub type ProviderAmounts = BTreeMap<String, Amounts>;

/// What a provider takes and gives back, by currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amounts {
    /// For currencies that are not listed; `None`: it does not take them.
    pub otherwise: Option<AmountRule>,
    /// For listed ones; `None`: it does not take that one.
    pub listed: &'static [(&'static str, Option<AmountRule>)],
}

/// What a provider takes and gives back in one currency, in our minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmountRule {
    /// The least that it takes for an order.
    pub least_minor: i64,
    /// The most.
    pub most_minor: i64,
    /// Amounts are whole multiples of this.
    pub step_minor: i64,
}

/// Why a provider cannot take or give back an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnfitAmount {
    /// Not in this currency.
    #[error("{0} is not taken")]
    Currency(Currency),
    /// Too little for it.
    #[error("{amount} is less than {least}, the least that can be taken")]
    TooLittle {
        /// The amount.
        amount: Money,
        /// The least.
        least: Money,
    },
    /// Too much for it.
    #[error("{amount} is more than {most}, the most that can be taken")]
    TooMuch {
        /// The amount.
        amount: Money,
        /// The most.
        most: Money,
    },
    /// It has no coin for it.
    #[error("{amount} is not a multiple of {step}")]
    Step {
        /// The amount.
        amount: Money,
        /// What it must be a multiple of.
        step: Money,
    },
}

impl AmountRule {
    /// Any amount from `least_minor`.
    pub const fn from(least_minor: i64) -> Self {
        Self { least_minor, most_minor: i64::MAX, step_minor: 1 }
    }

    /// The same in multiples of `step_minor`.
    #[must_use]
    pub const fn in_steps_of(self, step_minor: i64) -> Self {
        Self { step_minor, ..self }
    }

    fn steps(self, amount: Money) -> Result<(), UnfitAmount> {
        if amount.amount_minor % self.step_minor == 0 {
            return Ok(());
        }
        Err(UnfitAmount::Step { amount, step: Money::new(self.step_minor, amount.currency) })
    }
}

impl Amounts {
    /// Every amount in every currency.
    pub const ANY: Self = Self { otherwise: Some(AmountRule::from(1)), listed: &[] };

    /// Whether an order can be paid with `amount`.
    pub fn can_take(&self, amount: Money) -> Result<(), UnfitAmount> {
        let rule = self.rule(amount.currency)?;
        let money = |minor| Money::new(minor, amount.currency);
        if amount.amount_minor < rule.least_minor {
            return Err(UnfitAmount::TooLittle { amount, least: money(rule.least_minor) });
        }
        if amount.amount_minor > rule.most_minor {
            return Err(UnfitAmount::TooMuch { amount, most: money(rule.most_minor) });
        }
        rule.steps(amount)
    }

    /// Whether `amount` of what was taken can be given back.
    pub fn can_give_back(&self, amount: Money) -> Result<(), UnfitAmount> {
        self.rule(amount.currency)?.steps(amount)
    }

    fn rule(&self, currency: Currency) -> Result<AmountRule, UnfitAmount> {
        let listed = self.listed.iter().find(|(code, _)| *code == currency.as_str());
        listed.map_or(self.otherwise, |(_, rule)| *rule).ok_or(UnfitAmount::Currency(currency))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m13_an_amount_fits_its_currencys_rule() {
        const PENCE: AmountRule = AmountRule { least_minor: 50, most_minor: 1_000, step_minor: 5 };
        let amounts = Amounts { listed: &[("GBP", Some(PENCE)), ("HUF", None)], ..Amounts::ANY };
        let money = |minor, code: &str| Money::new(minor, code.parse().expect("a currency"));
        let why =
            |minor, code: &str| amounts.can_take(money(minor, code)).err().map(|unfit| unfit.to_string());
        for (minor, code, expected) in [
            (50, "GBP", None),
            (1_000, "GBP", None),
            (45, "GBP", Some("0.45 GBP is less than 0.50 GBP, the least that can be taken")),
            (1_005, "GBP", Some("10.05 GBP is more than 10.00 GBP, the most that can be taken")),
            (51, "GBP", Some("0.51 GBP is not a multiple of 0.05 GBP")),
            (50, "HUF", Some("HUF is not taken")),
            (1, "EUR", None),
        ] {
            assert_eq!(why(minor, code).as_deref(), expected, "{minor} {code}");
        }
        // Less than it takes can go back, in its steps.
        assert_eq!(amounts.can_give_back(money(5, "GBP")), Ok(()));
        assert!(amounts.can_give_back(money(6, "GBP")).is_err());
    }
}
