//! Pages of lists.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::problem::Problem;

/// A page is at most this long.
pub const LIMIT_MAX: u32 = 100;
const LIMIT_DEFAULT: u32 = 20;

/// One page.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next page begins; `null` on the last one.
    pub next_cursor: Option<String>,
}

/// Which page is asked for.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// How many at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(pattern = "^[!-~]{1,64}$")]
    pub cursor: Option<String>,
}

impl Page {
    /// How many to read: one more than are shown, so that the last page is known to be the last.
    pub(crate) fn read(&self) -> Result<u32, Problem> {
        match self.limit.unwrap_or(LIMIT_DEFAULT) {
            limit @ 1..=LIMIT_MAX => Ok(limit + 1),
            limit => {
                let words = format!("limit is {limit}; 1 to {LIMIT_MAX} are expected");
                Err(Problem::bad_request("invalid_query", words))
            }
        }
    }

    /// Where to begin, understood by `parse`.
    pub(crate) fn after<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let refuse = || Problem::bad_request("invalid_cursor", "cursor is none that a page here ended with");
        parse(cursor).map(Some).ok_or_else(refuse)
    }
}

impl<T> List<T> {
    /// A page of what was read with [`Page::read`]; `cursor` names the last one shown.
    pub(crate) fn page<R>(
        mut read: Vec<R>,
        limit: u32,
        cursor: impl Fn(&R) -> String,
        show: impl Fn(&R) -> T,
    ) -> Self {
        let shown = (limit - 1) as usize;
        let more = read.len() > shown;
        read.truncate(shown);
        let next_cursor = read.last().filter(|_| more).map(cursor);
        Self { items: read.iter().map(show).collect(), next_cursor }
    }
}
