//! Both flows whole, on every store, through real workers, with both of the sandbox's ledgers and over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_intake::CheckoutIntake;
use holdfast_saga::operations::dead_letter::resolve;
use holdfast_saga::ports::Gateways;
use holdfast_saga::shop::answer::Answered;
use holdfast_saga::shop::order::Verb;
use holdfast_saga::shop::payment_event::payment_event;
use holdfast_sandbox::http::{HttpSandbox, routes};
use holdfast_sandbox::{DurableSandbox, MemorySandbox, SandboxControl, Token};
use holdfast_shared::{Actor, CancelReason, OrderId, OrderStatus, PaymentStatus, SagaState, SystemClock};
use holdfast_telemetry::Metrics;
use holdfast_testkit::database::Database;
use holdfast_testkit::driver::{outside_with, worker};
use holdfast_testkit::shop::{Shop, admin};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How an order is expected to end.
type Ending = (OrderStatus, Option<CancelReason>, Option<PaymentStatus>);

const ITEMS: [(&str, u32); 2] = [("cd-1", 2), ("cd-2", 1)];

fn stands() -> Ending {
    (OrderStatus::Confirmed, None, Some(PaymentStatus::Captured))
}

fn cancelled(reason: CancelReason, payment: Option<PaymentStatus>) -> Ending {
    (OrderStatus::Cancelled, Some(reason), payment)
}

async fn endings(shop: &Shop, orders: impl Iterator<Item = &OrderId>) -> BTreeMap<OrderId, Ending> {
    let mut endings = BTreeMap::new();
    for order in orders {
        let view = shop.view(*order).await;
        let payment = view.payment.map(|payment| payment.status);
        endings.insert(*order, (view.order.status, view.order.cancel_reason, payment));
    }
    endings
}

/// Every token, and everything people can say about a cash-on-delivery order.
async fn check(database: &Database, sandbox: Arc<dyn SandboxControl>) {
    let shop = Shop::new(Arc::clone(&database.store));
    let outside = outside_with(&sandbox);
    for name in ["cd-1", "cd-2"] {
        shop.stock(name, 100).await;
    }
    shop.stock("rare", 1).await;
    shop.stock_at("gift", 2, 0).await;
    let worker = worker(&shop.store, "w1", &outside);
    let checkout_intake = CheckoutIntake::start(
        Arc::clone(&shop.store),
        shop.policy.clone(),
        worker.dispatch(),
        Metrics::default(),
    );
    let accept = async |items: &[(&str, u32)], token: Option<&str>| {
        let cart = shop.carts(1, items).await[0];
        let answer =
            checkout_intake.accept(shop.request(cart, token)).await.expect("the checkout_intake answers");
        answer.expect("is accepted").order
    };

    let mut expected = BTreeMap::new();
    let mut refused_refund = None;
    for token in Token::ALL {
        let order = accept(&ITEMS, Some(token.as_str())).await;
        let ending = match token {
            Token::Ok | Token::Timeout | Token::Flaky => stands(),
            Token::RequiresAction => {
                buyer_pays(&shop, &sandbox, order).await;
                stands()
            }
            Token::Declined => cancelled(CancelReason::PaymentDeclined, Some(PaymentStatus::Declined)),
            Token::Down => cancelled(CancelReason::PaymentExpired, Some(PaymentStatus::Cancelled)),
            Token::RefundFails => {
                refused_refund = Some(order);
                cancelled(CancelReason::AdminRequest, Some(PaymentStatus::Refunded))
            }
        };
        expected.insert(order, ending);
    }
    for (verb, by, ending) in [
        (Verb::Confirm, admin(), (OrderStatus::Confirmed, None, Some(PaymentStatus::DueOnDelivery))),
        (Verb::Reject, admin(), cancelled(CancelReason::RejectedByAdmin, None)),
        (Verb::Cancel, Actor::Customer, cancelled(CancelReason::CustomerRequest, None)),
    ] {
        let order = accept(&ITEMS, None).await;
        let answer = shop.ask(order, verb, &by).await;
        assert!(matches!(answer, Ok(Answered::Accepted(_))), "{answer:?}");
        expected.insert(order, ending);
    }
    let bought = accept(&[("rare", 1)], Some("tok_ok")).await;
    expected.insert(bought, stands());
    let too_late = accept(&[("rare", 1), ("cd-1", 1)], None).await;
    expected.insert(too_late, cancelled(CancelReason::OutOfStock, None));

    for (token, ending) in [(Some("tok_declined"), OrderStatus::Confirmed), (None, OrderStatus::Cancelled)] {
        let free = accept(&[("gift", 1)], token).await;
        let reason = (ending == OrderStatus::Cancelled).then_some(CancelReason::AdminRequest);
        if reason.is_some() {
            let is_confirmed = async || shop.view(free).await.order.status == OrderStatus::Confirmed;
            shop.until("it confirms itself", is_confirmed).await;
            shop.ask(free, Verb::Cancel, &admin()).await.expect("is accepted");
        }
        expected.insert(free, (ending, reason, None));
    }

    let (generous, ending) = (accept(&ITEMS, Some("tok_ok")).await, OrderStatus::Delivered);
    give_back_and_deliver(&shop, generous).await;
    expected.insert(generous, (ending, None, Some(PaymentStatus::PartiallyRefunded)));
    let paid_in_cash = accept(&ITEMS, None).await;
    shop.ask(paid_in_cash, Verb::Confirm, &admin()).await.expect("is accepted");
    deliver(&shop, paid_in_cash).await;
    expected.insert(paid_in_cash, (ending, None, Some(PaymentStatus::Collected)));

    let stubborn = refused_refund.expect("there is such a token");
    cancel_against_the_provider(&shop, &sandbox, &outside, stubborn).await;
    shop.rest().await;
    assert_eq!(endings(&shop, expected.keys()).await, expected);
    shop.assert_clean(&outside).await;
    assert!(shop.sagas().await.iter().all(|saga| saga.state.is_settled()));
    assert_eq!(worker.stop().await.cut_off, 0);
}

