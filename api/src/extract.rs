//! The parameters of the path.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use holdfast_contract::problem::Code;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The parameters of the path. A malformed one names nothing that exists, so the answer is 404.
#[derive(Debug)]
pub(crate) struct PathParam<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathParam<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name)).map_err(|_| {
            Problem::new(Code::NotFound, "the id in the path is malformed, so nothing here has it")
        })
    }
}
