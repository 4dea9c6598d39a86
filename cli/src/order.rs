//! `holdfast order`: listing and explaining orders, and deciding about them.

mod act;
mod body;
mod refund;
mod watch;

use holdfast_contract::List;
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::ports::{Store, StoreError};
use holdfast_saga::records::view::OrderFilter;
use holdfast_saga::shop::order::Verb;
use holdfast_saga::timeline::{Conditions, Story, explain};
use holdfast_shared::{CancelReason, OrderId, OrderStatus, PaymentMethod};

use self::act::Act;
use self::body::{ExplainedBody, OrderPage};
use self::refund::RefundArgs;
use crate::database::Database;
use crate::exit::Exit;
use crate::output::{Format, Limit, Watch};
use crate::reference::OrderRef;
use crate::values::{Since, one_of, since};

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
    /// Follow an order: print what happens to it until nothing moves by itself; exit code 5 if it is stuck then
    Watch {
        #[command(flatten)]
        order: OneOrder,
    },
    /// Confirm cash-on-delivery orders
    Confirm(Act),
    /// Reject cash-on-delivery orders
    Reject(Act),
    /// Cancel orders, before or after they were confirmed
    Cancel(Act),
    /// Start to prepare confirmed orders
    Process(Act),
    /// Ship orders
    Ship(Act),
    /// Mark orders as delivered; cash on delivery counts as collected from then on
    Deliver(Act),
    /// Refund an order, fully or in part; the order stays as it is
    Refund(RefundArgs),
}

#[derive(clap::Args)]
pub(crate) struct OneOrder {
    /// The order's number, such as 1042, or its public id (a UUID)
    order: OrderRef,
}

#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Only orders with this status; give it again for more than one
    #[arg(long, ignore_case = true, value_parser = one_of::<OrderStatus>())]
    status: Vec<OrderStatus>,

    /// Only orders with this payment method
    #[arg(long, ignore_case = true, value_parser = one_of::<PaymentMethod>())]
    payment_method: Option<PaymentMethod>,

    /// Only orders cancelled for this reason
    #[arg(long, ignore_case = true, value_parser = one_of::<CancelReason>())]
    cancel_reason: Option<CancelReason>,

    /// Only orders that wait for an operator
    #[arg(long)]
    needs_attention: bool,

    /// Only orders accepted at this instant or later: a time, or how long ago, such as 2h
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Since>,

    /// Only orders accepted before this instant: a time, or how long ago, such as 30m
    #[arg(long, value_name = "TIME", value_parser = since)]
    until: Option<Since>,

    /// Only orders of the buyer with this e-mail address, in upper or lower case
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,

    /// Only orders of the buyer with this telephone number, however it is grouped
    #[arg(long, value_name = "NUMBER")]
    phone: Option<String>,

    /// Only orders of this total or more, in minor units (1299 for 12.99 EUR)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    total_min: Option<i64>,

    /// Only orders of this total or less, in minor units
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    total_max: Option<i64>,

    #[command(flatten)]
    limit: Limit,

    /// Continue after this order of an earlier page
    #[arg(long, value_name = "ORDER")]
    cursor: Option<OrderId>,

    #[command(flatten)]
    watch: Watch,
}

pub(crate) async fn run(database: &Database, command: Command, output: Format) -> anyhow::Result<Exit> {
    let store = database.store();
    match command {
        Command::List(args) => args.watch.repeat(async || list(store, &args, output).await).await,
        Command::Show { order } => show(store, order.order, output).await,
        Command::Explain { order } => {
            let explained = explained(store, &order.order.story(store).await?).await?;
            output.one(&explained, || explained.table())?;
            Ok(Exit::Ok)
        }
        Command::Watch { order } => watch::run(store, order.order, output).await,
        Command::Confirm(act) => act.run(store, &Verb::Confirm, output).await,
        Command::Reject(act) => act.run(store, &Verb::Reject, output).await,
        Command::Cancel(act) => act.run(store, &Verb::Cancel, output).await,
        Command::Process(act) => act.run(store, &Verb::Process, output).await,
        Command::Ship(act) => act.run(store, &Verb::Ship, output).await,
        Command::Deliver(act) => act.run(store, &Verb::Deliver, output).await,
        Command::Refund(args) => refund::run(store, args, output).await,
    }
}

async fn list(store: &dyn Store, args: &ListArgs, output: Format) -> anyhow::Result<Exit> {
    let limit = args.limit.limit;
    let now = store.now().await?;
    let filter = OrderFilter {
        statuses: args.status.clone(),
        method: args.payment_method,
        reason: args.cancel_reason,
        needs_attention: args.needs_attention.then_some(true),
        customer: None,
        email: args.email.clone(),
        phone: args.phone.clone(),
        since: args.since.map(|since| since.at(now)),
        until: args.until.map(|until| until.at(now)),
        total_min: args.total_min,
        total_max: args.total_max,
        before: args.cursor,
        limit: limit + 1,
    };
    let views = store.orders(&filter).await?;
    let page = List::page(views, limit + 1, |view| view.order.id.to_string(), |view| body::order(&view));
    let header = ["ORDER", "STATUS", "PAYMENT", "TOTAL", "LINES", "ACCEPTED", "ATTENTION"];
    output.list(&page, "no orders", &header, |order| body::row(order, now))?;
    Ok(Exit::Ok)
}

async fn show(store: &dyn Store, order: OrderRef, output: Format) -> anyhow::Result<Exit> {
    let page = OrderPage::new(&order.story(store).await?);
    let now = store.now().await?;
    output.one(&page, || page.table(now))?;
    Ok(Exit::Ok)
}

/// Why an order stands where it stands.
async fn explained(store: &dyn Store, order: &Story) -> Result<ExplainedBody, StoreError> {
    let conditions = Conditions::read(store).await?;
    Ok(ExplainedBody::new(order, explain(order, &REGISTRY, &conditions)))
}
