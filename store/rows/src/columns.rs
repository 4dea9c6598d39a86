//! Reading the columns of a row one after the other.

use std::error::Error;
use std::fmt::Display;
use std::str::FromStr;

use holdfast_saga::ports::StoreError;
use holdfast_shared::{Currency, Money, OrderId, Time};
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// Why a driver could not read a column.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why a record could not be read from its row: the column, its value, and the cause.
pub type Reason = String;

/// A row of a driver. Columns are counted from 0; one that is null is `None`.
pub trait Row {
    /// The name of a column.
    fn name(&self, at: usize) -> &str;
    /// A whole number of any width.
    fn integer(&self, at: usize) -> Result<Option<i64>, Cause>;
    /// A text, or a document as text.
    fn text(&self, at: usize) -> Result<Option<&str>, Cause>;
    /// A truth value.
    fn boolean(&self, at: usize) -> Result<Option<bool>, Cause>;
    /// A UUID, however the database stores it.
    fn uuid(&self, at: usize) -> Result<Option<Uuid>, Cause>;
    /// An instant, however the database stores it.
    fn time(&self, at: usize) -> Result<Option<Time>, Cause>;
}

/// Reads a row from its first column to its last: each call reads the next one.
///
/// The names are for the errors. A debug build also checks them against the statement's.
#[derive(Debug)]
pub struct Columns<'r, R> {
    row: &'r R,
    next: usize,
}

impl<'r, R: Row> Columns<'r, R> {
    /// Starts at the first column of `row`.
    pub const fn of(row: &'r R) -> Self {
        Self { row, next: 0 }
    }

    /// How many columns have been read.
    pub const fn position(&self) -> usize {
        self.next
    }

    fn next<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&'r R, usize) -> Result<Option<T>, Cause>,
    ) -> Result<Option<T>, Reason> {
        let at = self.next;
        self.next += 1;
        debug_assert_eq!(self.row.name(at), name, "column {at} of a statement");
        read(self.row, at).map_err(|cause| format!("{name}: {cause}"))
    }

    /// A whole number.
    pub fn integer(&mut self, name: &str) -> Result<i64, Reason> {
        self.optional_integer(name)?.ok_or_else(|| null(name))
    }

    /// A whole number, or null.
    pub fn optional_integer(&mut self, name: &str) -> Result<Option<i64>, Reason> {
        self.next(name, R::integer)
    }

    /// A whole number in the range of `T`.
    pub fn number<T>(&mut self, name: &str) -> Result<T, Reason>
    where
        T: TryFrom<i64>,
        T::Error: Display,
    {
        let value = self.integer(name)?;
        T::try_from(value).map_err(|error| format!("{name} {value}: {error}"))
    }

    /// The number of an order.
    pub fn order(&mut self, name: &str) -> Result<OrderId, Reason> {
        self.optional_order(name)?.ok_or_else(|| null(name))
    }

    /// The number of an order, or null.
    pub fn optional_order(&mut self, name: &str) -> Result<Option<OrderId>, Reason> {
        let Some(number) = self.optional_integer(name)? else { return Ok(None) };
        let order = OrderId::from_number(number);
        order.map(Some).ok_or_else(|| format!("{name} {number}: no order has such a number"))
    }

    /// A text, borrowed from the row.
    pub fn str(&mut self, name: &str) -> Result<&'r str, Reason> {
        self.optional_str(name)?.ok_or_else(|| null(name))
    }

    /// A text borrowed from the row, or null.
    pub fn optional_str(&mut self, name: &str) -> Result<Option<&'r str>, Reason> {
        self.next(name, R::text)
    }

    /// A text.
    pub fn text(&mut self, name: &str) -> Result<String, Reason> {
        self.str(name).map(str::to_owned)
    }

    /// A text, or null.
    pub fn optional_text(&mut self, name: &str) -> Result<Option<String>, Reason> {
        Ok(self.optional_str(name)?.map(str::to_owned))
    }

    /// A value that is stored as its text: a status, a SKU, a currency.
    pub fn parsed<T>(&mut self, name: &str) -> Result<T, Reason>
    where
        T: FromStr,
        T::Err: Display,
    {
        parse(name, self.str(name)?)
    }

    /// A value that is stored as its text, or null.
    pub fn optional_parsed<T>(&mut self, name: &str) -> Result<Option<T>, Reason>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.optional_str(name)?.map(|text| parse(name, text)).transpose()
    }

    /// A value that is stored as a JSON document.
    pub fn json<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Reason> {
        // The document itself stays out of the reason: it may hold an address.
        serde_json::from_str(self.str(name)?).map_err(|error| format!("{name}: {error}"))
    }

    /// A value that is stored as a JSON document, or null.
    pub fn optional_json<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Reason> {
        let text = self.optional_str(name)?;
        text.map(|text| serde_json::from_str(text).map_err(|error| format!("{name}: {error}"))).transpose()
    }

    /// An amount and its currency, which are two columns.
    pub fn money(&mut self, amount: &str, currency: &str) -> Result<Money, Reason> {
        let amount_minor = self.integer(amount)?;
        let currency: Currency = self.parsed(currency)?;
        Ok(Money::new(amount_minor, currency))
    }

    /// A truth value.
    pub fn boolean(&mut self, name: &str) -> Result<bool, Reason> {
        self.next(name, R::boolean)?.ok_or_else(|| null(name))
    }

    /// A UUID.
    pub fn uuid(&mut self, name: &str) -> Result<Uuid, Reason> {
        self.optional_uuid(name)?.ok_or_else(|| null(name))
    }

    /// A UUID, or null.
    pub fn optional_uuid(&mut self, name: &str) -> Result<Option<Uuid>, Reason> {
        self.next(name, R::uuid)
    }

    /// An instant.
    pub fn time(&mut self, name: &str) -> Result<Time, Reason> {
        self.optional_time(name)?.ok_or_else(|| null(name))
    }

    /// An instant, or null.
    pub fn optional_time(&mut self, name: &str) -> Result<Option<Time>, Reason> {
        self.next(name, R::time)
    }
}

