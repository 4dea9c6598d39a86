//! A guest signs in: what they put into their cart comes with them.

use holdfast_shared::{CartId, CartStatus, CustomerId};

use super::edit::{
    Refused, adopt, check_currency, check_lines, check_quantity, editable, keep, locked, own, read_products,
};
use crate::ports::{Store, StoreError};
use crate::records::batch_rows::World;
use crate::records::{Cart, CartItem};

/// Moves what is in `guest` into the customer's open cart, forgets `guest`, and returns the customer's.
///
/// Quantities of one SKU add up. Without an open cart the guest's becomes theirs; one that is theirs
/// already is returned as it is. Refused, it changes nothing in either cart.
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
    keep(tx, world, theirs).await.map(Ok)
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
