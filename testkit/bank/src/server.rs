//! The bank as a process of its own, and the way to it over HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use reqwest::{Client, Url};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::Sums;
use crate::message::{Asked, Said};
use crate::wire::{LocalWire, NoAnswer, Wire};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const API_KEY: &str = "x-api-key";

/// An answer that is lost is held back for so long: nobody waits that long for it.
const LOST: Duration = Duration::from_mins(1);

/// Serves the bank behind `wire` on `listener` until the process ends. What its weather loses is not answered.
///
/// `POST /control/buyer|settle {"reference", "yes"}` does what a buyer or the bank does, `GET /control/sums` says what was
/// taken and given back, and `POST /control/calm` ends all bad weather.
pub async fn serve(
    listener: TcpListener,
    wire: Arc<LocalWire>,
    calm: Arc<AtomicBool>,
) -> std::io::Result<()> {
    axum::serve(listener, Router::new().fallback(answer).with_state((wire, calm))).await
}

type Desk = State<(Arc<LocalWire>, Arc<AtomicBool>)>;

async fn answer(
    State((wire, calm)): Desk,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let reference = body["reference"].as_str().unwrap_or_default();
    let yes = body["yes"] == true;
    match uri.path() {
        "/control/buyer" => wire.bank().buyer(reference, yes),
        "/control/settle" => wire.bank().settle(reference, yes),
        "/control/calm" => calm.store(true, Ordering::SeqCst),
        "/control/sums" => {
            let sums = wire.bank().sums().into_iter().map(|(reference, sums)| {
                let Sums { captured, refunded } = sums;
                json!([reference, captured, refunded])
            });
            return Json(sums.collect::<Vec<_>>()).into_response();
        }
        path => {
            let text =
                |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            let asked = Asked {
                method: if method == Method::POST { "POST" } else { "GET" },
                path: path.to_owned(),
                api_key: text(API_KEY).unwrap_or_default(),
                key: text(IDEMPOTENCY_KEY),
                body,
            };
            let Ok(Said { status, body }) = wire.ask(asked).await else {
                tokio::time::sleep(LOST).await;
                return StatusCode::GATEWAY_TIMEOUT.into_response();
            };
            return (StatusCode::from_u16(status).unwrap_or_default(), Json(body)).into_response();
        }
    }
    Json(Value::Null).into_response()
}

/// The way to a bank that runs elsewhere.
#[derive(Debug)]
pub struct HttpWire {
    http: Client,
    url: Url,
}

impl HttpWire {
    /// To the bank at `url`, whose answers are lost after `timeout`. `None`: that is no URL.
    pub fn new(url: &str, timeout: Duration) -> Option<Self> {
        let http = Client::builder().timeout(timeout).no_proxy().build().ok()?;
        Some(Self { http, url: Url::parse(url).ok()? })
    }
}

#[async_trait]
impl Wire for HttpWire {
    async fn ask(&self, asked: Asked) -> Result<Said, NoAnswer> {
        let mut url = self.url.clone();
        url.set_path(&asked.path);
        let request =
            if asked.method == "POST" { self.http.post(url).json(&asked.body) } else { self.http.get(url) };
        let request = request.header(API_KEY, &asked.api_key);
        let request = match &asked.key {
            Some(key) => request.header(IDEMPOTENCY_KEY, key),
            None => request,
        };
        let lost = |error: reqwest::Error| {
            if error.is_connect() {
                NoAnswer::NotReached(format!("the bank cannot be reached: {error}"))
            } else {
                NoAnswer::Lost(format!("the bank did not answer: {error}"))
            }
        };
        let response = request.send().await.map_err(lost)?;
        let status = response.status().as_u16();
        let body = response.json().await.map_err(|error| NoAnswer::Lost(error.to_string()))?;
        Ok(Said { status, body })
    }
}
