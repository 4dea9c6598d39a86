//! What one would write by hand: each step of the flow is one transaction on the same tables, many
//! connections at once, no engine. It keeps no saga and no history, so it writes fewer rows than
//! Holdfast does, and after a crash somebody would have to find out what is half done.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use holdfast_saga::records::CartItem;
use holdfast_saga::shop::checkout::digest;
use holdfast_shared::{CartId, Currency};
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};

use crate::database::Database;
use crate::shop::address;

/// Settles one order a cart; the time runs from the first submit to the last message sent.
pub(crate) async fn run(database: &Database, carts: Vec<CartId>, connections: u32) -> Result<Duration> {
    let pool = super::pool(database, connections).await?;
    let next = Arc::new(AtomicUsize::new(0));
    let carts = Arc::new(carts);
    let started = Instant::now();
    let buyers: Vec<_> = (0..connections)
        .map(|_| {
            let (pool, carts, next) = (pool.clone(), Arc::clone(&carts), Arc::clone(&next));
            tokio::spawn(async move {
                while let Some(cart) = carts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    settle(&pool, *cart).await?;
                }
                Ok::<_, anyhow::Error>(())
            })
        })
        .collect();
    for buyer in buyers {
        buyer.await??;
    }
    let elapsed = started.elapsed();
    pool.close().await;
    Ok(elapsed)
}

/// One order: accept, reserve, intend to pay, paid, confirm, clear the cart and save the message, sent.
async fn settle(pool: &PgPool, cart: CartId) -> Result<()> {
    let mut connection = pool.acquire().await?;
    let order = accept(&mut connection, cart).await?;
    step(
        &mut connection,
        &[order_lines_reserve(order), query("insert into reservations values ($1, 'HELD')", order)],
    )
    .await?;
    step(
        &mut connection,
        &[query(
            "insert into payments (order_id, provider, status, amount_minor, currency, captured_minor, refunded_minor,
                                   charge_key, updated_at)
             select id, 'sandbox', 'PENDING', total_minor, currency, 0, 0, '9f2c41ab07-' || id || '-81f3a2c95d0e:take_payment:1', now()
             from orders where id = $1",
            order,
        )],
    )
    .await?;
    step(
        &mut connection,
        &[query(
            "update payments set status = 'CAPTURED', captured_minor = amount_minor,
                    details = json_build_object('provider_ref', 'ch_' || order_id), updated_at = now()
             where order_id = $1 and status = 'PENDING'",
            order,
        )],
    )
    .await?;
    step(
        &mut connection,
        &[
            query("update orders set status = 'CONFIRMED', updated_at = now() where id = $1", order),
            query("update reservations set status = 'CONFIRMED' where order_id = $1", order),
            query(
                "update stock set on_hand = on_hand - quantity, reserved = reserved - quantity
                 from (select lines.sku, quantity from order_lines lines join stock using (sku)
                       where order_id = $1 order by lines.sku for no key update of stock) lines
                 where stock.sku = lines.sku",
                order,
            ),
        ],
    )
    .await?;
    step(
        &mut connection,
        &[
            query(
                "update carts set status = 'CLEARED' where id = (select cart_id from orders where id = $1)",
                order,
            ),
            query(
                "insert into notifications (saga_id, notice, channel, status, created_at, updated_at)
                 values ($1 << 20 | 1, 'order_confirmed', 'log', 'PENDING', now(), now())",
                order,
            ),
        ],
    )
    .await?;
    step(
        &mut connection,
        &[query(
            "update notifications set status = 'SENT', updated_at = now() where saga_id = $1 << 20 | 1",
            order,
        )],
    )
    .await
}

async fn accept(connection: &mut PgConnection, cart: CartId) -> Result<i64> {
    let id = cart.to_string();
    sqlx::query("begin").execute(&mut *connection).await?;
    let order: i64 = sqlx::query_scalar(
        "insert into idempotency_keys values ($1, $2, nextval('order_number'), now()) returning order_id",
    )
    .bind(digest(&["bench", &id]))
    .bind(digest(&[&id]))
    .fetch_one(&mut *connection)
    .await?;
    let (items,): (Json<Vec<CartItem>>,) =
        sqlx::query_as("select items from carts where id = $1 and status = 'OPEN' for no key update")
            .bind(cart.0)
            .fetch_one(&mut *connection)
            .await?;
    let skus: Vec<String> = items.iter().map(|item| item.sku.to_string()).collect();
    let quantities: Vec<i32> =
        items.iter().map(|item| i32::try_from(item.quantity)).collect::<Result<_, _>>()?;
    sqlx::query(
        "insert into order_lines
         select $1, sku, quantity, price_minor
         from unnest($2::text[], $3::integer[]) as items (sku, quantity) join products using (sku)",
    )
    .bind(order)
    .bind(&skus)
    .bind(&quantities)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "insert into orders (id, status, method, cart_id, contact, shipping_address, total_minor, currency,
                             accepted_at, updated_at)
         select $1, 'PENDING_PAYMENT', 'card', $2, '{\"email\": \"buyer@example.com\"}', $3,
                sum(quantity * unit_price_minor), $4, now(), now()
         from order_lines where order_id = $1",
    )
    .bind(order)
    .bind(cart.0)
    .bind(Json(address()))
    .bind(Currency::EUR.to_string())
    .execute(&mut *connection)
    .await?;
    sqlx::query("update carts set status = 'IN_CHECKOUT', order_id = $2, updated_at = now() where id = $1")
        .bind(cart.0)
        .bind(order)
        .execute(&mut *connection)
        .await?;
    sqlx::query("commit").execute(connection).await.context("committing an order")?;
    Ok(order)
}

struct Statement {
    sql: &'static str,
    order: i64,
}

const fn query(sql: &'static str, order: i64) -> Statement {
    Statement { sql, order }
}

const fn order_lines_reserve(order: i64) -> Statement {
    query(
        "update stock set reserved = reserved + quantity
         from (select lines.sku, quantity from order_lines lines join stock using (sku)
               where order_id = $1 order by lines.sku for no key update of stock) lines
         where stock.sku = lines.sku and stock.on_hand - stock.reserved >= quantity",
        order,
    )
}

/// One step, one commit. A single statement commits by itself.
async fn step(connection: &mut PgConnection, statements: &[Statement]) -> Result<()> {
    let alone = statements.len() == 1;
    if !alone {
        sqlx::query("begin").execute(&mut *connection).await?;
    }
    for Statement { sql, order } in statements {
        let done = sqlx::query(*sql).bind(order).execute(&mut *connection).await?;
        anyhow::ensure!(done.rows_affected() > 0, "order {order}: nothing moved: {sql}");
    }
    if !alone {
        sqlx::query("commit").execute(connection).await?;
    }
    Ok(())
}
