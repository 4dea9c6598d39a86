//! Holdfast's vocabulary: ids, money, time and states, as every other crate uses them.
//!
//! Ids, money, time, and the states of orders, carts, payments, reservations and sagas, each with
//! one total function that moves it. Nothing here performs I/O or knows SQL.

mod card_number;
mod cart;
mod catalog;
mod country;
mod ids;
mod keys;
mod money;
mod order;
mod payment;
mod redact;
mod reservation;
mod retry;
mod saga_state;
mod time;
mod transition;

pub use card_number::{has_card_number, is_card_number, is_split_card_number};
pub use cart::{CartEvent, CartStatus, Line};
pub use catalog::{InvalidSku, MAX_SKU_LEN, Sku};
pub use country::{is_country, needs_postal_code};
pub use ids::{CartId, CustomerId, Ids, InvalidId, OrderId, SLOT_MAX, SagaId, SeededIds, SystemIds};
pub use keys::{KeyPrefix, KeySource, ShopId, StepKey};
pub use money::{Currency, InvalidCurrency, Money, Overflow};
pub use order::{Actor, Address, CancelReason, Contact, OrderEvent, OrderStatus, PaymentMethod};
pub use payment::{PaymentEvent, PaymentStatus, RefundStatus};
pub use redact::{redact, redact_tokens, without_addresses};
pub use reservation::{ReservationEvent, ReservationStatus};
pub use retry::RetryPolicy;
pub use saga_state::{Queue, SagaEvent, SagaState};
pub use time::{Clock, ManualClock, SystemClock, Time};
pub use transition::IllegalTransition;
