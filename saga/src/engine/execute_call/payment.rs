//! Calls to a payment provider: opening a payment, taking its money, giving money back.

use holdfast_shared::{Money, StepKey};

use super::{answer_of, misconfigured};
use crate::engine::plan::{REPEATED_FOR, SETTLE_AFTER};
use crate::ports::{At, Attempt, Captured, Charge, Closed, Fault, NamedRefund, PaymentProvider, RefundState};
use crate::records::call::{Answer, Call, CallResult, Mode};
use crate::records::request::{PaymentAt, PaymentRequest};

/// Carries out a call that asks `provider` for this.
pub(super) async fn execute(call: &Call, request: &PaymentRequest, provider: &dyn PaymentProvider) -> Answer {
    match request {
        PaymentRequest::Open { key, amount, .. } => open(provider, key, *amount).await,
        PaymentRequest::Charge { key, payment, amount, token } => match at_provider(provider, payment) {
            Ok(at) => {
                let attempt = Attempt { key, amount: *amount, token: token.as_deref(), mode: call.mode };
                charge(call, provider, &at, &attempt).await
            }
            Err(parked) => parked,
        },
        PaymentRequest::UndoCharge { payment, key, refunded_minor, settled_manually_minor } => {
            match at_provider(provider, payment) {
                Ok(at) => {
                    let settled =
                        Settled { refunded_minor: *refunded_minor, manually_minor: *settled_manually_minor };
                    undo_charge(call, provider, &at, key, settled).await
                }
                Err(parked) => parked,
            }
        }
        PaymentRequest::Refund { payment, key, amount, refunded_minor } => {
            match at_provider(provider, payment) {
                Ok(at) => give_back(call, provider, &at, key, *amount, *refunded_minor).await,
                Err(parked) => parked,
            }
        }
    }
}

/// The payment, unless it belongs to another account than `provider` asks with: that one cannot see it, and its "not found"
/// would say nothing (M12).
fn at_provider<'a>(provider: &dyn PaymentProvider, payment: &'a PaymentAt) -> Result<At<'a>, Answer> {
    let PaymentAt { provider: name, charge, object } = payment;
    match (object, provider.account()) {
        (Some(object), Some(account)) if object.account != account => Err(misconfigured(format!(
            "wrong account: {charge} was opened in account {} of {name}, and the credentials here are of {account}; \
             configure those of {}, and the call is sent",
            object.account, object.account
        ))),
        _ => Ok(At { charge, object: object.as_deref() }),
    }
}

/// Nothing moves by it, and what is opened and not committed harms nobody (M1).
async fn open(provider: &dyn PaymentProvider, key: &StepKey, amount: Money) -> Answer {
    match provider.open(key, amount).await {
        Ok(object) => Answer::Succeeded(CallResult::Opened(object)),
        Err(fault) => answer_of(fault, |error| Answer::Failed { error }),
    }
}

async fn charge(call: &Call, provider: &dyn PaymentProvider, at: &At<'_>, attempt: &Attempt<'_>) -> Answer {
    let state = match (attempt.mode, at.object) {
        // The attempt is the payment, and the next one would be another: this one is closed first (M2).
        (Mode::Query, None) => return find_out(provider, at).await,
        (Mode::Send, _) | (Mode::Query, Some(_)) => provider.drive(at, attempt).await,
    };
    match state {
        // An attempt of the shop's is over with its decline, so the payment is closed before anybody hears of it (M8).
        Ok(Charge::AttemptDeclined { reason, .. }) if attempt.token.is_some() => {
            match close(call, provider, at).await {
                Ok(Closed::Closed) => Answer::Rejected { reason },
                Ok(closed) => closed_instead(closed),
                Err(fault) => Answer::Unknown { error: format!("declined, and not closed yet: {fault}") },
            }
        }
        Ok(Charge::Open) if at.object.is_some() => {
            Answer::Failed { error: "the attempt moved nothing; the payment is still open".to_owned() }
        }
        Ok(Charge::Open) => Answer::Unknown { error: "the provider has not taken it up yet".to_owned() },
        Ok(Charge::Closed { declined: None }) if at.object.is_some() => {
            Answer::Rejected { reason: "the payment was closed at the provider".to_owned() }
        }
        Ok(state) => heard(state),
        Err(fault) => answer_of(fault, |error| match attempt.mode {
            Mode::Send => Answer::Failed { error },
            Mode::Query => Answer::Refused { error },
        }),
    }
}

