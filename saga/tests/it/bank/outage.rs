//! M15: an outage of the provider costs time and nothing else.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_saga::records::history::Entry;
use holdfast_saga::records::slot;
use holdfast_saga::shop::order::Verb;
use holdfast_shared::{CancelReason, Clock, OrderId, OrderStatus, SagaState, Time};
use holdfast_test_bank::{LocalWire, Weather};

use super::{at, comes, dead, minutes, sums};
use crate::shop::{Parts, Shop, admin, bank, noon};

/// How `orders` orders end when the bank is away from the first request for so long. The window is 30 minutes.
async fn away_for(
    away: Duration,
    vanishes: bool,
    orders: usize,
    workers: usize,
) -> (Shop, Vec<OrderId>, Vec<Entry>) {
    let until: Arc<Mutex<Option<Time>>> = Arc::default();
    let ends = Arc::clone(&until);
    let parts = Parts::banking(|clock: Arc<dyn Clock>| {
        let now = Arc::clone(&clock);
        LocalWire::new(bank(), clock).in_weather(move |asked| {
            let ends = ends.lock().unwrap_or_else(PoisonError::into_inner);
            match *ends {
                Some(ends) if now.now() < ends && asked.path != "/movements" => {
                    if vanishes {
                        Weather::LoseRequest
                    } else {
                        Weather::Away
                    }
                }
                _ => Weather::Clear,
            }
        })
    });
    let mut shop = Shop::of(parts).await;
    shop.workers = workers;
    shop.stock("cd-3", 100).await;
    *until.lock().unwrap_or_else(PoisonError::into_inner) = Some(shop.clock.now() + away);
    let mut placed = Vec::new();
    for _ in 0..orders {
        placed.push(shop.order_of(&[("cd-3", 1)], Some("bank_pays")).await);
    }
    let entries = shop.rest().await;
    (shop, placed, entries)
}

#[tokio::test]
async fn m15_an_order_waits_for_its_provider_until_its_window_ends_and_its_undo_waits_too() {
    let minute = Duration::from_mins(1);
    for (orders, workers) in [(1, 1), (3, 1), (9, 3), (9, 1), (3, 3)] {
        for vanishes in [false, true] {
            // Across the end of the window it is given up truthfully, whenever the provider is back.
            for (away, waits) in
                [(3, true), (9, true), (60, true), (600, true), (1_500, true), (3_600, false)]
            {
                let span = Duration::from_secs(away);
                let (shop, placed, entries) = away_for(span, vanishes, orders, workers).await;
                let context = format!("{orders} orders, {workers} workers, {away} s, vanishes: {vanishes}");
                assert!(!dead(&entries), "{context}");
                for order in placed {
                    let order = shop.view(order).await.order;
                    let expected = if waits {
                        (OrderStatus::Confirmed, None)
                    } else {
                        (OrderStatus::Cancelled, Some(CancelReason::PaymentExpired))
                    };
                    assert_eq!((order.status, order.cancel_reason), expected, "{context}");
                }
                let taken = if waits { i64::try_from(orders).expect("few") * 1_000 } else { 0 };
                assert_eq!(sums(shop.bank.as_ref().expect("a bank")), (taken, 0), "{context}");
                shop.assert_clean(&context).await;
                // Waits are at most a minute, so it goes on at most a minute later.
                let late = shop.clock.now().since(noon());
                assert!(!waits || late <= span + minute, "{context}: {late:?}");
            }
        }
    }
}

/// Twenty orders across the end of their window, and fifty through most of it.
#[tokio::test]
async fn m15_a_crowd_waits_as_one_order_does() {
    for (orders, away, waits) in [(50, 1_500, true), (20, 1_860, false)] {
        let (shop, placed, entries) = away_for(Duration::from_secs(away), false, orders, 3).await;
        assert!(!dead(&entries));
        for order in placed {
            let status = shop.view(order).await.order.status;
            assert_eq!(status, if waits { OrderStatus::Confirmed } else { OrderStatus::Cancelled });
        }
        shop.assert_clean("a crowd").await;
    }
}

#[tokio::test]
async fn m15_a_cancellation_waits_for_its_provider_however_long_it_is_away() {
    let (mut shop, wire, script) = at(bank()).await;
    let order = shop.card("bank_pays").await;
    shop.rest().await;
    comes(&script, &vec![("/payments/po_1", Weather::Away); 2_000]);
    shop.accepted(order, Verb::Cancel, &admin()).await;
    minutes(&shop, 5 * 60).await;
    let waiting = shop.saga(order.saga(slot::CANCELLATION)).await;
    assert_eq!((waiting.state, waiting.progress.failures), (SagaState::Running, 0));
    let next = waiting.wake_at.expect("is tried again").since(shop.clock.now());
    assert!(next <= Duration::from_mins(1), "{next:?}");
    script.lock().unwrap_or_else(PoisonError::into_inner).clear();
    shop.rest().await;
    assert_eq!(sums(&wire), (3_000, 3_000));
    shop.assert_clean("it is back").await;
}
