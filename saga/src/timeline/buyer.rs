//! The same for the buyer: what became of their order, and nothing of how the shop works inside.
//!
//! A closed list. What an admin is called, what a provider answered, which worker vanished and why a refund was
//! granted is the shop's business.

use super::phrases::{because, filled, moment, phrases};
use crate::records::AdminAction;
use crate::records::context::{Context, PartialRefund};
use crate::records::history::Entry;
use crate::records::saga::Saga;

/// What a buyer hears of an order that is stuck.
pub(super) const DELAYED: &str = "delayed: the shop is looking into it";

/// What one commit decided.
pub(super) fn commit(saga: &Saga, entries: &[Entry]) -> Vec<String> {
    entries.iter().filter_map(|entry| self::entry(saga, entry)).collect()
}

/// One entry of a history; `None` when it is no business of the buyer's.
fn entry(saga: &Saga, entry: &Entry) -> Option<String> {
    Some(match entry {
        Entry::Succeeded(step) if step == "give_back" => format!("{} given back", granted(saga)?),
        Entry::Did(step) | Entry::Succeeded(step) => {
            return filled(phrases(step)?.done_for_buyer, saga);
        }
        Entry::Pending { until, .. } => format!("the payment must be approved by {}", moment(*until)),
        Entry::AttemptDeclined { .. } => "the payment was declined; it may be tried again".to_owned(),
        Entry::GivingBack { .. } => "the money is on its way back".to_owned(),
        Entry::Processing { .. } => "the payment is being processed".to_owned(),
        Entry::Waiting { until, .. } => {
            format!("waiting for the shop to confirm, until {}", moment(*until))
        }
        Entry::Decided { confirmed: true, .. } => "confirmed by the shop".to_owned(),
        Entry::Decided { confirmed: false, .. } => "rejected by the shop".to_owned(),
        Entry::CancelAccepted(_) => "cancellation asked for, in time".to_owned(),
        Entry::Unwinding(reason) => format!("undoing the order: {}", because(*reason)),
        Entry::Dead { .. } => DELAYED.to_owned(),
        Entry::Revived(_) => "it goes on".to_owned(),
        Entry::Discarded { step, .. } => match step.as_str() {
            "refund_payment" | "close_payment" | "give_back" => {
                "the shop settles the money with you in person".to_owned()
            }
            _ => return None,
        },
        Entry::Refused { short_of: Some(sku), .. } => format!("there is not enough of {sku} left"),
        Entry::Refused { short_of: None, .. }
        | Entry::Started { .. }
        | Entry::Rejected { .. }
        | Entry::Failed { .. }
        | Entry::Unknown { .. }
        | Entry::NotSent(_)
        | Entry::Held { .. }
        | Entry::TakenOver { .. }
        | Entry::RetryAt { .. }
        | Entry::Ignored(_)
        | Entry::PaymentEvent
        | Entry::Expired(_)
        | Entry::Pivot
        | Entry::Undid(_)
        | Entry::Spawned { .. }
        | Entry::LateCapture(_)
        | Entry::Completed
        | Entry::Compensated => return None,
    })
}

/// How a saga began, where the buyer should know.
pub(super) fn begun(saga: &Saga) -> Option<String> {
    match &*saga.context {
        Context::Cancellation(cancellation) => {
            Some(format!("undoing the confirmed order: {}", because(cancellation.reason)))
        }
        Context::PartialRefund(_) => Some(format!("the shop granted a refund of {}", granted(saga)?)),
        Context::Checkout(_) | Context::Notice(_) | Context::LateRefund(_) => None,
    }
}

/// What the shop did with its hands.
pub(super) fn by_hand(action: &AdminAction) -> Option<&'static str> {
    match action.action.as_str() {
        "order.process" => Some("being prepared"),
        "order.ship" => Some("handed to the carrier"),
        "order.deliver" => Some("delivered"),
        _ => None,
    }
}

fn granted(saga: &Saga) -> Option<String> {
    match &*saga.context {
        Context::PartialRefund(PartialRefund { amount, .. }) => Some(amount.to_string()),
        Context::Checkout(_) | Context::Notice(_) | Context::Cancellation(_) | Context::LateRefund(_) => None,
    }
}
