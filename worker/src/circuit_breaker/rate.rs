//! A limit of calls a second, for all replicas together, or for each one while Redis does not answer.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::shared::Shared;

/// A replica that decides alone holds at most this part of a second's tokens. Its own bucket is full whenever Redis fails
/// to answer, so that a larger one would let a crowd through each time.
const ALONE_PART: u32 = 5;

#[derive(Debug)]
pub(crate) struct Rate {
    name: String,
    per_second: NonZeroU32,
    /// How many tokens it holds.
    burst: NonZeroU32,
    alone: DefaultDirectRateLimiter,
    clock: DefaultClock,
}

impl Rate {
    /// A shared bucket that holds one `part`th of a second's tokens.
    pub(crate) fn new(name: impl Into<String>, per_second: NonZeroU32, part: u32) -> Self {
        let tokens = |part| NonZeroU32::new(per_second.get() / part).unwrap_or(NonZeroU32::MIN);
        let burst = tokens(part);
        let alone = Quota::per_second(per_second).allow_burst(burst.min(tokens(ALONE_PART)));
        let alone = RateLimiter::direct(alone);
        Self { name: name.into(), per_second, burst, alone, clock: DefaultClock::default() }
    }

    pub(crate) const fn per_second(&self) -> NonZeroU32 {
        self.per_second
    }

    /// Takes a token, or says how long until there is one.
    pub(crate) async fn take(&self, shared: Option<&Shared>) -> Result<(), Duration> {
        let every = Duration::from_secs(1) / self.per_second.get();
        let shared = match shared {
            Some(shared) => shared.take(&self.name, every, self.burst.get()).await,
            None => None,
        };
        shared
            .unwrap_or_else(|| self.alone.check().map_err(|refused| refused.wait_time_from(self.clock.now())))
    }
}
