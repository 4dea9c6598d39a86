//! Dead sagas as they are shown, and what came of what was done about each.

use holdfast_saga::operations::dead_letter::resolve::{BATCH, DeadLetterAction, DryRun};
use holdfast_saga::operations::dead_letter::{DeadGroup, DeadLetter, MoneyMove, Preview, StockStep};
use holdfast_saga::shop::answer::{Answer, Answered};
use holdfast_shared::{Money, OrderId, SagaId, Sku, Time, redact};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body::Text;

/// One dead saga.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub struct DeadBody {
    /// Its id.
    #[schema(value_type = String, example = "1042.3")]
    pub id: SagaId,
    /// The order it serves.
    pub order: OrderId,
    /// What it runs.
    #[schema(example = "cancellation")]
    pub saga: String,
    /// Which version of it.
    pub version: i32,
    /// Where it stopped; `null` when this release cannot tell.
    #[schema(value_type = Option<String>, example = "refund_payment")]
    pub step: Option<&'static str>,
    /// Why.
    pub reason: String,
    /// Since when.
    pub dead_since: Time,
    /// Whether it was told something, such as to go on, that no worker has looked at yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub retry_pending: bool,
}

/// Dead sagas that stopped at the same step for the same reason.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = DeadGroup)]
pub struct DeadGroupBody {
    /// What they run.
    #[schema(example = "cancellation")]
    pub saga: String,
    /// Where they stopped.
    #[schema(value_type = Option<String>, example = "refund_payment")]
    pub step: Option<&'static str>,
    /// Why; `N` stands for each one's own order number.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// Since when the first of them is dead.
    pub oldest: Time,
    /// And the last.
    pub newest: Time,
    /// One of them.
    #[schema(value_type = String, example = "1042.3")]
    pub example: SagaId,
}

/// What came, or would come, of what was asked of one saga.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = DeadAnswer)]
pub struct DeadLetterResult {
    /// Which saga.
    #[schema(value_type = String, example = "1042.3")]
    pub id: SagaId,
    /// `done`, `already`, `refused` or `not_found`; of a rehearsal `would` instead of `done`.
    #[schema(value_type = String, example = "done")]
    pub answer: &'static str,
    /// In words.
    pub detail: String,
    /// What would follow, of a rehearsal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<PreviewBody>,
}

/// What would follow, if everything went well.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Preview)]
pub struct PreviewBody {
    /// The steps that would run, in order.
    #[schema(value_type = Vec<String>, example = json!(["refund_payment", "restock", "cancel_order", "notify"]))]
    pub steps: Vec<&'static str>,
    /// The money that would move.
    pub money: Vec<MoneyMoveBody>,
    /// The stock that would move.
    pub stock: Vec<StockStepBody>,
}

/// Money that would move.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = MoneyMove)]
pub struct MoneyMoveBody {
    /// `taken` from the buyer, `given_back` to them, or `settled_manually`: left to whoever discards.
    #[schema(value_type = String, example = "given_back")]
    pub way: &'static str,
    /// How much.
    pub amount: Money,
    /// Whether it may be less, because nobody knows yet what the provider holds.
    pub at_most: bool,
}

/// By how much a stock level would move.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = StockStep)]
pub struct StockStepBody {
    /// Of what.
    pub sku: Sku,
    /// Pieces that would come, or go when negative.
    pub on_hand: i64,
    /// Promises that would be made, or taken back when negative.
    pub reserved: i64,
}

impl From<DeadLetter> for DeadBody {
    fn from(letter: DeadLetter) -> Self {
        Self {
            id: letter.id,
            order: letter.id.order(),
            saga: letter.saga,
            version: letter.version,
            step: letter.step,
            reason: redact(&letter.reason),
            dead_since: letter.dead_since,
            retry_pending: letter.is_due,
        }
    }
}

impl From<DeadGroup> for DeadGroupBody {
    fn from(group: DeadGroup) -> Self {
        let DeadGroup { saga, step, reason, count, oldest, newest, example } = group;
        Self { saga, step, reason: redact(&reason), count, oldest, newest, example }
    }
}

impl From<Preview> for PreviewBody {
    fn from(preview: Preview) -> Self {
        let money = |MoneyMove { way, amount, at_most }| MoneyMoveBody { way: way.into(), amount, at_most };
        let stock = |StockStep { sku, on_hand, reserved }| StockStepBody { sku, on_hand, reserved };
        Self {
            steps: preview.steps,
            money: preview.money.into_iter().map(money).collect(),
            stock: preview.stock.into_iter().map(stock).collect(),
        }
    }
}

fn accepted(id: SagaId, action: &DeadLetterAction) -> String {
    match action {
        DeadLetterAction::Retry => format!("saga {id} goes on with the next free worker"),
        DeadLetterAction::Discard { .. } => {
            format!("what saga {id} stopped at is off its hands; the next free worker carries on behind it")
        }
    }
}

