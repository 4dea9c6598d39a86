//! Dead letters: sagas that gave up and wait for an operator. Which there are, and what can be done about each.
//!
//! Nothing here is locked and nothing is changed; [`resolve`] does that.

mod action;
mod preview;
pub mod resolve;
mod totals;

use std::collections::BTreeMap;

use holdfast_shared::{SagaId, Time};
use serde::Serialize;

pub use action::DeadLetterAction;
pub use preview::{MoneyMove, MoneyWay, Preview, StockStep, preview};
pub use totals::Totals;

use crate::engine::registry::Registry;
use crate::ports::{Store, StoreError};
use crate::records::context::without_token;
use crate::records::view::DeadRow;

/// Rows read at once: large enough to hide the round trip, small enough to be nothing to the database.
const PAGE: u32 = 5_000;

/// Which dead sagas are meant; by default all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadFilter {
    /// Of this definition.
    pub saga: Option<String>,
    /// Stopped at this step.
    pub step: Option<String>,
    /// Whose error contains this, in upper or lower case.
    pub error_contains: Option<String>,
    /// Dead since before this instant.
    pub before: Option<Time>,
    /// Dead since this instant or later.
    pub since: Option<Time>,
}

/// One dead saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// The saga's id.
    pub id: SagaId,
    /// What it runs.
    pub saga: String,
    /// Which version of it.
    pub version: i32,
    /// Where it stopped; `None` when this binary cannot tell.
    pub step: Option<&'static str>,
    /// Why, without the buyer's payment token.
    pub reason: String,
    /// Since when.
    pub dead_since: Time,
    /// Whether a signal for it, such as a retry, is not read yet.
    pub is_due: bool,
}

/// Dead sagas that stopped at the same step for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadGroup {
    /// What they run.
    pub saga: String,
    /// Where they stopped.
    pub step: Option<&'static str>,
    /// Why; `N` stands for each one's own order number.
    pub reason: String,
    /// How many dead letters it holds.
    pub count: u64,
    /// Since when the first of them is dead.
    pub oldest: Time,
    /// And the last.
    pub newest: Time,
    /// One of them.
    pub example: SagaId,
}

/// Up to `limit` dead sagas that fit `filter`, newest first, behind the cursor `after`.
pub async fn list(
    store: &dyn Store,
    registry: &Registry,
    filter: &DeadFilter,
    after: Option<SagaId>,
    limit: usize,
) -> Result<Vec<DeadLetter>, StoreError> {
    // Without a filter every row fits: no more need be read than are wanted.
    let every = *filter == DeadFilter::default();
    let page = if every { u32::try_from(limit).unwrap_or(PAGE).min(PAGE) } else { PAGE };
    let mut dead_letters = Vec::new();
    let mut before = after;
    while dead_letters.len() < limit {
        let rows = store.dead(before, page).await?;
        let ended = rows.len() < page as usize;
        before = rows.last().map(|row| row.id);
        let fitting = rows.into_iter().map(|row| letter(row, registry)).filter(|letter| filter.fits(letter));
        dead_letters.extend(fitting.take(limit - dead_letters.len()));
        if ended {
            break;
        }
    }
    Ok(dead_letters)
}

