//! Carrying out calls: bounded in time, never sent on a lease that is nearly over.

use std::time::{Duration, Instant};

use holdfast_saga::call::{Answer, Call, Outcome};
use holdfast_saga::perform::perform;
use holdfast_saga::ports::Outside;

/// Carries out `call` and says what came of it.
///
/// `leased_at` is the monotonic instant before the lease began. A call that could still be under way when the
/// lease ends is not sent: somebody else may own the saga by then.
pub(crate) async fn carry_out(
    call: Call,
    outside: Outside,
    leased_at: Instant,
    lease: Duration,
    timeout_max: Duration,
) -> Outcome {
    let timeout = call.timeout.min(timeout_max);
    if leased_at.elapsed() + timeout > lease {
        return call.outcome(Answer::NotSent);
    }
    let answer = match tokio::time::timeout(timeout, perform(&call, &outside)).await {
        Ok(answer) => answer,
        Err(_) => Answer::Unknown { error: format!("no answer within {timeout:?}") },
    };
    call.outcome(answer)
}
