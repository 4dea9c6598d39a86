//! Entries, steps and reasons as sentences that a shop admin understands.

use std::time::Duration;

use holdfast_shared::{Actor, CancelReason, Money, PaymentMethod, SagaId, Time};

use crate::engine::definition::{Definition, Phrases};
use crate::flows::REGISTRY;
use crate::records::context::{Context, PartialRefund};
use crate::records::history::Entry;
use crate::records::saga::Saga;
use crate::records::signal::SignalBody;
use crate::records::slot;
use crate::records::{AdminAction, Order};

pub(super) fn accepted(order: &Order) -> String {
    let lines = match order.lines.len() {
        1 => "1 line".to_owned(),
        many => format!("{many} lines"),
    };
    format!("accepted: {lines}, {}, {}", order.total, method(order.method))
}

const fn method(method: PaymentMethod) -> &'static str {
    match method {
        PaymentMethod::Card => "card",
        PaymentMethod::Paypal => "PayPal",
        PaymentMethod::Cod => "cash on delivery",
        PaymentMethod::None => "nothing to pay",
    }
}

/// What a saga does not log, because its birth was another's commit.
pub(super) fn begun(saga: &Saga) -> Option<String> {
    match &*saga.context {
        Context::Cancellation(cancellation) => {
            Some(format!("undoing the confirmed order: {}", because(cancellation.reason)))
        }
        Context::PartialRefund(granted) => {
            let PartialRefund { amount, reason, by, .. } = granted;
            Some(format!("{by} granted a refund of {amount}: {reason}"))
        }
        Context::Checkout(_) | Context::Notice(_) | Context::LateRefund(_) => None,
    }
}

/// What one commit decided.
pub(super) fn commit(saga: &Saga, entries: &[Entry]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for entry in entries {
        match (entry, lines.last_mut()) {
            // The line before it reports the failure.
            (Entry::RetryAt { at, .. }, Some(last)) => *last = format!("{last}; next try at {}", moment(*at)),
            _ => lines.extend(self::entry(saga, entry)),
        }
    }
    lines
}

/// One entry of a history; `None` when it would tell a shop nothing.
pub(super) fn entry(saga: &Saga, entry: &Entry) -> Option<String> {
    let message = match entry {
        Entry::Did(step) | Entry::Undid(step) => return did(saga, step),
        Entry::Refused { step, why, .. } | Entry::Rejected { step, why } => {
            format!("{} was refused: {why}", noun(step))
        }
        Entry::Started { step, start, ask } => started(saga, step, *start, *ask),
        Entry::Succeeded(step) => return succeeded(saga, step),
        Entry::Pending { until, .. } => format!("the buyer must approve the payment by {}", moment(*until)),
        Entry::AttemptDeclined { step, why } => {
            format!("{} was declined, and the buyer may try again: {why}", noun(step))
        }
        Entry::Processing { step, until } => {
            format!("the provider is processing {}; looked up again at {}", noun(step), moment(*until))
        }
        Entry::GivingBack { step, until } => {
            format!("the provider has accepted {}; looked up again at {}", noun(step), moment(*until))
        }
        Entry::Failed { step, why } => format!("{} failed, nothing has moved: {why}", noun(step)),
        Entry::Unknown { step, why } => {
            format!("{} was not answered, so it may or may not have happened: {why}", noun(step))
        }
        Entry::NotSent(step) => format!("{} was not sent: the worker was stopping", noun(step)),
        Entry::Held { step, why, until } => {
            format!("{} was not sent: {why}; tried again at {}", noun(step), moment(*until))
        }
        Entry::TakenOver { step, from } => {
            let worker = from.as_deref().unwrap_or("unknown");
            format!("worker {worker} vanished during {}, another one goes on", noun(step))
        }
        Entry::RetryAt { step, at } => format!("{} will be tried again at {}", noun(step), moment(*at)),
        Entry::Waiting { until, .. } => {
            format!("waiting for an admin to confirm or reject, until {}", moment(*until))
        }
        Entry::Decided { confirmed, by } => {
            format!("{} by {by}", if *confirmed { "confirmed" } else { "rejected" })
        }
        Entry::CancelAccepted(by) => format!("cancellation asked for by {by}, in time"),
        Entry::Ignored(signal) => format!("{} came too late and changed nothing", arrival(signal)),
        Entry::PaymentEvent => "the provider reported on the payment; it is being asked".to_owned(),
        Entry::Expired(step) => match step.as_str() {
            "confirmation" => "nobody confirmed or rejected in time".to_owned(),
            step => format!("{} was not completed in time", noun(step)),
        },
        // Only a checkout has anything before its pivot.
        Entry::Pivot if slot::is_checkout(saga.id) => {
            "point of no return: from here on the order is only carried through".to_owned()
        }
        Entry::Unwinding(reason) => format!("undoing the order: {}", because(*reason)),
        Entry::Spawned { saga, .. } => format!("{} is on its way (saga {saga})", task(*saga)),
        Entry::LateCapture(saga) => {
            format!(
                "a payment that the order had given up was reported; saga {saga} gives back what it took, if anything"
            )
        }
        Entry::Dead { step, why } => {
            format!("stopped at {}, an operator must act: {why}", noun(step))
        }
        Entry::Revived(by) => format!("set going again by {by}"),
        Entry::Discarded { step, by, reason } => discarded(step, by, reason),
        Entry::Completed => return completed(saga),
        Entry::Compensated => "everything is undone".to_owned(),
        Entry::Pivot => return None,
    };
    Some(message)
}

