//! The ways to store hints in Redis.

use std::sync::Arc;

use ::redis::RedisResult;
use ::redis::aio::MultiplexedConnection;
use holdfast_saga::ports::Hint;
use holdfast_shared::Queue;
use tokio::task::JoinHandle;

use super::{stock, streams};
use crate::queue::delivery::ConsumerContext;
use crate::queue::dependency_health::Poll;
use crate::redis::Redis;

/// How hints are stored in Redis. All processes of a shop must use the same one.
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
    /// A consumer group over a stream: every hint is leased, and deleted once it is acknowledged.
    #[default]
    Streams,
    /// The stock storage of `apalis-redis`, with guards around its known faults.
    ApalisRedis,
}

impl RedisBackend {
    /// Serves the queue of one pool until `context.stop`, even while Redis is down.
    pub(in crate::queue) fn serve(
        self,
        redis: &Arc<Redis>,
        queue: Queue,
        context: &ConsumerContext,
        poll: Poll,
    ) -> JoinHandle<()> {
        match self {
            Self::Streams => tokio::spawn(streams::serve(Arc::clone(redis), queue, context.clone(), poll)),
            Self::ApalisRedis => tokio::spawn(stock::serve(Arc::clone(redis), queue, context.clone(), poll)),
        }
    }

    /// Sends hints. Returns the queues that were full, and how many hints each of them refused.
    pub(super) async fn send(
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
