//! The options of every command.

use holdfast_shared::ShopId;

use crate::address::Address;
use crate::named_file::{NamedFile, named_file, secret_of};
use crate::output::Format;
use crate::values::{Optional, shop_id};

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

    #[arg(long, global = true, env = "DATABASE_URL_FILE", value_name = "PATH", value_parser = named_file())]
    #[arg(help_heading = HEADING, help = "The file that holds the URL instead, so that its password stands on no command line")]
    database_url_file: Option<NamedFile>,

    // A copy of the database starts with the same settings as the shop itself, but for this one (M42).
    #[arg(long, global = true, env = "HOLDFAST_SHOP_ID", value_name = "ID", help_heading = HEADING)]
    #[arg(
        help = "The shop that the database must hold, as `holdfast shop show` names it; needed where real money moves"
    )]
    #[arg(value_parser = shop_id)]
    shop_id: Option<Optional<ShopId>>,

    /// The format of data
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT", help_heading = HEADING)]
    pub(crate) output: Format,
}

impl Global {
    /// The shop that the database must hold, if one is named.
    pub(crate) fn shop_id(&self) -> Option<ShopId> {
        Optional::of(self.shop_id)
    }

    /// Whether a database is named.
    pub(crate) fn names_a_database(&self) -> bool {
        let in_file = self.database_url_file.as_ref().and_then(NamedFile::path);
        in_file.is_some() || self.database_url.as_ref().is_some_and(|url| !url.is_empty())
    }

    /// The database that is named, or else the shop in this folder. Each call reads the file of the URL again.
    pub(crate) fn address(&self) -> anyhow::Result<Address> {
        let url = secret_of("database-url", self.database_url.as_deref(), self.database_url_file.as_ref())?;
        Address::parse(url.as_deref())
    }
}
