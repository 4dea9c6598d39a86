//! What a cart costs now, for people to look at. What they pay is settled at the checkout.

use std::collections::BTreeMap;

use holdfast_shared::{Money, Sku};

use super::edit::QUANTITY_MAX;
use crate::records::{Cart, CartItem, Product, Stock};

/// A cart with the catalogue's prices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priced {
    /// Its lines, in the order they were put in.
    pub lines: Vec<PricedLine>,
    /// What the lines that are for sale cost. `None` when there are none, or when they have no sum: in two
    /// currencies, or too large to count.
    pub total: Option<Money>,
}

/// One line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedLine {
    /// The product.
    pub sku: Sku,
    /// What it is called; one that the catalogue does not know is called by its SKU.
    pub name: String,
    /// The number of pieces.
    pub quantity: u32,
    /// Of one, while it is for sale.
    pub unit_price: Option<Money>,
    /// Of all of them, unless that is too large to count.
    pub line_total: Option<Money>,
    /// Whether that many pieces of it can be bought now.
    pub available: bool,
    /// Whether any piece of it can be bought now.
    pub in_stock: bool,
    /// The most pieces of it that can be bought now.
    pub quantity_max: u32,
}

/// Prices `cart`, by what the catalogue says in `products` and what is on the shelves of `levels`.
///
/// What a checkout of this cart has reserved counts as gone, so levels are of use for an open cart alone.
pub fn priced(cart: &Cart, products: &BTreeMap<Sku, Product>, levels: &BTreeMap<Sku, Stock>) -> Priced {
    let level = |sku| levels.get(sku).copied().unwrap_or_default();
    let lines: Vec<_> =
        cart.items.iter().map(|item| line(item, products.get(&item.sku), level(&item.sku))).collect();
    let total = sum(&lines);
    Priced { lines, total }
}

fn line(item: &CartItem, product: Option<&Product>, level: Stock) -> PricedLine {
    let unit_price = product.filter(|product| product.active).map(|product| product.price);
    let free = u32::try_from(level.on_hand - level.reserved).unwrap_or(0);
    let quantity_max = if unit_price.is_some() { free.min(QUANTITY_MAX) } else { 0 };
    PricedLine {
        sku: item.sku.clone(),
        name: product.map_or_else(|| item.sku.to_string(), |product| product.name.clone()),
        quantity: item.quantity,
        unit_price,
        line_total: unit_price.and_then(|price| price.times(item.quantity).ok()),
        available: item.quantity <= quantity_max,
        in_stock: quantity_max > 0,
        quantity_max,
    }
}

fn sum(lines: &[PricedLine]) -> Option<Money> {
    let mut for_sale = lines.iter().filter(|line| line.unit_price.is_some()).map(|line| line.line_total);
    let first = for_sale.next()??;
    for_sale.try_fold(first, |sum, next| {
        let next = next.filter(|next| next.currency == sum.currency)?;
        Some(Money::new(sum.amount_minor.checked_add(next.amount_minor)?, sum.currency))
    })
}
