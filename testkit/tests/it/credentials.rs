//! M18: credentials that a provider refuses, for all operations or for one, and a provider that a worker does not know.

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_intake::CheckoutIntake;
use holdfast_log_channel::LogChannel;
use holdfast_saga::operations::dead_letter::{DeadLetterAction, resolve};
use holdfast_saga::operations::saga_list;
use holdfast_saga::ports::{Channels, Dispatch, Gateways, PaymentProvider, Providers};
use holdfast_saga::records::history::Entry;
use holdfast_saga::records::request::Operation;
use holdfast_saga::records::slot;
use holdfast_saga::shop::checkout::{AcceptPolicy, Refused};
use holdfast_saga::shop::order::Verb;
use holdfast_shared::{
    Actor, CancelReason, OrderId, OrderStatus, PaymentMethod, PaymentStatus, SagaState, SystemClock,
};
use holdfast_telemetry::Metrics;
use holdfast_test_bank::{Bank, BankProvider, LocalWire};
use holdfast_testkit::database::Database;
use holdfast_testkit::driver::{with_backoff_divided_by, worker};
use holdfast_testkit::shop::{Shop, admin};

const KEY_TTL: Duration = Duration::from_hours(24);
const ITEMS: [(&str, u32); 1] = [("cd-1", 1)];
const PRICE: i64 = 1_000;

fn bank() -> Arc<LocalWire> {
    let bank =
        Bank::new(KEY_TTL).with_account("key_1", "acct_1", false).with_account("key_2", "acct_1", false);
    Arc::new(LocalWire::new(bank, Arc::new(SystemClock)))
}

/// A worker's way to the bank, with these credentials; `None`: it does not know the bank.
fn outside(wire: &Arc<LocalWire>, api_key: Option<&str>) -> Gateways {
    let provider = |api_key| Arc::new(BankProvider::new(Arc::clone(wire) as _, api_key, KEY_TTL));
    let payments = api_key.map(|api_key| provider(api_key) as Arc<dyn PaymentProvider>);
    Gateways::new(payments.into_iter().collect::<Providers>(), Channels::of(Arc::new(LogChannel)))
}

async fn shop_at(database: &Database) -> Shop {
    let mut shop = Shop::new(Arc::clone(&database.store));
    shop.policy = AcceptPolicy::routed(&holdfast_test_bank::route());
    shop.stock("cd-1", 10_000).await;
    shop
}

fn sums(wire: &LocalWire) -> (i64, i64) {
    wire.bank().total()
}

async fn all_are(shop: &Shop, orders: &[OrderId], status: OrderStatus) -> bool {
    for order in orders {
        if shop.view(*order).await.order.status != status {
            return false;
        }
    }
    true
}

/// How often a call of these orders was held back.
async fn held(shop: &Shop, orders: &[OrderId], kind: u32) -> usize {
    let mut held = 0;
    for order in orders {
        let log = shop.store.log(order.saga(kind)).await.expect("reads");
        let entries = log.iter().flat_map(|row| &row.entries);
        held += entries.filter(|entry| matches!(entry, Entry::Held { .. })).count();
    }
    held
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Withdrawn,
    Restricted,
    Unknown,
}

async fn one_of_two_workers(trouble: Trouble) {
    let database = Database::postgres_by_its_own_clock().await;
    let (shop, wire) = (shop_at(&database).await, bank());
    match trouble {
        Trouble::Withdrawn => wire.bank().withdraw("key_2"),
        Trouble::Restricted => wire.bank().restrict("key_2", true),
        Trouble::Unknown => {}
    }
    let other_store = database.another_process().await;
    let able = worker(&shop.store, "able", &outside(&wire, Some("key_1")));
    let unable = outside(&wire, (trouble != Trouble::Unknown).then_some("key_2"));
    let unable = worker(&other_store, "unable", &unable);
    let mut taken = 0;
    // The first orders find it out, if starting did not. Once that is known, calls go at once to the one that can send them.
    let mut is_known = false;
    while !is_known {
        is_known = says_so(&shop, trouble).await;
        tokio::time::sleep(Duration::from_secs(6)).await;
        let orders = shop.orders(40, &ITEMS, Some("bank_pays")).await;
        taken += 40 * PRICE;
        let since = Instant::now();
        shop.until("all are paid", async || all_are(&shop, &orders, OrderStatus::Confirmed).await).await;
        let took = since.elapsed();
        for order in &orders {
            shop.ask(*order, Verb::Cancel, &admin()).await.expect("is accepted");
        }
        shop.until("all are paid back", async || all_are(&shop, &orders, OrderStatus::Cancelled).await).await;
        assert_eq!(sums(&wire), (taken, taken), "{trouble:?}: once, and once back");
        let held =
            [held(&shop, &orders, slot::CHECKOUT).await, held(&shop, &orders, slot::CANCELLATION).await];
        eprintln!("{trouble:?}, known: {is_known}: paid in {took:?}, {held:?} held");
        if is_known {
            assert_eq!(held, [0, 0], "{trouble:?}");
        }
    }
    able.stop().await;
    unable.stop().await;
}

