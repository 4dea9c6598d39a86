//! Operators on a real Postgres: what they ask costs what is not settled, and many at once do nothing twice.

use std::time::Duration;

use futures_util::future::join_all;
use holdfast_saga::flows::{REGISTRY, checkout_online};
use holdfast_saga::operations::dead_letter::DeadLetterAction;
use holdfast_saga::operations::dead_letter::resolve::act;
use holdfast_saga::operations::queue;
use holdfast_saga::ports::Claim;
use holdfast_saga::shop::answer::Answered;
use holdfast_saga::shop::order::Verb;
use holdfast_shared::{Actor, Queue, SagaId};
use holdfast_testkit::database::Database;
use holdfast_testkit::driver::QUEUES;
use holdfast_testkit::shop::admin;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::pair::Pair;

fn operator(name: &str) -> Actor {
    Actor::Operator(name.to_owned())
}

/// Cancellations that cannot give the money back.
async fn dead(pair: &Pair, count: usize) -> Vec<SagaId> {
    let orders = pair.orders(count, Some("tok_refund_fails")).await;
    pair.rest().await;
    for order in &orders {
        assert!(pair.shop.ask(*order, Verb::Cancel, &admin()).await.is_ok());
    }
    pair.rest().await;
    let dead = pair.shop.store.dead(None, 1_000).await.expect("reads");
    assert_eq!(dead.len(), count);
    dead.into_iter().map(|row| row.id).collect()
}

// Pitfall 26: two operators with the same idea, and each saga is retried once.
#[tokio::test]
async fn of_many_who_retry_the_same_dead_at_once_each_saga_is_retried_by_one() {
    let pair = Pair::open().await;
    let dead = dead(&pair, 40).await;
    let asked = (0..8).map(|nth| {
        let store = if nth % 2 == 0 { &pair.shop.store } else { &pair.other.store };
        // Each begins elsewhere: the order of the locks is the store's own.
        let mut mine = dead.clone();
        mine.rotate_left(nth * 5);
        async move {
            act(
                &**store,
                &REGISTRY,
                &mine,
                &DeadLetterAction::Retry { reason: None },
                &operator(&nth.to_string()),
            )
            .await
        }
    });
    let answers = join_all(asked).await;
    let mut accepted = Vec::new();
    for answers in answers {
        for (id, answer) in answers.expect("nobody waits in a circle") {
            match answer {
                Ok(Answered::Accepted(_)) => accepted.push(id),
                Ok(Answered::Already(_)) => {}
                other => panic!("{id}: {other:?}"),
            }
        }
    }
    accepted.sort_unstable();
    let mut expected = dead;
    expected.sort_unstable();
    assert_eq!(accepted, expected);
    let retried = "select count(*) from admin_actions where action = 'saga.retry'";
    assert_eq!(pair.database.number(retried).await, 40);
}

/// So many sagas of as many orders: most settled, some dead, some living; all of them young.
async fn many_sagas(database: &Database) {
    database
        .execute(
            "insert into sagas (id, definition, version, queue, state, fence, wake_at, progress, context, key_prefix, \
             created_at, updated_at) \
             select n::bigint << 20, 'checkout_online', 2, 'checkout', \
                    case when n % 500 = 0 then 'DEAD' when n % 501 = 0 then 'RUNNING' else 'COMPLETED' end, 1, \
                    case when n % 501 = 0 and n % 500 <> 0 then now() end, '{\"s\":2}', \
                    '{\"kind\":\"rumour\",\"token\":\"tok_ok\"}', 'prefix', now(), now() \
             from generate_series(1, 200000) as n",
        )
        .await;
    database.execute("analyze sagas").await;
}

