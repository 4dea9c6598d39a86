//! Running the audit: one consistent snapshot of the shop, compared with the ledgers of its providers.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::registry::Registry;
use crate::operations::audit::{Audit, Invariant, Report, Scope, Statements};
use crate::ports::{At, Fault, Movement, PaymentProvider, Providers, Store, StoreError};

/// Why an audit could not run.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A provider's own ledger cannot be read.
    #[error("the ledger of provider {provider} cannot be read; run the audit again once it answers")]
    Ledger {
        /// The name of the provider.
        provider: String,
        /// What became of the request.
        source: Fault,
    },
}

/// Audits the shop, whose sagas run the definitions of `registry`, against the own ledger of each of `providers` that keeps
/// one.
///
/// A busy shop moves between our snapshot and a provider's. Because of that, an order can look wrong in one
/// comparison, but not in two; so a difference counts only if a second comparison shows it as well.
pub async fn run(store: &dyn Store, registry: Registry, providers: &Providers) -> Result<Report, AuditError> {
    let first = snapshot(store, registry, providers).await?;
    let suspects: BTreeSet<&str> = first
        .violations
        .iter()
        .filter(|violation| violation.invariant == Invariant::Provider)
        .map(|violation| violation.subject.as_str())
        .collect();
    if suspects.is_empty() {
        return Ok(first);
    }
    let mut second = snapshot(store, registry, providers).await?;
    second.violations.retain(|violation| {
        violation.invariant != Invariant::Provider || suspects.contains(violation.subject.as_str())
    });
    Ok(second)
}

/// One comparison. It reads our rows first: what moves before a provider's statement is in flight in our rows.
async fn snapshot(
    store: &dyn Store,
    registry: Registry,
    providers: &Providers,
) -> Result<Report, AuditError> {
    let audit = read(store, registry).await?;
    let statements = statements(&audit, providers).await?;
    Ok(audit.finish(&statements))
}

/// What `providers` say of the shop of `audit`.
pub async fn statements(audit: &Audit, providers: &Providers) -> Result<Statements, AuditError> {
    let mut statements: Statements = movements(providers).await?.into_iter().collect();
    for (order, question) in audit.in_question() {
        let Some(provider) = providers.get(question.provider) else { continue };
        let refunds = statements.refunds.entry(order).or_default();
        for charge in question.charges {
            let at = At { charge, object: question.object };
            let named = provider.refunds(&at).await;
            refunds.extend(
                named.map_err(|source| AuditError::Ledger {
                    provider: question.provider.to_owned(),
                    source,
                })?,
            );
        }
    }
    Ok(statements)
}

/// By the name of each of `providers` that keeps a list of its movements, that list.
pub async fn movements(providers: &Providers) -> Result<BTreeMap<String, Vec<Movement>>, AuditError> {
    let mut lists = BTreeMap::new();
    for provider in providers.names().filter_map(|name| providers.get(name)) {
        let name = provider.name().to_owned();
        match every_movement(&**provider).await {
            Ok(Some(movements)) => {
                lists.insert(name, movements);
            }
            Ok(None) => {}
            Err(source) => return Err(AuditError::Ledger { provider: name, source }),
        }
    }
    Ok(lists)
}

async fn every_movement(provider: &dyn PaymentProvider) -> Result<Option<Vec<Movement>>, Fault> {
    let (mut movements, mut cursor) = (Vec::new(), String::new());
    loop {
        let Some(page) = provider.movements(&cursor).await? else { return Ok(None) };
        movements.extend(page.items);
        match page.next {
            None => return Ok(Some(movements)),
            // Pages that turn in a circle would never end.
            Some(next) if next == cursor => {
                return Err(Fault::Unclear(format!("it lists its movements in a circle, after {cursor}")));
            }
            Some(next) => cursor = next,
        }
    }
}

/// An audit that has seen every fact of one snapshot of the shop.
pub async fn read(store: &dyn Store, registry: Registry) -> Result<Audit, StoreError> {
    let scope = Scope { shop: store.shop().await?, registry, now: store.now().await? };
    let mut audit = Audit::new(scope);
    store.facts(&mut |fact| audit.see(fact)).await?;
    audit.see_last_number(store.shop().await?.last_number);
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
    use crate::flows;
    use crate::memory::MemoryStore;
    use crate::ports::{Account, Attempt, Caps, Charge, Closed, NamedRefund, Page, RefundState};

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

        fn caps(&self) -> Caps {
            Caps { opens: false, closes: true, key_ttl: Duration::ZERO }
        }

        async fn ping(&self) -> Result<Account, Fault> {
            Ok(Account { id: "ledger".to_owned(), live: false })
        }

        async fn drive(&self, _: &At<'_>, _: &Attempt<'_>) -> Result<Charge, Fault> {
            Err(only_looks())
        }

        async fn look_up(&self, _: &At<'_>) -> Result<Charge, Fault> {
            Err(only_looks())
        }

        async fn close(&self, _: &At<'_>) -> Result<Closed, Fault> {
            Err(only_looks())
        }

        async fn refund(&self, _: &At<'_>, _: &StepKey, _: Money) -> Result<RefundState, Fault> {
            Err(only_looks())
        }

        async fn refunds(&self, _: &At<'_>) -> Result<Vec<NamedRefund>, Fault> {
            Err(only_looks())
        }

        async fn movements(&self, _: &str) -> Result<Option<Page<Movement>>, Fault> {
            let look = self.looks.fetch_add(1, Ordering::Relaxed);
            let charge = self.charges[look.min(self.charges.len() - 1)].clone();
            let movement =
                Movement { charge, currency: Currency::EUR, captured_minor: 1_999, refunded_minor: 0 };
            Ok(Some(Page { items: vec![movement], next: None }))
        }
    }

    fn only_looks() -> Fault {
        Fault::Refused("an audit only looks".to_owned())
    }

    /// The orders whose charges are broken when the provider's ledger shows one of `orders` at each look.
    async fn check(orders: Vec<i64>, expected: &[i64]) {
        let store = MemoryStore::new(Arc::new(ManualClock::new(Time::default())));
        let shop = store.keys().await.expect("memory reads").shop();
        let charge =
            |order: &i64| StepKey::new(&KeyPrefix::new(shop, OrderId::new(*order), 7), "take_payment", 1);
        let ledger = Ledger { charges: orders.iter().map(charge).collect(), looks: AtomicUsize::new(0) };
        let report =
            run(&store, flows::REGISTRY, &Providers::of(Arc::new(ledger))).await.expect("it can be audited");
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
