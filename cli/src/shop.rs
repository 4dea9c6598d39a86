//! `holdfast shop`: which shop the database holds, and what an operator answers for a database that was restored or copied.

use holdfast_saga::flows::REGISTRY;
use holdfast_saga::operations::shop as operations;
use holdfast_saga::records::Shop;
use holdfast_saga::shop::answer::{Answer, Answered};
use holdfast_shared::{Actor, OrderId, ShopId};
use serde::Serialize;

use crate::database::Database;
use crate::exit::{Exit, conflict, say};
use crate::operator::Operator;
use crate::output::{Format, pairs};
use crate::values::reason;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Show which shop the database holds, where the database is, and whether calls are held
    Show,
    /// Let the shop go on in this database, which was restored from a backup or moved
    ///
    /// The database that it comes from must not be in use any more: two databases of one shop would call the same
    /// provider for the same orders. Held calls are tried again, and no number up to the newest order that was missed is
    /// given again. Compare the shop with its provider afterwards (`holdfast audit`): orders that were lost may have been paid.
    Restored(Settled),
    /// Make this copy of a database a shop of its own
    ///
    /// It gets a new id. The orders it was copied with stay the other shop's: nothing is charged, refunded or sent for
    /// them here. Stop the API and the workers of the copy first, and start them again afterwards.
    Forked {
        /// Also where nothing shows that the database is a copy, such as a copy of the whole server's disk
        #[arg(long)]
        force: bool,

        #[command(flatten)]
        settled: Settled,
    },
}

#[derive(clap::Args)]
pub(crate) struct Settled {
    /// The reason, for the audit trail
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,

    #[command(flatten)]
    actor: Operator,
}

/// The shop, as `show` prints it.
#[derive(Serialize)]
struct ShopBody {
    id: ShopId,
    /// Raised when an operator answered for the database.
    epoch: i64,
    /// Where the database is.
    database: String,
    /// Why no call is sent, if none is, and what to do about it.
    held: Option<String>,
    /// The shop that this one was a copy of.
    forked_from: Option<ShopId>,
    /// The first order of its own.
    first_order: i64,
    /// The last number that was given to an order; 0: none was.
    last_number: i64,
}

impl ShopBody {
    fn new(shop: Shop) -> Self {
        Self {
            id: shop.id,
            epoch: shop.epoch,
            held: shop.doubt().map(|doubt| doubt.to_string()),
            database: shop.here,
            forked_from: shop.forked_from,
            first_order: shop.first_order.number(),
            last_number: shop.last_number,
        }
    }

    fn table(&self) -> String {
        let forked_from = self
            .forked_from
            .map(|from| format!("{from}; orders before {} are that shop's", OrderId::new(self.first_order)));
        let rows = [
            ("shop", self.id.to_string()),
            ("database", self.database.clone()),
            ("epoch", self.epoch.to_string()),
            ("last number", self.last_number.to_string()),
            ("copy of", forked_from.unwrap_or_default()),
            ("calls held", self.held.clone().unwrap_or_else(|| "no".to_owned())),
        ];
        pairs(rows.into_iter().filter(|(_, value)| !value.is_empty()))
    }
}

pub(crate) async fn run(database: &Database, command: Command, output: Format) -> anyhow::Result<Exit> {
    let store = database.store();
    let answer = match command {
        Command::Show => {
            let shop = ShopBody::new(store.shop().await?);
            output.one(&shop, || shop.table())?;
            return Ok(Exit::Ok);
        }
        Command::Restored(settled) => {
            let by = Actor::Operator(settled.actor.actor);
            operations::restored(store, &REGISTRY, &settled.reason, &by).await?
        }
        Command::Forked { force, settled } => {
            let by = Actor::Operator(settled.actor.actor);
            operations::forked(store, force, &settled.reason, &by).await?
        }
    };
    report(database, answer, output).await
}

async fn report(database: &Database, answer: Answer, output: Format) -> anyhow::Result<Exit> {
    let (message, is_done) = match answer {
        Ok(Answered::Done(message)) => (message, true),
        Ok(Answered::Already(message)) => (message, false),
        Ok(Answered::Accepted(_)) => (String::new(), false),
        Err(refusal) => return Err(conflict(refusal.to_string())),
    };
    say(&message);
    let shop = ShopBody::new(database.store().shop().await?);
    output.one(&shop, || if is_done { shop.table() } else { String::new() })?;
    Ok(Exit::Ok)
}
