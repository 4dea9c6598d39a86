//! The routes, one file a noun. Handlers take apart, call a rule, and answer.

mod admin;
mod carts;
mod catalog;
mod checkout;
mod events;
mod health;
mod notifications;
mod ops;
mod orders;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

/// Every route there is; the OpenAPI document is made of the same list.
pub(crate) fn all() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(carts::create))
        .routes(routes!(carts::show, carts::discard))
        .routes(routes!(carts::put_item, carts::remove_item))
        .routes(routes!(carts::merge))
        .routes(routes!(checkout::check_out))
        .routes(routes!(orders::list))
        .routes(routes!(orders::show))
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
        .routes(routes!(catalog::show))
        .routes(routes!(catalog::put))
        .routes(routes!(catalog::stock))
        .routes(routes!(catalog::adjust))
        .routes(routes!(notifications::list))
        .routes(routes!(notifications::read))
        .routes(routes!(ops::list))
        .routes(routes!(ops::show))
        .routes(routes!(ops::retry))
        .routes(routes!(ops::signal))
        .routes(routes!(ops::cancel))
        .routes(routes!(ops::dead::list))
        .routes(routes!(ops::dead::groups))
        .routes(routes!(ops::dead::retry))
        .routes(routes!(ops::dead::discard))
        .routes(routes!(ops::queues::list))
        .routes(routes!(ops::queues::pause))
        .routes(routes!(ops::queues::resume))
        .routes(routes!(ops::queues::workers))
        .routes(routes!(ops::audit))
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
}
