//! Databases that were moved, restored or copied: nobody outside is called in the shop's name until an operator has
//! answered for them, and a copy never touches the money of the shop it comes from (O9, M42).

use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::operations::audit_run;
use holdfast_saga::operations::shop::{forked, restored};
use holdfast_saga::ports::{Gateways, Movement, Store};
use holdfast_saga::records::Shop as ShopRow;
use holdfast_saga::records::batch_rows::{Footprint, World};
use holdfast_saga::records::slot;
use holdfast_saga::shop::answer::Answered;
use holdfast_saga::shop::order::Verb;
use holdfast_shared::{Actor, OrderStatus, SagaId, SystemClock};
use holdfast_testkit::database::Database;
use holdfast_testkit::driver::{outside, with_backoff_divided_by, worker};
use holdfast_testkit::shop::{Shop, admin};

fn operator() -> Actor {
    Actor::Operator("olga".to_owned())
}

/// The database stands elsewhere from now on.
async fn move_away(store: &dyn Store) {
    let shop = store.shop().await.expect("reads");
    let mut tx = store.begin().await.expect("begins");
    let mut world = World::default();
    tx.load(&Footprint::default(), &mut world).await.expect("loads");
    world.writes.at = world.now;
    world.writes.shop = Some((shop.epoch, ShopRow { home: Some("another server".to_owned()), ..shop }));
    tx.save(&world.writes).await.expect("saves");
}

async fn parked(shop: &Shop, saga: SagaId) -> String {
    shop.until("the call is held", async || shop.saga(saga).await.progress.parked).await;
    let log = shop.store.log(saga).await.expect("reads");
    format!("{:?}", log.last().expect("history").entries)
}

async fn statement(outside: &Gateways) -> Vec<Movement> {
    let lists = audit_run::movements(&outside.payments).await.expect("the provider answers");
    lists.into_values().flatten().collect()
}

async fn charged(outside: &Gateways) -> usize {
    statement(outside).await.iter().filter(|line| line.captured_minor > 0).count()
}

async fn a_moved_database_calls_nobody(database: Database) {
    let shop = Shop::new(Arc::clone(&database.store));
    shop.stock("cd-1", 100).await;
    let (_, outside) = outside();
    move_away(&*shop.store).await;
    let held = worker(&shop.store, "held", &outside);
    let order = shop.order(&[("cd-1", 1)], Some("tok_ok")).await;
    let why = parked(&shop, order.saga(slot::CHECKOUT)).await;
    assert!(why.contains("`holdfast shop restored`") && why.contains("another server"), "{why}");
    assert!(held.shop_hold().why().is_some_and(|held| held.contains("`holdfast shop forked`")));
    // What needs nobody outside goes on; the notification is held, too.
    let cash = shop.order(&[("cd-1", 1)], None).await;
    shop.until("it waits for an admin", async || {
        shop.view(cash).await.order.status == OrderStatus::PendingConfirmation
    })
    .await;
    assert_eq!(charged(&outside).await, 0);

    let (registry, by) = (with_backoff_divided_by(), operator());
    let answer = restored(&*shop.store, &registry, "a larger server", &by).await.expect("the store answers");
    assert!(matches!(answer, Ok(Answered::Done(_))), "{answer:?}");
    shop.until("the order is confirmed", async || {
        shop.view(order).await.order.status == OrderStatus::Confirmed
    })
    .await;
    assert_eq!(charged(&outside).await, 1);
    let log = shop.store.log(order.saga(slot::CHECKOUT)).await.expect("reads");
    let log = format!("{log:?}");
    assert!(
        !log.contains("Failed") && log.contains("olga"),
        "held is no failure, and the act is shown: {log}"
    );
    let again = restored(&*shop.store, &registry, "twice", &by).await;
    assert!(matches!(again, Ok(Ok(Answered::Already(_)))), "{again:?}");
    assert!(held.shop_hold().why().is_none());
    held.stop().await;
}

#[tokio::test]
async fn o9_a_moved_database_calls_nobody_until_an_operator_answers_in_memory() {
    a_moved_database_calls_nobody(Database::memory(Arc::new(SystemClock)).await).await;
}

#[tokio::test]
async fn o9_a_moved_database_calls_nobody_until_an_operator_answers_on_sqlite() {
    a_moved_database_calls_nobody(Database::sqlite(Arc::new(SystemClock)).await).await;
}

#[tokio::test]
async fn o9_a_moved_database_calls_nobody_until_an_operator_answers_on_postgres() {
    a_moved_database_calls_nobody(Database::postgres_by_its_own_clock().await).await;
}

