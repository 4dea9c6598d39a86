//! Parameters of statements, and the check of what they moved.

use holdfast_saga::ports::StoreError;
use holdfast_shared::{OrderId, Time};
use time::OffsetDateTime;

/// A document as Postgres takes it.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Data(format!("a document cannot be written as JSON: {error}")))
}

/// A value of the vocabulary as Postgres takes it: a status, a queue.
pub(crate) fn word(word: impl Into<&'static str>) -> &'static str {
    word.into()
}

pub(crate) fn instants(times: impl Iterator<Item = Option<Time>>) -> Vec<Option<OffsetDateTime>> {
    times.map(|time| time.map(Into::into)).collect()
}

pub(crate) fn numbers<'a>(orders: impl IntoIterator<Item = &'a OrderId>) -> Vec<i64> {
    orders.into_iter().map(|order| order.number()).collect()
}

/// Every row that should have moved did, or the batch is not saved.
pub(crate) fn all_moved(table: &'static str, expected: usize, found: u64) -> Result<(), StoreError> {
    let expected = expected as u64;
    if expected == found { Ok(()) } else { Err(StoreError::Mismatch { table, expected, found }) }
}
