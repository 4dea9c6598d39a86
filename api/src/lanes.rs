//! Load shedding: how many requests are handled at once, and how many may wait for it. The rest is refused at once.
//!
//! A request that waits longer than its caller is work for nobody, and a crowd that repeats such requests keeps
//! everybody waiting for ever. So reads and writes have a lane each, as wide as their connections to the database. Each
//! lane has a queue, as long as it can serve in a moment, and a part that only those who run the shop may use. Checkouts
//! have a queue of their own: the intake's.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::Method;
use axum::http::request::Parts;
use holdfast_contract::problem::Code;
use holdfast_telemetry::HttpMetrics;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::auth::Caller;
use crate::log_limit::LogLimit;
use crate::problem::Problem;

/// A request that would wait longer than this is refused at once, as far as its wait can be foretold.
const EXPECTED_WAIT_MAX: Duration = Duration::from_millis(500);
/// A request that has waited for so long is refused: what is handled then takes longer than expected.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// So many requests may wait in any case.
const QUEUED_MIN: usize = 16;
/// The weight of one request in the mean time of all: one of so many.
const MEAN_OF: u64 = 16;
/// One of so many places is kept for those who run the shop; a connection is left for each, so they wait for no crowd.
const KEPT_OF: usize = 6;
/// Callers that are refused come back after one of so many seconds, so that they do not come back together.
const RETRY_SECS: std::ops::RangeInclusive<u64> = 1..=3;
/// How often the log says that requests are refused.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// The lanes of this process. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Lanes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    reads: Lane,
    writes: Lane,
    metrics: HttpMetrics,
    /// Refusals since the log last mentioned them.
    unlogged: AtomicU64,
    reports: LogLimit,
}

/// Requests of one kind.
#[derive(Debug)]
struct Lane {
    name: &'static str,
    places: Arc<Semaphore>,
    /// Those of the places that callers who do not run the shop may take together.
    for_buyers: Arc<Semaphore>,
    buyers_queued: AtomicUsize,
    staff_queued: AtomicUsize,
    /// How many requests of buyers are handled at once.
    width: usize,
    /// How long a request is handled, in the mean of the last ones, in microseconds.
    mean_micros: Arc<AtomicU64>,
}

/// A place in a lane, for as long as the request is handled.
#[derive(Debug)]
pub(crate) struct Place {
    since: Instant,
    mean_micros: Arc<AtomicU64>,
    _permit: OwnedSemaphorePermit,
    _for_buyers: Option<OwnedSemaphorePermit>,
}

/// The place of a request that is being handled, if it needed one. It can be left before the answer is there.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeldPlace(Arc<Mutex<Option<Place>>>);

impl HeldPlace {
    pub(crate) fn new(place: Option<Place>) -> Self {
        Self(Arc::new(Mutex::new(place)))
    }

    /// Leaves the place to somebody else.
    pub(crate) fn leave(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let took = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mean = self.mean_micros.load(Ordering::Relaxed);
        // One of two that end at once may be lost: it is a mean.
        self.mean_micros.store(mean - mean / MEAN_OF + took / MEAN_OF, Ordering::Relaxed);
    }
}

impl Lanes {
    /// Lanes for so many connections for reads, and as many for transactions.
    pub(crate) fn new(connections: u32, metrics: HttpMetrics) -> Self {
        let places = connections.max(2) as usize;
        let (reads, writes) = (Lane::new("reads", places), Lane::new("writes", places));
        Self(Arc::new(Inner {
            reads,
            writes,
            metrics,
            unlogged: AtomicU64::new(0),
            reports: LogLimit::new(LOG_EVERY),
        }))
    }

    /// Waits for a place for this request, or refuses it. `None`: it needs none.
    pub(crate) async fn enter(&self, request: &Parts, caller: &Caller) -> Result<Option<Place>, Problem> {
        let Some(lane) = self.lane(request) else { return Ok(None) };
        if let Some(place) = lane.enter(caller.sees_all()).await {
            return Ok(Some(place));
        }
        self.0.metrics.shed(lane.name);
        self.log(lane.name);
        let secs = rand::random_range(RETRY_SECS);
        let detail =
            format!("more {} are under way than the shop can answer; repeat this in {secs} s", lane.name);
        Err(Problem::new(Code::Overloaded, detail).retry_after(secs))
    }

    fn lane(&self, request: &Parts) -> Option<&Lane> {
        let path = request.uri.path();
        match path {
            // They have bounds of their own, or need no database.
            "/v1/checkout" | "/v1/ops/audit" | "/v1/problems" => None,
            path if !path.starts_with("/v1/") => None,
            _ if matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS) => {
                Some(&self.0.reads)
            }
            _ => Some(&self.0.writes),
        }
    }

    fn log(&self, lane: &str) {
        self.0.unlogged.fetch_add(1, Ordering::Relaxed);
        if self.0.reports.permits() {
            tracing::warn!(
                "{} requests were refused because too many were waiting, the last of them among the {lane}; if that \
                 goes on, start another process, or give this one more connections (HOLDFAST_DATABASE_CONNECTIONS)",
                self.0.unlogged.swap(0, Ordering::Relaxed)
            );
        }
    }
}