/// What somebody did without a saga, and why; `None` where a saga's history tells it.
pub(super) fn by_hand(action: &AdminAction) -> Option<String> {
    let what = match (action.action.as_str(), action.reason()) {
        ("order.process", _) => "preparation of the goods begun",
        ("order.ship", _) => "parcel handed to the carrier",
        ("order.deliver", _) => "parcel delivered",
        ("order.confirm", Some(_)) => "confirmed",
        ("order.reject", Some(_)) => "rejected",
        ("order.cancel", Some(_)) => "cancellation asked for",
        _ => return None,
    };
    let because = action.reason().map(|reason| format!(", because: {reason}")).unwrap_or_default();
    Some(format!("{what}, says {}{because}", action.actor))
}

/// A signal that is committed and not read yet.
pub(super) fn unread(body: &SignalBody) -> String {
    let what = match body {
        SignalBody::Confirmation { confirmed, by } => {
            format!("{} by {by}", if *confirmed { "confirmed" } else { "rejected" })
        }
        SignalBody::Cancel { by } => format!("cancellation asked for by {by}"),
        SignalBody::PaymentEvent { .. } => "the provider reported on the payment".to_owned(),
        SignalBody::LateOutcome { answer, .. } => format!("a late answer came in: {answer}"),
        SignalBody::Retry { by } => format!("{by} asked to go on"),
        SignalBody::Discard { by, reason } => format!("{by} takes responsibility for what stopped: {reason}"),
    };
    format!("{what}; not looked at yet")
}

/// Why an order was or is being cancelled, as a sentence of its own.
pub(super) const fn because(reason: CancelReason) -> &'static str {
    match reason {
        CancelReason::OutOfStock => "something in it is out of stock",
        CancelReason::PaymentDeclined => "the payment was declined",
        CancelReason::PaymentExpired => "the payment did not come through in time",
        CancelReason::RejectedByAdmin => "an admin rejected it",
        CancelReason::ConfirmationExpired => "nobody confirmed it in time",
        CancelReason::CustomerRequest => "the customer asked for it",
        CancelReason::AdminRequest => "the shop asked for it",
        CancelReason::RefusedOnDelivery => "the parcel was refused",
    }
}

/// What an order's saga is there for.
pub(super) fn task(saga: SagaId) -> &'static str {
    match slot::kind_of(saga) {
        Some(slot::CHECKOUT) => "the checkout",
        Some(slot::CONFIRMED_NOTICE) => "the message that the order is confirmed",
        Some(slot::CANCELLED_NOTICE) => "the message that the order is cancelled",
        Some(slot::CANCELLATION) => "the cancellation",
        Some(slot::PARTIAL_REFUND) => "the granted refund",
        Some(slot::LATE_REFUND) => "the refund of late money",
        Some(_) => "a saga of the order",
        None => "a saga",
    }
}

