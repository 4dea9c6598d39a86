//! What an audit of the whole shop found.

use std::collections::BTreeSet;

use holdfast_saga::operations::audit::{Audit, InFlight, Invariant, Report, SettledManually, Violation};
use holdfast_saga::ports::{Fault, PaymentProvider, Store, StoreError};
use holdfast_shared::{Money, OrderId, OrderStatus, ShopId};
use serde::Serialize;
use utoipa::ToSchema;

/// Every promise about stock, money and orders, recomputed from the rows.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Audit)]
pub struct AuditBody {
    /// Which shop this is to payment providers, Redis and recipients.
    #[schema(value_type = String, example = "9f2c41ab07")]
    pub shop: ShopId,
    /// Whether all of them hold.
    pub clean: bool,
    /// Orders looked at.
    pub orders: u64,
    /// SKUs looked at.
    pub skus: u64,
    /// Charges of this shop in the provider's own books; `null` when there were none to compare with.
    pub charges: Option<u64>,
    /// Orders whose money is still on its way.
    pub in_flight: Vec<InFlightBody>,
    /// Orders with money that somebody settled in person.
    pub settled_manually: Vec<SettledManuallyBody>,
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
#[schema(as = SettledManually)]
pub struct SettledManuallyBody {
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
        let by_hand =
            |SettledManually { order, status, amount }| SettledManuallyBody { order, status, amount };
        let violation =
            |Violation { invariant, subject, detail }| ViolationBody { invariant, subject, detail };
        Self {
            shop: report.shop,
            clean: report.is_clean(),
            orders: report.orders,
            skus: report.skus,
            charges: report.charges,
            in_flight: report.in_flight.into_iter().map(in_flight).collect(),
            settled_manually: report.settled_manually.into_iter().map(by_hand).collect(),
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
    let mut audit = Audit::new(store.keys().await?.shop());
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
    use holdfast_saga::ports::{ChargeState, Fault, NamedRefund, StatementLine};
    use holdfast_shared::{Currency, KeyPrefix, ManualClock, StepKey, Time};

    use super::*;

    /// A provider that holds money for one order after the other, as a shop at work would let it.
    #[derive(Debug)]
    struct Books {
        charges: Vec<StepKey>,
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

        async fn refunds(&self, _: &StepKey) -> Result<Vec<NamedRefund>, Fault> {
            Err(Fault::NotDone("an audit only looks".to_owned()))
        }

        async fn statement(&self) -> Result<Option<Vec<StatementLine>>, Fault> {
            let look = self.looks.fetch_add(1, Ordering::Relaxed);
            let charge = self.charges[look.min(self.charges.len() - 1)].clone();
            Ok(Some(vec![StatementLine {
                charge,
                currency: Currency::EUR,
                captured_minor: 1_999,
                refunded_minor: 0,
            }]))
        }
    }

    /// The orders whose charges are broken when the provider's books show one of `orders` a look.
    async fn check(orders: Vec<i64>, expected: &[i64]) {
        let store = MemoryStore::new(Arc::new(ManualClock::new(Time::default())));
        let shop = store.keys().await.expect("memory reads").shop();
        let charge =
            |order: &i64| StepKey::new(&KeyPrefix::new(shop, OrderId::new(*order), 7), "take_payment", 1);
        let books = Books { charges: orders.iter().map(charge).collect(), looks: AtomicUsize::new(0) };
        let report = look_twice(&store, Some(&books)).await.expect("it can be audited");
        let broken: Vec<_> = report.violations.iter().map(|violation| violation.subject.as_str()).collect();
        let expected: Vec<_> = expected.iter().map(|order| format!("charge {}", charge(order))).collect();
        assert_eq!(broken, expected, "{orders:?}");
    }

    #[tokio::test]
    async fn what_looks_wrong_once_was_only_on_its_way() {
        check(vec![1, 2], &[]).await;
        check(vec![1, 1], &[1]).await;
    }
}
