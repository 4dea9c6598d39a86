//! The options of every command.

use crate::output::Format;

const HEADING: &str = "Global options";

/// The options of every command.
#[derive(clap::Args)]
pub(crate) struct Global {
    // The URL may contain a password, so neither the help nor an error shows it.
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    #[arg(help_heading = HEADING)]
    #[arg(help = "The shop's database: postgres://USER@HOST/NAME or sqlite://PATH")]
    pub(crate) database_url: Option<String>,

    /// The format of data
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT", help_heading = HEADING)]
    pub(crate) output: Format,
}
