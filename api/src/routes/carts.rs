//! Carts. Whoever knows the id of a guest's cart may use it; a customer's cart is theirs alone.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use holdfast_saga::records::view::ProductFilter;
use holdfast_saga::records::{Cart, CartItem, Product};
use holdfast_saga::shop::cart;
use holdfast_shared::{CartId, Sku};

use crate::app::App;
use crate::auth::Caller;
use crate::extract::{JsonBody, PathParam};
use crate::problem::Problem;
use holdfast_contract::cart::{CartBody, ItemBody};

/// Create a cart
///
/// With a token, only you can use it. Without a token, everyone who knows its id can.
#[utoipa::path(post, operation_id = "create_cart", path = "/v1/carts", tag = "carts",
    responses((status = CREATED, body = CartBody, headers(("Location" = String)))),
    security((), ("bearer" = [])))]
pub(super) async fn create(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let cart = cart::open(&*app.store, &app.ids, app.customer(&caller).await?).await?;
    let location = format!("/v1/carts/{}", cart.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(CartBody::new(&cart, &BTreeMap::new())))
        .into_response())
}

/// Get a cart
#[utoipa::path(get, operation_id = "get_cart", path = "/v1/carts/{id}", tag = "carts", params(("id" = CartId, Path)),
    responses((status = OK, body = CartBody)), security((), ("bearer" = [])))]
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller,
    PathParam(id): PathParam<CartId>,
) -> Result<Json<CartBody>, Problem> {
    let who = app.known_customer(&caller).await?;
    let cart = app.store.cart(id).await?.filter(|cart| cart::visible(cart, who));
    priced(&app, cart.ok_or(cart::Refused::UnknownCart(id))?).await
}

/// Delete an open cart
#[utoipa::path(delete, operation_id = "delete_cart", path = "/v1/carts/{id}", tag = "carts", params(("id" = CartId, Path)),
    responses((status = NO_CONTENT)), security((), ("bearer" = [])))]
pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller,
    PathParam(id): PathParam<CartId>,
) -> Result<StatusCode, Problem> {
    cart::discard(&*app.store, id, app.known_customer(&caller).await?).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// Add a product to a cart, or change its quantity
///
/// If you edit a guest's cart with a token, the cart becomes yours.
#[utoipa::path(put, operation_id = "put_cart_item", path = "/v1/carts/{id}/items/{sku}", tag = "carts", params(("id" = CartId, Path), ("sku" = Sku, Path)),
    request_body = ItemBody, responses((status = OK, body = CartBody)), security((), ("bearer" = [])))]
pub(super) async fn put_item(
    State(app): State<App>,
    caller: Caller,
    PathParam((id, sku)): PathParam<(CartId, Sku)>,
    JsonBody(item): JsonBody<ItemBody>,
) -> Result<Json<CartBody>, Problem> {
    let item = CartItem { sku, quantity: item.quantity };
    let who = app.customer(&caller).await?;
    priced(&app, cart::put_item(&*app.store, id, who, item).await??).await
}

/// Remove a product from a cart
#[utoipa::path(delete, operation_id = "remove_cart_item", path = "/v1/carts/{id}/items/{sku}", tag = "carts", params(("id" = CartId, Path), ("sku" = Sku, Path)),
    responses((status = OK, body = CartBody)), security((), ("bearer" = [])))]
pub(super) async fn remove_item(
    State(app): State<App>,
    caller: Caller,
    PathParam((id, sku)): PathParam<(CartId, Sku)>,
) -> Result<Json<CartBody>, Problem> {
    let who = app.customer(&caller).await?;
    priced(&app, cart::remove_item(&*app.store, id, who, &sku).await??).await
}

/// Merge a guest's cart into yours
///
/// Its items are added to your open cart, and the guest's cart is deleted. If you have no open cart, it becomes yours.
#[utoipa::path(post, operation_id = "merge_cart", path = "/v1/carts/{id}/merge", tag = "carts", params(("id" = CartId, Path)),
    responses((status = OK, body = CartBody)), security(("bearer" = [])))]
pub(super) async fn merge(
    State(app): State<App>,
    caller: Caller,
    PathParam(id): PathParam<CartId>,
) -> Result<Json<CartBody>, Problem> {
    let customer = app.customer_with_token(&caller).await?;
    priced(&app, cart::merge(&*app.store, id, customer).await??).await
}

/// The cart at current prices.
async fn priced(app: &App, cart: Cart) -> Result<Json<CartBody>, Problem> {
    let skus: Vec<Sku> = cart.items.iter().map(|item| item.sku.clone()).collect();
    let mut products: BTreeMap<Sku, Product> = BTreeMap::new();
    if let Ok(limit @ 1..) = u32::try_from(skus.len()) {
        let filter = ProductFilter { skus, limit, ..ProductFilter::default() };
        let found = app.store.products(&filter).await?;
        products.extend(found.into_iter().map(|product| (product.sku.clone(), product)));
    }
    Ok(Json(CartBody::new(&cart, &products)))
}
