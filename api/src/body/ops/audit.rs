//! What an audit of the whole shop found.

use std::collections::BTreeSet;

use holdfast_saga::audit::{Audit, InFlight, Invariant, Report, SettledByHand, Violation};
use holdfast_saga::ports::{Fault, PaymentProvider, Store, StoreError};
use holdfast_shared::{Money, OrderId, OrderStatus};
use serde::Serialize;
use utoipa::ToSchema;

/// Every promise about stock, money and orders, recomputed from the rows.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Audit)]
pub struct AuditBody {
    /// Whether all of them hold.
    pub clean: bool,
    /// Orders looked at.
    pub orders: u64,
    /// SKUs looked at.
    pub skus: u64,
    /// Charges in the provider's own books; `null` when there were none to compare with.
    pub charges: Option<u64>,
    /// Orders whose money is still on its way.
    pub in_flight: Vec<InFlightBody>,
    /// Orders with money that somebody settled in person.
    pub settled_by_hand: Vec<SettledByHandBody>,
    /// What is broken.
    pub violations: Vec<ViolationBody>,
}

/// An order whose money is still on its way.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InFlight)]
pub struct InFlightBody {
    /// Which.
    pub order: OrderId,
    /// Where it stands.
    pub status: OrderStatus,
    /// Whether a saga of it is dead and waits for an operator.
    pub dead: bool,
    /// What our own books hold for it.
    pub held: Money,
}

/// An order with money that somebody settled in person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SettledByHand)]
pub struct SettledByHandBody {
    /// Which.
    pub order: OrderId,
    /// Where it stands.
    pub status: OrderStatus,
    /// How much.
    pub amount: Money,
}

/// A promise that is broken, and for whom.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Violation)]
pub struct ViolationBody {
    /// Which promise.
    #[schema(value_type = String, example = "money")]
    pub invariant: Invariant,
    /// Whose.
    #[schema(example = "order 1042")]
    pub subject: String,
    /// What the rows say.
    pub detail: String,
}

/// Why an audit could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The provider's own books cannot be read.
    #[error("the provider's books cannot be read")]
    Books(#[from] Fault),
}

impl AuditBody {
    /// Audits the shop, against the provider's own books if there are any.
    pub async fn of(store: &dyn Store, provider: Option<&dyn PaymentProvider>) -> Result<Self, AuditError> {
        Ok(look_twice(store, provider).await?.into())
    }
}

impl From<Report> for AuditBody {
    fn from(report: Report) -> Self {
        let in_flight = |InFlight { order, status, dead, held }| InFlightBody { order, status, dead, held };
        let by_hand = |SettledByHand { order, status, amount }| SettledByHandBody { order, status, amount };
        let violation =
            |Violation { invariant, subject, detail }| ViolationBody { invariant, subject, detail };
        Self {
            clean: report.is_clean(),
            orders: report.orders,
            skus: report.skus,
            charges: report.charges,
            in_flight: report.in_flight.into_iter().map(in_flight).collect(),
            settled_by_hand: report.settled_by_hand.into_iter().map(by_hand).collect(),
            violations: report.violations.into_iter().map(violation).collect(),
        }
    }
}

/// A shop at work moves on between our snapshot and the provider's: an order can look wrong once because of
/// that, never twice. What one snapshot of our own rows says needs no second look.
async fn look_twice(store: &dyn Store, provider: Option<&dyn PaymentProvider>) -> Result<Report, AuditError> {
    let first = look(store, provider).await?;
    let suspects: BTreeSet<&str> = first
        .violations
        .iter()
        .filter(|violation| violation.invariant == Invariant::Provider)
        .map(|violation| violation.subject.as_str())
        .collect();
    if suspects.is_empty() {
        return Ok(first);
    }
    let mut second = look(store, provider).await?;
    second.violations.retain(|violation| {
        violation.invariant != Invariant::Provider || suspects.contains(violation.subject.as_str())
    });
    Ok(second)
}

/// One look, our own rows first: what moved before the provider's statement was still moving in ours.
async fn look(store: &dyn Store, provider: Option<&dyn PaymentProvider>) -> Result<Report, AuditError> {
    let mut audit = Audit::new();
    store.facts(&mut |fact| audit.see(fact)).await?;
    let statement = match provider {
        Some(provider) => provider.statement().await?,
        None => None,
    };
    Ok(audit.finish(statement.as_deref()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;
    use holdfast_saga::memory::MemoryStore;
    use holdfast_saga::ports::{ChargeState, Fault, StatementLine};
    use holdfast_shared::{Currency, ManualClock, StepKey, Time};

    use super::*;

    /// A provider that holds money for one order after the other, as a shop at work would let it.
    #[derive(Debug)]
    struct Books {
        charges: Vec<&'static str>,
        looks: AtomicUsize,
    }

    #[async_trait]
    impl PaymentProvider for Books {
        fn name(&self) -> &'static str {
            "books"
        }

        fn key_ttl(&self) -> Duration {
            Duration::ZERO
        }

        async fn charge(&self, _: &StepKey, _: Money, _: &str) -> Result<ChargeState, Fault> {
            Err(Fault::NotDone("an audit only looks".to_owned()))
        }

        async fn look_up(&self, _: &StepKey) -> Result<Option<ChargeState>, Fault> {
            Err(Fault::NotDone("an audit only looks".to_owned()))
        }

        async fn void(&self, _: &StepKey) -> Result<ChargeState, Fault> {
            Err(Fault::NotDone("an audit only looks".to_owned()))
        }

        async fn refund(&self, _: &StepKey, _: &StepKey, _: i64) -> Result<(), Fault> {
            Err(Fault::NotDone("an audit only looks".to_owned()))
        }

        async fn statement(&self) -> Result<Option<Vec<StatementLine>>, Fault> {
            let look = self.looks.fetch_add(1, Ordering::Relaxed);
            let charge = self.charges[look.min(self.charges.len() - 1)];
            Ok(Some(vec![StatementLine {
                charge: StepKey::from_stored(charge),
                currency: Currency::EUR,
                captured_minor: 1_999,
                refunded_minor: 0,
            }]))
        }
    }

    /// The subjects that are broken when the provider's books show `charges`, one a look.
    async fn check(charges: Vec<&'static str>, expected: &[&str]) {
        let store = MemoryStore::new(Arc::new(ManualClock::new(Time::default())));
        let books = Books { charges: charges.clone(), looks: AtomicUsize::new(0) };
        let report = look_twice(&store, Some(&books)).await.expect("it can be audited");
        let broken: Vec<_> = report.violations.iter().map(|violation| violation.subject.as_str()).collect();
        assert_eq!(broken, expected, "{charges:?}");
    }

    #[tokio::test]
    async fn what_looks_wrong_once_was_only_on_its_way() {
        check(vec!["1.0:take_payment:1", "2.0:take_payment:1"], &[]).await;
        check(vec!["1.0:take_payment:1", "1.0:take_payment:1"], &["order 1"]).await;
    }
}
