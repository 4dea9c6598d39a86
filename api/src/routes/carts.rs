//! Carts. Whoever knows the id of a guest's cart may use it; a customer's cart is theirs alone.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use holdfast_saga::records::view::ProductFilter;
use holdfast_saga::records::{Cart, CartItem};
use holdfast_saga::shop::cart;
use holdfast_shared::{CartId, Sku};

use crate::app::App;
use crate::auth::Caller;
use crate::extract::PathParam;
use crate::input::Input;
use crate::problem::Problem;
use holdfast_contract::cart::{CartBody, ItemBody};

/// Create a cart
///
/// With a token, only you can use it. Without a token, everyone who knows its id can.
#[utoipa::path(post, operation_id = "create_cart", path = "/v1/carts", tag = "carts",
    responses((status = CREATED, body = CartBody, headers(("Location" = String)))),
    security((), ("bearer" = [])))]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    input: Input,
) -> Result<Response, Problem> {
    input.check()?;
    let cart = cart::open(&*app.store, &app.ids, app.customer(&caller).await?).await?;
    let location = format!("/v1/carts/{}", cart.id);
    Ok((
        StatusCode::CREATED,
        [(LOCATION, location)],
        Json(CartBody::new(&cart, &BTreeMap::new(), &BTreeMap::new())),
    )
        .into_response())
}

/// Get a cart
#[utoipa::path(get, operation_id = "get_cart", path = "/v1/carts/{id}", tag = "carts", params(("id" = CartId, Path)),
    responses((status = OK, body = CartBody)), security((), ("bearer" = [])))]
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller,
    PathParam(id): PathParam<CartId>,
    input: Input,
) -> Result<Json<CartBody>, Problem> {
    let cart = visible(&app, &caller, id).await?;
    input.check()?;
    priced(&app, cart).await
}

/// The cart, if the caller may know of it.
async fn visible(app: &App, caller: &Caller, id: CartId) -> Result<Cart, Problem> {
    let who = app.known_customer(caller).await?;
    let cart = app.store.cart(id).await?.filter(|cart| cart::visible(cart, who));
    Ok(cart.ok_or(cart::Refused::UnknownCart(id))?)
}

/// What a request for the cart brings. A caller who may not know of the cart hears nothing of its faults.
async fn checked<B>(app: &App, caller: &Caller, id: CartId, input: Input<B>) -> Result<B, Problem> {
    if input.is_faulty() {
        visible(app, caller, id).await?;
    }
    input.body()
}

/// Delete an open cart
#[utoipa::path(delete, operation_id = "delete_cart", path = "/v1/carts/{id}", tag = "carts", params(("id" = CartId, Path)),
    responses((status = NO_CONTENT)), security((), ("bearer" = [])))]
pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller,
    PathParam(id): PathParam<CartId>,
    input: Input,
) -> Result<StatusCode, Problem> {
    checked(&app, &caller, id, input).await?;
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
    input: Input<ItemBody>,
) -> Result<Json<CartBody>, Problem> {
    let ItemBody { quantity } = checked(&app, &caller, id, input).await?;
    let item = CartItem { sku, quantity };
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
    input: Input,
) -> Result<Json<CartBody>, Problem> {
    checked(&app, &caller, id, input).await?;
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
    input: Input,
) -> Result<Json<CartBody>, Problem> {
    caller.known()?;
    checked(&app, &caller, id, input).await?;
    let customer = app.customer_with_token(&caller).await?;
    priced(&app, cart::merge(&*app.store, id, customer).await??).await
}

/// The cart at current prices, and what is left of its products.
async fn priced(app: &App, cart: Cart) -> Result<Json<CartBody>, Problem> {
    let skus: Vec<Sku> = cart.items.iter().map(|item| item.sku.clone()).collect();
    let Ok(limit @ 1..) = u32::try_from(skus.len()) else {
        return Ok(Json(CartBody::new(&cart, &BTreeMap::new(), &BTreeMap::new())));
    };
    let filter = ProductFilter { skus: skus.clone(), limit, ..ProductFilter::default() };
    let (products, levels) = tokio::try_join!(app.store.products(&filter), app.store.levels(&skus))?;
    let products = products.into_iter().map(|product| (product.sku.clone(), product)).collect();
    Ok(Json(CartBody::new(&cart, &products, &levels.into_iter().collect())))
}
