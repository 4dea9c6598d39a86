//! What can be bought.

use holdfast_shared::{Money, Sku};
use serde::{Deserialize, Serialize};

/// What can be bought, and for how much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Its key.
    pub sku: Sku,
    /// For people.
    pub name: String,
    /// Of one.
    pub price: Money,
    /// Whether it may be bought now.
    pub active: bool,
}
