//! A third payment provider, for tests: a till without idempotency keys.
//!
//! What it is asked for it does, and what it is asked for twice it does twice: whoever sends a charge or a refund again
//! without proof that it never arrived moves money twice. Afterwards it can say what it did under which reference, and a
//! reference that was closed takes no money any more.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_saga::ports::{
    Account, At, Attempt, Caps, Captured, Charge, Closed, Fault, Movement, NamedRefund, Page,
    PaymentProvider, RefundState,
};
use holdfast_shared::{Money, StepKey};

/// What becomes of one request on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It arrives, and so does its answer.
    Clear,
    /// Nobody is there.
    Closed,
    /// It arrives, and its answer is lost.
    AnswerLost,
    /// It is lost, and nobody can tell.
    RequestLost,
}

/// Says what becomes of the next request.
type Ways = dyn Fn() -> Way + Send + Sync;

/// The till.
pub struct Till {
    name: String,
    ways: Box<Ways>,
    /// By the reference of the charge.
    ledger: Mutex<BTreeMap<StepKey, Entry>>,
}

/// What the till knows of one reference.
#[derive(Debug, Default)]
struct Entry {
    /// Each time that money was taken.
    taken: Vec<Money>,
    /// Each time that money was given back, and the reference given for it.
    back: Vec<(StepKey, i64)>,
    declined: bool,
    closed: bool,
}

impl Till {
    /// An empty one, under this name.
    pub fn new(name: &str, ways: impl Fn() -> Way + Send + Sync + 'static) -> Self {
        Self { name: name.to_owned(), ways: Box::new(ways), ledger: Mutex::default() }
    }

    /// Passes one request on, or does not.
    fn ask<T>(
        &self,
        charge: &StepKey,
        request: impl FnOnce(&mut Entry) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let way = (self.ways)();
        match way {
            Way::Closed => return Err(Fault::NotReached("the till is closed".to_owned())),
            Way::RequestLost => return Err(Fault::Unclear("the request was lost".to_owned())),
            Way::Clear | Way::AnswerLost => {}
        }
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = request(ledger.entry(charge.clone()).or_default())?;
        if way == Way::AnswerLost {
            return Err(Fault::Unclear("the answer was lost".to_owned()));
        }
        Ok(answer)
    }
}

impl Entry {
    fn captured(&self) -> Option<Captured> {
        let first = self.taken.first()?;
        let amount_minor = self.taken.iter().map(|taken| taken.amount_minor).sum();
        Some(Captured {
            amount: Money { amount_minor, ..*first },
            refunded_minor: self.refunded_minor(),
            provider_ref: format!("till_{}", self.taken.len()),
        })
    }

    fn refunded_minor(&self) -> i64 {
        self.back.iter().map(|(_, minor)| minor).sum()
    }

    fn stands(&self) -> Charge {
        match self.captured() {
            Some(captured) => Charge::Captured(captured),
            None if self.declined => Charge::Closed { declined: Some("declined at the till".to_owned()) },
            None if self.closed => Charge::Closed { declined: None },
            None => Charge::Open,
        }
    }
}

impl fmt::Debug for Till {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Till").field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl PaymentProvider for Till {
    fn name(&self) -> &str {
        &self.name
    }

    /// It recognises no key at all.
    fn caps(&self) -> Caps {
        Caps { opens: false, closes: true, key_ttl: Duration::ZERO }
    }

    async fn ping(&self) -> Result<Account, Fault> {
        Ok(Account { id: "till".to_owned(), live: false })
    }

    async fn drive(&self, at: &At<'_>, attempt: &Attempt<'_>) -> Result<Charge, Fault> {
        self.ask(at.charge, |entry| {
            if entry.closed {
                return Err(Fault::Refused(format!("{} is closed", at.charge)));
            }
            match attempt.token {
                Some("tok_declined") => entry.declined = true,
                _ => entry.taken.push(attempt.amount),
            }
            Ok(entry.stands())
        })
    }

    async fn look_up(&self, at: &At<'_>) -> Result<Charge, Fault> {
        self.ask(at.charge, |entry| Ok(entry.stands()))
    }

    async fn close(&self, at: &At<'_>) -> Result<Closed, Fault> {
        self.ask(at.charge, |entry| {
            entry.closed = true;
            Ok(entry.captured().map_or(Closed::Closed, Closed::Captured))
        })
    }

    async fn refund(&self, at: &At<'_>, key: &StepKey, amount: Money) -> Result<RefundState, Fault> {
        self.ask(at.charge, |entry| {
            let captured_minor = entry.captured().map_or(0, |captured| captured.amount.amount_minor);
            if entry.refunded_minor() + amount.amount_minor > captured_minor {
                return Err(Fault::Refused(format!("{} does not hold {amount}", at.charge)));
            }
            entry.back.push((key.clone(), amount.amount_minor));
            Ok(RefundState::Done)
        })
    }

    async fn refunds(&self, at: &At<'_>) -> Result<Vec<NamedRefund>, Fault> {
        self.ask(at.charge, |entry| {
            let refund = |(key, amount_minor): &(StepKey, i64)| NamedRefund {
                key: Some(key.clone()),
                amount_minor: *amount_minor,
                state: RefundState::Done,
            };
            Ok(entry.back.iter().map(refund).collect())
        })
    }

    async fn movements(&self, _: &str) -> Result<Option<Page<Movement>>, Fault> {
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let moved = ledger.iter().filter_map(|(charge, entry)| {
            let Captured { amount, refunded_minor, .. } = entry.captured()?;
            Some(Movement {
                charge: charge.clone(),
                currency: amount.currency,
                captured_minor: amount.amount_minor,
                refunded_minor,
            })
        });
        Ok(Some(Page { items: moved.collect(), next: None }))
    }
}
