//! What admins and operators did.

use axum::Json;
use axum::extract::State;
use holdfast_contract::List;
use holdfast_contract::action::ActionBody;
use holdfast_contract::list::Page;
use holdfast_saga::records::view::ActionFilter;
use holdfast_shared::{OrderId, Time};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::Caller;
use crate::extract::QueryParams;
use crate::problem::Problem;

/// Filters and paging of the list of acts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::routes) struct ListQuery {
    /// Only acts about the order with this number.
    order: Option<OrderId>,
    /// Only acts of this person.
    actor: Option<String>,
    /// Only acts of this kind, such as `order.confirm`.
    action: Option<String>,
    /// Only acts at this instant or later.
    since: Option<Time>,
    /// The most items to return.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// The `next_cursor` of the previous page.
    #[param(pattern = "^[1-9][0-9]{0,18}$")]
    cursor: Option<String>,
}

/// List what admins and operators did, newest first
///
/// To orders, sagas, queues, products and stock, with who did it and why.
#[utoipa::path(get, operation_id = "list_actions", path = "/v1/ops/actions", tag = "ops", params(ListQuery),
    responses((status = OK, body = List<ActionBody>)), security(("bearer" = [])))]
pub(in crate::routes) async fn list(
    State(app): State<App>,
    caller: Caller,
    QueryParams(query): QueryParams<ListQuery>,
) -> Result<Json<List<ActionBody>>, Problem> {
    caller.operator()?;
    let ListQuery { order, actor, action, since, limit, cursor } = query;
    let page = Page { limit, cursor };
    let limit = page.read()?;
    let before = page.after(|cursor| cursor.parse().ok())?;
    let filter = ActionFilter { order, actor, action, since, before, limit };
    let views = app.store.actions(&filter).await?;
    Ok(Json(List::page(views, limit, |view| view.id.to_string(), ActionBody::from)))
}
