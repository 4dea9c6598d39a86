//! Opening the shop and letting the buyers in.

use std::collections::BTreeMap;

use anyhow::Context as _;
use holdfast_saga::accept::{CheckoutRequest, digest};
use holdfast_saga::rows::{AdminAction, Cart, StockAdjustment, StockMove};
use holdfast_saga::world::{Footprint, World};
use holdfast_shared::{Address, CartId, CartStatus, Contact, Ids, OrderId, SystemIds, Time};
use indicatif::ProgressBar;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::actors::Cast;
use super::mix::{Fate, Program, Wish};
use super::stage::Stage;

/// Carts written in one commit.
const CARTS_AT_ONCE: usize = 500;
/// Buyers at the till at once.
const BUYERS: usize = 64;

/// Puts the products on the shelf, on top of what is there already.
pub(crate) async fn open(stage: &Stage, program: &Program) -> anyhow::Result<()> {
    let mut tx = stage.store().begin().await?;
    let mut world = World::default();
    // Nothing is read, only what time it is.
    tx.load(&Footprint::default(), &mut world).await?;
    let at = world.now;
    world.writes.at = at;
    for (product, pieces) in &program.shelf {
        *world.writes.stock.entry(product.sku.clone()).or_default() +=
            StockMove { on_hand: *pieces, reserved: 0 };
        world.writes.put_products.insert(product.sku.clone(), product.clone());
        world.writes.adjustments.push(StockAdjustment {
            sku: product.sku.clone(),
            delta: *pieces,
            reason: "demo: opening stock".to_owned(),
            actor: "demo".to_owned(),
            at,
        });
    }
    world.writes.admin_actions.push(AdminAction {
        at,
        actor: "demo".to_owned(),
        action: "stock.open".to_owned(),
        subject: format!("{} SKUs", program.shelf.len()),
        detail: "a demo stocked its shelf".to_owned(),
    });
    tx.save(&world.writes).await.context("stocking the shelf")
}

/// Requests that are under way.
type Buying = JoinSet<anyhow::Result<(OrderId, Fate)>>;

/// Submits every wish, and returns who has a part to play in what follows.
pub(crate) async fn submit(stage: &Stage, program: Program, bar: &ProgressBar) -> anyhow::Result<Cast> {
    let mut buying = Buying::new();
    // Another run of the same program is another set of requests.
    let run = Uuid::now_v7().to_string();
    let mut cast = Cast::new();
    let mut number = 0;
    for wishes in program.wishes.chunks(CARTS_AT_ONCE) {
        for (cart, wish) in fill_carts(stage, wishes).await?.into_iter().zip(wishes) {
            while buying.len() >= BUYERS {
                take(&mut cast, &mut buying, bar).await?;
            }
            number += 1;
            let request = request(&run, number, cart, wish);
            let acceptor =
                if wish.fate.is_left_alone() { stage.hasty.clone() } else { stage.acceptor.clone() };
            let (fate, twice) = (wish.fate, wish.twice);
            buying.spawn(async move {
                let again = async { if twice { Some(acceptor.accept(request.clone()).await) } else { None } };
                let (first, again) = tokio::join!(acceptor.accept(request.clone()), again);
                let first = first?.context("a demo order was refused")?;
                if let Some(again) = again {
                    let again = again?.context("a repeated request was refused")?;
                    anyhow::ensure!(first.order == again.order, "one key led to two orders");
                }
                Ok((first.order, fate))
            });
        }
        cast.act(stage).await?;
    }
    while !buying.is_empty() {
        take(&mut cast, &mut buying, bar).await?;
    }
    Ok(cast)
}

async fn take(cast: &mut Cast, buying: &mut Buying, bar: &ProgressBar) -> anyhow::Result<()> {
    let Some(bought) = buying.join_next().await else { return Ok(()) };
    let (order, fate) = bought??;
    cast.add(order, fate);
    bar.inc(1);
    Ok(())
}

async fn fill_carts(stage: &Stage, wishes: &[Wish]) -> anyhow::Result<Vec<CartId>> {
    let mut tx = stage.store().begin().await?;
    let mut world = World::default();
    tx.load(&Footprint::default(), &mut world).await?;
    world.writes.at = world.now;
    let cart = |wish: &Wish| cart(wish, world.now);
    let carts: Vec<Cart> = wishes.iter().map(cart).collect();
    let ids = carts.iter().map(|cart| cart.id).collect();
    world.writes.put_carts = carts.into_iter().map(|cart| (cart.id, cart)).collect::<BTreeMap<_, _>>();
    tx.save(&world.writes).await.context("filling carts")?;
    Ok(ids)
}

fn cart(wish: &Wish, now: Time) -> Cart {
    Cart {
        id: SystemIds.cart(now),
        owner: wish.customer.clone(),
        status: CartStatus::Open,
        order: None,
        items: wish.items.clone(),
        updated_at: now,
    }
}

fn request(run: &str, number: usize, cart: CartId, wish: &Wish) -> CheckoutRequest {
    let number = number.to_string();
    CheckoutRequest {
        key: digest(&["demo", run, &number]),
        body: digest(&[&cart.to_string()]),
        cart,
        customer: wish.customer.clone(),
        method: wish.method,
        token: wish.token.clone(),
        contact: Contact { email: format!("buyer-{number}@example.com"), phone: None },
        shipping_address: Address {
            name: "A. Buyer".to_owned(),
            line1: "1 High Street".to_owned(),
            line2: None,
            city: "Springfield".to_owned(),
            region: None,
            postal_code: "12345".to_owned(),
            country: "US".to_owned(),
        },
        expected_total: None,
        notes: Some(wish.fate.note()),
    }
}
