//! Liveness and readiness.

use axum::Json;
use axum::extract::State;
use holdfast_contract::health::Readiness;
use holdfast_contract::problem::Code;

use crate::app::App;
use crate::input::Input;
use crate::problem::Problem;

/// Check that the process is alive
#[utoipa::path(get, operation_id = "healthz", path = "/healthz", tag = "health", responses((status = OK, body = String, content_type = "text/plain")), security(()))]
pub(super) async fn healthz(input: Input) -> Result<&'static str, Problem> {
    input.check()?;
    Ok("ok\n")
}

/// Check that the process can work
///
/// If it cannot, the problem says what is missing.
#[utoipa::path(get, operation_id = "readyz", path = "/readyz", tag = "health", responses((status = OK, body = Readiness)), security(()))]
pub(super) async fn readyz(State(app): State<App>, input: Input) -> Result<Json<Readiness>, Problem> {
    input.check()?;
    let not_ready =
        |missing: &str| Problem::new(Code::NotReady, format!("not ready: {missing}")).retry_after(1);
    if app.watch.is_stopping() {
        return Err(not_ready("this process is stopping"));
    }
    if !app.checkout_intake.is_running() {
        return Err(not_ready("the checkout intake has ended: restart this process"));
    }
    let tried = app.database_check.run().await;
    tried.map(|shop| Json(Readiness { ready: true, shop })).map_err(|why| not_ready(&why))
}