/// A step as a thing one can wait for.
pub(super) fn noun(step: &str) -> String {
    match phrases(step) {
        Some(phrases) if !phrases.noun.is_empty() => phrases.noun.to_owned(),
        _ if step == "end" => "its end".to_owned(),
        _ => step.replace('_', " "),
    }
}

fn did(saga: &Saga, step: &str) -> Option<String> {
    match phrases(step) {
        Some(phrases) => filled(phrases.done, saga),
        None => Some(format!("done: {}", noun(step))),
    }
}

/// What the flows say of a step.
pub(super) fn phrases(step: &str) -> Option<&'static Phrases> {
    REGISTRY.all().flat_map(Definition::steps).find(|(name, _)| *name == step).map(|(_, phrases)| phrases)
}

/// A phrase with the saga's money in it; `None` for an empty one.
pub(super) fn filled(phrase: &str, saga: &Saga) -> Option<String> {
    (!phrase.is_empty()).then(|| phrase.replace("{amount}", &amount(saga).to_string()))
}

fn discarded(step: &str, by: &Actor, reason: &str) -> String {
    match step {
        "send" => format!("{by} gave the message up: {reason}"),
        other => {
            let what = noun(other);
            format!("{by} says that {what} was settled by hand: {reason}; nothing more is sent for it")
        }
    }
}

fn started(saga: &Saga, step: &str, start: u32, ask: bool) -> String {
    let what = match (step, ask) {
        ("take_payment", false) => format!("asking the provider for {}", amount(saga)),
        ("take_payment", true) => "asking the provider what became of the payment".to_owned(),
        ("refund_payment", _) => "asking the provider to give back whatever it has taken".to_owned(),
        ("open_payment", _) => format!("opening a payment of {} at the provider", amount(saga)),
        ("close_payment", _) => "asking the provider to close the payment".to_owned(),
        ("give_back", false) => format!("asking the provider to give back {}", amount(saga)),
        ("give_back", true) => format!("asking the provider whether {} went back", amount(saga)),
        ("send", false) => "sending the message".to_owned(),
        (other, false) => format!("starting {}", noun(other)),
        (other, true) => format!("asking what became of {}", noun(other)),
    };
    if start > 1 { format!("{what} (attempt {start})") } else { what }
}

fn succeeded(saga: &Saga, step: &str) -> Option<String> {
    match &*saga.context {
        Context::Notice(_) => Some("message sent".to_owned()),
        Context::PartialRefund(PartialRefund { amount, reason, by, .. }) => {
            Some(format!("{by} gave back {amount}: {reason}"))
        }
        Context::Checkout(_) | Context::Cancellation(_) | Context::LateRefund(_) => did(saga, step),
    }
}

/// A message that was sent and money that went back say so already.
fn completed(saga: &Saga) -> Option<String> {
    match &*saga.context {
        Context::Notice(_) | Context::PartialRefund(_) => None,
        Context::Checkout(_) | Context::Cancellation(_) | Context::LateRefund(_) => {
            Some(format!("{} is done", task(saga.id)))
        }
    }
}

fn arrival(signal: &str) -> String {
    match signal {
        "confirmation" => "an admin's decision".to_owned(),
        "cancel" => "a cancellation".to_owned(),
        "payment_event" => "a report of the provider".to_owned(),
        "late_outcome" => "an answer to an earlier attempt".to_owned(),
        "retry" => "a retry".to_owned(),
        "discard" => "a discard".to_owned(),
        other => other.replace('_', " "),
    }
}

/// What the saga's money is about.
pub(super) fn amount(saga: &Saga) -> Money {
    match &*saga.context {
        Context::Checkout(checkout) => checkout.total(),
        Context::Notice(notice) => notice.total,
        Context::Cancellation(cancellation) => cancellation.total,
        Context::LateRefund(late) => late.total,
        Context::PartialRefund(granted) => granted.amount,
    }
}

/// An instant to the second: `2023-11-14 22:13:20 UTC`.
pub fn moment(at: Time) -> String {
    let text = at.to_string();
    match text.get(..19) {
        Some(seconds) => format!("{} UTC", seconds.replace('T', " ")),
        None => text,
    }
}

/// A span in its two largest units at most: `12 s`, `29 min`, `47 h`, `3 days`.
pub fn span(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}
