//! Calls to a participant.

use holdfast_shared::StepKey;

use super::{answer_of, misconfigured};
use crate::ports::{Decision, Fault, Participant, Task};
use crate::records::call::{Answer, Call, CallResult, Mode};
use crate::records::context::{Checkout, Context};
use crate::records::request::Part;

/// Carries out a call that asks `participant` for this part.
pub(super) async fn execute(
    call: &Call,
    key: &StepKey,
    part: &Part,
    participant: &dyn Participant,
) -> Answer {
    match part {
        Part::Act => {
            let Context::Checkout(checkout) = &*call.context else {
                let (name, saga) = (participant.name(), call.saga);
                return misconfigured(format!(
                    "{name} takes part in checkouts alone, and saga {saga} is none"
                ));
            };
            match act(call, key, checkout, participant).await {
                Ok(Decision::Done) => Answer::Succeeded(CallResult::Done),
                Ok(Decision::Rejected { reason }) => Answer::Rejected { reason },
                Err(fault) => answer_of(fault, |error| Answer::Refused { error }),
            }
        }
        Part::Undo { acted } => match participant.undo(acted).await {
            Ok(()) => Answer::Succeeded(CallResult::Done),
            Err(fault) => answer_of(fault, |error| Answer::Refused { error }),
        },
    }
}

/// A repeated request does nothing twice, but a participant that knows the key need not be asked again.
async fn act(
    call: &Call,
    key: &StepKey,
    checkout: &Checkout,
    participant: &dyn Participant,
) -> Result<Decision, Fault> {
    if call.mode == Mode::Query
        && let Some(decision) = participant.look_up(key).await?
    {
        return Ok(decision);
    }
    let task = Task { step: call.step, lines: &checkout.lines, total: checkout.total() };
    participant.act(key, &task).await
}