/// The plan of a statement of the store.
async fn plan(shell: &mut PgConnection, options: &str, text: &str, parameters: &str) -> Vec<String> {
    sqlx::raw_sql(AssertSqlSafe(format!("prepare asked as {text}")))
        .execute(&mut *shell)
        .await
        .expect("prepares");
    let explain = format!("explain ({options}) execute asked({parameters})");
    let plan = sqlx::query_scalar(AssertSqlSafe(explain)).fetch_all(&mut *shell).await.expect("explains");
    sqlx::raw_sql("deallocate asked").execute(&mut *shell).await.expect("forgets");
    plan
}

// Pitfall 29: asked every few seconds, by every worker, of a shop with a million past orders.
#[tokio::test]
async fn depth_and_dead_are_read_from_what_is_not_settled() {
    let database = Database::postgres_by_its_own_clock().await;
    many_sagas(&database).await;
    let mut shell = database.on_postgres().shell().await;
    for (name, text, parameters) in [
        ("queues_depth", include_str!("../../../store/queries/queues_depth.sql"), "now()"),
        (
            "dead_list",
            include_str!("../../../store/queries/sagas_dead_page.sql"),
            "9223372036854775807, 5000",
        ),
    ] {
        let plan = plan(&mut shell, "costs off", text, parameters).await;
        let scans: Vec<_> = plan.iter().filter(|line| line.contains("Seq Scan on sagas")).collect();
        assert!(scans.is_empty(), "{name}: {plan:#?}");
    }
    let queues = database.store.queues().await.expect("reads");
    let checkout = queues.iter().find(|view| view.queue == Queue::Checkout).expect("is there");
    assert_eq!((checkout.due, checkout.dead, checkout.in_flight), (399, 400, 0));
    let dead = database.store.dead(None, 1_000).await.expect("reads");
    assert_eq!(dead.len(), 400);
    assert!(dead.iter().all(|row| row.token.as_deref() == Some("tok_ok")));
}

// Pitfall 29 again: every worker looks for what is old, and in most looks there is nothing.
#[tokio::test]
async fn what_is_old_is_found_without_reading_what_is_young() {
    let database = Database::postgres_by_its_own_clock().await;
    many_sagas(&database).await;
    database
        .execute(
            "insert into signals (saga_id, dedupe, body, created_at, consumed_at) \
             select n::bigint << 20, 'paid', '{}', now(), now() from generate_series(1, 50000) as n",
        )
        .await;
    database
        .execute(
            "insert into idempotency_keys (key, body, order_id, created_at) \
             select md5(n::text)::uuid, md5(n::text)::uuid, n, now() from generate_series(1, 50000) as n",
        )
        .await;
    database.execute("analyze signals, idempotency_keys").await;
    let mut shell = database.on_postgres().shell().await;
    for (name, text, parameters) in [
        ("prune_sagas", include_str!("../../../store/postgres/queries/sagas_prune.sql"), ", 1000, 0"),
        ("prune_signals", include_str!("../../../store/postgres/queries/signals_prune.sql"), ", 1000, 0"),
        ("prune_keys", include_str!("../../../store/postgres/queries/idempotency_keys_prune.sql"), ""),
    ] {
        let parameters = format!("now() - interval '30 days', 500{parameters}");
        let plan = plan(&mut shell, "analyze, buffers, timing off, costs off", text, &parameters).await;
        let pages =
            plan.iter().find_map(|line| line.trim().strip_prefix("Buffers: shared hit=")).expect("has read");
        let hit: u64 = pages.split(' ').next().and_then(|pages| pages.parse().ok()).expect("is a number");
        assert!(hit < 2_000, "{name} looked at {hit} pages: {plan:#?}");
    }
}

