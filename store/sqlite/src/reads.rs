//! The unlocked reads, and the port itself. Each read sees one snapshot.

use std::collections::{BTreeMap, BTreeSet};

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
use holdfast_shared::{CartId, KeySource, OrderId, ReservationStatus, SagaId, SagaState, Sku, Time};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, SqliteConnection};

use crate::claim::{decode_saga, read_inboxes};
use crate::decode::{StockRow, from_json, parse};
use crate::error::{store_error, unreadable};
use crate::load::{read_carts, read_orders, read_payments};
use crate::params::{self, Statement, order_numbers, saga_keys};
use crate::tx::SqliteTx;
use crate::{SqliteStore, facts, front_door, operations, prune, sql, told};

/// A cursor before which everything lies.
pub(crate) const NEWEST: i64 = i64::MAX;

#[async_trait]
impl Store for SqliteStore {
    async fn keys(&self) -> Result<KeySource, StoreError> {
        let shop = self.shop.get_or_try_init(|| front_door::shop(self)).await?;
        Ok(KeySource::random(*shop))
    }

    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError> {
        Ok(Box::new(SqliteTx::begin(self).await?))
    }

    async fn order(&self, id: OrderId) -> Result<Option<OrderView>, StoreError> {
        let mut snapshot = self.read().await?;
        Ok(views(&mut snapshot, &[id]).await?.pop())
    }

    async fn orders(&self, filter: &OrderFilter) -> Result<Vec<OrderView>, StoreError> {
        let mut snapshot = self.read().await?;
        let ids = page_of_orders(&mut snapshot, filter).await?;
        views(&mut snapshot, &ids).await
    }

    async fn saga(&self, id: SagaId) -> Result<Option<Saga>, StoreError> {
        let mut snapshot = self.read().await?;
        let statement = sqlx::query(sql!("sagas_by_id")).bind(saga_keys([&id])?);
        let row = statement.fetch_optional(&mut *snapshot).await.map_err(store_error)?;
        let Some(row) = row else { return Ok(None) };
        match decode_saga(&row)? {
            Ok(saga) => Ok(Some(saga)),
            Err((id, reason)) => Err(unreadable(format!("saga {id}"), reason)),
        }
    }

    async fn sagas_of(&self, order: OrderId) -> Result<Vec<Saga>, StoreError> {
        let mut snapshot = self.read().await?;
        let statement = sqlx::query(sql!("sagas_of_order"))
            .bind(order.saga(u8::MIN).key())
            .bind(order.saga(u8::MAX).key());
        readable(&mut snapshot, statement).await
    }

    async fn sagas(&self, filter: &SagaFilter) -> Result<Vec<Saga>, StoreError> {
        let mut snapshot = self.read().await?;
        let before = filter.before.map_or(NEWEST, SagaId::key);
        let statement = match filter.state {
            Some(SagaState::Dead) => sqlx::query(sql!("sagas_page_dead")).bind(filter.definition.clone()),
            other => sqlx::query(sql!("sagas_page")).bind(filter.definition.clone()).bind(text(other)),
        };
        readable(&mut snapshot, statement.bind(before).bind(filter.limit)).await
    }

    async fn dead(&self, before: Option<SagaId>, limit: u32) -> Result<Vec<DeadRow>, StoreError> {
        operations::dead(&mut *self.read().await?, before, limit).await
    }

    async fn queues(&self) -> Result<Vec<QueueView>, StoreError> {
        operations::queues(&mut *self.read().await?, SqliteStore::now(self)).await
    }

    async fn heartbeat(&self, heartbeat: &Heartbeat) -> Result<(), StoreError> {
        operations::heartbeat(self, heartbeat).await
    }

    async fn deregister(&self, name: &str) -> Result<(), StoreError> {
        operations::deregister(self, name).await
    }

    async fn workers(&self) -> Result<Vec<WorkerView>, StoreError> {
        operations::workers(&mut *self.read().await?).await
    }

    async fn now(&self) -> Result<Time, StoreError> {
        Ok(SqliteStore::now(self))
    }

