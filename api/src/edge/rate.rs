//! How often one caller may ask: a leaky bucket each, told in the `RateLimit` headers.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::auth::Caller;
use crate::problem::Problem;

pub(super) const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub(super) const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// Callers that have not asked for a while are forgotten this often; otherwise every address would stay.
const FORGET_EVERY: Duration = Duration::from_mins(1);

/// Who is counted: a name where there is one, an address otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Sub(String),
    Address(IpAddr),
}

type Limiter = RateLimiter<Key, DashMapStateStore<Key>, DefaultClock, StateInformationMiddleware>;

/// The buckets.
#[derive(Debug, Clone)]
pub(crate) struct Rate {
    limiter: Arc<Limiter>,
    clock: DefaultClock,
    per_second: NonZeroU32,
    /// Whether the last hop in `X-Forwarded-For` is the caller: only behind a proxy that sets it.
    behind_proxy: bool,
}

impl Rate {
    /// At most `per_second` requests of one caller in the long run; a burst may be twice that.
    pub(crate) fn new(per_second: NonZeroU32, behind_proxy: bool) -> Self {
        let quota = Quota::per_second(per_second).allow_burst(per_second.saturating_mul(TWICE));
        let limiter = RateLimiter::dashmap(quota).with_middleware::<StateInformationMiddleware>();
        Self { limiter: Arc::new(limiter), clock: DefaultClock::default(), per_second, behind_proxy }
    }

    /// Forgets callers whose bucket is full again, until nobody else holds it.
    pub(crate) async fn forget(self) {
        let limiter = Arc::downgrade(&self.limiter);
        drop(self);
        loop {
            tokio::time::sleep(FORGET_EVERY).await;
            let Some(limiter) = limiter.upgrade() else { return };
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    /// Counts a request. `None`: nobody is counted for it.
    pub(super) fn count(&self, request: &Parts, caller: Option<&Caller>) -> Option<Counted> {
        // Probes and scrapers ask at their own pace.
        if !request.uri.path().starts_with("/v1/") {
            return None;
        }
        let checked = self.limiter.check_key(&self.key(request, caller)?);
        let per_second = self.per_second;
        Some(match checked {
            Ok(state) => Counted { per_second, left: state.remaining_burst_capacity(), wait_secs: None },
            Err(refused) => {
                let wait = refused.wait_time_from(self.clock.now()).as_secs() + 1;
                Counted { per_second, left: 0, wait_secs: Some(wait) }
            }
        })
    }

    fn key(&self, request: &Parts, caller: Option<&Caller>) -> Option<Key> {
        if let Some(sub) = caller.and_then(Caller::sub) {
            return Some(Key::Sub(sub.to_owned()));
        }
        let forwarded = self.behind_proxy.then(|| {
            // A proxy adds what it saw at the very end; whatever stands before that, anybody can have written.
            let hops = request.headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
            hops.rsplit(',').next()?.trim().parse().ok()
        });
        let address = request.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        forwarded.flatten().or(address).map(|address| Key::Address(household(address)))
    }
}

/// What counting a request came to.
#[derive(Debug)]
pub(super) struct Counted {
    per_second: NonZeroU32,
    left: u32,
    /// Its caller came too often, and may come again in so many seconds.
    wait_secs: Option<u64>,
}

impl Counted {
    /// What `enter` answers, or a refusal; either tells the caller how much is left.
    pub(super) async fn answer(self, enter: impl Future<Output = Response>) -> Response {
        let Self { per_second, left, wait_secs } = self;
        let mut response = match wait_secs {
            None => enter.await,
            Some(wait) => {
                let words = format!("more than {per_second} requests a second; come again in {wait} s");
                let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", words);
                problem.retry_after(wait).into_response()
            }
        };
        let (burst, reset) = (per_second.saturating_mul(TWICE), wait_secs.unwrap_or(1));
        let headers = response.headers_mut();
        for (name, value) in
            [(POLICY, format!("\"caller\";q={burst};w=2")), (LIMIT, format!("\"caller\";r={left};t={reset}"))]
        {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// Who shares an address: of IPv6 a /64, which any household has to itself.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

const TWICE: NonZeroU32 = NonZeroU32::new(2).expect("2 is not 0");

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn key(behind_proxy: bool, peer: &str, forwarded: &[&str]) -> Option<Key> {
        let mut request = Request::builder().uri("/v1/products");
        for line in forwarded {
            request = request.header("x-forwarded-for", *line);
        }
        let (mut parts, ()) = request.body(()).expect("a request").into_parts();
        let peer = SocketAddr::new(peer.parse().expect("an address"), 1);
        parts.extensions.insert(ConnectInfo(peer));
        Rate::new(NonZeroU32::MIN, behind_proxy).key(&parts, None)
    }

    fn address(text: &str) -> Option<Key> {
        Some(Key::Address(text.parse().expect("an address")))
    }

    #[test]
    fn nobody_gets_a_fresh_allowance_by_naming_another_address() {
        assert_eq!(key(false, "192.0.2.1", &["198.51.100.7"]), address("192.0.2.1"));
        assert_eq!(key(true, "192.0.2.1", &["10.0.0.1, 198.51.100.7"]), address("198.51.100.7"));
        assert_eq!(key(true, "192.0.2.1", &["10.0.0.1", "198.51.100.7"]), address("198.51.100.7"));
        assert_eq!(key(true, "192.0.2.1", &[]), address("192.0.2.1"));
        assert_eq!(key(false, "2001:db8:1:2:3:4:5:6", &[]), address("2001:db8:1:2::"));
        assert_eq!(key(false, "::ffff:192.0.2.1", &[]), address("192.0.2.1"));
    }
}