/// The buyer is sent to the bank, agrees, and the provider reports it.
async fn buyer_pays(shop: &Shop, sandbox: &Arc<dyn SandboxControl>, order: OrderId) {
    let waits = async || {
        let payment = shop.view(order).await.payment;
        payment.is_some_and(|payment| payment.status == PaymentStatus::RequiresAction)
    };
    shop.until("the buyer is asked", waits).await;
    let charge = shop.view(order).await.payment.and_then(|payment| payment.charge).expect("has a charge");
    sandbox.complete_action(&charge, true).await.expect("the sandbox answers");
    for _ in 0..2 {
        let answer = payment_event(&*shop.store, &charge, "evt_1").await.expect("the store answers");
        assert!(matches!(answer, Ok(Answered::Accepted(_))), "{answer:?}");
    }
}

/// A little of the money goes back while the goods go their way; then all that is left but a little.
async fn give_back_and_deliver(shop: &Shop, order: OrderId) {
    deliver(shop, order).await;
    for (minor, back) in [(500, 500), (2_400, 2_900)] {
        let answer = shop.grant(order, Some(minor), &minor.to_string()).await;
        assert!(matches!(answer, Ok(Answered::Accepted(_))), "{answer:?}");
        let again = shop.grant(order, Some(minor), &minor.to_string()).await;
        assert!(matches!(again, Ok(Answered::Already(_))), "{again:?}");
        let is_back = async || {
            let payment = shop.view(order).await.payment;
            payment.is_some_and(|payment| payment.refunded_minor == back)
        };
        shop.until("the money is back", is_back).await;
    }
    let answer = shop.grant(order, Some(101), "too much").await;
    assert!(answer.is_err(), "{answer:?}");
}

async fn deliver(shop: &Shop, order: OrderId) {
    let stands = async || shop.view(order).await.order.status == OrderStatus::Confirmed;
    shop.until("the order stands", stands).await;
    for verb in [Verb::Process, Verb::Ship, Verb::Deliver] {
        let answer = shop.ask(order, verb, &admin()).await;
        assert!(matches!(answer, Ok(Answered::Done(_))), "{answer:?}");
    }
}

