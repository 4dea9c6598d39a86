//! The result of a demo: outcomes, three timelines, and the audit.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use holdfast_contract::audit::AuditBody;
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::operations::audit_run;
use holdfast_saga::ports::Providers;
use holdfast_saga::records::slot;
use holdfast_saga::records::view::{OrderFilter, OrderView, SagaFilter};
use holdfast_saga::timeline::{Conditions, Story, explain, timeline};
use holdfast_shared::{CancelReason, OrderId, OrderStatus, PaymentMethod};
use serde::Serialize;

use super::actors::{Actors, PAGE};
use super::stage::Stage;
use crate::audit::table_of;
use crate::exit::Exit;
use crate::output::{Format, table};

/// The result of a demo.
#[derive(Debug, Serialize)]
struct Summary {
    orders: usize,
    seconds: f64,
    outcomes: Vec<Outcome>,
    /// From accepted to settled, in milliseconds.
    settled_p50_ms: Option<f64>,
    settled_p99_ms: Option<f64>,
    audit: AuditBody,
}

/// The number of orders with one outcome.
#[derive(Debug, Serialize)]
struct Outcome {
    status: OrderStatus,
    cancel_reason: Option<CancelReason>,
    payment_method: PaymentMethod,
    needs_attention: bool,
    orders: usize,
}

/// Prints the result, and returns the exit code.
pub(crate) async fn print(
    stage: &Stage,
    actors: &Actors,
    elapsed: Duration,
    output: Format,
) -> anyhow::Result<Exit> {
    let orders = own_orders(stage, actors).await?;
    let times = settle_times(stage, actors).await?;
    let providers = Providers::of(Arc::clone(&stage.sandbox) as _);
    let summary = Summary {
        orders: orders.len(),
        seconds: elapsed.as_secs_f64(),
        outcomes: outcomes(&orders),
        settled_p50_ms: percentile(&times, 50),
        settled_p99_ms: percentile(&times, 99),
        audit: audit_run::run(stage.store(), REGISTRY, &providers).await?.into(),
    };
    let mut timelines = String::new();
    for (title, order) in samples(&orders) {
        timelines += &timeline_of(stage, title, order).await?;
    }
    output.one(&summary, || summary.text(&timelines))?;
    let is_unsettled =
        |view: &&OrderView| view.order.status.is_pending() || view.order.status == OrderStatus::Cancelling;
    let unsettled = orders.iter().filter(is_unsettled).filter(|view| !view.needs_attention).count();
    if unsettled > 0 {
        anyhow::bail!("{unsettled} orders are neither settled nor stuck; {}", stage.how_to_resume());
    }
    Ok(if summary.audit.clean { Exit::Ok } else { Exit::Violated })
}

impl Summary {
    fn text(&self, timelines: &str) -> String {
        let row = |outcome: &Outcome| {
            vec![
                outcome.status.to_string(),
                outcome.cancel_reason.map_or_else(String::new, |reason| reason.to_string()),
                outcome.payment_method.to_string(),
                if outcome.needs_attention { "needs attention".to_owned() } else { String::new() },
                outcome.orders.to_string(),
            ]
        };
        let shown = |ms: Option<f64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms"));
        format!(
            "{}{} orders in {:.1} s; accepted to settled: p50 {}, p99 {}\n{timelines}\naudit\n{}",
            table(&["STATUS", "REASON", "PAID BY", "", "ORDERS"], self.outcomes.iter().map(row)),
            self.orders,
            self.seconds,
            shown(self.settled_p50_ms),
            shown(self.settled_p99_ms),
            table_of(&self.audit),
        )
    }
}

