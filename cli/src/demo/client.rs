//! The HTTP client of the actors.

use std::time::Duration;

use anyhow::{Context as _, bail};
use holdfast_api::auth::{Role, TokenSettings, sign};
use holdfast_contract::order::OrderDetails;
use reqwest::{Response, StatusCode};
use uuid::Uuid;

/// Longer than any demo runs.
const TOKENS_VALID: Duration = Duration::from_hours(24);
/// Longer than the API takes for any answer.
const TIMEOUT: Duration = Duration::from_secs(15);

/// A client of one API.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    secret: String,
    admin: String,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum By<'a> {
    Admin,
    /// The buyer; a guest with the token of their order.
    Buyer {
        customer: Option<&'a str>,
        order_token: Option<&'a str>,
    },
}

impl Client {
    pub(crate) fn new(url: &str, secret: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(TIMEOUT).build()?;
        let admin = sign(secret, &TokenSettings::default(), "demo", Role::Admin, TOKENS_VALID)?;
        Ok(Self { http, url: url.to_owned(), secret: secret.to_owned(), admin })
    }

    fn customer(&self, name: &str) -> anyhow::Result<String> {
        Ok(sign(&self.secret, &TokenSettings::default(), name, Role::Customer, TOKENS_VALID)?)
    }

    /// Checks a cart out.
    pub(crate) async fn check_out(
        &self,
        customer: Option<&str>,
        key: &str,
        body: &serde_json::Value,
    ) -> anyhow::Result<OrderDetails> {
        let mut request = self.http.post(format!("{}/v1/checkout", self.url)).header("idempotency-key", key);
        if let Some(customer) = customer {
            request = request.bearer_auth(self.customer(customer)?);
        }
        let answer = request.json(body).send().await.context("sending a checkout")?;
        if answer.status() != StatusCode::CREATED {
            bail!("a demo order was refused: {}", error_of(answer).await);
        }
        Ok(answer.json().await?)
    }

    /// Applies `verb` to an order. A conflict counts as an answer: something else happened first.
    pub(crate) async fn decide(&self, order: Uuid, verb: &str, by: By<'_>) -> anyhow::Result<()> {
        let request = match by {
            By::Admin => self
                .http
                .post(format!("{}/v1/admin/orders/{order}/{verb}", self.url))
                .bearer_auth(&self.admin),
            By::Buyer { customer, order_token } => {
                let mut request = self.http.post(format!("{}/v1/orders/{order}/{verb}", self.url));
                if let Some(customer) = customer {
                    request = request.bearer_auth(self.customer(customer)?);
                }
                if let Some(token) = order_token {
                    request = request.header("x-order-token", token);
                }
                request
            }
        };
        let answer = request.send().await.with_context(|| format!("sending {verb} for order {order}"))?;
        match answer.status() {
            StatusCode::ACCEPTED | StatusCode::OK | StatusCode::CONFLICT => Ok(()),
            _ => bail!("{verb} of order {order} failed: {}", error_of(answer).await),
        }
    }
}

/// The status and the body of an error.
async fn error_of(answer: Response) -> String {
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    format!("{status} {text}")
}
