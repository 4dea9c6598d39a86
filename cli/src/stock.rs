//! `holdfast stock`: what is on the shelf, and moving it by hand.

use holdfast_saga::ports::Store;
use holdfast_saga::records::Stock;
use holdfast_saga::shop::stock_adjustment::{Adjust, Refused, adjust};
use holdfast_shared::Sku;
use serde::Serialize;

use crate::args::StockCommand;
use crate::database::Database;
use crate::exit::{Exit, conflict, not_found, say, usage};
use crate::output::{Format, Page, table};

const HEADER: [&str; 4] = ["SKU", "ON HAND", "RESERVED", "AVAILABLE"];

/// A stock level.
#[derive(Debug, Serialize)]
struct StockBody {
    sku: Sku,
    on_hand: i64,
    reserved: i64,
    available: i64,
}

pub(crate) async fn run(database: &Database, command: StockCommand, output: Format) -> anyhow::Result<Exit> {
    match command {
        StockCommand::Show { sku: Some(sku), .. } => show(database.store(), &sku, output).await,
        StockCommand::Show { sku: None, limit } => list(database.store(), limit.limit, output).await,
        StockCommand::Adjust { sku, delta, reason, actor } => {
            let asked = Adjust { sku, delta, reason, actor: actor.actor, expect: None };
            adjust_one(database.store(), &asked, output).await
        }
    }
}

async fn show(store: &dyn Store, sku: &Sku, output: Format) -> anyhow::Result<Exit> {
    let found = store.stock(Some(sku), 1).await?.pop();
    let (sku, level) = found.ok_or_else(|| not_found(Refused::UnknownSku(sku.clone()).to_string()))?;
    let body = StockBody::new(sku, level);
    output.one(&body, || table(&HEADER, [body.row()]))?;
    Ok(Exit::Ok)
}

async fn list(store: &dyn Store, limit: u32, output: Format) -> anyhow::Result<Exit> {
    let mut levels = store.stock(None, limit.saturating_add(1)).await?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    if levels.len() > shown {
        levels.truncate(shown);
        say(&format!("there are more than {limit}: name a SKU, or raise --limit"));
    }
    let bodies = levels.into_iter().map(|(sku, level)| StockBody::new(sku, level)).collect();
    let page = Page::of(bodies, limit, |body: &StockBody| body.sku.to_string());
    output.list(&page, &HEADER, StockBody::row)?;
    Ok(Exit::Ok)
}

async fn adjust_one(store: &dyn Store, asked: &Adjust, output: Format) -> anyhow::Result<Exit> {
    let level = adjust(store, asked).await?.map_err(|refused| match &refused {
        Refused::UnknownSku(_) => not_found(refused.to_string()),
        Refused::Nothing(_) => usage(refused.to_string()),
        Refused::Changed { .. } | Refused::BelowReserved { .. } | Refused::TooMany { .. } => {
            conflict(refused.to_string())
        }
    })?;
    say(&format!("{}: {:+}, now {} on hand", asked.sku, asked.delta, level.on_hand));
    let body = StockBody::new(asked.sku.clone(), level);
    output.one(&body, || table(&HEADER, [body.row()]))?;
    Ok(Exit::Ok)
}

impl StockBody {
    fn new(sku: Sku, level: Stock) -> Self {
        Self {
            sku,
            on_hand: level.on_hand,
            reserved: level.reserved,
            available: level.on_hand - level.reserved,
        }
    }

    fn row(&self) -> Vec<String> {
        vec![
            self.sku.to_string(),
            self.on_hand.to_string(),
            self.reserved.to_string(),
            self.available.to_string(),
        ]
    }
}
