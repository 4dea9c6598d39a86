//! Past orders: a shop that has sold before. Traps others fell into begin with empty tables, where plans, indices and
//! caches are not those of a shop.
//!
//! One order is settled by the engine itself; all others are copies of its rows with numbers, carts, goods, totals and
//! instants of their own, written set-wise in chunks. So they are as the engine leaves them, and the audit holds. What
//! was begun is gone on with.

use anyhow::{Context, Result, ensure};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::database::Database;
use crate::engine;
use crate::shop::{self, Goods};

/// Orders written in one transaction: enough to hide what it costs, few enough to tell how it goes.
const CHUNK: i64 = 50_000;

/// What differs from order to order, of orders $1 to $2 out of $3, with $4 lines over $5 SKUs. Over a week, so that
/// nothing is old enough to be pruned while it is measured; the carts' ids grow with time, as real ones do.
const CHUNK_OF: &str = "
    insert into chunk
    select id, at,
           (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(id::text), 1, 3)
            || '8' || substr(md5(id::text), 4, 15))::uuid,
           lines, items, total
    from (
        select id, now() - interval '7 days' * ($3 - id + 1) / $3::float8 as at,
               jsonb_agg(jsonb_build_object('sku', sku, 'quantity', 1, 'unit_price_minor', price) order by sku) as lines,
               jsonb_agg(jsonb_build_object('sku', sku, 'quantity', 1)) as items,
               sum(price) as total
        from (
            select id, 1000 + number as price, 'sku-' || lpad(number::text, 6, '0') as sku
            from generate_series($1::bigint, $2::bigint) as id, generate_series(0, $4::bigint - 1) as line,
                 lateral (select (id * 7919 + line * 104729) % $5::bigint as number) as goods
        ) as lines
        group by id
    ) as orders";

/// The copies: of order 1, for every row of the chunk.
const COPIES: [&str; 11] = [
    "insert into idempotency_keys (key, body, order_id, created_at)
     select md5('key' || id)::uuid, md5('body' || id)::uuid, id, at from chunk",
    "insert into carts (id, owner, status, order_id, items, updated_at)
     select chunk.cart, carts.owner, carts.status, chunk.id, chunk.items, chunk.at + (carts.updated_at - first.accepted_at)
     from chunk, carts join orders as first on first.id = carts.order_id where first.id = 1",
    "insert into orders (id, status, cancel_reason, method, cart_id, customer, contact, shipping_address, notes,
                         total_minor, currency, accepted_at, updated_at)
     select chunk.id, status, cancel_reason, method, chunk.cart, customer, contact, shipping_address, notes,
            chunk.total, currency, chunk.at, chunk.at + (updated_at - accepted_at)
     from chunk, orders as first where first.id = 1 order by chunk.id",
    "insert into order_lines (order_id, sku, quantity, unit_price_minor)
     select chunk.id, line.sku, line.quantity, line.unit_price_minor
     from chunk, jsonb_to_recordset(lines) as line (sku text, quantity integer, unit_price_minor bigint)
     order by chunk.id, line.sku",
    "insert into reservations (order_id, status)
     select chunk.id, status from chunk, reservations where order_id = 1 order by chunk.id",
    "insert into payments (order_id, provider, status, amount_minor, currency, captured_minor, refunded_minor,
                           charge_key, provider_ref, next_action, updated_at)
     select chunk.id, payments.provider, payments.status, chunk.total, payments.currency, chunk.total, payments.refunded_minor,
            regexp_replace(payments.charge_key, '^1\\.', chunk.id || '.'),
            regexp_replace(payments.provider_ref, '_1\\.', '_' || chunk.id || '.'),
            payments.next_action, chunk.at + (payments.updated_at - first.accepted_at)
     from chunk, payments join orders as first on first.id = order_id where order_id = 1 order by chunk.id",
    "insert into sagas (id, definition, version, queue, state, fence, leased_until, wake_at, progress, context, poison,
                        created_at, updated_at)
     select chunk.id << 8 | (sagas.id & 255), definition, version, queue, state, fence, leased_until, wake_at,
            replace(progress::text, '\"1.', '\"' || chunk.id || '.')::json,
            case when context::jsonb ? 'lines'
                 then context::jsonb || jsonb_build_object('cart', chunk.cart, 'lines', chunk.lines, 'total_minor', chunk.total)
                 else jsonb_set(context::jsonb, '{total,amount_minor}', to_jsonb(chunk.total)) end,
            poison, chunk.at + (sagas.created_at - first.accepted_at), chunk.at + (sagas.updated_at - first.accepted_at)
     from chunk, sagas join orders as first on first.id = sagas.id >> 8 where first.id = 1
     order by chunk.id, sagas.id",
    "insert into saga_log (saga_id, fence, at, entries)
     select chunk.id << 8 | (saga_id & 255), fence, chunk.at + (saga_log.at - first.accepted_at),
            replace(entries::text, '\"1.', '\"' || chunk.id || '.')::json
     from chunk, saga_log join orders as first on first.id = saga_id >> 8 where first.id = 1
     order by chunk.id, saga_id, fence",
    "insert into notifications (saga_id, notice, channel, recipient, status, created_at, updated_at)
     select chunk.id << 8 | (saga_id & 255), notice, channel, recipient, notifications.status,
            chunk.at + (notifications.created_at - first.accepted_at), chunk.at + (notifications.updated_at - first.accepted_at)
     from chunk, notifications join orders as first on first.id = saga_id >> 8 where first.id = 1
     order by chunk.id",
    "update stock set on_hand = on_hand - sold.pieces
     from (select line.sku, sum(line.quantity) as pieces
           from chunk, jsonb_to_recordset(lines) as line (sku text, quantity integer)
           group by line.sku) as sold
     where stock.sku = sold.sku",
    "select setval('order_number', (select max(id) from orders))",
];

