//! The operator who runs a command, for the audit trail.

use crate::values::name;

#[derive(clap::Args)]
pub(crate) struct Operator {
    /// Your name, for the audit trail
    #[arg(long, env = "USER", default_value = "operator", hide_env_values = true, value_name = "NAME")]
    #[arg(value_parser = name)]
    pub(crate) actor: String,
}
