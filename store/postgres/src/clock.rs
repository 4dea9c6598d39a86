//! Where "now" comes from.

use std::sync::Arc;

use holdfast_saga::ports::StoreError;
use holdfast_shared::{Clock, Time};

use crate::pool::Pool;
use crate::statement::Sql;

#[derive(Debug, Clone)]
pub(crate) enum ClockSource {
    /// The database's own clock, so that all replicas agree (E14).
    Database,
    /// A clock that a test owns.
    Owned(Arc<dyn Clock>),
}

impl ClockSource {
    /// The present, where it costs no round trip.
    pub(crate) fn known(&self) -> Option<Time> {
        match self {
            Self::Database => None,
            Self::Owned(clock) => Some(clock.now()),
        }
    }

    /// The present, by a round trip if it takes one.
    pub(crate) async fn now(&self, pool: &Pool) -> Result<Time, StoreError> {
        match self.known() {
            Some(now) => Ok(now),
            None => pool.read_one(Sql::Now, &[], crate::row::now).await,
        }
    }
}
