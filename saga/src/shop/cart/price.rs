//! What a cart costs now, for people to look at. What they pay is settled at the checkout.

use std::collections::BTreeMap;

use holdfast_shared::{Money, Sku};

use crate::records::{Cart, CartItem, Product};

/// A cart with the catalogue's prices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priced {
    /// Its lines, in the order they were put in.
    pub lines: Vec<PricedLine>,
    /// What the available lines cost. `None` when there are none, or when they have no sum: in two
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
    /// Whether it is for sale.
    pub available: bool,
}

/// Prices `cart`, by what the catalogue says in `products`.
pub fn priced(cart: &Cart, products: &BTreeMap<Sku, Product>) -> Priced {
    let lines: Vec<_> = cart.items.iter().map(|item| line(item, products.get(&item.sku))).collect();
    let total = sum(&lines);
    Priced { lines, total }
}

fn line(item: &CartItem, product: Option<&Product>) -> PricedLine {
    let unit_price = product.filter(|product| product.active).map(|product| product.price);
    PricedLine {
        sku: item.sku.clone(),
        name: product.map_or_else(|| item.sku.to_string(), |product| product.name.clone()),
        quantity: item.quantity,
        unit_price,
        line_total: unit_price.and_then(|price| price.times(item.quantity).ok()),
        available: unit_price.is_some(),
    }
}

fn sum(lines: &[PricedLine]) -> Option<Money> {
    let mut available = lines.iter().filter(|line| line.available).map(|line| line.line_total);
    let first = available.next()??;
    available.try_fold(first, |sum, next| {
        let next = next.filter(|next| next.currency == sum.currency)?;
        Some(Money::new(sum.amount_minor.checked_add(next.amount_minor)?, sum.currency))
    })
}
