//! Products and stock levels.

use holdfast_saga::records::{Product, Stock};
use holdfast_shared::{Money, Sku};
use serde::{Deserialize, Serialize};

use crate::text::{Note, Text};

/// A product of the catalogue.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Product))]
pub struct ProductBody {
    /// The stock keeping unit, which identifies the product.
    pub sku: Sku,
    /// The name of the product.
    pub name: String,
    /// The price of one piece.
    pub price: Money,
    /// Whether the product can be bought.
    pub active: bool,
}

/// The new state of a product.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = PutProduct, example = json!({
    "name": "Mug", "price": {"amount_minor": 1299, "currency": "EUR"}, "active": true
})))]
pub struct PutProductBody {
    /// Optional; if it is sent, it must match the SKU in the path.
    pub sku: Option<Sku>,
    /// The name of the product.
    pub name: Text<200>,
    /// The price of one piece.
    pub price: Money,
    /// Whether the product can be bought. Without it, a product that exists stays as it is, and a new one can be bought.
    pub active: Option<bool>,
}

read_fields!(PutProductBody { sku, name, price, active });

/// The stock level of a product.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Stock))]
pub struct StockBody {
    /// The SKU of the product.
    pub sku: Sku,
    /// Pieces in the warehouse.
    pub on_hand: i64,
    /// Pieces of these that are reserved for orders.
    pub reserved: i64,
    /// Pieces that can be bought now.
    pub available: i64,
}

/// A change of a stock level.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = StockAdjustment, example = json!({"delta": 25, "reason": "delivery"})))]
pub struct AdjustBody {
    /// Pieces to add, or to remove if negative.
    pub delta: i64,
    /// The reason; it is kept for ever.
    pub reason: Note<500>,
}

read_fields!(AdjustBody { delta, reason });

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
