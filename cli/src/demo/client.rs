//! The people of a demo ask over HTTP, as everybody does.

use std::time::Duration;

use anyhow::{Context as _, bail};
use holdfast_api::auth::{Role, TokenSettings, sign};
use holdfast_api::body::checkout::CheckoutBody;
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use uuid::Uuid;

/// A demo is over long before.
const TOKENS_VALID: Duration = Duration::from_hours(24);
/// Longer than any answer takes, the database's patience included.
const PATIENCE: Duration = Duration::from_secs(15);

/// Asks one front door.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    secret: String,
    admin: String,
}

/// An order, as far as a demo looks at it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Placed {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    #[serde(default)]
    pub(crate) order_token: Option<String>,
}

/// Who asks for a decision.
#[derive(Debug, Clone, Copy)]
pub(crate) enum By<'a> {
    Admin,
    /// The buyer; a guest by the token of their order.
    Buyer {
        customer: Option<&'a str>,
        order_token: Option<&'a str>,
    },
}

impl Client {
    pub(crate) fn new(url: &str, secret: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(PATIENCE).build()?;
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
        body: &CheckoutBody,
    ) -> anyhow::Result<Placed> {
        let mut request = self.http.post(format!("{}/v1/checkout", self.url)).header("idempotency-key", key);
        if let Some(customer) = customer {
            request = request.bearer_auth(self.customer(customer)?);
        }
        let answer = request.json(body).send().await.context("asking for a checkout")?;
        if answer.status() != StatusCode::CREATED {
            bail!("a demo order was refused: {}", words(answer).await);
        }
        Ok(answer.json().await?)
    }

    /// Asks `verb` of an order. That something else happened first is an answer, too.
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
        let answer = request.send().await.with_context(|| format!("asking to {verb} order {order}"))?;
        match answer.status() {
            StatusCode::ACCEPTED | StatusCode::OK | StatusCode::CONFLICT => Ok(()),
            _ => bail!("order {order} could not be asked to {verb}: {}", words(answer).await),
        }
    }
}

/// What a refusal says.
async fn words(answer: Response) -> String {
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    format!("{status} {text}")
}
