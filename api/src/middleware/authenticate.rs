//! Authentication, the rate limit, the lane and the timeout of every request.

use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use holdfast_contract::problem::Code;

use super::rate_limit::RateLimit;
use crate::app::App;
use crate::auth::Authenticated;
use crate::caller_key::{CallerKey, Session};
use crate::lanes::HeldPlace;
use crate::problem::Problem;

/// Longer than the database may take (E2), and longer than a checkout waits for its key (E11).
const TIMEOUT: Duration = Duration::from_secs(12);
/// The audit reads everything: some ten thousand orders a second.
const AUDIT: &str = "/v1/ops/audit";
const AUDIT_TIMEOUT: Duration = Duration::from_mins(5);

/// Marks the refusal of a request that found no place: there may be thousands a second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shed;

/// Authenticates the caller and counts the request against the caller's rate, before any handler runs. A request with
/// an invalid token is refused on every route; it counts as well, so that tokens cannot be guessed.
pub(super) async fn authenticate(
    State((app, rate)): State<(App, Option<RateLimit>)>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let authenticated = app.verifier.caller(&parts);
    let caller = authenticated.as_ref().ok().map(|known| &known.caller);
    let key = CallerKey::of(&parts, caller, &app.callers);
    let counted = rate.and_then(|rate| rate.count(&parts, key.as_ref()));
    let handle = async move {
        match authenticated {
            Ok(Authenticated { caller, until }) => {
                // Held until the response begins: a stream of events needs no place for its whole life.
                let place = match app.lanes.enter(&parts, &caller).await {
                    Ok(place) => HeldPlace::new(place),
                    Err(problem) => return (Extension(Shed), problem).into_response(),
                };
                parts.extensions.insert(caller);
                parts.extensions.insert(Session { until, key, place: place.clone() });
                let response = within_timeout(Request::from_parts(parts, body), next).await;
                place.leave();
                response
            }
            Err(problem) => problem.into_response(),
        }
    };
    match counted {
        Some(counted) => counted.respond(handle).await,
        None => handle.await,
    }
}

/// Limits the time until a response begins. A stream of events begins at once.
async fn within_timeout(request: Request, next: Next) -> Response {
    let timeout = if request.uri().path() == AUDIT { AUDIT_TIMEOUT } else { TIMEOUT };
    tokio::time::timeout(timeout, next.run(request)).await.unwrap_or_else(|_| {
        let detail = "this took too long; repeat the request, with the same Idempotency-Key if it has one";
        Problem::new(Code::Timeout, detail).retry_after(2).into_response()
    })
}
