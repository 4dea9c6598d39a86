//! The sandbox payment provider: a stand-in for the outside world.
//!
//! It keeps books of its own, outside the shop's transactions, so that they can be held against the
//! shop's. [`Ledger`] is the rules and nothing else; [`MemorySandbox`] keeps the books in memory for
//! simulations and the bench; [`DurableSandbox`] keeps them in a file that many processes share and that
//! survives any of them; [`http`] serves such a file to processes anywhere. No money ever moves.

mod books;
mod charge;
mod control;
mod durable;
pub mod http;
mod ledger;
mod memory;
mod operation;
mod rows;
mod token;
mod writer;

pub use charge::{Capture, Charge, Refund, Refunds, Standing};
pub use control::SandboxControl;
pub use durable::{DurableSandbox, OpenError};
pub use ledger::{Entry, Ledger};
pub use memory::{MemorySandbox, Sky};
pub use operation::{Operation, Reply};
pub use token::Token;

use std::time::Duration;

/// The name stored with the payments the sandbox takes.
pub const NAME: &str = "sandbox";

/// How long the sandbox recognises a key, unless told otherwise: as long as Stripe does.
pub const KEY_TTL: Duration = Duration::from_hours(24);
