//! A second payment provider, for tests. It shares no code with the sandbox, and differs from it where providers differ:
//!
//! - a payment must be opened before its money can be taken, and is known by the bank's reference;
//! - nothing can be cancelled;
//! - a declined attempt leaves the payment open; a debit is `processing` until the bank settles it;
//! - a key is forgotten after a while, and until then its answer is repeated, a 500 as well;
//! - an account sees its own payments only, and may be live;
//! - it takes no HUF and no small amounts, KWD in tens, and writes ISK in hundredths; some tokens make it take another amount
//!   than it was asked for.
//!
//! [`Bank`] is the rules and the ledger; [`BankProvider`] is the adapter to Holdfast's port; [`serve`] makes a process of
//! it. Between the two stands a [`Wire`]: HTTP, or none at all for simulations.

mod amounts;
mod ledger;
mod message;
mod provider;
mod server;
mod token;
mod wire;

pub use ledger::{Bank, Sums};
pub use message::{Asked, Said};
pub use provider::{AMOUNTS, BankProvider, NAME, route};
pub use server::{HttpWire, serve};
pub use token::Token;
pub use wire::{LocalWire, NoAnswer, Weather, Wire};
