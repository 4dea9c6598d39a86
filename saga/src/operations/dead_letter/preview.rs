//! What a retry or a discard would lead to.
//!
//! The planner itself is asked, with every call answered as if it went well; nothing is sent and nothing is
//! written, so a preview is what the definition would do and not a second opinion about it.

use std::collections::BTreeMap;
use std::fmt;

use holdfast_shared::{Actor, Money, PaymentStatus, Queue, Sku, Time};
use serde::Serialize;
use strum::{Display, IntoStaticStr};

use super::action::DeadLetterAction;
use crate::engine::batch::plan_catching_panics;
use crate::engine::definition::Definition;
use crate::engine::plan::{Inbox, Next};
use crate::flows::owed;
use crate::records::call::{Answer, Call, CallResult, Mode};
use crate::records::change::Change;
use crate::records::history::Entry;
use crate::records::request::{PaymentRequest, Request};
use crate::records::saga::{CallState, Saga};
use crate::records::signal::{Signal, SignalBody};
use crate::records::{Refund, StockMove};

/// More plans than any flow has calls; a definition that goes round in circles ends here.
const PLANS_MAX: usize = 16;

/// What would happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// The queue that it goes on in.
    pub queue: Queue,
    /// The steps that would run, in order.
    pub steps: Vec<&'static str>,
    /// The money that would move, or be left to a person.
    pub money: Vec<MoneyMove>,
    /// The stock that would move.
    pub stock: Vec<StockStep>,
}

/// Money that would move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MoneyMove {
    /// Which way.
    pub way: MoneyWay,
    /// How much.
    pub amount: Money,
    /// Whether it may be less, because nobody knows yet what the provider holds.
    pub at_most: bool,
}

/// Which way money goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Display, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum MoneyWay {
    /// From the buyer to the shop.
    Taken,
    /// From the shop to the buyer.
    GivenBack,
    /// By nobody here: a person sees to it.
    SettledManually,
}

impl MoneyWay {
    /// What the saga does with the money, as people read it.
    pub(super) const fn verb(self) -> &'static str {
        match self {
            Self::Taken => "takes",
            Self::GivenBack => "gives back",
            Self::SettledManually => "leaves to you",
        }
    }
}

/// By how much a level would move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StockStep {
    /// The product.
    pub sku: Sku,
    /// Pieces that would come, or go when negative.
    pub on_hand: i64,
    /// Promises that would be made, or taken back when negative.
    pub reserved: i64,
}

/// What `action` would lead to for `saga`, if everything it asks of the outside went well.
pub fn preview(saga: &Saga, definition: &Definition, action: &DeadLetterAction, now: Time) -> Preview {
    let by = Actor::Operator("nobody".to_owned());
    let body = match action {
        DeadLetterAction::Retry { .. } => SignalBody::Retry { by },
        DeadLetterAction::Discard { reason } => SignalBody::Discard { by, reason: reason.clone() },
    };
    let signal = Signal { seq: 0, saga: saga.id, dedupe: String::new(), body, created_at: now };
    let mut inbox = Inbox { signals: vec![signal], ..Inbox::default() };
    let queue = saga.queue;
    let mut saga = saga.clone();
    let mut seen = Seen::default();
    for _ in 0..PLANS_MAX {
        // A plan that panics ends here as it would end in a batch.
        let Ok(advance) = plan_catching_panics(&saga, definition, &inbox, now) else { break };
        seen.changes(&saga, &advance.changes);
        seen.entries(definition, &advance.entries);
        saga = *advance.saga;
        let Next::Call(call) = advance.next else { break };
        seen.call(&saga, &call);
        saga.fence = call.fence;
        saga.progress.call = CallState::Sent;
        inbox = Inbox { outcome: Some(call.outcome(gone_well(&saga, &call))), ..Inbox::default() };
    }
    seen.into_preview(queue)
}

/// The answer of an outside that is well.
fn gone_well(saga: &Saga, call: &Call) -> Answer {
    let captured_minor = if holds_money(saga) { total_minor(saga) } else { 0 };
    Answer::Succeeded(CallResult::gone_well(&call.request, captured_minor))
}

/// Whether our own ledger knows of captured money.
fn holds_money(saga: &Saga) -> bool {
    matches!(saga.payment_status(), Some(PaymentStatus::Captured | PaymentStatus::PartiallyRefunded))
}

