//! Dead sagas, and what came of the commands about them.

use holdfast_saga::operations::dead_letter::DeadLetterAction;
use holdfast_saga::operations::dead_letter::resolve::{BATCH, DryRun};
use holdfast_saga::operations::dead_letter::{DeadGroup, DeadLetter, MoneyMove, Preview, StockStep};
use holdfast_saga::shop::answer::{Answer, Answered};
use holdfast_shared::{Money, OrderId, SagaId, Sku, Time, redact};
use serde::{Deserialize, Serialize};

use crate::input::{At, Faults, Read as _};
use crate::json::Json;
use crate::result::{CommandOutcome, unchanged};
use crate::saga::will_resume;
use crate::text::Text;

/// A dead letter: a saga that gave up.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = DeadLetter))]
pub struct DeadLetterBody {
    /// The id of the saga.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "1042.3"))]
    pub id: SagaId,
    /// The number of the order; absent if the saga serves none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderId>,
    /// The definition that it runs.
    #[cfg_attr(feature = "openapi", schema(example = "cancellation"))]
    pub saga: String,
    /// The version of the definition.
    pub version: i32,
    /// The step at which it stopped; `null` if this release does not know the definition.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, example = "refund_payment"))]
    pub step: Option<String>,
    /// The error at which it gave up.
    pub reason: String,
    /// The time at which it gave up.
    pub dead_since: Time,
    /// Whether a command, such as a retry, still waits for a worker.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retry_pending: bool,
}

/// Dead sagas that stopped at the same step for the same reason.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = DeadLetterGroup))]
pub struct DeadLetterGroupBody {
    /// The definition that they run.
    #[cfg_attr(feature = "openapi", schema(example = "cancellation"))]
    pub saga: String,
    /// The step at which they stopped.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, example = "refund_payment"))]
    pub step: Option<String>,
    /// Why they stopped; `N` stands for the number of the order.
    pub reason: String,
    /// The number of sagas.
    pub count: u64,
    /// When the first of them stopped.
    pub oldest: Time,
    /// When the last of them stopped.
    pub newest: Time,
    /// The id of one of them.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "1042.3"))]
    pub example: SagaId,
}

/// What came of a command about one dead saga, or what would come of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = DeadLetterResult))]
pub struct DeadLetterResult {
    /// The id of the saga.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "1042.3"))]
    pub id: SagaId,
    /// `done`, `already`, `refused` or `not_found`; `would` instead of `done` in a dry run.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "done"))]
    pub answer: CommandOutcome,
    /// An explanation for people.
    pub detail: String,
    /// What would follow, in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<PreviewBody>,
}

/// What would follow if every step succeeded.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Preview))]
pub struct PreviewBody {
    /// The steps that would run, in order.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>, example = json!(["refund_payment", "restock", "cancel_order", "notify"])))]
    pub steps: Vec<String>,
    /// The money that would move.
    pub money: Vec<MoneyMoveBody>,
    /// The stock that would move.
    pub stock: Vec<StockStepBody>,
}

/// Money that would move.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = MoneyMove))]
pub struct MoneyMoveBody {
    /// `taken` from the buyer, `given_back` to the buyer, or `settled_manually`: left to the operator who discards.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "given_back"))]
    pub way: String,
    /// The amount of money.
    pub amount: Money,
    /// Whether it may be less, because it is not known yet what the provider holds.
    pub at_most: bool,
}

/// A change of a stock level.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = StockStep))]
pub struct StockStepBody {
    /// The SKU of the product.
    pub sku: Sku,
    /// Pieces added, or removed if negative.
    pub on_hand: i64,
    /// Reservations added, or released if negative.
    pub reserved: i64,
}

impl From<DeadLetter> for DeadLetterBody {
    fn from(dead: DeadLetter) -> Self {
        Self {
            id: dead.id,
            order: dead.id.order(),
            saga: dead.saga,
            version: dead.version,
            step: dead.step.map(str::to_owned),
            reason: redact(&dead.reason),
            dead_since: dead.dead_since,
            retry_pending: dead.is_due,
        }
    }
}

impl From<DeadGroup> for DeadLetterGroupBody {
    fn from(group: DeadGroup) -> Self {
        let DeadGroup { saga, step, reason, count, oldest, newest, example } = group;
        let step = step.map(str::to_owned);
        Self { saga, step, reason: redact(&reason), count, oldest, newest, example }
    }
}

impl From<Preview> for PreviewBody {
    fn from(preview: Preview) -> Self {
        let money =
            |MoneyMove { way, amount, at_most }| MoneyMoveBody { way: way.to_string(), amount, at_most };
        let stock = |StockStep { sku, on_hand, reserved }| StockStepBody { sku, on_hand, reserved };
        Self {
            steps: preview.steps.into_iter().map(str::to_owned).collect(),
            money: preview.money.into_iter().map(money).collect(),
            stock: preview.stock.into_iter().map(stock).collect(),
        }
    }
}

fn accepted(id: SagaId, action: &DeadLetterAction) -> String {
    match action {
        DeadLetterAction::Retry { .. } => will_resume(id),
        DeadLetterAction::Discard { .. } => {
            format!("saga {id} skips the step; the next free worker carries on after it")
        }
    }
}

