//! What became of the orders, by the rows: read once everything is over, so that it costs the run nothing.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use holdfast_saga::flows;
use holdfast_saga::operations::audit::Report;
use holdfast_saga::operations::audit_run;
use holdfast_saga::ports::{Movement, Store};
use holdfast_saga::records::view::{OrderFilter, SagaFilter};
use holdfast_shared::{CancelReason, CartId, OrderId, OrderStatus, SagaState, Time};

/// Rows read at once.
const PAGE: u32 = 1_000;

/// An order and its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) id: OrderId,
    pub(crate) cart: CartId,
    pub(crate) status: OrderStatus,
    pub(crate) reason: Option<CancelReason>,
    /// When the transaction that accepted it read the clock.
    pub(crate) accepted_at: Time,
    /// When the transaction that marked its message SENT did.
    pub(crate) notified_at: Time,
}

/// The newest order there is.
pub(crate) async fn newest(store: &dyn Store) -> Result<Option<OrderId>> {
    let filter = OrderFilter { limit: 1, ..OrderFilter::default() };
    Ok(store.orders(&filter).await?.first().map(|view| view.order.id))
}

/// The orders behind `after`, oldest first. An error names one that is not over.
pub(crate) async fn ended(store: &dyn Store, after: Option<OrderId>) -> Result<Vec<Ended>> {
    let mut notified = notified(store, after).await?;
    let mut ended = Vec::with_capacity(notified.len());
    let mut before = None;
    loop {
        let filter = OrderFilter { before, limit: PAGE, ..OrderFilter::default() };
        let page = store.orders(&filter).await?;
        let new: Vec<_> =
            page.iter().map(|view| &view.order).filter(|order| Some(order.id) > after).collect();
        for order in &new {
            let notified_at = notified
                .remove(&order.id)
                .with_context(|| format!("no message about order {} was sent", order.id))?;
            ended.push(Ended {
                id: order.id,
                cart: order.cart,
                status: order.status,
                reason: order.cancel_reason,
                accepted_at: order.accepted_at,
                notified_at,
            });
        }
        before = page.last().map(|view| view.order.id);
        if new.len() < page.len() || page.is_empty() {
            break;
        }
    }
    ensure!(notified.is_empty(), "messages were sent about orders that do not exist: {notified:?}");
    ended.reverse();
    Ok(ended)
}

/// When the message about each order was sent. The saga of a message ends in the commit that marks it SENT.
async fn notified(store: &dyn Store, after: Option<OrderId>) -> Result<BTreeMap<OrderId, Time>> {
    let mut notified = BTreeMap::new();
    let mut before = None;
    loop {
        let filter = SagaFilter {
            definition: Some("notification".to_owned()),
            before,
            limit: PAGE,
            ..SagaFilter::default()
        };
        let page = store.sagas(&filter).await?;
        for saga in &page {
            let Some(order) = saga.id.order() else { continue };
            if Some(order) <= after {
                return Ok(notified);
            }
            ensure!(saga.state == SagaState::Completed, "message {} is {}", saga.id, saga.state);
            ensure!(
                notified.insert(order, saga.updated_at).is_none(),
                "two messages were sent about order {order}"
            );
        }
        match page.last() {
            Some(last) => before = Some(last.id),
            None => return Ok(notified),
        }
    }
}

/// Recomputes every promise, and holds them against the provider's own ledger where there are any. An error says
/// what is broken, or still moving.
pub(crate) async fn audit(store: &dyn Store, statement: Option<&[Movement]>) -> Result<Report> {
    let statements = statement.map(|lines| (holdfast_sandbox::NAME.to_owned(), lines.to_vec()));
    let audit = audit_run::read(store, flows::REGISTRY).await?;
    let report = audit.finish(&statements.into_iter().collect());
    if !report.is_clean() {
        let first: Vec<String> = report
            .violations
            .iter()
            .take(5)
            .map(|broken| format!("  {}: {}: {}", broken.invariant, broken.subject, broken.detail))
            .collect();
        bail!("the audit found {} promises broken:\n{}", report.violations.len(), first.join("\n"));
    }
    if let Some(moving) = report.in_flight.first() {
        let dead = if moving.dead { "dead" } else { "not over" };
        bail!(
            "{} orders are in flight after the run, such as {} ({dead})",
            report.in_flight.len(),
            moving.order
        );
    }
    Ok(report)
}
