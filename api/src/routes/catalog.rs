//! Products and stock levels.

use axum::Json;
use axum::extract::State;
use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use holdfast_saga::records::Product;
use holdfast_saga::records::view::ProductFilter;
use holdfast_saga::shop::catalog::{self, Expect};
use holdfast_saga::shop::stock_adjustment::{self, Adjust};
use holdfast_shared::Sku;

use crate::app::App;
use crate::auth::Caller;
use crate::extract::{JsonBody, PathParam, QueryParams};
use crate::problem::Problem;
use holdfast_contract::List;
use holdfast_contract::list::Page;
use holdfast_contract::product::{AdjustBody, ProductBody, PutProductBody, StockBody};

/// List products, by SKU
#[utoipa::path(get, operation_id = "list_products", path = "/v1/products", tag = "catalog", params(Page),
    responses((status = OK, body = List<ProductBody>)), security((), ("bearer" = [])))]
pub(super) async fn list(
    State(app): State<App>,
    QueryParams(page): QueryParams<Page>,
) -> Result<Json<List<ProductBody>>, Problem> {
    let limit = page.read()?;
    let after = page.after(|cursor| cursor.parse().ok())?;
    let filter = ProductFilter { active: Some(true), after, limit, ..ProductFilter::default() };
    let products = app.store.products(&filter).await?;
    Ok(Json(List::page(
        products,
        limit,
        |product| product.sku.to_string(),
        |product| ProductBody::from(&product),
    )))
}

/// Get a product
#[utoipa::path(get, operation_id = "get_product", path = "/v1/products/{sku}", tag = "catalog", params(("sku" = Sku, Path)),
    responses((status = OK, body = ProductBody, headers(("ETag" = String)))), security((), ("bearer" = [])))]
pub(super) async fn get(State(app): State<App>, PathParam(sku): PathParam<Sku>) -> Result<Response, Problem> {
    let filter = ProductFilter { skus: vec![sku.clone()], limit: 1, ..ProductFilter::default() };
    let product = app.store.products(&filter).await?.pop();
    let missing = || Problem::not_found("product_not_found", format!("product {sku} does not exist"));
    Ok(with_etag(StatusCode::OK, &product.ok_or_else(missing)?))
}

/// Create or change a product
///
/// With `If-Match` and the product's `ETag`, only if it has not changed since. With `If-None-Match: *`, only if it is new.
#[utoipa::path(put, operation_id = "put_product", path = "/v1/admin/products/{sku}", tag = "admin",
    params(("sku" = Sku, Path), ("If-Match" = Option<String>, Header), ("If-None-Match" = Option<String>, Header)),
    request_body = PutProductBody,
    responses((status = OK, body = ProductBody, headers(("ETag" = String))),
        (status = CREATED, body = ProductBody, headers(("ETag" = String)))),
    security(("bearer" = [])))]
pub(super) async fn put(
    State(app): State<App>,
    caller: Caller,
    PathParam(sku): PathParam<Sku>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<PutProductBody>,
) -> Result<Response, Problem> {
    let by = caller.admin()?;
    if body.sku.as_ref().is_some_and(|named| *named != sku) {
        return Err(Problem::unprocessable("invalid_body", format!("sku: expected {sku}, as in the path")));
    }
    let product = Product { sku, name: body.name.into(), price: body.price, active: body.active };
    let expect = match (etag(&headers, &IF_MATCH)?, headers.get(IF_NONE_MATCH).map(HeaderValue::as_bytes)) {
        (None, None) => Expect::Any,
        (None, Some(b"*")) => Expect::Absent,
        (Some(version), None) => Expect::Is(version),
        (_, Some(_)) => {
            let detail = "send either If-Match with an ETag, or If-None-Match: *";
            return Err(Problem::bad_request("invalid_precondition", detail));
        }
    };
    let put = catalog::put_product(&*app.store, product, expect, &by.to_string()).await??;
    Ok(with_etag(if put.created { StatusCode::CREATED } else { StatusCode::OK }, &put.product))
}

/// Get a stock level
#[utoipa::path(get, operation_id = "get_stock", path = "/v1/admin/stock/{sku}", tag = "admin", params(("sku" = Sku, Path)),
    responses((status = OK, body = StockBody, headers(("ETag" = String)))), security(("bearer" = [])))]
pub(super) async fn get_stock(
    State(app): State<App>,
    caller: Caller,
    PathParam(sku): PathParam<Sku>,
) -> Result<Response, Problem> {
    caller.admin()?;
    let level = app.store.stock(Some(&sku), 1).await?.pop();
    let (sku, level) = level.ok_or(stock_adjustment::Refused::UnknownSku(sku))?;
    Ok(level_with_etag(sku, level))
}

/// Adjust a stock level
///
/// With `If-Match` and the level's `ETag`, only if the pieces on hand have not changed since.
#[utoipa::path(post, operation_id = "adjust_stock", path = "/v1/admin/stock/{sku}/adjust", tag = "admin",
    params(("sku" = Sku, Path), ("If-Match" = Option<String>, Header)), request_body = AdjustBody,
    responses((status = OK, body = StockBody, headers(("ETag" = String)))), security(("bearer" = [])))]
pub(super) async fn adjust(
    State(app): State<App>,
    caller: Caller,
    PathParam(sku): PathParam<Sku>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<AdjustBody>,
) -> Result<Response, Problem> {
    let by = caller.admin()?;
    let expect = etag(&headers, &IF_MATCH)?;
    let adjustment = Adjust {
        sku: sku.clone(),
        delta: body.delta,
        reason: body.reason.into(),
        actor: by.to_string(),
        expect,
    };
    Ok(level_with_etag(sku, stock_adjustment::adjust(&*app.store, &adjustment).await??))
}

fn with_etag(status: StatusCode, product: &Product) -> Response {
    let tag = quoted(&catalog::version(product));
    (status, [(ETAG, tag)], Json(ProductBody::from(product))).into_response()
}

fn level_with_etag(sku: Sku, level: holdfast_saga::records::Stock) -> Response {
    let tag = quoted(&stock_adjustment::version(&level));
    ([(ETAG, tag)], Json(StockBody::new(sku, level))).into_response()
}

fn quoted(version: &str) -> String {
    format!("\"{version}\"")
}

/// The version in a header with one strong `ETag`.
fn etag(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let version = value.to_str().ok().and_then(|text| text.trim().strip_prefix('"')?.strip_suffix('"'));
    let refuse = || {
        let detail = format!("{name} must be one ETag in quotes, as the API returned it");
        Problem::bad_request("invalid_precondition", detail)
    };
    version.map(|version| Some(version.to_owned())).ok_or_else(refuse)
}
