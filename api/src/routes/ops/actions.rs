//! What admins and operators did.

use axum::Json;
use axum::extract::State;
use holdfast_contract::action::ActionBody;
use holdfast_contract::input::Nothing;
use holdfast_contract::list::{self, Page};
use holdfast_contract::{List, read_fields};
use holdfast_saga::records::view::{ActionFilter, ActionView};
use holdfast_shared::{OrderId, Time};
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::Operator;
use crate::input::Input;
use crate::problem::Problem;
use crate::routes::CURSOR;

/// Filters and paging of the list of acts.
#[derive(Debug, IntoParams)]
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
    #[param(pattern = "^[A-Za-z0-9_-]{1,200}$")]
    cursor: Option<String>,
}

read_fields!(ListQuery { order, actor, action, since, limit by list::limit, cursor });

/// List what admins and operators did, newest first
///
/// To orders, sagas, queues, products and stock, with who did it and why.
#[utoipa::path(get, operation_id = "list_actions", path = "/v1/ops/actions", tag = "ops", params(ListQuery),
    responses((status = OK, body = List<ActionBody>)), security(("bearer" = [])))]
pub(in crate::routes) async fn list(
    State(app): State<App>,
    _: Operator,
    input: Input<Nothing, ListQuery>,
) -> Result<Json<List<ActionBody>>, Problem> {
    let ListQuery { order, actor, action, since, limit, cursor } = input.query()?;
    let page = Page { limit, cursor };
    let limit = page.limit_read();
    let filter = ActionFilter { order, actor, action, since, ..ActionFilter::default() };
    let cursors = app.cursors.of("actions", &filter);
    let before = cursors.open(page.cursor.as_deref(), &CURSOR, |id| id.parse().ok())?;
    let views = app.store.actions(&ActionFilter { before, limit, ..filter }).await?;
    let cursor = |view: &ActionView| cursors.seal(&view.id.to_string());
    Ok(Json(List::page(views, limit, cursor, ActionBody::from)))
}
