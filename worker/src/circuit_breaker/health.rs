//! Whether a provider is down, judged by the calls of this process alone.

use std::collections::BTreeSet;

use holdfast_shared::OrderId;

/// The provider is down after so many different orders in a row without an answer. One order that fails again
/// and again says something about its card only.
const STREAK: usize = 10;
/// Or after half of the calls of a window failed, if there were at least [`CALLS_MIN`].
const WINDOW_MILLIS: i64 = 10_000;
const CALLS_MIN: u32 = 40;

/// What a call observed of its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// It answered, perhaps with a refusal.
    Ok,
    /// It did not answer, or is unavailable.
    Failed,
}
#[derive(Debug)]
pub(crate) struct HealthWindow {
    /// Failures must last for so many milliseconds. Calls that failed one by one are retried together, and fail
    /// together, among thousands that are answered.
    failure_window: i64,
    /// Different orders that failed in a row.
    streak: BTreeSet<Option<OrderId>>,
    streak_since: i64,
    window_since: i64,
    calls: u32,
    failed: u32,
}

impl HealthWindow {
    pub(crate) const fn new(failure_window: i64) -> Self {
        Self {
            failure_window,
            streak: BTreeSet::new(),
            streak_since: 0,
            window_since: 0,
            calls: 0,
            failed: 0,
        }
    }

    /// Records a call. `true`: the breaker must open.
    pub(crate) fn saw(&mut self, order: Option<OrderId>, health: Health, now: i64) -> bool {
        if !(0..WINDOW_MILLIS).contains(&now.saturating_sub(self.window_since)) {
            (self.window_since, self.calls, self.failed) = (now, 0, 0);
        }
        self.calls += 1;
        match health {
            Health::Ok => self.streak.clear(),
            Health::Failed => {
                if self.streak.is_empty() {
                    self.streak_since = now;
                }
                self.streak.insert(order);
                self.failed += 1;
            }
        }
        let is_long = |since: i64| now.saturating_sub(since) >= self.failure_window;
        let row = self.streak.len() >= STREAK && is_long(self.streak_since);
        let half = self.calls >= CALLS_MIN && self.failed * 2 >= self.calls && is_long(self.window_since);
        health == Health::Failed && (row || half)
    }

    /// Starts anew: what was seen before a cooldown says nothing about the time after it.
    pub(crate) fn forget(&mut self) {
        *self = Self::new(self.failure_window);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of these calls opens the breaker; there is one every `step` milliseconds.
    fn tripped_at(signs: impl Iterator<Item = (i64, Health)>, step: i64) -> Option<usize> {
        let mut health = HealthWindow::new(500);
        let mut signs = signs.zip((0..).step_by(usize::try_from(step).expect("positive")));
        signs.position(|((order, sign), now)| health.saw(Some(OrderId::new(order)), sign, now))
    }

    #[test]
    fn ten_orders_in_a_row_are_enough() {
        assert_eq!(tripped_at((1..=10).map(|order| (order, Health::Failed)), 1_000), Some(9));
        assert_eq!(tripped_at((1..=9).map(|order| (order, Health::Failed)), 1), None);
    }

    #[test]
    fn what_fails_all_at_once_is_not_believed_yet() {
        // Between thousands of answers, twenty are sent again at the same instant.
        let again = |call: i64| (call, if call % 100 < 80 { Health::Ok } else { Health::Failed });
        assert_eq!(tripped_at((1..=5_000).map(again), 1), None);
        // With nobody there, half a second is what it takes.
        assert_eq!(tripped_at((1..=5_000).map(|order| (order, Health::Failed)), 1), Some(500));
    }

    #[test]
    fn one_order_alone_says_nothing_about_its_provider() {
        assert_eq!(tripped_at((0..30).map(|_| (1, Health::Failed)), 1_000), None);
    }

    #[test]
    fn one_answer_ends_a_row() {
        let signs = (1..=40).map(|order| (order, if order % 10 == 0 { Health::Ok } else { Health::Failed }));
        assert_eq!(tripped_at(signs, 1_000), None);
    }

    #[test]
    fn half_of_many_calls_are_enough_though_others_are_answered() {
        let every_other = |order| (order, if order % 2 == 0 { Health::Failed } else { Health::Ok });
        assert_eq!(tripped_at((1..=100).map(every_other), 20), Some(39));
        assert_eq!(tripped_at((1..=39).map(every_other), 10), None, "too few to judge by");
        assert_eq!(tripped_at((1..=100).map(every_other), 400), None, "too few in any ten seconds");
        let every_third = |order| (order, if order % 3 == 0 { Health::Failed } else { Health::Ok });
        assert_eq!(tripped_at((1..=300).map(every_third), 10), None);
    }
}
