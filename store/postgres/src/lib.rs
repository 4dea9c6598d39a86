//! Holdfast's store on Postgres: the port `Store` in SQL. It holds no policy.

mod address;
mod audit_snapshot;
mod claim;
mod clock;
mod connect;
mod error;
mod idle;
mod load;
mod notifications;
mod operations;
mod params;
mod pgpass;
mod pipeline;
mod pool;
mod prune;
mod reads;
mod row;
mod save;
mod schema;
mod shop;
mod sqlstate;
mod statement;
mod storefront;
mod tls;
mod tx;
mod url;
mod write_gate;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use holdfast_saga::ports::{Store, StoreError, Tx};
use holdfast_saga::records::audit_fact::Fact;
use holdfast_saga::records::history::LogRow;
use holdfast_saga::records::saga::Saga;
use holdfast_saga::records::signal::Signal;
use holdfast_saga::records::view::{
    ActionFilter, ActionView, DeadRow, Heartbeat, NotificationFilter, NotificationView, OrderFilter,
    OrderRecords, OrderVersion, OrderView, ProductFilter, QueueView, RetryingGroup, SagaCount, SagaFilter,
    WorkerView,
};
use holdfast_saga::records::{AdminAction, Cart, Identity, Product, Shop, Stock, Versions};
use holdfast_shared::{CartId, Clock, CustomerId, KeySource, OrderId, SagaId, ShopId, Sku, Time};
use tokio::sync::OnceCell;

use crate::clock::ClockSource;
use crate::connect::ConnectConfig;
use crate::error::store_error;
use crate::pool::{Pool, PooledConnection};
use crate::statement::Sql;

/// The store. Clones share the connections.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    /// For single statements: reads, and writes that are transactions by themselves.
    pool: Pool,
    transactions: Pool,
    clock: ClockSource,
    shop: Arc<OnceCell<ShopId>>,
}

impl PostgresStore {
    /// Connects to `url`, with at most `connections_max` connections for reads, and as many for transactions; each is
    /// opened when it is first needed. Few are faster: batches share commits.
    ///
    /// An address that no server answers at is an error here, after at most five seconds.
    pub fn connect(url: &str, connections_max: u32) -> BoxFuture<'_, Result<Self, StoreError>> {
        Box::pin(async move {
            let config = ConnectConfig::of(url)?;
            let pool = Pool::of_reads(config.clone(), connections_max as usize);
            // Opened, and kept for the first read.
            drop(pool.acquire().await?);
            let transactions = Pool::of_transactions(config, connections_max as usize);
            Ok(Self { pool, transactions, clock: ClockSource::Database, shop: Arc::default() })
        })
    }

    /// The same store with a clock that the caller owns: for tests, which move time instead of sleeping.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock: ClockSource::Owned(clock), ..self }
    }

    /// Applies the migrations that are missing and returns them. Running it twice changes nothing.
    pub fn migrate(&self) -> BoxFuture<'_, Result<Vec<(i64, String)>, StoreError>> {
        Box::pin(async move {
            let applied = schema::migrate(&self.pool).await?;
            shop::adopt(&self.pool).await?;
            Ok(applied)
        })
    }

    /// Refuses a database whose schema does not fit this binary; the error says what to do.
    pub fn check_schema(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(schema::check(&self.pool))
    }

    /// The shop that the database holds, whatever its schema; `None`: none yet.
    pub fn shop_id(&self) -> BoxFuture<'_, Result<Option<String>, StoreError>> {
        Box::pin(schema::shop(&self.pool))
    }

    /// The value of a setting, on a connection for single statements and on one for transactions: for tests
    /// and for diagnosis.
    pub fn session_setting<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<[String; 2], StoreError>> {
        Box::pin(
            async move { Ok([setting(&self.pool, name).await?, setting(&self.transactions, name).await?]) },
        )
    }

    /// Closes its connections: the idle ones now, those in use when they are given back. Of no use afterwards.
    pub fn close(&self) {
        self.transactions.close();
        self.pool.close();
    }
}

