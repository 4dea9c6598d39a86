//! The stock storage of `apalis-redis`, with guards around its known faults.
//!
//! As shipped, three things stop it for ever: 8,000 due tasks, a payload that it cannot decode, and a Redis that takes
//! half a second. It also has its own retry rules, and keeps finished tasks. So hints go straight to its active list,
//! up to a bound; we decode the payloads, and the handler never fails; its worker is restarted under a new name when
//! it dies; finished tasks are purged. Attempts, delays and dead letters stay in the database.

use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll as Polled};
use std::time::{Duration, Instant};

use apalis::layers::WorkerBuilderExt;
use apalis::prelude::{Backend, BackendExt, BoxDynError, Data, WorkerBuilder, WorkerContext};
use apalis_core::backend::BackendConfig;
use apalis_core::backend::finalize::Ephemeral;
use apalis_redis::{Config, RedisStorage, RedisTask};
use holdfast_saga::ports::Hint;
use holdfast_shared::{Queue, SagaId};
use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult, Script};
use uuid::Uuid;

use super::backoff::Backoff;
use crate::incident::Incident;
use crate::queue::delivery::{ConsumerContext, HANDLERS, Intake};
use crate::queue::dependency_health::Poll;
use crate::redis::{Redis, refusal};

/// Hints in one queue. Twice as many would stop the storage for ever.
const WAITING_MAX: usize = 4_000;
/// Tasks in one fetch. With more than the handlers take at once, heartbeats would wait for handlers.
const FETCHED: usize = HANDLERS;
/// The storage does not notify its reader, so it is polled.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Whole seconds: the storage truncates.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// A worker whose last heartbeat is older does not serve.
const SILENT_AFTER: Duration = Duration::from_secs(10);
/// How often finished tasks are purged.
const PURGE_EVERY: Duration = Duration::from_secs(1);
/// Finished tasks in one purge.
const PURGE_MAX: usize = 1_000;
/// A Redis that takes longer ends the worker; another one follows.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// A worker that ran for this long did not fail because of its start, so the backoff starts anew.
const STEADY_AFTER: Duration = Duration::from_secs(30);

/// Pushes to the active list. The stock push uses a list of scheduled tasks, whose promotion fails for ever once
/// there are 8,000.
static PUSH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local room = tonumber(ARGV[1]) - redis.call('LLEN', KEYS[2])
        local left = 0
        for i = 2, #ARGV, 2 do
            if room > 0 then
                redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
                redis.call('HSET', KEYS[3] .. ':' .. ARGV[i], 'attempts', 0, 'max_attempts', 1,
                    'status', 'Pending', 'idempotency_key', '')
                redis.call('RPUSH', KEYS[2], ARGV[i])
                room = room - 1
            else
                left = left + 1
            end
        end
        return left",
    )
});

/// Deletes everything of a finished task: its payload, its result and its id.
static PURGE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local purged = 0
        for set = 1, 2 do
            local ids = redis.call('SPOP', KEYS[set], ARGV[1])
            if #ids > 0 then
                redis.call('HDEL', KEYS[3], unpack(ids))
                for _, id in ipairs(ids) do redis.call('DEL', KEYS[4] .. ':' .. id) end
                purged = purged + #ids
            end
        end
        return purged",
    )
});

/// Sends hints. Returns the queues that were full, and how many hints each of them refused.
pub(super) async fn send(
    connection: &mut MultiplexedConnection,
    redis: &Redis,
    hints: &[Hint],
) -> RedisResult<Vec<(Queue, usize)>> {
    let mut full = Vec::new();
    for queue in hints.chunk_by(|one, next| one.queue == next.queue) {
        let config = keys(redis, queue[0].queue);
        let mut push = PUSH.prepare_invoke();
        push.key(config.job_data_hash()).key(config.active_jobs_list()).key(config.job_meta_hash());
        push.arg(WAITING_MAX);
        for hint in queue {
            // Each task has a new id. The saga's own would be refused while its last task is in Redis.
            push.arg(format!("h-{}", Uuid::now_v7().simple())).arg(hint.saga.to_string());
        }
        let left = push.invoke_async::<usize>(connection).await?;
        if left > 0 {
            full.push((queue[0].queue, left));
        }
    }
    Ok(full)
}

/// Serves one queue until `context.stop`, with one worker after another.
pub(super) async fn serve(redis: Arc<Redis>, queue: Queue, context: ConsumerContext, poll: Poll) {
    let mut backoff = Backoff::new();
    let mut runs = 0u64;
    let mut incident = Incident::default();
    while !*context.stop.borrow() {
        runs += 1;
        let started = Instant::now();
        // A new name each time: a name that is still registered cannot register again.
        let name = format!("{}-{runs}", context.worker);
        let ended = run(&redis, queue, &name, &context, &poll).await;
        if started.elapsed() > STEADY_AFTER {
            incident.ended();
        }
        if let Err(error) = ended {
            let refusal = error.downcast_ref::<RedisError>().and_then(refusal);
            if let Some(why) = &refusal {
                poll.refused(why);
            }
            if incident.is_news(refusal.as_deref()) {
                tracing::warn!(
                    "the worker of queue {queue} in Redis at {redis} ended: {error}; it is restarted until it lasts"
                );
            } else {
                tracing::debug!("the worker of queue {queue} in Redis at {redis} ended again: {error}");
            }
        }
        if started.elapsed() > STEADY_AFTER {
            backoff = Backoff::new();
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.next()) => {}
            _ = context.stopped() => {}
        }
    }
}