/// The same by definition, step and reason, the largest group first.
pub fn groups(dead_letters: &[DeadLetter]) -> Vec<DeadGroup> {
    let mut groups: BTreeMap<(&str, Option<&str>, String), DeadGroup> = BTreeMap::new();
    for letter in dead_letters {
        let reason = pattern(letter);
        let group = groups.entry((&letter.saga, letter.step, reason.clone())).or_insert_with(|| DeadGroup {
            saga: letter.saga.clone(),
            step: letter.step,
            reason,
            count: 0,
            oldest: letter.dead_since,
            newest: letter.dead_since,
            example: letter.id,
        });
        group.count += 1;
        group.oldest = group.oldest.min(letter.dead_since);
        group.newest = group.newest.max(letter.dead_since);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups
}

impl DeadFilter {
    fn fits(&self, letter: &DeadLetter) -> bool {
        let contains = |text: &String| letter.reason.to_lowercase().contains(&text.to_lowercase());
        self.saga.as_ref().is_none_or(|saga| *saga == letter.saga)
            && self.step.as_deref().is_none_or(|step| Some(step) == letter.step)
            && self.error_contains.as_ref().is_none_or(contains)
            && self.before.is_none_or(|before| letter.dead_since < before)
            && self.since.is_none_or(|since| letter.dead_since >= since)
    }
}

fn letter(row: DeadRow, registry: &Registry) -> DeadLetter {
    let DeadRow { id, definition, progress, since, wake_at, token } = row;
    let known = registry.find(&definition);
    let (step, reason) = match progress {
        Ok(progress) => {
            let step = known.map(|definition| definition.position(&progress).step);
            (step, progress.error.unwrap_or_else(|| "nobody knows why".to_owned()))
        }
        Err(unreadable) => (None, unreadable),
    };
    DeadLetter {
        id,
        saga: definition.name,
        version: definition.version,
        step,
        reason: without_token(token.as_deref(), &reason),
        dead_since: since,
        is_due: wake_at.is_some(),
    }
}

/// The reason with `N` for the saga's own order number, so that the same fault of many orders is one reason.
fn pattern(letter: &DeadLetter) -> String {
    let own = letter.id.order().map(|order| order.to_string());
    let mut text = String::with_capacity(letter.reason.len());
    let mut rest = letter.reason.as_str();
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(at);
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        let (number, after) = number.split_at(end);
        text.extend([before, if Some(number) == own.as_deref() { "N" } else { number }]);
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use holdfast_shared::OrderId;

    use super::*;

    fn dead(number: i64, saga: &str, reason: &str, since: i64) -> DeadLetter {
        DeadLetter {
            id: OrderId::new(number).saga(1),
            saga: saga.to_owned(),
            version: 1,
            step: Some("send"),
            reason: reason.to_owned(),
            dead_since: Time::from_micros(since),
            is_due: false,
        }
    }

    #[test]
    fn one_fault_of_many_orders_is_one_group() {
        let dead_letters = [
            dead(12, "notification", "12.1: no route to 10.0.0.12 for order 12", 30),
            dead(7, "notification", "7.1: no route to 10.0.0.12 for order 7", 10),
            dead(9, "notification", "the mailbox is full", 20),
            dead(7, "cancellation", "7.1: no route to 10.0.0.12 for order 7", 40),
        ];
        let groups = groups(&dead_letters);
        let text: Vec<_> =
            groups.iter().map(|group| (group.saga.as_str(), group.reason.as_str(), group.count)).collect();
        // The last number of the address is order 12's only by chance.
        assert_eq!(text[0], ("cancellation", "N.1: no route to 10.0.0.12 for order N", 1));
        assert_eq!(text.len(), 4);
        let alike = [dead(12, "n", "order 12 failed", 30), dead(7, "n", "order 7 failed", 10)];
        let alike = &super::groups(&alike)[0];
        assert_eq!(
            (alike.count, alike.oldest, alike.newest),
            (2, Time::from_micros(10), Time::from_micros(30))
        );
    }

    #[test]
    fn every_filter_asks_for_what_it_says() {
        let letter = dead(12, "notification", "The Mailbox is full", 20);
        let all = DeadFilter::default;
        let text = |text: &str| Some(text.to_owned());
        let at = |micros| Some(Time::from_micros(micros));
        for (filter, fits) in [
            (all(), true),
            (DeadFilter { saga: text("notification"), ..all() }, true),
            (DeadFilter { saga: text("cancellation"), ..all() }, false),
            (DeadFilter { step: text("send"), ..all() }, true),
            (DeadFilter { step: text("save"), ..all() }, false),
            (DeadFilter { error_contains: text("MAILBOX"), ..all() }, true),
            (DeadFilter { error_contains: text("letterbox"), ..all() }, false),
            (DeadFilter { before: at(21), ..all() }, true),
            (DeadFilter { before: at(20), ..all() }, false),
            (DeadFilter { since: at(20), ..all() }, true),
            (DeadFilter { since: at(21), ..all() }, false),
            (DeadFilter { saga: text("notification"), since: at(21), ..all() }, false),
        ] {
            assert_eq!(filter.fits(&letter), fits, "{filter:?}");
        }
    }
}
