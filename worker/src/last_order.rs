//! The newest order, remembered outside the database: a database that has lost it went back to an older state.

use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::ports::{Store, StoreError};
use holdfast_saga::records::view::OrderFilter;
use holdfast_saga::records::{Order, Shop};
use holdfast_shared::OrderId;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands as _, RedisResult};

use crate::incident::Incident;
use crate::redis::{Redis, refusal};

const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// The newest order that any worker of the shop has seen, in Redis.
#[derive(Debug)]
pub(crate) struct LastOrder {
    redis: Arc<Redis>,
    /// `None` while Redis does not answer.
    connection: Option<MultiplexedConnection>,
    incident: Incident,
}

impl LastOrder {
    pub(crate) fn new(redis: Arc<Redis>) -> Self {
        Self { redis, connection: None, incident: Incident::default() }
    }

    /// The order that is remembered, if the database does not have it. Remembers the newest one otherwise.
    ///
    /// A number alone proves nothing: an older state gives it to another order.
    pub(crate) async fn missing(
        &mut self,
        store: &dyn Store,
        shop: &Shop,
    ) -> Result<Option<OrderId>, StoreError> {
        // After an operator has answered for the database, its orders are remembered anew.
        let key = self.redis.shop_key(&format!("last-order:{}", shop.epoch));
        let Ok(remembered) = self.get(&key).await else { return Ok(None) };
        let remembered = remembered.as_deref().and_then(parse);
        if let Some((order, accepted_at)) = remembered {
            let found = store.order(order).await?;
            if found.is_none_or(|found| found.order.accepted_at.as_micros() != accepted_at) {
                return Ok(Some(order));
            }
        }
        let newest = store.orders(&OrderFilter { limit: 1, ..OrderFilter::default() }).await?;
        let newest = newest.first().map(|view| &view.order);
        let is_newer = |order: &&Order| remembered.is_none_or(|(known, _)| order.id > known);
        if let Some(order) = newest.filter(is_newer) {
            let value = format!("{} {}", order.id.number(), order.accepted_at.as_micros());
            let _ = self.set(&key, value).await;
        }
        Ok(None)
    }

    async fn get(&mut self, key: &str) -> RedisResult<Option<String>> {
        let answer = async { self.connection().await?.get(key).await };
        let answer = answer.await;
        self.noted(answer)
    }

    async fn set(&mut self, key: &str, value: String) -> RedisResult<()> {
        let answer = async { self.connection().await?.set(key, value).await };
        let answer = answer.await;
        self.noted(answer)
    }

    async fn connection(&mut self) -> RedisResult<&mut MultiplexedConnection> {
        Ok(match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.redis.connect(ANSWER_WITHIN).await?),
        })
    }

    fn noted<T>(&mut self, answer: RedisResult<T>) -> RedisResult<T> {
        let Err(error) = &answer else {
            self.incident.ended();
            return answer;
        };
        self.connection = None;
        match refusal(error) {
            Some(why) if self.incident.is_news(Some(&why)) => tracing::warn!(
                "Redis at {} refuses: {why}; a database that lost its newest orders is not noticed",
                self.redis
            ),
            _ => tracing::debug!("the newest order is not compared with Redis: {error}"),
        }
        answer
    }
}

/// The number of an order and when it was accepted.
fn parse(value: &str) -> Option<(OrderId, i64)> {
    let (number, accepted_at) = value.split_once(' ')?;
    Some((number.parse().ok()?, accepted_at.parse().ok()?))
}
