//! The people around the shop: buyers who act or walk away, admins who decide or forget, customers
//! who change their mind.

use std::collections::BTreeMap;

use holdfast_saga::command::{Answered, Conflict, Verb, ask, payment_event};
use holdfast_saga::ports::{ChargeState, PaymentProvider as _};
use holdfast_saga::view::OrderFilter;
use holdfast_sandbox::SandboxControl;
use holdfast_shared::{Actor, OrderId, OrderStatus, PaymentStatus, StepKey};

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
    parts: BTreeMap<OrderId, Fate>,
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
                    cast.add(order.id, fate);
                }
            }
            let Some(last) = page.last() else { return Ok(cast) };
            filter.before = Some(last.order.id);
        }
    }

    pub(crate) fn add(&mut self, order: OrderId, fate: Fate) {
        self.orders.push(order);
        let plays = match fate {
            Fate::Plain | Fate::BuyerLeaves | Fate::AdminForgets => false,
            Fate::BuyerActs
            | Fate::AdminConfirms
            | Fate::AdminRejects
            | Fate::CustomerCancels
            | Fate::ShopCancels => true,
        };
        if plays {
            self.parts.insert(order, fate);
        }
    }

    /// Whether everybody has played their part.
    pub(crate) fn is_idle(&self) -> bool {
        self.parts.is_empty()
    }

    /// Everybody does what they can do now.
    pub(crate) async fn act(&mut self, stage: &Stage) -> anyhow::Result<()> {
        let mut waiting: BTreeMap<OrderId, StepKey> = BTreeMap::new();
        if self.parts.values().any(|fate| *fate == Fate::BuyerActs) {
            let charges = stage.sandbox.waiting_actions().await?;
            waiting.extend(charges.into_iter().filter_map(|charge| Some((charge.order()?, charge))));
        }
        let mut played = Vec::new();
        for (order, fate) in &self.parts {
            if play(stage, *order, *fate, waiting.get(order)).await? {
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
async fn play(stage: &Stage, order: OrderId, fate: Fate, waiting: Option<&StepKey>) -> anyhow::Result<bool> {
    let admin = Actor::Admin("demo".to_owned());
    let answer = match fate {
        Fate::BuyerActs => match waiting {
            Some(charge) => {
                stage.sandbox.complete_action(charge, true).await?;
                payment_event(stage.store(), charge, charge.as_str()).await?
            }
            None => return redeliver(stage, order).await,
        },
        Fate::AdminConfirms => ask(stage.store(), order, Verb::Confirm, &admin).await?,
        Fate::AdminRejects => ask(stage.store(), order, Verb::Reject, &admin).await?,
        Fate::CustomerCancels => ask(stage.store(), order, Verb::Cancel, &Actor::Customer).await?,
        Fate::ShopCancels => {
            let status = stage.store().order(order).await?.map(|view| view.order.status);
            match status {
                Some(OrderStatus::PendingPayment | OrderStatus::PendingConfirmation) => return Ok(false),
                Some(_) => ask(stage.store(), order, Verb::Cancel, &admin).await?,
                None => return Ok(true),
            }
        }
        Fate::Plain | Fate::BuyerLeaves | Fate::AdminForgets => return Ok(true),
    };
    match answer {
        Ok(Answered::Accepted(hint)) => stage.wake(hint),
        // Something else happened first: out of stock, already cancelled. That, too, ends the part.
        Ok(Answered::Done(_) | Answered::Already(_)) | Err(Conflict::Instead(_)) => {}
        Err(unknown) => return Err(unknown.into()),
    }
    Ok(true)
}

/// The buyer is not asked yet, or acted before a crash took the event away: a provider repeats an event that
/// nobody took, and a repeated event is the same event. Says whether the part is over.
async fn redeliver(stage: &Stage, order: OrderId) -> anyhow::Result<bool> {
    let Some(view) = stage.store().order(order).await? else { return Ok(true) };
    let payment = view.payment.filter(|payment| payment.status == PaymentStatus::RequiresAction);
    if let Some(charge) = payment.and_then(|payment| payment.charge)
        && let Some(ChargeState::Captured { .. }) = stage.sandbox.look_up(&charge).await?
        && let Ok(Answered::Accepted(hint)) = payment_event(stage.store(), &charge, charge.as_str()).await?
    {
        stage.wake(hint);
    }
    Ok(!view.order.status.is_pending())
}