fn null(name: &str) -> Reason {
    format!("{name}: is null")
}

pub(crate) fn parse<T>(name: &str, text: &str) -> Result<T, Reason>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse().map_err(|error| format!("{name} {text:?}: {error}"))
}

/// The error for a row that cannot be read: `what` names the row, `reason` the column and its value.
pub fn unreadable(what: impl Display, reason: impl Display) -> StoreError {
    StoreError::Data(format!("{what}: {reason}"))
}

#[cfg(test)]
mod tests {
    use holdfast_shared::OrderStatus;

    use super::*;

    /// A row of texts, each with its name.
    struct Texts(Vec<(&'static str, Option<&'static str>)>);

    impl Row for Texts {
        fn name(&self, at: usize) -> &str {
            self.0[at].0
        }

        fn integer(&self, at: usize) -> Result<Option<i64>, Cause> {
            Ok(self.0[at].1.map(str::parse).transpose()?)
        }

        fn text(&self, at: usize) -> Result<Option<&str>, Cause> {
            Ok(self.0[at].1)
        }

        fn boolean(&self, _: usize) -> Result<Option<bool>, Cause> {
            Ok(None)
        }

        fn uuid(&self, _: usize) -> Result<Option<Uuid>, Cause> {
            Ok(None)
        }

        fn time(&self, at: usize) -> Result<Option<Time>, Cause> {
            Ok(self.integer(at)?.map(Time::from_micros))
        }
    }

    #[test]
    fn a_reason_names_the_column_and_its_value() {
        let row = Texts(vec![
            ("status", Some("LOST")),
            ("version", Some("99999999999")),
            ("fence", Some("seven")),
            ("name", None),
            ("contact", Some("{\"email\": \"ada@example.com\"")),
        ]);
        let mut columns = Columns::of(&row);
        let status = columns.parsed::<OrderStatus>("status").expect_err("is no status");
        assert!(status.starts_with("status \"LOST\": "), "{status}");
        let version = columns.number::<i32>("version").expect_err("is too large");
        assert!(version.starts_with("version 99999999999: "), "{version}");
        assert!(columns.integer("fence").expect_err("is no number").starts_with("fence: "));
        assert_eq!(columns.text("name").expect_err("is null"), "name: is null");
        let contact = columns.json::<serde_json::Value>("contact").expect_err("is cut short");
        assert!(contact.starts_with("contact: ") && !contact.contains("ada"), "{contact}");
    }

    #[test]
    fn columns_are_read_one_after_the_other() {
        let row = Texts(vec![("id", Some("7")), ("at", Some("9")), ("reason", None)]);
        let mut columns = Columns::of(&row);
        assert_eq!(columns.integer("id"), Ok(7));
        assert_eq!(columns.time("at"), Ok(Time::from_micros(9)));
        assert_eq!(columns.optional_text("reason"), Ok(None));
        assert_eq!(columns.position(), 3);
    }
}
