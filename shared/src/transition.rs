//! What a total transition function answers to a move that it forbids.

/// A state was asked to make a move it must never make.
///
/// Nothing has changed when this is returned. A rule forbids the move, so trying it again
/// gives the same answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {from} cannot {event}")]
pub struct IllegalTransition {
    /// What kind of thing was moved: `order`, `cart`, `payment`, …
    pub what: &'static str,
    /// The state it is in and stays in.
    pub from: &'static str,
    /// The move that was refused.
    pub event: &'static str,
}

impl IllegalTransition {
    pub(crate) fn new(
        what: &'static str,
        from: impl Into<&'static str>,
        event: impl Into<&'static str>,
    ) -> Self {
        Self { what, from: from.into(), event: event.into() }
    }
}
