//! The adapter from Holdfast's port to the bank.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_saga::ports::{
    Account, AmountRule, Amounts, At, Attempt, Caps, Captured, Charge, Closed, Fault, Movement, NamedRefund,
    Page, PaymentProvider, RefundState, Setting,
};
use holdfast_saga::records::PaymentObject;
use holdfast_saga::records::call::Mode;
use holdfast_saga::shop::checkout::PaymentRoute;
use holdfast_shared::{Currency, Money, StepKey};
use serde_json::{Value, json};

use crate::message::{Asked, Said};
use crate::wire::{NoAnswer, Wire};

/// The name stored with the payments it takes.
pub const NAME: &str = "bank";

/// What it takes: nothing below half a unit, KWD in tens of fils, no HUF.
pub const AMOUNTS: Amounts = Amounts {
    otherwise: Some(AmountRule::from(50)),
    listed: &[("HUF", None), ("KWD", Some(AmountRule::from(50).in_steps_of(10)))],
};

/// Payments go to the bank.
pub fn route() -> PaymentRoute {
    PaymentRoute { opens: true, amounts: AMOUNTS, ..PaymentRoute::new(NAME) }
}

/// The version of the requests that this adapter sends.
const WIRE: u32 = 1;

/// The bank, as Holdfast asks it.
#[derive(Debug)]
pub struct BankProvider {
    wire: Arc<dyn Wire>,
    api_key: String,
    key_ttl: Duration,
    account: OnceLock<Account>,
}

impl BankProvider {
    /// The bank behind `wire`, asked with these credentials. It is not asked anything yet.
    pub fn new(wire: Arc<dyn Wire>, api_key: &str, key_ttl: Duration) -> Self {
        Self { wire, api_key: api_key.to_owned(), key_ttl, account: OnceLock::new() }
    }

    async fn ask(
        &self,
        method: &'static str,
        path: String,
        key: Option<&StepKey>,
        body: Value,
    ) -> Result<Value, Fault> {
        let key = key.map(|key| key.as_str().to_owned());
        let asked = Asked { method, path, api_key: self.api_key.clone(), key, body };
        let Said { status, body } = self.wire.ask(asked).await.map_err(|lost| match lost {
            NoAnswer::NotReached(why) => Fault::NotReached(why),
            NoAnswer::Lost(why) => Fault::Unclear(why),
        })?;
        let error = format!("the bank answered {status}: {}", body["error"].as_str().unwrap_or_default());
        match status {
            200 | 201 => Ok(body),
            401 | 403 => Err(Fault::Misconfigured { which: Setting::Credentials, why: error }),
            // Only what we committed is asked for: another account's credentials cannot see it.
            404 => {
                let why = format!("{error}; do the credentials belong to its account?");
                Err(Fault::Misconfigured { which: Setting::Account, why })
            }
            423 | 429 => Err(Fault::NotNow { retry_in: None, why: error }),
            // The key was used before, and what came of that is not said.
            400 | 409 => Err(Fault::Unclear(error)),
            402 => Err(Fault::Refused(body["error"].as_str().unwrap_or_default().to_owned())),
            400..500 => Err(Fault::Refused(error)),
            _ => Err(Fault::Unclear(error)),
        }
    }

    fn state(body: &Value, at: &At<'_>) -> Result<Charge, Fault> {
        let unreadable =
            || Fault::Unclear(format!("the bank's answer about {} is unreadable: {body}", at.charge));
        Ok(match body["state"].as_str().ok_or_else(unreadable)? {
            "open" | "approved" => Charge::Open,
            "buyer_declined" => Charge::AttemptDeclined {
                reason: "the buyer's card was declined".to_owned(),
                url: Some(page(at)),
            },
            "processing" => Charge::Processing,
            "failed" => Charge::Closed { declined: Some("the debit bounced".to_owned()) },
            "captured" => {
                let amount = |name: &str| money(&body[name], &body["currency"]).ok_or_else(unreadable);
                Charge::Captured(Captured {
                    amount: amount("captured")?,
                    refunded_minor: amount("refunded")?.amount_minor,
                    provider_ref: reference(at)?.to_owned(),
                })
            }
            _ => return Err(unreadable()),
        })
    }
}

/// How many of the bank's units one of our minor units is: it writes ISK in hundredths.
fn units_per_minor(currency: Currency) -> i64 {
    if currency.as_str() == "ISK" { 100 } else { 1 }
}

fn units(amount: Money) -> i64 {
    amount.amount_minor * units_per_minor(amount.currency)
}

/// What the bank writes as `units`, if it is an amount of ours.
fn money(units: &Value, currency: &Value) -> Option<Money> {
    let (units, currency) = (units.as_i64()?, currency.as_str()?.parse().ok()?);
    let per_minor = units_per_minor(currency);
    (units % per_minor == 0).then(|| Money::new(units / per_minor, currency))
}

/// Where the buyer says yes.
fn page(at: &At<'_>) -> String {
    let reference = at.object.map(|object| object.reference.as_str());
    format!("https://bank.invalid/pay/{}", reference.unwrap_or_default())
}

fn reference<'a>(at: &At<'a>) -> Result<&'a str, Fault> {
    let object = at.object.ok_or_else(|| Fault::Refused(format!("{} was not opened", at.charge)))?;
    Ok(&object.reference)
}

#[async_trait]
impl PaymentProvider for BankProvider {
    fn name(&self) -> &str {
        NAME
    }

