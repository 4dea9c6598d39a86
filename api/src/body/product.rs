//! Products and stock levels as they are shown and asked for.

use holdfast_saga::records::{Product, Stock};
use holdfast_shared::{Money, Sku};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Note, Text};

/// A product.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Product)]
pub struct ProductBody {
    /// Its key.
    pub sku: Sku,
    /// What it is called.
    pub name: String,
    /// What one costs.
    pub price: Money,
    /// Whether it can be bought.
    pub active: bool,
}

/// What a product shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PutProduct, example = json!({
    "name": "Mug", "price": {"amount_minor": 1299, "currency": "EUR"}, "active": true
}))]
pub struct PutProductBody {
    /// May be repeated here; then it is the one in the path.
    #[serde(default)]
    pub sku: Option<Sku>,
    /// What it is called.
    pub name: Text<200>,
    /// What one costs.
    pub price: Money,
    /// Whether it can be bought.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub active: bool,
}

const fn yes() -> bool {
    true
}

/// A stock level.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stock)]
pub struct StockBody {
    /// Of what.
    pub sku: Sku,
    /// Pieces in the house.
    pub on_hand: i64,
    /// Of these, held for orders.
    pub reserved: i64,
    /// Pieces that can be bought now.
    pub available: i64,
}

/// How a level moves.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StockAdjustment, example = json!({"delta": 25, "reason": "delivery"}))]
pub struct AdjustBody {
    /// Pieces that came, or went when negative.
    pub delta: i64,
    /// Why, kept for ever.
    pub reason: Note<500>,
}

impl From<&Product> for ProductBody {
    fn from(product: &Product) -> Self {
        Self {
            sku: product.sku.clone(),
            name: product.name.clone(),
            price: product.price,
            active: product.active,
        }
    }
}

impl StockBody {
    /// The level of `sku`.
    pub fn new(sku: Sku, level: Stock) -> Self {
        let Stock { on_hand, reserved } = level;
        Self { sku, on_hand, reserved, available: on_hand - reserved }
    }
}
