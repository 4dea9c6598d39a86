//! `holdfast audit`: recomputes every promise from the rows, and holds them against the provider's own books.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use holdfast_saga::audit::{Audit, InFlight, Invariant, Report, Violation};
use holdfast_saga::ports::{PaymentProvider, Store};
use holdfast_shared::{Currency, Money, OrderId, OrderStatus};
use serde::Serialize;

use crate::args::{AuditArgs, SandboxArgs};
use crate::database::Database;
use crate::exit::{Exit, say};
use crate::output::{Format, pairs, table};
use crate::provider::Provider;

/// More orders in flight do not fit on a screen; JSON has them all.
const IN_FLIGHT_SHOWN: usize = 20;

/// What an audit found.
#[derive(Debug, Serialize)]
pub(crate) struct AuditBody {
    clean: bool,
    orders: u64,
    skus: u64,
    /// `None` when there were no books of the provider to compare with.
    charges: Option<u64>,
    in_flight: Vec<InFlightBody>,
    violations: Vec<Violation>,
}

#[derive(Debug, Serialize)]
struct InFlightBody {
    order: OrderId,
    status: OrderStatus,
    dead: bool,
    held: Money,
}

pub(crate) async fn run(database: &Database, args: AuditArgs, output: Format) -> anyhow::Result<Exit> {
    let store = database.store();
    let sandbox = SandboxArgs { sandbox_ledger: args.sandbox_ledger, sandbox_url: args.sandbox_url };
    let provider = Provider::find(&sandbox, database.path()).await?;
    let provider = provider.as_ref().map(|provider| &*provider.sandbox as &dyn PaymentProvider);
    let body = AuditBody::of(store, provider).await?;
    output.one(&body, || body.table())?;
    if body.clean {
        return Ok(Exit::Ok);
    }
    say(&format!("{} broken; the ids above say whose", plural(body.violations.len(), "promise")));
    Ok(Exit::Violated)
}

/// A shop at work moves on between our snapshot and the provider's: an order can look wrong once because of
/// that, never twice. What one snapshot of our own rows says needs no second look.
async fn look_twice(store: &dyn Store, provider: Option<&dyn PaymentProvider>) -> anyhow::Result<Report> {
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
async fn look(store: &dyn Store, provider: Option<&dyn PaymentProvider>) -> anyhow::Result<Report> {
    let mut audit = Audit::new();
    store.facts(&mut |fact| audit.see(fact)).await?;
    let statement = match provider {
        Some(provider) => provider.statement().await.context("the provider's books cannot be read")?,
        None => None,
    };
    Ok(audit.finish(statement.as_deref()))
}

impl AuditBody {
    /// Audits the shop, against the provider's own books if there are any.
    pub(crate) async fn of(
        store: &dyn Store,
        provider: Option<&dyn PaymentProvider>,
    ) -> anyhow::Result<Self> {
        Self::new(store, look_twice(store, provider).await?).await
    }

    /// Whether every promise holds.
    pub(crate) const fn is_clean(&self) -> bool {
        self.clean
    }

    async fn new(store: &dyn Store, report: Report) -> anyhow::Result<Self> {
        let mut in_flight = Vec::with_capacity(report.in_flight.len());
        for found in &report.in_flight {
            in_flight.push(InFlightBody::new(store, found).await?);
        }
        Ok(Self {
            clean: report.is_clean(),
            orders: report.orders,
            skus: report.skus,
            charges: report.charges,
            in_flight,
            violations: report.violations,
        })
    }

    pub(crate) fn table(&self) -> String {
        let mut told = pairs([
            ("orders", self.orders.to_string()),
            ("SKUs", self.skus.to_string()),
            (
                "charges",
                self.charges
                    .map_or_else(not_compared, |charges| format!("{charges} in the provider's own books")),
            ),
            ("in flight", self.flying()),
            (
                "broken",
                if self.clean { "nothing".to_owned() } else { plural(self.violations.len(), "promise") },
            ),
        ]);
        if !self.in_flight.is_empty() {
            let shown = self.in_flight.iter().take(IN_FLIGHT_SHOWN).map(InFlightBody::row);
            told.push('\n');
            told += &table(&["IN FLIGHT", "STATUS", "HELD", "DEAD"], shown);
        }
        if self.in_flight.len() > IN_FLIGHT_SHOWN {
            told += "and more; --output json lists all of them\n";
        }
        if !self.violations.is_empty() {
            let row = |found: &Violation| {
                vec![found.subject.clone(), found.invariant.to_string(), found.detail.clone()]
            };
            told.push('\n');
            told += &table(&["BROKEN", "PROMISE", "DETAIL"], self.violations.iter().map(row));
        }
        told
    }

    fn flying(&self) -> String {
        if self.in_flight.is_empty() {
            return "nothing".to_owned();
        }
        let mut held: BTreeMap<Currency, i64> = BTreeMap::new();
        for found in &self.in_flight {
            *held.entry(found.held.currency).or_default() += found.held.amount_minor;
        }
        let held: Vec<_> =
            held.iter().map(|(currency, minor)| Money::new(*minor, *currency).to_string()).collect();
        let dead = self.in_flight.iter().filter(|found| found.dead).count();
        format!("{}, holding {}; {dead} dead", plural(self.in_flight.len(), "order"), held.join(" and "))
    }
}

impl InFlightBody {
    /// The report counts in minor units; the order knows of what.
    async fn new(store: &dyn Store, found: &InFlight) -> anyhow::Result<Self> {
        let order =
            store.order(found.order).await?.with_context(|| format!("order {} vanished", found.order))?;
        Ok(Self {
            order: found.order,
            status: found.status,
            dead: found.dead,
            held: Money::new(found.held_minor, order.order.total.currency),
        })
    }

    fn row(&self) -> Vec<String> {
        let dead = if self.dead { "yes" } else { "" };
        vec![self.order.to_string(), self.status.to_string(), self.held.to_string(), dead.to_owned()]
    }
}

fn not_compared() -> String {
    "not compared: the provider's books were not given".to_owned()
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;
    use holdfast_saga::memory::MemoryStore;
    use holdfast_saga::ports::{ChargeState, Fault, StatementLine};
    use holdfast_shared::{ManualClock, StepKey, Time};

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
