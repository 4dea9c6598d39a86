//! The rows of a hundred orders in each statement: the fewest statements and commits with which the intent to
//! pay is still durable before the money moves, and the message is saved before it is sent.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use holdfast_saga::shop::checkout::digest;
use holdfast_shared::{CartId, Currency};
use sqlx::types::Json;
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::database::Database;
use crate::shop::address;

/// Orders in a statement.
const BATCH: usize = 100;

/// Settles one order a cart; the time runs from the first submit to the last message sent.
pub(crate) async fn run(database: &Database, carts: &[CartId], connections: u32) -> Result<Duration> {
    let pool = super::pool(database, connections).await?;
    let connections = usize::try_from(connections)?;
    let batches: Vec<Vec<CartId>> = carts.chunks(BATCH).map(<[_]>::to_vec).collect();
    let mut workers = JoinSet::new();
    let started = Instant::now();
    for worker in 0..connections {
        let batches: Vec<_> = batches.iter().skip(worker).step_by(connections).cloned().collect();
        workers.spawn(settle_all(pool.clone(), batches));
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    let elapsed = started.elapsed();
    pool.close().await;
    Ok(elapsed)
}

async fn settle_all(pool: PgPool, batches: Vec<Vec<CartId>>) -> Result<()> {
    let mut connection = pool.acquire().await?;
    for carts in batches {
        settle(&mut connection, &carts).await?;
    }
    Ok(())
}

/// Accepted; reserved, about to be paid; paid, confirmed, cart cleared, message saved; sent.
async fn settle(connection: &mut PgConnection, carts: &[CartId]) -> Result<()> {
    let orders = accept(connection, carts).await?;
    commit(
        connection,
        &orders,
        &[
            // Locked in the order of their SKUs, so that two batches never wait for each other.
            "update stock set reserved = reserved + quantity
             from (select lines.sku, lines.quantity
                   from (select sku, sum(quantity) as quantity from order_lines
                         where order_id = any($1) group by sku) lines
                   join stock using (sku) order by lines.sku for no key update of stock) lines
             where stock.sku = lines.sku and on_hand - reserved >= lines.quantity",
            "insert into reservations select unnest($1), 'HELD'",
            "insert into payments (order_id, provider, status, amount_minor, currency, captured_minor,
                                   refunded_minor, charge_key, updated_at)
             select id, 'sandbox', 'PENDING', total_minor, currency, 0, 0, '9f2c41ab07-' || id || '-81f3a2c95d0e:take_payment:1', now()
             from orders where id = any($1)",
        ],
    )
    .await?;
    commit(
        connection,
        &orders,
        &[
            "update payments set status = 'CAPTURED', captured_minor = amount_minor,
                    details = json_build_object('provider_ref', 'ch_' || order_id), updated_at = now()
             where order_id = any($1) and status = 'PENDING'",
            "update orders set status = 'CONFIRMED', updated_at = now() where id = any($1)",
            "update reservations set status = 'CONFIRMED' where order_id = any($1)",
            "update stock set on_hand = on_hand - quantity, reserved = reserved - quantity
             from (select lines.sku, lines.quantity
                   from (select sku, sum(quantity) as quantity from order_lines
                         where order_id = any($1) group by sku) lines
                   join stock using (sku) order by lines.sku for no key update of stock) lines
             where stock.sku = lines.sku",
            "update carts set status = 'CLEARED', updated_at = now()
             where id in (select cart_id from orders where id = any($1))",
            "insert into notifications (saga_id, notice, channel, status, created_at, updated_at)
             select id << 20 | 1, 'order_confirmed', 'log', 'PENDING', now(), now()
             from unnest($1) as id",
        ],
    )
    .await?;
    commit(
        connection,
        &orders,
        &["update notifications set status = 'SENT', updated_at = now()
           where saga_id in (select id << 20 | 1 from unnest($1) as id)"],
    )
    .await
}

async fn accept(connection: &mut PgConnection, carts: &[CartId]) -> Result<Vec<i64>> {
    let mut tx = connection.begin().await?;
    let names: Vec<String> = carts.iter().map(CartId::to_string).collect();
    let keys: Vec<Uuid> = names.iter().map(|cart| digest(&["bench", cart])).collect();
    let bodies: Vec<Uuid> = names.iter().map(|cart| digest(&[cart])).collect();
    let ids: Vec<Uuid> = carts.iter().map(|cart| cart.0).collect();
    let orders: Vec<i64> = sqlx::query_scalar(
        "insert into idempotency_keys
         select key, body, nextval('order_number'), now() from unnest($1::uuid[], $2::uuid[]) as keys (key, body)
         returning order_id",
    )
    .bind(&keys)
    .bind(&bodies)
    .fetch_all(&mut *tx)
    .await?;
    let opened = sqlx::query(
        "update carts set status = 'IN_CHECKOUT', order_id = accepted.id, updated_at = now()
         from unnest($1::bigint[], $2::uuid[]) as accepted (id, cart)
         where carts.id = accepted.cart and status = 'OPEN'",
    )
    .bind(&orders)
    .bind(&ids)
    .execute(&mut *tx)
    .await?;
    ensure!(opened.rows_affected() == carts.len() as u64, "a cart is not open");
    sqlx::query(
        "insert into order_lines
         select order_id, sku, quantity, price_minor
         from carts cross join lateral json_to_recordset(items) as item (sku text, quantity integer)
         join products using (sku)
         where carts.id = any($1)",
    )
    .bind(&ids)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "insert into orders (id, status, method, cart_id, contact, shipping_address, total_minor, currency,
                             accepted_at, updated_at)
         select accepted.id, 'PENDING_PAYMENT', 'card', accepted.cart, '{\"email\": \"buyer@example.com\"}', $3, total,
                $4, now(), now()
         from unnest($1::bigint[], $2::uuid[]) as accepted (id, cart)
         join (select order_id, sum(quantity * unit_price_minor) as total from order_lines
               where order_id = any($1) group by order_id) lines on order_id = accepted.id",
    )
    .bind(&orders)
    .bind(&ids)
    .bind(Json(address()))
    .bind(Currency::EUR.to_string())
    .execute(&mut *tx)
    .await?;
    tx.commit().await.context("committing orders")?;
    Ok(orders)
}

/// Statements about the same orders, committed once.
async fn commit(connection: &mut PgConnection, orders: &[i64], statements: &[&'static str]) -> Result<()> {
    let mut tx = connection.begin().await?;
    for sql in statements {
        let done = sqlx::query(*sql).bind(orders).execute(&mut *tx).await?;
        ensure!(done.rows_affected() > 0, "nothing moved: {sql}");
    }
    tx.commit().await.context("committing a batch")
}
