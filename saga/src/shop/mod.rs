//! What customers and admins do: carts, checkouts, the catalogue, stock, and verbs on an order.

mod accept_policy;
pub mod answer;
pub(crate) mod audit_trail;
pub mod cart;
pub mod catalog;
pub mod checkout;
pub mod order;
pub mod payment_event;
pub mod stock_adjustment;
