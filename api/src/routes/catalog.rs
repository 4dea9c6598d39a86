//! The catalogue and what is on the shelf.

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
use crate::body::List;
use crate::body::list::Page;
use crate::body::product::{AdjustBody, ProductBody, PutProductBody, StockBody};
use crate::extract::{JsonBody, PathParam, QueryParams};
use crate::problem::Problem;

/// List what can be bought, by SKU
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
    Ok(Json(List::page(products, limit, |product| product.sku.to_string(), |product| product.into())))
}

/// Show one product
#[utoipa::path(get, operation_id = "show_product", path = "/v1/products/{sku}", tag = "catalog", params(("sku" = Sku, Path)),
    responses((status = OK, body = ProductBody, headers(("ETag" = String)))), security((), ("bearer" = [])))]
pub(super) async fn show(
    State(app): State<App>,
    PathParam(sku): PathParam<Sku>,
) -> Result<Response, Problem> {
    let filter = ProductFilter { skus: vec![sku.clone()], limit: 1, ..ProductFilter::default() };
    let product = app.store.products(&filter).await?.pop();
    let missing = || Problem::not_found("product_not_found", format!("there is no product {sku}"));
    Ok(shown(StatusCode::OK, &product.ok_or_else(missing)?))
}

/// Create or change a product
///
/// `If-Match` with the product's `ETag`: only if nobody changed it since. `If-None-Match: *`: only if it is new.
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
        return Err(Problem::unprocessable(
            "invalid_body",
            format!("sku: {sku} is expected, as in the path"),
        ));
    }
    let product = Product { sku, name: body.name.into(), price: body.price, active: body.active };
    let expect = match (etag(&headers, &IF_MATCH)?, headers.get(IF_NONE_MATCH).map(HeaderValue::as_bytes)) {
        (None, None) => Expect::Any,
        (None, Some(b"*")) => Expect::Absent,
        (Some(version), None) => Expect::Is(version),
        (_, Some(_)) => {
            let words = "send If-Match with an ETag, or If-None-Match: * and nothing else, not both";
            return Err(Problem::bad_request("invalid_precondition", words));
        }
    };
    let put = catalog::put_product(&*app.store, product, expect, &by.to_string()).await??;
    Ok(shown(if put.created { StatusCode::CREATED } else { StatusCode::OK }, &put.product))
}

/// Show a stock level
#[utoipa::path(get, operation_id = "show_stock", path = "/v1/admin/stock/{sku}", tag = "admin", params(("sku" = Sku, Path)),
    responses((status = OK, body = StockBody, headers(("ETag" = String)))), security(("bearer" = [])))]
pub(super) async fn stock(
    State(app): State<App>,
    caller: Caller,
    PathParam(sku): PathParam<Sku>,
) -> Result<Response, Problem> {
    caller.admin()?;
    let level = app.store.stock(Some(&sku), 1).await?.pop();
    let (sku, level) = level.ok_or(stock_adjustment::Refused::UnknownSku(sku))?;
    Ok(leveled(sku, level))
}

/// Move a stock level by hand
///
/// `If-Match` with the level's `ETag`: only if the pieces on hand are as you saw them.
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
    let asked = Adjust {
        sku: sku.clone(),
        delta: body.delta,
        reason: body.reason.into(),
        actor: by.to_string(),
        expect,
    };
    Ok(leveled(sku, stock_adjustment::adjust(&*app.store, &asked).await??))
}

fn shown(status: StatusCode, product: &Product) -> Response {
    let tag = quoted(&catalog::version(product));
    (status, [(ETAG, tag)], Json(ProductBody::from(product))).into_response()
}

fn leveled(sku: Sku, level: holdfast_saga::records::Stock) -> Response {
    let tag = quoted(&stock_adjustment::version(&level));
    ([(ETAG, tag)], Json(StockBody::new(sku, level))).into_response()
}

fn quoted(version: &str) -> String {
    format!("\"{version}\"")
}

/// The version in a header of one strong `ETag`.
fn etag(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let version = value.to_str().ok().and_then(|text| text.trim().strip_prefix('"')?.strip_suffix('"'));
    let refuse = || {
        let words = format!("{name} must be one ETag in quotes, as it came with the answer you looked at");
        Problem::bad_request("invalid_precondition", words)
    };
    version.map(|version| Some(version.to_owned())).ok_or_else(refuse)
}
