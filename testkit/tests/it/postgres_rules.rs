//! The rules of the engine on a real Postgres, with two engines: what is late, poisoned, new, old or dead.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use holdfast_saga::engine::batch::Engine;
use holdfast_saga::engine::definition::Definition;
use holdfast_saga::engine::registry::Registry;
use holdfast_saga::flows::{checkout_cod, notification};
use holdfast_saga::operations::dead_letter::resolve;
use holdfast_saga::ports::StoreError;
use holdfast_saga::records::call::{Answer, CallResult, Mode};
use holdfast_saga::records::saga::Phase;
use holdfast_saga::records::slot;
use holdfast_saga::shop::answer::{Answered, Conflict};
use holdfast_saga::shop::order::Verb;
use holdfast_saga::timeline::next_move;
use holdfast_sandbox::SandboxControl as _;
use holdfast_shared::{Actor, CancelReason, Clock as _, OrderStatus, SagaState, Time};
use holdfast_testkit::database::{Database, PostgresDatabase};
use holdfast_testkit::driver::{answer, batch, engine, hinted, outside, sweep, worker};
use holdfast_testkit::shop::{Shop, admin};

use crate::pair::Pair;

#[tokio::test]
async fn e1_a_late_outcome_is_stored_and_its_money_refunded_once() {
    let pair = Pair::open().await;
    let (order, first) = pair.order_before_its_charge().await;
    pair.after_the_lease();
    let asked = batch(&pair.two, sweep(vec![])).await.calls.remove(0);
    assert_eq!((asked.mode, &asked.key), (Mode::Query, &first.key));
    // A provider that swears that nothing happened, and is wrong.
    let wrong = asked.outcome(Answer::Rejected { reason: "no such charge".to_owned() });
    batch(&pair.two, sweep(vec![wrong])).await;
    assert_eq!(pair.shop.view(order).await.order.cancel_reason, Some(CancelReason::PaymentDeclined));
    let late = answer(&first, &pair.outside).await;
    assert!(matches!(late.answer, Answer::Succeeded(CallResult::Captured { .. })));
    // Both engines hear of it at the same instant, and once more later.
    let (here, there) = tokio::join!(
        batch(&pair.one, sweep(vec![late.clone()])),
        batch(&pair.two, sweep(vec![late.clone()]))
    );
    assert_eq!((here.late, there.late), (1, 1));
    batch(&pair.one, sweep(vec![late])).await;
    pair.rest().await;
    let held: Vec<_> = pair
        .sandbox
        .statement()
        .await
        .expect("answers")
        .iter()
        .map(|line| (line.captured_minor, line.refunded_minor))
        .collect();
    assert_eq!(held, [(1_000, 1_000)]);
    let refunds = "select count(*) from refunds where status = 'SUCCEEDED' and late";
    assert_eq!(pair.database.number(refunds).await, 1);
    pair.assert_clean().await;
}

#[tokio::test]
async fn e6_poisoned_rows_among_many_die_alone() {
    let database = Database::postgres_by_its_own_clock().await;
    let shop = Shop::new(Arc::clone(&database.store));
    shop.stock("cd-1", 1_000).await;
    let orders = shop.orders(40, &[("cd-1", 1)], Some("tok_ok")).await;
    let (refused, unreadable) = (orders[17], orders[31]);
    database
        .execute(&format!(
            "insert into payments (order_id, provider, status, amount_minor, currency, captured_minor, \
             refunded_minor, updated_at) values ({refused}, 'x', 'PENDING', 1, 'EUR', 0, 0, now())"
        ))
        .await;
    let damaged = unreadable.saga(0).key();
    database.execute(&format!("update sagas set progress = '{{\"s\":\"x\"}}' where id = {damaged}")).await;
    let (_, outside) = outside();
    let runtime = worker(&shop.store, "w1", &outside);
    shop.rest().await;
    for order in &orders {
        let view = shop.view(*order).await;
        let is_culprit = [refused, unreadable].contains(order);
        assert_eq!(view.needs_attention, is_culprit, "order {order}");
        let expected = if is_culprit { OrderStatus::PendingPayment } else { OrderStatus::Confirmed };
        assert_eq!(view.order.status, expected, "order {order}");
    }
    let dead = shop.checkout(refused).await;
    assert!(dead.progress.error.is_some_and(|error| error.contains("payments_pkey")));
    assert!(shop.now().await.since(dead.updated_at) < Duration::from_mins(1), "{}", dead.updated_at);
    // Somebody repairs what was broken.
    database.execute(&format!("delete from payments where order_id = {refused}")).await;
    database.execute(&format!("update sagas set progress = '{{\"s\":0}}' where id = {damaged}")).await;
    for order in [refused, unreadable] {
        let answer =
            resolve::retry(&*shop.store, order.saga(0), None, &admin()).await.expect("the store answers");
        assert!(matches!(answer, Ok(Answered::Accepted(_))), "{answer:?}");
    }
    let all = async || shop.stats().await == [("CONFIRMED".to_owned(), 40)].into();
    shop.until("all orders are confirmed", all).await;
    shop.rest().await;
    shop.assert_clean(&outside).await;
    runtime.stop().await;
}

