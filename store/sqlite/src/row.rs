//! A row of the driver, as the shared decoding reads it: instants are microseconds, UUIDs are texts.

use holdfast_saga::ports::StoreError;
use holdfast_shared::Time;
use holdfast_store_rows::{Cause, Row};
use sqlx::sqlite::SqliteRow;
use sqlx::{Column as _, Decode, Row as _, Sqlite, Type};
use uuid::Uuid;

use crate::error::store_error;

pub(crate) struct FileRow(pub(crate) SqliteRow);

impl FileRow {
    fn column<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(&'r self, at: usize) -> Result<Option<T>, Cause> {
        Ok(self.0.try_get(at)?)
    }
}

impl Row for FileRow {
    fn name(&self, at: usize) -> &str {
        self.0.columns().get(at).map_or("", |column| column.name())
    }

    fn integer(&self, at: usize) -> Result<Option<i64>, Cause> {
        self.column(at)
    }

    fn text(&self, at: usize) -> Result<Option<&str>, Cause> {
        self.column(at)
    }

    fn boolean(&self, at: usize) -> Result<Option<bool>, Cause> {
        self.column(at)
    }

    fn uuid(&self, at: usize) -> Result<Option<Uuid>, Cause> {
        let parse = |text: &str| Uuid::parse_str(text).map_err(|error| format!("{text:?}: {error}").into());
        self.text(at)?.map(parse).transpose()
    }

    fn time(&self, at: usize) -> Result<Option<Time>, Cause> {
        Ok(self.integer(at)?.map(Time::from_micros))
    }
}

/// The one number of a row.
pub(crate) fn number(row: &FileRow) -> Result<i64, StoreError> {
    row.0.try_get(0).map_err(store_error)
}
