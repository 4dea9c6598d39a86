//! What the replicas share in Redis: how each sees a provider, and the rates. While Redis is slow or down, each replica
//! decides alone, at once, and shares again by itself later.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Script, ScriptInvocation};
use tokio::time::timeout;

use super::gateway::Gateway;
use crate::incident::Incident;
use crate::redis::{Redis, millis, refusal};

/// The longest wait of all; the connection itself times out after it.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// How long what a replica said stands, unless it says it again.
const VIEW_STANDS: Duration = Duration::from_secs(5);

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

/// The views and the rates of a gateway, in Redis.
#[derive(Debug)]
pub(crate) struct Shared {
    redis: Arc<Redis>,
    gateway: String,
    views: Script,
    take: Script,
    /// `None` while Redis does not answer, so that no caller waits.
    connection: Mutex<Option<MultiplexedConnection>>,
    incident: Mutex<Incident>,
}

impl Shared {
    pub(crate) fn new(redis: Arc<Redis>, gateway: &Gateway) -> Self {
        Self {
            redis,
            gateway: format!("{}:{}", gateway.kind(), gateway.name()),
            views: Script::new(include_str!("views.lua")),
            take: Script::new(include_str!("take.lua")),
            connection: Mutex::new(None),
            incident: Mutex::default(),
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

    /// Says what this replica sees, and returns what the others do. `None`: Redis does not answer.
    pub(crate) async fn views(&self, replica: &str, view: &str) -> Option<Vec<String>> {
        let mut invocation = self.views.key(self.redis.gateway_key(&self.gateway, "views"));
        invocation.arg(replica).arg(view).arg(millis(VIEW_STANDS));
        self.invoke(&invocation, Patience::Long).await
    }

    /// Takes one of `burst` tokens, one of which comes back `every` so often; or says how long until there is one.
    pub(crate) async fn take(&self, rate: &str, every: Duration, burst: u32) -> Option<Result<(), Duration>> {
        let mut invocation = self.take.key(self.redis.gateway_key(&self.gateway, rate));
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
            Ok(Ok(answer)) => {
                self.lock_incident().ended();
                Some(answer)
            }
            Ok(Err(error)) => {
                match refusal(&error) {
                    Some(why) if self.lock_incident().is_news(Some(&why)) => tracing::warn!(
                        "Redis at {} refuses: {why}; each process decides about {} by itself",
                        self.redis,
                        self.gateway
                    ),
                    _ => tracing::debug!("a script failed in Redis: {error}"),
                }
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

    fn lock_incident(&self) -> std::sync::MutexGuard<'_, Incident> {
        self.incident.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<MultiplexedConnection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
