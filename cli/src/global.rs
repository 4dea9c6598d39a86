//! The options of every command.

use std::path::PathBuf;

use holdfast_shared::ShopId;

use crate::address::Address;
use crate::output::Format;
use crate::private_file::secret_in;
use crate::values::{NamedShop, shop_id};

const HEADING: &str = "Global options";

/// The options of every command.
#[derive(clap::Args)]
pub(crate) struct Global {
    // The URL may contain a password, so neither the help nor an error shows it.
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    #[arg(help_heading = HEADING)]
    #[arg(
        help = "The shop's database: postgres://USER@HOST/NAME or sqlite://PATH; without it, holdfast.db in this folder"
    )]
    database_url: Option<String>,

    #[arg(
        long,
        global = true,
        env = "DATABASE_URL_FILE",
        value_name = "PATH",
        conflicts_with = "database_url"
    )]
    #[arg(help_heading = HEADING, help = "The file that holds the URL instead, so that its password stands on no command line")]
    database_url_file: Option<PathBuf>,

    // A copy of the database starts with the same settings as the shop itself, but for this one (M42).
    #[arg(long, global = true, env = "HOLDFAST_SHOP_ID", value_name = "ID", help_heading = HEADING)]
    #[arg(
        help = "The shop that the database must hold, as `holdfast shop show` names it; needed where real money moves"
    )]
    #[arg(value_parser = shop_id)]
    shop_id: Option<NamedShop>,

    /// The format of data
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT", help_heading = HEADING)]
    pub(crate) output: Format,
}

impl Global {
    /// The shop that the database must hold, if one is named.
    pub(crate) fn shop_id(&self) -> Option<ShopId> {
        self.shop_id.and_then(|NamedShop(id)| id)
    }

    /// Whether a database is named.
    pub(crate) fn names_a_database(&self) -> bool {
        self.database_url.is_some() || self.database_url_file.is_some()
    }

    /// The database that is named, or else the shop in this folder.
    pub(crate) fn address(&self) -> anyhow::Result<Address> {
        let from_file = self.database_url_file.as_deref().map(secret_in).transpose()?;
        Address::parse(from_file.as_deref().or(self.database_url.as_deref()))
    }
}
