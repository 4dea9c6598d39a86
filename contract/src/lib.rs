//! Holdfast's wire types: the JSON of the REST API and of the command line, each type written once.
//!
//! They read nothing: no database, no socket, no clock. They are made from what `holdfast-saga` has read, and a
//! client can parse them again. With the feature `openapi` they describe themselves for the OpenAPI document.

#[macro_use]
pub mod input;

pub mod action;
pub mod audit;
pub mod cart;
pub mod checkout;
pub mod dead_letter;
pub mod health;
pub mod json;
pub mod list;
pub mod notification;
pub mod order;
pub mod order_key;
pub mod problem;
pub mod product;
pub mod queue;
mod result;
pub mod saga;
pub mod text;
pub mod worker;

pub use self::list::List;
pub use self::result::CommandOutcome;
pub use self::text::{Note, Text};
