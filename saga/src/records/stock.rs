//! Stock levels, how they move, and the reasons of deliberate changes.

use holdfast_shared::{Sku, Time};
use serde::{Deserialize, Serialize};

/// What is on the shelf, and how much of it is promised. `0 ≤ reserved ≤ on_hand`, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stock {
    /// Pieces in the house.
    pub on_hand: i64,
    /// Of these, held for orders.
    pub reserved: i64,
}

/// How often a product and what is on its shelf have changed: each number only grows, so that no state is taken for an
/// earlier one that looked the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Versions {
    /// Of the pieces in the house; what is reserved moves with every order, and does not count.
    pub stock: i64,
    /// Of the product; 0 while there is none.
    pub product: i64,
}

/// By how much a level moves. Moves add up, so nobody need know the level to move it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StockMove {
    /// Pieces that come, or go when negative.
    pub on_hand: i64,
    /// Promises made, or taken back when negative.
    pub reserved: i64,
}

impl std::ops::AddAssign for StockMove {
    fn add_assign(&mut self, other: Self) {
        self.on_hand += other.on_hand;
        self.reserved += other.reserved;
    }
}

impl std::ops::AddAssign<StockMove> for Stock {
    fn add_assign(&mut self, step: StockMove) {
        self.on_hand += step.on_hand;
        self.reserved += step.reserved;
    }
}

/// One deliberate change of a stock level; append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockAdjustment {
    /// The product.
    pub sku: Sku,
    /// Pieces added, or taken when negative.
    pub delta: i64,
    /// The reason, as it was given.
    pub reason: String,
    /// Who did it, for the audit trail.
    pub actor: String,
    /// When it happened.
    pub at: Time,
}
