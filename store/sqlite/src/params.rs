//! Many rows as one parameter: a JSON array that `SQLite` unfolds with `json_each`.

use holdfast_saga::ports::StoreError;
use holdfast_shared::{OrderId, SagaId, Time};
use serde::Serialize;
use sqlx::SqliteConnection;

use crate::error::store_error;

/// A cursor before which everything lies.
pub(crate) const NEWEST: i64 = i64::MAX;

/// The rows of one statement.
pub(crate) fn rows<T: Serialize>(rows: impl IntoIterator<Item = T>) -> Result<String, StoreError> {
    let rows: Vec<T> = rows.into_iter().collect();
    json(&rows)
}

/// A document.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Data(format!("a document cannot be written as JSON: {error}")))
}

/// The keys of sagas.
pub(crate) fn saga_keys<'a>(ids: impl IntoIterator<Item = &'a SagaId>) -> Result<String, StoreError> {
    rows(ids.into_iter().map(|id| id.key()))
}

/// The numbers of orders.
pub(crate) fn order_numbers<'a>(ids: impl IntoIterator<Item = &'a OrderId>) -> Result<String, StoreError> {
    rows(ids.into_iter().map(|id| id.number()))
}

/// Writes sets of rows: `$1` is the rows, `$2` the instant of the commit. No rows, no statement.
#[derive(Debug)]
pub(crate) struct BatchWriter<'c> {
    pub(crate) connection: &'c mut SqliteConnection,
    pub(crate) at: Time,
}

impl BatchWriter<'_> {
    /// Writes `rows`; returns how many rows of the table were written.
    pub(crate) async fn write<T: Serialize>(
        &mut self,
        sql: &'static str,
        rows: impl IntoIterator<Item = T>,
    ) -> Result<u64, StoreError> {
        let rows: Vec<T> = rows.into_iter().collect();
        if rows.is_empty() {
            return Ok(0);
        }
        let statement = sqlx::query(sql).bind(json(&rows)?).bind(self.at.as_micros());
        Ok(statement.execute(&mut *self.connection).await.map_err(store_error)?.rows_affected())
    }

    /// Updates `rows`, each of which must be in the state that it names, or the batch is not saved.
    pub(crate) async fn update_expecting<T: Serialize>(
        &mut self,
        table: &'static str,
        sql: &'static str,
        rows: impl IntoIterator<Item = T>,
    ) -> Result<(), StoreError> {
        let rows: Vec<T> = rows.into_iter().collect();
        let expected = rows.len() as u64;
        let found = self.write(sql, rows).await?;
        if found == expected { Ok(()) } else { Err(StoreError::Mismatch { table, expected, found }) }
    }
}
