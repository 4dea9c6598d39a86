//! A consumer group over a stream for every queue.
//!
//! A hint is an entry `saga 1042.0`. Whoever reads it holds it under a lease until it was passed on to an executor;
//! then it is acknowledged and deleted, so a stream at rest is empty. A hint whose reader died is read again by somebody else.
//! A saga's id is all it carries, so reading one twice does no harm.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_saga::ports::Hint;
use holdfast_shared::{Queue, SagaId};
use redis::aio::MultiplexedConnection;
use redis::streams::StreamInfoConsumersReply;
use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind, Value, from_redis_value};
use tokio::sync::mpsc;

use super::{Backoff, Redis, millis};
use crate::metrics::Jobs;
use crate::queue::dependency_health::Poll;
use crate::queue::{self, ConsumerContext, Delivery, QueueBackend};

/// All workers of a queue are one group: each hint is for one of them.
const GROUP: &str = "workers";
/// The field of an entry that names the saga.
const FIELD: &str = "saga";
/// Hints a stream may hold, roughly: beyond that the oldest go, and the sweep finds their sagas.
const STREAM_MAX: usize = 65_536;
/// Hints read at once, and hints read and not yet passed on.
const PREFETCH: usize = 512;
/// How long a read waits for a hint: so often, at least, does a worker show that it is not deaf.
const BLOCK: Duration = Duration::from_secs(2);
/// A read that was not answered by now never will be.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Readers that were not heard of for this long, and hold nothing, are forgotten.
const FORGET_AFTER: Duration = Duration::from_hours(1);
/// How long the last acknowledgements may take when a worker stops.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

/// Sends hints. There is always room: old ones make it.
pub(super) async fn send(
    connection: &mut MultiplexedConnection,
    redis: &Redis,
    hints: &[Hint],
) -> RedisResult<Vec<(Queue, usize)>> {
    let mut pipe = redis::pipe();
    for queue in hints.chunk_by(|one, next| one.queue == next.queue) {
        let key = stream(redis, queue[0].queue);
        for hint in queue {
            pipe.cmd("XADD").arg(&key).arg("MAXLEN").arg("~").arg(STREAM_MAX).arg("*").arg(FIELD);
            pipe.arg(hint.saga.to_string()).ignore();
        }
    }
    pipe.query_async::<()>(connection).await?;
    Ok(Vec::new())
}

/// Serves one queue until the place's `stop`.
pub(super) async fn serve(redis: Arc<Redis>, queue: Queue, place: ConsumerContext, poll: Poll) {
    let (hints, delivered) = mpsc::channel(PREFETCH);
    let (receipts, signed) = mpsc::unbounded_channel();
    let key = stream(&redis, queue);
    let reader = Reader {
        redis: Arc::clone(&redis),
        key: key.clone(),
        name: place.worker.clone(),
        lease: place.lease,
        hints,
        receipts,
        jobs: place.metrics.jobs(queue),
        poll,
        looked_at: None,
    };
    let reading = tokio::spawn(reader.run());
    let mut acknowledging = tokio::spawn(acknowledge(redis, key, signed));
    queue::serve(QueueBackend { queue, hints: delivered }, place).await;
    // The reader's channel is closed now; its last receipts are signed or gone.
    let _ = reading.await;
    if tokio::time::timeout(FLUSH_WITHIN, &mut acknowledging).await.is_err() {
        // Redis does not answer: what was not acknowledged is read again, and does no harm.
        acknowledging.abort();
    }
}

/// Tells the queue that a hint was passed on.
#[derive(Debug)]
pub(crate) struct Receipt {
    entry: EntryId,
    signed: mpsc::UnboundedSender<EntryId>,
}

impl Receipt {
    pub(crate) fn sign(self) {
        // Nobody left to hear it: the hint is read again after its lease, and does no harm.
        let _ = self.signed.send(self.entry);
    }
}

/// An entry of a stream, as Redis names it: milliseconds and a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct EntryId(u64, u64);

