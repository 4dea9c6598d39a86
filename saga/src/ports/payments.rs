//! A payment provider, as far as the flows need one.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_shared::{Money, StepKey};

/// A payment provider, as far as a checkout needs one.
///
/// Everything is keyed by our own stable keys; repeating a request under its key never moves money twice.
#[async_trait]
pub trait PaymentProvider: Send + Sync + fmt::Debug {
    /// The name stored with the payments it takes.
    fn name(&self) -> &str;

    /// How long it recognises a key. A charge that old is only looked up, never sent again.
    fn key_ttl(&self) -> Duration;

    /// Takes `amount`, once per key.
    async fn charge(&self, key: &StepKey, amount: Money, token: &str) -> Result<ChargeState, Fault>;

    /// What it knows of a charge, found by the key as our reference; `None` proves nothing: it may still be under way.
    async fn look_up(&self, charge: &StepKey) -> Result<Option<ChargeState>, Fault>;

    /// Makes sure that no money will ever move under `charge`, also if the charge arrives later.
    /// Money that was captured already stays captured, and is reported.
    async fn void(&self, charge: &StepKey) -> Result<ChargeState, Fault>;

    /// Gives `amount_minor` of `charge` back, once per key.
    async fn refund(&self, key: &StepKey, charge: &StepKey, amount_minor: i64) -> Result<(), Fault>;

    /// What went back of `charge`, by anybody: each refund with the key it was asked for under, if it had one.
    async fn refunds(&self, charge: &StepKey) -> Result<Vec<NamedRefund>, Fault>;

    /// Every charge the provider knows of, other shops' on the same account included; `None` when it keeps no such list.
    async fn statement(&self) -> Result<Option<Vec<StatementLine>>, Fault> {
        Ok(None)
    }
}

/// Where a charge stands at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargeState {
    /// Waits for the buyer.
    RequiresAction {
        /// Where they must go.
        url: Option<String>,
    },
    /// The money was taken; some or all of it may be back already.
    Captured {
        /// How much was taken.
        amount: Money,
        /// How much is back.
        refunded_minor: i64,
        /// The provider's own name for it.
        provider_ref: String,
    },
    /// Refused; nothing moved.
    Declined {
        /// The reason, as it was given.
        reason: String,
    },
    /// Nothing moved and nothing will.
    Voided,
}

/// One refund, as the provider lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedRefund {
    /// The key it was asked for under; `None` for one that was made at the provider's desk.
    pub key: Option<StepKey>,
    /// How much went back under it.
    pub amount_minor: i64,
}

/// What the provider's own ledger says about one charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementLine {
    /// Our reference.
    pub charge: StepKey,
    /// Its currency.
    pub currency: holdfast_shared::Currency,
    /// Taken.
    pub captured_minor: i64,
    /// Given back.
    pub refunded_minor: i64,
}

/// Why the other side did not answer properly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It never began, provably: a rule of theirs refused it.
    #[error("{0}")]
    NotDone(String),
    /// It never began, provably: they cannot be reached, or take nothing at present.
    #[error("{0}")]
    Unavailable(String),
    /// Nobody can tell whether it happened.
    #[error("{0}")]
    Unclear(String),
}
