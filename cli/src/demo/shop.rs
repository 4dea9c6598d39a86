//! Opening the shop and letting the buyers in.

use std::collections::BTreeMap;

use anyhow::Context as _;
use holdfast_api::body::checkout::CheckoutBody;
use holdfast_saga::records::batch_rows::{Footprint, World};
use holdfast_saga::records::{AdminAction, Cart, StockAdjustment, StockMove};
use holdfast_shared::{CartId, CartStatus, Ids, OrderId, SystemIds, Time};
use indicatif::ProgressBar;
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::actors::{Cast, Part};
use super::mix::{Program, Wish};
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
        order: None,
    });
    tx.save(&world.writes).await.context("stocking the shelf")
}

/// Requests that are under way.
type Buying = JoinSet<anyhow::Result<(OrderId, Part)>>;

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
            let (key, body) = (format!("demo-{run}-{number}"), request(number, cart, wish)?);
            let client = if wish.fate.is_left_alone() { stage.hasty.clone() } else { stage.usual.clone() };
            let (fate, twice, customer) = (wish.fate, wish.twice, wish.customer.clone());
            buying.spawn(async move {
                let ask = || client.check_out(customer.as_deref(), &key, &body);
                let again = async { if twice { Some(ask().await) } else { None } };
                let (first, again) = tokio::join!(ask(), again);
                let first = first?;
                if let Some(again) = again {
                    anyhow::ensure!(first == again?, "one key led to two answers");
                }
                let part = Part { id: first.id, fate, customer, order_token: first.order_token };
                Ok((OrderId::new(first.number), part))
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
    let (order, part) = bought??;
    cast.add(order, part);
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

fn request(number: usize, cart: CartId, wish: &Wish) -> anyhow::Result<CheckoutBody> {
    let mut payment = json!({"method": wish.method});
    if let Some(token) = &wish.token {
        payment["token"] = json!(token);
    }
    let body = json!({
        "cart_id": cart,
        "payment": payment,
        "contact": {"email": format!("buyer-{number}@example.com")},
        "shipping_address": {
            "name": "A. Buyer", "line1": "1 High Street", "city": "Springfield", "postal_code": "12345", "country": "US"
        },
        "notes": wish.fate.note(),
    });
    serde_json::from_value(body).context("a demo order cannot be asked for")
}
