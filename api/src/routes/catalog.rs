//! Products and stock levels.

use axum::Json;
use axum::extract::State;
use axum::http::header::ETAG;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use holdfast_contract::input::{At, Nothing};
use holdfast_contract::problem::Code;
use holdfast_saga::records::context::Dedupe;
use holdfast_saga::records::view::ProductFilter;
use holdfast_saga::records::{Product, Stock};
use holdfast_saga::shop::catalog::{self, PutProduct};
use holdfast_saga::shop::checkout::digest;
use holdfast_saga::shop::stock_adjustment::{self, Adjust};
use holdfast_shared::Sku;

use super::CURSOR;
use crate::app::App;
use crate::auth::{Admin, Caller};
use crate::cached::cached;
use crate::extract::PathParam;
use crate::headers::IDEMPOTENT_REPLAYED;
use crate::input::{IfMatch, Input, Preconditions, Seen};
use crate::problem::Problem;
use holdfast_contract::List;
use holdfast_contract::list::Page;
use holdfast_contract::product::{AdjustBody, ProductBody, PutProductBody, StockBody};

/// List products, by SKU
///
/// Answers may be cached. With `If-None-Match` and the `ETag` of an earlier answer, 304 if it is still the same.
#[utoipa::path(get, operation_id = "list_products", path = "/v1/products", tag = "catalog",
    params(Page, ("If-None-Match" = Option<String>, Header)),
    responses((status = OK, body = List<ProductBody>, headers(("ETag" = String))), (status = NOT_MODIFIED)),
    security((), ("bearer" = [])))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    input: Input<Nothing, Page, Seen>,
) -> Result<Response, Problem> {
    let (_, page, seen) = input.check()?;
    let limit = page.limit_read();
    let filter = ProductFilter { active: Some(true), ..ProductFilter::default() };
    let cursors = app.cursors.of("products", &filter);
    let after = cursors.open(page.cursor.as_deref(), &CURSOR, |sku| sku.parse().ok())?;
    let products = app.store.products(&ProductFilter { after, limit, ..filter }).await?;
    let cursor = |product: &Product| cursors.seal(product.sku.as_str());
    let products = List::page(products, limit, cursor, |product| ProductBody::from(&product));
    cached(&caller, &seen, None, &products)
}

/// Get a product
///
/// Answers may be cached. With `If-None-Match` and the `ETag` of an earlier answer, 304 if it is still the same.
#[utoipa::path(get, operation_id = "get_product", path = "/v1/products/{sku}", tag = "catalog",
    params(("sku" = Sku, Path), ("If-None-Match" = Option<String>, Header)),
    responses((status = OK, body = ProductBody, headers(("ETag" = String))), (status = NOT_MODIFIED)),
    security((), ("bearer" = [])))]
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller,
    PathParam(sku): PathParam<Sku>,
    input: Input<Nothing, Nothing, Seen>,
) -> Result<Response, Problem> {
    // Before the product: if it changes in between, its ETag is out of date and nothing is overwritten.
    let versions = app.store.versions(&sku).await?.unwrap_or_default();
    let filter = ProductFilter { skus: vec![sku.clone()], limit: 1, ..ProductFilter::default() };
    let product = app.store.products(&filter).await?.pop();
    let missing = || Problem::new(Code::ProductNotFound, format!("product {sku} does not exist"));
    let product = product.ok_or_else(missing)?;
    let (_, _, seen) = input.check()?;
    cached(&caller, &seen, Some(&catalog::version(versions)), &ProductBody::from(&product))
}

/// Create or change a product
///
/// With `If-Match` and the product's `ETag`, only if it has not changed since. With `If-None-Match: *`, only if it is new.
/// Without `active`, a product that exists stays for sale or withdrawn, as it is.
#[utoipa::path(put, operation_id = "put_product", path = "/v1/admin/products/{sku}", tag = "admin",
    params(("sku" = Sku, Path), ("If-Match" = Option<String>, Header), ("If-None-Match" = Option<String>, Header)),
    request_body = PutProductBody,
    responses((status = OK, body = ProductBody, headers(("ETag" = String))),
        (status = CREATED, body = ProductBody, headers(("ETag" = String)))),
    security(("bearer" = [])))]
