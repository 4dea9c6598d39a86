//! The people around the shop: buyers who act or walk away, admins who decide or forget, customers
//! who change their mind.

use std::collections::BTreeMap;

use holdfast_saga::ports::ChargeState;
use holdfast_saga::records::view::OrderFilter;
use holdfast_saga::shop::answer::Answered;
use holdfast_saga::shop::payment_event::payment_event;
use holdfast_shared::{OrderId, OrderStatus, PaymentStatus, StepKey};
use uuid::Uuid;

use super::client::By;
use super::mix::Fate;
use super::stage::Stage;

/// Orders in one page of a list.
pub(crate) const PAGE: u32 = 1_000;

/// Who still has a part to play, and which orders were accepted.
#[derive(Debug, Default)]
pub(crate) struct Cast {
    /// Every order of this demo.
    pub(crate) orders: Vec<OrderId>,
    /// Parts that are still to be played.
    parts: BTreeMap<OrderId, Part>,
}

/// An order, and what somebody does about it.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// Its public id.
    pub(crate) id: Uuid,
    pub(crate) fate: Fate,
    /// Whose it is; `None`: a guest's.
    pub(crate) customer: Option<String>,
    /// The guest's key to it. Nobody has it any more after a restart.
    pub(crate) order_token: Option<String>,
}

impl Cast {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The cast of a demo that was interrupted, from the notes on its orders.
    pub(crate) async fn from_notes(stage: &Stage) -> anyhow::Result<Self> {
        let mut cast = Self::new();
        let mut filter = OrderFilter { limit: PAGE, ..OrderFilter::default() };
        loop {
            let page = stage.store().orders(&filter).await?;
            for view in &page {
                let order = &view.order;
                if let Some(fate) = order.notes.as_deref().and_then(Fate::from_note) {
                    let customer = order.customer.clone();
                    cast.add(order.id, Part { id: view.public_id(), fate, customer, order_token: None });
                }
            }
            let Some(last) = page.last() else { return Ok(cast) };
            filter.before = Some(last.order.id);
        }
    }

    pub(crate) fn add(&mut self, order: OrderId, part: Part) {
        self.orders.push(order);
        let plays = match part.fate {
            Fate::Plain | Fate::BuyerLeaves | Fate::AdminForgets => false,
            Fate::BuyerActs
            | Fate::AdminConfirms
            | Fate::AdminRejects
            | Fate::CustomerCancels
            | Fate::ShopCancels => true,
        };
        if plays {
            self.parts.insert(order, part);
        }
    }

    /// Whether everybody has played their part.
    pub(crate) fn is_idle(&self) -> bool {
        self.parts.is_empty()
    }

    /// Everybody does what they can do now.
    pub(crate) async fn act(&mut self, stage: &Stage) -> anyhow::Result<()> {
        let mut waiting: BTreeMap<OrderId, StepKey> = BTreeMap::new();
        if self.parts.values().any(|part| part.fate == Fate::BuyerActs) {
            let shop = stage.store().keys().await?.shop();
            let ours = |charge: StepKey| match charge.owner() {
                Some((owner, order)) if owner == shop => Some((order, charge)),
                Some(_) | None => None,
            };
            waiting.extend(stage.sandbox.waiting_actions().await?.into_iter().filter_map(ours));
        }
        let mut played = Vec::new();
        for (order, part) in &self.parts {
            if play(stage, *order, part, waiting.get(order)).await? {
                played.push(*order);
            }
        }
        for order in played {
            self.parts.remove(&order);
        }
        Ok(())
    }
}

/// Plays one part, and says whether it is over.
async fn play(stage: &Stage, order: OrderId, part: &Part, waiting: Option<&StepKey>) -> anyhow::Result<bool> {
    let buyer = By::Buyer { customer: part.customer.as_deref(), order_token: part.order_token.as_deref() };
    let (verb, by) = match part.fate {
        Fate::BuyerActs => {
            let Some(charge) = waiting else { return redeliver(stage, order).await };
            stage.sandbox.complete_action(charge, true).await?;
            tell_of(stage, charge).await?;
            return Ok(true);
        }
        Fate::AdminConfirms => ("confirm", By::Admin),
        Fate::AdminRejects => ("reject", By::Admin),
        // A guest whose token went with an earlier run asks the shop to do it.
        Fate::CustomerCancels if part.customer.is_none() && part.order_token.is_none() => {
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
    stage.usual.decide(part.id, verb, by).await?;
    Ok(true)
}

/// The provider's event: something happened to this charge.
async fn tell_of(stage: &Stage, charge: &StepKey) -> anyhow::Result<()> {
    if let Ok(Answered::Accepted(hint)) = payment_event(stage.store(), charge, charge.as_str()).await? {
        stage.wake(hint);
    }
    Ok(())
}

/// The buyer is not asked yet, or acted before a crash took the event away: a provider repeats an event that
/// nobody took, and a repeated event is the same event. Says whether the part is over.
async fn redeliver(stage: &Stage, order: OrderId) -> anyhow::Result<bool> {
    let Some(view) = stage.store().order(order).await? else { return Ok(true) };
    let payment = view.payment.filter(|payment| payment.status == PaymentStatus::RequiresAction);
    if let Some(charge) = payment.and_then(|payment| payment.charge)
        && let Some(ChargeState::Captured { .. }) = stage.sandbox.look_up(&charge).await?
    {
        tell_of(stage, &charge).await?;
    }
    Ok(!view.order.status.is_pending())
}
