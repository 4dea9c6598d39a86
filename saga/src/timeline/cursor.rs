//! What a follower of an order has not seen yet.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::lines::{accepted, acts, history_since};
use super::story::{Line, Story};

/// What a follower has seen: of each saga up to which commit, and how many acts of people.
///
/// Written as `0.5_1.2_d1`: saga 0 up to its fence 5, saga 1 up to 2, and one act.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    fences: BTreeMap<u32, i64>,
    acts: usize,
}

/// Text that is not how a [`Seen`] is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no place in an order's history")]
pub struct InvalidSeen;

/// What happened since `seen`, oldest first, and what has been seen then.
///
/// It goes by commits and not by time, so nothing is missed when two commits of an order overtake each other,
/// and nothing is sent twice. An unread signal is left to the commit that reads it.
pub fn since(story: &Story, seen: &Seen) -> (Vec<Line>, Seen) {
    let mut lines = Vec::new();
    if *seen == Seen::default() {
        lines.push(accepted(story));
    }
    for saga in &story.sagas {
        lines.extend(history_since(
            story,
            saga,
            saga.id.slot().and_then(|slot| seen.fences.get(&slot).copied()),
        ));
    }
    let acts = acts(story);
    lines.extend(acts.iter().skip(seen.acts).cloned());
    // Stable, so what one commit decided keeps its order.
    lines.sort_by_key(|line| line.at);
    // A saga that was pruned has been seen all the same. Its history was read after its row, so it may be ahead.
    let mut fences = seen.fences.clone();
    let rows = story.sagas.iter().map(|saga| (saga.id, saga.fence));
    let rows = rows.chain(story.log.iter().map(|row| (row.saga, row.fence)));
    for (slot, fence) in rows.filter_map(|(saga, fence)| Some((saga.slot()?, fence))) {
        let known = fences.entry(slot).or_default();
        *known = fence.max(*known);
    }
    (lines, Seen { fences, acts: acts.len().max(seen.acts) })
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (slot, fence) in &self.fences {
            write!(f, "{slot}.{fence}_")?;
        }
        write!(f, "d{}", self.acts)
    }
}

impl FromStr for Seen {
    type Err = InvalidSeen;

    fn from_str(text: &str) -> Result<Self, InvalidSeen> {
        let mut parts: Vec<&str> = text.split('_').collect();
        let acts = parts.pop().and_then(|part| part.strip_prefix('d')?.parse().ok()).ok_or(InvalidSeen)?;
        let fence = |part: &str| {
            let (slot, fence) = part.split_once('.')?;
            Some((slot.parse().ok()?, fence.parse().ok()?))
        };
        let fences =
            parts.into_iter().map(|part| fence(part).ok_or(InvalidSeen)).collect::<Result<_, _>>()?;
        Ok(Self { fences, acts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        for text in ["d0", "0.5_d0", "0.5_1.2_64.1_d3"] {
            assert_eq!(text.parse::<Seen>().map(|seen| seen.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "0.5", "d", "0.x_d1", "4294967296.1_d0", "0.5_d0_d0", "d-1"] {
            assert_eq!(text.parse::<Seen>(), Err(InvalidSeen), "{text}");
        }
    }
}
