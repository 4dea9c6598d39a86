//! Stocking the shop and sending the checkouts.

use std::collections::BTreeMap;

use anyhow::Context as _;
use holdfast_api::auth::TokenSettings;
use holdfast_saga::records::batch_rows::{Footprint, World};
use holdfast_saga::records::{AdminAction, Cart, Identity, StockAdjustment, StockMove};
use holdfast_shared::{CartId, CartStatus, CustomerId, Ids, OrderId, SystemIds, Time};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::actors::{Actors, Task};
use super::mix::{PlannedOrder, Workload};
use super::stage::Stage;

/// Carts in one commit.
const CARTS_BATCH: usize = 500;
const CONCURRENT_CHECKOUTS: usize = 64;

/// Adds the products, and their pieces to the stock there is.
pub(crate) async fn stock(stage: &Stage, workload: &Workload) -> anyhow::Result<()> {
    let mut tx = stage.store().begin().await?;
    let mut world = World::default();
    // Only the current time is read.
    tx.load(&Footprint::default(), &mut world).await?;
    let at = world.now;
    world.writes.at = at;
    for (product, pieces) in &workload.products {
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
        subject: format!("{} SKUs", workload.products.len()),
        detail: "a demo stocked its products".to_owned(),
        order: None,
    });
    tx.save(&world.writes).await.context("stocking the products")
}

/// The checkouts in flight.
type Checkouts = JoinSet<anyhow::Result<(OrderId, Task)>>;

/// Sends all checkouts, and returns the actors with what they have to do.
pub(crate) async fn submit(stage: &Stage, workload: Workload, bar: &ProgressBar) -> anyhow::Result<Actors> {
    let mut checkouts = Checkouts::new();
    // Another run of the same workload has other idempotency keys.
    let run = Uuid::now_v7().to_string();
    let mut actors = Actors::new();
    let mut number = 0;
    for orders in workload.orders.chunks(CARTS_BATCH) {
        for (cart, order) in fill_carts(stage, orders).await?.into_iter().zip(orders) {
            while checkouts.len() >= CONCURRENT_CHECKOUTS {
                finish_one(&mut actors, &mut checkouts, bar).await?;
            }
            number += 1;
            let (key, body) = (format!("demo-{run}-{number}"), request(number, cart, order));
            let client =
                if order.fate.is_left_alone() { stage.expiring.clone() } else { stage.usual.clone() };
            let (fate, twice, customer) = (order.fate, order.twice, order.customer.clone());
            checkouts.spawn(async move {
                let send = || client.check_out(customer.as_deref(), &key, &body);
                let again = async { if twice { Some(send().await) } else { None } };
                let (first, again) = tokio::join!(send(), again);
                let first = first?;
                if let Some(again) = again {
                    anyhow::ensure!(first == again?, "one key led to two answers");
                }
                let task = Task { id: first.order.id, fate, customer, order_token: first.order_token };
                Ok((first.order.number, task))
            });
        }
        actors.act(stage).await?;
    }
    while !checkouts.is_empty() {
        finish_one(&mut actors, &mut checkouts, bar).await?;
    }
    Ok(actors)
}

async fn finish_one(actors: &mut Actors, checkouts: &mut Checkouts, bar: &ProgressBar) -> anyhow::Result<()> {
    let Some(finished) = checkouts.join_next().await else { return Ok(()) };
    let (order, task) = finished??;
    actors.add(order, task);
    bar.inc(1);
    Ok(())
}

async fn fill_carts(stage: &Stage, orders: &[PlannedOrder]) -> anyhow::Result<Vec<CartId>> {
    let mut owners = Vec::new();
    for order in orders {
        owners.push(match &order.customer {
            Some(name) => Some(customer(stage, name).await?),
            None => None,
        });
    }
    let mut tx = stage.store().begin().await?;
    let mut world = World::default();
    tx.load(&Footprint::default(), &mut world).await?;
    world.writes.at = world.now;
    let carts: Vec<Cart> =
        orders.iter().zip(owners).map(|(order, owner)| cart(order, owner, world.now)).collect();
    let ids = carts.iter().map(|cart| cart.id).collect();
    world.writes.put_carts = carts.into_iter().map(|cart| (cart.id, cart)).collect::<BTreeMap<_, _>>();
    tx.save(&world.writes).await.context("filling carts")?;
    Ok(ids)
}

async fn customer(stage: &Stage, name: &str) -> anyhow::Result<CustomerId> {
    let identity = Identity { issuer: TokenSettings::default().issuer, sub: name.to_owned() };
    Ok(stage.store().customer(&identity, CustomerId::random()).await?)
}

fn cart(order: &PlannedOrder, owner: Option<CustomerId>, now: Time) -> Cart {
    Cart {
        id: SystemIds.cart(now),
        owner,
        status: CartStatus::Open,
        order: None,
        items: order.items.clone(),
        updated_at: now,
    }
}

fn request(number: usize, cart: CartId, order: &PlannedOrder) -> Value {
    let mut payment = json!({"method": order.method});
    if let Some(token) = &order.token {
        payment["token"] = json!(token);
    }
    json!({
        "cart_id": cart,
        "payment": payment,
        "contact": {"email": format!("buyer-{number}@example.com")},
        "shipping_address": {
            "name": "A. Buyer", "line1": "1 High Street", "city": "Springfield", "postal_code": "12345", "country": "US"
        },
        "notes": order.fate.note(),
    })
}
