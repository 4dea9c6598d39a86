//! A cart's life: open, held by one checkout, cleared by it or handed back.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

use crate::{IllegalTransition, Sku};

/// One position of a cart or an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What is bought. A cart or order names each SKU once.
    pub sku: Sku,
    /// How many, at least 1.
    pub quantity: u32,
    /// Price of one, in minor units of the order's currency. Set by the server at accept.
    pub unit_price_minor: i64,
}

/// Where a cart stands.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    EnumIter,
    IntoStaticStr,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum CartStatus {
    /// May be edited and checked out.
    Open,
    /// One order's checkout holds it; edits are refused.
    InCheckout,
    /// Its order was confirmed; the cart is history.
    Cleared,
}

/// What can happen to a cart's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum CartEvent {
    /// A checkout was accepted.
    CheckOut,
    /// The order was confirmed.
    Clear,
    /// The order was cancelled.
    Reopen,
}

impl CartStatus {
    /// The state after `event`, or the refusal.
    pub fn after(self, event: CartEvent) -> Result<Self, IllegalTransition> {
        use CartEvent::{CheckOut, Clear, Reopen};
        match (self, event) {
            (Self::Open, CheckOut) => Ok(Self::InCheckout),
            (Self::InCheckout, Clear) => Ok(Self::Cleared),
            (Self::InCheckout, Reopen) => Ok(Self::Open),
            (Self::Open, Clear | Reopen)
            | (Self::InCheckout, CheckOut)
            | (Self::Cleared, CheckOut | Clear | Reopen) => Err(IllegalTransition::new("cart", self, event)),
        }
    }
}
