//! Notifications to customers.

use axum::Json;
use axum::extract::State;
use holdfast_saga::records::view::NotificationFilter;
use holdfast_shared::SagaId;
use utoipa::IntoParams;

use super::CURSOR;
use crate::app::App;
use crate::auth::Caller;
use crate::extract::PathParam;
use crate::input::Input;
use crate::problem::Problem;
use holdfast_contract::input::Nothing;
use holdfast_contract::list::{self, Page};
use holdfast_contract::notification::NotificationBody;
use holdfast_contract::problem::Code;
use holdfast_contract::{List, read_fields};

/// Filters and paging of a list of notifications.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only unread notifications (`true`), or only read ones (`false`).
    unread: Option<bool>,
    /// The most items to return.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// The `next_cursor` of the previous page.
    #[param(pattern = "^[A-Za-z0-9_-]{1,200}$")]
    cursor: Option<String>,
}

read_fields!(ListQuery { unread, limit by list::limit, cursor });

/// List notifications, newest first
///
/// A customer sees their own, an admin or an operator sees all.
#[utoipa::path(get, operation_id = "list_notifications", path = "/v1/notifications", tag = "notifications", params(ListQuery),
    responses((status = OK, body = List<NotificationBody>)), security(("bearer" = [])))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    input: Input<Nothing, ListQuery>,
) -> Result<Json<List<NotificationBody>>, Problem> {
    let customer = app.listed_customer(&caller).await?;
    let ListQuery { unread, limit, cursor } = input.query()?;
    let page = Page { limit, cursor };
    let limit = page.limit_read();
    let cursors = app.cursors.of("notifications", &(customer, unread));
    let before = cursors.open(page.cursor.as_deref(), &CURSOR, |id| id.parse().ok())?;
    let filter = NotificationFilter { customer, unread, before, limit };
    let views = app.store.notifications(&filter).await?;
    Ok(Json(List::page(
        views,
        limit,
        |view| cursors.seal(&view.notification.saga.to_string()),
        |view| NotificationBody::from(&view),
    )))
}

/// Mark a notification as read
///
/// Only its customer can. Repeating it changes nothing: the first time is kept.
#[utoipa::path(post, operation_id = "mark_notification_read", path = "/v1/notifications/{id}/read", tag = "notifications", params(("id" = String, Path, example = "1042.1")),
    responses((status = OK, body = NotificationBody)), security(("bearer" = [])))]
pub(super) async fn mark_read(
    State(app): State<App>,
    caller: Caller,
    PathParam(id): PathParam<SagaId>,
    input: Input,
) -> Result<Json<NotificationBody>, Problem> {
    // Admins and operators see every notification, but mark only their own.
    let customer = app.owner(&caller).await?;
    input.check()?;
    let view = app.store.mark_read(id, Some(customer)).await?;
    let missing = || {
        Problem::new(
            Code::NotificationNotFound,
            format!("notification {id} does not exist, or it is not yours"),
        )
    };
    Ok(Json((&view.ok_or_else(missing)?).into()))
}
