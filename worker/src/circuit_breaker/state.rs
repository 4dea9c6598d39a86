//! The state of a circuit breaker: closed, open, half open, releasing. Pure; all replicas share one state.
//!
//! Redis holds it as text. Times are milliseconds of one clock: Redis' clock, or this replica's.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A probe without a result after this long died with its worker: no call takes longer.
const PROBE_WITHIN: Duration = Duration::from_secs(12);
/// While a probe is in flight, other calls retry this much later.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The calls let through in the first second of a recovery; they double with every further second.
const RELEASED_FIRST: u32 = 25;
/// After so many seconds, at 1,600 calls a second, the recovery is over.
const RELEASE_STEPS: u32 = 6;
/// The replicas' estimates of Redis' clock differ by the time of its answers.
const CLOCKS_APART: Duration = Duration::from_secs(1);
/// How long a state is kept when no call changes it.
const FORGET_AFTER: Duration = Duration::from_mins(10);

/// What the replicas know about a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// The provider answers.
    Closed,
    /// The provider is down, and gets no calls.
    Open {
        /// The end of the cooldown.
        until: i64,
        /// Failed probes in a row.
        trips: u32,
    },
    /// One call probes whether it is back.
    HalfOpen {
        /// When another probe may start if this one has no result.
        until: i64,
        /// Failed probes in a row.
        trips: u32,
        /// The name of the probe.
        by: String,
    },
    /// The provider is back, and gets more calls each second.
    Releasing {
        /// The start of the recovery.
        since: i64,
        /// Failed probes in a row: if it goes down again, the cooldown is longer.
        trips: u32,
    },
}

/// What a call may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may be sent.
    Pass,
    /// It may be sent as a probe, if no other replica is quicker.
    Probe,
    /// It may be sent, within the rate of this second of the recovery.
    Release {
        /// Calls in this second.
        per_second: u32,
    },
    /// It may not be sent.
    Hold {
        /// When to try again.
        wait: Duration,
    },
}

/// What happened to the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The probe `by` starts.
    Probe { by: String },
    /// The probe `by` was answered.
    Answered { by: String },
    /// The probe `by` was not answered.
    Unanswered { by: String },
    /// The probe `by` never sent a request to the provider.
    Aborted { by: String },
    /// Too many calls failed.
    Tripped,
}

/// How long the breaker stays open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cooldown {
    /// The first time; it doubles with every failed probe.
    pub(crate) first: Duration,
    pub(crate) most: Duration,
}

impl Cooldown {
    /// After so many failed probes in a row.
    pub(crate) fn after(self, trips: u32) -> Duration {
        self.first.saturating_mul(1u32.checked_shl(trips).unwrap_or(u32::MAX)).min(self.most)
    }
}

impl State {
    /// What a call may do at `now`.
    pub(crate) fn verdict(&self, now: i64, cooldown: Cooldown) -> Verdict {
        match self {
            Self::Closed => Verdict::Pass,
            // Redis forgets the state by itself; a replica without Redis does so here.
            Self::Open { until, .. } | Self::HalfOpen { until, .. }
                if now.saturating_sub(*until) > millis(FORGET_AFTER) =>
            {
                Verdict::Pass
            }
            Self::Open { until, .. } => match left(*until, now, cooldown.most) {
                Some(wait) => Verdict::Hold { wait },
                None => Verdict::Probe,
            },
            Self::HalfOpen { until, .. } => match left(*until, now, PROBE_WITHIN) {
                Some(wait) => Verdict::Hold { wait: wait.min(LOOK_AGAIN) },
                None => Verdict::Probe,
            },
            Self::Releasing { since, .. } => match u32::try_from(now.saturating_sub(*since) / 1_000) {
                Ok(step) if step < RELEASE_STEPS => Verdict::Release { per_second: RELEASED_FIRST << step },
                // Over, or started by a clock that is ahead of ours.
                Ok(_) | Err(_) => Verdict::Pass,
            },
        }
    }

