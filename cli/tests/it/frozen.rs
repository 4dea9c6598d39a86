//! Workers that are frozen at the worst moments, past their lease, and go on as if nothing had been.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{Connection as _, Executor as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::cluster::{Cluster, LEASE, in_cluster};
use crate::server::Server;

const CONFIRMED: &str = "select count(*) from orders where status = 'CONFIRMED'";
const LEASED: &str = "select count(*) from sagas where leased_until is not null";

/// A wire to the provider that can be shut: what is sent meanwhile arrives when it is opened again.
struct Valve {
    url: String,
    is_open: Arc<watch::Sender<bool>>,
}

impl Valve {
    async fn to(url: &str) -> Self {
        let server = url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let url = format!("http://{}", listener.local_addr().expect("is bound"));
        let is_open = Arc::new(watch::Sender::new(true));
        let gate = Arc::clone(&is_open);
        tokio::spawn(async move {
            while let Ok((caller, _)) = listener.accept().await {
                let Ok(provider) = TcpStream::connect(&server).await else { continue };
                let mut gate = gate.subscribe();
                tokio::spawn(async move {
                    let (mut asked, mut asking) = caller.into_split();
                    let (mut answers, mut provider) = provider.into_split();
                    let answering =
                        tokio::spawn(async move { tokio::io::copy(&mut answers, &mut asking).await });
                    let mut bytes = vec![0; 65_536];
                    while let Ok(read @ 1..) = asked.read(&mut bytes).await {
                        let _ = gate.wait_for(|is_open| *is_open).await;
                        if provider.write_all(&bytes[..read]).await.is_err() {
                            break;
                        }
                    }
                    drop(provider);
                    let _ = answering.await;
                });
            }
        });
        Self { url, is_open }
    }
}

/// A worker that is the only one for now, and the order it is at.
async fn busy(cluster: &Cluster, worker: &Server) {
    cluster.order("tok_ok").await;
    cluster.until("its call is in flight", async || cluster.number(LEASED).await == 1).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    worker.signal("STOP");
}

/// One order is confirmed and paid once, whoever wakes up afterwards.
async fn settled_once(cluster: &Cluster, frozen: &Server) {
    frozen.signal("CONT");
    // Long enough for whatever it still wants to do.
    tokio::time::sleep(LEASE).await;
    cluster.rest().await;
    assert_eq!(cluster.stats().await, [("CONFIRMED".to_owned(), 1)]);
    let statement = cluster.statement().await;
    let taken: i64 = statement.iter().map(|line| line["captured_minor"].as_i64().expect("a number")).sum();
    let back: i64 = statement.iter().map(|line| line["refunded_minor"].as_i64().expect("a number")).sum();
    assert_eq!((taken, back), (1_299, 0), "{statement:?}");
    cluster.assert_clean();
}

#[test]
fn before_a_charge_is_sent() {
    in_cluster("0s", async |cluster| {
        let valve = Valve::to(&cluster.sandbox.url).await;
        valve.is_open.send_replace(false);
        let frozen = Server::start(cluster.worker_command().env("HOLDFAST_SANDBOX_URL", &valve.url));
        busy(&cluster, &frozen).await;
        assert_eq!(cluster.statement().await.len(), 0, "nothing was asked of the provider");
        let _heir = cluster.worker();
        cluster
            .until("somebody else confirms the order", async || cluster.number(CONFIRMED).await == 1)
            .await;
        // Only now the first charge arrives, under a key that was voided by then.
        valve.is_open.send_replace(true);
        settled_once(&cluster, &frozen).await;
    });
}

#[test]
fn between_a_charge_and_its_commit() {
    in_cluster("900ms", async |cluster| {
        let frozen = cluster.worker();
        cluster.order("tok_ok").await;
        cluster.until("the money is taken", async || !cluster.statement().await.is_empty()).await;
        frozen.signal("STOP");
        assert_eq!(cluster.number(CONFIRMED).await, 0, "nobody heard of it");
        let _heir = cluster.worker();
        let since = Instant::now();
        cluster
            .until("somebody else confirms the order", async || cluster.number(CONFIRMED).await == 1)
            .await;
        assert!(since.elapsed() < LEASE * 2, "{:?}", since.elapsed());
        settled_once(&cluster, &frozen).await;
    });
}

/// Whether a transaction has its locks now and goes no further. One that waited too long is aborted.
async fn holds_its_locks(cluster: &Cluster) -> bool {
    let held = "select count(*) from pg_stat_activity \
                where datname = current_database() and state = 'idle in transaction'";
    for _ in 0..50 {
        if cluster.number(held).await == 1 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

/// E2: it holds rows that every batch wants, and costs seconds.
#[test]
fn between_row_locks_and_commit() {
    in_cluster("0s", async |cluster| {
        let frozen = cluster.worker();
        let mut shelf = cluster.sql().await;
        let waiting = "select count(*) from pg_stat_activity \
                       where datname = current_database() and wait_event_type = 'Lock'";
        let mut is_placed = false;
        loop {
            let mut holding = shelf.begin().await.expect("begins");
            holding.execute("select * from stock where sku = 'mug-01' for update").await.expect("locks");
            if is_placed {
                frozen.signal("CONT");
            } else {
                cluster.order("tok_ok").await;
                is_placed = true;
            }
            cluster
                .until("it waits for the shelf, with its other rows locked", async || {
                    cluster.number(waiting).await == 1
                })
                .await;
            frozen.signal("STOP");
            holding.rollback().await.expect("lets go");
            if holds_its_locks(&cluster).await {
                break;
            }
            // Its wait had just ended by itself, after a second (E2).
        }

        let since = Instant::now();
        let _heir = cluster.worker();
        cluster.orders(10, "tok_ok").await;
        cluster.until("everybody is confirmed", async || cluster.number(CONFIRMED).await == 11).await;
        let stalled = since.elapsed();
        assert!(stalled < Duration::from_secs(9), "{stalled:?}");
        frozen.signal("CONT");
        tokio::time::sleep(LEASE).await;
        cluster.rest().await;
        assert_eq!(cluster.stats().await, [("CONFIRMED".to_owned(), 11)]);
        cluster.assert_clean();
        println!("a worker frozen on its row locks stalled the others for {stalled:?}");
    });
}
