//! `holdfast order`: listing and explaining orders, and deciding about them.

mod body;

use std::fmt;
use std::str::FromStr;

use anyhow::Context as _;
use holdfast_contract::saga::will_be_carried_out;
use holdfast_contract::{CommandOutcome, List};
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::ports::Store;
use holdfast_saga::records::view::{OrderFilter, OrderView};
use holdfast_saga::shop::answer::Answered;
use holdfast_saga::shop::order::{self, Verb};
use holdfast_saga::timeline::{Conditions, Story, explain};
use holdfast_shared::{Actor, CancelReason, OrderId, OrderStatus, PaymentMethod};
use serde::Serialize;
use uuid::Uuid;

use self::body::{ExplainedBody, OrderPage};
use crate::database::Database;
use crate::exit::{Exit, conflict, not_found, say};
use crate::output::{Format, Limit};
use crate::values::{name, one_of};

/// An order, by its number or its public id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderRef {
    Number(OrderId),
    /// The public id. Only the order's row shows whether it is genuine.
    Public(Uuid),
}

impl FromStr for OrderRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().map(Self::Number);
        number
            .or_else(|_| text.parse().map(Self::Public))
            .map_err(|_| "expected an order number such as 1042, or a public id (a UUID)".to_owned())
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

    /// An invented public id leads to a number, but not back.
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
        Story::read(store, order).await?.with_context(|| format!("order {order} no longer exists"))
    }
}

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List orders, newest first
    List(ListArgs),
    /// Show one order
    Show {
        #[command(flatten)]
        order: OneOrder,
    },
    /// Explain an order: what happened, what it waits for, what comes next and what would unblock it
    Explain {
        #[command(flatten)]
        order: OneOrder,
    },
    /// Confirm a cash-on-delivery order
    Confirm(Decision),
    /// Reject a cash-on-delivery order
    Reject(Decision),
    /// Cancel an order, before or after it was confirmed
    Cancel(Decision),
}

#[derive(clap::Args)]
pub(crate) struct OneOrder {
    /// The order's number, such as 1042, or its public id (a UUID)
    order: OrderRef,
}

#[derive(clap::Args)]
pub(crate) struct Decision {
    #[command(flatten)]
    order: OneOrder,

    /// The name of the admin who decides, for the audit trail
    #[arg(long, value_name = "NAME", value_parser = name)]
    actor: String,
}

#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Only orders with this status
    #[arg(long, ignore_case = true, value_parser = one_of::<OrderStatus>())]
    status: Option<OrderStatus>,

    /// Only orders with this payment method
    #[arg(long, ignore_case = true, value_parser = one_of::<PaymentMethod>())]
    payment_method: Option<PaymentMethod>,

    /// Only orders cancelled for this reason
    #[arg(long, ignore_case = true, value_parser = one_of::<CancelReason>())]
    cancel_reason: Option<CancelReason>,

    /// Only orders that wait for an operator
    #[arg(long)]
    needs_attention: bool,

    #[command(flatten)]
    limit: Limit,

    /// Continue after this order of an earlier page
    #[arg(long, value_name = "ORDER")]
    cursor: Option<OrderId>,
}

pub(crate) async fn run(database: &Database, command: Command, output: Format) -> anyhow::Result<Exit> {
    match command {
        Command::List(args) => list(database.store(), &args, output).await,
        Command::Show { order } => show(database.store(), order.order, output).await,
        Command::Explain { order } => explain_one(database, order.order, output).await,
        Command::Confirm(decision) => decide(database.store(), Verb::Confirm, decision, output).await,
        Command::Reject(decision) => decide(database.store(), Verb::Reject, decision, output).await,
        Command::Cancel(decision) => decide(database.store(), Verb::Cancel, decision, output).await,
    }
}

async fn list(store: &dyn Store, args: &ListArgs, output: Format) -> anyhow::Result<Exit> {
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
    let views = store.orders(&filter).await?;
    let page = List::page(views, limit + 1, |view| view.order.id.to_string(), |view| body::order(&view));
    let header = ["ORDER", "STATUS", "PAYMENT", "TOTAL", "LINES", "ACCEPTED", "ATTENTION"];
    output.list(&page, "no orders", &header, body::row)?;
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

/// The result of a decision.
#[derive(Debug, Serialize)]
struct DecidedBody {
    id: Uuid,
    number: OrderId,
    answer: CommandOutcome,
    detail: String,
}

async fn decide(store: &dyn Store, verb: Verb, decision: Decision, output: Format) -> anyhow::Result<Exit> {
    let view = decision.order.order.find(store).await?;
    let number = view.order.id;
    let by = Actor::Admin(decision.actor);
    let (answer, detail) = match order::ask(store, number, verb, &by).await? {
        Ok(Answered::Accepted(hint)) => (CommandOutcome::Accepted, will_be_carried_out(hint.saga)),
        Ok(Answered::Done(detail)) => (CommandOutcome::Done, detail),
        Ok(Answered::Already(detail)) => (CommandOutcome::Already, format!("{detail}; nothing was changed")),
        Err(error) if error.is_not_found() => return Err(not_found(error.to_string())),
        Err(error) => return Err(conflict(error.to_string())),
    };
    say(&detail);
    let decided = DecidedBody { id: view.public_id(), number, answer, detail };
    output.one(&decided, String::new)?;
    Ok(Exit::Ok)
}
