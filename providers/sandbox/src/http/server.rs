//! The desk: HTTP in front of the ledger. It holds no rules, and it does not queue: what is asked at the same
//! time shares the commits of the ledger' writer.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use holdfast_saga::ports::Fault;
use holdfast_shared::StepKey;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, watch};

use super::wire::{
    ChargeBody, Code, Decision, IDEMPOTENCY_KEY, LineBody, NewCharge, NewRefund, Page, Problem, RefundBody,
};
use crate::durable::PAGE;
use crate::{DurableSandbox, Operation, Reply, SandboxControl as _};

/// The longest request is a charge; a token is short, and so is a key.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// Our own keys have some thirty.
const KEY_CHARS_MAX: usize = 200;
/// Charges whose answer is held back at once. Each is a connection and nothing else, but a caller that died
/// silently holds one for ever: beyond this the answer is lost the short way, as "it may have been done".
const HELD_MAX: usize = 1_024;

/// The sandbox's routes. Each charge is answered `delay` after it was carried out.
///
/// Once `stop` says so, nobody is kept waiting any more: what is held back or delayed is answered at once.
pub fn routes(sandbox: DurableSandbox, delay: Duration, stop: watch::Receiver<bool>) -> Router {
    let desk = Desk { sandbox, delay, stop, held: Semaphore::new(HELD_MAX) };
    Router::new()
        .route("/charges", post(charge).get(waiting))
        .route("/charges/{key}", get(look_up))
        .route("/charges/{key}/refunds", get(refunds))
        .route("/charges/{key}/void", post(void))
        .route("/charges/{key}/complete", post(complete))
        .route("/charges/{key}/allow-refunds", post(allow_refunds))
        .route("/refunds", post(refund))
        .route("/statement", get(statement))
        .route("/healthz", get(async || Json(serde_json::json!({"status": "ok"}))))
        .fallback(async || Refusal(StatusCode::NOT_FOUND, "there is no such route".to_owned()))
        .method_not_allowed_fallback(async || {
            Refusal(StatusCode::METHOD_NOT_ALLOWED, "this route has no such method".to_owned())
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(desk))
}

#[derive(Debug)]
struct Desk {
    sandbox: DurableSandbox,
    delay: Duration,
    stop: watch::Receiver<bool>,
    /// Room for charges whose answer is held back.
    held: Semaphore,
}

impl Desk {
    async fn answer(&self, operation: Operation) -> Response {
        match self.sandbox.ask(operation).await {
            Ok(Reply::Stands(state)) => Json(ChargeBody::from(state)).into_response(),
            Ok(Reply::Done) => StatusCode::NO_CONTENT.into_response(),
            Ok(Reply::NotKnown) => Problem::new(Code::NotKnown, "no such charge is known").into_response(),
            Ok(Reply::Refused(message)) => Problem::new(Code::Refused, message).into_response(),
            Ok(Reply::NotDone(message)) => Problem::new(Code::NotDone, message).into_response(),
            Ok(Reply::AnswerLost) => self.lose().await.into_response(),
            Err(fault) => Problem::from(fault).into_response(),
        }
    }

    /// Holds an answer back, as long as there is somebody to be kept waiting.
    async fn lose(&self) -> Problem {
        if let Ok(_place) = self.held.try_acquire() {
            self.stopped().await;
        }
        Problem::new(Code::Unclear, "the sandbox lost its answer")
    }

    async fn dawdle(&self) {
        if !self.delay.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(self.delay) => {}
                () = self.stopped() => {}
            }
        }
    }

    async fn stopped(&self) {
        // Whoever held the other end is gone: that, too, is an end.
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }
}

type At = State<Arc<Desk>>;

async fn charge(State(desk): At, Key(key): Key, Body(asked): Body<NewCharge>) -> Response {
    let NewCharge { amount, token } = asked;
    let answer = desk.answer(Operation::Charge { key, amount, token }).await;
    desk.dawdle().await;
    answer
}

async fn look_up(State(desk): At, Named(key): Named) -> Response {
    desk.answer(Operation::LookUp { key }).await
}

async fn void(State(desk): At, Named(key): Named) -> Response {
    desk.answer(Operation::Void { key }).await
}

async fn complete(State(desk): At, Named(key): Named, Body(said): Body<Decision>) -> Response {
    desk.answer(Operation::CompleteAction { key, approved: said.approved }).await
}

async fn allow_refunds(State(desk): At, Named(charge): Named) -> Response {
    desk.answer(Operation::AllowRefunds { charge }).await
}

async fn refund(State(desk): At, Key(key): Key, Body(asked): Body<NewRefund>) -> Result<Response, Refusal> {
    let charge = checked(&asked.charge)?;
    Ok(desk.answer(Operation::Refund { key, charge, amount_minor: asked.amount_minor }).await)
}

async fn refunds(State(desk): At, Named(charge): Named) -> Response {
    page_of(desk.sandbox.refunds_of(&charge).await.map(|refunds| (refunds, None)), RefundBody::from)
}

/// Which part of a list.
#[derive(Debug, Deserialize)]
struct Part {
    #[serde(default)]
    cursor: String,
    waiting: Option<String>,
}

async fn waiting(State(desk): At, Query(part): Query<Part>) -> Response {
    if part.waiting.is_none() {
        let message = "charges are listed only while they wait: GET /charges?waiting".to_owned();
        return Refusal(StatusCode::BAD_REQUEST, message).into_response();
    }
    let page = desk.sandbox.waiting_after(&part.cursor, PAGE).await;
    page_of(page, |key| key.as_str().to_owned())
}

async fn statement(State(desk): At, Query(part): Query<Part>) -> Response {
    page_of(desk.sandbox.statement_after(&part.cursor).await, LineBody::from)
}

fn page_of<T, B: serde::Serialize>(
    page: Result<(Vec<T>, Option<StepKey>), Fault>,
    body: impl Fn(T) -> B,
) -> Response {
    match page {
        Ok((items, next)) => {
            let next_cursor = next.map(|key| key.as_str().to_owned());
            Json(Page { items: items.into_iter().map(body).collect(), next_cursor }).into_response()
        }
        Err(fault) => Problem::from(fault).into_response(),
    }
}

/// The key that a request names itself by.
struct Key(StepKey);

impl<S: Sync> FromRequestParts<S> for Key {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let key = parts.headers.get(IDEMPOTENCY_KEY).and_then(|value| value.to_str().ok());
        checked(key.unwrap_or_default()).map(Self)
    }
}

/// The charge that a path names.
struct Named(StepKey);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(key)) => checked(&key).map(Self),
            Err(rejection) => Err(Refusal(rejection.status(), rejection.body_text())),
        }
    }
}

fn checked(key: &str) -> Result<StepKey, Refusal> {
    if key.is_empty() || key.len() > KEY_CHARS_MAX || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("a key of 1 to {KEY_CHARS_MAX} visible ASCII characters is expected");
        return Err(Refusal(StatusCode::BAD_REQUEST, message));
    }
    Ok(StepKey::from_stored(key))
}

/// What is asked for.
struct Body<T>(T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(Refusal(rejection.status(), rejection.body_text())),
        }
    }
}

/// It was not understood.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(Problem::new(Code::Invalid, self.1))).into_response()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.code.status(), Json(self)).into_response()
    }
}
