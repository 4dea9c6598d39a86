//! The rows of the ledger, and what they mean.

use holdfast_shared::{Money, StepKey, Time};
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Error, FromRow, Row as _};

use crate::{Capture, Charge, Refund, Refunds, Standing};

#[derive(Debug, Serialize)]
pub(crate) struct ChargeRow {
    key: String,
    state: String,
    amount_minor: Option<i64>,
    currency: Option<String>,
    captured_minor: i64,
    refunded_minor: i64,
    refunds_refused: bool,
    reason: Option<String>,
    keyed_at: i64,
}

impl FromRow<'_, SqliteRow> for ChargeRow {
    fn from_row(row: &SqliteRow) -> Result<Self, Error> {
        Ok(Self {
            key: row.try_get("key")?,
            state: row.try_get("state")?,
            amount_minor: row.try_get("amount_minor")?,
            currency: row.try_get("currency")?,
            captured_minor: row.try_get("captured_minor")?,
            refunded_minor: row.try_get("refunded_minor")?,
            refunds_refused: row.try_get("refunds_refused")?,
            reason: row.try_get("reason")?,
            keyed_at: row.try_get("keyed_at")?,
        })
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct RefundRow {
    key: String,
    charge: String,
    amount_minor: i64,
    moved_minor: i64,
    keyed_at: i64,
}

impl FromRow<'_, SqliteRow> for RefundRow {
    fn from_row(row: &SqliteRow) -> Result<Self, Error> {
        Ok(Self {
            key: row.try_get("key")?,
            charge: row.try_get("charge")?,
            amount_minor: row.try_get("amount_minor")?,
            moved_minor: row.try_get("moved_minor")?,
            keyed_at: row.try_get("keyed_at")?,
        })
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct FailuresRow {
    pub(crate) payer: String,
    pub(crate) failures: u32,
}

impl FromRow<'_, SqliteRow> for FailuresRow {
    fn from_row(row: &SqliteRow) -> Result<Self, Error> {
        Ok(Self { payer: row.try_get("payer")?, failures: row.try_get("failures")? })
    }
}

impl From<(StepKey, Charge)> for ChargeRow {
    fn from((key, charge): (StepKey, Charge)) -> Self {
        let amount = charge.amount();
        let row = Self {
            key: key.as_str().to_owned(),
            state: String::new(),
            amount_minor: amount.map(|amount| amount.amount_minor),
            currency: amount.map(|amount| amount.currency.into()),
            captured_minor: 0,
            refunded_minor: 0,
            refunds_refused: false,
            reason: None,
            keyed_at: charge.keyed_at.as_micros(),
        };
        match charge.standing {
            Standing::RequiresAction { .. } => Self { state: "requires_action".to_owned(), ..row },
            Standing::Captured(capture) => Self {
                state: "captured".to_owned(),
                captured_minor: capture.captured_minor,
                refunded_minor: capture.refunded_minor,
                refunds_refused: capture.refunds == Refunds::Refused,
                ..row
            },
            Standing::Declined { reason, .. } => {
                Self { state: "declined".to_owned(), reason: Some(reason), ..row }
            }
            Standing::Voided => Self { state: "voided".to_owned(), ..row },
        }
    }
}

impl TryFrom<ChargeRow> for (StepKey, Charge) {
    type Error = Error;

    fn try_from(row: ChargeRow) -> Result<Self, Error> {
        let unreadable = |what: &str| Error::Decode(format!("charge {}: {what}", row.key).into());
        let amount = || {
            let currency = row.currency.as_deref().and_then(|code| code.parse().ok());
            let (Some(amount_minor), Some(currency)) = (row.amount_minor, currency) else {
                return Err(unreadable("its amount cannot be read"));
            };
            Ok(Money { amount_minor, currency })
        };
        let standing = match row.state.as_str() {
            "requires_action" => Standing::RequiresAction { amount: amount()? },
            "captured" => Standing::Captured(Capture {
                amount: amount()?,
                captured_minor: row.captured_minor,
                refunded_minor: row.refunded_minor,
                refunds: if row.refunds_refused { Refunds::Refused } else { Refunds::Open },
            }),
            "declined" => {
                Standing::Declined { amount: amount()?, reason: row.reason.clone().unwrap_or_default() }
            }
            "voided" => Standing::Voided,
            other => return Err(unreadable(&format!("its state is {other}"))),
        };
        let charge = Charge { keyed_at: Time::from_micros(row.keyed_at), standing };
        Ok((StepKey::from_stored(row.key), charge))
    }
}

impl From<(StepKey, Refund)> for RefundRow {
    fn from((key, refund): (StepKey, Refund)) -> Self {
        Self {
            key: key.as_str().to_owned(),
            charge: refund.charge.as_str().to_owned(),
            amount_minor: refund.amount_minor,
            moved_minor: refund.moved_minor,
            keyed_at: refund.keyed_at.as_micros(),
        }
    }
}

impl From<RefundRow> for (StepKey, Refund) {
    fn from(row: RefundRow) -> Self {
        let refund = Refund {
            charge: StepKey::from_stored(row.charge),
            amount_minor: row.amount_minor,
            moved_minor: row.moved_minor,
            keyed_at: Time::from_micros(row.keyed_at),
        };
        (StepKey::from_stored(row.key), refund)
    }
}
