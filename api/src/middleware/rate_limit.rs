//! The rate limit: a leaky bucket for each caller, shown in the `RateLimit` headers.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use holdfast_contract::problem::Code;

use crate::caller_key::CallerKey;
use crate::headers::{RATE_LIMIT, RATE_LIMIT_POLICY};
use crate::problem::Problem;

/// How often idle callers are forgotten; otherwise every address would stay in memory.
const FORGET_INTERVAL: Duration = Duration::from_mins(1);

type Limiter = RateLimiter<CallerKey, DashMapStateStore<CallerKey>, DefaultClock, StateInformationMiddleware>;

/// The buckets of all callers.
#[derive(Debug, Clone)]
pub(crate) struct RateLimit {
    limiter: Arc<Limiter>,
    clock: DefaultClock,
    per_second: NonZeroU32,
}

impl RateLimit {
    /// At most `per_second` requests of one caller in the long run, with bursts of twice that.
    pub(crate) fn new(per_second: NonZeroU32) -> Self {
        let quota = Quota::per_second(per_second).allow_burst(per_second.saturating_mul(TWICE));
        let limiter = RateLimiter::dashmap(quota).with_middleware::<StateInformationMiddleware>();
        Self { limiter: Arc::new(limiter), clock: DefaultClock::default(), per_second }
    }

    /// Forgets callers whose bucket is full again, until the last clone is dropped.
    pub(crate) async fn forget_idle(self) {
        let limiter = Arc::downgrade(&self.limiter);
        drop(self);
        loop {
            tokio::time::sleep(FORGET_INTERVAL).await;
            let Some(limiter) = limiter.upgrade() else { return };
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    /// Counts a request of this caller. `None`: the request is not limited.
    pub(super) fn count(&self, request: &Parts, caller: Option<&CallerKey>) -> Option<Counted> {
        // A probe of whether the process is alive costs nothing, and must not be refused.
        if request.uri.path() == "/healthz" {
            return None;
        }
        let checked = self.limiter.check_key(caller?);
        let per_second = self.per_second;
        Some(match checked {
            Ok(state) => Counted { per_second, left: state.remaining_burst_capacity(), wait_secs: None },
            Err(refused) => {
                let wait = refused.wait_time_from(self.clock.now()).as_secs() + 1;
                Counted { per_second, left: 0, wait_secs: Some(wait) }
            }
        })
    }
}

/// The result of counting a request.
#[derive(Debug)]
pub(super) struct Counted {
    per_second: NonZeroU32,
    left: u32,
    /// The limit is exceeded; the caller may retry after so many seconds.
    wait_secs: Option<u64>,
}

impl Counted {
    /// The response of `handle`, or a refusal. Both show the caller what is left.
    pub(super) async fn respond(self, handle: impl Future<Output = Response>) -> Response {
        let Self { per_second, left, wait_secs } = self;
        let mut response = match wait_secs {
            None => handle.await,
            Some(wait) => {
                let detail = format!("more than {per_second} requests a second; retry in {wait} s");
                let problem = Problem::new(Code::RateLimited, detail);
                problem.retry_after(wait).into_response()
            }
        };
        let (burst, reset) = (per_second.saturating_mul(TWICE), wait_secs.unwrap_or(1));
        let headers = response.headers_mut();
        for (name, value) in [
            (RATE_LIMIT_POLICY, format!("\"caller\";q={burst};w=2")),
            (RATE_LIMIT, format!("\"caller\";r={left};t={reset}")),
        ] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

const TWICE: NonZeroU32 = NonZeroU32::new(2).expect("2 is not 0");
