//! The options of every command.

use holdfast_shared::ShopId;

use crate::output::Format;
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
    pub(crate) database_url: Option<String>,

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
}
