//! The bank as a process of its own, and the way to it over HTTP.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use holdfast_shared::Time;
use reqwest::{Client, Url};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::message::{Asked, Said};
use crate::wire::{NoAnswer, Wire};
use crate::{Bank, Sums};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const API_KEY: &str = "x-api-key";

/// Serves the bank on `listener` until the process ends.
///
/// `POST /control/buyer|settle {"reference", "yes"}` does what a buyer or the bank does, and `GET /control/sums` says what
/// was taken and given back.
pub async fn serve(listener: TcpListener, bank: Bank) -> std::io::Result<()> {
    let desk = Arc::new(Mutex::new(bank));
    axum::serve(listener, Router::new().fallback(answer).with_state(desk)).await
}

type Desk = State<Arc<Mutex<Bank>>>;

async fn answer(State(desk): Desk, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut bank = desk.lock().unwrap_or_else(PoisonError::into_inner);
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let reference = body["reference"].as_str().unwrap_or_default();
    let yes = body["yes"] == true;
    match uri.path() {
        "/control/buyer" => bank.buyer(reference, yes),
        "/control/settle" => bank.settle(reference, yes),
        "/control/sums" => {
            let sums = bank.sums().into_iter().map(|(reference, sums)| {
                let Sums { captured_minor, refunded_minor } = sums;
                json!([reference, captured_minor, refunded_minor])
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
            let Said { status, body } = bank.handle(&asked, Time::system_now());
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
