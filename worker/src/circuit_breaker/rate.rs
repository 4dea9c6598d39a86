//! A limit of calls a second, for all replicas together, or for each one while Redis does not answer.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use holdfast_saga::records::call::Urgency;

use super::shared::Shared;

/// A replica that decides alone holds at most this part of a second's tokens. Its own bucket is full whenever Redis fails
/// to answer, so that a larger one would let a crowd through each time.
const ALONE_PART: u32 = 5;
/// Calls that only find something out leave this part of the tokens to those that move money (M19).
const RESERVED_PART: u32 = 4;

/// A bucket of tokens.
#[derive(Debug)]
pub(crate) struct Rate {
    name: &'static str,
    per_second: NonZeroU32,
    /// How many tokens it holds.
    burst: u32,
    /// When all that this replica took alone is paid for.
    alone: Mutex<Instant>,
}

impl Rate {
    /// A shared bucket that holds one `part`th of a second's tokens.
    pub(crate) fn new(name: &'static str, per_second: NonZeroU32, part: u32) -> Self {
        let burst = (per_second.get() / part).max(1);
        Self { name, per_second, burst, alone: Mutex::new(Instant::now()) }
    }

    pub(crate) const fn per_second(&self) -> NonZeroU32 {
        self.per_second
    }

    /// Takes a token, or says how long until there is one.
    pub(crate) async fn take(&self, urgency: Urgency, shared: Option<&Shared>) -> Result<(), Duration> {
        let every = Duration::from_secs(1) / self.per_second.get();
        let shared = match shared {
            Some(shared) => shared.take(self.name, every, for_call(urgency, self.burst)).await,
            None => None,
        };
        shared.unwrap_or_else(|| self.take_alone(urgency, every))
    }

    /// As `take.lua` does it.
    fn take_alone(&self, urgency: Urgency, every: Duration) -> Result<(), Duration> {
        let burst = self.burst.min((self.per_second.get() / ALONE_PART).max(1));
        let owed_most = every * (for_call(urgency, burst) - 1);
        let now = Instant::now();
        let mut paid = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        let owed = paid.saturating_duration_since(now);
        let wait = owed.saturating_sub(owed_most);
        if !wait.is_zero() {
            return Err(wait);
        }
        *paid = now + owed + every;
        Ok(())
    }
}

/// How many of `burst` tokens such a call may use.
fn for_call(urgency: Urgency, burst: u32) -> u32 {
    match urgency {
        Urgency::Money => burst,
        Urgency::LookUp | Urgency::Event => burst - burst / RESERVED_PART,
    }
}