impl DeadLetterResult {
    /// The result of `action`.
    pub fn new(id: SagaId, action: &DeadLetterAction, answer: &Answer) -> Self {
        let (answer, detail) = match answer {
            Ok(Answered::Accepted(_)) => (CommandOutcome::Done, accepted(id, action)),
            Ok(Answered::Done(detail)) => (CommandOutcome::Done, detail.clone()),
            Ok(Answered::Already(detail)) => (CommandOutcome::Already, unchanged(detail)),
            Err(missing) if missing.is_not_found() => (CommandOutcome::NotFound, missing.to_string()),
            Err(conflict) => (CommandOutcome::Refused, conflict.to_string()),
        };
        Self { id, answer, detail: redact(&detail), preview: None }
    }

    /// The result of a dry run of `action`.
    pub fn dry_run(id: SagaId, action: &DeadLetterAction, planned: DryRun) -> Self {
        match planned {
            DryRun::Stays(answer) => Self::new(id, action, &answer),
            DryRun::Would(Some(preview)) => {
                let detail = preview.to_string();
                Self { id, answer: CommandOutcome::Would, detail, preview: Some(preview.into()) }
            }
            DryRun::Would(None) => {
                let detail = "a worker of the release that knows its definition will resume it".to_owned();
                Self { id, answer: CommandOutcome::Would, detail, preview: None }
            }
        }
    }
}

/// A filter of dead sagas. All given conditions must hold.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = DeadLetterFilter))]
pub struct DeadLetterFilterBody {
    /// The definition, such as `cancellation`.
    pub saga: Option<String>,
    /// The step at which they stopped, such as `refund_payment`.
    pub step: Option<String>,
    /// A text that their error contains, in upper or lower case.
    pub error_contains: Option<String>,
    /// Dead for longer than this.
    #[cfg_attr(feature = "openapi", schema(maximum = 31_622_400))]
    pub older_than_secs: Option<u64>,
    /// Dead for no longer than this.
    #[cfg_attr(feature = "openapi", schema(maximum = 31_622_400))]
    pub younger_than_secs: Option<u64>,
}

/// A retry of dead sagas. Unknown fields are refused, so that a mistyped `dry_run` changes nothing.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = RetryDeadLetters, example = json!({"ids": ["1042.3"], "dry_run": true})))]
pub struct RetryBody {
    /// The ids of the sagas; either these or a filter.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>, max_items = 256, min_items = 1, example = json!(["1042.3"])))]
    pub ids: Option<Vec<SagaId>>,
    /// A filter; `{}` selects all dead sagas.
    pub filter: Option<DeadLetterFilterBody>,
    /// With a filter: the `next_cursor` of the previous answer.
    #[cfg_attr(feature = "openapi", schema(max_length = 400))]
    pub cursor: Option<String>,
    /// Only show what would happen.
    pub dry_run: bool,
    /// The reason, for the audit trail.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, min_length = 1, max_length = 500))]
    pub reason: Option<Text<500>>,
}

/// A discard of dead sagas.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = DiscardDeadLetters, example = json!({"ids": ["1042.3"], "reason": "paid back by bank transfer", "dry_run": true})))]
pub struct DiscardBody {
    /// The ids of the sagas; either these or a filter.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>, max_items = 256, min_items = 1, example = json!(["1042.3"])))]
    pub ids: Option<Vec<SagaId>>,
    /// A filter; `{}` selects all dead sagas.
    pub filter: Option<DeadLetterFilterBody>,
    /// With a filter: the `next_cursor` of the previous answer.
    #[cfg_attr(feature = "openapi", schema(max_length = 400))]
    pub cursor: Option<String>,
    /// Only show what would happen.
    pub dry_run: bool,
    /// The reason, for the timeline and the audit trail.
    pub reason: Text<500>,
}

read_fields!(DeadLetterFilterBody {
    saga by condition,
    step by condition,
    error_contains by condition,
    older_than_secs,
    younger_than_secs,
});

/// A blank condition is refused: it would hold for all.
#[expect(clippy::option_option, reason = "absent, or not read")]
fn condition(value: Json, at: &At<'_>, faults: &mut Faults) -> Option<Option<String>> {
    let text = Option::<String>::read(value, at, faults)?;
    if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
        return faults.invalid(at, "it is blank; leave it out, or say what you look for");
    }
    Some(text)
}

read_fields!(RetryBody { ids, filter, cursor, dry_run = false, reason });
read_fields!(DiscardBody { ids, filter, cursor, dry_run = false, reason });

/// What came of a command about dead sagas.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = DeadLetterResults))]
pub struct DeadLetterResults {
    /// One result for each saga, by id.
    pub items: Vec<DeadLetterResult>,
    /// How many were done, or would be done.
    pub done: usize,
    /// How many needed no change.
    pub already: usize,
    /// How many were refused.
    pub refused: usize,
    /// How many do not exist.
    pub not_found: usize,
    /// The cursor of the next page if you gave a filter; `null` on the last page.
    pub next_cursor: Option<String>,
}

impl DeadLetterResults {
    /// The most sagas in one request: as many as one commit takes.
    pub const MAX: usize = BATCH;

    /// The results with their counts.
    pub fn new(items: Vec<DeadLetterResult>, next_cursor: Option<String>) -> Self {
        let count =
            |answers: &[CommandOutcome]| items.iter().filter(|item| answers.contains(&item.answer)).count();
        Self {
            done: count(&[CommandOutcome::Done, CommandOutcome::Would]),
            already: count(&[CommandOutcome::Already]),
            refused: count(&[CommandOutcome::Refused]),
            not_found: count(&[CommandOutcome::NotFound]),
            next_cursor,
            items,
        }
    }
}
