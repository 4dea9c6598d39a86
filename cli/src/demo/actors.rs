//! The actors around the shop: buyers who complete a payment or do not, admins who decide or forget to, customers
//! who cancel.

use std::collections::BTreeMap;

use holdfast_saga::records::view::OrderFilter;
use holdfast_saga::shop::answer::Answered;
use holdfast_saga::shop::payment_event::payment_event;
use holdfast_sandbox::ChargeState;
use holdfast_shared::{OrderId, OrderStatus, PaymentStatus, StepKey};
use uuid::Uuid;

use super::client::By;
use super::mix::Fate;
use super::stage::Stage;

/// Orders in one page of a list.
pub(crate) const PAGE: u32 = 1_000;

/// The orders of a demo, and what the actors still have to do.
#[derive(Debug, Default)]
pub(crate) struct Actors {
    /// Every order of this demo.
    pub(crate) orders: Vec<OrderId>,
    /// What is still to do.
    tasks: BTreeMap<OrderId, Task>,
}

/// An order, and what an actor does about it.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) id: Uuid,
    pub(crate) fate: Fate,
    /// The customer; `None`: a guest. Who they were is lost at a restart: their order holds an id.
    pub(crate) customer: Option<String>,
    /// The guest's token. It is lost at a restart, too.
    pub(crate) order_token: Option<String>,
}

impl Actors {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The actors of an interrupted demo, from the notes of its orders.
    pub(crate) async fn from_notes(stage: &Stage) -> anyhow::Result<Self> {
        let mut actors = Self::new();
        let mut filter = OrderFilter { limit: PAGE, ..OrderFilter::default() };
        loop {
            let page = stage.store().orders(&filter).await?;
            for view in &page {
                let order = &view.order;
                if let Some(fate) = order.notes.as_deref().and_then(Fate::from_note) {
                    let id = view.public_id();
                    actors.add(order.id, Task { id, fate, customer: None, order_token: None });
                }
            }
            let Some(last) = page.last() else { return Ok(actors) };
            filter.before = Some(last.order.id);
        }
    }

    pub(crate) fn add(&mut self, order: OrderId, task: Task) {
        self.orders.push(order);
        let acts = match task.fate {
            Fate::Plain | Fate::BuyerLeaves | Fate::AdminForgets => false,
            Fate::BuyerActs
            | Fate::AdminConfirms
            | Fate::AdminRejects
            | Fate::CustomerCancels
            | Fate::ShopCancels => true,
        };
        if acts {
            self.tasks.insert(order, task);
        }
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Does everything that can be done now.
    pub(crate) async fn act(&mut self, stage: &Stage) -> anyhow::Result<()> {
        let mut waiting: BTreeMap<OrderId, StepKey> = BTreeMap::new();
        if self.tasks.values().any(|task| task.fate == Fate::BuyerActs) {
            let shop = stage.store().keys().await?.shop();
            let own = |charge: StepKey| match charge.owner() {
                Some((owner, order)) if owner == shop => Some((order, charge)),
                Some(_) | None => None,
            };
            waiting.extend(stage.sandbox.waiting_actions().await?.into_iter().filter_map(own));
        }
        let mut done = Vec::new();
        for (order, task) in &self.tasks {
            if perform(stage, *order, task, waiting.get(order)).await? {
                done.push(*order);
            }
        }
        for order in done {
            self.tasks.remove(&order);
        }
        Ok(())
    }
}

/// Performs one task, and returns whether it is done.
async fn perform(
    stage: &Stage,
    order: OrderId,
    task: &Task,
    waiting: Option<&StepKey>,
) -> anyhow::Result<bool> {
    let buyer = By::Buyer { customer: task.customer.as_deref(), order_token: task.order_token.as_deref() };
    let (verb, by) = match task.fate {
        Fate::BuyerActs => {
            let Some(charge) = waiting else { return redeliver(stage, order).await };
            stage.sandbox.complete_action(charge, true).await?;
            deliver_event(stage, charge).await?;
            return Ok(true);
        }
        Fate::AdminConfirms => ("confirm", By::Admin),
        Fate::AdminRejects => ("reject", By::Admin),
        // A buyer who was lost at a restart asks the shop to cancel.
        Fate::CustomerCancels if task.customer.is_none() && task.order_token.is_none() => {
            ("cancel", By::Admin)
        }
        Fate::CustomerCancels => ("cancel", buyer),
        Fate::ShopCancels => {
            let status = stage.store().order(order).await?.map(|view| view.order.status);
            match status {
                Some(OrderStatus::PendingPayment | OrderStatus::PendingConfirmation) => return Ok(false),
                Some(_) => ("cancel", By::Admin),
                None => return Ok(true),
            }
        }
        Fate::Plain | Fate::BuyerLeaves | Fate::AdminForgets => return Ok(true),
    };
    stage.usual.decide(task.id, verb, by).await?;
    Ok(true)
}

/// Delivers the provider's event about a charge.
async fn deliver_event(stage: &Stage, charge: &StepKey) -> anyhow::Result<()> {
    if let Ok(Answered::Accepted(hint)) = payment_event(stage.store(), charge, charge.as_str()).await? {
        stage.wake(hint);
    }
    Ok(())
}

/// The buyer is not asked yet, or acted before a crash that lost the event: a provider repeats an event without an
/// answer, and a repeated event is the same event. Returns whether the task is done.
async fn redeliver(stage: &Stage, order: OrderId) -> anyhow::Result<bool> {
    let Some(view) = stage.store().order(order).await? else { return Ok(true) };
    let payment = view.payment.filter(|payment| payment.status == PaymentStatus::RequiresAction);
    if let Some(charge) = payment.and_then(|payment| payment.charge)
        && let Some(ChargeState::Captured { .. }) = stage.sandbox.find(&charge).await?
    {
        deliver_event(stage, &charge).await?;
    }
    Ok(!view.order.status.is_pending())
}
