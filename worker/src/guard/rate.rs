//! So many calls a second, of all replicas together; of this one alone while Redis does not answer.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::shared::Shared;

/// A bucket that holds one second's worth of calls.
#[derive(Debug)]
pub(crate) struct Rate {
    name: String,
    per_second: NonZeroU32,
    alone: DefaultDirectRateLimiter,
    clock: DefaultClock,
}

impl Rate {
    pub(crate) fn new(name: impl Into<String>, per_second: NonZeroU32) -> Self {
        let alone = RateLimiter::direct(Quota::per_second(per_second));
        Self { name: name.into(), per_second, alone, clock: DefaultClock::default() }
    }

    pub(crate) const fn per_second(&self) -> NonZeroU32 {
        self.per_second
    }

    /// Takes one; or says how long until there is one.
    pub(crate) async fn take(&self, shared: Option<&Shared>) -> Result<(), Duration> {
        let every = Duration::from_secs(1) / self.per_second.get();
        let shared = match shared {
            Some(shared) => shared.take(&self.name, every, self.per_second.get()).await,
            None => None,
        };
        shared
            .unwrap_or_else(|| self.alone.check().map_err(|refused| refused.wait_time_from(self.clock.now())))
    }
}
