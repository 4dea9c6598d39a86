//! `holdfast migrate`: brings the schema up to date.

use serde::Serialize;

use crate::database::Database;
use crate::exit::{Exit, say};
use crate::global::Global;
use crate::output::table;

#[derive(Serialize)]
struct Migrated {
    applied: Vec<Migration>,
}

#[derive(Serialize)]
struct Migration {
    version: i64,
    description: String,
}

pub(crate) async fn run(global: &Global) -> anyhow::Result<Exit> {
    let address = global.address()?;
    let database = Database::connect(&address).await?;
    let applied = database.migrate(global.shop_id(), &address).await;
    database.close().await;
    let applied: Vec<_> =
        applied?.into_iter().map(|(version, description)| Migration { version, description }).collect();
    let shown = address.shown();
    match applied.len() {
        0 => say(&format!("nothing to do: the schema of {shown} is up to date")),
        1 => say(&format!("applied 1 migration to {shown}")),
        many => say(&format!("applied {many} migrations to {shown}")),
    }
    let migrated = Migrated { applied };
    global.output.one(&migrated, || {
        let row = |migration: &Migration| vec![migration.version.to_string(), migration.description.clone()];
        match migrated.applied.as_slice() {
            [] => String::new(),
            applied => table(&["VERSION", "DESCRIPTION"], applied.iter().map(row)),
        }
    })?;
    Ok(Exit::Ok)
}
