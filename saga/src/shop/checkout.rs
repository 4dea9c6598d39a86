//! Accepting a checkout: the one transaction between a cart and an order that will never be lost.
//!
//! Many requests share one commit. All of them are judged before anything is drawn or written: a request that is refused
//! costs no order number, and leaves nothing behind.

mod refused;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_shared::{
    Address, CartEvent, CartId, CartStatus, Contact, CustomerId, KeySource, Line, Money, OrderId,
    PaymentMethod, Sku,
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub use self::refused::Refused;
pub use crate::shop::accept_policy::{AcceptPolicy, PaymentRoute, UnusableProviders};
pub use crate::shop::cart::{LINES_MAX, QUANTITY_MAX};

use crate::flows;
use crate::ports::{Store, StoreError};
use crate::records::batch_rows::{CartMove, Footprint, World};
use crate::records::context::{Checkout, Context, Origin};
use crate::records::slot;
use crate::records::{Cart, KeyClaim, Order};
use crate::shop::cart::{self, adopt, check_lines, check_quantity, held, own};

/// A request to check a cart out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutRequest {
    /// The caller's key, scoped and digested by [`digest`].
    pub key: Uuid,
    /// The digest of the request's body: the same key with another body is refused.
    pub body: Uuid,
    /// Which cart.
    pub cart: CartId,
    /// Who asks; `None` for a guest. A customer's cart is theirs alone.
    pub customer: Option<CustomerId>,
    /// How they pay.
    pub method: PaymentMethod,
    /// With what, as the provider's token.
    pub token: Option<String>,
    /// How to reach them.
    pub contact: Contact,
    /// Where the goods go.
    pub shipping_address: Address,
    /// What they saw as the total, if they say so.
    pub expected_total: Option<Money>,
    /// What they want the shop to know.
    pub notes: Option<String>,
    /// The ids under which logs know the request.
    pub origin: Origin,
    /// Whether the shop takes new orders now. A request that was accepted before gets its answer either way.
    pub may_place: bool,
}

/// The answer to a request that was accepted, now or before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The order.
    pub order: OrderId,
    /// The order as it was placed by this very commit. `None` when an earlier one did: it was not read.
    pub placed: Option<Arc<Order>>,
    /// Whether this is the answer to an earlier request with the same key.
    pub replayed: bool,
}

/// The digest under which keys and bodies are kept: parts are separated, so `a, bc` is not `ab, c`.
pub fn digest(parts: &[&str]) -> Uuid {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let hash = hasher.finalize();
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// The products of so many carts are read with them, in one round trip. Of more carts each product is named once instead:
/// a database takes longer to look into every cart.
const FEW_CARTS: usize = 8;

/// What is to become of a request.
enum Verdict {
    /// It becomes an order.
    Place(Placement),
    /// It has the key of an earlier one of the batch, and gets its answer.
    Repeat(usize),
    /// An earlier one of the batch takes its cart.
    CartTaken,
    /// It leads to no new order.
    Answer(Result<Accepted, Refused>),
}

/// An order that is to be placed.
struct Placement {
    /// The cart's next status.
    cart: CartStatus,
    lines: Vec<Line>,
    total: Money,
    method: PaymentMethod,
    route: PaymentRoute,
}

/// Accepts many checkouts in one commit; the answers are in the order of the requests.
///
/// An error means that none was accepted by this call; [`StoreError::CommitUnknown`] that nobody
/// knows: the same requests given again find out, by their keys.
pub async fn accept(
    store: &dyn Store,
    policy: &AcceptPolicy,
    requests: &[CheckoutRequest],
) -> Result<Vec<Result<Accepted, Refused>>, StoreError> {
    let keys = store.keys().await?;
    let mut tx = store.begin().await?;
    let mut world = World::default();
    let of_all = |id: fn(&CheckoutRequest) -> Uuid| requests.iter().map(id).collect::<BTreeSet<_>>();
    let footprint = Footprint {
        keys: of_all(|request| request.key).into_iter().collect(),
        carts: of_all(|request| request.cart.0).into_iter().map(CartId).collect(),
        products_of_carts: requests.len() <= FEW_CARTS,
        ..Footprint::default()
    };
    tx.load(&footprint, &mut world).await?;
    if !footprint.products_of_carts {
        let items = world.carts.values().flat_map(|cart| cart.items.iter().map(|item| item.sku.clone()));
        let products = items.collect::<BTreeSet<Sku>>().into_iter().collect();
        tx.load(&Footprint { products, ..Footprint::default() }, &mut world).await?;
    }
    world.writes.at = world.now;

    let verdicts = judge(&world, policy, requests);
    let count = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Place(_))).count();
    let numbers = if count == 0 { Vec::new() } else { tx.draw_order_numbers(count).await? };
    let mut numbers = numbers.into_iter();
    let mut answers: Vec<Result<Accepted, Refused>> = Vec::with_capacity(requests.len());
    for (request, verdict) in requests.iter().zip(verdicts) {
        answers.push(match verdict {
            Verdict::Place(placement) => {
                let too_few = || StoreError::Data(format!("{count} order numbers were drawn, fewer came"));
                let order = numbers.next().ok_or_else(too_few)?;
                place(&mut world, &keys, policy, request, placement, order);
                Ok(Accepted { order, placed: None, replayed: false })
            }
            Verdict::Repeat(first) => repeat(request, &requests[first], &answers[first]),
            Verdict::CartTaken => Err(free_cart(&world, request).err().unwrap_or(Refused::InProgress)),
            Verdict::Answer(answer) => answer,
        });
    }
    if world.writes.is_empty() {
        drop(tx);
    } else {
        tx.save(&world.writes).await?;
    }
    show_placed(&mut answers, world.writes.new_orders);
    Ok(answers)
}