pub(super) async fn put(
    State(app): State<App>,
    Admin(by): Admin,
    PathParam(sku): PathParam<Sku>,
    input: Input<PutProductBody, Nothing, Preconditions>,
) -> Result<Response, Problem> {
    let (body, _, Preconditions(expect)) = input.check()?;
    if body.sku.as_ref().is_some_and(|named| *named != sku) {
        let detail = format!("expected {sku}, as in the path; or leave it out");
        return Err(Problem::of_fault(&At::BODY.field("sku"), Code::Invalid, detail));
    }
    let PutProductBody { name, price, active, .. } = body;
    let change = PutProduct { sku, name: name.into(), price, active };
    let put = catalog::put_product(&*app.store, change, expect, by.name()).await??;
    let status = if put.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(with_etag(status, &put.version, &put.product))
}

/// Get a stock level
#[utoipa::path(get, operation_id = "get_stock", path = "/v1/admin/stock/{sku}", tag = "admin",
    params(("sku" = Sku, Path), ("If-None-Match" = Option<String>, Header)),
    responses((status = OK, body = StockBody, headers(("ETag" = String))), (status = NOT_MODIFIED)), security(("bearer" = [])))]
pub(super) async fn get_stock(
    State(app): State<App>,
    caller: Caller,
    _: Admin,
    PathParam(sku): PathParam<Sku>,
    input: Input<Nothing, Nothing, Seen>,
) -> Result<Response, Problem> {
    // Before the level: if it changes in between, its ETag is out of date and nothing is adjusted.
    let versions = app.store.versions(&sku).await?.unwrap_or_default();
    let level = app.store.stock(Some(&sku), 1).await?.pop();
    let (sku, level) = level.ok_or(stock_adjustment::Refused::UnknownSku(sku))?;
    let (_, _, seen) = input.check()?;
    let version = stock_adjustment::version(versions);
    cached(&caller, &seen, Some(&version), &StockBody::new(sku, level))
}

/// Adjust a stock level
///
/// With `If-Match` and the level's `ETag`, only if the pieces on hand have not changed since. With an `Idempotency-Key`,
/// once: the same request again changes nothing, and is answered with the level as it is then.
#[utoipa::path(post, operation_id = "adjust_stock", path = "/v1/admin/stock/{sku}/adjust", tag = "admin",
    params(("sku" = Sku, Path), ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)), request_body = AdjustBody,
    responses((status = OK, body = StockBody, headers(("ETag" = String), ("Idempotent-Replayed" = String)))), security(("bearer" = [])))]
pub(super) async fn adjust(
    State(app): State<App>,
    Admin(by): Admin,
    PathParam(sku): PathParam<Sku>,
    input: Input<AdjustBody, Nothing, IfMatch>,
) -> Result<Response, Problem> {
    if input.is_faulty() && app.store.stock(Some(&sku), 1).await?.is_empty() {
        return Err(stock_adjustment::Refused::UnknownSku(sku).into());
    }
    let (body, _, IfMatch { version: expect, key }) = input.check()?;
    let text = serde_json::to_string(&body).unwrap_or_default();
    let dedupe = key.map(|key| Dedupe {
        key: digest(&["adjust", sku.as_str(), &by.to_string(), &key]),
        body: digest(&[&text]),
    });
    let adjustment = Adjust {
        sku: sku.clone(),
        delta: body.delta,
        reason: body.reason.into(),
        actor: by.name().to_owned(),
        expect,
        dedupe,
    };
    let adjusted = stock_adjustment::adjust(&*app.store, &adjustment).await??;
    let mut response = level_with_etag(sku, adjusted.level, &adjusted.version);
    if adjusted.replayed {
        response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

fn with_etag(status: StatusCode, version: &str, product: &Product) -> Response {
    let tag = quoted(version);
    (status, [(ETAG, tag)], Json(ProductBody::from(product))).into_response()
}

fn level_with_etag(sku: Sku, level: Stock, version: &str) -> Response {
    let tag = quoted(version);
    ([(ETAG, tag)], Json(StockBody::new(sku, level))).into_response()
}

fn quoted(version: &str) -> String {
    format!("\"{version}\"")
}
