//! What the replicas share in Redis. It may be slow, or gone: then each decides alone, at once, and comes back
//! by itself.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult, Script, ScriptInvocation};
use tokio::time::timeout;

/// Longer than a Redis in the same data centre takes to accept a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// How long an answer of Redis is worth waiting for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    /// A call waits for it that could be sent now.
    Short,
    /// Nobody does, or a call that has waited for seconds.
    Long,
}

impl Patience {
    const fn duration(self) -> Duration {
        match self {
            Self::Short => Duration::from_millis(5),
            Self::Long => Duration::from_millis(250),
        }
    }
}

/// One value and two rates of a provider, in Redis.
#[derive(Debug)]
pub(crate) struct Shared {
    client: Client,
    key: String,
    swap: Script,
    take: Script,
    /// None while Redis does not answer: whoever asks then is not kept waiting.
    connection: Mutex<Option<MultiplexedConnection>>,
}

/// What Redis holds, and what time it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) text: String,
    pub(crate) now: i64,
}

impl Shared {
    /// Does not connect yet.
    pub(crate) fn new(url: &str, provider: &str) -> RedisResult<Self> {
        Ok(Self {
            client: Client::open(url)?,
            // In braces, so that all of it lives in one slot of a cluster.
            key: format!("holdfast:{{provider:{provider}}}"),
            swap: Script::new(include_str!("swap.lua")),
            take: Script::new(include_str!("take.lua")),
            connection: Mutex::new(None),
        })
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connection().is_some()
    }

    /// Connects, if it can be done now.
    pub(crate) async fn connect(&self) -> RedisResult<()> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(CONNECT_WITHIN));
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        *self.lock() = Some(connection);
        Ok(())
    }

    /// The state that the replicas share. `None`: Redis does not answer.
    pub(crate) async fn read(&self) -> Option<Found> {
        // What is never there is swapped for what is never kept: only read.
        self.swap("-", "-", Duration::ZERO, Patience::Long).await.map(|(_, found)| found)
    }

    /// Replaces the state, if it is `from`; says whether it did, and what it is then.
    pub(crate) async fn swap(
        &self,
        from: &str,
        to: &str,
        keep: Duration,
        patience: Patience,
    ) -> Option<(bool, Found)> {
        let mut invocation = self.swap.key(format!("{}:breaker", self.key));
        invocation.arg(from).arg(to).arg(millis(keep));
        let (swapped, text, now): (bool, String, i64) = self.invoke(&invocation, patience).await?;
        Some((swapped, Found { text, now }))
    }

    /// Takes one of `burst` that come back one `every` so long; or says how long until there is one.
    pub(crate) async fn take(&self, rate: &str, every: Duration, burst: u32) -> Option<Result<(), Duration>> {
        let mut invocation = self.take.key(format!("{}:{rate}", self.key));
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
                tracing::debug!("Redis does not do as it is told: {error}");
                *self.lock() = None;
                None
            }
            Err(_) => {
                // The next caller need not find out again.
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

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
