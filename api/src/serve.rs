//! Serving HTTP: with bounded connections, headers and times, and with a graceful stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::extract::Request;
use futures_util::future::BoxFuture;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt;

/// Connections at once. Further ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 16_384;
/// The longest head of a request.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The most headers of a request.
const HEADERS_MAX: usize = 64;
/// A client that takes longer to send the head is disconnected, and so is an idle connection.
const HEAD_WITHIN: Duration = Duration::from_secs(30);

/// Serves `routes` on `listener` until `stop`. Then it accepts no more connections, and requests in flight get
/// `drain` to end. Returns how many connections were cut off.
pub fn serve(
    listener: TcpListener,
    routes: Router,
    stop: watch::Receiver<bool>,
    drain: Duration,
) -> BoxFuture<'static, usize> {
    Box::pin(serve_until(listener, routes, stop, drain))
}

async fn serve_until(
    listener: TcpListener,
    routes: Router,
    mut stop: watch::Receiver<bool>,
    drain: Duration,
) -> usize {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let open = GracefulShutdown::new();
    loop {
        let next = async {
            // Invariant: the semaphore is never closed.
            let permit = Arc::clone(&permits).acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            next = next => next,
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
        // A response is one small segment; waiting to fill it would only delay it.
        let _ = stream.set_nodelay(true);
        let routes = routes.clone();
        let service = tower::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer));
            routes.clone().oneshot(request.map(axum::body::Body::new) as Request)
        });
        let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let connection = open.watch(connection);
        tokio::spawn(async move {
            // A client may disconnect at any time.
            let _ = connection.await;
            drop(permit);
        });
    }
    drop(listener);
    let left = CONNECTIONS_MAX - permits.available_permits();
    match tokio::time::timeout(drain, open.shutdown()).await {
        Ok(()) => 0,
        Err(_) => (CONNECTIONS_MAX - permits.available_permits()).min(left),
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A dropped sender also ends it.
    let _ = stop.wait_for(|stop| *stop).await;
}
