//! Carts, priced by the server.

use std::collections::BTreeMap;

use holdfast_saga::records::{Cart, Product, Stock};
use holdfast_saga::shop::cart::{PricedLine, QUANTITY_MAX, priced};
use holdfast_shared::{CartId, CartStatus, Money, Sku, Time};
use serde::{Deserialize, Serialize};

use crate::input::{At, Faults, Read as _};
use crate::json::Json;
use crate::order::Totals;
use crate::problem::Code;

/// A cart. Whoever knows the id of a guest's cart may use it.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Cart, example = json!({
    "id": "0192f0c4-7d7e-7cc3-98c4-dc0c0c07398f", "status": "OPEN",
    "items": [{
        "sku": "mug-01", "name": "Mug", "quantity": 2, "unit_price": {"amount_minor": 1299, "currency": "EUR"},
        "total": {"amount_minor": 2598, "currency": "EUR"}, "available": true,
        "in_stock": true, "quantity_max": 80
    }],
    "totals": {"total": {"amount_minor": 2598, "currency": "EUR"}}, "updated_at": "2026-01-31T09:30:00Z"
})))]
pub struct CartBody {
    /// The id; it cannot be guessed.
    pub id: CartId,
    /// Open, in a checkout, or bought.
    pub status: CartStatus,
    /// The items, by SKU.
    pub items: Vec<CartLine>,
    /// The current price; `null` while no item is for sale.
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
    /// Whether so many pieces of the product can be bought now. A cart with a product that is not for sale is refused at
    /// checkout; an order of more pieces than there are is cancelled.
    pub available: bool,
    /// Whether any piece of the product can be bought now.
    pub in_stock: bool,
    /// The most pieces of the product that can be bought now.
    pub quantity_max: u32,
}

/// The quantity of a product in a cart.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ItemBody {
    /// The number of pieces, from 1.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 10_000, example = 2))]
    pub quantity: u32,
}

const _: () = assert!(QUANTITY_MAX == 10_000, "the schema of ItemBody says so");

read_fields!(ItemBody { quantity by quantity });

fn quantity(value: Json, at: &At<'_>, faults: &mut Faults) -> Option<u32> {
    if let Json::Whole(number) = value {
        let quantity = u32::try_from(number).ok().filter(|quantity| (1..=QUANTITY_MAX).contains(quantity));
        if quantity.is_none() {
            faults.note(
                at,
                Code::InvalidQuantity,
                format!("expected a whole number from 1 to {QUANTITY_MAX}"),
            );
        }
        return quantity;
    }
    u32::read(value, at, faults)
}

impl CartBody {
    /// The cart at the prices of `products`, with what is left of them in `levels`.
    pub fn new(cart: &Cart, products: &BTreeMap<Sku, Product>, levels: &BTreeMap<Sku, Stock>) -> Self {
        let priced = priced(cart, products, levels);
        let line = |line: PricedLine| CartLine {
            sku: line.sku,
            name: line.name,
            quantity: line.quantity,
            unit_price: line.unit_price,
            total: line.line_total,
            available: line.available,
            in_stock: line.in_stock,
            quantity_max: line.quantity_max,
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
