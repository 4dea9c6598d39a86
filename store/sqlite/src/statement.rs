//! The texts of the statements, and reading their rows.

use holdfast_saga::ports::StoreError;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteArguments;

use crate::error::store_error;
use crate::row::FileRow;

/// The text of `queries/<name>.sql`, which only this store has.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!("../queries/", $name, ".sql"))
    };
}
pub(crate) use sql;

/// The text of `store/queries/<name>.sql`, which both stores have, and what this store adds to it, or the text of another.
macro_rules! shared_sql {
    ($name:literal $(+ $rest:literal)? $(then $next:literal)?) => {
        concat!(
            include_str!(concat!("../../queries/", $name, ".sql")),
            $($rest)?
            $(include_str!(concat!("../../queries/", $next, ".sql")))?
        )
    };
}
pub(crate) use shared_sql;

/// A statement with its parameters bound.
pub(crate) type Statement = sqlx::query::Query<'static, sqlx::Sqlite, SqliteArguments>;

/// Reads the rows of a statement.
pub(crate) async fn read<T>(
    connection: &mut SqliteConnection,
    statement: Statement,
    decode: impl Fn(&FileRow) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let rows = statement.fetch_all(connection).await.map_err(store_error)?;
    rows.into_iter().map(|row| decode(&FileRow(row))).collect()
}
