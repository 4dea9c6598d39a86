//! The events of an order, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use holdfast_saga::timeline::{Audience, Seen, Story, since};
use holdfast_shared::{OrderId, OrderStatus, Time};
use tokio::time::{Instant, timeout_at};

use crate::app::App;
use crate::auth::Caller;
use crate::caller_key::Session;
use crate::extract::PathParam;
use crate::headers::LAST_EVENT_ID;
use crate::input::Input;
use crate::order_access::{OrderPath, OrderTokenAnywhere, StreamQuery, find};
use crate::problem::Problem;
use crate::streams::StreamPlace;
use crate::watch::Watcher;
use holdfast_contract::input::Nothing;
use holdfast_contract::order::{OrderBody, OrderMoved, TimelineEntry};

/// How often an idle stream sends a comment, so that proxies do not close it.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A stream ends after this long. Its client reconnects, and is authenticated again.
const MAX_STREAM_AGE: Duration = Duration::from_hours(1);
/// After this long a browser reconnects.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);

/// The state of one stream.
struct EventStream {
    app: App,
    order: OrderId,
    watcher: Watcher,
    _place: StreamPlace,
    seen: Seen,
    audience: Audience,
    /// Whether the first event was sent.
    is_started: bool,
    ends_at: Instant,
}

/// Stream the events of an order
///
/// Server-sent events of the type `order`. The first event has the order as it is now and everything that happened so
/// far, each further one what happened since. After a disconnect send `Last-Event-ID`, as browsers do: no event is lost,
/// and none is repeated. The stream ends after an hour, when the token expires, or when the server stops; then connect again.
#[utoipa::path(get, operation_id = "stream_order_events", path = "/v1/orders/{id}/events", tag = "orders",
    params(("id" = OrderPath, Path), ("Last-Event-ID" = Option<String>, Header),
        ("order_token" = Option<String>, Query, description = "A guest's order token, for clients that cannot send a header")),
    responses((status = OK, body = OrderMoved, content_type = "text/event-stream")),
    security(("bearer" = []), ("order_token" = [])))]
pub(super) async fn stream(
    State(app): State<App>,
    caller: Caller,
    OrderTokenAnywhere(token): OrderTokenAnywhere,
    Extension(Session { until, key, .. }): Extension<Session>,
    headers: HeaderMap,
    PathParam(OrderPath(id)): PathParam<OrderPath>,
    input: Input<Nothing, StreamQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let order = find(&app, &caller, &token, id).await?.order;
    input.check()?;
    let of_order = Some(order.id).filter(|_| !caller.sees_all());
    let place = app.streams.enter(key, of_order)?;
    let now = Time::system_now();
    // During the payment the buyer waits for the next event.
    let is_in_payment = order.status == OrderStatus::PendingPayment;
    let idle = if is_in_payment { Duration::ZERO } else { now.since(order.updated_at) };
    // An unknown id counts as none: then the first event has everything.
    let last = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    let seen = last.and_then(|last| last.parse().ok()).unwrap_or_default();
    let stream_state = EventStream {
        watcher: app.watch.watch(order.id, idle),
        _place: place,
        audience: caller.audience(),
        seen,
        is_started: false,
        ends_at: Instant::now() + until.0.map_or(MAX_STREAM_AGE, |at| at.since(now).min(MAX_STREAM_AGE)),
        app,
        order: order.id,
    };
    let events = stream::unfold(stream_state, |mut stream_state| async move {
        let event = stream_state.next().await?;
        Some((Ok(event), stream_state))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

impl EventStream {
    /// The next event; `None` ends the stream.
    async fn next(&mut self) -> Option<Event> {
        if !std::mem::replace(&mut self.is_started, true) {
            return Some(Event::default().retry(RECONNECT_DELAY).comment("following"));
        }
        loop {
            if !timeout_at(self.ends_at, self.watcher.moved()).await.unwrap_or(false) {
                return None;
            }
            let mut story = match Story::read(&*self.app.store, self.order).await {
                Ok(story) => story?,
                Err(error) => {
                    tracing::debug!("the order of a stream could not be read: {error}");
                    self.watcher.look_again();
                    tokio::time::sleep(RECONNECT_DELAY).await;
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
