//! The ports: what the rules need from the outside, and what they promise about its use.

mod amounts;
mod around;
mod channel;
mod dispatch;
mod gateways;
mod participant;
mod payments;
mod store;

pub use amounts::{AmountRule, Amounts, ProviderAmounts, UnfitAmount};
pub use around::AroundProvider;
pub use channel::NotificationChannel;
pub use dispatch::{Dispatch, Hint};
pub use gateways::{Channels, Gateways, Named, Participants, Providers};
pub use participant::{Decision, Participant, Task};
pub use payments::{
    Account, At, Attempt, Caps, Captured, Charge, Closed, Fault, Movement, NamedRefund, Page,
    PaymentProvider, RefundState, Setting,
};
pub use store::{Claim, Claimed, ErrorClass, KEY_TAKEN, Store, StoreError, Tx, WORKERS_KEPT};
