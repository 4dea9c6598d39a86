//! Preparing, sending and delivering: one step after the other, and a true answer whatever is asked.

use holdfast_saga::shop::answer::{Answered, Conflict};
use holdfast_saga::shop::order::Verb;
use holdfast_shared::{Actor, OrderId, OrderStatus, PaymentStatus};

use crate::shop::{Shop, admin};

const STEPS: [Verb; 3] = [Verb::Process, Verb::Ship, Verb::Deliver];

/// What a verb is answered with.
#[derive(Debug, Clone, Copy)]
enum Expected {
    Done,
    Already,
    Instead(&'static str),
}

async fn assert_answer(shop: &Shop, order: OrderId, verb: Verb, expected: Expected) {
    let before = shop.view(order).await;
    let answer = shop.ask(order, verb.clone(), &admin()).await;
    let fits = match (&answer, expected) {
        (Ok(Answered::Done(_)), Expected::Done) | (Ok(Answered::Already(_)), Expected::Already) => true,
        (Err(Conflict::Order(_, message)), Expected::Instead(part)) => message.contains(part),
        (Ok(_) | Err(_), _) => false,
    };
    assert!(fits, "{verb:?} of {}: {answer:?}, expected {expected:?}", before.order.status);
    if !matches!(expected, Expected::Done) {
        assert_eq!(shop.view(order).await, before, "{verb:?}");
    }
}

/// Asks all three of an order that stays as it is.
async fn assert_all_instead(shop: &Shop, order: OrderId, parts: [&'static str; 3]) {
    for (verb, part) in STEPS.into_iter().zip(parts) {
        assert_answer(shop, order, verb, Expected::Instead(part)).await;
    }
}

#[tokio::test]
async fn an_order_is_prepared_then_sent_then_delivered() {
    use Expected::{Already, Done, Instead};
    for token in [Some("tok_ok"), None] {
        let mut shop = Shop::open().await;
        let order = if let Some(token) = token { shop.card(token).await } else { shop.cod().await };
        if token.is_none() {
            let message = [
                "is PENDING_CONFIRMATION; it can be prepared once it is CONFIRMED",
                "is PENDING_CONFIRMATION; it can be shipped once it is PROCESSING",
                "is PENDING_CONFIRMATION; it can be delivered once it is SHIPPED",
            ];
            assert_all_instead(&shop, order, message).await;
            shop.accepted(order, Verb::Confirm, &admin()).await;
        } else {
            let message = [
                "order 1 is PENDING_PAYMENT; it can be prepared once it is CONFIRMED",
                "order 1 is PENDING_PAYMENT; it can be shipped once it is PROCESSING",
                "order 1 is PENDING_PAYMENT; it can be delivered once it is SHIPPED",
            ];
            assert_all_instead(&shop, order, message).await;
        }
        shop.rest().await;
        for (verb, expected, status) in [
            (Verb::Ship, Instead("is CONFIRMED; it can be shipped"), OrderStatus::Confirmed),
            (Verb::Deliver, Instead("is CONFIRMED; it can be delivered"), OrderStatus::Confirmed),
            (Verb::Process, Done, OrderStatus::Processing),
            (Verb::Process, Already, OrderStatus::Processing),
            (Verb::Deliver, Instead("once it is SHIPPED"), OrderStatus::Processing),
            (Verb::Ship, Done, OrderStatus::Shipped),
            (Verb::Ship, Already, OrderStatus::Shipped),
            (Verb::Process, Already, OrderStatus::Shipped),
            (Verb::Deliver, Done, OrderStatus::Delivered),
            (Verb::Deliver, Already, OrderStatus::Delivered),
            (Verb::Process, Already, OrderStatus::Delivered),
            (Verb::Ship, Already, OrderStatus::Delivered),
        ] {
            assert_answer(&shop, order, verb, expected).await;
            assert_eq!(shop.view(order).await.order.status, status);
            shop.assert_clean("on its way").await;
        }
        let payment = shop.view(order).await.payment.expect("the payment row exists");
        let expected = if token.is_some() {
            (PaymentStatus::Captured, 3_000)
        } else {
            // The cash never passed through a provider: it is collected, not captured.
            (PaymentStatus::Collected, 0)
        };
        assert_eq!((payment.status, payment.captured_minor), expected);
    }
}

#[tokio::test]
async fn e13_an_order_that_is_being_cancelled_goes_nowhere() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    shop.rest().await;
    shop.done(order, Verb::Process).await;
    shop.accepted(order, Verb::Cancel, &admin()).await;
    let late = "is being cancelled; it cannot be";
    assert_all_instead(&shop, order, [late; 3]).await;
    shop.rest().await;
    assert_all_instead(&shop, order, ["was cancelled at"; 3]).await;
    let undone = shop.card("tok_declined").await;
    shop.rest().await;
    assert_all_instead(&shop, undone, ["payment_declined"; 3]).await;
    shop.assert_clean("cancelled").await;
}

#[tokio::test]
async fn only_the_shop_moves_an_order_on_and_it_leaves_a_trace() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    shop.rest().await;
    let answer = shop.ask(order, Verb::Process, &Actor::Customer).await;
    assert!(
        matches!(&answer, Err(Conflict::Order(_, message)) if message.contains("by the shop")),
        "{answer:?}"
    );
    let nobody = shop.ask(OrderId::new(99), Verb::Ship, &admin()).await;
    assert!(matches!(nobody, Err(Conflict::UnknownOrder(_))), "{nobody:?}");
    for verb in STEPS {
        shop.done(order, verb).await;
    }
    let trail = format!("{:?}", shop.memory.snapshot().await);
    for action in ["order.process", "order.ship", "order.deliver", "order 1 is DELIVERED"] {
        assert!(trail.contains(action), "{action}: {trail}");
    }
}
