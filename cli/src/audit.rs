//! `holdfast audit`: recomputes every promise from the rows, and compares them with the provider's own ledger.

use std::collections::BTreeMap;

use holdfast_contract::audit::{AuditBody, InFlightBody, SettledManuallyBody, ViolationBody};
use holdfast_saga::flows;
use holdfast_saga::operations::audit_run;
use holdfast_saga::ports::Providers;
use holdfast_shared::{Currency, Money};

use crate::database::Database;
use crate::exit::{Exit, say};
use crate::named_file::{NamedFile, named_file};
use crate::output::{Format, pairs, table};
use crate::provider::{Provider, SANDBOX_URL, SandboxArgs};

/// More orders do not fit on a screen; JSON lists all of them.
const ORDERS_SHOWN: usize = 20;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The file of the sandbox provider's own ledger, to compare ours with
    ///
    /// Default: the file sandbox.db beside the database's own file, if it exists.
    #[arg(long, value_name = "PATH", env = "HOLDFAST_SANDBOX_LEDGER", value_parser = named_file())]
    sandbox_ledger: Option<NamedFile>,

    #[arg(long, value_name = "URL", env = "HOLDFAST_SANDBOX_URL", hide_env_values = true, help = SANDBOX_URL)]
    sandbox_url: Option<String>,
}

pub(crate) async fn run(database: &Database, args: Args, output: Format) -> anyhow::Result<Exit> {
    let store = database.store();
    let sandbox = SandboxArgs { sandbox_ledger: args.sandbox_ledger, sandbox_url: args.sandbox_url };
    let provider = Provider::find(&sandbox, database.path()).await?;
    let providers = provider.map(|provider| Providers::of(provider.sandbox)).unwrap_or_default();
    let body = AuditBody::from(audit_run::run(store, flows::REGISTRY, &providers).await?);
    output.one(&body, || table_of(&body))?;
    if body.clean {
        return Ok(Exit::Ok);
    }
    say(&format!("{} broken; see the ids above", plural(body.violations.len(), "promise")));
    Ok(Exit::Violated)
}

/// The audit as a table.
pub(crate) fn table_of(audit: &AuditBody) -> String {
    let mut text = pairs([
        ("shop", audit.shop.to_string()),
        ("orders", audit.orders.to_string()),
        ("SKUs", audit.skus.to_string()),
        (
            "charges",
            audit
                .charges
                .map_or_else(not_compared, |charges| format!("{charges} in the provider's own ledger")),
        ),
        ("not verifiable", not_verifiable(audit)),
        ("in flight", in_flight(audit)),
        ("settled manually", settled_manually(audit)),
        (
            "broken",
            if audit.clean { "nothing".to_owned() } else { plural(audit.violations.len(), "promise") },
        ),
    ]);
    if !audit.in_flight.is_empty() {
        let shown = audit.in_flight.iter().take(ORDERS_SHOWN).map(row);
        text.push('\n');
        text += &table(&["IN FLIGHT", "STATUS", "HELD", "DEAD"], shown);
    }
    if !audit.settled_manually.is_empty() {
        let row = |found: &SettledManuallyBody| {
            vec![found.order.to_string(), found.status.to_string(), found.amount.to_string()]
        };
        text.push('\n');
        let shown = audit.settled_manually.iter().take(ORDERS_SHOWN).map(row);
        text += &table(&["SETTLED MANUALLY", "STATUS", "AMOUNT"], shown);
    }
    if audit.in_flight.len().max(audit.settled_manually.len()) > ORDERS_SHOWN {
        text += "and more; --output json lists all of them\n";
    }
    if !audit.violations.is_empty() {
        let row = |found: &ViolationBody| {
            vec![found.subject.clone(), found.invariant.clone(), found.detail.clone()]
        };
        text.push('\n');
        text += &table(&["BROKEN", "PROMISE", "DETAIL"], audit.violations.iter().map(row));
    }
    text
}

fn not_verifiable(audit: &AuditBody) -> String {
    match usize::try_from(audit.unverifiable).unwrap_or(usize::MAX) {
        0 => "nothing".to_owned(),
        sagas => format!("{} of another release: run its `holdfast audit`", plural(sagas, "saga")),
    }
}

fn in_flight(audit: &AuditBody) -> String {
    if audit.in_flight.is_empty() {
        return "nothing".to_owned();
    }
    let held = sum(audit.in_flight.iter().map(|found| found.held));
    let dead = audit.in_flight.iter().filter(|found| found.dead).count();
    format!("{}, holding {}; {dead} dead", plural(audit.in_flight.len(), "order"), held)
}

fn settled_manually(audit: &AuditBody) -> String {
    if audit.settled_manually.is_empty() {
        return "nothing".to_owned();
    }
    let amount = sum(audit.settled_manually.iter().map(|found| found.amount));
    format!("{amount} of {}", plural(audit.settled_manually.len(), "order"))
}

/// The sum of each currency.
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
    "not compared: no ledger of the provider was given".to_owned()
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