/// Whether the worker that is in trouble says so.
async fn says_so(shop: &Shop, trouble: Trouble) -> bool {
    let workers = shop.store.workers().await.expect("reads");
    let said = workers.iter().find(|worker| worker.heartbeat.name == "unable");
    let providers = said.and_then(|worker| worker.heartbeat.providers.as_ref());
    let allowed =
        providers.map(|providers| providers.get(holdfast_test_bank::NAME).cloned().unwrap_or_default());
    allowed.is_some_and(|allowed| match trouble {
        Trouble::Withdrawn | Trouble::Unknown => allowed.is_empty(),
        Trouble::Restricted => allowed == [Operation::Take].into(),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m18_a_worker_whose_credentials_are_refused_leaves_its_calls_to_the_others() {
    one_of_two_workers(Trouble::Withdrawn).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m18_credentials_that_may_not_refund_still_take_money() {
    one_of_two_workers(Trouble::Restricted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m18_a_worker_that_does_not_know_the_provider_leaves_its_calls_to_the_others() {
    one_of_two_workers(Trouble::Unknown).await;
}

/// Nobody's credentials are taken: new checkouts are refused, what is unopened expires, and what is opened or owed waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m18_where_no_credentials_are_taken_checkouts_are_refused_and_nothing_dies() {
    let database = Database::postgres_by_its_own_clock().await;
    let (mut shop, wire) = (shop_at(&database).await, bank());
    shop.policy.payment_within = Duration::from_secs(20);
    let only = worker(&shop.store, "only", &outside(&wire, Some("key_1")));
    let intake = CheckoutIntake::start(
        Arc::clone(&shop.store),
        shop.policy.clone(),
        only.dispatch() as Arc<dyn Dispatch>,
        Metrics::default(),
    );
    let paid = shop.order(&ITEMS, Some("bank_pays")).await;
    let opened = shop.buyers(1, &ITEMS).await[0];
    shop.until("one is paid, one is at the bank", async || {
        let waits = shop.view(opened).await.payment.map(|payment| payment.status);
        shop.view(paid).await.order.status == OrderStatus::Confirmed
            && waits == Some(PaymentStatus::RequiresAction)
    })
    .await;
    wire.bank().withdraw("key_1");
    let unopened = shop.order(&ITEMS, Some("bank_pays")).await;
    shop.ask(paid, Verb::Cancel, &admin()).await.expect("is accepted");
    let request = async |token| shop.request(shop.carts(1, &ITEMS).await[0], token);
    shop.until("checkouts by card are refused", async || {
        let answer = intake.accept(request(Some("bank_pays")).await).await.expect("the intake answers");
        answer.err() == Some(Refused::MethodDown(PaymentMethod::Card))
    })
    .await;
    let cash = intake.accept(request(None).await).await.expect("the intake answers");
    cash.expect("cash on delivery asks no provider");

    shop.until("what was not opened expires", async || {
        let order = shop.view(unopened).await.order;
        (order.status, order.cancel_reason) == (OrderStatus::Cancelled, Some(CancelReason::PaymentExpired))
    })
    .await;
    let refund = paid.saga(slot::CANCELLATION);
    shop.until("what is opened or owed waits", async || {
        shop.checkout(opened).await.progress.parked && shop.saga(refund).await.progress.parked
    })
    .await;
    assert!(shop.sagas().await.iter().all(|saga| saga.state != SagaState::Dead));
    assert_eq!(sums(&wire), (PRICE, 0));
    let listed = saga_list::held(&*shop.store, None, 1_000).await.expect("reads");
    for waiting in [opened.saga(slot::CHECKOUT), refund] {
        let found = listed.iter().find(|listed| listed.saga.id == waiting).expect("is listed");
        let why = found.saga.progress.error.as_deref().unwrap_or_default();
        assert!(why.contains("these credentials are not known"), "{why}");
    }

    // The credentials are taken again, and an operator lets what waits be tried at once.
    wire.bank().admit("key_1", "acct_1", false);
    let (retry, by) = (DeadLetterAction::Retry { reason: None }, Actor::Operator("olga".to_owned()));
    let parked = shop.store.parked(None, 100).await.expect("reads");
    resolve::act(&*shop.store, &with_backoff_divided_by(), &parked, &retry, &by).await.expect("answers");
    // What was opened at a bank that closes nothing is waited for (M11).
    shop.until("what was owed is back, and what is opened goes on", async || {
        all_are(&shop, &[paid], OrderStatus::Cancelled).await && !shop.checkout(opened).await.progress.parked
    })
    .await;
    assert_eq!(sums(&wire).1, PRICE);
    assert!(shop.sagas().await.iter().all(|saga| saga.state != SagaState::Dead));
    shop.until("checkouts by card are accepted again", async || {
        let answer = intake.accept(request(Some("bank_pays")).await).await.expect("the intake answers");
        answer.is_ok()
    })
    .await;
    only.stop().await;
}
