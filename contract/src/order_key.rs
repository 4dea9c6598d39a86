//! How an order is named: in a path, on a command line.

use std::fmt;
use std::str::FromStr;

use holdfast_saga::ports::{Store, StoreError};
use holdfast_saga::records::view::OrderView;
use holdfast_shared::OrderId;
use uuid::Uuid;

/// An order, by its number or by its public id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderKey {
    /// The number, which people tell each other.
    Number(OrderId),
    /// The public id. Only the order's row shows whether it is genuine.
    Public(Uuid),
}

impl FromStr for OrderKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().map(Self::Number);
        number
            .or_else(|_| text.parse().map(Self::Public))
            .map_err(|_| "expected an order number such as 1042, or a public id (a UUID)".to_owned())
    }
}

impl fmt::Display for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Public(id) => id.fmt(f),
        }
    }
}

impl OrderKey {
    /// The number that it leads to, if it can be the key of an order.
    pub fn number(self) -> Option<OrderId> {
        match self {
            Self::Number(number) => Some(number),
            Self::Public(id) => OrderId::from_public(id),
        }
    }

    /// Whether it names this order: an invented public id leads to a number, but not back.
    pub fn names(self, view: &OrderView) -> bool {
        match self {
            Self::Number(number) => view.order.id == number,
            Self::Public(id) => view.public_id() == id,
        }
    }

    /// The order, if there is one.
    pub async fn find(self, store: &dyn Store) -> Result<Option<OrderView>, StoreError> {
        match self.number() {
            Some(number) => Ok(store.order(number).await?.filter(|view| self.names(view))),
            None => Ok(None),
        }
    }
}