/// A refund that keeps failing ends dead, visible, retryable.
async fn cancel_against_the_provider(
    shop: &Shop,
    sandbox: &Arc<dyn SandboxControl>,
    outside: &Gateways,
    order: OrderId,
) {
    let stands = async || shop.view(order).await.order.status == OrderStatus::Confirmed;
    shop.until("the order stands", stands).await;
    let answer = shop.ask(order, Verb::Cancel, &admin()).await;
    assert!(matches!(answer, Ok(Answered::Accepted(_))), "{answer:?}");
    shop.until("its refund has given up", async || shop.view(order).await.needs_attention).await;
    assert_eq!(shop.view(order).await.order.status, OrderStatus::Cancelling);
    let report = shop.audit(outside).await;
    assert!(
        report
            .in_flight
            .iter()
            .any(|open| open.order == order && open.dead && open.held.amount_minor == 3_000)
    );
    let sagas = shop.store.sagas_of(order).await.expect("reads");
    let dead = sagas.iter().find(|saga| saga.state == SagaState::Dead).expect("one is dead");
    let charge = shop.view(order).await.payment.and_then(|payment| payment.charge).expect("has a charge");
    sandbox.allow_refunds(&charge).await.expect("the sandbox answers");
    let answer = resolve::retry(&*shop.store, dead.id, None, &admin()).await.expect("the store answers");
    assert!(matches!(answer, Ok(Answered::Accepted(_))), "{answer:?}");
    let is_cancelled = async || shop.view(order).await.order.status == OrderStatus::Cancelled;
    shop.until("the order is cancelled after all", is_cancelled).await;
}

fn in_memory() -> Arc<dyn SandboxControl> {
    Arc::new(MemorySandbox::new(Arc::new(SystemClock)))
}

async fn with_a_file(database: &Database) {
    let folder = tempfile::tempdir().expect("makes a folder");
    let ledger = folder.path().join("sandbox.db");
    let sandbox = DurableSandbox::open(&ledger, Arc::new(SystemClock)).await.expect("opens");
    check(database, Arc::new(sandbox)).await;
}

/// The same ledger, asked over HTTP: what `tok_timeout` loses is then lost on a real connection.
async fn over_http(database: &Database) {
    let folder = tempfile::tempdir().expect("makes a folder");
    let ledger = folder.path().join("sandbox.db");
    let ledger = DurableSandbox::open(&ledger, Arc::new(SystemClock)).await.expect("opens");
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let stop = watch::Sender::new(false);
    let routes = routes(ledger, Duration::ZERO, stop.subscribe());
    let serving = tokio::spawn(async { axum::serve(listener, routes).await.expect("serves") });
    let sandbox = HttpSandbox::new(&url, Duration::from_secs(5)).expect("a URL");
    check(database, Arc::new(sandbox)).await;
    serving.abort();
}

#[tokio::test]
async fn every_ending_in_memory() {
    check(&Database::memory(Arc::new(SystemClock)).await, in_memory()).await;
}

#[tokio::test]
async fn every_ending_in_memory_with_a_durable_provider() {
    with_a_file(&Database::memory(Arc::new(SystemClock)).await).await;
}

#[tokio::test]
async fn every_ending_on_sqlite() {
    check(&Database::sqlite(Arc::new(SystemClock)).await, in_memory()).await;
}

#[tokio::test]
async fn every_ending_on_sqlite_with_a_durable_provider() {
    with_a_file(&Database::sqlite(Arc::new(SystemClock)).await).await;
}

#[tokio::test]
async fn every_ending_on_sqlite_with_a_provider_over_http() {
    over_http(&Database::sqlite(Arc::new(SystemClock)).await).await;
}

#[tokio::test]
async fn every_ending_on_postgres_with_a_provider_over_http() {
    over_http(&Database::postgres_by_its_own_clock().await).await;
}

#[tokio::test]
async fn every_ending_on_postgres() {
    check(&Database::postgres_by_its_own_clock().await, in_memory()).await;
}

#[tokio::test]
async fn every_ending_on_postgres_with_a_durable_provider() {
    with_a_file(&Database::postgres_by_its_own_clock().await).await;
}
