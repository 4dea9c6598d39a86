//! A payment provider, as far as the flows need one.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_shared::{Currency, Money, StepKey};

use crate::records::PaymentObject;
use crate::records::call::Mode;

/// A payment provider, as far as the flows need one.
///
/// A payment is one object at the provider, under which money is taken at most once. A provider either opens objects and
/// names them ([`Caps::opens`]), or knows each payment by the key of its charge. A request is repeated only under its own
/// key, with the same body.
#[async_trait]
pub trait PaymentProvider: Send + Sync + fmt::Debug {
    /// The name stored with the payments it takes.
    fn name(&self) -> &str;

    /// What it can do.
    fn caps(&self) -> Caps;

    /// The account that its credentials belong to, once it is known. An object of another account is never asked for.
    fn account(&self) -> Option<String> {
        None
    }

    /// Whether it can be reached: one fixed, harmless request that names no order.
    async fn ping(&self) -> Result<Account, Fault>;

    /// Opens a payment of `amount`. No money moves, and the key is the object's reference to us.
    async fn open(&self, key: &StepKey, amount: Money) -> Result<PaymentObject, Fault> {
        Err(Fault::Refused(format!("{} opens no payments; {key} of {amount} was not opened", self.name())))
    }

    /// Takes the one next step towards the money of `at`, under `attempt.key`, or says what it waits for.
    ///
    /// With [`Mode::Query`] an earlier step may have been sent: the object is looked up first.
    async fn drive(&self, at: &At<'_>, attempt: &Attempt<'_>) -> Result<Charge, Fault>;

    /// Where the payment stands. Moves nothing.
    async fn look_up(&self, at: &At<'_>) -> Result<Charge, Fault>;

    /// Makes sure that no money will ever be taken under `at`, also if a step towards it arrives later. What was taken
    /// already stays taken, and is reported.
    async fn close(&self, at: &At<'_>) -> Result<Closed, Fault>;

    /// Gives `amount` of `at` back, once per key.
    async fn refund(&self, at: &At<'_>, key: &StepKey, amount: Money) -> Result<RefundState, Fault>;

    /// What went back of `at` or is on its way, by anybody.
    async fn refunds(&self, at: &At<'_>) -> Result<Vec<NamedRefund>, Fault>;

    /// What moved at this provider, other shops on the same account included: one page after `cursor`. `None` when it
    /// keeps no such list.
    async fn movements(&self, cursor: &str) -> Result<Option<Page<Movement>>, Fault> {
        let _ = cursor;
        Ok(None)
    }
}

/// What a provider can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Whether a payment is opened, and its reference committed, before money can move.
    pub opens: bool,
    /// Whether a payment can be closed. Where it cannot, an open one counts as closed once a step that was sent towards
    /// its money must have arrived.
    pub closes: bool,
    /// How long it recognises the key of a refund.
    pub key_ttl: Duration,
}

/// Whose credentials a provider was asked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name there.
    pub id: String,
    /// Whether real money moves.
    pub live: bool,
}

/// A payment at its provider, as we committed it.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// Our own name for it: the key of the charge that counts.
    pub charge: &'a StepKey,
    /// What the provider opened for it, if it opens payments.
    pub object: Option<&'a PaymentObject>,
}

/// One attempt to take the money of a payment.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// The key of this attempt.
    pub key: &'a StepKey,
    /// How much.
    pub amount: Money,
    /// How the buyer pays: the provider's token, or `None` where they do it at the provider.
    pub token: Option<&'a str>,
    /// Whether an attempt under this key may have been sent.
    pub mode: Mode,
}

/// Where a payment stands at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charge {
    /// Nothing has moved, as far as it can tell. The next step is ours.
    Open,
    /// Waits for the buyer.
    NeedsBuyer {
        /// Where they must go.
        url: Option<String>,
    },
    /// The buyer's attempt was refused; they may try again.
    AttemptDeclined {
        /// The reason, as it was given.
        reason: String,
        /// Where they may try again.
        url: Option<String>,
    },
    /// The money is on its way, and nobody can stop it. Only the provider ends this.
    Processing,
    /// The money was taken; some or all of it may be back already.
    Captured(Captured),
    /// Nothing moved and nothing will.
    Closed {
        /// The reason, if the buyer's means of payment was refused.
        declined: Option<String>,
    },
}

/// Money that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// How much was taken.
    pub amount: Money,
    /// How much is back.
    pub refunded_minor: i64,
    /// The provider's own name for it.
    pub provider_ref: String,
}

/// What became of closing a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// Nothing moved and nothing will.
    Closed,
    /// The money was taken before.
    Captured(Captured),
    /// The money is on its way; only the provider ends this.
    Processing,
    /// Nobody can say yet.
    NotBefore(Duration),
}

/// Where a refund stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundState {
    /// It was accepted, and is not back yet.
    Pending,
    /// It is back.
    Done,
    /// It did not go back, and will not.
    Failed(String),
}

/// One refund, as the provider lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedRefund {
    /// The key it was asked for under; `None` for one that was made at the provider's desk.
    pub key: Option<StepKey>,
    /// How much goes back under it.
    pub amount_minor: i64,
    /// Where it stands.
    pub state: RefundState,
}

/// Money that moved at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// Our own name for the payment.
    pub charge: StepKey,
    /// Its currency.
    pub currency: Currency,
    /// Taken.
    pub captured_minor: i64,
    /// Given back.
    pub refunded_minor: i64,
}

/// Part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The part.
    pub items: Vec<T>,
    /// What asks for the next one, if there may be more.
    pub next: Option<String>,
}

/// A setting that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// The credentials do not allow this.
    Credentials,
    /// The credentials are another account's: it does not know an object that we committed.
    Account,
}

/// Why the other side did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It was never reached: no connection, no name, no TLS.
    #[error("{0}")]
    NotReached(String),
    /// It did nothing, and says when to come again: a rate limit, or an object that is locked.
    #[error("{why}")]
    NotNow {
        /// When it is worth another try; `None`: it did not say.
        retry_in: Option<Duration>,
        /// What it said.
        why: String,
    },
    /// It did nothing, because of our settings.
    #[error("{why}")]
    Misconfigured {
        /// Which of them.
        which: Setting,
        /// What it said.
        why: String,
    },
    /// It did nothing: a rule of theirs refused the request.
    #[error("{0}")]
    Refused(String),
    /// Nobody can tell whether it was done: a lost or unreadable answer, a 5xx, a key that is in use.
    #[error("{0}")]
    Unclear(String),
}
