//! Messages to customers, as they were saved before they were sent.

use axum::Json;
use axum::extract::State;
use holdfast_saga::records::view::NotificationFilter;
use holdfast_shared::SagaId;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::Caller;
use crate::body::List;
use crate::body::list::Page;
use crate::body::notification::NotificationBody;
use crate::extract::{PathParam, QueryParams};
use crate::problem::Problem;

/// Which messages to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only those that were read, or only those that were not.
    unread: Option<bool>,
    /// How many at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(pattern = r"^[1-9][0-9]{0,15}\.[0-9]{1,2}$")]
    cursor: Option<String>,
}

/// List messages, newest first
///
/// A customer sees their own, an admin or operator everybody's.
#[utoipa::path(get, operation_id = "list_notifications", path = "/v1/notifications", tag = "notifications", params(ListQuery),
    responses((status = OK, body = List<NotificationBody>)), security(("bearer" = [])))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    QueryParams(wanted): QueryParams<ListQuery>,
) -> Result<Json<List<NotificationBody>>, Problem> {
    let own = caller.known()?.to_owned();
    let page = Page { limit: wanted.limit, cursor: wanted.cursor };
    let limit = page.read()?;
    let filter = NotificationFilter {
        customer: (!caller.sees_all()).then_some(own),
        unread: wanted.unread,
        before: page.after(|cursor| cursor.parse().ok())?,
        limit,
    };
    let views = app.store.notifications(&filter).await?;
    Ok(Json(List::page(views, limit, |view| view.notification.saga.to_string(), |view| view.into())))
}

/// Mark a message of yours as read
///
/// Reading it again changes nothing: the first time counts.
#[utoipa::path(post, operation_id = "read_notification", path = "/v1/notifications/{id}/read", tag = "notifications", params(("id" = String, Path, example = "1042.1")),
    responses((status = OK, body = NotificationBody)), security(("bearer" = [])))]
pub(super) async fn read(
    State(app): State<App>,
    caller: Caller,
    PathParam(id): PathParam<SagaId>,
) -> Result<Json<NotificationBody>, Problem> {
    // Whoever runs the shop sees every message, but reads only their own.
    let customer = caller.known()?;
    let view = app.store.mark_read(id, Some(customer)).await?;
    let missing = || {
        Problem::not_found("notification_not_found", format!("there is no message {id}, or it is not yours"))
    };
    Ok(Json((&view.ok_or_else(missing)?).into()))
}
