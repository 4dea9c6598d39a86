//! Which shop a database holds, and whether that is still the database it was.

use std::fmt;

use holdfast_shared::{OrderId, ShopId};

/// The one row of the shop, and where its database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shop {
    /// Its id at payment providers, in Redis and for recipients.
    pub id: ShopId,
    /// Raised when an operator answers for a database that was restored or copied.
    pub epoch: i64,
    /// Where its database was when it was made, or when an operator answered for it last; `None`: nobody has looked.
    pub home: Option<String>,
    /// Where its database is: on Postgres the server's own identifier and the database's number, on `SQLite` the file's.
    pub here: String,
    /// The shop that this one was a copy of.
    pub forked_from: Option<ShopId>,
    /// The first order of its own; those before belong to the shop that it was a copy of.
    pub first_order: OrderId,
    /// An order that was in this database once, and is not any more.
    pub missing_order: Option<OrderId>,
    /// The last number that was given to an order, or to a checkout that was refused; 0: none was.
    pub last_number: i64,
}

/// Why a database may not be the one that its shop goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// It is elsewhere: a copy, a restored backup, or a database that was moved.
    Moved {
        /// Which shop.
        shop: ShopId,
        /// Where it was.
        home: String,
        /// Where it is.
        here: String,
    },
    /// It has lost an order: an older state was restored.
    SteppedBack {
        /// Which shop.
        shop: ShopId,
        /// The order.
        order: OrderId,
    },
}

impl Shop {
    /// Why nobody outside may be called in its name before an operator has answered for its database (O9).
    pub fn doubt(&self) -> Option<Doubt> {
        if let Some(home) = self.home.as_ref().filter(|home| **home != self.here) {
            return Some(Doubt::Moved { shop: self.id, home: home.clone(), here: self.here.clone() });
        }
        self.missing_order.map(|order| Doubt::SteppedBack { shop: self.id, order })
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moved { shop, home, here } => write!(
                f,
                "the database of shop {shop} was at {home} and is at {here}: it was restored, moved or copied. If the \
                 database that it comes from is gone, run `holdfast shop restored`; if that one is still in use, run \
                 `holdfast shop forked` here"
            ),
            Self::SteppedBack { shop, order } => write!(
                f,
                "the database of shop {shop} had order {order} and lost it: an older state was restored. Run \
                 `holdfast shop restored`; if this is a copy beside the shop itself, run `holdfast shop forked`"
            ),
        }
    }
}