impl EntryId {
    fn parse(text: &[u8]) -> Option<Self> {
        let (millis, counter) = std::str::from_utf8(text).ok()?.split_once('-')?;
        Some(Self(millis.parse().ok()?, counter.parse().ok()?))
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

/// Entries as Redis gives them: an id, and fields in turn with their values; none if the entry was deleted.
type Entries = Vec<(Vec<u8>, Option<Vec<Vec<u8>>>)>;

/// Reads one stream. It never dies of what it reads, nor of Redis.
struct Reader {
    redis: Arc<Redis>,
    key: String,
    /// As the group knows it.
    name: String,
    lease: Duration,
    hints: mpsc::Sender<Delivery>,
    receipts: mpsc::UnboundedSender<EntryId>,
    jobs: Jobs,
    poll: Poll,
    /// When it last looked for hints whose readers are gone.
    looked_at: Option<Instant>,
}

impl Reader {
    /// Runs until nobody takes its hints any more.
    async fn run(mut self) {
        let hints = self.hints.clone();
        tokio::select! {
            () = hints.closed() => {}
            () = self.read_for_ever() => {}
        }
    }

    async fn read_for_ever(&mut self) {
        let mut backoff = Backoff::new();
        // Whoever started us has been told what is wrong with a Redis that never answered yet.
        let mut is_silent = true;
        loop {
            let error = match self.connect().await {
                Ok(mut connection) => {
                    if is_silent {
                        tracing::info!("queue {} in Redis at {} is read", self.key, self.redis);
                    }
                    is_silent = false;
                    backoff = Backoff::new();
                    self.read(&mut connection).await
                }
                Err(error) => error,
            };
            // The stream is gone, with all of Redis' memory perhaps: it is made anew, at once.
            if is_gone(&error) {
                tracing::warn!("queue {} was emptied behind our back; orders go on by the sweep", self.key);
                continue;
            }
            if is_silent {
                tracing::debug!(
                    "queue {} in Redis at {} still cannot be read: {error}",
                    self.key,
                    self.redis
                );
            } else {
                tracing::warn!(
                    "queue {} in Redis at {} cannot be read ({error}); orders go on by the sweep",
                    self.key,
                    self.redis
                );
            }
            is_silent = true;
            tokio::time::sleep(backoff.next()).await;
        }
    }

    /// A connection of its own, because reads wait on it, with a group to read as.
    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let mut connection = self.redis.connect(ANSWER_WITHIN).await?;
        let created = redis::cmd("XGROUP")
            .arg(&["CREATE", &self.key, GROUP, "0", "MKSTREAM"])
            .query_async::<()>(&mut connection)
            .await;
        match created {
            Err(error) if error.code() != Some("BUSYGROUP") => Err(error),
            Ok(()) | Err(_) => Ok(connection),
        }
    }

    /// Reads until that fails, and returns why.
    async fn read(&mut self, connection: &mut MultiplexedConnection) -> RedisError {
        loop {
            match self.read_once(connection).await {
                Ok(()) => self.poll.answered(),
                Err(error) => return error,
            }
        }
    }

    async fn read_once(&mut self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        // Whoever cannot pass on a hint leaves it to others.
        if let Ok(room) = self.hints.reserve().await {
            drop(room);
        }
        let room = self.hints.capacity().clamp(1, PREFETCH);
        if self.looked_at.is_none_or(|at| at.elapsed() >= self.lease / 3) {
            let abandoned = self.take_over(connection, room).await?;
            if abandoned > 0 {
                self.jobs.redelivered(abandoned);
                return Ok(());
            }
            self.forget(connection).await?;
            self.looked_at = Some(Instant::now());
        }
        let read: Option<Vec<(Value, Entries)>> = redis::cmd("XREADGROUP")
            .arg(&["GROUP", GROUP, &self.name, "COUNT"])
            .arg(room)
            .arg("BLOCK")
            .arg(millis(BLOCK))
            .arg(&["STREAMS", &self.key, ">"])
            .query_async(connection)
            .await?;
        for (_, entries) in read.unwrap_or_default() {
            self.pass_on(entries).await;
        }
        Ok(())
    }

    /// Takes hints whose lease is over; returns how many.
    async fn take_over(&self, connection: &mut MultiplexedConnection, room: usize) -> RedisResult<usize> {
        let claimed: Vec<Value> = redis::cmd("XAUTOCLAIM")
            .arg(&[&self.key, GROUP, &self.name])
            .arg(millis(self.lease))
            .arg(&["0", "COUNT"])
            .arg(room)
            .query_async(connection)
            .await?;
        let entries: Entries = match claimed.into_iter().nth(1) {
            Some(entries) => from_redis_value(entries)?,
            None => Vec::new(),
        };
        let found = entries.len();
        self.pass_on(entries).await;
        Ok(found)
    }

    /// Forgets readers that are long gone, so that the group does not grow with every deploy.
    async fn forget(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let known: StreamInfoConsumersReply =
            redis::cmd("XINFO").arg(&["CONSUMERS", &self.key, GROUP]).query_async(connection).await?;
        let is_gone = |idle: usize, pending: usize| pending == 0 && idle as u128 > FORGET_AFTER.as_millis();
        for reader in known.consumers.iter().filter(|reader| is_gone(reader.idle, reader.pending)) {
            let forgetting = redis::cmd("XGROUP")
                .arg(&["DELCONSUMER", &self.key, GROUP, &reader.name])
                .query_async::<u64>(connection)
                .await?;
            tracing::debug!("forgot {} of queue {}, which held {forgetting}", reader.name, self.key);
        }
        Ok(())
    }

    async fn pass_on(&self, entries: Entries) {
        for (id, fields) in entries {
            let Some(entry) = EntryId::parse(&id) else { continue };
            let receipt = Receipt { entry, signed: self.receipts.clone() };
            let Some(saga) = fields.as_deref().and_then(saga) else {
                tracing::warn!("entry {entry} of queue {} names no saga and is thrown away", self.key);
                self.jobs.poisoned(1);
                receipt.sign();
                continue;
            };
            // Nobody takes hints any more: others read it again after its lease.
            let _ = self.hints.send(Delivery { saga, receipt: Some(receipt) }).await;
        }
    }
}

/// Deletes what was passed on, many at once. Ends with the last one who could sign a receipt.
async fn acknowledge(redis: Arc<Redis>, key: String, mut signed: mpsc::UnboundedReceiver<EntryId>) {
    let mut backoff = Backoff::new();
    let mut connection = None;
    let mut done = Vec::with_capacity(PREFETCH);
    while !done.is_empty() || signed.recv_many(&mut done, PREFETCH).await > 0 {
        if delete(&redis, &key, &mut connection, &done).await.is_ok() {
            done.clear();
            backoff = Backoff::new();
        } else {
            // The reader says what is wrong; these hints stay its own until their lease is over.
            connection = None;
            tokio::time::sleep(backoff.next()).await;
        }
    }
}

async fn delete(
    redis: &Redis,
    key: &str,
    connection: &mut Option<MultiplexedConnection>,
    entries: &[EntryId],
) -> RedisResult<()> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(redis.connect(ANSWER_WITHIN).await?),
    };
    let ids: Vec<String> = entries.iter().map(ToString::to_string).collect();
    let mut pipe = redis::pipe();
    pipe.cmd("XACK").arg(key).arg(GROUP).arg(&ids).ignore();
    pipe.cmd("XDEL").arg(key).arg(&ids).ignore();
    pipe.query_async(connection).await
}

/// Which saga an entry names.
fn saga(fields: &[Vec<u8>]) -> Option<SagaId> {
    let pair = fields.chunks_exact(2).find(|pair| pair[0] == FIELD.as_bytes())?;
    std::str::from_utf8(&pair[1]).ok()?.parse().ok()
}

fn stream(redis: &Redis, queue: Queue) -> String {
    redis.key(queue, "hints")
}

/// Whether the stream or its group is not there: flushed, evicted, or lost with a failover.
fn is_gone(error: &RedisError) -> bool {
    let gone = ["NOGROUP", "UNBLOCKED"];
    error.code().is_some_and(|code| gone.contains(&code))
        || matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ResponseError))
            && gone.iter().any(|code| error.to_string().contains(code))
}
