//! A shop to measure in: stocked shelves, one filled cart an order, and what a buyer sends.

use anyhow::{Result, ensure};
use holdfast_saga::ports::Store;
use holdfast_saga::records::batch_rows::World;
use holdfast_saga::records::context::Origin;
use holdfast_saga::records::{Cart, CartItem, Product, StockAdjustment, StockMove};
use holdfast_saga::shop::checkout::{CheckoutRequest, digest};
use holdfast_sandbox::Token;
use holdfast_shared::{Address, CartId, CartStatus, Contact, Currency, Money, PaymentMethod, Sku, Time};
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
    stock(store, &goods.shelf()?).await?;
    let baskets = (0..orders).map(|order| goods.basket(order)).collect::<Result<Vec<_>>>()?;
    fill(store, baskets).await
}

impl Goods {
    /// Everything there is, in numbers that nobody buys up.
    pub(crate) fn shelf(self) -> Result<Vec<(Sku, i64)>> {
        ensure!(self.lines <= self.skus, "an order of {} lines needs as many SKUs", self.lines);
        (0..self.skus).map(|number| Ok((sku(number)?, ON_HAND))).collect()
    }

    /// Different SKUs, spread so that neighbouring orders share few of them.
    pub(crate) fn basket(self, order: usize) -> Result<Vec<CartItem>> {
        (0..self.lines)
            .map(|line| Ok(CartItem { sku: sku((order * 7_919 + line * 104_729) % self.skus)?, quantity: 1 }))
            .collect()
    }
}

/// Adds so many pieces of each to what the shop has.
pub(crate) async fn stock(store: &dyn Store, shelf: &[(Sku, i64)]) -> Result<()> {
    let now = Time::system_now();
    let mut world = World::default();
    world.writes.at = now;
    for (number, (sku, pieces)) in (0..).zip(shelf) {
        let price = Money::new(1_000 + number, Currency::EUR);
        let product = Product { sku: sku.clone(), name: format!("Product {number}"), price, active: true };
        world.writes.put_products.insert(sku.clone(), product);
        world.writes.stock.insert(sku.clone(), StockMove { on_hand: *pieces, reserved: 0 });
        world.writes.adjustments.push(StockAdjustment {
            sku: sku.clone(),
            delta: *pieces,
            reason: "opening stock".to_owned(),
            actor: "bench".to_owned(),
            at: now,
        });
    }
    Ok(store.begin().await?.save(&world.writes).await?)
}

/// Fills a cart with each basket; returns the carts, in the order of the baskets.
pub(crate) async fn fill(store: &dyn Store, baskets: Vec<Vec<CartItem>>) -> Result<Vec<CartId>> {
    let now = Time::system_now();
    let mut ids = Vec::with_capacity(baskets.len());
    let mut baskets = baskets.into_iter();
    loop {
        let mut world = World::default();
        world.writes.at = now;
        for items in baskets.by_ref().take(SEED_BATCH) {
            let id = CartId(Uuid::now_v7());
            let cart =
                Cart { id, owner: None, status: CartStatus::Open, order: None, items, updated_at: now };
            world.writes.put_carts.insert(id, cart);
            ids.push(id);
        }
        if world.writes.put_carts.is_empty() {
            return Ok(ids);
        }
        store.begin().await?.save(&world.writes).await?;
    }
}

/// Names have a suffix, so that hot rows are as long as those of a real shop.
fn sku(number: usize) -> Result<Sku> {
    Ok(format!("sku-{number:06}").parse()?)
}

/// What a guest asks for who checks `cart` out: the same each time it is asked.
pub(crate) fn checkout(cart: CartId, method: Method) -> CheckoutRequest {
    let id = cart.to_string();
    let (method, token) = match method {
        Method::Card(token) => (PaymentMethod::Card, Some(token.as_str().to_owned())),
        Method::Cod => (PaymentMethod::Cod, None),
    };
    CheckoutRequest {
        key: digest(&["bench", &id]),
        body: digest(&[&id]),
        cart,
        customer: None,
        method,
        token,
        contact: contact(),
        shipping_address: address(),
        expected_total: None,
        notes: None,
        origin: Origin::default(),
        may_place: true,
    }
}

/// Who buys all of it.
pub(crate) fn contact() -> Contact {
    Contact { email: "buyer@example.com".to_owned(), phone: None }
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

/// How a buyer pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// By a card of the sandbox's, which behaves as its token says.
    Card(Token),
    /// Waits until an admin confirms.
    Cod,
}
