//! `holdfast stock`: showing and adjusting stock levels.

use holdfast_contract::List;
use holdfast_contract::product::StockBody;
use holdfast_saga::ports::Store;
use holdfast_saga::shop::stock_adjustment::{Adjust, Refused, adjust};
use holdfast_shared::Sku;

use crate::database::Database;
use crate::exit::{Exit, conflict, not_found, say, usage};
use crate::operator::Operator;
use crate::output::{Format, Limit, table};
use crate::values::{delta, reason};

const HEADER: [&str; 4] = ["SKU", "ON HAND", "RESERVED", "AVAILABLE"];

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Show stock levels, and how much of each is reserved
    Show {
        /// Only this SKU
        sku: Option<Sku>,

        #[command(flatten)]
        limit: Limit,
    },
    /// Add or remove pieces, with a reason for the audit trail
    Adjust {
        /// The product
        sku: Sku,

        /// Pieces to add, or to remove if negative
        #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = delta)]
        delta: i64,

        /// The reason, kept for ever
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: String,

        #[command(flatten)]
        actor: Operator,
    },
}

pub(crate) async fn run(database: &Database, command: Command, output: Format) -> anyhow::Result<Exit> {
    match command {
        Command::Show { sku: Some(sku), .. } => show(database.store(), &sku, output).await,
        Command::Show { sku: None, limit } => list(database.store(), limit.limit, output).await,
        Command::Adjust { sku, delta, reason, actor } => {
            let adjustment = Adjust { sku, delta, reason, actor: actor.actor, expect: None, dedupe: None };
            adjust_one(database.store(), &adjustment, output).await
        }
    }
}

async fn show(store: &dyn Store, sku: &Sku, output: Format) -> anyhow::Result<Exit> {
    let found = store.stock(Some(sku), 1).await?.pop();
    let (sku, level) = found.ok_or_else(|| not_found(Refused::UnknownSku(sku.clone()).to_string()))?;
    let body = StockBody::new(sku, level);
    output.one(&body, || table(&HEADER, [row(&body)]))?;
    Ok(Exit::Ok)
}

async fn list(store: &dyn Store, limit: u32, output: Format) -> anyhow::Result<Exit> {
    let mut levels = store.stock(None, limit.saturating_add(1)).await?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    if levels.len() > shown {
        levels.truncate(shown);
        say(&format!("there are more than {limit}: name a SKU, or raise --limit"));
    }
    let levels = levels.into_iter().map(|(sku, level)| StockBody::new(sku, level)).collect();
    output.list(&List::whole(levels), "no stock levels", &HEADER, row)?;
    Ok(Exit::Ok)
}

async fn adjust_one(store: &dyn Store, adjustment: &Adjust, output: Format) -> anyhow::Result<Exit> {
    let adjusted = adjust(store, adjustment).await?.map_err(|refused| match &refused {
        Refused::UnknownSku(_) => not_found(refused.to_string()),
        Refused::Nothing(_) => usage(refused.to_string()),
        Refused::Changed { .. }
        | Refused::KeyReused(_)
        | Refused::BelowReserved { .. }
        | Refused::TooMany { .. } => conflict(refused.to_string()),
    })?;
    let level = adjusted.level;
    say(&format!("{}: {:+}, now {} on hand", adjustment.sku, adjustment.delta, level.on_hand));
    let body = StockBody::new(adjustment.sku.clone(), level);
    output.one(&body, || table(&HEADER, [row(&body)]))?;
    Ok(Exit::Ok)
}

fn row(level: &StockBody) -> Vec<String> {
    vec![
        level.sku.to_string(),
        level.on_hand.to_string(),
        level.reserved.to_string(),
        level.available.to_string(),
    ]
}