    /// The state after `event`. `None`: the event comes too late and changes nothing.
    pub(crate) fn after(&self, event: &Event, now: i64, cooldown: Cooldown) -> Option<Self> {
        let open = |trips: u32| Self::Open { until: later(now, cooldown.after(trips)), trips };
        match (self, event) {
            (Self::Open { trips, .. } | Self::HalfOpen { trips, .. }, Event::Probe { by })
                if self.verdict(now, cooldown) == Verdict::Probe =>
            {
                Some(Self::HalfOpen { until: later(now, PROBE_WITHIN), trips: *trips, by: by.clone() })
            }
            (Self::HalfOpen { trips, by, .. }, Event::Answered { by: asked }) if by == asked => {
                Some(Self::Releasing { since: now, trips: *trips })
            }
            (Self::HalfOpen { trips, by, .. }, Event::Unanswered { by: asked }) if by == asked => {
                Some(open(trips.saturating_add(1)))
            }
            (Self::HalfOpen { trips, by, .. }, Event::Aborted { by: asked }) if by == asked => {
                Some(Self::Open { until: now, trips: *trips })
            }
            (Self::Closed, Event::Tripped) => Some(open(0)),
            (Self::Releasing { trips, .. }, Event::Tripped) => {
                let is_over = self.verdict(now, cooldown) == Verdict::Pass;
                Some(open(if is_over { 0 } else { trips.saturating_add(1) }))
            }
            (
                Self::Closed | Self::Releasing { .. } | Self::Open { .. } | Self::HalfOpen { .. },
                Event::Probe { .. }
                | Event::Answered { .. }
                | Event::Unanswered { .. }
                | Event::Aborted { .. }
                | Event::Tripped,
            ) => None,
        }
    }

    /// The name of the state in the metrics.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen { .. } => "half_open",
            Self::Releasing { .. } => "releasing",
        }
    }

    /// The names of all states.
    pub(crate) const NAMES: [&str; 4] = ["closed", "open", "half_open", "releasing"];

    /// How long Redis keeps it. Without calls no replica changes it; closed is stored as no state at all.
    pub(crate) const fn keep(&self) -> Duration {
        match self {
            Self::Releasing { .. } => Duration::from_secs(RELEASE_STEPS as u64),
            Self::Closed | Self::Open { .. } | Self::HalfOpen { .. } => FORGET_AFTER,
        }
    }
}

/// The time left until then; `None` when it is over. A time much further away than `most` was written by another
/// clock, and counts as over, so that no call waits for ever.
fn left(until: i64, now: i64, most: Duration) -> Option<Duration> {
    let left = Duration::from_millis(u64::try_from(until.saturating_sub(now)).ok()?);
    (!left.is_zero() && left <= most + CLOCKS_APART).then_some(left)
}

fn later(now: i64, by: Duration) -> i64 {
    now.saturating_add(millis(by))
}

pub(crate) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// Closed is the empty text: nothing is left in Redis then.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => Ok(()),
            Self::Open { until, trips } => write!(f, "open {until} {trips}"),
            Self::HalfOpen { until, trips, by } => write!(f, "half_open {until} {trips} {by}"),
            Self::Releasing { since, trips } => write!(f, "releasing {since} {trips}"),
        }
    }
}