    async fn log(&self, saga: SagaId) -> Result<Vec<LogRow>, StoreError> {
        let mut snapshot = self.read().await?;
        let statement = sqlx::query_as(sql!("saga_log_of")).bind(saga.key());
        let rows: Vec<LogColumns> = statement.fetch_all(&mut *snapshot).await.map_err(store_error)?;
        let decode = |row: LogColumns| {
            let what = || format!("commit {} of saga {saga}", row.fence);
            let entries = from_json("entries", &row.entries).map_err(|reason| unreadable(what(), reason))?;
            Ok(LogRow { saga, fence: row.fence, at: Time::from_micros(row.at), entries })
        };
        rows.into_iter().map(decode).collect()
    }

    async fn inbox(&self, saga: SagaId) -> Result<Vec<Signal>, StoreError> {
        let mut snapshot = self.read().await?;
        let inbox = read_inboxes(&mut snapshot, std::iter::once(&saga)).await?.remove(&saga);
        inbox.unwrap_or_else(|| Ok(Vec::new())).map_err(|reason| unreadable(format!("saga {saga}"), reason))
    }

    async fn stock(&self, sku: Option<&Sku>, limit: u32) -> Result<Vec<(Sku, Stock)>, StoreError> {
        let mut snapshot = self.read().await?;
        let statement = match sku {
            Some(sku) => sqlx::query_as(sql!("stock_by_sku")).bind(params::rows([sku])?),
            None => sqlx::query_as(sql!("stock_page")).bind(limit),
        };
        let rows: Vec<StockRow> = statement.fetch_all(&mut *snapshot).await.map_err(store_error)?;
        let decode = |row: StockRow| {
            let sku = row.sku.clone();
            row.decode().map_err(|reason| unreadable(format!("stock {sku}"), reason))
        };
        rows.into_iter().map(decode).collect()
    }

    async fn cart(&self, id: CartId) -> Result<Option<Cart>, StoreError> {
        Ok(read_carts(&mut *self.read().await?, &[id]).await?.pop())
    }

    async fn open_cart_of(&self, customer: &str) -> Result<Option<CartId>, StoreError> {
        front_door::open_cart_of(&mut *self.read().await?, customer).await
    }

    async fn products(&self, filter: &ProductFilter) -> Result<Vec<Product>, StoreError> {
        front_door::products(&mut *self.read().await?, filter).await
    }

    async fn pending(&self, at_most: u64) -> Result<u64, StoreError> {
        front_door::pending(&mut *self.read().await?, at_most).await
    }

    async fn order_versions(
        &self,
        orders: &[OrderId],
    ) -> Result<BTreeMap<OrderId, OrderVersion>, StoreError> {
        front_door::order_versions(&mut *self.read().await?, orders).await
    }

    async fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
        front_door::secret(self, name, fresh).await
    }

    async fn notifications(&self, filter: &NotificationFilter) -> Result<Vec<NotificationView>, StoreError> {
        told::notifications(&mut *self.read().await?, filter).await
    }

    async fn mark_read(
        &self,
        id: SagaId,
        customer: Option<&str>,
    ) -> Result<Option<NotificationView>, StoreError> {
        told::mark_read(self, id, customer).await
    }

    async fn admin_actions(&self, order: OrderId) -> Result<Vec<AdminAction>, StoreError> {
        told::admin_actions(&mut *self.read().await?, order).await
    }

    async fn saga_counts(&self) -> Result<Vec<SagaCount>, StoreError> {
        let rows = sqlx::query_as(sql!("saga_counts")).fetch_all(&mut *self.read().await?).await;
        rows.map_err(store_error)?.into_iter().map(CensusColumns::decode).collect()
    }

    async fn unsettled(&self) -> Result<Vec<SagaCount>, StoreError> {
        let rows = sqlx::query_as(sql!("census_unsettled")).fetch_all(&mut *self.read().await?).await;
        rows.map_err(store_error)?.into_iter().map(CensusColumns::decode).collect()
    }

    async fn facts(&self, visit: &mut (dyn FnMut(Fact) + Send)) -> Result<(), StoreError> {
        let mut snapshot = self.read().await?;
        facts::facts(&mut snapshot, visit).await
    }

    async fn prune(&self, before: Time, limit: u32) -> Result<u64, StoreError> {
        prune::prune(self, before, limit).await
    }
}

#[derive(FromRow)]
struct LogColumns {
    fence: i64,
    at: i64,
    entries: String,
}

#[derive(FromRow)]
struct CensusColumns {
    definition: String,
    state: String,
    sagas: i64,
}

