//! The state that the replicas share in Redis. While Redis is slow or down, each replica decides alone, at once,
//! and shares again by itself later.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Script, ScriptInvocation};
use tokio::time::timeout;

use crate::redis::{Redis, millis};

/// The longest wait of all; the connection itself times out after it.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// How long to wait for an answer of Redis.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    /// A call that could be sent now waits for it.
    Short,
    /// No call waits for it, or one that has waited for seconds.
    Long,
}

impl Patience {
    const fn duration(self) -> Duration {
        match self {
            // Longer than a busy process takes to hear of an answer: who decides alone doubles the rate.
            Self::Short => Duration::from_millis(25),
            Self::Long => Duration::from_millis(250),
        }
    }
}

/// One value and two rates of a provider, in Redis.
#[derive(Debug)]
pub(crate) struct Shared {
    redis: Arc<Redis>,
    provider: String,
    swap: Script,
    take: Script,
    /// `None` while Redis does not answer, so that no caller waits.
    connection: Mutex<Option<MultiplexedConnection>>,
}

/// The state in Redis, and the time by its clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) text: String,
    pub(crate) now: i64,
}

impl Shared {
    pub(crate) fn new(redis: Arc<Redis>, provider: &str) -> Self {
        Self {
            redis,
            provider: provider.to_owned(),
            swap: Script::new(include_str!("swap.lua")),
            take: Script::new(include_str!("take.lua")),
            connection: Mutex::new(None),
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connection().is_some()
    }
    pub(crate) async fn connect(&self) -> RedisResult<()> {
        let connection = self.redis.connect(ANSWER_WITHIN).await?;
        *self.lock() = Some(connection);
        Ok(())
    }

    /// The shared state. `None`: Redis does not answer.
    pub(crate) async fn read(&self) -> Option<Found> {
        // A swap that never matches only reads.
        self.swap("-", "-", Duration::ZERO, Patience::Long).await.map(|(_, found)| found)
    }

    /// Replaces the state, if it is `from`. Returns whether it did, and the state afterwards.
    pub(crate) async fn swap(
        &self,
        from: &str,
        to: &str,
        keep: Duration,
        patience: Patience,
    ) -> Option<(bool, Found)> {
        let mut invocation = self.swap.key(self.redis.provider_key(&self.provider, "breaker"));
        invocation.arg(from).arg(to).arg(millis(keep));
        let (swapped, text, now): (bool, String, i64) = self.invoke(&invocation, patience).await?;
        Some((swapped, Found { text, now }))
    }

    /// Takes one of `burst` tokens, one of which comes back `every` so often; or says how long until there is one.
    pub(crate) async fn take(&self, rate: &str, every: Duration, burst: u32) -> Option<Result<(), Duration>> {
        let mut invocation = self.take.key(self.redis.provider_key(&self.provider, rate));
        invocation.arg(micros(every)).arg(micros(every.saturating_mul(burst.saturating_sub(1))));
        let wait: u64 = self.invoke(&invocation, Patience::Short).await?;
        Some(if wait == 0 { Ok(()) } else { Err(Duration::from_micros(wait)) })
    }

    async fn invoke<T: redis::FromRedisValue>(
        &self,
        invocation: &ScriptInvocation<'_>,
        patience: Patience,
    ) -> Option<T> {
        let mut connection = self.connection()?;
        let answer = timeout(patience.duration(), invocation.invoke_async(&mut connection)).await;
        match answer {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => {
                tracing::debug!("a script failed in Redis: {error}");
                *self.lock() = None;
                None
            }
            Err(_) => {
                // The next caller does not wait for it again.
                *self.lock() = None;
                None
            }
        }
    }

    fn connection(&self) -> Option<MultiplexedConnection> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<MultiplexedConnection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