/// Gives every answer the order that this commit placed for it; equal keys share it.
fn show_placed(answers: &mut [Result<Accepted, Refused>], orders: BTreeMap<OrderId, Order>) {
    let orders: BTreeMap<_, _> = orders.into_iter().map(|(id, order)| (id, Arc::new(order))).collect();
    for accepted in answers.iter_mut().flatten() {
        accepted.placed = orders.get(&accepted.order).cloned();
    }
}

/// Judges all requests of a batch, each after those before it.
fn judge(world: &World, policy: &AcceptPolicy, requests: &[CheckoutRequest]) -> Vec<Verdict> {
    let mut placed: BTreeMap<Uuid, usize> = BTreeMap::new();
    let mut taken_carts: BTreeSet<CartId> = BTreeSet::new();
    let mut verdicts = Vec::with_capacity(requests.len());
    for (at, request) in requests.iter().enumerate() {
        let verdict = if let Some(taken) = world.taken.get(&request.key) {
            Verdict::Answer(replay(request, taken.body, taken.order))
        } else if let Some(first) = placed.get(&request.key) {
            Verdict::Repeat(*first)
        } else if taken_carts.contains(&request.cart) {
            Verdict::CartTaken
        } else {
            judge_one(world, policy, request)
                .map_or_else(|refused| Verdict::Answer(Err(refused)), Verdict::Place)
        };
        if matches!(verdict, Verdict::Place(_)) {
            placed.insert(request.key, at);
            taken_carts.insert(request.cart);
        }
        verdicts.push(verdict);
    }
    verdicts
}

/// The answer to a request whose key led to `order` before, with this `body`.
fn replay(request: &CheckoutRequest, body: Uuid, order: OrderId) -> Result<Accepted, Refused> {
    if request.body == body {
        Ok(Accepted { order, placed: None, replayed: true })
    } else {
        Err(Refused::KeyReused { order })
    }
}

/// The answer to a request that shares its key with an earlier one of the same batch, which becomes an order.
fn repeat(
    request: &CheckoutRequest,
    first: &CheckoutRequest,
    answer: &Result<Accepted, Refused>,
) -> Result<Accepted, Refused> {
    answer.clone().and_then(|accepted| replay(request, first.body, accepted.order))
}

/// The request's cart with the status that it gets, if it can be checked out.
fn free_cart<'w>(world: &'w World, request: &CheckoutRequest) -> Result<(&'w Cart, CartStatus), Refused> {
    let cart = own(world, request.cart, request.customer)?;
    let status = cart.status.after(CartEvent::CheckOut).map_err(|_| held(cart))?;
    Ok((cart, status))
}

fn judge_one(world: &World, policy: &AcceptPolicy, request: &CheckoutRequest) -> Result<Placement, Refused> {
    if !request.may_place {
        return Err(Refused::Closed);
    }
    let (cart, status) = free_cart(world, request)?;
    let (lines, total) = price(world, cart)?;
    if let Some(expected) = request.expected_total.filter(|expected| *expected != total) {
        return Err(Refused::CartChanged { total, expected });
    }
    let (method, route) = payment(policy, request, total)?;
    Ok(Placement { cart: status, lines, total, method, route })
}

