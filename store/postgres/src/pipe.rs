//! A connection that sends statements ahead of the answers to those before.
//!
//! An order that is alone waits for each round trip, and both ends go to sleep and wake up for it. So what does not
//! depend on an answer is sent together: futures that are polled in order are executed in that order, each on what
//! those before it left. Once one fails, the transaction is aborted, and so are those behind it.

use std::error::Error as _;
use std::time::Duration;

use futures_util::future::try_join_all;
use holdfast_saga::ports::StoreError;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSqlOwned, ToSql};
use tokio_postgres::{Client, Row, Statement};

use crate::dial::Dial;
use crate::error::{by_code, unreadable};
use crate::statement::Sql;

/// How long opening a connection may take.
const OPEN_WITHIN: Duration = Duration::from_secs(5);

/// What a statement is given.
pub(crate) type Params<'a> = [&'a (dyn ToSql + Sync)];

#[derive(Debug)]
pub(crate) struct Pipe {
    client: Client,
    /// As in [`Sql::TEXTS`].
    statements: Vec<Statement>,
}

impl Pipe {
    pub(crate) async fn open(dial: &Dial) -> Result<Self, StoreError> {
        let late =
            |_| StoreError::Unavailable(format!("no connection could be opened within {OPEN_WITHIN:?}"));
        timeout(OPEN_WITHIN, Self::opened(dial)).await.map_err(late)?
    }

    async fn opened(dial: &Dial) -> Result<Self, StoreError> {
        let client = dial.open().await?;
        let statements =
            try_join_all(Sql::TEXTS.iter().map(|text| client.prepare(text))).await.map_err(pipe_error)?;
        Ok(Self { client, statements })
    }

    /// Whether it is of no use any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Says something without parameters or rows: `begin`, `commit`, `rollback`.
    pub(crate) async fn say(&self, words: &str) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute(words).await
    }

    /// Reads the rows of a statement.
    pub(crate) async fn rows<R: FromRow>(&self, sql: Sql, params: &Params<'_>) -> Result<Vec<R>, StoreError> {
        let rows = behind_its_cause(self.client.query(&self.statements[sql as usize], params).await).await?;
        rows.iter().map(R::from_row).collect()
    }

    /// Reads the one row of a statement that has no other.
    pub(crate) async fn row<R: FromRow>(&self, sql: Sql, params: &Params<'_>) -> Result<R, StoreError> {
        let row =
            behind_its_cause(self.client.query_one(&self.statements[sql as usize], params).await).await?;
        R::from_row(&row)
    }

    /// Executes a statement; returns how many rows it wrote.
    pub(crate) async fn execute(&self, sql: Sql, params: &Params<'_>) -> Result<u64, StoreError> {
        behind_its_cause(self.client.execute(&self.statements[sql as usize], params).await).await
    }
}

/// What a statement behind a failed one is told is not why it failed. That one was answered before, and is looked at
/// first when both are polled again.
async fn behind_its_cause<T>(answer: Result<T, tokio_postgres::Error>) -> Result<T, StoreError> {
    if answer.as_ref().is_err_and(|error| error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION)) {
        tokio::task::yield_now().await;
    }
    answer.map_err(pipe_error)
}

/// Files a driver's error under what must be done about it.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err passes")]
pub(crate) fn pipe_error(error: tokio_postgres::Error) -> StoreError {
    match error.as_db_error() {
        Some(database) => by_code(database.code().code(), database.message()),
        None => StoreError::Unavailable(words(&error)),
    }
}

/// An error with its cause.
pub(crate) fn words(error: &tokio_postgres::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// What is read from the columns of a row, in their order.
pub(crate) trait FromRow: Sized {
    fn from_row(row: &Row) -> Result<Self, StoreError>;
}

/// A column.
pub(crate) fn column<T: FromSqlOwned>(row: &Row, at: usize) -> Result<T, StoreError> {
    row.try_get(at).map_err(|error| unreadable(&format!("column {:?}", row.columns()[at].name()), error))
}

macro_rules! tuples {
    ($(($($part:ident $at:tt),+))+) => {$(
        impl<$($part: FromSqlOwned),+> FromRow for ($($part,)+) {
            fn from_row(row: &Row) -> Result<Self, StoreError> {
                Ok(($(column::<$part>(row, $at)?,)+))
            }
        }
    )+};
}

tuples! {
    (A 0)
    (A 0, B 1, C 2)
}

/// Declares the rows of statements: a struct whose fields are the columns, in the same order.
macro_rules! rows {
    ($($(#[$docs:meta])* struct $name:ident { $($(#[$field_docs:meta])* $field:ident: $type:ty,)+ })+) => {$(
        $(#[$docs])*
        pub(crate) struct $name {
            $($(#[$field_docs])* pub(crate) $field: $type,)+
        }

        impl $crate::pipe::FromRow for $name {
            fn from_row(row: &::tokio_postgres::Row) -> Result<Self, ::holdfast_saga::ports::StoreError> {
                let mut at = 0..;
                $(
                    let i = at.next().unwrap_or_default();
                    // A "!" says to the other driver that a column is never null.
                    debug_assert_eq!(row.columns()[i].name().trim_end_matches('!'), stringify!($field));
                    let $field = $crate::pipe::column(row, i)?;
                )+
                Ok(Self { $($field),+ })
            }
        }
    )+};
}
pub(crate) use rows;