/// A database full of past orders, to be measured on or copied.
#[derive(Debug)]
pub(crate) struct Past {
    database: Database,
    pub(crate) orders: usize,
    /// Whether somebody wants it again.
    is_kept: bool,
}

impl Past {
    /// Makes sure that there are so many past orders: in the database `name`, which stays, or in one for this run.
    /// Zero means as many as are there.
    pub(crate) async fn write(
        admin_url: &str,
        name: Option<&str>,
        orders: usize,
        goods: Goods,
    ) -> Result<Self> {
        let database = match name {
            Some(name) => Database::named(admin_url, name).await?,
            None => Database::create(admin_url).await?,
        };
        let mut shell = PgConnection::connect(&database.url).await?;
        let wanted = i64::try_from(orders)?;
        let mut there = newest(&mut shell).await?;
        ensure!(
            there <= wanted || wanted == 0,
            "{} holds {there} past orders, more than {wanted}",
            database.url
        );
        if there == 0 && wanted > 0 {
            let carts = shop::seed(&database.store, 1, goods).await.context("seeding the shop")?;
            engine::settle(&database, carts).await.context("settling the first order")?;
            there = newest(&mut shell).await?;
            ensure!(there == 1, "the first order of a shop is number {there}");
        }
        let is_new = there < wanted;
        while there < wanted {
            let to = wanted.min(there + CHUNK);
            copy(&mut shell, there + 1, to, wanted, goods).await?;
            there = to;
            eprintln!("past orders: {there} of {wanted}");
        }
        shell.close().await?;
        if is_new {
            database.settle_down().await?;
        }
        Ok(Self { database, orders: usize::try_from(there)?, is_kept: name.is_some() })
    }

    /// A database to measure on: a copy, or for the last round of a run this very one, unless it is kept.
    pub(crate) async fn open(self, is_last: bool) -> Result<(Database, Option<Self>)> {
        if is_last && !self.is_kept {
            // Copying closed its connections.
            return Ok((self.database.reopened().await?, None));
        }
        let copy = self.database.copy().await.context("copying the past orders")?;
        Ok((copy, (!is_last).then_some(self)))
    }
}

async fn newest(shell: &mut PgConnection) -> Result<i64> {
    Ok(sqlx::query_scalar("select coalesce(max(id), 0) from orders").fetch_one(shell).await?)
}

async fn copy(shell: &mut PgConnection, from: i64, to: i64, of: i64, goods: Goods) -> Result<()> {
    let mut tx = shell.begin().await?;
    // The checkpoint afterwards makes all of it durable at once.
    for prepare in [
        "set local synchronous_commit = off",
        "create temporary table chunk (id bigint, at timestamptz, cart uuid, lines jsonb, items jsonb, total bigint)
         on commit drop",
    ] {
        sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *tx).await?;
    }
    sqlx::query(CHUNK_OF)
        .bind(from)
        .bind(to)
        .bind(of)
        .bind(i64::try_from(goods.lines)?)
        .bind(i64::try_from(goods.skus)?)
        .execute(&mut *tx)
        .await
        .context("what differs")?;
    for statement in COPIES {
        // Planned anew each time: the tables grow.
        sqlx::query(statement).persistent(false).execute(&mut *tx).await.context(statement)?;
    }
    Ok(tx.commit().await?)
}