async fn setting(pool: &Pool, name: &str) -> Result<String, StoreError> {
    let mut acquired = pool.acquire().await?;
    loop {
        let client = acquired.statements()?.client();
        let read = client.query_one("select current_setting($1)", &[&name]).await;
        let read = read.and_then(|row| row.try_get(0)).map_err(store_error);
        if let Some(value) = acquired.settle(read).await? {
            return Ok(value);
        }
    }
}

/// A transaction of a batch that takes what every order needs, and leaves nothing.
async fn try_write(reads: &Pool, transactions: &Pool) -> Result<(), StoreError> {
    reads.look_whether_writable().await?;
    let mut transaction = transactions.acquire().await?;
    loop {
        let tried = take_and_leave(&mut transaction).await;
        match tried {
            Ok(()) => {
                transaction.rollback().await;
                return Ok(());
            }
            Err(error) => transaction.revive(error).await?,
        }
    }
}

async fn take_and_leave(transaction: &mut PooledConnection) -> Result<(), StoreError> {
    let (connection, begun) = transaction.begin_batch().await?;
    begun.await?;
    // What is more than this is kept on disk: a full one refuses it.
    connection.simple_query("set local work_mem = '64kB'").await.map_err(store_error)?;
    match connection.read_one(Sql::WriteProbe, &[], row::number).await {
        // A limit for temporary files says nothing of the disk, and no order needs one.
        Err(StoreError::Refused(why)) if why.contains("(53400)") => Ok(()),
        probed => probed.map(drop),
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn keys(&self) -> Result<KeySource, StoreError> {
        let shop = self.shop.get_or_try_init(|| shop::id(&self.pool)).await?;
        Ok(KeySource::random(*shop))
    }

    async fn shop(&self) -> Result<Shop, StoreError> {
        shop::shop(&self.pool).await
    }

    async fn parked(&self, after: Option<SagaId>, limit: u32) -> Result<Vec<SagaId>, StoreError> {
        shop::parked(&self.pool, after, limit).await
    }

    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError> {
        Ok(Box::new(tx::PostgresTx::begin(&self.pool, &self.transactions, &self.clock).await?))
    }

    async fn order(&self, id: OrderId) -> Result<Option<OrderView>, StoreError> {
        Ok(reads::views(&self.pool, &[id.number()]).await?.pop())
    }

    async fn order_and_customer(
        &self,
        id: OrderId,
        identity: &Identity,
    ) -> Result<(Option<OrderView>, Option<CustomerId>), StoreError> {
        reads::order_and_customer(&self.pool, id, identity).await
    }

    async fn order_records(&self, id: OrderId) -> Result<Option<OrderRecords>, StoreError> {
        reads::order_records(&self.pool, id).await
    }

    async fn orders(&self, filter: &OrderFilter) -> Result<Vec<OrderView>, StoreError> {
        reads::orders(&self.pool, filter).await
    }

    async fn saga(&self, id: SagaId) -> Result<Option<Saga>, StoreError> {
        reads::saga(&self.pool, id).await
    }

    async fn sagas_of(&self, order: OrderId) -> Result<Vec<Saga>, StoreError> {
        reads::sagas_between(&self.pool, *order.sagas().start(), *order.sagas().end()).await
    }

    async fn sagas(&self, filter: &SagaFilter) -> Result<Vec<Saga>, StoreError> {
        reads::sagas(&self.pool, filter).await
    }

    async fn dead(&self, before: Option<SagaId>, limit: u32) -> Result<Vec<DeadRow>, StoreError> {
        operations::dead(&self.pool, before, limit).await
    }

    async fn retrying(&self) -> Result<Vec<RetryingGroup>, StoreError> {
        operations::retrying(&self.pool).await
    }

    async fn queues(&self) -> Result<Vec<QueueView>, StoreError> {
        let now = self.clock.now(&self.pool).await?;
        operations::queues(&self.pool, now).await
    }

    async fn heartbeat(&self, heartbeat: &Heartbeat) -> Result<(), StoreError> {
        let now = self.clock.now(&self.pool).await?;
        operations::heartbeat(&self.pool, now, heartbeat).await
    }

    async fn deregister(&self, name: &str) -> Result<(), StoreError> {
        let now = self.clock.now(&self.pool).await?;
        operations::deregister(&self.pool, now, name).await
    }

    async fn workers(&self) -> Result<Vec<WorkerView>, StoreError> {
        operations::workers(&self.pool).await
    }

    async fn now(&self) -> Result<Time, StoreError> {
        self.clock.now(&self.pool).await
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
        storefront::cart(&self.pool, id).await
    }

    async fn known_customer(&self, identity: &Identity) -> Result<Option<CustomerId>, StoreError> {
        storefront::known_customer(&self.pool, identity).await
    }

    async fn add_customer(&self, identity: &Identity, fresh: CustomerId) -> Result<(), StoreError> {
        let now = self.clock.now(&self.pool).await?;
        storefront::add_customer(&self.pool, now, identity, fresh).await
    }

    async fn open_cart_of(&self, customer: CustomerId) -> Result<Option<CartId>, StoreError> {
        storefront::open_cart_of(&self.pool, customer).await
    }

    async fn products(&self, filter: &ProductFilter) -> Result<Vec<Product>, StoreError> {
        storefront::products(&self.pool, filter).await
    }

    async fn levels(&self, skus: &[Sku]) -> Result<Vec<(Sku, Stock)>, StoreError> {
        storefront::levels(&self.pool, skus).await
    }

    async fn versions(&self, sku: &Sku) -> Result<Option<Versions>, StoreError> {
        storefront::versions(&self.pool, sku).await
    }

    async fn pending(&self, at_most: u64) -> Result<u64, StoreError> {
        storefront::count(&self.pool, Sql::OrdersCountPending, at_most).await
    }

    async fn at_work(&self, at_most: u64) -> Result<u64, StoreError> {
        storefront::count(&self.pool, Sql::OrdersCountAtWork, at_most).await
    }

    async fn order_versions(
        &self,
        orders: &[OrderId],
    ) -> Result<BTreeMap<OrderId, OrderVersion>, StoreError> {
        storefront::order_versions(&self.pool, orders).await
    }

    async fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
        let now = self.clock.now(&self.pool).await?;
        storefront::secret(&self.pool, now, name, fresh).await
    }

    async fn notifications(&self, filter: &NotificationFilter) -> Result<Vec<NotificationView>, StoreError> {
        notifications::notifications(&self.pool, filter).await
    }

    async fn mark_read(
        &self,
        id: SagaId,
        customer: Option<CustomerId>,
    ) -> Result<Option<NotificationView>, StoreError> {
        let now = self.clock.now(&self.pool).await?;
        notifications::mark_read(&self.pool, now, id, customer).await
    }

    async fn admin_actions(&self, order: OrderId) -> Result<Vec<AdminAction>, StoreError> {
        notifications::admin_actions(&self.pool, order).await
    }

    async fn actions(&self, filter: &ActionFilter) -> Result<Vec<ActionView>, StoreError> {
        operations::actions(&self.pool, filter).await
    }

    async fn saga_counts(&self) -> Result<Vec<SagaCount>, StoreError> {
        reads::saga_counts(&self.pool).await
    }

    async fn unsettled(&self) -> Result<Vec<SagaCount>, StoreError> {
        reads::unsettled(&self.pool).await
    }

    async fn facts(&self, visit: &mut (dyn FnMut(Fact) + Send)) -> Result<(), StoreError> {
        audit_snapshot::visit(&self.pool, visit).await
    }

    async fn try_write(&self) -> Result<(), StoreError> {
        try_write(&self.pool, &self.transactions).await
    }

    async fn prune(&self, before: Time, limit: u32) -> Result<u64, StoreError> {
        let now = self.clock.now(&self.pool).await?;
        prune::prune(&self.pool, now, before, limit).await
    }
}
