//! `holdfast migrate`: brings the schema up to date.

use serde::Serialize;

use crate::address::Address;
use crate::database::Database;
use crate::exit::{Exit, say};
use crate::output::{Format, table};

#[derive(Serialize)]
struct Migrated {
    applied: Vec<Migration>,
}

#[derive(Serialize)]
struct Migration {
    version: i64,
    description: String,
}

pub(crate) async fn run(url: Option<&str>, output: Format) -> anyhow::Result<Exit> {
    let address = Address::parse(url)?;
    let database = Database::connect(&address).await?;
    let applied = database.migrate().await;
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
    output.one(&migrated, || {
        let row = |migration: &Migration| vec![migration.version.to_string(), migration.description.clone()];
        match migrated.applied.as_slice() {
            [] => String::new(),
            applied => table(&["VERSION", "DESCRIPTION"], applied.iter().map(row)),
        }
    })?;
    Ok(Exit::Ok)
}
