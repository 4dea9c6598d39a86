//! An order's changes as they happen, over server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use holdfast_saga::timeline::{Audience, Seen, Story, since};
use holdfast_shared::{OrderId, OrderStatus, Time};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;
use uuid::Uuid;

use super::orders::{GuestKeyAnywhere, find};
use crate::app::App;
use crate::auth::Caller;
use crate::body::order::{OrderBody, TimelineEntry};
use crate::extract::PathParam;
use crate::problem::Problem;
use crate::watch::Watcher;

/// A comment now and then keeps proxies from closing an idle stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A stream ends after this long; its reader comes back, and shows again that they may follow.
const LAST: Duration = Duration::from_hours(1);
/// A browser whose stream ended comes back after this long.
const COME_BACK: Duration = Duration::from_secs(1);

/// The data of an event: an order that moved.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrderMoved {
    /// The order as it stands now.
    order: OrderBody,
    /// What happened since the event before.
    happened: Vec<TimelineEntry>,
}

/// Where one stream has got to.
struct Following {
    app: App,
    order: OrderId,
    watcher: Watcher,
    seen: Seen,
    audience: Audience,
    /// Whether its reader was told where it begins.
    is_begun: bool,
    ends_at: Instant,
}

/// Follow an order's changes
///
/// Server-sent events. The first tells how the order stands and what happened so far, each further one (`event:
/// order`) what happened since. After a break send `Last-Event-ID` (browsers do): nothing is missed, nothing is
/// told twice. The stream ends after an hour, or when the server stops; come back then.
#[utoipa::path(get, operation_id = "follow_order", path = "/v1/orders/{id}/events", tag = "orders",
    params(("id" = Uuid, Path), ("Last-Event-ID" = Option<String>, Header),
        ("order_token" = Option<String>, Query, description = "A guest's order token, where no header can be sent")),
    responses((status = OK, body = OrderMoved, content_type = "text/event-stream")),
    security(("bearer" = []), ("order_token" = [])))]
pub(super) async fn stream(
    State(app): State<App>,
    caller: Caller,
    GuestKeyAnywhere(key): GuestKeyAnywhere,
    headers: HeaderMap,
    PathParam(id): PathParam<Uuid>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let order = find(&app, &caller, &key, id).await?.order;
    // While it is being paid, a buyer looks on and waits.
    let pays = order.status == OrderStatus::PendingPayment;
    let still = if pays { Duration::ZERO } else { Time::system_now().since(order.updated_at) };
    // An id that is none of ours is as good as none: then all of it is told.
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let seen = last.and_then(|last| last.parse().ok()).unwrap_or_default();
    let following = Following {
        watcher: app.watch.watch(order.id, still),
        audience: caller.audience(),
        seen,
        is_begun: false,
        ends_at: Instant::now() + LAST,
        app,
        order: order.id,
    };
    let events = stream::unfold(following, |mut following| async move {
        let event = following.next().await?;
        Some((Ok(event), following))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

impl Following {
    /// The next event; `None` ends the stream.
    async fn next(&mut self) -> Option<Event> {
        if !std::mem::replace(&mut self.is_begun, true) {
            return Some(Event::default().retry(COME_BACK).comment("following"));
        }
        loop {
            if !timeout_at(self.ends_at, self.watcher.moved()).await.unwrap_or(false) {
                return None;
            }
            let mut story = match Story::read(&*self.app.store, self.order).await {
                Ok(story) => story?,
                Err(error) => {
                    tracing::debug!("a followed order could not be read: {error}");
                    self.watcher.look_again();
                    tokio::time::sleep(COME_BACK).await;
                    continue;
                }
            };
            story.audience = self.audience;
            let (happened, seen) = since(&story, &self.seen);
            if seen == self.seen {
                continue;
            }
            self.seen = seen;
            let moved = OrderMoved {
                order: OrderBody::new(&story.order),
                happened: happened.iter().map(TimelineEntry::from).collect(),
            };
            let event = Event::default().event("order").id(self.seen.to_string());
            return event.json_data(moved).ok();
        }
    }
}
