//! A cart.

use holdfast_shared::{CartId, CartStatus, CustomerId, OrderId, Sku, Time};
use serde::{Deserialize, Serialize};

/// A cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cart {
    /// Its unguessable id.
    pub id: CartId,
    /// The customer it belongs to; `None` for a guest's.
    pub owner: Option<CustomerId>,
    /// Where it stands.
    pub status: CartStatus,
    /// The order whose checkout holds or cleared it.
    pub order: Option<OrderId>,
    /// What is in it.
    pub items: Vec<CartItem>,
    /// When it was last touched.
    pub updated_at: Time,
}

/// One position of a cart. It has no price: the server's catalogue does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartItem {
    /// The product.
    pub sku: Sku,
    /// The number of pieces.
    pub quantity: u32,
}