async fn a_fork_leaves_the_others_money_alone(database: Database) {
    let shop = Shop::new(Arc::clone(&database.store));
    shop.stock("cd-1", 100).await;
    let (_, outside) = outside();
    let first = worker(&shop.store, "first", &outside);
    let paid = shop.order(&[("cd-1", 1)], Some("tok_ok")).await;
    let waiting = shop.order(&[("cd-1", 1)], Some("tok_requires_action")).await;
    shop.until("one is paid, one waits for its buyer", async || {
        shop.view(paid).await.order.status == OrderStatus::Confirmed
            && shop.checkout(waiting).await.progress.deadline.is_some()
    })
    .await;
    let refused = forked(&*shop.store, false, "for staging", &operator()).await.expect("the store answers");
    let refused = refused.expect_err("nothing shows that it is a copy").to_string();
    assert!(refused.contains("--force"), "{refused}");
    move_away(&*shop.store).await;
    let refused = forked(&*shop.store, false, "for staging", &operator()).await.expect("the store answers");
    let refused = refused.expect_err("a worker runs").to_string();
    assert!(refused.contains("first") && refused.contains("stop"), "{refused}");
    first.stop().await;
    let before = shop.store.keys().await.expect("reads").shop();
    let answer = forked(&*shop.store, false, "for staging", &operator()).await.expect("the store answers");
    assert!(matches!(answer, Ok(Answered::Done(_))), "{answer:?}");

    // As another process, which begins with the shop's new id.
    let store =
        if database.is_in_memory() { Arc::clone(&database.store) } else { database.another_process().await };
    let copy = Shop::new(Arc::clone(&store));
    let row = store.shop().await.expect("reads");
    assert!(row.id != before && row.forked_from == Some(before) && row.doubt().is_none(), "{row:?}");
    let second = worker(&store, "second", &outside);
    copy.ask(waiting, Verb::Cancel, &admin()).await.expect("is accepted");
    copy.grant(paid, Some(300), "grant").await.expect("is accepted");
    let refund = copy.sagas().await.into_iter().find(|saga| saga.definition.name == "partial_refund");
    let refund = refund.expect("was started").id;
    for saga in [refund, waiting.saga(slot::CHECKOUT)] {
        let why = parked(&copy, saga).await;
        assert!(why.contains(&format!("belongs to shop {before}")), "{why}");
    }
    let own = copy.order(&[("cd-1", 1)], Some("tok_ok")).await;
    copy.until("its own order is confirmed", async || {
        copy.view(own).await.order.status == OrderStatus::Confirmed
    })
    .await;
    let lines = statement(&outside).await;
    assert_eq!(lines.iter().filter(|line| line.captured_minor > 0).count(), 2, "{lines:?}");
    assert!(lines.iter().all(|line| line.refunded_minor == 0), "the other's money stays: {lines:?}");
    let owners = lines.iter().filter_map(|line| line.charge.owner());
    assert_eq!(owners.filter(|(shop, _)| *shop == row.id).count(), 1, "{lines:?}");
    second.stop().await;
}

#[tokio::test]
async fn m42_a_fork_leaves_the_money_of_its_origin_alone_in_memory() {
    a_fork_leaves_the_others_money_alone(Database::memory(Arc::new(SystemClock)).await).await;
}

#[tokio::test]
async fn m42_a_fork_leaves_the_money_of_its_origin_alone_on_sqlite() {
    a_fork_leaves_the_others_money_alone(Database::sqlite(Arc::new(SystemClock)).await).await;
}

#[tokio::test]
async fn m42_a_fork_leaves_the_money_of_its_origin_alone_on_postgres() {
    a_fork_leaves_the_others_money_alone(Database::postgres_by_its_own_clock().await).await;
}

/// Another database stands in the place of the one that a worker began with: it notices within seconds.
#[tokio::test]
async fn o9_a_database_that_is_replaced_under_a_worker_is_noticed() {
    let database = Database::sqlite(Arc::new(SystemClock)).await;
    let shop = Shop::new(Arc::clone(&database.store));
    shop.stock("cd-1", 100).await;
    let (_, outside) = outside();
    let worker = worker(&shop.store, "working", &outside);
    shop.order(&[("cd-1", 1)], Some("tok_ok")).await;
    shop.rest().await;
    assert!(worker.shop_hold().why().is_none());
    move_away(&*shop.store).await;
    tokio::time::timeout(Duration::from_secs(8), async {
        while worker.shop_hold().why().is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("is noticed within seconds");
    worker.stop().await;
}