/// A charge may have been sent. "Not found" never proves "not charged": it is closed by its key,
/// so that it can never move money any more, and only that is proof.
async fn find_out(provider: &dyn PaymentProvider, at: &At<'_>) -> Answer {
    let refused = |error| Answer::Refused { error };
    match provider.look_up(at).await {
        Ok(Charge::Open) => match provider.close(at).await {
            Ok(Closed::Closed) => never_happened(),
            Ok(closed) => closed_instead(closed),
            Err(fault) => answer_of(fault, refused),
        },
        Ok(Charge::AttemptDeclined { reason, .. }) => match provider.close(at).await {
            Ok(Closed::Closed) => Answer::Rejected { reason },
            Ok(closed) => closed_instead(closed),
            Err(fault) => answer_of(fault, refused),
        },
        Ok(state) => heard(state),
        Err(fault) => answer_of(fault, refused),
    }
}

fn heard(state: Charge) -> Answer {
    match state {
        Charge::Captured(captured) => taken(captured),
        Charge::NeedsBuyer { url } => Answer::Pending { next_action: url, declined: None },
        Charge::AttemptDeclined { reason, url } => {
            Answer::Pending { next_action: url, declined: Some(reason) }
        }
        Charge::Processing => Answer::Processing,
        Charge::Closed { declined: Some(reason) } => Answer::Rejected { reason },
        Charge::Closed { declined: None } | Charge::Open => never_happened(),
    }
}

fn never_happened() -> Answer {
    Answer::Failed { error: "the charge never happened and was closed".to_owned() }
}

/// What a payment turned out to be when it was to be closed.
fn closed_instead(closed: Closed) -> Answer {
    match closed {
        Closed::Captured(captured) => taken(captured),
        Closed::Processing => Answer::Processing,
        Closed::NotBefore(wait) => not_before(wait),
        Closed::Closed => never_happened(),
    }
}

fn not_before(wait: std::time::Duration) -> Answer {
    Answer::NotNow {
        retry_in: Some(wait),
        why: "a step towards the money may still be on its way to the provider".to_owned(),
    }
}

fn taken(captured: Captured) -> Answer {
    let Captured { amount, refunded_minor, provider_ref } = captured;
    // Somebody gave it back at the provider's desk: there is no money to confirm an order with.
    if refunded_minor > 0 && refunded_minor >= amount.amount_minor {
        return Answer::Rejected { reason: format!("{refunded_minor} of it was refunded at the provider") };
    }
    // What is left of it: after a refund in part that is not the order's total, so it is given back.
    let amount = Money { amount_minor: amount.amount_minor - refunded_minor, ..amount };
    Answer::Succeeded(CallResult::Captured { amount, provider_ref })
}

/// Closed first, and the answer says what was captured; what of that is left and owed is refunded. So no money stays
/// behind, and none goes back twice, even under a key that the provider has forgotten (E10).
async fn undo_charge(
    call: &Call,
    provider: &dyn PaymentProvider,
    at: &At<'_>,
    key: &StepKey,
    settled: Settled,
) -> Answer {
    match close(call, provider, at).await {
        Ok(Closed::Closed) => undone(0),
        Ok(Closed::Captured(captured)) => {
            let owed = match owed(call, provider, at, key, &captured, settled).await {
                Ok(owed) => owed,
                Err(answer) => return answer,
            };
            let captured_minor = captured.amount.amount_minor;
            if owed.amount_minor <= 0 {
                return undone(captured_minor);
            }
            match refund(call, provider, at, key, owed).await {
                Answer::Succeeded(CallResult::Refunded) => undone(captured_minor),
                answer => answer,
            }
        }
        Ok(Closed::Processing) => Answer::Processing,
        Ok(Closed::NotBefore(wait)) => not_before(wait),
        Err(fault) => answer_of(fault, |error| not_done_now(call.mode, error)),
    }
}

/// What of a charge is not owed any more, by our own ledger.
#[derive(Clone, Copy)]
struct Settled {
    /// It went back.
    refunded_minor: i64,
    /// A person settled it manually.
    manually_minor: i64,
}

/// What is still owed of captured money, the refund under `key` apart: what the provider holds, but no more than what
/// neither went back by us nor was settled manually. A person may have settled it at the provider's desk, or outside of it;
/// so only our own refunds count.
async fn owed(
    call: &Call,
    provider: &dyn PaymentProvider,
    at: &At<'_>,
    key: &StepKey,
    captured: &Captured,
    settled: Settled,
) -> Result<Money, Answer> {
    let Captured { amount, refunded_minor, .. } = captured;
    let left_minor = amount.amount_minor - refunded_minor;
    if settled.manually_minor == 0 || left_minor <= 0 {
        return Ok(Money { amount_minor: left_minor, ..*amount });
    }
    let is_ours = |refund: &&NamedRefund| {
        let of_order = refund.key.as_ref().filter(|named| *named != key).and_then(StepKey::owner);
        of_order.is_some() && of_order == key.owner() && !matches!(refund.state, RefundState::Failed(_))
    };
    let refunds = refunds(call, provider, at).await?;
    let by_us_minor: i64 = refunds.iter().filter(is_ours).map(|refund| refund.amount_minor).sum();
    let back_minor = by_us_minor.max(settled.refunded_minor);
    let owed_minor = amount.amount_minor - settled.manually_minor - back_minor;
    Ok(Money { amount_minor: left_minor.min(owed_minor), ..*amount })
}

