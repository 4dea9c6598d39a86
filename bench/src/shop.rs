//! A shop to measure in: stocked shelves, one filled cart an order, and what a buyer tells.

use std::collections::BTreeMap;

use anyhow::Result;
use holdfast_saga::ports::Store;
use holdfast_saga::rows::{Cart, CartItem, Product, StockAdjustment, StockMove};
use holdfast_saga::world::World;
use holdfast_shared::{Address, CartId, CartStatus, Currency, Money, Sku, Time};
use uuid::Uuid;

/// More than all rounds can sell.
const ON_HAND: i64 = 10_000_000;
/// Carts written in one statement.
const SEED_BATCH: usize = 2_000;

/// What a shop has and what lies in its carts.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Goods {
    /// SKUs the orders are spread over; a stock row is written once a batch, however many orders share it
    #[arg(long, default_value_t = 200)]
    pub(crate) skus: usize,
    /// Lines in an order
    #[arg(long, default_value_t = 2)]
    pub(crate) lines: usize,
}

/// Stocks the shop and fills one cart an order; returns the carts.
pub(crate) async fn seed(store: &dyn Store, orders: usize, goods: Goods) -> Result<Vec<CartId>> {
    let now = Time::system_now();
    let mut world = World::default();
    world.writes.at = now;
    for number in 0..goods.skus {
        let sku = sku(number)?;
        let price = Money::new(1_000 + i64::try_from(number)?, Currency::EUR);
        let product = Product { sku: sku.clone(), name: format!("Product {number}"), price, active: true };
        world.writes.put_products.insert(sku.clone(), product);
        world.writes.stock.insert(sku.clone(), StockMove { on_hand: ON_HAND, reserved: 0 });
        world.writes.adjustments.push(StockAdjustment {
            sku,
            delta: ON_HAND,
            reason: "opening stock".to_owned(),
            actor: "bench".to_owned(),
            at: now,
        });
    }
    store.begin().await?.save(&world.writes).await?;

    let mut ids = Vec::with_capacity(orders);
    for start in (0..orders).step_by(SEED_BATCH) {
        let mut world = World::default();
        world.writes.at = now;
        world.writes.put_carts = (start..orders.min(start + SEED_BATCH))
            .map(|order| filled_cart(order, goods, now))
            .collect::<Result<BTreeMap<_, _>>>()?;
        ids.extend(world.writes.put_carts.keys().copied());
        store.begin().await?.save(&world.writes).await?;
    }
    Ok(ids)
}

/// A cart of different SKUs, spread so that neighbouring orders share few of them.
fn filled_cart(order: usize, goods: Goods, now: Time) -> Result<(CartId, Cart)> {
    let id = CartId(Uuid::now_v7());
    let items = (0..goods.lines)
        .map(|line| Ok(CartItem { sku: sku((order * 7_919 + line * 104_729) % goods.skus)?, quantity: 1 }))
        .collect::<Result<Vec<_>>>()?;
    let cart = Cart { id, owner: None, status: CartStatus::Open, order: None, items, updated_at: now };
    Ok((id, cart))
}

/// Names have a suffix, so that hot rows are as long as those of a real shop.
fn sku(number: usize) -> Result<Sku> {
    Ok(format!("sku-{number:06}").parse()?)
}

/// Where all of it goes.
pub(crate) fn address() -> Address {
    Address {
        name: "A. Buyer".to_owned(),
        line1: "1 High Street".to_owned(),
        line2: None,
        city: "Springfield".to_owned(),
        region: None,
        postal_code: "12345".to_owned(),
        country: "US".to_owned(),
    }
}