/// As a newer binary knows it.
static COD_V2: Definition = Definition { version: 2, ..checkout_cod::V1 };

static OLD: Registry = Registry::new(&[&checkout_cod::V1, &notification::V1]);
static NEW: Registry = Registry::new(&[&checkout_cod::V1, &COD_V2, &notification::V1]);

#[tokio::test]
async fn e8_old_and_new_definitions_run_side_by_side() {
    let pair = Pair::open().await;
    let old = Engine { registry: OLD, ..pair.one.clone() };
    let new = Engine { registry: NEW, ..pair.two.clone() };
    let orders = pair.orders(2, None).await;
    let newer = orders[1].saga(0).key();
    pair.database.execute(&format!("update sagas set version = 2 where id = {newer}")).await;
    for order in &orders {
        pair.shop.ask(*order, Verb::Confirm, &admin()).await.expect("is accepted");
    }
    let hints = orders.iter().map(|order| order.saga(0));
    let done = batch(&old, holdfast_saga::engine::batch::BatchInput { due_max: 10, ..hinted(hints) }).await;
    assert_eq!((done.claimed, done.locked.len()), (1, 0));
    let status = async |at: usize| pair.shop.view(orders[at]).await.order.status;
    assert_eq!(status(0).await, OrderStatus::Confirmed);
    // It stays due, unharmed, for whoever knows it.
    let waiting = pair.shop.checkout(orders[1]).await;
    assert_eq!((waiting.state, waiting.fence), (SagaState::Running, 0));
    assert!(waiting.wake_at.is_some_and(|at| at <= pair.clock.now()));
    batch(&new, sweep(vec![])).await;
    assert_eq!(status(1).await, OrderStatus::Confirmed);
    assert_eq!(pair.shop.checkout(orders[1]).await.definition.version, 2, "it keeps its version for life");
}

#[tokio::test]
async fn e8_a_newer_migration_is_refused_only_when_it_breaks() {
    let database = PostgresDatabase::create().await;
    let store = database.store().await;
    store.check_schema().await.expect("fits");
    assert!(store.migrate().await.expect("migrates").is_empty(), "nothing is missing");
    let apply = async |version: i64, text: &str| {
        sqlx::query(
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
             values ($1, $2, true, '', 0)",
        )
        .bind(version)
        .bind(text)
        .execute(&mut database.shell().await)
        .await
        .expect("is applied");
    };
    apply(9_001, "index for a report").await;
    store.check_schema().await.expect("a harmless one is none of our business");
    store.migrate().await.expect("and not in the way");
    apply(9_002, "breaking carts by shop").await;
    for result in [store.check_schema().await, store.migrate().await.map(drop)] {
        let Err(StoreError::Refused(text)) = result else { panic!("is accepted: {result:?}") };
        assert!(text.contains("9002") && text.contains("upgrade holdfast"), "{text}");
    }
}

#[tokio::test]
async fn e9_the_sweep_finds_what_nobody_hinted_at() {
    let database = Database::postgres_by_its_own_clock().await;
    let shop = Shop::new(Arc::clone(&database.store));
    shop.stock("cd-1", 1_000).await;
    let (_, outside) = outside();
    let runtime = worker(&shop.store, "w1", &outside);
    // Accepted without the intake: no hint is ever sent, as after a total loss of Redis.
    shop.orders(30, &[("cd-1", 1)], Some("tok_ok")).await;
    shop.rest().await;
    assert_eq!(shop.stats().await, [("CONFIRMED".to_owned(), 30)].into());
    shop.assert_clean(&outside).await;
    runtime.stop().await;
}

/// Every row version there is: a row that is written, even as it was, changes this.
const VERSIONS: &str = "
    select count(*) || ':' || coalesce(sum(('x' || substr(md5(ctid::text || xmin::text), 1, 7))::bit(28)::int), 0)
    from (select ctid, xmin from sagas union all select ctid, xmin from saga_log
          union all select ctid, xmin from orders union all select ctid, xmin from stock
          union all select ctid, xmin from payments union all select ctid, xmin from carts
          union all select ctid, xmin from signals union all select ctid, xmin from notifications) every";