    fn caps(&self) -> Caps {
        Caps { opens: true, closes: false, key_ttl: self.key_ttl }
    }

    fn account(&self) -> Option<String> {
        self.account.get().map(|account| account.id.clone())
    }

    async fn ping(&self) -> Result<Account, Fault> {
        let body = self.ask("GET", "/account".to_owned(), None, Value::Null).await?;
        let account = Account {
            id: body["account"].as_str().unwrap_or_default().to_owned(),
            live: body["live"].as_bool().unwrap_or_default(),
        };
        Ok(self.account.get_or_init(|| account).clone())
    }

    async fn open(&self, key: &StepKey, amount: Money) -> Result<PaymentObject, Fault> {
        let body = json!({
            "reference": key.as_str(),
            "amount": units(amount),
            "currency": amount.currency,
        });
        let opened = self.ask("POST", "/payments".to_owned(), Some(key), body).await?;
        let text = |name: &str| {
            let text = opened[name].as_str().map(str::to_owned);
            text.ok_or_else(|| Fault::Unclear(format!("the bank opened something without {name}")))
        };
        let live = opened["live"].as_bool().unwrap_or_default();
        let (reference, account) = (text("id")?, text("account")?);
        self.account.get_or_init(|| Account { id: account.clone(), live });
        Ok(PaymentObject { reference, account, live, wire: WIRE })
    }

    async fn drive(&self, at: &At<'_>, attempt: &Attempt<'_>) -> Result<Charge, Fault> {
        // M9: looked up first, and then the one next step. Where the buyer pays at the bank, that is theirs until they did.
        if attempt.mode == Mode::Query || attempt.token.is_none() {
            let body = self.ask("GET", format!("/payments/{}", reference(at)?), None, Value::Null).await?;
            let state = Self::state(&body, at)?;
            let is_approved = attempt.token.is_none() && body["state"] == "approved";
            if !is_approved {
                return Ok(match state {
                    Charge::Open if attempt.token.is_none() => Charge::NeedsBuyer { url: Some(page(at)) },
                    state => state,
                });
            }
        }
        let path = format!("/payments/{}/attempts", reference(at)?);
        match self.ask("POST", path, Some(attempt.key), json!({"token": attempt.token})).await {
            Ok(body) => Ok(match Self::state(&body, at)? {
                Charge::Open if attempt.token.is_none() => Charge::NeedsBuyer { url: Some(page(at)) },
                state => state,
            }),
            Err(Fault::Refused(reason)) => Ok(Charge::AttemptDeclined { reason, url: Some(page(at)) }),
            Err(fault) => Err(fault),
        }
    }

    async fn look_up(&self, at: &At<'_>) -> Result<Charge, Fault> {
        let body = self.ask("GET", format!("/payments/{}", reference(at)?), None, Value::Null).await?;
        Self::state(&body, at)
    }

    async fn close(&self, at: &At<'_>) -> Result<Closed, Fault> {
        Ok(match self.look_up(at).await? {
            Charge::Captured(captured) => Closed::Captured(captured),
            Charge::Processing => Closed::Processing,
            // Money moves by an attempt of ours alone, and there will be none.
            Charge::Open
            | Charge::NeedsBuyer { .. }
            | Charge::AttemptDeclined { .. }
            | Charge::Closed { .. } => Closed::Closed,
        })
    }

    async fn refund(&self, at: &At<'_>, key: &StepKey, amount: Money) -> Result<RefundState, Fault> {
        let path = format!("/payments/{}/refunds", reference(at)?);
        let body = json!({"amount": units(amount)});
        let body = self.ask("POST", path, Some(key), body).await?;
        Ok(if body["state"] == "pending" { RefundState::Pending } else { RefundState::Done })
    }

    async fn refunds(&self, at: &At<'_>) -> Result<Vec<NamedRefund>, Fault> {
        let path = format!("/payments/{}/refunds", reference(at)?);
        let body = self.ask("GET", path, None, Value::Null).await?;
        let items = body["items"].as_array().cloned().unwrap_or_default();
        let refund = |item: &Value| {
            Some(NamedRefund {
                key: item["key"].as_str().map(StepKey::from_stored),
                amount_minor: money(&item["amount"], &body["currency"])?.amount_minor,
                state: if item["pending"] == true { RefundState::Pending } else { RefundState::Done },
            })
        };
        let refunds = items.iter().map(refund).collect::<Option<Vec<_>>>();
        refunds.ok_or_else(|| Fault::Unclear("the bank's refunds are unreadable".to_owned()))
    }

    async fn movements(&self, _: &str) -> Result<Option<Page<Movement>>, Fault> {
        let body = self.ask("GET", "/movements".to_owned(), None, Value::Null).await?;
        let items = body["items"].as_array().cloned().unwrap_or_default();
        let movement = |item: &Value| {
            let captured = money(&item["captured"], &item["currency"])?;
            Some(Movement {
                charge: StepKey::from_stored(item["reference"].as_str()?),
                currency: captured.currency,
                captured_minor: captured.amount_minor,
                refunded_minor: money(&item["refunded"], &item["currency"])?.amount_minor,
            })
        };
        let items = items.iter().map(movement).collect::<Option<Vec<_>>>();
        let items = items.ok_or_else(|| Fault::Unclear("the bank's movements are unreadable".to_owned()))?;
        Ok(Some(Page { items, next: None }))
    }
}
