//! `holdfast log`: what admins and operators did.

use holdfast_contract::List;
use holdfast_contract::action::ActionBody;
use holdfast_saga::ports::Store;
use holdfast_saga::records::view::ActionFilter;
use holdfast_shared::OrderId;

use crate::exit::Exit;
use crate::output::{Format, Limit, age};
use crate::values::{Since, name, since};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only acts about the order with this number
    #[arg(long, value_name = "ORDER")]
    order: Option<OrderId>,

    /// Only acts of this person
    #[arg(long, value_name = "NAME", value_parser = name)]
    actor: Option<String>,

    /// Only acts of this kind, such as order.confirm
    #[arg(long, value_name = "ACTION", value_parser = name)]
    action: Option<String>,

    /// Only acts at this instant or later: a time, or how long ago, such as 2h
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Since>,

    #[command(flatten)]
    limit: Limit,

    /// Continue after this act of an earlier page
    #[arg(long, value_name = "ACT")]
    cursor: Option<i64>,
}

pub(crate) async fn run(store: &dyn Store, args: Args, output: Format) -> anyhow::Result<Exit> {
    let now = store.now().await?;
    let limit = args.limit.limit + 1;
    let filter = ActionFilter {
        order: args.order,
        actor: args.actor,
        action: args.action,
        since: args.since.map(|since| since.at(now)),
        before: args.cursor,
        limit,
    };
    let views = store.actions(&filter).await?;
    let page = List::page(views, limit, |view| view.id.to_string(), ActionBody::from);
    output.list(&page, "no acts", &["WHEN", "WHO", "DID", "TO", "DETAIL"], |act| {
        vec![age(act.at, now), act.actor.clone(), act.action.clone(), act.subject.clone(), act.detail.clone()]
    })?;
    Ok(Exit::Ok)
}
