//! Selecting dead sagas on the command line.

use std::time::Duration;

use holdfast_saga::operations::dead_letter::DeadFilter;
use holdfast_saga::ports::{Store, StoreError};
use holdfast_shared::SagaId;

use crate::operator::Operator;
use crate::values::duration;

/// The selected dead sagas.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct Selection {
    /// The ids of the sagas, such as 1042.3
    #[arg(value_name = "SAGA")]
    pub(super) sagas: Vec<SagaId>,

    /// All dead sagas, or all that match the filters
    #[arg(long)]
    pub(super) all: bool,
}

/// Filters of dead sagas.
#[derive(clap::Args)]
pub(super) struct FilterArgs {
    /// Only sagas of this definition, such as cancellation
    #[arg(long, value_name = "NAME")]
    pub(super) saga: Option<String>,

    /// Only sagas that stopped at this step, such as `refund_payment`
    #[arg(long, value_name = "NAME")]
    pub(super) step: Option<String>,

    /// Only sagas that have been dead for longer than this
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) older_than: Option<humantime::Duration>,

    /// Only sagas that have been dead for no longer than this
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) younger_than: Option<humantime::Duration>,
}

/// The filters with the reason, whatever its flag is called.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) saga: Option<String>,
    pub(super) step: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) older_than: Option<humantime::Duration>,
    pub(super) younger_than: Option<humantime::Duration>,
}

/// How a command about dead sagas runs.
#[derive(clap::Args)]
pub(super) struct Options {
    /// Only show what would happen: the steps that would run, and the money and stock that would move
    #[arg(long)]
    pub(super) dry_run: bool,

    /// At most this many sagas a second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) rate: Option<u32>,

    #[command(flatten)]
    pub(super) actor: Operator,
}

impl FilterArgs {
    pub(super) fn with_reason(self, reason: Option<String>) -> Filter {
        let Self { saga, step, older_than, younger_than } = self;
        Filter { saga, step, reason, older_than, younger_than }
    }
}

impl Filter {
    /// The filter with times instead of ages, by the database's clock.
    pub(super) async fn at_now(self, store: &dyn Store) -> Result<DeadFilter, StoreError> {
        let Self { saga, step, reason, older_than, younger_than } = self;
        let now = store.now().await?;
        let ago = |age: humantime::Duration| now - Duration::from(age);
        Ok(DeadFilter { saga, step, reason, before: older_than.map(ago), since: younger_than.map(ago) })
    }
}
