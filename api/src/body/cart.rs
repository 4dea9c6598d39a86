//! Carts as they are shown, priced by the server.

use std::collections::BTreeMap;

use holdfast_saga::records::{Cart, Product};
use holdfast_saga::shop::cart::{PricedLine, QUANTITY_MAX, priced};
use holdfast_shared::{CartId, CartStatus, Money, Sku, Time};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::order::Totals;

/// A cart. A guest's belongs to whoever knows its id.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Cart)]
pub struct CartBody {
    /// Its unguessable id.
    pub id: CartId,
    /// Whether it may be edited, is held by a checkout, or was bought.
    pub status: CartStatus,
    /// What is in it, by SKU.
    pub items: Vec<CartLine>,
    /// What it costs now; `null` while nothing in it can be bought.
    pub totals: Option<Totals>,
    /// When it was last edited.
    pub updated_at: Time,
}

/// One position of a cart, at today's price.
#[derive(Debug, Serialize, ToSchema)]
pub struct CartLine {
    /// What.
    pub sku: Sku,
    /// What it is called.
    pub name: String,
    /// How many.
    pub quantity: u32,
    /// What one costs.
    pub unit_price: Option<Money>,
    /// What they cost together.
    pub total: Option<Money>,
    /// Whether it can be bought. A cart with a line that cannot is refused at checkout.
    pub available: bool,
}

/// How many of a product shall be in the cart.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemBody {
    /// From 1.
    #[schema(minimum = 1, maximum = 10_000, example = 2)]
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
