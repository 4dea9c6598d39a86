//! Whether a provider answers, judged by the calls of this replica alone.

use std::collections::VecDeque;

/// So many calls that reached nobody, within so long, are a reason to ping (M16).
const SUSPICIOUS: usize = 5;
const SUSPICIOUS_WITHIN_MILLIS: i64 = 2_000;
/// A provider that can be pinged and answers less than half of so many calls gets only a trickle of them.
const CALLS_MIN: u32 = 20;
const WINDOW_MILLIS: i64 = 10_000;

/// What a call observed of its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// It answered, perhaps with a refusal.
    Ok,
    /// It was not reached, did not answer, or with a 5xx.
    Failed,
}

#[derive(Debug, Default)]
pub(crate) struct HealthWindow {
    /// When the last calls failed.
    failures: VecDeque<i64>,
    /// When a call or a ping was answered last.
    answered_at: Option<i64>,
    window_since: i64,
    calls: u32,
    failed: u32,
}

impl HealthWindow {
    /// Records a call.
    pub(crate) fn saw(&mut self, health: Health, now: i64) {
        if !(0..WINDOW_MILLIS).contains(&now.saturating_sub(self.window_since)) {
            (self.window_since, self.calls, self.failed) = (now, 0, 0);
        }
        self.calls += 1;
        if health == Health::Ok {
            self.answered_at = Some(now);
        } else {
            self.failed += 1;
            self.failures.push_back(now);
            if self.failures.len() > SUSPICIOUS {
                self.failures.pop_front();
            }
        }
    }

    /// Whether the provider should be pinged.
    pub(crate) fn is_suspicious(&self, now: i64) -> bool {
        let first = self.failures.front().filter(|_| self.failures.len() == SUSPICIOUS);
        first.is_some_and(|first| now.saturating_sub(*first) <= SUSPICIOUS_WITHIN_MILLIS)
    }

    /// It was pinged: what failed before says nothing any more about whether it can be reached.
    pub(crate) fn was_pinged(&mut self, answered: bool, now: i64) {
        self.failures.clear();
        if answered {
            self.answered_at = Some(now);
        }
    }

    /// Whether it was answered in the last seconds.
    pub(crate) fn knows(&self, now: i64) -> bool {
        self.answered_at.is_some_and(|at| now.saturating_sub(at) <= SUSPICIOUS_WITHIN_MILLIS)
    }

    /// Whether most calls of the present window failed.
    pub(crate) fn is_poor(&self, now: i64) -> bool {
        let is_present = now.saturating_sub(self.window_since) < WINDOW_MILLIS;
        is_present && self.calls >= CALLS_MIN && self.failed * 2 > self.calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(calls: impl IntoIterator<Item = (i64, Health)>) -> HealthWindow {
        let mut window = HealthWindow::default();
        for (at, health) in calls {
            window.saw(health, at);
        }
        window
    }

    #[test]
    fn five_failures_within_two_seconds_are_suspicious_whoever_else_is_answered() {
        let failing = |count: i64, apart: i64| seen((0..count).map(|call| (call * apart, Health::Failed)));
        assert!(failing(5, 500).is_suspicious(2_000));
        assert!(!failing(4, 500).is_suspicious(2_000));
        assert!(!failing(5, 500).is_suspicious(2_001));
        assert!(!failing(50, 501).is_suspicious(50 * 501));
        let mixed = (0..10).map(|call| (call * 100, if call % 2 == 0 { Health::Failed } else { Health::Ok }));
        assert!(seen(mixed).is_suspicious(1_000));
        let mut reachable = failing(5, 1);
        reachable.was_pinged(true, 5);
        assert!(!reachable.is_suspicious(5));
    }

    #[test]
    fn a_provider_is_poor_while_most_of_twenty_calls_fail() {
        let failing = |of: i64, each: i64| {
            seen((0..of).map(|call| (call, if call % each == 0 { Health::Failed } else { Health::Ok })))
        };
        assert!(failing(20, 1).is_poor(20));
        assert!(!failing(19, 1).is_poor(20), "too few to judge by");
        assert!(!failing(100, 2).is_poor(100), "half of them are answered");
        assert!(!failing(20, 1).is_poor(10_000), "that was long ago");
    }
}
