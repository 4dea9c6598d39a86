//! Executing calls: within a timeout, and never on a lease that is nearly over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_saga::engine::execute_call::execute_call_with;
use holdfast_saga::ports::Gateways;
use holdfast_saga::records::call::{Answer, Call, Outcome};

use crate::circuit_breaker::{CircuitBreaker, Held};

/// A timer that fires this much too late says that this process was frozen, and nothing about the provider.
const TIMER_DELAY_MAX: Duration = Duration::from_millis(500);

/// Executes `call` and returns its outcome, unless the circuit breaker of its provider holds it back.
///
/// `leased_at` is a monotonic time before the lease began. A call that could still be in flight when the lease
/// ends is not sent: another worker may own the saga by then.
pub(crate) async fn execute(
    call: Call,
    gateways: Gateways,
    leased_at: Instant,
    lease: Duration,
    timeout_max: Duration,
    circuit_breakers: &BTreeMap<String, CircuitBreaker>,
) -> Outcome {
    let timeout = call.timeout.min(timeout_max);
    let nearly_over = || leased_at.elapsed() + timeout > lease;
    let provider = call.request.provider();
    let permit = match provider.and_then(|name| circuit_breakers.get(name)) {
        Some(_) if nearly_over() => return call.outcome(Answer::NotSent),
        Some(circuit_breaker) => match circuit_breaker.admit().await {
            Ok(permit) => Some(permit),
            Err(Held { retry_in, why }) => {
                return call.outcome(Answer::NotNow { retry_in: Some(retry_in), why });
            }
        },
        None => None,
    };
    if nearly_over() {
        return call.outcome(Answer::NotSent);
    }
    let started = Instant::now();
    let channel = call.request.channel().and_then(|name| gateways.channels.get(name));
    let provider = provider.and_then(|name| gateways.payments.get(name)).map(Arc::clone);
    let provider = match &permit {
        Some(permit) => provider.map(|provider| permit.watch(provider)),
        None => provider,
    };
    let executing = execute_call_with(&call, provider.as_deref(), channel.map(|channel| &**channel));
    let answer = match tokio::time::timeout(timeout, executing).await {
        Ok(answer) => answer,
        Err(_) => Answer::Unknown { error: format!("no answer within {timeout:?}") },
    };
    // A worker that was frozen in between cannot judge the provider.
    if let Some(permit) = permit.filter(|_| started.elapsed() < timeout + TIMER_DELAY_MAX) {
        permit.settle();
    }
    call.outcome(answer)
}
