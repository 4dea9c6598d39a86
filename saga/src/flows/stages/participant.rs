//! Stages in which a service of the shop's takes part.
//!
//! A step has one key for the life of its saga: whatever became of the attempts before, undoing that key undoes them all.

use std::time::Duration;

use holdfast_shared::{CancelReason, RetryPolicy, StepKey};

use crate::engine::definition::{CallSpec, Discard, Unclear};
use crate::records::context::Context;
use crate::records::request::{Part, Request};
use crate::records::saga::Saga;

/// Asks for its part. The order is cancelled as `rejected_as` where the participant rejects it, and as `gives_up_as` where it
/// has not done it when the buyer's window is over.
pub const fn act(
    request: fn(&Saga, StepKey) -> Option<Request>,
    rejected_as: CancelReason,
    gives_up_as: CancelReason,
) -> CallSpec {
    CallSpec {
        concerns: |_| true,
        request,
        record: |_, _, _| Ok(vec![]),
        retry: RetryPolicy {
            failures_max: u32::MAX,
            backoff: Duration::from_millis(200),
            backoff_max: Duration::from_secs(30),
        },
        timeout: Duration::from_secs(10),
        rejected_as,
        gives_up_as,
        unclear: Unclear::AskAgain,
        discard: Discard::Never("cancel its order instead: that undoes the part"),
    }
}

/// Undoes it, for longer: nobody waits in front of a screen, and giving up needs a person.
pub const fn undo(request: fn(&Saga, StepKey) -> Option<Request>) -> CallSpec {
    CallSpec {
        retry: RetryPolicy {
            failures_max: 8,
            backoff: Duration::from_millis(500),
            backoff_max: Duration::from_mins(1),
        },
        discard: Discard::SettledManually,
        // An undo gives nothing up for a reason of its own.
        ..act(request, CancelReason::AdminRequest, CancelReason::AdminRequest)
    }
}

/// That `participant` does its part.
pub fn to_act(participant: &str, key: StepKey) -> Request {
    Request::Participate { key, participant: participant.to_owned(), part: Part::Act }
}

/// That `participant` undoes what it was asked for in `step` of this checkout.
///
/// # Panics
///
/// In a saga that is no checkout: the part was asked for under the keys of another one.
pub fn to_undo(saga: &Saga, participant: &str, step: &str, key: StepKey) -> Request {
    let is_checkout = matches!(&*saga.context, Context::Checkout(_));
    assert!(is_checkout, "saga {} undoes a part that it never asked for", saga.id);
    let acted = saga.first_key_of(step);
    Request::Participate { key, participant: participant.to_owned(), part: Part::Undo { acted } }
}
