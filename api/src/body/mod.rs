//! The shapes of requests and answers, each written once and described in the OpenAPI document.

pub mod cart;
pub mod checkout;
pub mod list;
pub mod notification;
pub mod ops;
pub mod order;
pub mod product;
mod text;

pub use list::List;
pub use text::{Note, Text};
