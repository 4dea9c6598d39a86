//! Deciding about orders, and carrying them on: one verb for one order or for many.

use holdfast_contract::CommandOutcome;
use holdfast_contract::saga::will_be_carried_out;
use holdfast_saga::ports::Store;
use holdfast_saga::shop::answer::{Answer, Answered};
use holdfast_saga::shop::order::{self, Asked, Verb};
use holdfast_shared::{Actor, OrderId};
use serde::Serialize;
use uuid::Uuid;

use crate::exit::{Exit, conflict, not_found, report, say};
use crate::operator::Operator;
use crate::output::Format;
use crate::reference::OrderRef;
use crate::values::reason;

#[derive(clap::Args)]
pub(crate) struct Act {
    /// The orders, each by its number, such as 1042, or its public id (a UUID)
    #[arg(value_name = "ORDER", required = true)]
    orders: Vec<OrderRef>,

    /// The reason, for the timeline and the audit trail
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,

    #[command(flatten)]
    actor: Operator,
}

/// What came of it for one order.
#[derive(Debug, Serialize)]
pub(super) struct ActedBody {
    id: Uuid,
    number: OrderId,
    answer: CommandOutcome,
    detail: String,
}

/// What came of it for each of many.
#[derive(Debug, Serialize)]
struct Acted {
    items: Vec<ActedBody>,
}

impl Act {
    pub(super) async fn run(self, store: &dyn Store, verb: &Verb, output: Format) -> anyhow::Result<Exit> {
        let (by, reason) = (Actor::Admin(self.actor.actor), self.reason);
        if let [order] = self.orders[..] {
            let acted = act(store, order, Asked { verb: verb.clone(), reason: reason.clone() }, &by).await?;
            say(&acted.detail);
            output.one(&acted, String::new)?;
            return Ok(Exit::Ok);
        }
        let (mut items, mut worst, asked) = (Vec::new(), Exit::Ok, self.orders.len());
        for order in self.orders {
            match act(store, order, Asked { verb: verb.clone(), reason: reason.clone() }, &by).await {
                Ok(acted) => {
                    say(&acted.detail);
                    if output == Format::Jsonl {
                        output.one(&acted, String::new)?;
                    }
                    items.push(acted);
                }
                Err(error) => worst = report(&error),
            }
        }
        say(&format!("{} of {asked} orders: done or accepted", items.len()));
        let exit = if items.is_empty() || worst == Exit::Ok { worst } else { Exit::Partly };
        if output == Format::Json {
            output.one(&Acted { items }, String::new)?;
        }
        Ok(exit)
    }
}

async fn act(store: &dyn Store, order: OrderRef, asked: Asked, by: &Actor) -> anyhow::Result<ActedBody> {
    let view = order.find(store).await?;
    let answer = order::ask(store, view.order.id, asked, by).await?;
    ActedBody::new(view.public_id(), view.order.id, answer)
}

impl ActedBody {
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// A refusal is an error.
    pub(super) fn new(id: Uuid, number: OrderId, answer: Answer) -> anyhow::Result<Self> {
        let (answer, detail) = match answer {
            Ok(Answered::Accepted(hint)) => (CommandOutcome::Accepted, will_be_carried_out(hint.saga)),
            Ok(Answered::Done(detail)) => (CommandOutcome::Done, detail),
            Ok(Answered::Already(detail)) => {
                (CommandOutcome::Already, format!("{detail}; nothing was changed"))
            }
            Err(error) if error.is_not_found() => return Err(not_found(error.to_string())),
            Err(error) => return Err(conflict(error.to_string())),
        };
        Ok(Self { id, number, answer, detail })
    }
}
