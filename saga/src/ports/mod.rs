//! The ports: what the rules need from the outside, and what they promise about its use.

mod channel;
mod dispatch;
mod gateways;
mod payments;
mod store;

pub use channel::NotificationChannel;
pub use dispatch::{Dispatch, Hint};
pub use gateways::{Channels, Gateways, Named, Providers};
pub use payments::{ChargeState, Fault, NamedRefund, PaymentProvider, StatementLine};
pub use store::{Claim, Claimed, ErrorClass, Store, StoreError, Tx, WORKERS_KEPT};