// F24: what a page of orders costs does not grow with the sagas of all others, planned as a store plans.
#[tokio::test]
async fn f24_an_order_is_read_without_reading_the_others() {
    let database = Database::postgres_by_its_own_clock().await;
    many_sagas(&database).await;
    let mut shell = database.on_postgres().shell().await;
    for setting in ["jit", "enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin"] {
        let statement = AssertSqlSafe(format!("set {setting} = off"));
        sqlx::raw_sql(statement).execute(&mut shell).await.expect("sets");
    }
    sqlx::raw_sql("set plan_cache_mode = force_generic_plan").execute(&mut shell).await.expect("sets");
    let orders = "(select array_agg(n) from generate_series(1000, 1099) as n)";
    let orders: String = sqlx::query_scalar(AssertSqlSafe(format!("select {orders}::text")))
        .fetch_one(&mut shell)
        .await
        .expect("reads");
    for (name, text, more) in [
        (
            "sagas_pending",
            include_str!("../../../store/postgres/queries/sagas_pending.sql"),
            ", array['cancellation', 'partial_refund']",
        ),
        (
            "orders_with_dead_saga",
            include_str!("../../../store/postgres/queries/orders_with_dead_saga.sql"),
            "",
        ),
        ("orders_version", include_str!("../../../store/postgres/queries/orders_version.sql"), ""),
    ] {
        let plan =
            plan(&mut shell, "analyze, buffers, timing off, costs off", text, &format!("'{orders}'{more}"))
                .await;
        let pages =
            plan.iter().find_map(|line| line.trim().strip_prefix("Buffers: shared hit=")).expect("has read");
        let hit: u64 = pages.split(' ').next().and_then(|pages| pages.parse().ok()).expect("is a number");
        assert!(hit < 1_500, "{name} looked at {hit} pages: {plan:#?}");
    }
}

// A queue that was paused for a sale: a worker that planned its claims while nothing waited finds a crowd.
#[tokio::test]
async fn a_claim_that_was_planned_in_an_empty_shop_does_not_read_all_that_waits() {
    let database = Database::postgres_by_its_own_clock().await;
    let definitions = [checkout_online::V2.id()];
    let claim = async |due_max| {
        let mut tx = database.store.begin().await.expect("begins");
        let claim = Claim { due_max, queues: &QUEUES, definitions: &definitions, ..Claim::default() };
        tx.claim(&claim).await.expect("claims").unreadable.len()
    };
    let read = "select idx_tup_read from pg_stat_user_indexes where indexrelname = 'sagas_due'";
    assert_eq!(claim(10).await, 0);
    database.execute("alter table sagas set (autovacuum_enabled = off)").await;
    database
        .execute(
            "insert into sagas (id, definition, version, queue, state, fence, wake_at, progress, context, key_prefix, \
             created_at, updated_at) \
             select n::bigint << 20, 'checkout_online', 2, 'checkout', 'RUNNING', 1, now() - random() * interval '1 hour', '{}', \
                    '{}', 'prefix', now(), now() \
             from generate_series(1, 50000) as n",
        )
        .await;
    let before = database.number(read).await;
    assert_eq!(claim(10).await, 10, "none of them can be read, which is nothing to this test");
    // A connection tells what it read no more than once a second, after a transaction.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(claim(0).await, 0);
    let reads = database.number(read).await - before;
    database.execute("alter table sagas reset (autovacuum_enabled)").await;
    assert!((10..1_000).contains(&reads), "read {reads} entries to find ten");
}

#[tokio::test]
async fn of_many_who_pause_a_queue_at_once_one_does() {
    let pair = Pair::open().await;
    for set_paused in [true, false] {
        let asked = (0..8).map(|nth| {
            let store = if nth % 2 == 0 { &pair.shop.store } else { &pair.other.store };
            async move {
                let by = operator(&nth.to_string());
                if set_paused {
                    queue::pause(&**store, Queue::Checkout, None, &by).await
                } else {
                    queue::resume(&**store, Queue::Checkout, &by).await
                }
            }
        });
        let answers = join_all(asked).await;
        let done = answers.iter().filter(|answer| matches!(answer, Ok(Answered::Done(_)))).count();
        let already = answers.iter().filter(|answer| matches!(answer, Ok(Answered::Already(_)))).count();
        assert_eq!((done, already), (1, 7), "{answers:?}");
    }
    assert_eq!(
        pair.database.number("select count(*) from admin_actions where action like 'queue.%'").await,
        2
    );
}
