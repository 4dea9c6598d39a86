//! Lists, page by page.

use serde::{Deserialize, Serialize};

use crate::input::{At, Faults, Read as _};
use crate::json::Json;

/// The most items on one page.
const LIMIT_MAX: u32 = 100;
const LIMIT_DEFAULT: u32 = 20;

/// One page of a list.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct List<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// The cursor of the next page; `null` on the last page.
    pub next_cursor: Option<String>,
}

/// The page of a list to return.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
pub struct Page {
    /// The most items to return.
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 100, default = 20))]
    pub limit: Option<u32>,
    /// The `next_cursor` of the previous page.
    #[cfg_attr(feature = "openapi", param(pattern = "^[A-Za-z0-9_-]{1,200}$"))]
    pub cursor: Option<String>,
}

impl Page {
    /// How many to read: one more than the limit, to know whether there is a next page.
    pub fn limit_read(&self) -> u32 {
        self.limit.unwrap_or(LIMIT_DEFAULT) + 1
    }
}

read_fields!(Page { limit by limit, cursor });

/// Reads the limit of a page.
pub fn limit(value: Json, at: &At<'_>, faults: &mut Faults) -> Option<Option<u32>> {
    let limit = Option::<u32>::read(value, at, faults)?;
    if limit.is_some_and(|limit| !(1..=LIMIT_MAX).contains(&limit)) {
        return faults.invalid(at, format!("expected a whole number from 1 to {LIMIT_MAX}"));
    }
    Some(limit)
}

impl<T> List<T> {
    /// A list without a next page.
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, next_cursor: None }
    }

    /// A page of what was read with one more than its limit, such as [`Page::limit_read`] says. `cursor` names the last
    /// item shown.
    pub fn page<R>(
        mut read: Vec<R>,
        limit_read: u32,
        cursor: impl Fn(&R) -> String,
        show: impl FnMut(R) -> T,
    ) -> Self {
        let shown = usize::try_from(limit_read.saturating_sub(1)).unwrap_or(usize::MAX);
        let has_more = read.len() > shown;
        read.truncate(shown);
        let next_cursor = read.last().filter(|_| has_more).map(cursor);
        Self { items: read.into_iter().map(show).collect(), next_cursor }
    }
}
