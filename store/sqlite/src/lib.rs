//! Holdfast's store on `SQLite`: one file, one writer, the same promises as on Postgres.
//!
//! Every write goes through the one connection of the writing pool; waiting for it is the queue.
//! Readers have connections of their own and never wait for the writer, nor it for them. No rule of
//! the shop is decided here.

mod audit_snapshot;
mod claim;
mod connections;
mod encode;
mod encode_sagas;
mod error;
mod load;
mod notifications;
mod operations;
mod params;
mod prune;
mod reads;
mod row;
mod save;
mod schema;
mod shop;
mod statement;
mod storefront;
mod tx;

use std::collections::BTreeMap;
use std::path::PathBuf;
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

use crate::connections::Connections;
use crate::tx::SqliteTx;

/// A shop's database in one `SQLite` file.
///
/// Clones share the same connections. Dropping the last one closes them in the background;
/// [`Self::close`] waits for it.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    connections: Connections,
    clock: Arc<dyn Clock>,
    shop: Arc<OnceCell<ShopId>>,
}

impl SqliteStore {
    /// Opens `url` (`sqlite://path`), creating the file if it is missing. Its present is `clock`'s.
    ///
    /// The schema may still be missing or old afterwards: [`Self::migrate`] brings it up to date,
    /// [`Self::check_schema`] only looks. A schema that is too new for this binary is refused here.
    pub fn open(url: &str, clock: Arc<dyn Clock>) -> BoxFuture<'_, Result<Self, StoreError>> {
        Box::pin(async move {
            let connections = Connections::open(url).await?;
            let checked = schema::check_not_too_new(&connections).await;
            checked.map_err(|error| connections.in_file(error))?;
            Ok(Self { connections, clock, shop: Arc::default() })
        })
    }

    /// The file that `url` names. Opens nothing.
    pub fn file(url: &str) -> Result<PathBuf, StoreError> {
        Ok(connections::options(url)?.get_filename().to_owned())
    }

    /// Brings the schema up to date, all of it or none, and returns what was newly applied.
    pub fn migrate(&self) -> BoxFuture<'_, Result<Vec<(i64, String)>, StoreError>> {
        Box::pin(async move {
            let applied = schema::migrate(&self.connections).await?;
            shop::adopt(&self.connections).await?;
            Ok(applied)
        })
    }

    /// Refuses a schema that does not fit this binary; the error says what to do.
    pub fn check_schema(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(schema::check(&self.connections))
    }

    /// The shop that the file holds, whatever its schema; `None`: none yet.
    pub fn shop_id(&self) -> BoxFuture<'_, Result<Option<String>, StoreError>> {
        Box::pin(schema::shop(&self.connections))
    }

    /// Closes all connections, waiting for those in use. Nothing is lost without it: it only tidies the files up.
    pub fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.connections.close())
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn keys(&self) -> Result<KeySource, StoreError> {
        let shop = self.shop.get_or_try_init(|| shop::id(&self.connections)).await?;
        Ok(KeySource::random(*shop))
    }

    async fn shop(&self) -> Result<Shop, StoreError> {
        shop::shop(&self.connections).await
    }

    async fn parked(&self, after: Option<SagaId>, limit: u32) -> Result<Vec<SagaId>, StoreError> {
        shop::parked(&mut *self.connections.read().await?, after, limit).await
    }

    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError> {
        Ok(Box::new(SqliteTx::begin(&self.connections, &*self.clock).await?))
    }

    async fn order(&self, id: OrderId) -> Result<Option<OrderView>, StoreError> {
        Ok(reads::views(&mut *self.connections.read().await?, &[id]).await?.pop())
    }

    async fn order_records(&self, id: OrderId) -> Result<Option<OrderRecords>, StoreError> {
        reads::order_records(&mut *self.connections.read().await?, id).await
    }

    async fn orders(&self, filter: &OrderFilter) -> Result<Vec<OrderView>, StoreError> {
        reads::orders(&mut *self.connections.read().await?, filter).await
    }

    async fn saga(&self, id: SagaId) -> Result<Option<Saga>, StoreError> {
        reads::saga(&mut *self.connections.read().await?, id).await
    }

    async fn sagas_of(&self, order: OrderId) -> Result<Vec<Saga>, StoreError> {
        reads::sagas_of(&mut *self.connections.read().await?, order).await
    }

    async fn sagas(&self, filter: &SagaFilter) -> Result<Vec<Saga>, StoreError> {
        reads::sagas(&mut *self.connections.read().await?, filter).await
    }

    async fn dead(&self, before: Option<SagaId>, limit: u32) -> Result<Vec<DeadRow>, StoreError> {
        operations::dead(&mut *self.connections.read().await?, before, limit).await
    }

    async fn retrying(&self) -> Result<Vec<RetryingGroup>, StoreError> {
        operations::retrying(&mut *self.connections.read().await?).await
    }

    async fn queues(&self) -> Result<Vec<QueueView>, StoreError> {
        operations::queues(&mut *self.connections.read().await?, self.clock.now()).await
    }

    async fn heartbeat(&self, heartbeat: &Heartbeat) -> Result<(), StoreError> {
        operations::heartbeat(&self.connections, || self.clock.now(), heartbeat).await
    }

    async fn deregister(&self, name: &str) -> Result<(), StoreError> {
        operations::deregister(&self.connections, || self.clock.now(), name).await
    }

    async fn workers(&self) -> Result<Vec<WorkerView>, StoreError> {
        operations::workers(&mut *self.connections.read().await?).await
    }

    async fn now(&self) -> Result<Time, StoreError> {
        Ok(self.clock.now())
    }

    async fn log(&self, saga: SagaId) -> Result<Vec<LogRow>, StoreError> {
        reads::log(&mut *self.connections.read().await?, saga).await
    }

    async fn inbox(&self, saga: SagaId) -> Result<Vec<Signal>, StoreError> {
        reads::inbox(&mut *self.connections.read().await?, saga).await
    }

    async fn stock(&self, sku: Option<&Sku>, limit: u32) -> Result<Vec<(Sku, Stock)>, StoreError> {
        reads::stock(&mut *self.connections.read().await?, sku, limit).await
    }

    async fn cart(&self, id: CartId) -> Result<Option<Cart>, StoreError> {
        Ok(load::read_carts(&mut *self.connections.read().await?, &[id]).await?.pop())
    }

    async fn known_customer(&self, identity: &Identity) -> Result<Option<CustomerId>, StoreError> {
        storefront::known_customer(&self.connections, identity).await
    }

    async fn add_customer(&self, identity: &Identity, fresh: CustomerId) -> Result<(), StoreError> {
        storefront::add_customer(&self.connections, self.clock.now(), identity, fresh).await
    }

    async fn open_cart_of(&self, customer: CustomerId) -> Result<Option<CartId>, StoreError> {
        storefront::open_cart_of(&mut *self.connections.read().await?, customer).await
    }

    async fn products(&self, filter: &ProductFilter) -> Result<Vec<Product>, StoreError> {
        storefront::products(&mut *self.connections.read().await?, filter).await
    }

    async fn levels(&self, skus: &[Sku]) -> Result<Vec<(Sku, Stock)>, StoreError> {
        storefront::levels(&mut *self.connections.read().await?, skus).await
    }

    async fn versions(&self, sku: &Sku) -> Result<Option<Versions>, StoreError> {
        storefront::versions(&mut *self.connections.read().await?, sku).await
    }

    async fn pending(&self, at_most: u64) -> Result<u64, StoreError> {
        storefront::pending(&mut *self.connections.read().await?, at_most).await
    }

    async fn at_work(&self, at_most: u64) -> Result<u64, StoreError> {
        storefront::at_work(&mut *self.connections.read().await?, at_most).await
    }

    async fn order_versions(
        &self,
        orders: &[OrderId],
    ) -> Result<BTreeMap<OrderId, OrderVersion>, StoreError> {
        storefront::order_versions(&mut *self.connections.read().await?, orders).await
    }

    async fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
        storefront::secret(&self.connections, self.clock.now(), name, fresh).await
    }

    async fn notifications(&self, filter: &NotificationFilter) -> Result<Vec<NotificationView>, StoreError> {
        notifications::notifications(&mut *self.connections.read().await?, filter).await
    }

    async fn mark_read(
        &self,
        id: SagaId,
        customer: Option<CustomerId>,
    ) -> Result<Option<NotificationView>, StoreError> {
        notifications::mark_read(&self.connections, self.clock.now(), id, customer).await
    }

    async fn admin_actions(&self, order: OrderId) -> Result<Vec<AdminAction>, StoreError> {
        notifications::admin_actions(&mut *self.connections.read().await?, order).await
    }

    async fn actions(&self, filter: &ActionFilter) -> Result<Vec<ActionView>, StoreError> {
        operations::actions(&mut *self.connections.read().await?, filter).await
    }

    async fn saga_counts(&self) -> Result<Vec<SagaCount>, StoreError> {
        reads::saga_counts(&mut *self.connections.read().await?).await
    }

    async fn unsettled(&self) -> Result<Vec<SagaCount>, StoreError> {
        reads::unsettled(&mut *self.connections.read().await?).await
    }

    async fn facts(&self, visit: &mut (dyn FnMut(Fact) + Send)) -> Result<(), StoreError> {
        audit_snapshot::visit(&mut *self.connections.read().await?, visit).await
    }

    async fn try_write(&self) -> Result<(), StoreError> {
        self.connections.try_write().await
    }

    async fn prune(&self, before: Time, limit: u32) -> Result<u64, StoreError> {
        prune::prune(&self.connections, self.clock.now(), before, limit).await
    }
}
