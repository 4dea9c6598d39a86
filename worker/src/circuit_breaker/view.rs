//! What one replica knows of a provider: whether it is well, away, or coming back. Pure.
//!
//! Times are milliseconds of this replica's own monotonic clock.

use std::time::Duration;

/// The calls let through in the first second of a recovery; they double with every further second.
const RELEASED_FIRST: u32 = 25;
/// After so many seconds, at 1,600 calls a second, the recovery is over.
const RELEASE_STEPS: u32 = 6;

/// What one replica knows of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// It can be reached.
    Well,
    /// It cannot be reached, and gets no calls.
    Away {
        /// When it is pinged again.
        ping_at: i64,
        /// Pings in vain since it went away.
        pings: u32,
    },
    /// It is back, and gets more calls each second.
    Releasing {
        /// The start of the recovery.
        since: i64,
        /// Pings in vain before: if it goes away again, the wait is longer.
        pings: u32,
    },
}

/// What a call may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may be sent.
    Pass,
    /// It may be sent, within this rate.
    Release {
        /// Calls a second.
        per_second: u32,
    },
    /// It may not be sent.
    Hold {
        /// When to try again.
        wait: Duration,
    },
}

/// How long a provider that is away is left alone between two pings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cooldown {
    /// The first time; it doubles with every ping in vain.
    pub(crate) first: Duration,
    pub(crate) most: Duration,
}

impl Cooldown {
    /// After so many pings in vain.
    pub(crate) fn after(self, pings: u32) -> Duration {
        self.first.saturating_mul(1u32.checked_shl(pings).unwrap_or(u32::MAX)).min(self.most)
    }
}

impl View {
    /// What a call may do at `now`.
    pub(crate) fn verdict(self, now: i64) -> Verdict {
        match self {
            Self::Well => Verdict::Pass,
            Self::Away { ping_at, .. } => {
                let wait = u64::try_from(ping_at.saturating_sub(now)).unwrap_or(0);
                Verdict::Hold { wait: Duration::from_millis(wait) }
            }
            Self::Releasing { since, .. } => match u32::try_from(now.saturating_sub(since) / 1_000) {
                Ok(step) if step < RELEASE_STEPS => Verdict::Release { per_second: RELEASED_FIRST << step },
                Ok(_) | Err(_) => Verdict::Pass,
            },
        }
    }

    /// A recovery that is over is forgotten.
    pub(crate) fn at(self, now: i64) -> Self {
        match self {
            Self::Releasing { .. } if self.verdict(now) == Verdict::Pass => Self::Well,
            Self::Well | Self::Away { .. } | Self::Releasing { .. } => self,
        }
    }

    /// After pings in vain.
    pub(crate) fn unreached(self, now: i64, cooldown: Cooldown) -> Self {
        let pings = match self.at(now) {
            Self::Well => 0,
            Self::Away { pings, .. } | Self::Releasing { pings, .. } => pings.saturating_add(1),
        };
        Self::Away { ping_at: now.saturating_add(millis(cooldown.after(pings))), pings }
    }

    /// After a ping that was answered.
    pub(crate) fn reached(self, now: i64) -> Self {
        match self {
            Self::Away { pings, .. } => Self::Releasing { since: now, pings },
            Self::Well | Self::Releasing { .. } => self,
        }
    }

    /// Its name in the metrics, and to the other replicas.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Well => "closed",
            Self::Away { .. } => "open",
            Self::Releasing { .. } => "releasing",
        }
    }

    /// The names of all.
    pub(crate) const NAMES: [&str; 3] = ["closed", "open", "releasing"];
}

pub(crate) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOLDOWN: Cooldown = Cooldown { first: Duration::from_secs(1), most: Duration::from_secs(30) };
    const NOW: i64 = 50_000;

    #[test]
    fn a_call_may_do_what_its_replicas_view_allows() {
        let hold = |millis| Verdict::Hold { wait: Duration::from_millis(millis) };
        let releasing = |since| View::Releasing { since, pings: 2 };
        for (view, expected) in [
            (View::Well, Verdict::Pass),
            (View::Away { ping_at: NOW + 700, pings: 0 }, hold(700)),
            // It is due for a ping, and calls wait for what that says.
            (View::Away { ping_at: NOW - 700, pings: 0 }, hold(0)),
            (releasing(NOW), Verdict::Release { per_second: 25 }),
            (releasing(NOW - 999), Verdict::Release { per_second: 25 }),
            (releasing(NOW - 1_000), Verdict::Release { per_second: 50 }),
            (releasing(NOW - 5_999), Verdict::Release { per_second: 800 }),
            (releasing(NOW - 6_000), Verdict::Pass),
        ] {
            assert_eq!(view.verdict(NOW), expected, "{view:?}");
        }
        assert_eq!(releasing(NOW - 6_000).at(NOW), View::Well);
        assert_eq!(releasing(NOW - 5_999).at(NOW), releasing(NOW - 5_999));
    }

    #[test]
    fn a_provider_that_is_not_back_is_left_alone_longer_each_time() {
        let (mut now, mut view) = (NOW, View::Well);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            view = view.unreached(now, COOLDOWN);
            let View::Away { ping_at, .. } = view else { panic!("{view:?}") };
            assert_eq!(ping_at - now, seconds * 1_000);
            now = ping_at;
        }
        view = view.reached(now);
        assert_eq!(view, View::Releasing { since: now, pings: 6 });
        // Away again at once: as long as before. Well for a while: from the beginning.
        assert_eq!(view.unreached(now + 10, COOLDOWN), View::Away { ping_at: now + 30_010, pings: 7 });
        assert_eq!(view.unreached(now + 6_000, COOLDOWN), View::Away { ping_at: now + 7_000, pings: 0 });
        assert_eq!(View::Well.reached(now), View::Well);
    }
}
