//! What is stored and passed on: rows, sagas, their history, and what a batch reads and writes. Records know nobody: they
//! hold no rules and read nothing.

mod admin_action;
pub mod audit_fact;
pub mod audit_stretch;
pub mod batch_rows;
pub mod call;
mod cart;
pub mod change;
pub mod context;
mod customer;
pub mod history;
mod notification;
mod order;
mod payment;
mod product;
pub mod request;
pub mod saga;
mod shop;
pub mod signal;
pub mod slot;
mod stock;
pub mod view;

pub use admin_action::AdminAction;
pub use cart::{Cart, CartItem};
pub use customer::Identity;
pub use notification::{Notification, NotificationStatus};
pub use order::{KeyClaim, Order, Reservation};
pub use payment::{Payment, PaymentDetails, PaymentObject, Refund};
pub use product::Product;
pub use shop::{Doubt, Shop};
pub use stock::{Stock, StockAdjustment, StockMove, Versions};
