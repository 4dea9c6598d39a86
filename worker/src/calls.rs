//! Executing calls: within a timeout, never on a lease that is nearly over, and only in the name of the shop that the
//! database holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_saga::engine::execute_call::execute_call_with;
use holdfast_saga::engine::own_calls;
use holdfast_saga::ports::{Gateways, PaymentProvider};
use holdfast_saga::records::call::{Answer, Call, Outcome};
use holdfast_saga::records::request::Request;

use crate::circuit_breaker::{CircuitBreaker, Health, Held, Permit};
use crate::credentials::Credentials;
use crate::live_keys::LiveKeys;
use crate::shop_watch::ShopWatch;

/// A timer that fires this much too late says that this process was frozen, and nothing about the provider.
const TIMER_DELAY_MAX: Duration = Duration::from_millis(500);

/// What executes the calls of a worker.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) gateways: Gateways,
    pub(crate) circuit_breakers: Arc<BTreeMap<String, CircuitBreaker>>,
    pub(crate) channel_breakers: Arc<BTreeMap<String, CircuitBreaker>>,
    pub(crate) shop: Arc<ShopWatch>,
    pub(crate) live_keys: LiveKeys,
    pub(crate) credentials: Arc<Credentials>,
    pub(crate) lease: Duration,
    pub(crate) timeout_max: Duration,
}

impl Caller {
    /// Executes `call` and returns its outcome, unless its shop or the circuit breaker of its provider holds it back.
    ///
    /// `leased_at` is a monotonic time before the lease began. A call that could still be in flight when the lease
    /// ends is not sent: another worker may own the saga by then.
    pub(crate) async fn execute(&self, call: Call, leased_at: Instant) -> Outcome {
        let mut answer = self.answer(&call, leased_at).await;
        if let Some((provider, operation)) = call.request.payment() {
            answer = self.credentials.learn(provider, operation, call.mode, answer);
        }
        call.outcome(answer)
    }

    async fn answer(&self, call: &Call, leased_at: Instant) -> Answer {
        let timeout = call.timeout.min(self.timeout_max);
        let nearly_over = || leased_at.elapsed() + timeout > self.lease;
        let mut shop = self.shop.shop().await;
        if shop.doubt().is_some() {
            // An operator may have answered for the database since.
            self.shop.look_again();
            shop = self.shop.shop().await;
        }
        if let Some(refusal) = own_calls::refusal(call, &shop) {
            return refusal;
        }
        if nearly_over() {
            return Answer::NotSent;
        }
        let permit = match self.circuit_breaker(call) {
            Some(circuit_breaker) => match circuit_breaker.admit(call.urgency).await {
                Ok(permit) => Some(permit),
                Err(Held { retry_in, why }) => return Answer::NotNow { retry_in: Some(retry_in), why },
            },
            None => None,
        };
        let provider = call.request.payment().and_then(|(name, _)| self.gateways.payments.get(name));
        let provider = provider.map(Arc::clone);
        let provider = match &permit {
            Some(permit) => provider.map(|provider| permit.watch(provider)),
            None => provider,
        };
        if let Some(provider) = &provider
            && let Some(refusal) = self.live_keys.refusal(&**provider, shop.id).await
        {
            settle(permit);
            return refusal;
        }
        if nearly_over() {
            return Answer::NotSent;
        }
        let started = Instant::now();
        let answer = self.send(call, provider.as_deref(), timeout).await;
        // A worker that was frozen in between cannot judge.
        let permit = permit.filter(|_| started.elapsed() < timeout + TIMER_DELAY_MAX);
        match permit {
            Some(permit) if provider.is_none() => permit.settle_as(health(&answer)),
            permit => settle(permit),
        }
        answer
    }

    fn circuit_breaker(&self, call: &Call) -> Option<&CircuitBreaker> {
        match &call.request {
            Request::Payment(request) => self.circuit_breakers.get(request.provider()),
            Request::Notify { notice, .. } => self.channel_breakers.get(&notice.channel),
            Request::Participate { .. } => None,
        }
    }

    async fn send(&self, call: &Call, provider: Option<&dyn PaymentProvider>, timeout: Duration) -> Answer {
        let executing = execute_call_with(call, provider, &self.gateways);
        match tokio::time::timeout(timeout, executing).await {
            Ok(answer) => answer,
            Err(_) => Answer::Unknown { error: format!("no answer within {timeout:?}") },
        }
    }
}

/// What the answer of a channel says about its health.
const fn health(answer: &Answer) -> Health {
    match answer {
        Answer::NotNow { .. } | Answer::Unknown { .. } => Health::Failed,
        _ => Health::Ok,
    }
}

fn settle(permit: Option<Permit>) {
    if let Some(permit) = permit {
        permit.settle();
    }
}
