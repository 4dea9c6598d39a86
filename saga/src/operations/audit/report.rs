//! What must hold, by what it is judged, and what was found.

use std::collections::BTreeMap;

use holdfast_shared::{Money, OrderId, OrderStatus, ShopId, Time};
use serde::Serialize;
use strum::{Display, EnumIter, IntoStaticStr};

use crate::engine::registry::Registry;
use crate::ports::{Movement, NamedRefund};
use crate::records::Shop;

/// What must hold.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Display, EnumIter, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Invariant {
    /// `on_hand = Σ adjustments − Σ confirmed + Σ restocked`
    StockOnHand,
    /// `reserved = Σ held`
    StockReserved,
    /// `0 ≤ reserved ≤ on_hand`
    StockBounds,
    /// An order's total is the sum of its lines, and not negative.
    OrderTotal,
    /// The order stands where its sagas have left it, for a reason that fits.
    OrderState,
    /// The reservation follows the order.
    Reservation,
    /// The cart follows the order.
    Cart,
    /// `captured − refunded − settled manually` is the total of an order that stands, less the refunds granted on it, and
    /// nothing of a cancelled one; the payment's status says the same; every refund has a row of its own.
    Money,
    /// The provider's own ledger says what ours say.
    Provider,
    /// A settled order's message is saved, and says SENT exactly when it went out.
    Notification,
    /// A saga stands at a place that its definition has, and something wakes it until it has ended.
    Saga,
    /// Each row belongs to rows that exist, and its keys are its own.
    Reference,
    /// Each row can be read.
    Readable,
}

/// An invariant that does not hold, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which invariant.
    pub invariant: Invariant,
    /// Whose: `order 1042`, `sku cd-1466`, `charge 9f2c41ab07-1042-81f3a2c95d0e:take_payment:1`.
    pub subject: String,
    /// What the rows say.
    pub detail: String,
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The shop that was audited.
    pub shop: ShopId,
    /// Orders looked at.
    pub orders: u64,
    /// SKUs looked at.
    pub skus: u64,
    /// Charges of this shop on the providers' statements; `None` when there was none to compare with.
    pub charges: Option<u64>,
    /// Sagas that run a definition of another release: where they stand nobody here can judge.
    pub unverifiable: u64,
    /// Orders with a live saga: not judged yet, listed with the money the provider holds for them.
    pub in_flight: Vec<InFlight>,
    /// Orders with money that a person saw to outside Holdfast: what the provider holds of it nobody here can tell.
    pub settled_manually: Vec<SettledManually>,
    /// What is broken.
    pub violations: Vec<Violation>,
}

/// An order whose money is still on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InFlight {
    /// The order.
    pub order: OrderId,
    /// Where it stands.
    pub status: OrderStatus,
    /// Whether a saga of it is dead and waits for an operator.
    pub dead: bool,
    /// `captured − refunded − settled manually` in our own ledger.
    pub held: Money,
}

/// An order with money that an operator took off Holdfast's hands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettledManually {
    /// The order.
    pub order: OrderId,
    /// Where it stands.
    pub status: OrderStatus,
    /// How much, late money included.
    pub amount: Money,
}

/// What the providers say.
#[derive(Debug, Clone, Default)]
pub struct Statements {
    /// By the name of each, every movement that it lists.
    pub movements: BTreeMap<String, Vec<Movement>>,
    /// The refunds of those orders that are in question.
    pub refunds: BTreeMap<OrderId, Vec<NamedRefund>>,
}

impl FromIterator<(String, Vec<Movement>)> for Statements {
    fn from_iter<I: IntoIterator<Item = (String, Vec<Movement>)>>(movements: I) -> Self {
        Self { movements: movements.into_iter().collect(), refunds: BTreeMap::new() }
    }
}

/// What rows are judged by, besides each other.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The shop's own row.
    pub shop: Shop,
    /// The definitions that the shop's sagas may run.
    pub registry: Registry,
    /// The present, by the clock that sagas go by.
    pub now: Time,
}

impl Scope {
    /// Whether keys in the name of `shop` are this shop's for that order. Before an operator said that this database is a
    /// shop of its own, its orders were another one's.
    pub(super) fn is_own(&self, shop: ShopId, order: Option<OrderId>) -> bool {
        shop == self.shop.id || order.is_some_and(|order| order < self.shop.first_order)
    }
}

impl Report {
    /// Whether every promise holds.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}