/// The orders of this demo, oldest first.
async fn own_orders(stage: &Stage, actors: &Actors) -> anyhow::Result<Vec<OrderView>> {
    let Some(first) = actors.orders.iter().min() else { return Ok(Vec::new()) };
    let known: std::collections::BTreeSet<OrderId> = actors.orders.iter().copied().collect();
    let mut orders = Vec::with_capacity(known.len());
    let mut filter = OrderFilter { limit: PAGE, ..OrderFilter::default() };
    loop {
        let page = stage.store().orders(&filter).await?;
        let Some(last) = page.last().map(|view| view.order.id) else { break };
        orders.extend(page.into_iter().filter(|view| known.contains(&view.order.id)));
        if last <= *first {
            break;
        }
        filter.before = Some(last);
    }
    orders.reverse();
    Ok(orders)
}

/// From accepted to settled, sorted.
async fn settle_times(stage: &Stage, actors: &Actors) -> anyhow::Result<Vec<Duration>> {
    let known: std::collections::BTreeSet<OrderId> = actors.orders.iter().copied().collect();
    let mut times = Vec::with_capacity(known.len());
    for definition in REGISTRY.all().filter(|definition| definition.name.starts_with("checkout_")) {
        let name = definition.name.to_owned();
        let mut filter = SagaFilter { definition: Some(name), limit: PAGE, ..SagaFilter::default() };
        loop {
            let page = stage.store().sagas(&filter).await?;
            let settled = page.iter().filter(|saga| {
                saga.state.is_settled() && saga.id.order().is_some_and(|order| known.contains(&order))
            });
            times.extend(settled.map(|saga| saga.updated_at.since(saga.created_at)));
            let Some(last) = page.last() else { break };
            filter.before = Some(last.id);
        }
    }
    times.sort_unstable();
    Ok(times)
}

fn percentile(sorted: &[Duration], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).map(|time| time.as_secs_f64() * 1_000.0)
}

fn outcomes(orders: &[OrderView]) -> Vec<Outcome> {
    let mut outcomes: BTreeMap<(String, String, String, bool), Outcome> = BTreeMap::new();
    for view in orders {
        let order = &view.order;
        let (status, cancel_reason, payment_method) = (order.status, order.cancel_reason, order.method);
        let needs_attention = view.needs_attention;
        let reason = cancel_reason.map_or_else(String::new, |reason| reason.to_string());
        outcomes
            .entry((status.to_string(), reason, payment_method.to_string(), needs_attention))
            .or_insert(Outcome { status, cancel_reason, payment_method, needs_attention, orders: 0 })
            .orders += 1;
    }
    outcomes.into_values().collect()
}

/// One fulfilled order, one that was undone after money or stock had moved, and one that is stuck.
fn samples(orders: &[OrderView]) -> impl Iterator<Item = (&'static str, OrderId)> {
    let find = |title, fits: &dyn Fn(&OrderView) -> bool| {
        orders.iter().find(|view| fits(view)).map(|view| (title, view.order.id))
    };
    let stands = |view: &OrderView| view.order.status.stands() && !view.needs_attention;
    let undone = |view: &OrderView| {
        view.order.status == OrderStatus::Cancelled && view.reservation.is_some() && !view.needs_attention
    };
    let stuck = |view: &OrderView| view.needs_attention;
    [find("fulfilled", &stands), find("undone", &undone), find("stuck", &stuck)].into_iter().flatten()
}

async fn timeline_of(stage: &Stage, title: &str, order: OrderId) -> anyhow::Result<String> {
    let Some(story) = Story::read(stage.store(), order).await? else { return Ok(String::new()) };
    let start = story.order.order.accepted_at;
    let mut text = format!("\norder {order}, {title}\n");
    for line in timeline(&story) {
        let after = line.at.since(start).as_secs_f64();
        let saga = if slot::is_checkout(line.saga) { String::new() } else { format!("[{}] ", line.saga) };
        writeln!(text, "  {after:>8.3} s  {saga}{}", line.text)?;
    }
    if story.order.needs_attention {
        let conditions = Conditions::read(stage.store()).await?;
        let explanation = explain(&story, &REGISTRY, &conditions);
        writeln!(text, "  now: {}\n  next move: {}", explanation.now, explanation.unblocks)?;
    }
    Ok(text)
}