/// Adds the order with its saga and its key to what will be written, and hands the cart to it.
fn place(
    world: &mut World,
    keys: &KeySource,
    policy: &AcceptPolicy,
    request: &CheckoutRequest,
    placement: Placement,
    order: OrderId,
) {
    let now = world.now;
    let Placement { cart, lines, total, method, route } = placement;
    let within = if method == PaymentMethod::Cod { policy.confirm_within } else { policy.payment_within };
    let definition = flows::checkout(method);
    let context = Checkout {
        cart: request.cart,
        method,
        provider: route.provider,
        opens: route.opens,
        token: request.token.clone().filter(|_| method.is_online()),
        lines: lines.clone(),
        total_minor: total.amount_minor,
        currency: total.currency,
        decide_by: now + within,
        origin: request.origin.clone(),
    };
    let mut saga =
        definition.start(order.saga(slot::CHECKOUT), Context::Checkout(context)).begin(keys.draw(order), now);
    saga.wake_at = Some(now + policy.hint_ahead);
    world.writes.new_sagas.insert(saga.id, saga);
    world.writes.new_orders.insert(
        order,
        Order {
            id: order,
            status: method.first_status(),
            cancel_reason: None,
            method,
            cart: request.cart,
            customer: request.customer,
            contact: request.contact.clone(),
            shipping_address: request.shipping_address.clone(),
            notes: request.notes.clone(),
            lines,
            total,
            accepted_at: now,
            updated_at: now,
        },
    );
    world.writes.keys.push(KeyClaim { key: request.key, body: request.body, order });
    take_cart(world, request, cart, order);
}

/// How `total` is paid. What costs nothing is paid by nobody, whatever the buyer chose (M14).
fn payment(
    policy: &AcceptPolicy,
    request: &CheckoutRequest,
    total: Money,
) -> Result<(PaymentMethod, PaymentRoute), Refused> {
    let method = if total.amount_minor == 0 { PaymentMethod::None } else { request.method };
    if method == PaymentMethod::None && total.amount_minor > 0 {
        return Err(Refused::NotFree(total));
    }
    let route = policy.route(method).ok_or(Refused::MethodUnavailable(method))?;
    let needs_token = method.is_online() && !route.opens;
    if needs_token && request.token.as_deref().unwrap_or_default().is_empty() {
        return Err(Refused::TokenMissing(method));
    }
    if policy.is_unusable(&route) {
        return Err(Refused::MethodDown(method));
    }
    if method.is_online() {
        route.amounts.can_take(total).map_err(|why| Refused::AmountUnfit { method, why })?;
    }
    Ok((method, route))
}

/// Hands the cart to the order. A guest's that a customer checks out is theirs from now on.
fn take_cart(world: &mut World, request: &CheckoutRequest, to: CartStatus, order: OrderId) {
    let Some(cart) = world.carts.get_mut(&request.cart) else { return };
    let from = cart.status;
    // The next request of this batch for the same cart must find it taken.
    (cart.status, cart.order, cart.updated_at) = (to, Some(order), world.now);
    if adopt(cart, request.customer) {
        // Its row is locked and changes in more than its status, so it is written whole.
        world.writes.put_carts.insert(cart.id, cart.clone());
    } else {
        world.writes.carts.insert(cart.id, CartMove { from, to, order });
    }
}

/// The lines and the total, from the server's own prices.
fn price(world: &World, cart: &Cart) -> Result<(Vec<Line>, Money), Refused> {
    if cart.items.is_empty() {
        return Err(Refused::EmptyCart(cart.id));
    }
    check_lines(cart)?;
    let mut lines: BTreeMap<&Sku, Line> = BTreeMap::new();
    let mut total: Option<Money> = None;
    for item in &cart.items {
        check_quantity(item)?;
        let product = world.products.get(&item.sku).filter(|product| product.active);
        let price = product.ok_or_else(|| cart::Refused::NotForSale(item.sku.clone()))?.price;
        let sum = total.unwrap_or(Money::new(0, price.currency));
        if sum.currency != price.currency {
            let (first, second) = (sum.currency, price.currency);
            return Err(cart::Refused::MixedCurrencies { first, second }.into());
        }
        let too_large = || Refused::TotalTooLarge(cart.id);
        let line_total = price.times(item.quantity).map_err(|_| too_large())?.amount_minor;
        let amount = sum.amount_minor.checked_add(line_total).ok_or_else(too_large)?;
        total = Some(Money::new(amount, sum.currency));
        let line =
            Line { sku: item.sku.clone(), quantity: item.quantity, unit_price_minor: price.amount_minor };
        if lines.insert(&item.sku, line).is_some() {
            return Err(Refused::DuplicateLine(item.sku.clone()));
        }
    }
    let total = total.ok_or(Refused::EmptyCart(cart.id))?;
    Ok((lines.into_values().collect(), total))
}