/// Runs one worker until it ends.
async fn run(
    redis: &Redis,
    queue: Queue,
    name: &str,
    context: &ConsumerContext,
    poll: &Poll,
) -> Result<(), BoxDynError> {
    let connection = redis.connect(ANSWER_WITHIN).await?;
    let config = config(redis, queue, context.lease);
    let storage = RedisStorage::new(connection.clone()).with_config(config.clone());
    let stopping = context.clone();
    let worker = WorkerBuilder::new(name)
        .backend(Raw(storage).poll_with_interval(LOOK_EVERY))
        .data(context.intake(queue))
        .concurrency(HANDLERS)
        .build(pass_on)
        .run_until(async move { stopping.stopped().await });
    tokio::select! {
        ended = worker => Ok(ended?),
        failed = purge(connection, &config, name, poll) => Err(failed.into()),
    }
}

/// Purges finished tasks, and checks the worker's heartbeat. Returns the error that ends it.
async fn purge(
    mut connection: MultiplexedConnection,
    config: &Config,
    name: &str,
    poll: &Poll,
) -> redis::RedisError {
    // The storage writes what this machine's clock says, which may be set: what counts is that it changes.
    let mut last = (None, Instant::now());
    loop {
        tokio::time::sleep(PURGE_EVERY).await;
        let purging = async {
            let mut purge = PURGE.prepare_invoke();
            purge.key(config.done_jobs_set()).key(config.dead_jobs_set());
            purge.key(config.job_data_hash()).key(config.job_meta_hash()).arg(PURGE_MAX);
            while purge.invoke_async::<usize>(&mut connection).await? >= PURGE_MAX {}
            let seen: Option<f64> =
                redis::cmd("ZSCORE").arg(config.workers_set()).arg(name).query_async(&mut connection).await?;
            Ok(seen)
        };
        match purging.await {
            Ok(seen) => {
                let heartbeat = seen.map(f64::to_bits);
                if heartbeat != last.0 {
                    last = (heartbeat, Instant::now());
                }
                if seen.is_some() && last.1.elapsed() < SILENT_AFTER {
                    poll.answered();
                }
            }
            Err(error) => return error,
        }
    }
}

/// The storage without its decoder: a payload that it cannot decode would end its worker every time.
struct Raw(RedisStorage<Vec<u8>, MultiplexedConnection>);

impl Backend for Raw {
    type Task = RedisTask;
    type Error = apalis_redis::Error;

    fn poll_ready(
        &mut self,
        context: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Polled<Result<(), Self::Error>> {
        self.0.poll_ready(context, worker)
    }

    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Polled<Option<Result<RedisTask, Self::Error>>> {
        self.0.poll_next(context, worker)
    }

    fn poll_close(
        &mut self,
        context: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Polled<Result<(), Self::Error>> {
        self.0.poll_close(context, worker)
    }
}

impl BackendConfig for Raw {
    type Args = Vec<u8>;
    type Id = <RedisStorage<Vec<u8>, MultiplexedConnection> as BackendConfig>::Id;
    type Kind = Ephemeral;
    type Config = Config;
    type Layer = <RedisStorage<Vec<u8>, MultiplexedConnection> as BackendConfig>::Layer;

    fn config(&self) -> &Config {
        self.0.config()
    }

    fn middleware(&mut self, worker: &mut WorkerContext) -> Self::Layer {
        self.0.middleware(worker)
    }
}

/// Always `Ok`, so that the storage never retries by its own rules.
async fn pass_on(payload: Vec<u8>, intake: Data<Intake>) -> Result<(), BoxDynError> {
    if let Some(saga) = std::str::from_utf8(&payload).ok().and_then(|saga| saga.parse::<SagaId>().ok()) {
        intake.take(saga).await;
    } else {
        tracing::warn!("a task names no saga; it is deleted");
        intake.malformed();
    }
    Ok(())
}

/// The keys under which the storage keeps a queue.
fn keys(redis: &Redis, queue: Queue) -> Config {
    Config::default().queue(redis.key(queue, "stock"))
}

fn config(redis: &Redis, queue: Queue, lease: Duration) -> Config {
    keys(redis, queue)
        .batch_size(FETCHED)
        // Locking would scan all waiting tasks for every task.
        .lock_tasks(false)
        // Without results, the storage never acknowledges a task.
        .persist_results(true)
        .emit_events(false)
        .heartbeat_interval(HEARTBEAT)
        .missed_heartbeats(usize::try_from(lease.as_secs()).unwrap_or(usize::MAX).max(2))
}
