//! A row of the driver, as the shared decoding reads it.

use std::error::Error;

use holdfast_saga::ports::StoreError;
use holdfast_shared::Time;
use holdfast_store_rows::{Cause, Row, unreadable};
use time::OffsetDateTime;
use tokio_postgres::types::{FromSql, FromSqlOwned, Type};
use uuid::Uuid;

#[derive(Debug)]
pub(crate) struct PgRow(pub(crate) tokio_postgres::Row);

impl PgRow {
    fn column<'r, T: FromSql<'r>>(&'r self, at: usize) -> Result<Option<T>, Cause> {
        Ok(self.0.try_get(at)?)
    }

    /// A column of a type that only Postgres has.
    pub(crate) fn value<T: FromSqlOwned>(&self, at: usize) -> Result<T, StoreError> {
        self.0.try_get(at).map_err(|error| unreadable("a row", format!("{}: {error}", self.name(at))))
    }
}

impl Row for PgRow {
    fn name(&self, at: usize) -> &str {
        self.0.columns().get(at).map_or("", |column| column.name())
    }

    fn integer(&self, at: usize) -> Result<Option<i64>, Cause> {
        Ok(self.column::<Integer>(at)?.map(|Integer(value)| value))
    }

    fn text(&self, at: usize) -> Result<Option<&str>, Cause> {
        Ok(self.column::<Text<'_>>(at)?.map(|Text(text)| text))
    }

    fn boolean(&self, at: usize) -> Result<Option<bool>, Cause> {
        self.column(at)
    }

    fn uuid(&self, at: usize) -> Result<Option<Uuid>, Cause> {
        self.column(at)
    }

    fn time(&self, at: usize) -> Result<Option<Time>, Cause> {
        Ok(self.column::<Instant>(at)?.map(|Instant(time)| time))
    }
}

/// A whole number of any width.
struct Integer(i64);

impl<'r> FromSql<'r> for Integer {
    fn from_sql(of: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(match *of {
            Type::INT2 => i16::from_sql(of, raw)?.into(),
            Type::INT4 => i32::from_sql(of, raw)?.into(),
            _ => i64::from_sql(of, raw)?,
        }))
    }

    fn accepts(of: &Type) -> bool {
        matches!(*of, Type::INT2 | Type::INT4 | Type::INT8)
    }
}

/// An instant, as the number that it is on the wire.
struct Instant(Time);

/// Where Postgres counts microseconds from: the year 2000, from 1970.
const EPOCH: i64 = 946_684_800_000_000;

impl<'r> FromSql<'r> for Instant {
    fn from_sql(of: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        match i64::from_sql(of, raw)? {
            i64::MIN | i64::MAX => Err("is no instant, but an infinity".into()),
            since => Ok(Self(Time::from_micros(since.saturating_add(EPOCH)))),
        }
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::TIMESTAMPTZ
    }
}

/// A text, or a document as the text that it is on the wire.
struct Text<'r>(&'r str);

impl<'r> FromSql<'r> for Text<'r> {
    fn from_sql(of: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        // The first byte of a jsonb is the version of its format.
        let text = if *of == Type::JSONB { raw.split_first().map_or(raw, |(_, text)| text) } else { raw };
        Ok(Self(std::str::from_utf8(text)?))
    }

    fn accepts(of: &Type) -> bool {
        matches!(*of, Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::JSON | Type::JSONB)
    }
}

/// The one number of a row.
pub(crate) fn number(row: &PgRow) -> Result<i64, StoreError> {
    row.value(0)
}

/// The one instant of a row.
pub(crate) fn now(row: &PgRow) -> Result<Time, StoreError> {
    row.value::<OffsetDateTime>(0).map(Into::into)
}
