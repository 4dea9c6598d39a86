//! Orders that a second provider takes the money of: the bank, a process with a ledger of its own, in bad weather, while the
//! workers are killed; beside orders that the sandbox is paid for.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::flows;
use holdfast_saga::operations::audit_run;
use holdfast_saga::ports::{PaymentProvider, Providers, Store};
use holdfast_saga::shop::checkout::AcceptPolicy;
use holdfast_saga::shop::order::Verb;
use holdfast_sandbox::http::HttpSandbox;
use holdfast_shared::{OrderId, OrderStatus};
use holdfast_store_postgres::PostgresStore;
use holdfast_test_bank::{BankProvider, HttpWire};
use holdfast_testkit::shop::{Shop, admin};
use serde_json::{Value, json};

use crate::cluster::{Cluster, in_cluster};
use crate::process_set::ProcessSet;
use crate::server::Server;

const TIMEOUT: Duration = Duration::from_secs(5);

/// The example, as a process.
pub(crate) fn second_provider(role: &str) -> Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_holdfast")).with_file_name("examples").join("second_provider");
    assert!(binary.is_file(), "`cargo build --example second_provider` makes {}", binary.display());
    let mut command = Command::new(binary);
    command.arg(role);
    command
}

/// What the buyers and the bank do, again and again, until all of `orders` are confirmed.
async fn until_confirmed(cluster: &Cluster, bank: &Server, shop: &Shop, orders: &[OrderId]) {
    let client = &cluster.client;
    let confirmed = async || {
        let sums: Vec<Value> = client
            .get(format!("{}/control/sums", bank.url))
            .send()
            .await
            .expect("the bank answers")
            .json()
            .await
            .expect("a list");
        for payment in &sums {
            for act in ["buyer", "settle"] {
                let body = json!({"reference": payment[0], "yes": true});
                let acted = client.post(format!("{}/control/{act}", bank.url)).json(&body).send().await;
                acted.expect("the bank answers");
            }
            // The event: a hint to look up, and nothing more.
            let charge = holdfast_shared::StepKey::from_stored(payment[0].as_str().expect("a reference"));
            let id = format!("{charge}:{}", rand::random::<u32>());
            let _ = holdfast_saga::shop::payment_event::payment_event(&*shop.store, &charge, &id).await;
        }
        let stats = shop.stats().await;
        stats.get("CONFIRMED").copied().unwrap_or(0) == orders.len()
    };
    shop.until("all are confirmed", confirmed).await;
}

#[test]
fn a_second_provider_is_paid_once_for_each_order_while_workers_die_and_its_answers_get_lost() {
    in_cluster("0s", async |cluster: Cluster| {
        let bank = Server::start(&mut second_provider("bank"));
        let workers = Arc::new(ProcessSet::of(3, || {
            let mut worker = second_provider("worker");
            worker.env("DATABASE_URL", &cluster.database.url).env("REDIS_URL", cluster.redis.url());
            worker.env("HOLDFAST_SANDBOX_URL", &cluster.sandbox.url).env("BANK_URL", &bank.url);
            worker
        }));
        let killing = tokio::spawn(Arc::clone(&workers).kill_now_and_then(Duration::from_millis(400), 7));
        let store: Arc<dyn Store> =
            Arc::new(PostgresStore::connect(&cluster.database.url, 4).await.expect("connects"));
        let at_the_sandbox = Shop::new(Arc::clone(&store));
        let policy = AcceptPolicy::routed(&holdfast_test_bank::route());
        let mut shop = at_the_sandbox.clone();
        shop.policy = policy;
        shop.stock("cd-1", 10_000).await;
        let items = [("cd-1", 1)];
        let mut orders = shop.orders(60, &items, Some("bank_pays")).await;
        orders.extend(shop.orders(20, &items, Some("bank_debits")).await);
        orders.extend(at_the_sandbox.orders(20, &items, Some("tok_ok")).await);
        orders.extend(shop.buyers(20, &items).await);
        until_confirmed(&cluster, &bank, &shop, &orders).await;
        let killed = workers.stop_killing();
        killing.await.expect("the killer stops");
        assert!(killed > 5, "{killed} workers were killed");

        // In calm weather: what is declined, and what is given back.
        let calm = cluster.client.post(format!("{}/control/calm", bank.url)).send().await;
        calm.expect("the bank answers");
        let declined = shop.orders(10, &items, Some("bank_declines")).await;
        for order in orders.iter().step_by(5) {
            assert!(shop.ask(*order, Verb::Cancel, &admin()).await.is_ok());
        }
        shop.rest().await;
        for order in declined {
            assert_eq!(shop.view(order).await.order.status, OrderStatus::Cancelled);
        }
        let wire = HttpWire::new(&bank.url, TIMEOUT).expect("a URL");
        let payments = [
            Arc::new(BankProvider::new(Arc::new(wire), "key_1", TIMEOUT)) as Arc<dyn PaymentProvider>,
            Arc::new(HttpSandbox::new(&cluster.sandbox.url, TIMEOUT).expect("a URL")),
        ];
        let providers: Providers = payments.into_iter().collect();
        let report = audit_run::run(&*store, flows::REGISTRY, &providers).await.expect("it can be audited");
        assert!(report.is_clean(), "{:#?}", report.violations);
        assert!(report.in_flight.is_empty(), "{:#?}", report.in_flight);
        let stats = shop.stats().await;
        eprintln!("{killed} workers killed; {stats:?}");
        assert_eq!(stats.get("CONFIRMED"), Some(&(orders.len() - orders.len().div_ceil(5))), "{stats:?}");
        workers.dismiss();
    });
}
