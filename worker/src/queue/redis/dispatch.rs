//! Sending hints: after the commit, in batches, and without making the committer wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_saga::ports::{Dispatch, Hint};
use holdfast_shared::Queue;
use holdfast_telemetry::Metrics;
use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use tokio::sync::mpsc;

use super::backend::RedisBackend;
use super::backoff::Backoff;
use crate::incident::Incident;
use crate::redis::{Redis, refusal};

/// Hints that wait to be sent: what a busy process produces in a few hundred milliseconds. Older ones are useless.
const BUFFER: usize = 16_384;
/// Hints in one round trip.
const BATCH: usize = 512;
/// A Redis that takes longer counts as down: the sweep is faster.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Sends hints to all processes that share a Redis.
///
/// While Redis is slow or down, hints are dropped and counted. The next ones try it again.
#[derive(Debug, Clone)]
pub struct RedisDispatch {
    hints: mpsc::Sender<Hint>,
    metrics: Metrics,
}

impl Dispatch for RedisDispatch {
    fn wake(&self, hints: &[Hint]) {
        for hint in hints {
            if self.hints.try_send(*hint).is_err() {
                self.metrics.hints_dropped(hint.queue, 1);
            }
        }
    }
}

impl RedisDispatch {
    /// Starts the sending task. It needs a tokio runtime, and ends with the last clone.
    pub fn start(redis: Arc<Redis>, backend: RedisBackend, metrics: &Metrics) -> Self {
        let (hints, waiting) = mpsc::channel(BUFFER);
        let sender = Sender {
            redis,
            backend,
            metrics: metrics.clone(),
            connection: None,
            backoff: Backoff::new(),
            not_before: None,
            incident: Incident::default(),
        };
        tokio::spawn(sender.run(waiting));
        Self { hints, metrics: metrics.clone() }
    }
}

struct Sender {
    redis: Arc<Redis>,
    backend: RedisBackend,
    metrics: Metrics,
    connection: Option<MultiplexedConnection>,
    backoff: Backoff,
    /// Redis was down: no attempt before this time.
    not_before: Option<Instant>,
    incident: Incident,
}

impl Sender {
    async fn run(mut self, mut waiting: mpsc::Receiver<Hint>) {
        let mut batch = Vec::with_capacity(BATCH);
        while waiting.recv_many(&mut batch, BATCH).await > 0 {
            self.send(&mut batch).await;
            batch.clear();
        }
    }

    async fn send(&mut self, batch: &mut Vec<Hint>) {
        if self.not_before.is_some_and(|at| Instant::now() < at) {
            return self.dropped(batch);
        }
        batch.sort_unstable_by_key(|hint| (hint.queue, hint.saga));
        batch.dedup();
        match self.try_send(batch).await {
            Ok(no_room) => {
                self.not_before = None;
                if self.incident.lasts() {
                    self.incident.ended();
                    tracing::info!("Redis at {} accepts hints again", self.redis);
                }
                self.backoff = Backoff::new();
                for (queue, hints) in no_room {
                    self.metrics.hints_dropped(queue, hints);
                }
            }
            Err(error) => {
                let refusal = refusal(&error);
                if self.incident.is_news(refusal.as_deref()) {
                    tracing::warn!(
                        "Redis at {} does not accept hints: {}; orders go on by the sweep",
                        self.redis,
                        refusal.unwrap_or_else(|| error.to_string())
                    );
                }
                self.connection = None;
                self.not_before = Some(Instant::now() + self.backoff.next());
                self.dropped(batch);
            }
        }
    }

    async fn try_send(&mut self, batch: &[Hint]) -> RedisResult<Vec<(Queue, usize)>> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => self.connection.insert(self.redis.connect(ANSWER_WITHIN).await?),
        };
        self.backend.send(connection, &self.redis, batch).await
    }

    fn dropped(&self, hints: &[Hint]) {
        for queue in hints.chunk_by(|one, next| one.queue == next.queue) {
            self.metrics.hints_dropped(queue[0].queue, queue.len());
        }
    }
}