/// Where nothing can be closed, seen open is no proof while something may still arrive that a closed payment would
/// refuse (M11).
async fn close(call: &Call, provider: &dyn PaymentProvider, at: &At<'_>) -> Result<Closed, Fault> {
    match (provider.close(at).await?, call.settles_in) {
        (Closed::Closed, Some(wait)) if !provider.caps().closes => Ok(Closed::NotBefore(wait)),
        (closed, _) => Ok(closed),
    }
}

/// Looked up first: where the provider's ledger and ours disagree, nothing is sent, and a person must look.
async fn give_back(
    call: &Call,
    provider: &dyn PaymentProvider,
    at: &At<'_>,
    key: &StepKey,
    amount: Money,
    before: i64,
) -> Answer {
    let charge = at.charge;
    let back = match provider.look_up(at).await {
        Ok(Charge::Captured(captured)) => captured.refunded_minor,
        Ok(_) => return not_done_now(call.mode, format!("the provider holds no money of {charge}")),
        Err(fault) => return answer_of(fault, |error| not_done_now(call.mode, error)),
    };
    if back != before {
        return match own_refund(call, provider, at, key).await {
            Ok(Some(refund)) => given_back(refund.state),
            // Ours may be among it, and be listed later than it is counted.
            Ok(None) if may_be_listed_late(call) => nowhere(key),
            Ok(None) => not_done_now(
                call.mode,
                format!("the provider says that {back} of {charge} is refunded, our ledger says {before}"),
            ),
            Err(answer) => answer,
        };
    }
    refund(call, provider, at, key, amount).await
}

/// Sends a refund once. It is known by its key alone (M26): that somebody else gave the same amount back proves nothing.
async fn refund(
    call: &Call,
    provider: &dyn PaymentProvider,
    at: &At<'_>,
    key: &StepKey,
    amount: Money,
) -> Answer {
    if call.mode == Mode::Query {
        match own_refund(call, provider, at, key).await {
            Ok(Some(refund)) => return given_back(refund.state),
            Ok(None) if call.accepted => {
                let error = format!("the provider had agreed to refund {key}, and lists it no more");
                return Answer::Refused { error };
            }
            // A key is repeated only while the provider is sure to recognise it (M6).
            Ok(None) if !may_repeat(call, provider) => return nowhere(key),
            Ok(None) => {}
            Err(answer) => return answer,
        }
    }
    match provider.refund(at, key, amount).await {
        Ok(state) => given_back(state),
        Err(fault) => answer_of(fault, |error| match call.mode {
            Mode::Send => Answer::Failed { error },
            // That this repetition was refused says nothing about the attempt before it (M4).
            Mode::Query => Answer::NotFound { error },
        }),
    }
}

async fn own_refund(
    call: &Call,
    provider: &dyn PaymentProvider,
    at: &At<'_>,
    key: &StepKey,
) -> Result<Option<NamedRefund>, Answer> {
    let refunds = refunds(call, provider, at).await?;
    Ok(refunds.into_iter().find(|refund| refund.key.as_ref() == Some(key)))
}

async fn refunds(
    call: &Call,
    provider: &dyn PaymentProvider,
    at: &At<'_>,
) -> Result<Vec<NamedRefund>, Answer> {
    let refunds = provider.refunds(at).await;
    refunds.map_err(|fault| answer_of(fault, |error| not_done_now(call.mode, error)))
}

fn may_repeat(call: &Call, provider: &dyn PaymentProvider) -> bool {
    let repeated_for = REPEATED_FOR.min(provider.caps().key_ttl / 2);
    call.unclear_for.is_none_or(|since| since < repeated_for)
}

fn may_be_listed_late(call: &Call) -> bool {
    call.unclear_for.is_some_and(|since| since < REPEATED_FOR + SETTLE_AFTER)
}

fn nowhere(key: &StepKey) -> Answer {
    Answer::NotFound { error: format!("the provider lists no refund {key}; it may still be on its way") }
}

fn given_back(state: RefundState) -> Answer {
    match state {
        RefundState::Done => Answer::Succeeded(CallResult::Refunded),
        RefundState::Pending => Answer::GivingBack,
        RefundState::Failed(error) => Answer::Failed { error },
    }
}

/// This time nothing was sent that could move money. Whether an earlier time moved some is not known
/// by that, so its key is kept.
fn not_done_now(mode: Mode, error: String) -> Answer {
    match mode {
        Mode::Send => Answer::Failed { error },
        Mode::Query => Answer::Refused { error },
    }
}

fn undone(captured_minor: i64) -> Answer {
    Answer::Succeeded(CallResult::Undone { captured_minor })
}
