//! Calls to a participant.

use holdfast_shared::StepKey;

use super::{answer_of, misconfigured};
use crate::ports::{Decision, Fault, Participant, Task};
use crate::records::call::{Answer, Call, CallResult, Mode};
use crate::records::context::Context;
use crate::records::request::Part;

/// Carries out a call that asks `participant` for this part.
pub(super) async fn execute(
    call: &Call,
    key: &StepKey,
    part: &Part,
    participant: &dyn Participant,
) -> Answer {
    match part {
        Part::Act => match act(call, key, participant).await {
            Ok(Some(Decision::Done)) => Answer::Succeeded(CallResult::Done),
            Ok(Some(Decision::Rejected { reason })) => Answer::Rejected { reason },
            Ok(None) => misconfigured(format!(
                "{} takes part in checkouts alone, and saga {} is none",
                participant.name(),
                call.saga
            )),
            Err(fault) => answer_of(fault, |error| Answer::Refused { error }),
        },
        Part::Undo { acted } => match participant.undo(acted).await {
            Ok(()) => Answer::Succeeded(CallResult::Done),
            Err(fault) => answer_of(fault, |error| Answer::Refused { error }),
        },
    }
}

/// Asked again under the same key it does nothing twice, but one that knows the key need not be asked again.
async fn act(call: &Call, key: &StepKey, participant: &dyn Participant) -> Result<Option<Decision>, Fault> {
    if call.mode == Mode::Query
        && let Some(decision) = participant.look_up(key).await?
    {
        return Ok(Some(decision));
    }
    let Context::Checkout(checkout) = &*call.context else { return Ok(None) };
    let task = Task { step: call.step, lines: &checkout.lines, total: checkout.total() };
    participant.act(key, &task).await.map(Some)
}
