//! What became of the orders: outcomes, three stories, and the audit.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_saga::audit::Audit;
use holdfast_saga::context::slot;
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::ports::PaymentProvider;
use holdfast_saga::timeline::{Story, explain, timeline};
use holdfast_saga::view::{OrderFilter, OrderView, SagaFilter};
use holdfast_shared::{OrderId, OrderStatus, Time};

use super::actors::{Cast, PAGE};
use super::stage::Stage;
use crate::exit::Exit;
use crate::output::{print as out, table};

/// Prints everything, and says how the demo ends.
pub(crate) async fn print(stage: &Stage, cast: &Cast, elapsed: Duration) -> anyhow::Result<Exit> {
    let orders = ours(stage, cast).await?;
    let times = settle_times(stage, cast).await?;
    out(&outcomes(&orders))?;
    let (count, seconds) = (orders.len(), elapsed.as_secs_f64());
    let percentile = |percent| shown(percentile(&times, percent));
    out(&format!(
        "{count} orders in {seconds:.1} s; accepted to settled: p50 {}, p99 {}\n",
        percentile(50),
        percentile(99)
    ))?;
    for story in samples(&orders) {
        out(&tell(stage, story).await?)?;
    }
    let (text, exit) = audit(stage).await?;
    out(&text)?;
    let parked = |view: &&OrderView| view.needs_attention;
    let on_the_way =
        |view: &&OrderView| view.order.status.is_pending() || view.order.status == OrderStatus::Cancelling;
    let unsettled = orders.iter().filter(on_the_way).filter(|view| !parked(view)).count();
    if unsettled > 0 {
        anyhow::bail!("{unsettled} orders are neither settled nor parked; {}", stage.how_to_go_on());
    }
    Ok(exit)
}

/// The orders of this demo, oldest first.
async fn ours(stage: &Stage, cast: &Cast) -> anyhow::Result<Vec<OrderView>> {
    let Some(first) = cast.orders.iter().min() else { return Ok(Vec::new()) };
    let known: std::collections::BTreeSet<OrderId> = cast.orders.iter().copied().collect();
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
async fn settle_times(stage: &Stage, cast: &Cast) -> anyhow::Result<Vec<Duration>> {
    let known: std::collections::BTreeSet<OrderId> = cast.orders.iter().copied().collect();
    let mut times = Vec::with_capacity(known.len());
    for definition in REGISTRY.all().filter(|definition| definition.name.starts_with("checkout_")) {
        let name = definition.name.to_owned();
        let mut filter = SagaFilter { definition: Some(name), limit: PAGE, ..SagaFilter::default() };
        loop {
            let page = stage.store().sagas(&filter).await?;
            let settled =
                page.iter().filter(|saga| saga.state.is_settled() && known.contains(&saga.id.order()));
            times.extend(settled.map(|saga| saga.updated_at.since(saga.created_at)));
            let Some(last) = page.last() else { break };
            filter.before = Some(last.id);
        }
    }
    times.sort_unstable();
    Ok(times)
}

fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

fn shown(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| format!("{:.1} ms", time.as_secs_f64() * 1_000.0))
}

fn outcomes(orders: &[OrderView]) -> String {
    let mut counts: BTreeMap<(String, String, String, &str), usize> = BTreeMap::new();
    for view in orders {
        let order = &view.order;
        let reason = order.cancel_reason.map_or(String::new(), |reason| reason.to_string());
        let attention = if view.needs_attention { "needs attention" } else { "" };
        *counts
            .entry((order.status.to_string(), reason, order.method.to_string(), attention))
            .or_default() += 1;
    }
    let rows = counts.into_iter().map(|((status, reason, method, attention), count)| {
        vec![status, reason, method, attention.to_owned(), count.to_string()]
    });
    table(&["status", "reason", "paid by", "", "orders"], rows)
}

/// One order that was fulfilled, one that was undone after money or stock had moved, one that is stuck.
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

async fn tell(stage: &Stage, (title, order): (&str, OrderId)) -> anyhow::Result<String> {
    let Some(story) = Story::read(stage.store(), order).await? else { return Ok(String::new()) };
    let start = story.order.order.accepted_at;
    let mut text = format!("\norder {order}, {title}\n");
    for line in timeline(&story) {
        let after = line.at.since(start).as_secs_f64();
        let saga =
            if line.saga.slot() == slot::CHECKOUT { String::new() } else { format!("[{}] ", line.saga) };
        text.push_str(&format!("  {after:>8.3} s  {saga}{}\n", line.words));
    }
    if story.order.needs_attention {
        let explanation = explain(&story, &REGISTRY, Time::system_now());
        text.push_str(&format!("  now: {}\n  next move: {}\n", explanation.now, explanation.unblocks));
    }
    Ok(text)
}

async fn audit(stage: &Stage) -> anyhow::Result<(String, Exit)> {
    let mut audit = Audit::new();
    stage.store().facts(&mut |fact| audit.see(fact)).await?;
    let statement = stage.sandbox.statement().await?;
    let report = audit.finish(statement.as_deref());
    let mut text = format!(
        "\naudit: {} orders, {} SKUs, {} charges at the sandbox, {} in flight or stuck, {} violations\n",
        report.orders,
        report.skus,
        report.charges.unwrap_or(0),
        report.in_flight.len(),
        report.violations.len()
    );
    for violation in &report.violations {
        text.push_str(&format!("  {} {}: {}\n", violation.invariant, violation.subject, violation.detail));
    }
    Ok((text, if report.is_clean() { Exit::Ok } else { Exit::Violated }))
}
