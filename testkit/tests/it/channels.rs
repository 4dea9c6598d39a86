//! Notification channels by name, each with its own health.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::ports::{Channels, Gateways, NotificationChannel, Providers};
use holdfast_saga::records::history::Entry;
use holdfast_sandbox::MemorySandbox;
use holdfast_shared::{OrderStatus, SystemClock};
use holdfast_telemetry::Metrics;
use holdfast_test_postbox::Postbox;
use holdfast_testkit::database::Database;
use holdfast_testkit::driver::{hasty, with_backoff_divided_by};
use holdfast_testkit::shop::Shop;
use holdfast_worker::{CircuitBreaker, CircuitBreakerConfig, Gateway, Runtime, WorkerConfig};

const ORDERS: usize = 60;
const ITEMS: [(&str, u32); 1] = [("cd-1", 1)];
/// What an ordinary checkout sends its messages through.
const USUAL: &str = "log";

fn outside(channels: impl IntoIterator<Item = Arc<Postbox>>) -> Gateways {
    Gateways::new(
        Providers::of(Arc::new(MemorySandbox::new(Arc::new(SystemClock)))),
        channels.into_iter().map(|channel| channel as Arc<dyn NotificationChannel>).collect::<Channels>(),
    )
}

fn worker(shop: &Shop, channel: &Arc<Postbox>) -> Runtime {
    let config = CircuitBreakerConfig {
        cooldown: Duration::from_millis(300),
        cooldown_max: Duration::from_secs(1),
        ..CircuitBreakerConfig::new(Gateway::Channel(Arc::clone(channel) as _), "w1")
    };
    let breaker = CircuitBreaker::start(config, Metrics::default());
    let channel_breakers = Arc::new([(channel.name().to_owned(), breaker)].into());
    let config = WorkerConfig { channel_breakers, ..hasty("w1") };
    let outside = outside([Arc::clone(channel), Arc::new(Postbox::new("another"))]);
    let (store, registry) = (Arc::clone(&shop.store), with_backoff_divided_by());
    Runtime::start(store, registry, outside, config, Metrics::default()).expect("starts")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_is_away_holds_its_messages_and_nothing_else() {
    let database = Database::postgres_by_its_own_clock().await;
    let shop = Shop::new(Arc::clone(&database.store));
    shop.stock("cd-1", 1_000).await;
    let channel = Arc::new(Postbox::new(USUAL));
    channel.set_away(true);
    let worker = worker(&shop, &channel);
    let orders = shop.orders(ORDERS, &ITEMS, Some("tok_ok")).await;
    shop.until("all orders are confirmed", async || {
        let mut confirmed = 0;
        for order in &orders {
            confirmed += usize::from(shop.view(*order).await.order.status == OrderStatus::Confirmed);
        }
        confirmed == ORDERS
    })
    .await;
    // It is believed to be away, and only pinged from then on.
    shop.until("it is pinged", async || channel.pings() >= 3).await;
    let (asked, pings) = (channel.asked(), channel.pings());
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(channel.asked(), asked, "no message tries whether it is back");
    assert!(channel.pings() > pings, "pings do");
    assert!(asked <= 3 * ORDERS, "{asked} of {ORDERS} messages tried");
    assert_eq!(channel.sent(), []);

    channel.set_away(false);
    shop.rest().await;
    let sent = channel.sent();
    assert_eq!(sent.len(), ORDERS, "each message is sent");
    assert_eq!(sent.iter().map(|(key, _)| key.clone()).collect::<BTreeSet<_>>().len(), ORDERS, "once");
    for (_, saga) in &sent {
        let log = shop.store.log(*saga).await.expect("reads");
        let failed = |entry: &Entry| {
            matches!(entry, Entry::Failed { .. } | Entry::Unknown { .. } | Entry::Dead { .. })
        };
        assert!(!log.iter().flat_map(|row| &row.entries).any(failed), "being held is no failure: {log:?}");
    }
    worker.stop().await;
}