impl CensusColumns {
    fn decode(self) -> Result<SagaCount, StoreError> {
        let state = parse("state", &self.state).map_err(|reason| unreadable("sagas", reason))?;
        Ok(SagaCount { definition: self.definition, state, sagas: self.sagas.cast_unsigned() })
    }
}

fn text<T: Into<&'static str>>(value: Option<T>) -> Option<&'static str> {
    value.map(Into::into)
}

async fn page_of_orders(
    connection: &mut SqliteConnection,
    filter: &OrderFilter,
) -> Result<Vec<OrderId>, StoreError> {
    if let Some(customer) = &filter.customer {
        return page_of_customer(connection, filter, customer).await;
    }
    let before = filter.before.map_or(NEWEST, OrderId::number);
    let statement = match filter.needs_attention {
        Some(true) => sqlx::query_scalar(sql!("orders_page_needing_attention")),
        Some(false) | None => sqlx::query_scalar(sql!("orders_page")),
    };
    let statement = statement.bind(text(filter.status)).bind(text(filter.method)).bind(text(filter.reason));
    let statement = match filter.needs_attention {
        Some(true) => statement,
        Some(false) => statement.bind(Some(false)),
        None => statement.bind(None::<bool>),
    };
    let numbers: Vec<i64> =
        statement.bind(before).bind(filter.limit).fetch_all(connection).await.map_err(store_error)?;
    Ok(numbers.into_iter().map(OrderId::new).collect())
}

async fn page_of_customer(
    connection: &mut SqliteConnection,
    filter: &OrderFilter,
    customer: &str,
) -> Result<Vec<OrderId>, StoreError> {
    let numbers: Vec<i64> = sqlx::query_scalar(sql!("orders_page_of_customer"))
        .bind(customer)
        .bind(text(filter.status))
        .bind(text(filter.method))
        .bind(text(filter.reason))
        .bind(filter.before.map_or(NEWEST, OrderId::number))
        .bind(filter.needs_attention)
        .bind(filter.limit)
        .fetch_all(connection)
        .await
        .map_err(store_error)?;
    Ok(numbers.into_iter().map(OrderId::new).collect())
}

/// The orders of `ids` that exist, newest first, each with what belongs to it.
async fn views(connection: &mut SqliteConnection, ids: &[OrderId]) -> Result<Vec<OrderView>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let orders = read_orders(connection, ids).await?;
    let mut payments = read_payments(connection, ids).await?;
    let reservations = reservations(connection, ids).await?;
    let dead: Vec<i64> = sqlx::query_scalar(sql!("orders_dead"))
        .bind(order_numbers(ids)?)
        .fetch_all(connection)
        .await
        .map_err(store_error)?;
    let dead: BTreeSet<i64> = dead.into_iter().collect();
    let view = |order: holdfast_saga::records::Order| OrderView {
        payment: payments.remove(&order.id),
        reservation: reservations.get(&order.id).copied(),
        needs_attention: dead.contains(&order.id.number()),
        order,
    };
    Ok(orders.into_iter().map(view).collect())
}

async fn reservations(
    connection: &mut SqliteConnection,
    orders: &[OrderId],
) -> Result<BTreeMap<OrderId, ReservationStatus>, StoreError> {
    let rows: Vec<(i64, String)> = sqlx::query_as(sql!("reservations_by_order"))
        .bind(order_numbers(orders)?)
        .fetch_all(connection)
        .await
        .map_err(store_error)?;
    let decode = |(order, status): (i64, String)| {
        let status = parse("status", &status)
            .map_err(|reason| unreadable(format!("the reservation of order {order}"), reason))?;
        Ok((OrderId::new(order), status))
    };
    rows.into_iter().map(decode).collect()
}

/// The sagas that can be read. One that cannot must not hide the others: it is dead or soon will be,
/// and asking for it by its id says why.
async fn readable(connection: &mut SqliteConnection, statement: Statement) -> Result<Vec<Saga>, StoreError> {
    let rows: Vec<SqliteRow> = statement.fetch_all(connection).await.map_err(store_error)?;
    let mut sagas = Vec::with_capacity(rows.len());
    for row in &rows {
        match decode_saga(row)? {
            Ok(saga) => sagas.push(saga),
            Err((id, reason)) => {
                tracing::warn!(saga.id = %id, "saga {id} is left out of a list, its row cannot be read: {reason}");
            }
        }
    }
    Ok(sagas)
}
