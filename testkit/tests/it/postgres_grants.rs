//! Granted refunds on a real Postgres: whoever asks at once, one saga moves an order's money at a time.

use futures_util::future::join_all;
use holdfast_saga::records::slot;
use holdfast_saga::shop::answer::{Answered, Conflict};
use holdfast_saga::shop::order::Verb;
use holdfast_sandbox::SandboxControl as _;
use holdfast_shared::{Clock as _, OrderId, OrderStatus, PaymentStatus};
use holdfast_testkit::shop::admin;

use crate::pair::Pair;

async fn standing(pair: &Pair) -> OrderId {
    let order = pair.orders(1, Some("tok_ok")).await[0];
    pair.rest().await;
    order
}

/// What is back, by our ledger and by the provider's.
async fn back(pair: &Pair, order: OrderId) -> (PaymentStatus, i64, i64) {
    let payment = pair.shop.view(order).await.payment.expect("was paid");
    let statement = pair.sandbox.statement().await.expect("answers");
    let line = statement.iter().find(|line| Some(&line.charge) == payment.charge.as_ref());
    (payment.status, payment.refunded_minor, line.expect("is on the statement").refunded_minor)
}

#[tokio::test]
async fn of_many_grants_and_cancels_at_once_one_is_accepted() {
    let pair = Pair::open().await;
    for _ in 0..5 {
        let order = standing(&pair).await;
        let asked = (0..12).map(|at| {
            let shop = if at % 2 == 0 { &pair.shop } else { &pair.other };
            async move {
                match at % 3 {
                    0 => shop.ask(order, Verb::Cancel, &admin()).await,
                    _ => shop.grant(order, Some(300), &at.to_string()).await,
                }
            }
        });
        let answers = join_all(asked).await;
        let accepted = answers.iter().filter(|answer| matches!(answer, Ok(Answered::Accepted(_)))).count();
        assert_eq!(accepted, 1, "{answers:?}");
        let fits = |answer: &&Result<_, _>| {
            matches!(answer, Ok(Answered::Accepted(_) | Answered::Already(_)) | Err(Conflict::Order(..)))
        };
        assert_eq!(answers.iter().filter(fits).count(), answers.len(), "{answers:?}");
        let sagas = pair.shop.store.sagas_of(order).await.expect("reads");
        assert_eq!(sagas.iter().filter(|saga| !saga.state.is_settled()).count(), 1, "{sagas:?}");
        pair.rest().await;
        let is_cancelled = pair.shop.view(order).await.order.status == OrderStatus::Cancelled;
        let expected = if is_cancelled {
            (PaymentStatus::Refunded, 1_000, 1_000)
        } else {
            (PaymentStatus::PartiallyRefunded, 300, 300)
        };
        assert_eq!(back(&pair, order).await, expected, "{answers:?}");
    }
    pair.assert_clean().await;
}

#[tokio::test]
async fn one_grant_asked_for_many_times_at_once_is_one_refund() {
    let pair = Pair::open().await;
    for is_pruned in [false, true] {
        let order = standing(&pair).await;
        if is_pruned {
            pair.after_the_lease();
            while pair.shop.store.prune(pair.clock.now(), 100).await.expect("prunes") > 0 {}
            assert!(pair.shop.store.sagas_of(order).await.expect("reads").is_empty());
        }
        let asked = (0..10).map(|at| {
            let shop = if at % 2 == 0 { &pair.shop } else { &pair.other };
            shop.grant(order, Some(300), "the same")
        });
        let answers = join_all(asked).await;
        let accepted = answers.iter().filter(|answer| matches!(answer, Ok(Answered::Accepted(_)))).count();
        let already = answers.iter().filter(|answer| matches!(answer, Ok(Answered::Already(_)))).count();
        assert_eq!((accepted, already), (1, 9), "{answers:?}");
        pair.rest().await;
        let again = pair.other.grant(order, Some(300), "the same").await;
        assert!(matches!(again, Ok(Answered::Already(_))), "{again:?}");
        assert_eq!(back(&pair, order).await, (PaymentStatus::PartiallyRefunded, 300, 300));
        let granted = order.saga(slot::PARTIAL_REFUND);
        assert!(pair.shop.saga(granted).await.state.is_settled());
    }
    pair.assert_clean().await;
}
