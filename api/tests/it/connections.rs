//! Connections that nobody needs, on a server with room for a few.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use futures_util::stream;
use holdfast_api::{ConnectionLimits, serve};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const BIG: usize = 64 * 1024 * 1024;

struct Server {
    address: String,
    client: reqwest::Client,
    _stop: watch::Sender<bool>,
}

impl Server {
    async fn start(total: usize, taken_within: Duration) -> Self {
        let endless = || async {
            Body::from_stream(stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Some((Ok::<_, Infallible>(Bytes::from_static(b": still here\n\n")), ()))
            }))
        };
        let routes = Router::new()
            .route("/healthz", get(|| async { "ok" }))
            .route("/v1/order", get(|| async { "an order" }))
            .route("/v1/big", get(|| async { vec![b'x'; BIG] }))
            .route("/v1/events", get(endless));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let stop = watch::Sender::new(false);
        let limits = ConnectionLimits { total, taken_within, ..ConnectionLimits::default() };
        tokio::spawn(serve(listener, routes, limits, stop.subscribe(), Duration::ZERO));
        // A connection for each request: a customer who comes for the first time.
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(Duration::from_secs(5));
        Self { address, client: client.build().expect("a client"), _stop: stop }
    }

    async fn asks(&self, path: &str) -> (u16, String) {
        let answer =
            self.client.get(format!("http://{}{path}", self.address)).send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a body"))
    }

    /// A connection on which `sent` was sent, and nothing is read.
    async fn holds(&self, sent: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).await.expect("it listens");
        stream.write_all(sent.as_bytes()).await.expect("it takes it");
        stream
    }
}

fn head(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: shop\r\n\r\n")
}

// Idle from the start, in the middle of a head, or after an answer that was never read.
#[tokio::test]
async fn f27_who_holds_connections_without_need_keeps_nobody_out() {
    let server = Server::start(16, Duration::from_secs(30)).await;
    for sent in ["", "GET /v1/order HTTP/1.1\r\nhost:", &head("/v1/order")] {
        let mut held = Vec::new();
        for number in 0..100 {
            held.push(server.holds(sent).await);
            if number % 10 == 0 {
                let since = Instant::now();
                assert_eq!(server.asks("/v1/order").await, (200, "an order".to_owned()));
                assert_eq!(server.asks("/healthz").await, (200, "ok".to_owned()));
                assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
            }
        }
        // The last ones are still there.
        let mut last = held.pop().expect("the last one");
        last.write_all(head("/v1/order").as_bytes()).await.expect("it is open");
    }
}

#[tokio::test]
async fn f27_while_all_connections_are_at_work_probes_are_answered() {
    let server = Server::start(4, Duration::from_secs(30)).await;
    let mut streams = Vec::new();
    for _ in 0..4 {
        let mut stream = server.holds(&head("/v1/events")).await;
        let mut first = [0; 15];
        stream.read_exact(&mut first).await.expect("the head of an answer");
        assert_eq!(&first, b"HTTP/1.1 200 OK");
        streams.push(stream);
    }
    for _ in 0..20 {
        assert_eq!(server.asks("/healthz").await, (200, "ok".to_owned()));
    }
    let (status, body) = server.asks("/v1/order").await;
    let problem: Value = serde_json::from_str(&body).expect("a document");
    assert_eq!((status, &problem["code"]), (503, &Value::from("overloaded")), "{problem}");
    drop(streams.pop());
    let since = Instant::now();
    while server.asks("/v1/order").await.0 != 200 {
        assert!(since.elapsed() < Duration::from_secs(5), "there is room again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn f27_who_takes_nothing_of_an_answer_is_cut_off() {
    let server = Server::start(16, Duration::from_millis(300)).await;
    let mut never_reads = server.holds(&head("/v1/big")).await;
    let mut reads_slowly = server.holds(&head("/v1/big")).await;
    let (mut taken, mut buffer) = (0, vec![0; 1024 * 1024]);
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(2) {
        taken += reads_slowly.read(&mut buffer).await.expect("it goes on for whoever takes something");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(taken > 1024 * 1024, "{taken}");
    let mut rest = Vec::new();
    let cut = never_reads.read_to_end(&mut rest).await;
    assert!(rest.len() < BIG, "{cut:?} after {} bytes", rest.len());
    assert_eq!(server.asks("/v1/order").await.0, 200);
}