/// A text of another release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a state of a circuit breaker")]
pub(crate) struct UnknownState(String);

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        let unknown = || UnknownState(text.to_owned());
        let mut fields = text.splitn(4, ' ');
        let name = fields.next().unwrap_or_default();
        if name.is_empty() {
            return Ok(Self::Closed);
        }
        let at = fields.next().and_then(|at| at.parse().ok()).ok_or_else(unknown)?;
        let trips = fields.next().and_then(|trips| trips.parse().ok()).ok_or_else(unknown)?;
        match (name, fields.next()) {
            ("open", None) => Ok(Self::Open { until: at, trips }),
            ("half_open", Some(by)) => Ok(Self::HalfOpen { until: at, trips, by: by.to_owned() }),
            ("releasing", None) => Ok(Self::Releasing { since: at, trips }),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOLDOWN: Cooldown = Cooldown { first: Duration::from_secs(1), most: Duration::from_secs(30) };
    const NOW: i64 = 1_700_000_000_000;

    fn open(until: i64, trips: u32) -> State {
        State::Open { until, trips }
    }

    fn half_open(until: i64) -> State {
        State::HalfOpen { until, trips: 2, by: "me".to_owned() }
    }

    fn releasing(since: i64) -> State {
        State::Releasing { since, trips: 2 }
    }

    fn hold(millis: u64) -> Verdict {
        Verdict::Hold { wait: Duration::from_millis(millis) }
    }

    #[test]
    fn a_call_may_do_what_its_providers_state_allows() {
        for (state, expected) in [
            (State::Closed, Verdict::Pass),
            (open(NOW + 700, 0), hold(700)),
            (open(NOW, 0), Verdict::Probe),
            (open(NOW - 1, 0), Verdict::Probe),
            (half_open(NOW + 12_000), hold(1_000)),
            // Written by a replica whose clock is a little ahead.
            (half_open(NOW + 12_900), hold(1_000)),
            (open(NOW + 30_900, 0), hold(30_900)),
            (releasing(NOW + 900), Verdict::Release { per_second: 25 }),
            (half_open(NOW + 300), hold(300)),
            (half_open(NOW), Verdict::Probe),
            (releasing(NOW), Verdict::Release { per_second: 25 }),
            (releasing(NOW - 999), Verdict::Release { per_second: 25 }),
            (releasing(NOW - 1_000), Verdict::Release { per_second: 50 }),
            (releasing(NOW - 5_999), Verdict::Release { per_second: 800 }),
            (releasing(NOW - 6_000), Verdict::Pass),
            // Another clock wrote it: nobody waits for hours because of that.
            (open(NOW + 3_600_000, 0), Verdict::Probe),
            (half_open(NOW + 3_600_000), Verdict::Probe),
            (releasing(NOW + 3_600_000), Verdict::Pass),
            (open(i64::MAX, u32::MAX), Verdict::Probe),
            // Nobody called for so long that it says nothing any more.
            (open(NOW - 600_000, 0), Verdict::Probe),
            (open(NOW - 600_001, 3), Verdict::Pass),
            (half_open(NOW - 600_001), Verdict::Pass),
            (open(i64::MIN, 0), Verdict::Pass),
            (releasing(i64::MIN), Verdict::Pass),
        ] {
            assert_eq!(state.verdict(NOW, COOLDOWN), expected, "{state:?}");
        }
    }

    #[test]
    fn every_pair_of_state_and_event_is_decided() {
        let by = |name: &str| name.to_owned();
        let (probe, tripped) = (Event::Probe { by: by("me") }, Event::Tripped);
        let (answered, unanswered) = (Event::Answered { by: by("me") }, Event::Unanswered { by: by("me") });
        let spared = Event::Aborted { by: by("me") };
        let all = [&probe, &answered, &unanswered, &spared, &tripped];
        let tried = Some(half_open(NOW + 12_000));
        for (state, expected) in [
            (State::Closed, [None, None, None, None, Some(open(NOW + 1_000, 0))]),
            (open(NOW + 1, 2), [None, None, None, None, None]),
            (open(NOW, 2), [tried.clone(), None, None, None, None]),
            (
                half_open(NOW + 1),
                [None, Some(releasing(NOW)), Some(open(NOW + 8_000, 3)), Some(open(NOW, 2)), None],
            ),
            (
                half_open(NOW),
                [tried, Some(releasing(NOW)), Some(open(NOW + 8_000, 3)), Some(open(NOW, 2)), None],
            ),
            (releasing(NOW - 1), [None, None, None, None, Some(open(NOW + 8_000, 3))]),
            // What was released long ago has nothing to do with it.
            (releasing(NOW - 9_000), [None, None, None, None, Some(open(NOW + 1_000, 0))]),
        ] {
            for (event, expected) in all.iter().zip(expected) {
                assert_eq!(state.after(event, NOW, COOLDOWN), expected, "{state:?} {event:?}");
            }
        }
        // Somebody else's probe is theirs to report on.
        for event in [
            Event::Answered { by: by("you") },
            Event::Unanswered { by: by("you") },
            Event::Aborted { by: by("you") },
        ] {
            assert_eq!(half_open(NOW + 1).after(&event, NOW, COOLDOWN), None, "{event:?}");
        }
    }

    #[test]
    fn a_provider_that_is_not_back_rests_longer_each_time() {
        let (mut now, mut state) = (NOW, State::Closed);
        state = state.after(&Event::Tripped, now, COOLDOWN).expect("it opens");
        for seconds in [1, 2, 4, 8, 16, 30, 30, 30] {
            let State::Open { until, .. } = state else { panic!("{state:?}") };
            assert_eq!(until - now, seconds * 1_000);
            now = until;
            state = state.after(&Event::Probe { by: "me".to_owned() }, now, COOLDOWN).expect("it is tried");
            state = state.after(&Event::Unanswered { by: "me".to_owned() }, now, COOLDOWN).expect("in vain");
        }
        for trips in [31, 32, 33, u32::MAX] {
            assert_eq!(COOLDOWN.after(trips), COOLDOWN.most);
        }
    }

    #[test]
    fn a_state_survives_its_text() {
        for state in [State::Closed, open(NOW, 3), half_open(-1), releasing(NOW)] {
            assert_eq!(state.to_string().parse(), Ok(state));
        }
        for text in ["shut", "open", "open 1", "open x 1", "open 1 1 me", "half_open 1 1", "releasing 1 -1"] {
            assert_eq!(text.parse::<State>(), Err(UnknownState(text.to_owned())));
        }
        let spaced = State::HalfOpen { until: 1, trips: 0, by: "worker 7 on a host".to_owned() };
        assert_eq!(spaced.to_string().parse(), Ok(spaced));
    }
}