fn total_minor(saga: &Saga) -> i64 {
    crate::flows::total(saga).map_or(0, |total| total.amount_minor)
}

/// What was seen on the way.
#[derive(Default)]
struct Seen {
    steps: Vec<&'static str>,
    money: Vec<MoneyMove>,
    stock: BTreeMap<Sku, StockMove>,
}

impl Seen {
    fn entries(&mut self, definition: &Definition, entries: &[Entry]) {
        for entry in entries {
            if let Entry::Did(step) | Entry::Undid(step) | Entry::Spawned { step, .. } = entry {
                self.steps.extend(definition.step_named(step));
            }
        }
    }

    fn changes(&mut self, saga: &Saga, changes: &[(&'static str, Change)]) {
        for (_, change) in changes {
            match change {
                Change::ReserveStock { lines, .. } => self.move_stock(lines, 0, 1),
                Change::ReleaseStock { lines, .. } => self.move_stock(lines, 0, -1),
                Change::ConfirmReservation { lines, .. } => self.move_stock(lines, -1, -1),
                Change::Restock { lines, .. } => self.move_stock(lines, 1, 0),
                Change::RecordRefund { refund, .. } => self.by_hand(saga, refund),
                Change::ConfirmOrder { .. }
                | Change::CancelOrder { .. }
                | Change::ClearCart { .. }
                | Change::ReopenCart { .. }
                | Change::RecordPayment { .. }
                | Change::RecordNotification { .. }
                | Change::StartSaga(_) => {}
            }
        }
    }

    fn move_stock(&mut self, lines: &[holdfast_shared::Line], on_hand: i64, reserved: i64) {
        for line in lines {
            let pieces = i64::from(line.quantity);
            let step = StockMove { on_hand: on_hand * pieces, reserved: reserved * pieces };
            *self.stock.entry(line.sku.clone()).or_default() += step;
        }
    }

    fn by_hand(&mut self, saga: &Saga, refund: &Refund) {
        if refund.settled_manually {
            let at_most = refund.late || !holds_money(saga);
            self.money.push(MoneyMove { way: MoneyWay::SettledManually, amount: refund.amount, at_most });
        }
    }

    fn call(&mut self, saga: &Saga, call: &Call) {
        self.steps.push(call.step);
        let Request::Payment(request) = &call.request else { return };
        let (way, amount, at_most) = match request {
            PaymentRequest::Charge { amount, .. } => (MoneyWay::Taken, *amount, call.mode == Mode::Query),
            PaymentRequest::UndoCharge { .. } => {
                let Some(owed) = owed(saga) else { return };
                (MoneyWay::GivenBack, owed, !holds_money(saga))
            }
            PaymentRequest::Refund { amount, .. } => (MoneyWay::GivenBack, *amount, call.mode == Mode::Query),
            PaymentRequest::Open { .. } => return,
        };
        self.money.push(MoneyMove { way, amount, at_most });
    }

    fn into_preview(self, queue: Queue) -> Preview {
        let moved = self.stock.into_iter().filter(|(_, step)| *step != StockMove::default());
        let stock = moved
            .map(|(sku, StockMove { on_hand, reserved })| StockStep { sku, on_hand, reserved })
            .collect();
        Preview { queue, steps: self.steps, money: self.money, stock }
    }
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.steps.as_slice() {
            [] => f.write_str("no step follows")?,
            steps => write!(f, "{}", steps.join(", "))?,
        }
        for MoneyMove { way, amount, at_most } in &self.money {
            let at_most = if *at_most { "at most " } else { "" };
            write!(f, "; {} {at_most}{amount}", way.verb())?;
        }
        for StockStep { sku, on_hand, reserved } in &self.stock {
            match (*on_hand, *reserved) {
                (0, promised) if promised < 0 => write!(f, "; frees {} of {sku}", -promised)?,
                (0, promised) => write!(f, "; holds {promised} of {sku}")?,
                (pieces, _) if pieces > 0 => write!(f, "; puts {pieces} of {sku} back on the shelf")?,
                (pieces, _) => write!(f, "; takes {} of {sku} off the shelf", -pieces)?,
            }
        }
        Ok(())
    }
}
