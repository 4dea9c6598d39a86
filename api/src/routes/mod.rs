//! The routes, one file for each noun. A handler parses the request, calls a rule, and responds.

mod admin;
mod carts;
mod catalog;
mod checkout;
mod events;
mod health;
mod notifications;
mod ops;
mod orders;
mod problems;

use holdfast_contract::input::At;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

/// Where the cursor of a list is.
const CURSOR: At<'static> = At::QUERY.field("cursor");

/// What `Prefer` means to an operation that answers 202.
const PREFER: &str = "`wait=2` waits up to two seconds for the outcome: 200 if it is there by then";

/// All routes. The OpenAPI document is made from the same list.
pub(crate) fn all() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(carts::create))
        .routes(routes!(carts::get, carts::delete))
        .routes(routes!(carts::put_item, carts::remove_item))
        .routes(routes!(carts::merge))
        .routes(routes!(checkout::check_out))
        .routes(routes!(orders::list))
        .routes(routes!(orders::get))
        .routes(routes!(orders::cancel))
        .routes(routes!(orders::timeline))
        .routes(routes!(events::stream))
        .routes(routes!(admin::confirm))
        .routes(routes!(admin::reject))
        .routes(routes!(admin::process))
        .routes(routes!(admin::ship))
        .routes(routes!(admin::deliver))
        .routes(routes!(admin::cancel))
        .routes(routes!(admin::refund))
        .routes(routes!(catalog::list))
        .routes(routes!(catalog::get))
        .routes(routes!(catalog::put))
        .routes(routes!(catalog::get_stock))
        .routes(routes!(catalog::adjust))
        .routes(routes!(notifications::list))
        .routes(routes!(notifications::mark_read))
        .routes(routes!(ops::list))
        .routes(routes!(ops::get))
        .routes(routes!(ops::retry))
        .routes(routes!(ops::signal))
        .routes(routes!(ops::cancel))
        .routes(routes!(ops::dead_letters::list))
        .routes(routes!(ops::dead_letters::groups))
        .routes(routes!(ops::dead_letters::retry))
        .routes(routes!(ops::dead_letters::discard))
        .routes(routes!(ops::queues::list))
        .routes(routes!(ops::queues::pause))
        .routes(routes!(ops::queues::resume))
        .routes(routes!(ops::queues::workers))
        .routes(routes!(ops::actions::list))
        .routes(routes!(ops::audit))
        .routes(routes!(problems::list))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
}
