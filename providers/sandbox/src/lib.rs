//! The sandbox payment provider: a stand-in for the outside world.
//!
//! It keeps a ledger of its own, outside the shop's transactions, so that they can be held against the
//! shop's. [`Ledger`] is the rules and nothing else; [`MemorySandbox`] keeps the ledger in memory for
//! simulations and the bench; [`DurableSandbox`] keeps them in a file that many processes share and that
//! survives any of them; [`http`] serves such a file to processes anywhere. No money ever moves.

mod charge;
mod control;
mod durable;
pub mod http;
mod identity;
mod ledger;
mod ledger_file;
mod memory;
mod operation;
mod port;
mod rows;
mod token;
mod writer;

pub use charge::{Capture, Charge, ChargeState, Refund, Refunds, Standing};
pub use control::{Part, SandboxControl};
pub use durable::{DurableSandbox, OpenError};
pub use identity::{KEY_TTL, NAME};
pub use ledger::{Entry, Ledger};
pub use memory::{MemorySandbox, Sky};
pub use operation::{Operation, Reply};
pub use token::{TOKEN_PREFIX, Token};
