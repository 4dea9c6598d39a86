//! Holdfast's store on Postgres: the three moves in SQL. It holds no policy.

mod claim;
mod decode;
mod dial;
mod error;
mod facts;
mod front_door;
mod load;
mod operations;
mod pipe;
mod prune;
mod reads;
mod save;
mod schema;
mod spare;
mod statement;
mod tls;
mod told;
mod tx;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_saga::ports::{Store, StoreError, Tx};
use holdfast_saga::records::audit_fact::Fact;
use holdfast_saga::records::history::LogRow;
use holdfast_saga::records::saga::Saga;
use holdfast_saga::records::signal::Signal;
use holdfast_saga::records::view::{
    DeadRow, Heartbeat, NotificationFilter, NotificationView, OrderFilter, OrderVersion, OrderView,
    ProductFilter, QueueView, SagaCount, SagaFilter, WorkerView,
};
use holdfast_saga::records::{AdminAction, Cart, Product, Stock};
use holdfast_shared::{CartId, Clock, KeySource, OrderId, SagaId, ShopId, Sku, Time};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::OnceCell;

use crate::dial::Dial;
use crate::error::store_error;
use crate::spare::Spare;

/// What every connection is told before it is used.
///
/// Statements find their rows by key, and Postgres is told so: it plans each once and keeps the plan, and in a shop that
/// is new it would choose to read whole tables, and go on to as they grow; or to sort what is due, which an index has
/// in order, and go on to when a queue is resumed behind which a million orders wait.
/// And a worker that is stopped inside a transaction costs the others seconds, not the shop (E2).
const SESSION: [(&str, &str); 12] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
    ("lock_timeout", "1s"),
    ("statement_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "5s"),
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "3"),
];

/// Where "now" comes from.
#[derive(Debug, Clone)]
enum Present {
    /// The database's own clock, so that all replicas agree (E14).
    Database,
    /// A clock that a test owns.
    Owned(Arc<dyn Clock>),
}

/// The store. Clones share the connections.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    pool: PgPool,
    spare: Spare,
    present: Present,
    shop: Arc<OnceCell<ShopId>>,
}

impl PostgresStore {
    /// Connects to `url`, with at most `connections_max` connections for reads, and as many for transactions; each is
    /// opened when it is needed first. Few are faster: batches share commits.
    pub async fn connect(url: &str, connections_max: u32) -> Result<Self, StoreError> {
        let options: PgConnectOptions = url
            .parse()
            .map_err(|error| StoreError::Refused(format!("DATABASE_URL is not a Postgres URL: {error}")))?;
        let options = options.application_name("holdfast").options(SESSION);
        let pool = PgPoolOptions::new()
            .max_connections(connections_max)
            .acquire_timeout(Duration::from_secs(5))
            // A ping before every use costs a round trip each; a broken connection shows itself at once.
            .test_before_acquire(false)
            .connect_with(options.clone())
            .await
            .map_err(store_error)?;
        let spare = Spare::of(Dial::of(&options)?, connections_max as usize);
        Ok(Self { spare, pool, present: Present::Database, shop: Arc::default() })
    }

