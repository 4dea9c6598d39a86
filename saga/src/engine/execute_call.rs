//! Carrying out a call: what is sent to the outside, in which order, and what its answers mean.
//!
//! The rule behind all of it: an answer that was lost is asked for, never guessed, and nothing is
//! sent again until it is proven that the last time moved nothing.

use std::time::Duration;

use holdfast_shared::{Money, SagaId, StepKey, without_addresses};

use crate::ports::{ChargeState, Fault, Gateways, NotificationChannel, PaymentProvider};
use crate::records::call::{Answer, Call, CallResult, Mode, Request};
use crate::records::context::Notice;

/// How long a call waits for its provider or channel to be configured again.
const NOT_CONFIGURED_FOR: Duration = Duration::from_mins(10);

/// Carries out `call`. Dropping the future is an unknown outcome.
pub async fn execute_call(call: &Call, outside: &Gateways) -> Answer {
    let provider = call.request.provider().and_then(|name| outside.payments.get(name));
    let channel = call.request.channel().and_then(|name| outside.channels.get(name));
    execute_call_with(call, provider.map(|provider| &**provider), channel.map(|channel| &**channel)).await
}

/// Carries out `call` with the provider or channel that it names; `None`: that one is not configured. What others answered is kept
/// without the addresses and the payment token in it.
pub async fn execute_call_with(
    call: &Call,
    provider: Option<&dyn PaymentProvider>,
    channel: Option<&dyn NotificationChannel>,
) -> Answer {
    let kept = |text: String| without_addresses(&call.context.without_token(&text));
    match answer(call, provider, channel).await {
        Answer::Rejected { reason } => Answer::Rejected { reason: kept(reason) },
        Answer::Failed { error } => Answer::Failed { error: kept(error) },
        Answer::Unknown { error } => Answer::Unknown { error: kept(error) },
        answer => answer,
    }
}

async fn answer(
    call: &Call,
    provider: Option<&dyn PaymentProvider>,
    channel: Option<&dyn NotificationChannel>,
) -> Answer {
    match (&call.request, provider) {
        (Request::Notify { key, id, notice }, _) => match channel {
            Some(channel) => notify(channel, key, *id, notice).await,
            None => not_configured("notification channel", &notice.channel),
        },
        (
            Request::Charge { provider: name, .. }
            | Request::UndoCharge { provider: name, .. }
            | Request::Refund { provider: name, .. },
            None,
        ) => not_configured("payment provider", name),
        (Request::Charge { key, amount, token, .. }, Some(provider)) => match call.mode {
            Mode::Send => charge(provider, key, *amount, token).await,
            Mode::Query => find_out(provider, key).await,
        },
        (Request::UndoCharge { charge, key, .. }, Some(provider)) => {
            undo_charge(provider, charge, key, call.mode).await
        }
        (Request::Refund { charge, key, amount_minor, refunded_minor, .. }, Some(provider)) => {
            let refund = PartRefund { key, charge, amount_minor: *amount_minor, before: *refunded_minor };
            give_back(provider, &refund, call.mode).await
        }
    }
}

/// It was never sent, and trying again soon would not help: the saga is held, and dies of nothing.
fn not_configured(kind: &str, name: &str) -> Answer {
    let why = format!("no {kind} {name} is configured here; configure it again, and the call is sent");
    Answer::NotNow { retry_in: NOT_CONFIGURED_FOR, why }
}

async fn notify(channel: &dyn NotificationChannel, key: &StepKey, id: SagaId, notice: &Notice) -> Answer {
    match channel.send(key, id, notice).await {
        Ok(()) => Answer::Succeeded(CallResult::Sent),
        Err(Fault::NotDone(error) | Fault::Unavailable(error)) => Answer::Failed { error },
        Err(Fault::Unclear(error)) => Answer::Unknown { error },
    }
}

async fn charge(provider: &dyn PaymentProvider, key: &StepKey, amount: Money, token: &str) -> Answer {
    match provider.charge(key, amount, token).await {
        Ok(state) => heard(state),
        Err(Fault::NotDone(error) | Fault::Unavailable(error)) => Answer::Failed { error },
        Err(Fault::Unclear(error)) => Answer::Unknown { error },
    }
}

/// The charge may have been sent. "Not found" never proves "not charged": it is voided by its key,
/// so that it can never move money any more, and only that is proof.
async fn find_out(provider: &dyn PaymentProvider, key: &StepKey) -> Answer {
    let state = match provider.look_up(key).await {
        Ok(Some(state)) => Ok(state),
        Ok(None) => provider.void(key).await,
        Err(fault) => Err(fault),
    };
    match state {
        Ok(state) => heard(state),
        Err(fault) => Answer::Unknown { error: format!("still unknown: {fault}") },
    }
}

