//! The log of the sagas: a line for each thing that a commit decided.
//!
//! `info` shows how each saga ended and everything unusual on the way; `debug` shows the rest. `docs/logs.md` lists the
//! lines and their fields. What others wrote, such as a provider's reason, is logged as a string, whose line breaks are
//! escaped: nobody can write a line of ours.

use holdfast_saga::engine::batch::{Committed, SagaTransition};
use holdfast_saga::records::history::Entry;
use holdfast_shared::{OrderId, SagaState, Time};

/// Writes one line: the fields that every line has, then those of this one.
macro_rules! line {
    ($level:ident, $moved:ident, $message:literal $(, $($field:tt)+)?) => {{
        let origin = $moved.context.origin();
        tracing::$level!(
            target: "holdfast::saga",
            {
                order.id = $moved.saga.order().map(OrderId::number),
                saga.id = %$moved.saga,
                definition = %$moved.definition.name,
                $($($field)+,)?
                request_id = origin.and_then(|origin| origin.request_id.as_deref()).map(display),
                trace_id = origin.and_then(|origin| origin.trace_id.as_deref()).map(display),
            },
            $message
        );
    }};
}

/// Logs what a commit decided.
pub(crate) fn log(committed: &Committed) {
    for moved in &committed.moved {
        let mut entries = moved.entries.iter().peekable();
        while let Some(entry) = entries.next() {
            // One line shows the failure and when the step is tried again.
            let retry_at = match (entry, entries.peek()) {
                (Entry::Failed { .. } | Entry::Unknown { .. }, Some(Entry::RetryAt { at, .. })) => {
                    entries.next();
                    Some(*at)
                }
                _ => None,
            };
            log_entry(moved, entry, retry_at);
        }
    }
}

fn log_entry(moved: &SagaTransition, entry: &Entry, retry_at: Option<Time>) {
    match entry {
        Entry::Did(step) | Entry::Undid(step) => line!(debug, moved, "done", step = %step),
        Entry::Started { step, start, ask } => {
            line!(debug, moved, "call started", step = %step, attempt = start, look_up = ask);
        }
        Entry::Succeeded(step) => line!(debug, moved, "call succeeded", step = %step),
        Entry::Pending { step, until } => {
            line!(debug, moved, "waits for the buyer", step = %step, until = %until);
        }
        Entry::Waiting { step, until } => {
            line!(debug, moved, "waits for a decision", step = %step, until = %until);
        }
        Entry::Spawned { step, saga } => line!(debug, moved, "saga started", step = %step, child = %saga),
        Entry::Pivot => line!(debug, moved, "point of no return passed"),
        Entry::PaymentEvent => line!(debug, moved, "payment event received"),

        Entry::Refused { .. }
        | Entry::Rejected { .. }
        | Entry::AttemptDeclined { .. }
        | Entry::Processing { .. }
        | Entry::GivingBack { .. }
        | Entry::Failed { .. }
        | Entry::Unknown { .. }
        | Entry::NotSent(_)
        | Entry::Held { .. }
        | Entry::TakenOver { .. }
        | Entry::RetryAt { .. }
        | Entry::Expired(_)
        | Entry::Dead { .. } => log_trouble(moved, entry, retry_at),

        Entry::Decided { confirmed: true, by } => line!(info, moved, "confirmed", by = by.to_string()),
        Entry::Decided { confirmed: false, by } => line!(info, moved, "rejected", by = by.to_string()),
        Entry::CancelAccepted(by) => line!(info, moved, "cancellation accepted", by = by.to_string()),
        Entry::Revived(by) => line!(info, moved, "set going again", by = by.to_string()),
        Entry::Discarded { step, by, reason } => {
            line!(info, moved, "discarded", step = %step, by = by.to_string(), reason = reason.as_str());
        }
        Entry::Ignored(signal) => line!(info, moved, "came too late and changed nothing", signal = %signal),
        Entry::Unwinding(reason) => line!(info, moved, "unwinding", reason = %reason),
        Entry::LateCapture(saga) => {
            line!(warn, moved, "a payment that was given up was reported, a saga gives back what it took", child = %saga);
        }
        Entry::Completed | Entry::Compensated => log_end(moved),
    }
}

/// A step that did not go well.
fn log_trouble(moved: &SagaTransition, entry: &Entry, retry_at: Option<Time>) {
    let attempt = moved.attempts;
    match entry {
        Entry::Refused { step, why, .. } => {
            line!(info, moved, "refused by a rule", step = %step, why = why.as_str());
        }
        Entry::Rejected { step, why } => {
            line!(info, moved, "declined", step = %step, attempt, why = why.as_str());
        }
        Entry::AttemptDeclined { step, why } => {
            line!(info, moved, "declined, the buyer may try again", step = %step, attempt, why = why.as_str());
        }
        Entry::GivingBack { step, until } => {
            line!(info, moved, "refund accepted by the provider", step = %step, retry_at = %until);
        }
        Entry::Processing { step, until } => {
            line!(info, moved, "processing at the provider", step = %step, retry_at = %until);
        }
        Entry::Failed { step, why } => {
            let retry_at = retry_at.map(tracing::field::display);
            line!(info, moved, "failed, nothing moved", step = %step, attempt, why = why.as_str(), retry_at);
        }
        Entry::Unknown { step, why } => {
            let retry_at = retry_at.map(tracing::field::display);
            line!(info, moved, "answer lost", step = %step, attempt, why = why.as_str(), retry_at);
        }
        Entry::RetryAt { step, at } => {
            line!(info, moved, "to be tried again", step = %step, attempt, retry_at = %at);
        }
        Entry::NotSent(step) => {
            line!(info, moved, "not sent: the worker stops, or its lease is nearly over", step = %step, attempt);
        }
        Entry::Held { step, why, until } => {
            line!(info, moved, "held back", step = %step, why = why.as_str(), retry_at = %until);
        }
        Entry::TakenOver { step, from } => {
            let from = from.as_deref().map(tracing::field::display);
            line!(warn, moved, "taken over from a worker that vanished", step = %step, attempt, from);
        }
        Entry::Expired(step) => line!(info, moved, "not done in time", step = %step),
        Entry::Dead { step, why } => {
            let next = format_args!("holdfast dead show {}", moved.saga);
            line!(error, moved, "dead, an operator must act", step = %step, why = why.as_str(), next = %next);
        }
        _ => {}
    }
}

fn log_end(moved: &SagaTransition) {
    let steps = (moved.state == SagaState::Completed).then_some(moved.stage);
    let duration_ms = u64::try_from(moved.at.since(moved.created_at).as_millis()).unwrap_or(u64::MAX);
    let reason = moved.cause.map(tracing::field::display);
    let (state, commits) = (moved.state, moved.commits);
    line!(info, moved, "settled", state = %state, reason, steps, commits, duration_ms);
}
