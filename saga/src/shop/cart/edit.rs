//! Opening, filling and giving up a cart, and every reason why it cannot be done.

use std::collections::BTreeSet;

use holdfast_shared::{CartId, CartStatus, Currency, CustomerId, Ids, OrderId, Sku};

use crate::ports::{Store, StoreError, Tx};
use crate::records::batch_rows::{Footprint, World};
use crate::records::{Cart, CartItem};

/// More of one line is a typing error, or somebody testing us.
pub const QUANTITY_MAX: u32 = 10_000;

/// More lines do not fit on one screen, nor into one saga.
pub const LINES_MAX: usize = 200;

/// Why a cart cannot be changed, or checked out, as it is. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No such cart, or somebody else's.
    #[error("cart {0} does not exist; create one and add items to it")]
    UnknownCart(CartId),
    /// A checkout holds it.
    #[error(
        "cart {cart} is in checkout as order {order}; wait for that order to settle, or use another cart"
    )]
    CartInCheckout {
        /// The cart.
        cart: CartId,
        /// The order that holds it.
        order: OrderId,
    },
    /// Its order was confirmed.
    #[error("cart {cart} was bought as order {order}; create a new cart")]
    CartCleared {
        /// The cart.
        cart: CartId,
        /// Its order.
        order: OrderId,
    },
    /// More lines than an order may have.
    #[error("cart {cart} has {lines} lines, an order may have {LINES_MAX}; split it")]
    TooManyLines {
        /// The cart.
        cart: CartId,
        /// The number of lines.
        lines: usize,
    },
    /// A quantity no order may have.
    #[error("{quantity} of {sku}: a quantity from 1 to {QUANTITY_MAX} is expected")]
    Quantity {
        /// The product.
        sku: Sku,
        /// The number of pieces.
        quantity: u32,
    },
    /// No such product, or withdrawn.
    #[error("{0} is not for sale; remove it from the cart")]
    NotForSale(Sku),
    /// Two currencies in one order.
    #[error("the cart mixes {first} and {second}; an order has one currency, so check them out apart")]
    MixedCurrencies {
        /// One.
        first: Currency,
        /// The other.
        second: Currency,
    },
}

impl Refused {
    /// The stable code of the problem document.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownCart(_) => "cart_not_found",
            Self::CartInCheckout { .. } => "cart_in_checkout",
            Self::CartCleared { .. } => "cart_cleared",
            Self::TooManyLines { .. } => "too_many_lines",
            Self::Quantity { .. } => "invalid_quantity",
            Self::NotForSale(_) => "not_for_sale",
            Self::MixedCurrencies { .. } => "mixed_currencies",
        }
    }
}

/// Whether `who` may know of the cart: a customer's is theirs alone.
pub fn visible(cart: &Cart, who: Option<CustomerId>) -> bool {
    cart.owner.is_none() || cart.owner == who
}

/// Opens an empty cart.
pub async fn open(store: &dyn Store, ids: &dyn Ids, owner: Option<CustomerId>) -> Result<Cart, StoreError> {
    let (tx, mut world) = locked(store, vec![]).await?;
    let cart = Cart {
        id: ids.cart(world.now),
        owner,
        status: CartStatus::Open,
        order: None,
        items: Vec::new(),
        updated_at: world.now,
    };
    world.writes.put_carts.insert(cart.id, cart.clone());
    tx.save(&world.writes).await?;
    Ok(cart)
}

/// Puts `item` into the cart: its quantity replaces the one that is there.
pub async fn put_item(
    store: &dyn Store,
    cart: CartId,
    who: Option<CustomerId>,
    item: CartItem,
) -> Result<Result<Cart, Refused>, StoreError> {
    let (mut tx, mut world) = locked(store, vec![cart]).await?;
    let mut cart = match editable(&world, cart, who) {
        Ok(cart) => cart.clone(),
        Err(refused) => return Ok(Err(refused)),
    };
    read_products(&mut *tx, &mut world, Some(&item.sku)).await?;
    if let Err(refused) = put(&world, &mut cart, item) {
        return Ok(Err(refused));
    }
    adopt(&mut cart, who);
    keep(tx, world, cart).await.map(Ok)
}

/// Takes `sku` out of the cart. One that is not in it is out already.
pub async fn remove_item(
    store: &dyn Store,
    cart: CartId,
    who: Option<CustomerId>,
    sku: &Sku,
) -> Result<Result<Cart, Refused>, StoreError> {
    let (tx, world) = locked(store, vec![cart]).await?;
    let before = match editable(&world, cart, who) {
        Ok(cart) => cart,
        Err(refused) => return Ok(Err(refused)),
    };
    let mut cart = before.clone();
    cart.items.retain(|item| item.sku != *sku);
    adopt(&mut cart, who);
    if cart == *before {
        return Ok(Ok(cart));
    }
    keep(tx, world, cart).await.map(Ok)
}

