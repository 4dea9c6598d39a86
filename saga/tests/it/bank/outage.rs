//! M15: an outage of the provider costs time and nothing else.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_saga::records::history::Entry;
use holdfast_saga::records::slot;
use holdfast_saga::shop::order::Verb;
use holdfast_shared::{CancelReason, Clock, OrderId, PaymentStatus, SagaState, Time};
use holdfast_test_bank::{LocalWire, Weather};

use super::{at, comes, dead, minutes, sums};
use crate::flows::{Ending, check};
use crate::shop::{Parts, Shop, admin, bank};

/// How an order ends when the bank is away from the first request for so long. The window is 30 minutes.
async fn away_for(away: Duration, vanishes: bool) -> (Shop, OrderId, Vec<Entry>) {
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
    *until.lock().unwrap_or_else(PoisonError::into_inner) = Some(shop.clock.now() + away);
    let order = shop.card("bank_pays").await;
    let entries = shop.rest().await;
    (shop, order, entries)
}

#[tokio::test]
async fn m15_an_order_waits_for_its_provider_until_its_window_ends_and_its_undo_waits_too() {
    for vanishes in [false, true] {
        for seconds in [3, 9, 60, 600, 1_500] {
            let (shop, order, entries) = away_for(Duration::from_secs(seconds), vanishes).await;
            let context = format!("away for {seconds} s, vanishes: {vanishes}");
            assert!(!dead(&entries), "{context}");
            check(&shop, order, Ending::Stands(PaymentStatus::Captured), &context).await;
            // Waits are at most a minute, so it goes on at most a minute later.
            let late = shop.clock.now().since(shop.view(order).await.order.accepted_at);
            assert!(late <= Duration::from_secs(seconds + 60), "{context}: {late:?}");
        }
        // Away across the end of the window: given up truthfully, whenever the provider is back.
        for hours in [1, 30] {
            let (shop, order, entries) = away_for(Duration::from_hours(hours), vanishes).await;
            let context = format!("away for {hours} h, vanishes: {vanishes}");
            assert!(!dead(&entries), "{context}");
            let undone = Ending::Undone(CancelReason::PaymentExpired, Some(PaymentStatus::Cancelled));
            check(&shop, order, undone, &context).await;
        }
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
