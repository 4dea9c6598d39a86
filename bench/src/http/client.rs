//! One keep-alive connection to a server, and the few requests that are measured on it.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holdfast_shared::{Address, CartId, Contact};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER};
use hyper::http::request;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpStream;

use crate::shop::{Method, address, contact};

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
}

/// A connection with one request on it at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    pub(crate) async fn open(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(server).await.with_context(|| format!("connecting to {server}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // Its end shows at the next request.
            let _ = connection.await;
        });
        Ok(Self { sender, host: server.to_string() })
    }

    /// Checks a cart out; returns the answer's body. Anything but 201 is an error.
    pub(crate) async fn check_out(&mut self, cart: CartId, method: Method) -> Result<Bytes> {
        let request = Request::post("/v1/checkout")
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, "application/json")
            .header("idempotency-key", cart.to_string())
            .body(Full::from(checkout(cart, method)?))?;
        let (status, body) = whole(self.sender.send_request(request).await?).await?;
        ensure!(status == StatusCode::CREATED, "a checkout was answered {status}: {}", text(&body));
        Ok(body)
    }

    /// Posts nothing to `path` as the bearer of `token`.
    pub(crate) async fn post(&mut self, path: &str, token: &str) -> Result<()> {
        let request = Request::post(path)
            .header(HOST, &self.host)
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .body(Full::default())?;
        let (status, body) = whole(self.sender.send_request(request).await?).await?;
        ensure!(status.is_success(), "{path} was answered {status}: {}", text(&body));
        Ok(())
    }

    /// Asks for `path` with the token of an order.
    pub(crate) async fn get_as_guest(&mut self, path: &str, order_token: &str) -> Result<Answer> {
        self.ask_as_guest(Request::get(path), order_token).await
    }

    /// Posts nothing to `path`, with the token of an order.
    pub(crate) async fn post_as_guest(&mut self, path: &str, order_token: &str) -> Result<Answer> {
        self.ask_as_guest(Request::post(path), order_token).await
    }

    async fn ask_as_guest(&mut self, request: request::Builder, order_token: &str) -> Result<Answer> {
        let request = request.header(HOST, &self.host).header("x-order-token", order_token);
        let response = self.sender.send_request(request.body(Full::default())?).await?;
        let seconds = response.headers().get(RETRY_AFTER).and_then(|seconds| seconds.to_str().ok());
        let retry_after = seconds.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
        Ok(Answer { status: whole(response).await?.0, retry_after })
    }

    /// Opens an order's event stream. It lives as long as the connection, which is returned with it.
    pub(crate) async fn follow(mut self, order: &str, token: &str) -> Result<(Self, Incoming)> {
        let request = Request::get(format!("/v1/orders/{order}/events"))
            .header(HOST, &self.host)
            .header("x-order-token", token)
            .body(Full::default())?;
        let response = self.sender.send_request(request).await?;
        ensure!(response.status() == StatusCode::OK, "a stream was answered {}", response.status());
        Ok((self, response.into_body()))
    }
}

async fn whole(response: Response<Incoming>) -> Result<(StatusCode, Bytes)> {
    let status = response.status();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}

fn text(body: &Bytes) -> String {
    String::from_utf8_lossy(body).into_owned()
}

/// The body of a checkout. It is written as it is, and not as a tree first: the generator shares its cores with what it
/// measures.
#[derive(Serialize)]
struct Checkout<'a> {
    cart_id: CartId,
    payment: Payment,
    contact: &'a Contact,
    shipping_address: &'a Address,
}

#[derive(Serialize)]
#[serde(tag = "method", rename_all = "snake_case")]
enum Payment {
    Card { token: &'static str },
    Cod,
}

/// Every buyer.
static BUYER: LazyLock<(Contact, Address)> = LazyLock::new(|| (contact(), address()));

fn checkout(cart: CartId, method: Method) -> Result<Vec<u8>> {
    let (contact, shipping_address) = &*BUYER;
    let payment = match method {
        Method::Card(token) => Payment::Card { token: token.as_str() },
        Method::Cod => Payment::Cod,
    };
    Ok(serde_json::to_vec(&Checkout { cart_id: cart, payment, contact, shipping_address })?)
}
