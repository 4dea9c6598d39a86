//! Carts, priced by the server.

use std::collections::BTreeMap;

use holdfast_saga::records::{Cart, Product};
use holdfast_saga::shop::cart::{PricedLine, QUANTITY_MAX, priced};
use holdfast_shared::{CartId, CartStatus, Money, Sku, Time};
use serde::{Deserialize, Serialize};

use crate::order::Totals;

/// A cart. Whoever knows the id of a guest's cart may use it.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Cart))]
pub struct CartBody {
    /// The id; it cannot be guessed.
    pub id: CartId,
    /// Open, in a checkout, or bought.
    pub status: CartStatus,
    /// The items, by SKU.
    pub items: Vec<CartLine>,
    /// The current price; `null` while no item is available.
    pub totals: Option<Totals>,
    /// When the cart was last edited.
    pub updated_at: Time,
}

/// An item of a cart, at the current price.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CartLine {
    /// The SKU of the product.
    pub sku: Sku,
    /// The name of the product.
    pub name: String,
    /// The number of pieces.
    pub quantity: u32,
    /// The price of one piece.
    pub unit_price: Option<Money>,
    /// The price of all pieces.
    pub total: Option<Money>,
    /// Whether the product can be bought. A cart with an item that cannot be bought is refused at checkout.
    pub available: bool,
}

/// The quantity of a product in a cart.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ItemBody {
    /// The number of pieces, from 1.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 10_000, example = 2))]
    pub quantity: u32,
}

const _: () = assert!(QUANTITY_MAX == 10_000, "the schema of ItemBody says so");

impl CartBody {
    /// The cart at the prices of `products`.
    pub fn new(cart: &Cart, products: &BTreeMap<Sku, Product>) -> Self {
        let priced = priced(cart, products);
        let line = |line: PricedLine| CartLine {
            sku: line.sku,
            name: line.name,
            quantity: line.quantity,
            unit_price: line.unit_price,
            total: line.line_total,
            available: line.available,
        };
        Self {
            id: cart.id,
            status: cart.status,
            items: priced.lines.into_iter().map(line).collect(),
            totals: priced.total.map(|total| Totals { total }),
            updated_at: cart.updated_at,
        }
    }
}
