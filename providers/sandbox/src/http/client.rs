//! Asking a sandbox that runs elsewhere.

use std::error::Error as _;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_saga::ports::{Fault, Movement, NamedRefund};
use holdfast_shared::StepKey;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Url};
use serde::de::DeserializeOwned;

use super::wire::{self, Decision, IDEMPOTENCY_KEY, LineBody, NewCharge, NewRefund, Page, RefundBody};
use crate::{KEY_TTL, Operation, Part, Reply, SandboxControl};

/// Longer than a connection in one data centre ever takes.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// Shorter than a server keeps an idle connection, so that it is seldom closed just when it is needed.
const IDLE: Duration = Duration::from_secs(20);
/// As many as a pool has slots for calls.
const IDLE_MAX: usize = 256;

/// A sandbox at a URL, asked over connections that are kept and shared.
///
/// It says that a request never began only where the sandbox never had it ([`Fault::NotReached`]), or says itself
/// that it did nothing. Whatever else goes wrong is [`Fault::Unclear`]. Dropping a call's future closes its connection; the call may
/// have been carried out.
#[derive(Debug, Clone)]
pub struct HttpSandbox {
    http: Client,
    url: Url,
    timeout: Duration,
}

/// The text is no URL of a sandbox. It is not repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox URL {0}; http://HOST:PORT is expected")]
pub struct InvalidUrl(String);

impl HttpSandbox {
    /// A sandbox at `url`. It is not asked anything yet. An answer that takes longer than `timeout` is lost.
    pub fn new(url: &str, timeout: Duration) -> Result<Self, InvalidUrl> {
        let url = Url::parse(url).map_err(|error| InvalidUrl(format!("cannot be read ({error})")))?;
        if url.scheme() != "http" {
            return Err(InvalidUrl(format!("begins with {}", url.scheme())));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidUrl("has a query or a fragment".to_owned()));
        }
        let http = Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .timeout(timeout)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            // A proxy or another host could answer in its place, and what they say proves nothing.
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| InvalidUrl(format!("cannot be asked ({error})")))?;
        Ok(Self { http, url, timeout })
    }

    /// Where it is, without what may be secret in the URL.
    pub fn place(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| format!("http://{host}"), |port| format!("http://{host}:{port}"))
    }

    async fn ask(&self, operation: &Operation) -> Result<Reply, Fault> {
        let (status, body) = self.send(self.request(operation)).await?;
        wire::understood(status, &body).unwrap_or_else(|| Err(self.not_understood(status)))
    }

    fn request(&self, operation: &Operation) -> RequestBuilder {
        let of = |key: &StepKey, verb: &'static str| self.at(Method::POST, &["charges", key.as_str(), verb]);
        match operation {
            Operation::Charge { key, amount, token } => {
                let body = NewCharge { amount: *amount, token: token.clone() };
                self.at(Method::POST, &["charges"]).header(IDEMPOTENCY_KEY, key.as_str()).json(&body)
            }
            Operation::LookUp { key } => self.at(Method::GET, &["charges", key.as_str()]),
            Operation::Void { key } => of(key, "void"),
            Operation::Refund { key, charge, amount_minor } => {
                let body = NewRefund { charge: charge.as_str().to_owned(), amount_minor: *amount_minor };
                self.at(Method::POST, &["refunds"]).header(IDEMPOTENCY_KEY, key.as_str()).json(&body)
            }
            Operation::CompleteAction { key, approved } => {
                of(key, "complete").json(&Decision { approved: *approved })
            }
            Operation::AllowRefunds { charge } => of(charge, "allow-refunds"),
        }
    }

    fn at(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.url.clone();
        // Only a URL that cannot have a path would refuse; an http one has.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        self.http.request(method, url)
    }

    async fn send(&self, request: RequestBuilder) -> Result<(reqwest::StatusCode, Vec<u8>), Fault> {
        let response = request.send().await.map_err(|error| self.fault(&error))?;
        let status = response.status();
        let body = response.bytes().await.map_err(|error| Fault::Unclear(self.message(&error)))?;
        Ok((status, body.into()))
    }

    /// A connection that was never made, and a request that could not be made, moved nothing.
    fn fault(&self, error: &reqwest::Error) -> Fault {
        if error.is_connect() {
            Fault::NotReached(self.message(error))
        } else if error.is_builder() {
            Fault::Refused(self.message(error))
        } else {
            Fault::Unclear(self.message(error))
        }
    }

    fn message(&self, error: &reqwest::Error) -> String {
        let place = self.place();
        if error.is_connect() {
            return format!("the sandbox at {place} cannot be reached: {}; is it running?", cause(error));
        }
        if error.is_timeout() {
            return format!("the sandbox at {place} did not answer within {:?}", self.timeout);
        }
        format!("the sandbox at {place} did not answer: {}", cause(error))
    }

    fn not_understood(&self, status: reqwest::StatusCode) -> Fault {
        Fault::Unclear(format!("{} answered {status}, and not as a sandbox does", self.place()))
    }

    /// Every page of a list.
    async fn all<B: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Vec<B>, Fault> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.page(path, query, &cursor).await?;
            items.extend(page.items);
            match page.next_cursor {
                None => return Ok(items),
                Some(next) => cursor = next,
            }
        }
    }

    /// The page of a list that follows `cursor`.
    async fn page<B: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        cursor: &str,
    ) -> Result<Page<B>, Fault> {
        let request = self.at(Method::GET, path).query(query).query(&[("cursor", cursor)]);
        let (status, body) = self.send(request).await?;
        let page: Option<Page<B>> =
            Some(&body).filter(|_| status.is_success()).and_then(|body| serde_json::from_slice(body).ok());
        match page {
            // Pages that turn in a circle would never end.
            Some(page) if page.next_cursor.as_deref().is_none_or(|next| next > cursor) => Ok(page),
            Some(_) => Err(self.not_understood(status)),
            None => {
                let said = wire::problem(status, &body).unwrap_or_else(|| Err(self.not_understood(status)));
                Err(said.map_or_else(|fault| fault, Reply::into_fault))
            }
        }
    }
}

