//! An order's hold on stock. It covers all lines of the order or none.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

use crate::IllegalTransition;

/// Where a reservation stands. A hold has no expiry of its own: the order's saga owns it and
/// releases it when its own deadline has passed, so a hold cannot end before its window.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    EnumIter,
    IntoStaticStr,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum ReservationStatus {
    /// Counted in `reserved`.
    Held,
    /// Left the house's stock: neither on hand nor reserved any more.
    Confirmed,
    /// Given back before the pivot.
    Released,
    /// Given back after the pivot: on hand again.
    Restocked,
}

/// What can happen to a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ReservationEvent {
    /// The order was confirmed.
    Confirm,
    /// The order was undone before the pivot.
    Release,
    /// The order was undone after the pivot.
    Restock,
}

impl ReservationStatus {
    /// The state after `event`, or the refusal.
    pub fn after(self, event: ReservationEvent) -> Result<Self, IllegalTransition> {
        use ReservationEvent::{Confirm, Release, Restock};
        match (self, event) {
            (Self::Held, Confirm) => Ok(Self::Confirmed),
            (Self::Held, Release) => Ok(Self::Released),
            (Self::Confirmed, Restock) => Ok(Self::Restocked),
            (Self::Held, Restock)
            | (Self::Confirmed, Confirm | Release)
            | (Self::Released | Self::Restocked, Confirm | Release | Restock) => {
                Err(IllegalTransition::new("reservation", self, event))
            }
        }
    }
}
