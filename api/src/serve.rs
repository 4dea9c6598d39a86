//! Serving HTTP: with bounded connections, headers and times, and with a graceful stop.
//!
//! Nobody can keep a place that they do not use: whoever is idle for longest leaves when there is no room, whoever does
//! not take their answer is cut off, and when all are at work, probes are still answered.

mod connections;

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::response::IntoResponse;
use futures_util::future::BoxFuture;
use holdfast_contract::problem::Code;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

pub use self::connections::ConnectionLimits;
use self::connections::{Connections, Full};
use crate::log_limit::LogLimit;
use crate::problem::{self, Problem};

/// The longest head of a request.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The most headers of a request.
const HEADERS_MAX: usize = 64;
/// A client that takes longer to send the head is disconnected, and so is an idle connection.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// A client that is silent for so long is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_mins(1);
/// How often it is asked before it counts as gone.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
/// Places for probes when there is no room for others. Each is kept for one request.
const PROBES_MAX: usize = 256;
/// And the request must arrive within this time.
const PROBE_WITHIN: Duration = Duration::from_secs(2);
/// What is answered in such a place.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];
/// How often the log says that there is no room.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Serves `routes` on `listener` until `stop`. Then it accepts no more connections, and requests in flight get
/// `drain` to end. Returns how many connections were cut off.
pub fn serve(
    listener: TcpListener,
    routes: Router,
    limits: ConnectionLimits,
    stop: watch::Receiver<bool>,
    drain: Duration,
) -> BoxFuture<'static, usize> {
    Box::pin(serve_until(listener, routes, limits, stop, drain))
}

async fn serve_until(
    listener: TcpListener,
    routes: Router,
    limits: ConnectionLimits,
    mut stop: watch::Receiver<bool>,
    drain: Duration,
) -> usize {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    let taken_within = limits.taken_within;
    let connections = Connections::new(limits);
    let probes = Arc::new(Semaphore::new(PROBES_MAX));
    let open = GracefulShutdown::new();
    let reports = LogLimit::new(LOG_EVERY);
    loop {
        let accepted = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Usually there are no free file descriptors; some will be free in a moment.
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let stream = prepared(stream, taken_within);
        let routes = routes.clone();
        match connections.admit(peer.ip()) {
            Ok(admitted) => {
                let admitted = Arc::new(admitted);
                let of_service = Arc::clone(&admitted);
                let service = tower::service_fn(move |request: hyper::Request<Incoming>| {
                    let (routes, in_flight) = (routes.clone(), of_service.request());
                    async move {
                        let response = routes.oneshot(from(peer, request)).await?;
                        Ok::<_, std::convert::Infallible>(
                            response.map(|body| InFlight { body, _request: in_flight }),
                        )
                    }
                });
                let connection =
                    server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
                let connection = open.watch(connection);
                tokio::spawn(async move {
                    tokio::select! {
                        // A client may disconnect at any time.
                        _ = connection => {}
                        () = admitted.evicted() => {}
                    }
                });
            }
            Err(full) => {
                if reports.permits() {
                    say(full, peer.ip(), connections.count());
                }
                // Beyond that it is closed without a word.
                if let Ok(permit) = Arc::clone(&probes).try_acquire_owned() {
                    tokio::spawn(async move {
                        answer_probe(stream, peer, routes, full).await;
                        drop(permit);
                    });
                }
            }
        }
    }
    drop(listener);
    let left = connections.count();
    match tokio::time::timeout(drain, open.shutdown()).await {
        Ok(()) => 0,
        Err(_) => connections.count().min(left),
    }
}

/// The stream, which ends once its client has taken nothing for so long.
fn prepared(stream: TcpStream, taken_within: Duration) -> Pin<Box<TimeoutStream<TcpStream>>> {
    // A response is one small segment; waiting to fill it would only delay it.
    let _ = stream.set_nodelay(true);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE_EVERY);
    if let Err(error) = SockRef::from(&stream).set_tcp_keepalive(&keepalive) {
        tracing::debug!("a client that vanishes will be noticed late: {error}");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = SockRef::from(&stream).set_tcp_user_timeout(Some(taken_within)) {
        tracing::debug!("a client that vanishes will be noticed late: {error}");
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(taken_within));
    Box::pin(stream)
}

fn from(peer: SocketAddr, mut request: hyper::Request<Incoming>) -> Request {
    request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer));
    request.map(Body::new)
}

fn say(full: Full, peer: IpAddr, count: usize) {
    match full {
        Full::Server => tracing::warn!(
            "all {count} connections are at work; until one is free, only probes are answered. Start another process"
        ),
        Full::Address => tracing::warn!(
            "all connections that {peer} may have are at work, and it opens more. If it is a proxy, name it in \
             HOLDFAST_TRUSTED_PROXIES"
        ),
    }
}

/// Answers one request for which there is no room, unless it is a probe.
async fn answer_probe(
    stream: Pin<Box<TimeoutStream<TcpStream>>>,
    peer: SocketAddr,
    routes: Router,
    full: Full,
) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(PROBE_WITHIN).keep_alive(false);
    let service = tower::service_fn(move |request: hyper::Request<Incoming>| {
        let routes = routes.clone();
        async move {
            if PROBES.contains(&request.uri().path()) {
                return routes.oneshot(from(peer, request)).await;
            }
            let problem = match full {
                Full::Server => Problem::new(Code::Overloaded, "all connections of this server are at work"),
                Full::Address => Problem::new(
                    Code::RateLimited,
                    "all connections that one address may have are at work; close some",
                ),
            };
            let mut response = problem::render(problem.retry_after(2).into_response());
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            Ok(response)
        }
    });
    let answering = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let _ = tokio::time::timeout(PROBE_WITHIN * 2, answering).await;
}

/// The body of an answer: while it lives, its connection is at work.
struct InFlight {
    body: Body,
    _request: connections::Request,
}

impl HttpBody for InFlight {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A dropped sender also ends it.
    let _ = stop.wait_for(|stop| *stop).await;
}
