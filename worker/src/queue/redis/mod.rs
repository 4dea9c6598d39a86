//! The queues in Redis, shared by all processes.
//!
//! Redis holds hints and nothing else, so its loss costs a moment. Nothing is left of a hint that was
//! taken, and no more than a bound of those that nobody takes.

mod dispatch;
mod server;
mod stock;
mod streams;

use std::sync::Arc;
use std::time::Duration;

use ::redis::RedisResult;
use ::redis::aio::MultiplexedConnection;
use holdfast_saga::ports::Hint;
use holdfast_shared::Queue;
use tokio::task::JoinHandle;

pub use self::dispatch::RedisDispatch;
pub use self::server::{BadRedisUrl, Redis, RedisDown};
pub(super) use self::streams::Receipt;
use super::ConsumerContext;
use super::dependency_health::Poll;

/// Waits between two tries to reach Redis.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// How hints are kept in Redis. Whoever sends and whoever takes must agree on it.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    strum::Display,
    strum::EnumString,
    strum::EnumIter,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "kebab-case")]
pub enum RedisBackend {
    /// A consumer group over a stream: a lease for every hint, nothing left after the ack.
    #[default]
    Streams,
    /// The stock storage of `apalis-redis`, inside circuit_breaker rails.
    ApalisRedis,
}

impl RedisBackend {
    /// Serves the queue of one pool until the place's `stop`, whatever becomes of Redis meanwhile.
    pub(super) fn serve(
        self,
        redis: &Arc<Redis>,
        queue: Queue,
        place: &ConsumerContext,
        poll: Poll,
    ) -> JoinHandle<()> {
        match self {
            Self::Streams => tokio::spawn(streams::serve(Arc::clone(redis), queue, place.clone(), poll)),
            Self::ApalisRedis => tokio::spawn(stock::serve(Arc::clone(redis), queue, place.clone(), poll)),
        }
    }

    /// Sends hints; returns the queues that had no room, and for how many of them.
    async fn send(
        self,
        connection: &mut MultiplexedConnection,
        redis: &Redis,
        hints: &[Hint],
    ) -> RedisResult<Vec<(Queue, usize)>> {
        match self {
            Self::Streams => streams::send(connection, redis, hints).await,
            Self::ApalisRedis => stock::send(connection, redis, hints).await,
        }
    }
}

/// Grows with every failure in a row, up to a bound.
#[derive(Debug)]
struct Backoff(Duration);

impl Backoff {
    const fn new() -> Self {
        Self(BACKOFF.0)
    }

    /// How long to wait now.
    fn next(&mut self) -> Duration {
        let now = self.0;
        self.0 = (now * 2).min(BACKOFF.1);
        now
    }
}

/// As Redis takes a time.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
