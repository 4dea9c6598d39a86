//! A consumer group over a stream for every queue.
//!
//! A hint is an entry `saga 1042.0`. Its reader leases it until the executor has it; then the entry is acknowledged
//! and deleted, so an idle stream is empty. When a reader dies, another one reads its hints again. A hint carries
//! nothing but the id of a saga, so reading it twice does no harm.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_saga::ports::Hint;
use holdfast_shared::{Queue, SagaId};
use holdfast_telemetry::HintCounters;
use redis::aio::MultiplexedConnection;
use redis::streams::StreamInfoConsumersReply;
use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind, Value, from_redis_value};
use tokio::sync::mpsc;

use super::backoff::Backoff;
use crate::incident::Incident;
use crate::queue::delivery::{self, ConsumerContext, Delivery, QueueBackend, Receipt};
use crate::queue::dependency_health::Poll;
use crate::redis::{Redis, millis, refusal};

/// All workers of a queue are one group: each hint goes to one of them.
const GROUP: &str = "workers";
/// The field of an entry that names the saga.
const FIELD: &str = "saga";
/// About how many hints a stream holds. Beyond that Redis drops the oldest, and the sweep finds their sagas.
const STREAM_MAX: usize = 65_536;
/// Hints in one read, and hints that were read and not passed on yet.
const PREFETCH: usize = 512;
/// How long a read waits for a hint: at least this often, an idle queue counts as answering.
const BLOCK: Duration = Duration::from_secs(2);
/// A read without an answer for this long has failed.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Readers that have been idle for this long, and lease nothing, are deleted from the group.
const FORGET_AFTER: Duration = Duration::from_hours(1);
/// How long the last acknowledgements may take when a worker stops.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

/// Sends hints. A stream is never full: it drops its oldest entries.
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

/// Serves one queue until `context.stop`.
pub(super) async fn serve(redis: Arc<Redis>, queue: Queue, context: ConsumerContext, poll: Poll) {
    let (hints, delivered) = mpsc::channel(PREFETCH);
    let (acknowledged, acknowledgements) = mpsc::unbounded_channel();
    let key = stream(&redis, queue);
    let reader = Reader {
        redis: Arc::clone(&redis),
        key: key.clone(),
        name: context.worker.clone(),
        lease: context.lease,
        hints,
        acknowledged,
        counters: context.metrics.hints(queue),
        poll,
        last_takeover: None,
    };
    let reading = tokio::spawn(reader.run());
    let mut acknowledging = tokio::spawn(acknowledge(redis, key, acknowledgements));
    delivery::serve(QueueBackend { queue, hints: delivered }, context).await;
    // The reader's channel is closed; its last receipts were acknowledged or dropped.
    let _ = reading.await;
    if tokio::time::timeout(FLUSH_WITHIN, &mut acknowledging).await.is_err() {
        // Redis does not answer. Whatever was not acknowledged is read again, and does no harm.
        acknowledging.abort();
    }
}

/// The id of a stream entry: milliseconds and a counter.
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

/// Entries as Redis returns them: an id, and its fields and values in turn; no fields if the entry was deleted.
type Entries = Vec<(Vec<u8>, Option<Vec<Vec<u8>>>)>;

/// Reads one stream. Neither a malformed entry nor a failing Redis ends it.
struct Reader {
    redis: Arc<Redis>,
    key: String,
    /// The consumer's name in the group.
    name: String,
    lease: Duration,
    hints: mpsc::Sender<Delivery>,
    acknowledged: mpsc::UnboundedSender<EntryId>,
    counters: HintCounters,
    poll: Poll,
    /// When it last looked for hints of dead readers.
    last_takeover: Option<Instant>,
}

impl Reader {
    /// Runs until the receiver of its hints is dropped.
    async fn run(mut self) {
        let hints = self.hints.clone();
        tokio::select! {
            () = hints.closed() => {}
            () = self.read_for_ever() => {}
        }
    }

    async fn read_for_ever(&mut self) {
        let mut backoff = Backoff::new();
        let mut incident = Incident::of_silence();
        loop {
            let error = match self.connect().await {
                Ok(mut connection) => self.read(&mut connection, &mut incident, &mut backoff).await,
                Err(error) => error,
            };
            // The stream was deleted, perhaps with everything in Redis: create it again at once.
            if is_gone(&error) {
                tracing::warn!("queue {} was deleted in Redis; orders go on by the sweep", self.key);
                continue;
            }
            let refusal = refusal(&error);
            if let Some(why) = &refusal {
                self.poll.refused(why);
            }
            if incident.is_news(refusal.as_deref()) {
                tracing::warn!(
                    "queue {} in Redis at {} cannot be read: {}; orders go on by the sweep",
                    self.key,
                    self.redis,
                    refusal.unwrap_or_else(|| error.to_string())
                );
            } else {
                tracing::debug!(
                    "queue {} in Redis at {} still cannot be read: {error}",
                    self.key,
                    self.redis
                );
            }
            tokio::time::sleep(backoff.next()).await;
        }
    }

