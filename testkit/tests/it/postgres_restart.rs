//! The database goes away in the middle of everything, and comes back.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use holdfast_intake::{AcceptError, CheckoutIntake};
use holdfast_telemetry::Metrics;
use holdfast_testkit::database::{PostgresDatabase, server_alone};
use holdfast_testkit::driver::{outside, worker};
use holdfast_testkit::shop::Shop;

const ORDERS: usize = 300;

/// Promise 1: what was accepted is never lost, and what was not accepted is nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_postgres_under_load_loses_nothing() {
    let Ok(pg_ctl) = std::env::var("HOLDFAST_TEST_PG_CTL") else {
        println!("not run: HOLDFAST_TEST_PG_CTL is not set, so this server may not be restarted");
        return;
    };
    let _alone = server_alone().await;
    let database = PostgresDatabase::create_alone().await;
    let shop = Shop::new(Arc::new(database.store().await));
    shop.stock("cd-1", 100_000).await;
    let carts = shop.carts(ORDERS, &[("cd-1", 1)]).await;
    let (_, outside) = outside();
    let workers: Vec<_> =
        ["one", "two"].map(|name| worker(&shop.store, name, &outside)).into_iter().collect();
    let checkout_intake = CheckoutIntake::start(
        Arc::clone(&shop.store),
        shop.policy.clone(),
        workers[0].dispatch(),
        Metrics::default(),
    );
    let requests: Vec<_> = carts.into_iter().map(|cart| shop.request(cart, Some("tok_ok"))).collect();
    let load = tokio::spawn(async move {
        let mut orders = Vec::new();
        for request in requests {
            // A buyer who gets no answer sends the same request again.
            loop {
                match checkout_intake.accept(request.clone()).await {
                    Ok(answer) => break orders.push(answer.expect("is accepted").order),
                    Err(AcceptError::Store(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
                    Err(error @ (AcceptError::Stopping | AcceptError::Overloaded)) => panic!("{error}"),
                }
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        orders
    });
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut restart = Command::new(&pg_ctl);
        restart.args(["restart", "-m", "immediate"]).stdout(std::process::Stdio::null());
        let restarted = tokio::task::spawn_blocking(move || restart.status()).await.expect("ends");
        assert!(restarted.expect("runs").success());
    }
    let mut orders = load.await.expect("the load ends");
    shop.rest().await;
    assert_eq!(shop.stats().await, [("CONFIRMED".to_owned(), ORDERS)].into());
    orders.sort_unstable();
    orders.dedup();
    assert_eq!(orders.len(), ORDERS, "each request is one order, whatever was lost on the way");
    shop.assert_clean(&outside).await;
    for worker in workers {
        worker.stop().await;
    }
}
