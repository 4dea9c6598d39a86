//! The OpenAPI document, made from the routes that are served, and a page that shows it.

mod errors_page;
mod problems;
mod unused;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::Response;
use holdfast_contract::problem::ProblemBody;

use crate::order_access::OrderPath;
use tower::util::MapResponseLayer;
use utoipa::OpenApi;
use utoipa::openapi::link::Link;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi as Document, RefOr};
use utoipa_swagger_ui::{Config, SwaggerUi};

pub(crate) use self::errors_page::errors_page;

/// The path of the document.
const DOCUMENT: &str = "/openapi.json";
/// The path of the page.
const PAGE: &str = "/docs";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Holdfast",
        description = "A shop's checkout as durable sagas: every order ends fully done, fully undone, or visibly \
            stuck with an operator's next move. Money is `{\"amount_minor\": 1999, \"currency\": \"EUR\"}`; every \
            error is a problem document (RFC 9457) with a `code` of the catalogue (`GET /v1/problems`). Nothing that is \
            sent is ignored: unknown fields, parameters and headers that ask for something are refused, all at once, \
            each with its place in `errors`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    servers((url = "/", description = "This shop")),
    components(schemas(ProblemBody, OrderPath)),
    tags(
        (name = "carts", description = "Carts, priced by the server."),
        (name = "checkout", description = "Turns a cart into an order, exactly once."),
        (name = "orders", description = "The status and the timeline of orders."),
        (name = "catalog", description = "Products that can be bought."),
        (name = "admin", description = "Decisions of the shop. Requires the role admin."),
        (name = "notifications", description = "Notifications to customers."),
        (name = "ops", description = "Operating Holdfast. Requires the role operator."),
        (name = "problems", description = "The catalogue of problems."),
        (name = "health", description = "Health checks.")
    )
)]
struct Head;

/// The document of `routes`.
pub(crate) fn document(routes: Document) -> Document {
    let mut document = Head::openapi().merge_from(routes);
    if let Some(components) = document.components.as_mut() {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("A JWT with `sub` and `role` (customer, admin or operator)"))
            .build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let description = "The `order_token` from the answer to a guest's checkout";
        let token = ApiKeyValue::with_description("X-Order-Token", description);
        components.add_security_scheme("order_token", SecurityScheme::ApiKey(ApiKey::Header(token)));
    }
    for (path, item) in &mut document.paths.paths {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            describe_answers(operation);
            problems::describe(path, operation);
            for (from, to) in LINKS {
                if operation.operation_id.as_deref() == Some(from) {
                    link(operation, to);
                }
            }
        }
    }
    if let Some(components) = document.components.as_mut() {
        components.examples = problems::examples();
    }
    unused::remove(&mut document);
    document
}

/// The operations that take the id in a response.
const LINKS: [(&str, &[&str]); 2] = [
    ("create_cart", &["get_cart", "put_cart_item", "remove_cart_item", "merge_cart", "delete_cart"]),
    (
        "check_out",
        &[
            "get_order",
            "get_order_timeline",
            "cancel_order",
            "confirm_order",
            "reject_order",
            "process_order",
            "ship_order",
            "deliver_order",
            "refund_order",
            "cancel_order_as_admin",
        ],
    ),
];

/// OpenAPI demands a description of every response.
fn describe_answers(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        if response.description.is_empty() {
            let description = match status.as_str() {
                "200" => "As the document says",
                "201" => "Created",
                "202" => "Accepted: it will be done, and nothing that happens later takes that back",
                "204" => "Done",
                _ => "The answer",
            };
            description.clone_into(&mut response.description);
        }
    }
}

fn link(operation: &mut Operation, next: &[&str]) {
    let Some(RefOr::T(created)) = operation.responses.responses.get_mut("201") else { return };
    for next in next {
        let link = Link::builder().operation_id(*next).parameter("id", "$response.body#/id").build();
        created.links.insert((*next).to_owned(), link.into());
    }
}

/// Serves the document and the page, without any other host.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(document: Document) -> Router<S> {
    let config = Config::default().use_base_layout().try_it_out_enabled(true);
    Router::from(SwaggerUi::new(PAGE).config(config).url(DOCUMENT, document))
        .layer(MapResponseLayer::new(allow_own_scripts))
}

/// Allows the page to load its own scripts and styles.
fn allow_own_scripts(mut response: Response) -> Response {
    let headers = response.headers_mut();
    if headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) {
        let policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    }
    response
}