fn heard(state: ChargeState) -> Answer {
    match state {
        // Somebody gave it back at the provider's desk: there is no money to confirm an order with.
        ChargeState::Captured { amount, refunded_minor, .. }
            if refunded_minor > 0 && refunded_minor >= amount.amount_minor =>
        {
            Answer::Rejected { reason: format!("{refunded_minor} of it was refunded at the provider") }
        }
        // What is left of it: after a refund in part that is not the order's total, so it is given back.
        ChargeState::Captured { amount, refunded_minor, provider_ref } => {
            let amount = Money { amount_minor: amount.amount_minor - refunded_minor, ..amount };
            Answer::Succeeded(CallResult::Captured { amount, provider_ref })
        }
        ChargeState::RequiresAction { url } => Answer::Pending { next_action: url },
        ChargeState::Declined { reason } => Answer::Rejected { reason },
        ChargeState::Voided => {
            Answer::Failed { error: "the charge never happened and was voided".to_owned() }
        }
    }
}

/// Voided first, and the answer says what was captured; what of that is left is refunded. So no money stays behind, and
/// none goes back twice, even under a key that the provider has forgotten (E10).
async fn undo_charge(provider: &dyn PaymentProvider, charge: &StepKey, key: &StepKey, mode: Mode) -> Answer {
    match provider.void(charge).await {
        Ok(ChargeState::Voided | ChargeState::Declined { .. }) => undone(0),
        Ok(ChargeState::RequiresAction { .. }) => {
            Answer::Unknown { error: format!("{charge} still waits for the buyer although it was voided") }
        }
        Ok(ChargeState::Captured { amount, refunded_minor, .. }) => {
            let left = amount.amount_minor - refunded_minor;
            if left <= 0 {
                return undone(amount.amount_minor);
            }
            match provider.refund(key, charge, left).await {
                Ok(()) => undone(amount.amount_minor),
                Err(Fault::NotDone(error) | Fault::Unavailable(error)) => not_sent_now(mode, error),
                Err(Fault::Unclear(error)) => Answer::Unknown { error },
            }
        }
        Err(fault) => not_sent_now(mode, fault.to_string()),
    }
}

/// Some of a charge, to be given back once.
struct PartRefund<'a> {
    key: &'a StepKey,
    charge: &'a StepKey,
    amount_minor: i64,
    /// What our ledger says had been refunded before.
    before: i64,
}

/// Looked up first: what an earlier attempt gave back is not sent again, not even under a key that the provider has
/// forgotten. It is known by its key alone (M26): that somebody else gave the same amount back proves nothing. Where the
/// provider's ledger and ours disagree, nothing is sent: a person must look.
async fn give_back(provider: &dyn PaymentProvider, refund: &PartRefund<'_>, mode: Mode) -> Answer {
    let PartRefund { key, charge, amount_minor, before } = *refund;
    let back = match provider.look_up(charge).await {
        Ok(Some(ChargeState::Captured { refunded_minor, .. })) => refunded_minor,
        Ok(
            None
            | Some(ChargeState::RequiresAction { .. } | ChargeState::Declined { .. } | ChargeState::Voided),
        ) => return not_sent_now(mode, format!("the provider holds no money of {charge}")),
        Err(fault) => return not_sent_now(mode, fault.to_string()),
    };
    if back != before {
        match provider.refunds(charge).await {
            Ok(refunds) if refunds.iter().any(|refund| refund.key.as_ref() == Some(key)) => {
                return Answer::Succeeded(CallResult::Refunded);
            }
            Ok(_) => {}
            Err(fault) => return not_sent_now(mode, fault.to_string()),
        }
        let error =
            format!("the provider says that {back} of {charge} is refunded, our ledger says {before}");
        return not_sent_now(mode, error);
    }
    match provider.refund(key, charge, amount_minor).await {
        Ok(()) => Answer::Succeeded(CallResult::Refunded),
        Err(Fault::NotDone(error) | Fault::Unavailable(error)) => not_sent_now(mode, error),
        Err(Fault::Unclear(error)) => Answer::Unknown { error },
    }
}

/// This time nothing was sent that could move money. Whether an earlier time moved some is not known
/// by that, so its key is kept.
fn not_sent_now(mode: Mode, error: String) -> Answer {
    match mode {
        Mode::Send => Answer::Failed { error },
        Mode::Query => Answer::Unknown { error },
    }
}

fn undone(refunded_minor: i64) -> Answer {
    Answer::Succeeded(CallResult::Undone { refunded_minor })
}
