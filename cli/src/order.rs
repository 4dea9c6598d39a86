//! `holdfast order`: what became of an order, and decisions about it.

mod body;

use std::fmt;
use std::str::FromStr;

use anyhow::Context as _;
use holdfast_api::body::order::OrderBody;
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::ports::Store;
use holdfast_saga::records::view::{OrderFilter, OrderView};
use holdfast_saga::shop::answer::Answered;
use holdfast_saga::shop::order::{self, Verb};
use holdfast_saga::timeline::{Conditions, Story, explain};
use holdfast_shared::{Actor, OrderId};
use serde::Serialize;
use uuid::Uuid;

use self::body::{ExplainedBody, OrderPage};
use crate::args::{Decision, OrderCommand, OrderListArgs};
use crate::database::Database;
use crate::exit::{Exit, conflict, not_found, say};
use crate::output::{Format, Page};

/// An order as somebody outside names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderRef {
    /// By its number.
    Number(OrderId),
    /// By its public id; whether there is such an order shows when its row was read.
    Public(Uuid),
}

impl FromStr for OrderRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().map(Self::Number);
        number
            .or_else(|_| text.parse().map(Self::Public))
            .map_err(|_| "an order number such as 1042, or a public id (a UUID), is expected".to_owned())
    }
}

impl fmt::Display for OrderRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Public(id) => id.fmt(f),
        }
    }
}

impl OrderRef {
    fn number(self) -> Option<OrderId> {
        match self {
            Self::Number(number) => Some(number),
            Self::Public(id) => OrderId::from_public(id),
        }
    }

    /// A made-up public id leads to a number, but not back.
    fn names(self, view: &OrderView) -> bool {
        match self {
            Self::Number(number) => view.order.id == number,
            Self::Public(id) => view.public_id() == id,
        }
    }

    fn unknown(self) -> anyhow::Error {
        not_found(format!("order {self} does not exist; `holdfast order list` shows those that do"))
    }

    async fn find(self, store: &dyn Store) -> anyhow::Result<OrderView> {
        let Some(number) = self.number() else { return Err(self.unknown()) };
        let found = store.order(number).await?.filter(|view| self.names(view));
        found.ok_or_else(|| self.unknown())
    }

    async fn story(self, store: &dyn Store) -> anyhow::Result<Story> {
        let order = self.find(store).await?.order.id;
        Story::read(store, order).await?.with_context(|| format!("order {order} vanished"))
    }
}

pub(crate) async fn run(database: &Database, command: OrderCommand, output: Format) -> anyhow::Result<Exit> {
    match command {
        OrderCommand::List(args) => list(database.store(), &args, output).await,
        OrderCommand::Show { order } => show(database.store(), order.order, output).await,
        OrderCommand::Explain { order } => explain_one(database, order.order, output).await,
        OrderCommand::Confirm(decision) => decide(database.store(), Verb::Confirm, decision, output).await,
        OrderCommand::Reject(decision) => decide(database.store(), Verb::Reject, decision, output).await,
        OrderCommand::Cancel(decision) => decide(database.store(), Verb::Cancel, decision, output).await,
    }
}

async fn list(store: &dyn Store, args: &OrderListArgs, output: Format) -> anyhow::Result<Exit> {
    let limit = args.limit.limit;
    let filter = OrderFilter {
        status: args.status,
        method: args.payment_method,
        reason: args.cancel_reason,
        needs_attention: args.needs_attention.then_some(true),
        customer: None,
        before: args.cursor,
        limit: limit + 1,
    };
    let orders = store.orders(&filter).await?.iter().map(body::order).collect();
    let page = Page::of(orders, limit, |order: &OrderBody| order.number.to_string());
    let header = ["ORDER", "STATUS", "PAYMENT", "TOTAL", "LINES", "ACCEPTED", "ATTENTION"];
    output.list(&page, &header, body::row)?;
    Ok(Exit::Ok)
}

async fn show(store: &dyn Store, order: OrderRef, output: Format) -> anyhow::Result<Exit> {
    let page = OrderPage::new(&order.story(store).await?);
    output.one(&page, || page.table())?;
    Ok(Exit::Ok)
}

async fn explain_one(database: &Database, order: OrderRef, output: Format) -> anyhow::Result<Exit> {
    let story = order.story(database.store()).await?;
    let explained =
        ExplainedBody::new(&story, explain(&story, &REGISTRY, &Conditions::read(database.store()).await?));
    output.one(&explained, || explained.table())?;
    Ok(Exit::Ok)
}

/// What came of a decision.
#[derive(Debug, Serialize)]
struct DecidedBody {
    id: Uuid,
    number: OrderId,
    answer: &'static str,
    detail: String,
}

async fn decide(store: &dyn Store, verb: Verb, decision: Decision, output: Format) -> anyhow::Result<Exit> {
    let view = decision.order.order.find(store).await?;
    let number = view.order.id;
    let by = Actor::Admin(decision.actor);
    let (answer, detail) = match order::ask(store, number, verb, &by).await? {
        Ok(Answered::Accepted(_)) => {
            ("accepted", format!("order {number}: accepted, the next free worker does it"))
        }
        Ok(Answered::Done(words)) => ("done", words),
        Ok(Answered::Already(words)) => ("already", format!("{words}; nothing was changed")),
        Err(instead) if instead.is_not_found() => return Err(not_found(instead.to_string())),
        Err(instead) => return Err(conflict(instead.to_string())),
    };
    say(&detail);
    let decided = DecidedBody { id: view.public_id(), number, answer, detail };
    output.one(&decided, String::new)?;
    Ok(Exit::Ok)
}