impl Lane {
    fn new(name: &'static str, places: usize) -> Self {
        let for_buyers = places - (places / KEPT_OF).max(1);
        Self {
            name,
            places: Arc::new(Semaphore::new(places)),
            for_buyers: Arc::new(Semaphore::new(for_buyers)),
            buyers_queued: AtomicUsize::new(0),
            staff_queued: AtomicUsize::new(0),
            width: for_buyers,
            mean_micros: Arc::default(),
        }
    }

    /// How many requests can wait without waiting too long.
    fn queue_max(&self) -> usize {
        let wait = u64::try_from(EXPECTED_WAIT_MAX.as_micros()).unwrap_or(u64::MAX);
        let turns = wait / self.mean_micros.load(Ordering::Relaxed).max(1);
        usize::try_from(turns).unwrap_or(usize::MAX).saturating_mul(self.width).max(QUEUED_MIN)
    }

    async fn enter(&self, is_staff: bool) -> Option<Place> {
        if let Some(place) = self.enter_at_once(is_staff) {
            return Some(place);
        }
        let queued = if is_staff { &self.staff_queued } else { &self.buyers_queued };
        let _queued = Queued::enter(queued, self.queue_max())?;
        let entering = async {
            let for_buyers =
                if is_staff { None } else { Some(Arc::clone(&self.for_buyers).acquire_owned().await.ok()?) };
            let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
            Some(self.place(place, for_buyers))
        };
        timeout(WAIT_MAX, entering).await.ok().flatten()
    }

    fn enter_at_once(&self, is_staff: bool) -> Option<Place> {
        let for_buyers =
            if is_staff { None } else { Some(Arc::clone(&self.for_buyers).try_acquire_owned().ok()?) };
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(self.place(place, for_buyers))
    }

    fn place(&self, place: OwnedSemaphorePermit, for_buyers: Option<OwnedSemaphorePermit>) -> Place {
        Place {
            since: Instant::now(),
            mean_micros: Arc::clone(&self.mean_micros),
            _permit: place,
            _for_buyers: for_buyers,
        }
    }
}

/// One that waits, until it is dropped: its caller may leave at any time.
struct Queued<'a>(&'a AtomicUsize);

impl<'a> Queued<'a> {
    fn enter(queued: &'a AtomicUsize, max: usize) -> Option<Self> {
        let entered = Self(queued);
        (queued.fetch_add(1, Ordering::Relaxed) < max).then_some(entered)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes every place that `is_staff` can have.
    fn fill(lane: &Lane, is_staff: bool) -> Vec<Place> {
        std::iter::from_fn(|| lane.enter_at_once(is_staff)).collect()
    }

    #[test]
    fn f24_a_crowd_leaves_room_for_those_who_run_the_shop() {
        let lane = Lane::new("reads", 12);
        let crowd = fill(&lane, false);
        assert_eq!(crowd.len(), 10);
        let staff = fill(&lane, true);
        assert_eq!(staff.len(), 2);
        drop(crowd);
        assert_eq!(fill(&lane, true).len(), 10, "and staff may have all of it");
        let narrow = Lane::new("reads", 2);
        assert_eq!((fill(&narrow, false).len(), fill(&narrow, true).len()), (1, 1));
    }

    #[tokio::test]
    async fn f24_who_finds_the_queue_full_is_refused_at_once() {
        let lane = Arc::new(Lane::new("writes", 2));
        let places = fill(&lane, false);
        // One place for buyers, and 25 ms for each request: 20 of them in the time that one may wait.
        lane.mean_micros.store(25_000, Ordering::Relaxed);
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                let lane = Arc::clone(&lane);
                tokio::spawn(async move { lane.enter(false).await.is_some() })
            })
            .collect();
        tokio::task::yield_now().await;
        let since = Instant::now();
        assert!(lane.enter(false).await.is_none());
        assert!(since.elapsed() < WAIT_MAX / 4, "{:?}", since.elapsed());
        assert!(lane.enter(true).await.is_some(), "the queue of the staff is another one");
        drop(places);
        let mut entered = 0;
        for request in waiting {
            entered += usize::from(request.await.expect("ends"));
        }
        assert_eq!((entered, lane.buyers_queued.load(Ordering::Relaxed)), (20, 0));
        assert!(lane.queue_max() > 20, "and is longer for requests that take no time");
    }

    #[tokio::test]
    async fn f24_who_waits_too_long_is_refused_and_who_leaves_waits_no_more() {
        let lane = Lane::new("writes", 2);
        let _places = fill(&lane, false);
        assert!(lane.enter(false).await.is_none());
        {
            let leaving = lane.enter(false);
            tokio::pin!(leaving);
            assert!(timeout(Duration::from_millis(5), &mut leaving).await.is_err());
            assert_eq!(lane.buyers_queued.load(Ordering::Relaxed), 1);
        }
        assert_eq!(lane.buyers_queued.load(Ordering::Relaxed), 0);
    }
}
