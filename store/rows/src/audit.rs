//! The facts of the audit. A row that cannot be read is one, too: it must not hide the others.

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::Notification;
use holdfast_saga::records::audit_fact::{Fact, Loose, StockFact};
use holdfast_saga::records::audit_stretch::Stretch;
use holdfast_shared::SagaId;

use crate::columns::{Columns, Reason, Row, unreadable};
use crate::saga::{Decoded, saga_id};

/// A record, or why its row cannot be read.
pub type Readable<T> = Result<T, StoreError>;

/// What is read of a stretch of orders, with the rows that cannot be read.
#[derive(Debug, Default)]
pub struct Reading {
    /// The records.
    pub stretch: Stretch,
    unreadable: Vec<String>,
}

impl Reading {
    /// The records that can be read. Of the others the reason is kept.
    pub fn readable<T>(&mut self, rows: Vec<Readable<T>>) -> Vec<T> {
        rows.into_iter()
            .filter_map(|row| row.map_err(|error| self.unreadable.push(error.to_string())).ok())
            .collect()
    }

    /// The same of sagas and their signals.
    pub fn decoded<T>(&mut self, rows: Vec<Decoded<T>>) -> Vec<T> {
        let readable = |(saga, reason): (SagaId, Reason)| unreadable(format_args!("saga {saga}"), reason);
        self.readable(rows.into_iter().map(|row| row.map_err(readable)).collect())
    }

    /// Everything that was read.
    pub fn facts(self) -> impl Iterator<Item = Fact> {
        self.stretch.facts().into_iter().chain(self.unreadable.into_iter().map(Fact::Unreadable))
    }
}

/// The fact that a row says, or that it cannot be read.
pub fn fact_of<T>(row: Readable<T>, fact: impl FnOnce(T) -> Fact) -> Fact {
    row.map_or_else(|error| Fact::Unreadable(error.to_string()), fact)
}

/// The level of a SKU, beside what its movements add up to.
pub fn stock_fact<R: Row>(row: &R) -> Readable<StockFact> {
    let mut columns = Columns::of(row);
    let mut read = || -> Result<StockFact, Reason> {
        Ok(StockFact {
            sku: Some(columns.parsed("sku")?),
            on_hand: columns.integer("on_hand")?,
            reserved: columns.integer("reserved")?,
            adjusted: columns.integer("adjusted")?,
            confirmed: columns.integer("confirmed")?,
            restocked: columns.integer("restocked")?,
            held: columns.integer("held")?,
        })
    };
    read().map_err(|reason| unreadable("the stock of a SKU", reason))
}

/// A row without the one it belongs to.
pub fn loose_row<R: Row>(row: &R) -> Readable<Loose> {
    let mut columns = Columns::of(row);
    let mut read = || -> Result<Loose, Reason> {
        Ok(Loose { what: columns.parsed("what")?, subject: columns.text("subject")? })
    };
    read().map_err(|reason| unreadable("a row that belongs to no other", reason))
}

/// A row of `notifications`, alone.
pub fn notification_row<R: Row>(row: &R) -> Readable<Notification> {
    let saga = saga_id(row)?;
    let mut columns = Columns::of(row);
    let mut read = || -> Result<Notification, Reason> {
        columns.integer("saga_id")?;
        Ok(Notification {
            saga,
            notice: columns.parsed("notice")?,
            channel: columns.text("channel")?,
            status: columns.parsed("status")?,
        })
    };
    read().map_err(|reason| unreadable(format_args!("the notification of saga {saga}"), reason))
}

/// The fence of the last commit in the history of a saga.
pub fn last_logged<R: Row>(row: &R) -> Result<(SagaId, i64), StoreError> {
    let saga = saga_id(row)?;
    let mut columns = Columns::of(row);
    let mut read = || -> Result<i64, Reason> {
        columns.integer("saga_id")?;
        columns.integer("fence")
    };
    let fence = read().map_err(|reason| unreadable(format_args!("the history of saga {saga}"), reason))?;
    Ok((saga, fence))
}