#[tokio::test]
async fn e9_a_wake_with_nothing_due_writes_nothing() {
    let pair = Pair::open().await;
    let waiting = pair.orders(3, None).await;
    let settled = pair.orders(2, Some("tok_ok")).await;
    let mut outcomes = Vec::new();
    for _ in 0..6 {
        let done = batch(&pair.one, sweep(std::mem::take(&mut outcomes))).await;
        for call in &done.calls {
            outcomes.push(answer(call, &pair.outside).await);
        }
    }
    assert_eq!(pair.shop.checkout(settled[0]).await.state, SagaState::Completed);
    let versions = async || {
        let mut shell = pair.database.on_postgres().shell().await;
        let found: String = sqlx::query_scalar(VERSIONS).fetch_one(&mut shell).await.expect("reads");
        found
    };
    let before = versions().await;
    let all = || waiting.iter().chain(&settled).map(|order| order.saga(0));
    for _ in 0..10 {
        for engine in [&pair.one, &pair.two] {
            let done = batch(engine, hinted(all())).await;
            assert!(done.moved.is_empty() && done.calls.is_empty());
        }
    }
    assert_eq!(versions().await, before);
}

#[tokio::test]
async fn e13_of_many_cancels_at_once_one_enters_cancelling() {
    let pair = Pair::open().await;
    let order = pair.orders(1, Some("tok_ok")).await[0];
    pair.rest().await;
    let asked = (0..10).map(|at| {
        let shop = if at % 2 == 0 { &pair.shop } else { &pair.other };
        async move { shop.ask(order, Verb::Cancel, &admin()).await }
    });
    let answers = join_all(asked).await;
    let accepted = answers.iter().filter(|answer| matches!(answer, Ok(Answered::Accepted(_)))).count();
    let already = answers.iter().filter(|answer| matches!(answer, Ok(Answered::Already(_)))).count();
    assert_eq!((accepted, already), (1, 9), "{answers:?}");
    assert_eq!(pair.shop.view(order).await.order.status, OrderStatus::Cancelling);
    let sagas = pair.shop.store.sagas_of(order).await.expect("reads");
    let live: Vec<_> =
        sagas.iter().filter(|saga| !saga.state.is_settled()).map(|saga| saga.id.slot()).collect();
    assert_eq!(live, [Some(slot::CANCELLATION)]);
    let confirm = pair.shop.ask(order, Verb::Confirm, &admin()).await;
    assert!(matches!(confirm, Err(Conflict::Order(..))), "{confirm:?}");
    pair.rest().await;
    assert_eq!(pair.shop.view(order).await.order.cancel_reason, Some(CancelReason::AdminRequest));
    pair.assert_clean().await;
}

#[tokio::test]
async fn e14_the_databases_clock_rules_whatever_a_process_believes() {
    let database = Database::postgres_by_its_own_clock().await;
    let shop = Shop::new(Arc::clone(&database.store));
    let clock = async || {
        let mut shell = database.on_postgres().shell().await;
        let now: time::OffsetDateTime =
            sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut shell).await.expect("reads");
        Time::from(now)
    };
    let before = clock().await;
    shop.stock("cd-1", 10).await;
    let order = shop.order(&[("cd-1", 1)], Some("tok_ok")).await;
    let done = batch(&engine(&database.another_process().await, "w1"), sweep(vec![])).await;
    let after = clock().await;
    assert_eq!(done.calls.len(), 1);
    let saga = shop.checkout(order).await;
    let view = shop.view(order).await;
    let leased_at = saga.leased_until.expect("is leased") - holdfast_testkit::driver::LEASE;
    for at in [view.order.accepted_at, saga.created_at, saga.updated_at, leased_at, done.moved[0].at] {
        assert!(before <= at && at <= after, "{at}");
    }
    // A process an hour ahead by its own clock would take the lease away; by the database's it may not.
    let ahead = Arc::new(holdfast_shared::ManualClock::new(after + Duration::from_hours(1)));
    let mistaken = database.on_postgres().store().await.with_clock(ahead);
    let claimed = |done: holdfast_saga::engine::batch::Committed| done.claimed;
    let honest = engine(&database.another_process().await, "w2");
    assert_eq!(claimed(batch(&honest, hinted([saga.id])).await), 0);
    let mistaken: Arc<dyn holdfast_saga::ports::Store> = Arc::new(mistaken);
    assert_eq!(claimed(batch(&engine(&mistaken, "w3"), hinted([saga.id])).await), 1);
}

