//! `holdfast audit`: recomputes every promise from the rows, and holds them against the provider's own books.

use std::collections::BTreeMap;

use holdfast_api::body::ops::audit::{AuditBody, InFlightBody, SettledManuallyBody, ViolationBody};
use holdfast_saga::ports::PaymentProvider;
use holdfast_shared::{Currency, Money};

use crate::args::{AuditArgs, SandboxArgs};
use crate::database::Database;
use crate::exit::{Exit, say};
use crate::output::{Format, pairs, table};
use crate::provider::Provider;

/// More orders do not fit on a screen; JSON has them all.
const ORDERS_SHOWN: usize = 20;

pub(crate) async fn run(database: &Database, args: AuditArgs, output: Format) -> anyhow::Result<Exit> {
    let store = database.store();
    let sandbox = SandboxArgs { sandbox_ledger: args.sandbox_ledger, sandbox_url: args.sandbox_url };
    let provider = Provider::find(&sandbox, database.path()).await?;
    let provider = provider.as_ref().map(|provider| &*provider.sandbox as &dyn PaymentProvider);
    let body = AuditBody::of(store, provider).await?;
    output.one(&body, || table_of(&body))?;
    if body.clean {
        return Ok(Exit::Ok);
    }
    say(&format!("{} broken; the ids above say whose", plural(body.violations.len(), "promise")));
    Ok(Exit::Violated)
}

/// The audit for people.
pub(crate) fn table_of(audit: &AuditBody) -> String {
    let mut told = pairs([
        ("shop", audit.shop.to_string()),
        ("orders", audit.orders.to_string()),
        ("SKUs", audit.skus.to_string()),
        (
            "charges",
            audit
                .charges
                .map_or_else(not_compared, |charges| format!("{charges} in the provider's own books")),
        ),
        ("in flight", flying(audit)),
        ("settled by hand", by_hand(audit)),
        (
            "broken",
            if audit.clean { "nothing".to_owned() } else { plural(audit.violations.len(), "promise") },
        ),
    ]);
    if !audit.in_flight.is_empty() {
        let shown = audit.in_flight.iter().take(ORDERS_SHOWN).map(row);
        told.push('\n');
        told += &table(&["IN FLIGHT", "STATUS", "HELD", "DEAD"], shown);
    }
    if !audit.settled_manually.is_empty() {
        let row = |found: &SettledManuallyBody| {
            vec![found.order.to_string(), found.status.to_string(), found.amount.to_string()]
        };
        told.push('\n');
        let shown = audit.settled_manually.iter().take(ORDERS_SHOWN).map(row);
        told += &table(&["SETTLED BY HAND", "STATUS", "AMOUNT"], shown);
    }
    if audit.in_flight.len().max(audit.settled_manually.len()) > ORDERS_SHOWN {
        told += "and more; --output json lists all of them\n";
    }
    if !audit.violations.is_empty() {
        let row = |found: &ViolationBody| {
            vec![found.subject.clone(), found.invariant.to_string(), found.detail.clone()]
        };
        told.push('\n');
        told += &table(&["BROKEN", "PROMISE", "DETAIL"], audit.violations.iter().map(row));
    }
    told
}

fn flying(audit: &AuditBody) -> String {
    if audit.in_flight.is_empty() {
        return "nothing".to_owned();
    }
    let held = sum(audit.in_flight.iter().map(|found| found.held));
    let dead = audit.in_flight.iter().filter(|found| found.dead).count();
    format!("{}, holding {}; {dead} dead", plural(audit.in_flight.len(), "order"), held)
}

fn by_hand(audit: &AuditBody) -> String {
    if audit.settled_manually.is_empty() {
        return "nothing".to_owned();
    }
    let amount = sum(audit.settled_manually.iter().map(|found| found.amount));
    format!("{amount} of {}", plural(audit.settled_manually.len(), "order"))
}

/// So much of each currency.
fn sum(amounts: impl Iterator<Item = Money>) -> String {
    let mut sums: BTreeMap<Currency, i64> = BTreeMap::new();
    for amount in amounts {
        *sums.entry(amount.currency).or_default() += amount.amount_minor;
    }
    let sums = sums.iter().map(|(currency, minor)| Money::new(*minor, *currency).to_string());
    sums.collect::<Vec<_>>().join(" and ")
}

fn row(found: &InFlightBody) -> Vec<String> {
    let dead = if found.dead { "yes" } else { "" };
    vec![found.order.to_string(), found.status.to_string(), found.held.to_string(), dead.to_owned()]
}

fn not_compared() -> String {
    "not compared: the provider's books were not given".to_owned()
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
