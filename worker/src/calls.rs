//! Carrying out calls: bounded in time, never sent on a lease that is nearly over.

use std::time::{Duration, Instant};

use holdfast_saga::engine::execute_call::perform;
use holdfast_saga::ports::Outside;
use holdfast_saga::records::call::{Answer, Call, Outcome};

use crate::guard::{Guard, Held};

/// A timer that fires so much too late says something about this process, and nothing about the provider.
const OVERSLEPT: Duration = Duration::from_millis(500);

/// Carries out `call` and says what came of it, unless `guard` holds it back.
///
/// `leased_at` is the monotonic instant before the lease began. A call that could still be under way when the
/// lease ends is not sent: somebody else may own the saga by then.
pub(crate) async fn carry_out(
    call: Call,
    outside: Outside,
    leased_at: Instant,
    lease: Duration,
    timeout_max: Duration,
    guard: Option<Guard>,
) -> Outcome {
    let timeout = call.timeout.min(timeout_max);
    let nearly_over = || leased_at.elapsed() + timeout > lease;
    let guard = guard.filter(|guard| call.request.provider() == Some(guard.provider()));
    let permit = match guard {
        Some(_) if nearly_over() => return call.outcome(Answer::NotSent),
        Some(guard) => match guard.admit(call.saga.order()).await {
            Ok(permit) => Some(permit),
            Err(Held { retry_in, why }) => return call.outcome(Answer::Held { retry_in, why }),
        },
        None => None,
    };
    if nearly_over() {
        if let Some(permit) = permit {
            permit.settle().await;
        }
        return call.outcome(Answer::NotSent);
    }
    let began = Instant::now();
    let outside = permit.as_ref().map_or_else(|| outside.clone(), |permit| permit.watch(&outside));
    let answer = match tokio::time::timeout(timeout, perform(&call, &outside)).await {
        Ok(answer) => answer,
        Err(_) => Answer::Unknown { error: format!("no answer within {timeout:?}") },
    };
    if let Some(permit) = permit {
        // A worker that was frozen meanwhile did not hear what was said.
        let listened = began.elapsed() < timeout + OVERSLEPT;
        // The order's own answer does not wait until others know how the provider is.
        tokio::spawn(if listened { permit.settle() } else { permit.without_a_sign().settle() });
    }
    call.outcome(answer)
}
