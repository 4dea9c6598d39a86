//! How often, and how long apart, a failing call is tried again.

use std::time::Duration;

/// Exponential backoff with jitter, a cap and a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Failures after which the call gives up; at least 1.
    pub failures_max: u32,
    /// The wait after the first failure; it doubles with each further one.
    pub backoff: Duration,
    /// No wait is longer.
    pub backoff_max: Duration,
}

impl RetryPolicy {
    /// The wait after failure number `failure` (from 1): between half and all of
    /// `min(backoff · 2^(failure-1), backoff_max)`, spread by `seed` so that calls which failed
    /// together do not come back together. Same arguments, same wait.
    pub fn wait_after(&self, failure: u32, seed: u64) -> Duration {
        let doubled =
            self.backoff.saturating_mul(1u32.checked_shl(failure.saturating_sub(1)).unwrap_or(u32::MAX));
        let ceiling = doubled.min(self.backoff_max);
        let half = ceiling / 2;
        let spread_micros =
            u64::try_from(ceiling.saturating_sub(half).as_micros()).unwrap_or(u64::MAX).saturating_add(1);
        half + Duration::from_micros(mix(seed ^ u64::from(failure)) % spread_micros)
    }

    /// Whether `failures` failures are the end.
    pub const fn is_exhausted(&self, failures: u32) -> bool {
        failures >= self.failures_max
    }
}

/// The finaliser of `SplitMix64`: neighbouring seeds end far apart.
const fn mix(seed: u64) -> u64 {
    let seed = (seed ^ (seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let seed = (seed ^ (seed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    seed ^ (seed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        failures_max: 3,
        backoff: Duration::from_millis(100),
        backoff_max: Duration::from_secs(1),
    };

    #[test]
    fn waits_double_up_to_the_cap_and_keep_half_as_floor() {
        for (failure, ceiling) in [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1_000), (60, 1_000)] {
            for seed in 0..200 {
                let wait = POLICY.wait_after(failure, seed);
                assert!(wait >= Duration::from_millis(ceiling / 2), "{failure} {seed} {wait:?}");
                assert!(wait <= Duration::from_millis(ceiling), "{failure} {seed} {wait:?}");
            }
        }
    }

    #[test]
    fn waits_are_spread_and_repeatable() {
        let waits: std::collections::BTreeSet<_> = (0..100).map(|seed| POLICY.wait_after(1, seed)).collect();
        assert!(waits.len() > 90, "{}", waits.len());
        assert_eq!(POLICY.wait_after(2, 9), POLICY.wait_after(2, 9));
    }

    #[test]
    fn the_limit_counts_failures() {
        assert!(!POLICY.is_exhausted(2));
        assert!(POLICY.is_exhausted(3));
    }
}
