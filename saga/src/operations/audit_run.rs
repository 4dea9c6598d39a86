//! Running the audit: one consistent snapshot of the shop, compared with the provider's own ledger.

use std::collections::BTreeSet;

use crate::operations::audit::{Audit, Invariant, Report};
use crate::ports::{Fault, PaymentProvider, Store, StoreError};

/// Why an audit could not run.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The provider's own ledger cannot be read.
    #[error("the provider's ledger cannot be read")]
    Ledger(#[from] Fault),
}

/// Audits the shop, against the provider's own ledger if `provider` has one.
///
/// A busy shop moves between our snapshot and the provider's. Because of that, an order can look wrong in one
/// comparison, but not in two; so a difference counts only if a second comparison shows it as well.
pub async fn run(store: &dyn Store, provider: Option<&dyn PaymentProvider>) -> Result<Report, AuditError> {
    let first = snapshot(store, provider).await?;
    let suspects: BTreeSet<&str> = first
        .violations
        .iter()
        .filter(|violation| violation.invariant == Invariant::Provider)
        .map(|violation| violation.subject.as_str())
        .collect();
    if suspects.is_empty() {
        return Ok(first);
    }
    let mut second = snapshot(store, provider).await?;
    second.violations.retain(|violation| {
        violation.invariant != Invariant::Provider || suspects.contains(violation.subject.as_str())
    });
    Ok(second)
}

/// One comparison. It reads our rows first: what moves before the provider's statement is in flight in our rows.
async fn snapshot(store: &dyn Store, provider: Option<&dyn PaymentProvider>) -> Result<Report, AuditError> {
    let audit = read(store).await?;
    let statement = match provider {
        Some(provider) => provider.statement().await?,
        None => None,
    };
    Ok(audit.finish(statement.as_deref()))
}

/// An audit that has seen every fact of one snapshot of the shop.
pub async fn read(store: &dyn Store) -> Result<Audit, StoreError> {
    let mut audit = Audit::new(store.keys().await?.shop());
    store.facts(&mut |fact| audit.see(fact)).await?;
    Ok(audit)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;
    use holdfast_shared::{Currency, KeyPrefix, ManualClock, Money, OrderId, StepKey, Time};

    use super::*;
    use crate::memory::MemoryStore;
    use crate::ports::{ChargeState, NamedRefund, StatementLine};

    /// A provider that holds money for one order after the other, as a shop at work would let it.
    #[derive(Debug)]
    struct Ledger {
        charges: Vec<StepKey>,
        looks: AtomicUsize,
    }

    #[async_trait]
    impl PaymentProvider for Ledger {
        fn name(&self) -> &'static str {
            "ledger"
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

    /// The orders whose charges are broken when the provider's ledger shows one of `orders` at each look.
    async fn check(orders: Vec<i64>, expected: &[i64]) {
        let store = MemoryStore::new(Arc::new(ManualClock::new(Time::default())));
        let shop = store.keys().await.expect("memory reads").shop();
        let charge =
            |order: &i64| StepKey::new(&KeyPrefix::new(shop, OrderId::new(*order), 7), "take_payment", 1);
        let ledger = Ledger { charges: orders.iter().map(charge).collect(), looks: AtomicUsize::new(0) };
        let report = run(&store, Some(&ledger)).await.expect("it can be audited");
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
