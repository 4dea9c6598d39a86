//! Lists, page by page.

use serde::{Deserialize, Serialize};

/// The most items on one page.
pub const LIMIT_MAX: u32 = 100;
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

/// A page that cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadPage {
    /// The limit is out of bounds.
    Limit(u32),
}

impl Page {
    /// How many to read: one more than the limit, to know whether there is a next page.
    pub fn read(&self) -> Result<u32, BadPage> {
        match self.limit.unwrap_or(LIMIT_DEFAULT) {
            limit @ 1..=LIMIT_MAX => Ok(limit + 1),
            limit => Err(BadPage::Limit(limit)),
        }
    }
}

read_fields!(Page { limit, cursor });

impl<T> List<T> {
    /// A list without a next page.
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, next_cursor: None }
    }

    /// A page of what was read with one more than its limit, such as [`Page::read`] says. `cursor` names the last
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
