//! Selecting dead sagas on the command line.

use std::time::Duration;

use holdfast_saga::flows::REGISTRY;
use holdfast_saga::operations::dead_letter::{self, DeadFilter};
use holdfast_saga::ports::{Store, StoreError};
use holdfast_shared::Time;

use crate::operator::Operator;
use crate::reference::SagaRef;
use crate::values::duration;

/// The selected dead sagas.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct Selection {
    /// The sagas by their ids, such as 1042.3, or by their orders: all dead sagas of those
    #[arg(value_name = "SAGA")]
    pub(super) sagas: Vec<SagaRef>,

    /// All dead sagas, or all that match the filters
    #[arg(long)]
    pub(super) all: bool,
}

/// Filters of dead sagas.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub(super) struct Filter {
    /// Only sagas of this definition, such as cancellation
    #[arg(long, value_name = "NAME")]
    pub(super) saga: Option<String>,

    /// Only sagas that stopped at this step, such as `refund_payment`
    #[arg(long, value_name = "NAME")]
    pub(super) step: Option<String>,

    /// Only sagas whose error contains this text, in upper or lower case
    #[arg(long, value_name = "TEXT")]
    pub(super) error_contains: Option<String>,

    /// Only sagas that have been dead for longer than this
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) older_than: Option<humantime::Duration>,

    /// Only sagas that have been dead for no longer than this
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) younger_than: Option<humantime::Duration>,
}

/// How a command about dead sagas runs.
#[derive(clap::Args)]
pub(super) struct Options {
    /// Only show what would happen: the steps that would run, and the money and stock that would move
    #[arg(long)]
    pub(super) dry_run: bool,

    /// With --all: do not ask
    #[arg(long)]
    pub(super) yes: bool,

    /// Wait until they have ended, and show what became of each; give up after --wait-at-most
    #[arg(long, conflicts_with = "dry_run")]
    pub(super) wait: bool,

    /// How long --wait waits
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = duration)]
    pub(super) wait_at_most: humantime::Duration,

    /// At most this many sagas a second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) rate: Option<u32>,

    #[command(flatten)]
    pub(super) actor: Operator,
}

impl Filter {
    /// The filter with times instead of ages, as they are at `now`.
    pub(super) fn at(&self, now: Time) -> DeadFilter {
        let Self { saga, step, error_contains, older_than, younger_than } = self.clone();
        let ago = |age: humantime::Duration| now - Duration::from(age);
        DeadFilter { saga, step, error_contains, before: older_than.map(ago), since: younger_than.map(ago) }
    }

    /// That nothing fits it, and what it was.
    pub(super) async fn nothing(&self, store: &dyn Store) -> Result<String, StoreError> {
        if *self == Self::default() {
            return Ok("no dead letters".to_owned());
        }
        let all = dead_letter::list(store, &REGISTRY, &DeadFilter::default(), None, usize::MAX).await?;
        let text =
            |flag: &str, value: &Option<String>| value.as_ref().map(|value| format!("--{flag} {value:?}"));
        let age =
            |flag: &str, value: &Option<humantime::Duration>| value.map(|value| format!("--{flag} {value}"));
        let conditions = [
            text("saga", &self.saga),
            text("step", &self.step),
            text("error-contains", &self.error_contains),
            age("older-than", &self.older_than),
            age("younger-than", &self.younger_than),
        ];
        let conditions = conditions.into_iter().flatten().collect::<Vec<_>>().join(" ");
        Ok(format!("0 of {} dead letters match {conditions}", all.len()))
    }
}
