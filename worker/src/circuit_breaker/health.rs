//! Whether a provider is away, judged by the calls of this process alone.

use std::collections::BTreeSet;

use holdfast_shared::OrderId;

/// So many different orders in a row without an answer, and the provider is away. One order that fails again
/// and again says something about its card.
const STREAK: usize = 10;
/// Or half of all calls of a window, if there were enough of them to judge by.
const WINDOW_MILLIS: i64 = 10_000;
const CALLS_MIN: u32 = 40;

/// What a call told of its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// It answered; also with a no.
    Ok,
    /// It did not answer, or said that it takes nothing.
    Failed,
}

/// The calls of late.
#[derive(Debug)]
pub(crate) struct HealthWindow {
    /// Neither is believed sooner than after so many milliseconds: calls that failed one by one are sent again together,
    /// and fail together, between thousands that are answered.
    failure_window: i64,
    /// Orders in a row.
    streak: BTreeSet<OrderId>,
    streak_since: i64,
    window_since: i64,
    calls: u32,
    away: u32,
}

impl HealthWindow {
    pub(crate) const fn new(failure_window: i64) -> Self {
        Self { failure_window, streak: BTreeSet::new(), streak_since: 0, window_since: 0, calls: 0, away: 0 }
    }

    /// Takes a sign in, and says whether it is the one too many.
    pub(crate) fn saw(&mut self, order: OrderId, sign: Health, now: i64) -> bool {
        if !(0..WINDOW_MILLIS).contains(&now.saturating_sub(self.window_since)) {
            (self.window_since, self.calls, self.away) = (now, 0, 0);
        }
        self.calls += 1;
        match sign {
            Health::Ok => self.streak.clear(),
            Health::Failed => {
                if self.streak.is_empty() {
                    self.streak_since = now;
                }
                self.streak.insert(order);
                self.away += 1;
            }
        }
        let is_long = |since: i64| now.saturating_sub(since) >= self.failure_window;
        let row = self.streak.len() >= STREAK && is_long(self.streak_since);
        let half = self.calls >= CALLS_MIN && self.away * 2 >= self.calls && is_long(self.window_since);
        sign == Health::Failed && (row || half)
    }

    /// What was seen before the provider rested says nothing of it afterwards.
    pub(crate) fn forget(&mut self) {
        *self = Self::new(self.failure_window);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At which of these signs it is the one too many, one a `step`.
    fn tripped_at(signs: impl Iterator<Item = (i64, Health)>, step: i64) -> Option<usize> {
        let mut health = HealthWindow::new(500);
        let mut signs = signs.zip((0..).step_by(usize::try_from(step).expect("positive")));
        signs.position(|((order, sign), now)| health.saw(OrderId::new(order), sign, now))
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