/// Forgets an open cart. One that an order came from stays: it is part of that order's history.
pub async fn discard(
    store: &dyn Store,
    cart: CartId,
    who: Option<CustomerId>,
) -> Result<Result<(), Refused>, StoreError> {
    let (tx, mut world) = locked(store, vec![cart]).await?;
    if let Err(refused) = editable(&world, cart, who) {
        return Ok(Err(refused));
    }
    world.writes.discarded_carts.insert(cart);
    tx.save(&world.writes).await.map(Ok)
}

/// The cart, if it exists as far as `who` may know.
pub(crate) fn own(world: &World, id: CartId, who: Option<CustomerId>) -> Result<&Cart, Refused> {
    world.carts.get(&id).filter(|cart| visible(cart, who)).ok_or(Refused::UnknownCart(id))
}

/// Why a cart that is not open cannot be used.
pub(crate) fn held(cart: &Cart) -> Refused {
    match (cart.status, cart.order) {
        (CartStatus::Cleared, Some(order)) => Refused::CartCleared { cart: cart.id, order },
        (CartStatus::InCheckout, Some(order)) => Refused::CartInCheckout { cart: cart.id, order },
        // The schema ties the order to the status; a cart without it is as good as none.
        (CartStatus::Open | CartStatus::InCheckout | CartStatus::Cleared, _) => Refused::UnknownCart(cart.id),
    }
}

/// Gives a guest's cart to the customer who uses it, and says whether it did.
pub(crate) fn adopt(cart: &mut Cart, who: Option<CustomerId>) -> bool {
    let adopts = cart.owner.is_none() && who.is_some();
    if adopts {
        cart.owner = who;
    }
    adopts
}

/// A quantity that an order may have.
pub(crate) fn check_quantity(item: &CartItem) -> Result<(), Refused> {
    if (1..=QUANTITY_MAX).contains(&item.quantity) {
        return Ok(());
    }
    Err(Refused::Quantity { sku: item.sku.clone(), quantity: item.quantity })
}

/// As many lines as an order may have.
pub(crate) fn check_lines(cart: &Cart) -> Result<(), Refused> {
    if cart.items.len() <= LINES_MAX {
        return Ok(());
    }
    Err(Refused::TooManyLines { cart: cart.id, lines: cart.items.len() })
}

pub(super) async fn locked(
    store: &dyn Store,
    carts: Vec<CartId>,
) -> Result<(Box<dyn Tx>, World), StoreError> {
    let mut tx = store.begin().await?;
    let mut world = World::default();
    tx.load(&Footprint { carts, ..Footprint::default() }, &mut world).await?;
    world.writes.at = world.now;
    Ok((tx, world))
}

/// Reads the products in the carts of `world`, and one that is not in them yet.
pub(super) async fn read_products(
    tx: &mut dyn Tx,
    world: &mut World,
    other: Option<&Sku>,
) -> Result<(), StoreError> {
    let in_carts = world.carts.values().flat_map(|cart| cart.items.iter().map(|item| &item.sku));
    let products: BTreeSet<Sku> = in_carts.chain(other).cloned().collect();
    let products = products.into_iter().collect();
    tx.load(&Footprint { products, ..Footprint::default() }, world).await
}

pub(super) fn editable(world: &World, id: CartId, who: Option<CustomerId>) -> Result<&Cart, Refused> {
    let cart = own(world, id, who)?;
    if cart.status == CartStatus::Open { Ok(cart) } else { Err(held(cart)) }
}

fn put(world: &World, cart: &mut Cart, item: CartItem) -> Result<(), Refused> {
    check_quantity(&item)?;
    if !world.products.get(&item.sku).is_some_and(|product| product.active) {
        return Err(Refused::NotForSale(item.sku));
    }
    match cart.items.iter_mut().find(|there| there.sku == item.sku) {
        Some(there) => there.quantity = item.quantity,
        None => cart.items.push(item),
    }
    check_lines(cart)?;
    check_currency(world, cart)
}

/// One currency, as far as the catalogue knows what is in the cart. What it does not know has no price.
pub(super) fn check_currency(world: &World, cart: &Cart) -> Result<(), Refused> {
    let known = cart.items.iter().filter_map(|item| world.products.get(&item.sku));
    let mut currencies = known.map(|product| product.price.currency);
    let Some(first) = currencies.next() else { return Ok(()) };
    match currencies.find(|currency| *currency != first) {
        None => Ok(()),
        Some(second) => Err(Refused::MixedCurrencies { first, second }),
    }
}

pub(super) async fn keep(tx: Box<dyn Tx>, mut world: World, cart: Cart) -> Result<Cart, StoreError> {
    let cart = Cart { updated_at: world.now, ..cart };
    world.writes.put_carts.insert(cart.id, cart.clone());
    tx.save(&world.writes).await?;
    Ok(cart)
}
