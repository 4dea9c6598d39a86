//! The history of an order in plain language: what happened, what it waits for, what comes next.
//!
//! Everything is derived from rows that were read before; nothing here decides anything, and no payment
//! token ever appears in a text.

mod buyer;
mod conditions;
mod cursor;
mod diagnosis;
mod folded;
mod lines;
mod next_move;
mod outlook;
mod phrases;
mod story;

pub use conditions::{Blocker, Conditions};
pub use cursor::{InvalidSeen, Seen, since};
pub use diagnosis::OVERDUE;
pub use folded::folded;
pub(crate) use lines::history_of_standalone;
pub use lines::{history, timeline};
pub use next_move::{if_it_comes_back, next_move};
pub use outlook::{Explanation, explain};
pub use phrases::{moment, span};
pub use story::{Audience, Line, Story, redact_token, step};

#[cfg(test)]
mod tests;