    /// The same store with a clock that the caller owns: for tests, which move time instead of sleeping.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { present: Present::Owned(clock), ..self }
    }

    /// Applies the migrations that are missing and returns them. Running it twice changes nothing.
    pub async fn migrate(&self) -> Result<Vec<(i64, String)>, StoreError> {
        schema::migrate(&self.pool).await
    }

    /// Refuses a database whose schema does not fit this binary, with what to do about it.
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        schema::check(&self.pool).await
    }

    /// Closes its connections, once nobody uses them any more. Of no use afterwards.
    pub async fn close(&self) {
        self.spare.close();
        self.pool.close().await;
    }

    /// The connections, for benchmarks that write their baseline on the same schema.
    pub const fn pool(&self) -> &PgPool {
        &self.pool
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn keys(&self) -> Result<KeySource, StoreError> {
        let shop = self.shop.get_or_try_init(|| front_door::shop(&self.pool)).await?;
        Ok(KeySource::random(*shop))
    }

    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError> {
        Ok(Box::new(tx::PostgresTx::begin(&self.spare, &self.present).await?))
    }

    async fn order(&self, id: OrderId) -> Result<Option<OrderView>, StoreError> {
        Ok(reads::views(&self.pool, &[id.number()]).await?.pop())
    }

    async fn orders(&self, filter: &OrderFilter) -> Result<Vec<OrderView>, StoreError> {
        reads::orders(&self.pool, filter).await
    }

    async fn saga(&self, id: SagaId) -> Result<Option<Saga>, StoreError> {
        reads::saga(&self.pool, id).await
    }

    async fn sagas_of(&self, order: OrderId) -> Result<Vec<Saga>, StoreError> {
        reads::sagas_between(&self.pool, order.saga(0), order.saga(u8::MAX)).await
    }

    async fn sagas(&self, filter: &SagaFilter) -> Result<Vec<Saga>, StoreError> {
        reads::sagas(&self.pool, filter).await
    }

    async fn dead(&self, before: Option<SagaId>, limit: u32) -> Result<Vec<DeadRow>, StoreError> {
        operations::dead(&self.pool, before, limit).await
    }

    async fn queues(&self) -> Result<Vec<QueueView>, StoreError> {
        let now = tx::now(&self.pool, &self.present).await?;
        operations::queues(&self.pool, now).await
    }

    async fn heartbeat(&self, heartbeat: &Heartbeat) -> Result<(), StoreError> {
        let now = tx::now(&self.pool, &self.present).await?;
        operations::heartbeat(&self.pool, now, heartbeat).await
    }

    async fn deregister(&self, name: &str) -> Result<(), StoreError> {
        let now = tx::now(&self.pool, &self.present).await?;
        operations::deregister(&self.pool, now, name).await
    }

    async fn workers(&self) -> Result<Vec<WorkerView>, StoreError> {
        operations::workers(&self.pool).await
    }

    async fn now(&self) -> Result<Time, StoreError> {
        tx::now(&self.pool, &self.present).await
    }

    async fn log(&self, saga: SagaId) -> Result<Vec<LogRow>, StoreError> {
        reads::log(&self.pool, saga).await
    }

    async fn inbox(&self, saga: SagaId) -> Result<Vec<Signal>, StoreError> {
        reads::inbox(&self.pool, saga).await
    }

    async fn stock(&self, sku: Option<&Sku>, limit: u32) -> Result<Vec<(Sku, Stock)>, StoreError> {
        reads::stock(&self.pool, sku, limit).await
    }

    async fn cart(&self, id: CartId) -> Result<Option<Cart>, StoreError> {
        front_door::cart(&self.pool, id).await
    }

    async fn open_cart_of(&self, customer: &str) -> Result<Option<CartId>, StoreError> {
        front_door::open_cart_of(&self.pool, customer).await
    }

    async fn products(&self, filter: &ProductFilter) -> Result<Vec<Product>, StoreError> {
        front_door::products(&self.pool, filter).await
    }

    async fn pending(&self, at_most: u64) -> Result<u64, StoreError> {
        front_door::pending(&self.pool, at_most).await
    }

    async fn order_versions(
        &self,
        orders: &[OrderId],
    ) -> Result<BTreeMap<OrderId, OrderVersion>, StoreError> {
        front_door::order_versions(&self.pool, orders).await
    }

    async fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
        let now = tx::now(&self.pool, &self.present).await?;
        front_door::secret(&self.pool, now, name, fresh).await
    }

    async fn notifications(&self, filter: &NotificationFilter) -> Result<Vec<NotificationView>, StoreError> {
        told::notifications(&self.pool, filter).await
    }

    async fn mark_read(
        &self,
        id: SagaId,
        customer: Option<&str>,
    ) -> Result<Option<NotificationView>, StoreError> {
        let now = tx::now(&self.pool, &self.present).await?;
        told::mark_read(&self.pool, now, id, customer).await
    }

    async fn admin_actions(&self, order: OrderId) -> Result<Vec<AdminAction>, StoreError> {
        told::admin_actions(&self.pool, order).await
    }

    async fn saga_counts(&self) -> Result<Vec<SagaCount>, StoreError> {
        reads::saga_counts(&self.pool).await
    }

    async fn unsettled(&self) -> Result<Vec<SagaCount>, StoreError> {
        reads::unsettled(&self.pool).await
    }

    async fn facts(&self, visit: &mut (dyn FnMut(Fact) + Send)) -> Result<(), StoreError> {
        facts::visit(&self.pool, visit).await
    }

    async fn prune(&self, before: Time, limit: u32) -> Result<u64, StoreError> {
        let now = tx::now(&self.pool, &self.present).await?;
        prune::prune(&self.pool, now, before, limit).await
    }
}
