//! Carrying out calls: bounded in time, never sent on a lease that is nearly over.

use std::time::{Duration, Instant};

use holdfast_saga::engine::execute_call::execute_call;
use holdfast_saga::ports::Gateways;
use holdfast_saga::records::call::{Answer, Call, Outcome};

use crate::circuit_breaker::{CircuitBreaker, Held};

/// A timer that fires so much too late says something about this process, and nothing about the provider.
const OVERSLEPT: Duration = Duration::from_millis(500);

/// Carries out `call` and says what came of it, unless `circuit_breaker` holds it back.
///
/// `leased_at` is the monotonic instant before the lease began. A call that could still be under way when the
/// lease ends is not sent: somebody else may own the saga by then.
pub(crate) async fn carry_out(
    call: Call,
    outside: Gateways,
    leased_at: Instant,
    lease: Duration,
    timeout_max: Duration,
    circuit_breaker: Option<CircuitBreaker>,
) -> Outcome {
    let timeout = call.timeout.min(timeout_max);
    let nearly_over = || leased_at.elapsed() + timeout > lease;
    let circuit_breaker =
        circuit_breaker.filter(|circuit_breaker| call.request.provider() == Some(circuit_breaker.provider()));
    let permit = match circuit_breaker {
        Some(_) if nearly_over() => return call.outcome(Answer::NotSent),
        Some(circuit_breaker) => match circuit_breaker.admit(call.saga.order()).await {
            Ok(permit) => Some(permit),
            Err(Held { retry_in, why }) => return call.outcome(Answer::NotNow { retry_in, why }),
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
    let answer = match tokio::time::timeout(timeout, execute_call(&call, &outside)).await {
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