impl DeadLetterResult {
    /// What came of `action`.
    pub fn new(id: SagaId, action: &DeadLetterAction, answer: &Answer) -> Self {
        let (answer, detail) = match answer {
            Ok(Answered::Accepted(_)) => ("done", accepted(id, action)),
            Ok(Answered::Done(words)) => ("done", words.clone()),
            Ok(Answered::Already(words)) => ("already", format!("{words}; nothing was changed")),
            Err(missing) if missing.is_not_found() => ("not_found", missing.to_string()),
            Err(conflict) => ("refused", conflict.to_string()),
        };
        Self { id, answer, detail: redact(&detail), preview: None }
    }

    /// What would come of it.
    pub fn planned(id: SagaId, action: &DeadLetterAction, planned: DryRun) -> Self {
        match planned {
            DryRun::Stays(answer) => Self::new(id, action, &answer),
            DryRun::Would(Some(preview)) => {
                let detail = preview.to_string();
                Self { id, answer: "would", detail, preview: Some(preview.into()) }
            }
            DryRun::Would(None) => {
                let detail = "it goes on with a worker of the release that knows what it runs".to_owned();
                Self { id, answer: "would", detail, preview: None }
            }
        }
    }
}

/// What the dead must fit to be meant.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeadFilter)]
pub struct FilterBody {
    /// Of this definition, such as `cancellation`.
    #[serde(default)]
    pub saga: Option<String>,
    /// Stopped at this step, such as `refund_payment`.
    #[serde(default)]
    pub step: Option<String>,
    /// Whose reason contains this.
    #[serde(default)]
    pub reason: Option<String>,
    /// Dead for longer than this.
    #[serde(default)]
    #[schema(maximum = 31_622_400)]
    pub older_than_secs: Option<u64>,
    /// Dead for no longer than this.
    #[serde(default)]
    #[schema(maximum = 31_622_400)]
    pub younger_than_secs: Option<u64>,
}

/// Dead sagas to set going again. A field that is not known is refused: a mistyped `dry_run` must not do it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RetryDead, example = json!({"ids": ["1042.3"], "dry_run": true}))]
pub struct RetryBody {
    /// Their ids; or a filter.
    #[serde(default)]
    #[schema(max_items = 256, min_items = 1, example = json!(["1042.3"]))]
    pub ids: Option<Vec<String>>,
    /// Of the dead those that fit; `{}` is all of them.
    #[serde(default)]
    pub filter: Option<FilterBody>,
    /// With a filter: `next_cursor` of the answer before.
    #[serde(default)]
    #[schema(pattern = r"^[1-9][0-9]{0,15}\.[0-9]{1,2}$")]
    pub cursor: Option<String>,
    /// Only tell what would happen.
    #[serde(default)]
    pub dry_run: bool,
}

/// Dead sagas to take off the shop's hands.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DiscardDead, example = json!({"ids": ["1042.3"], "reason": "paid back by bank transfer", "dry_run": true}))]
pub struct DiscardBody {
    /// Their ids; or a filter.
    #[serde(default)]
    #[schema(max_items = 256, min_items = 1, example = json!(["1042.3"]))]
    pub ids: Option<Vec<String>>,
    /// Of the dead those that fit; `{}` is all of them.
    #[serde(default)]
    pub filter: Option<FilterBody>,
    /// With a filter: `next_cursor` of the answer before.
    #[serde(default)]
    #[schema(pattern = r"^[1-9][0-9]{0,15}\.[0-9]{1,2}$")]
    pub cursor: Option<String>,
    /// Only tell what would happen.
    #[serde(default)]
    pub dry_run: bool,
    /// Why, for the timeline and the audit trail.
    pub reason: Text<500>,
}

/// What came of what was asked of each.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadAnswers)]
pub struct DeadLetterResults {
    /// One answer for each saga, by id.
    pub items: Vec<DeadLetterResult>,
    /// How many were done, or would be.
    pub done: usize,
    /// How many were so already.
    pub already: usize,
    /// Against how many something stood.
    pub refused: usize,
    /// How many do not exist.
    pub not_found: usize,
    /// Where the next ones that fit begin; `null` when there are none.
    pub next_cursor: Option<String>,
}

impl DeadLetterResults {
    /// As many as fit into one commit.
    pub const MAX: usize = BATCH;

    /// The answers, counted.
    pub fn new(items: Vec<DeadLetterResult>, next_cursor: Option<String>) -> Self {
        let count = |answers: &[&str]| items.iter().filter(|item| answers.contains(&item.answer)).count();
        Self {
            done: count(&["done", "would"]),
            already: count(&["already"]),
            refused: count(&["refused"]),
            not_found: count(&["not_found"]),
            next_cursor,
            items,
        }
    }
}