#[tokio::test]
async fn e15_in_a_batch_stock_goes_by_the_instant_of_acceptance() {
    let pair = Pair::open().await;
    pair.shop.stock("rare", 2).await;
    let mut orders = Vec::new();
    for _ in 0..6 {
        orders.push(pair.shop.order(&[("rare", 1)], None).await);
    }
    // The last two were accepted first, by the clock.
    for order in &orders[4..] {
        let id = order.saga(0).key();
        let earlier = format!("update sagas set created_at = created_at - interval '1 s' where id = {id}");
        pair.database.execute(&earlier).await;
    }
    batch(&pair.one, sweep(vec![])).await;
    let mut served = BTreeSet::new();
    for order in &orders {
        if pair.shop.view(*order).await.order.status == OrderStatus::PendingConfirmation {
            served.insert(*order);
        }
    }
    assert_eq!(served, orders[4..].iter().copied().collect());
}

#[tokio::test]
async fn e16_what_is_old_is_forgotten_and_the_audit_stays_clean() {
    let pair = Pair::open().await;
    let first = pair.orders(5, Some("tok_ok")).await[0];
    for token in ["tok_declined", "tok_refund_fails"] {
        pair.orders(5, Some(token)).await;
    }
    pair.rest().await;
    let confirmed = pair.orders(3, Some("tok_ok")).await;
    pair.rest().await;
    for order in &confirmed {
        pair.shop.ask(*order, Verb::Cancel, &Actor::Customer).await.expect("is accepted");
    }
    let stuck = pair.orders(1, Some("tok_refund_fails")).await[0];
    pair.rest().await;
    pair.shop.ask(stuck, Verb::Cancel, &admin()).await.expect("is accepted");
    pair.rest().await;
    let living = pair.orders(2, None).await;
    batch(&pair.one, sweep(vec![])).await;
    let sagas = pair.shop.sagas().await.len();
    pair.clock.advance(Duration::from_hours(31 * 24));
    let before = pair.clock.now();
    let mut gone = 0;
    while let Some(rows) =
        Some(pair.shop.store.prune(before, 7).await.expect("prunes")).filter(|rows| *rows > 0)
    {
        // A bite is at most so many rows of each of three tables.
        assert!(rows <= 21);
        gone += rows;
    }
    // What is left: the stuck cancellation, and what lives.
    let left: Vec<_> = pair.shop.sagas().await.iter().map(|saga| saga.id).collect();
    let dead = stuck.saga(slot::CANCELLATION);
    let mut expected: Vec<_> = living.iter().map(|order| order.saga(0)).collect();
    expected.push(dead);
    expected.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(left, expected);
    assert_eq!(pair.database.number("select count(*) from orders").await, 21);
    assert!(pair.shop.store.log(first.saga(0)).await.expect("reads").is_empty());
    assert!(gone >= (sagas - left.len()) as u64);
    let report = pair.shop.audit(&pair.outside).await;
    assert!(report.is_clean(), "{:#?}", report.violations);
}

#[tokio::test]
async fn e18_a_dead_saga_keeps_its_direction_and_says_what_to_do() {
    let pair = Pair::open().await;
    let order = pair.orders(1, Some("tok_refund_fails")).await[0];
    let call = batch(&pair.one, sweep(vec![])).await.calls.remove(0);
    // Cancelled while the money is being taken: the refund that follows is refused until it gives up.
    pair.other.ask(order, Verb::Cancel, &Actor::Customer).await.expect("is accepted");
    let outcome = answer(&call, &pair.outside).await;
    let refund = batch(&pair.one, sweep(vec![outcome])).await.calls.remove(0);
    let outcome = answer(&refund, &pair.outside).await;
    batch(&pair.one, sweep(vec![outcome])).await;
    pair.rest().await;
    let dead = pair.other.checkout(order).await;
    assert_eq!((dead.state, dead.progress.phase), (SagaState::Dead, Phase::Undo));
    assert!(!dead.progress.pivoted);
    assert!(next_move(&dead).contains("looks the charge up first"), "{}", next_move(&dead));
    assert!(pair.shop.view(order).await.needs_attention);
    pair.sandbox.allow_refunds(&call.key).await.expect("the sandbox answers");
    let answer = resolve::retry(&*pair.shop.store, dead.id, None, &admin()).await.expect("the store answers");
    assert!(matches!(answer, Ok(Answered::Accepted(_))), "{answer:?}");
    pair.rest().await;
    let view = pair.shop.view(order).await;
    assert_eq!(view.order.cancel_reason, Some(CancelReason::CustomerRequest));
    assert!(!view.needs_attention);
    pair.assert_clean().await;
}