    /// Opens a connection of its own, because reads block it, and creates the group.
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

    /// Reads until a read fails, and returns the error. What went wrong before is over with the first read that does not.
    async fn read(
        &mut self,
        connection: &mut MultiplexedConnection,
        incident: &mut Incident,
        backoff: &mut Backoff,
    ) -> RedisError {
        loop {
            if let Err(error) = self.read_once(connection).await {
                return error;
            }
            self.poll.answered();
            if incident.lasts() {
                tracing::info!("queue {} in Redis at {} is being read", self.key, self.redis);
                incident.ended();
                *backoff = Backoff::new();
            }
        }
    }

    async fn read_once(&mut self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        // While there is no room, other readers take the hints.
        if let Ok(room) = self.hints.reserve().await {
            drop(room);
        }
        let room = self.hints.capacity().clamp(1, PREFETCH);
        if self.last_takeover.is_none_or(|at| at.elapsed() >= self.lease / 3) {
            let abandoned = self.take_over(connection, room).await?;
            if abandoned > 0 {
                self.counters.redelivered(abandoned);
                return Ok(());
            }
            self.forget(connection).await?;
            self.last_takeover = Some(Instant::now());
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

    /// Takes over hints whose lease has expired; returns how many.
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

    /// Deletes readers that are gone, so that the group does not grow with every deploy.
    async fn forget(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let known: StreamInfoConsumersReply =
            redis::cmd("XINFO").arg(&["CONSUMERS", &self.key, GROUP]).query_async(connection).await?;
        let is_gone = |idle: usize, pending: usize| pending == 0 && idle as u128 > FORGET_AFTER.as_millis();
        for reader in known.consumers.iter().filter(|reader| is_gone(reader.idle, reader.pending)) {
            let lost = redis::cmd("XGROUP")
                .arg(&["DELCONSUMER", &self.key, GROUP, &reader.name])
                .query_async::<u64>(connection)
                .await?;
            tracing::debug!(
                "deleted reader {} of queue {}, which leased {lost} hints",
                reader.name,
                self.key
            );
        }
        Ok(())
    }

    async fn pass_on(&self, entries: Entries) {
        for (id, fields) in entries {
            let Some(entry) = EntryId::parse(&id) else { continue };
            let acknowledged = self.acknowledged.clone();
            // If the acknowledging task is gone, the hint is read again after its lease, and does no harm.
            let receipt = Receipt::new(move || {
                let _ = acknowledged.send(entry);
            });
            let Some(saga) = fields.as_deref().and_then(saga) else {
                tracing::warn!("entry {entry} of queue {} names no saga; it is deleted", self.key);
                self.counters.malformed(1);
                receipt.acknowledge();
                continue;
            };
            // The worker is stopping: another one reads the hint again after its lease.
            let _ = self.hints.send(Delivery { saga, receipt: Some(receipt) }).await;
        }
    }
}

/// Deletes what was acknowledged, many entries at once. Ends when the last receipt is gone.
async fn acknowledge(redis: Arc<Redis>, key: String, mut acknowledged: mpsc::UnboundedReceiver<EntryId>) {
    let mut backoff = Backoff::new();
    let mut connection = None;
    let mut done = Vec::with_capacity(PREFETCH);
    while !done.is_empty() || acknowledged.recv_many(&mut done, PREFETCH).await > 0 {
        if delete(&redis, &key, &mut connection, &done).await.is_ok() {
            done.clear();
            backoff = Backoff::new();
        } else {
            // The reader logs what is wrong; these hints stay leased until then.
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

/// The saga that an entry names.
fn saga(fields: &[Vec<u8>]) -> Option<SagaId> {
    let pair = fields.chunks_exact(2).find(|pair| pair[0] == FIELD.as_bytes())?;
    std::str::from_utf8(&pair[1]).ok()?.parse().ok()
}

fn stream(redis: &Redis, queue: Queue) -> String {
    redis.key(queue, "hints")
}

/// Whether the stream or its group is missing: flushed, evicted, or lost in a failover.
fn is_gone(error: &RedisError) -> bool {
    let gone = ["NOGROUP", "UNBLOCKED"];
    error.code().is_some_and(|code| gone.contains(&code))
        || matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ResponseError))
            && gone.iter().any(|code| error.to_string().contains(code))
}
