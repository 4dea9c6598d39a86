//! A guest signs in: what they put into their cart comes with them.

use holdfast_shared::{CartId, CartStatus, CustomerId};

use super::edit::{
    Refused, adopt, check_currency, check_lines, check_quantity, editable, keep, locked, own, read_products,
};
use crate::ports::{Store, StoreError, Tx};
use crate::records::batch_rows::{Footprint, World};
use crate::records::context::Dedupe;
use crate::records::{Cart, CartItem};

/// Moves what is in `guest` into the customer's open cart, forgets `guest`, and returns the customer's.
///
/// Quantities of one SKU add up. Asked again after the merge, for the answer that was lost, it returns the customer's cart
/// as it is. Without an open cart the guest's becomes theirs; one that is theirs already is returned as it is. Refused, it
/// changes nothing in either cart.
pub async fn merge(
    store: &dyn Store,
    guest: CartId,
    customer: CustomerId,
) -> Result<Result<Cart, Refused>, StoreError> {
    // Read before the locks, judged again under them: a checkout may have taken the cart meanwhile.
    let theirs = store.open_cart_of(customer).await?;
    let mut carts: Vec<CartId> = [guest].into_iter().chain(theirs).collect();
    carts.sort_unstable();
    carts.dedup();
    let (mut tx, mut world) = locked(store, carts).await?;
    if !world.carts.contains_key(&guest)
        && let Some(cart) = merged_before(&mut *tx, &mut world, guest, customer).await?
    {
        return Ok(Ok(cart));
    }
    let brought = match brought(&world, guest, customer) {
        Ok(cart) => cart.clone(),
        Err(refused) => return Ok(Err(refused)),
    };
    if brought.owner.is_some() {
        return Ok(Ok(brought));
    }
    let Some(mut theirs) = theirs.and_then(|id| still_open(&world, id, customer)).cloned() else {
        let mut adopted = brought;
        adopt(&mut adopted, Some(customer));
        return keep(tx, world, adopted).await.map(Ok);
    };
    read_products(&mut *tx, &mut world, None).await?;
    if let Err(refused) = add(&world, &mut theirs, brought.items) {
        return Ok(Err(refused));
    }
    world.writes.discarded_carts.insert(guest);
    // The id of a cart is given once, so it is a key of its own.
    world.writes.request_keys.push(Dedupe { key: guest.0, body: theirs.id.0 });
    keep(tx, world, theirs).await.map(Ok)
}

/// The customer's cart that has what was in `guest`, which is gone.
async fn merged_before(
    tx: &mut dyn Tx,
    world: &mut World,
    guest: CartId,
    customer: CustomerId,
) -> Result<Option<Cart>, StoreError> {
    let request_keys = vec![guest.0];
    tx.load(&Footprint { request_keys, ..Footprint::default() }, world).await?;
    let Some(theirs) = world.request_keys.get(&guest.0).copied().map(CartId) else { return Ok(None) };
    tx.load(&Footprint { carts: vec![theirs], ..Footprint::default() }, world).await?;
    Ok(own(world, theirs, Some(customer)).ok().filter(|cart| cart.owner == Some(customer)).cloned())
}

/// The guest's cart if it may be moved, or one that is the customer's already, wherever it stands.
fn brought(world: &World, guest: CartId, customer: CustomerId) -> Result<&Cart, Refused> {
    let cart = own(world, guest, Some(customer))?;
    if cart.owner.is_some() { Ok(cart) } else { editable(world, guest, Some(customer)) }
}

fn still_open(world: &World, id: CartId, customer: CustomerId) -> Option<&Cart> {
    let cart = world.carts.get(&id)?;
    (cart.status == CartStatus::Open && cart.owner == Some(customer)).then_some(cart)
}

fn add(world: &World, cart: &mut Cart, items: Vec<CartItem>) -> Result<(), Refused> {
    for item in items {
        match cart.items.iter_mut().find(|there| there.sku == item.sku) {
            Some(there) => {
                there.quantity = there.quantity.saturating_add(item.quantity);
                check_quantity(there)?;
            }
            None => cart.items.push(item),
        }
    }
    check_lines(cart)?;
    check_currency(world, cart)
}
