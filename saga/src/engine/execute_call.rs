//! Carrying out a call: what is sent to the outside, in which order, and what its answers mean.
//!
//! The rule behind all of it: an answer that was lost is asked for, never guessed, and nothing is
//! sent again until it is proven that the last time moved nothing.

mod participant;
mod payment;

use std::time::Duration;

use holdfast_shared::{SagaId, StepKey, without_addresses};

use crate::ports::{Fault, Gateways, NotificationChannel, PaymentProvider, Setting};
use crate::records::call::{Answer, Call, CallResult};
use crate::records::context::Notice;
use crate::records::request::Request;

/// The shortest and the longest wait that the other side may ask for.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);

/// Carries out `call`. Dropping the future is an unknown outcome.
pub async fn execute_call(call: &Call, outside: &Gateways) -> Answer {
    let provider = call.request.payment().and_then(|(name, _)| outside.payments.get(name));
    execute_call_with(call, provider.map(|provider| &**provider), outside).await
}

/// Carries out `call`; a payment is asked of `provider`, and `None` says that the one it names is not configured. What
/// others answered is kept without the addresses and the payment token in it.
pub async fn execute_call_with(
    call: &Call,
    provider: Option<&dyn PaymentProvider>,
    outside: &Gateways,
) -> Answer {
    let answer = match &call.request {
        Request::Payment(request) => match provider {
            Some(provider) => payment::execute(call, request, provider).await,
            None => not_configured("payment provider", request.provider()),
        },
        Request::Notify { key, id, notice } => match outside.channels.get(&notice.channel) {
            Some(channel) => notify(&**channel, key, *id, notice).await,
            None => not_configured("notification channel", &notice.channel),
        },
        Request::Participate { key, participant: name, part } => match outside.participants.get(name) {
            Some(participant) => participant::execute(call, key, part, &**participant).await,
            None => not_configured("participant", name),
        },
    };
    answer.map_text(|text| without_addresses(&call.context.without_token(&text)))
}

async fn notify(channel: &dyn NotificationChannel, key: &StepKey, id: SagaId, notice: &Notice) -> Answer {
    match channel.send(key, id, notice).await {
        Ok(()) => Answer::Succeeded(CallResult::Sent),
        Err(fault) => answer_of(fault, |error| Answer::Failed { error }),
    }
}

fn not_configured(kind: &str, name: &str) -> Answer {
    let why = format!("no {kind} {name} is configured here; configure it again, and the call is sent");
    Answer::NotHere { why }
}

/// It was never sent, and trying again soon would not help: the saga is parked, and dies of nothing.
fn misconfigured(why: String) -> Answer {
    Answer::Parked { why }
}

/// What a fault means for the call. What a refusal proves depends on what was asked.
fn answer_of(fault: Fault, refused: impl FnOnce(String) -> Answer) -> Answer {
    match fault {
        Fault::NotReached(why) => Answer::NotNow { retry_in: None, why },
        Fault::NotNow { retry_in, why } => {
            let retry_in = retry_in.map(|wait| wait.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX));
            Answer::NotNow { retry_in, why }
        }
        Fault::Misconfigured { which: Setting::Credentials, why } => Answer::NotHere { why },
        Fault::Misconfigured { which: Setting::Account, why } => misconfigured(why),
        Fault::Refused(error) => refused(error),
        Fault::Unclear(error) => Answer::Unknown { error },
    }
}
