//! The ports: what the rules need from the outside, and what they promise about its use.

mod dispatch;
mod gateways;
mod notifier;
mod payments;
mod store;

pub use dispatch::{Dispatch, Hint};
pub use gateways::{Gateways, Providers};
pub use notifier::Notifier;
pub use payments::{ChargeState, Fault, NamedRefund, PaymentProvider, StatementLine};
pub use store::{Claim, Claimed, ErrorClass, Store, StoreError, Tx, WORKERS_KEPT};
