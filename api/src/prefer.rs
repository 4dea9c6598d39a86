//! `Prefer: wait=2` (RFC 7240): the caller waits for the outcome of what was accepted, instead of asking again.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use holdfast_saga::records::view::OrderView;
use holdfast_shared::{OrderId, OrderStatus};
use tokio::time::{Instant, timeout_at};

use crate::app::App;
use crate::caller_key::Session;
use crate::lanes::HeldPlace;
use crate::problem::Problem;

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// Nobody waits for longer, whatever they prefer.
const WAIT_MAX: u64 = 2;

/// How long a caller waits for an outcome. A preference that is not understood is none, as the standard says.
#[derive(Debug)]
pub(crate) struct Wait {
    seconds: u64,
    place: HeldPlace,
}

impl<S: Send + Sync> FromRequestParts<S> for Wait {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let place =
            parts.extensions.get::<Session>().map(|session| session.place.clone()).unwrap_or_default();
        Ok(Self { seconds: seconds(&parts.headers).unwrap_or_default().min(WAIT_MAX), place })
    }
}

fn seconds(headers: &HeaderMap) -> Option<u64> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let preferences = values.flat_map(|value| value.split([',', ';'])).filter_map(|one| one.split_once('='));
    let mut waits = preferences.filter(|(name, _)| name.trim().eq_ignore_ascii_case("wait"));
    waits.next()?.1.trim().trim_matches('"').parse().ok()
}

impl Wait {
    /// The order once it is decided and nothing is pending of it; `None` if that takes too long, or the caller does not wait.
    ///
    /// The request's place in its lane is given up first: whoever waits works on nothing.
    pub(crate) async fn for_outcome(&self, app: &App, order: OrderId) -> Result<Option<OrderView>, Problem> {
        if self.seconds == 0 {
            return Ok(None);
        }
        self.place.leave();
        let until = Instant::now() + Duration::from_secs(self.seconds);
        let mut watcher = app.watch.watch(order, Duration::ZERO);
        while timeout_at(until, watcher.moved()).await.unwrap_or(false) {
            let view = app
                .store
                .order(order)
                .await?
                .filter(|view| is_done(view.order.status, view.pending.is_some()));
            if view.is_some() {
                return Ok(view);
            }
        }
        Ok(None)
    }

    /// The response, which says that the caller's preference was heard.
    pub(crate) fn applied(&self, response: impl IntoResponse) -> Response {
        let mut response = response.into_response();
        if self.seconds > 0
            && let Ok(applied) = HeaderValue::try_from(format!("wait={}", self.seconds))
        {
            response.headers_mut().insert(PREFERENCE_APPLIED, applied);
        }
        response
    }
}

/// A checkout that is being undone has read what was asked, and its order is not cancelled yet.
fn is_done(status: OrderStatus, is_pending: bool) -> bool {
    !is_pending && !status.is_pending() && status != OrderStatus::Cancelling
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preference_is_read_as_the_standard_writes_it() {
        for (lines, expected) in [
            (&["wait=2"][..], Some(2)),
            (&["respond-async, wait=10"], Some(10)),
            (&["return=minimal", "Wait = \"1\""], Some(1)),
            (&["return=minimal; wait=2"], Some(2)),
            (&["wait=-1"], None),
            (&["wait=soon"], None),
            (&["wait"], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(PREFER, HeaderValue::from_static(line));
            }
            assert_eq!(seconds(&headers), expected, "{lines:?}");
        }
    }

    #[test]
    fn an_order_that_is_being_undone_is_not_done() {
        use OrderStatus::{Cancelled, Cancelling, Confirmed, PendingConfirmation, PendingPayment};
        for status in [PendingPayment, PendingConfirmation, Cancelling] {
            assert!(!is_done(status, false), "{status}");
        }
        assert!(is_done(Confirmed, false) && is_done(Cancelled, false));
        assert!(!is_done(Confirmed, true), "its refund is under way");
    }
}