/// The innermost reason: the ones around it only say who noticed.
fn cause(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut message = None;
    while let Some(inner) = cause {
        message = Some(inner.to_string());
        cause = inner.source();
    }
    message.unwrap_or_else(|| "no reason is known".to_owned())
}

crate::port::payment_provider!(HttpSandbox);

#[async_trait]
impl SandboxControl for HttpSandbox {
    fn key_ttl(&self) -> Duration {
        KEY_TTL
    }

    async fn request(&self, operation: Operation) -> Result<Reply, Fault> {
        self.ask(&operation).await
    }

    async fn refunds_of(&self, charge: &StepKey) -> Result<Vec<NamedRefund>, Fault> {
        let refunds: Vec<RefundBody> = self.all(&["charges", charge.as_str(), "refunds"], &[]).await?;
        Ok(refunds.into_iter().map(NamedRefund::from).collect())
    }

    async fn statement_after(&self, after: &str) -> Result<Part<Movement>, Fault> {
        let Page { items, next_cursor } = self.page::<LineBody>(&["statement"], &[], after).await?;
        Ok((items.into_iter().map(Movement::from).collect(), next_cursor.map(StepKey::from_stored)))
    }

    async fn waiting_actions(&self) -> Result<Vec<StepKey>, Fault> {
        let keys: Vec<String> = self.all(&["charges"], &[("waiting", "")]).await?;
        Ok(keys.into_iter().map(StepKey::from_stored).collect())
    }

    async fn reach(&self) -> Result<(), Fault> {
        let (status, _) = self.send(self.at(Method::GET, &["healthz"])).await?;
        if status.is_success() { Ok(()) } else { Err(self.not_understood(status)) }
    }
}
