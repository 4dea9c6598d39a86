//! The catalogue of problems.

use axum::Json;
use holdfast_contract::List;
use holdfast_contract::problem::{Code, ProblemCodeBody};

use crate::input::Input;
use crate::problem::Problem;

/// List the codes of problems
///
/// Each code means one thing. A problem document has one, and so does each of its `errors`.
#[utoipa::path(get, operation_id = "list_problems", path = "/v1/problems", tag = "problems",
    responses((status = OK, body = List<ProblemCodeBody>)), security((), ("bearer" = [])))]
pub(super) async fn list(input: Input) -> Result<Json<List<ProblemCodeBody>>, Problem> {
    input.check()?;
    Ok(Json(List::whole(Code::ALL.iter().map(|code| (*code).into()).collect())))
}
