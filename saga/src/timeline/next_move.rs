//! What an operator can do about a dead saga, and a shop about an order that has left the house.

use holdfast_shared::{OrderStatus, PaymentMethod};

use crate::engine::definition::Discard;
use crate::engine::discard::discardable;
use crate::flows::REGISTRY;
use crate::records::Order;
use crate::records::saga::{Phase, Saga};

/// What an operator can do about a saga whose call waits for the settings to change, in a sentence.
pub(super) fn parked_move(saga: &Saga) -> String {
    let id = saga.id;
    let retry = format!("then `holdfast saga retry {id}` tries it at once");
    match REGISTRY.find(&saga.definition).map(|definition| discardable(saga, definition)) {
        Some(Ok(_)) => format!(
            "{retry}; or, if they never will be, see to it yourself, then `holdfast dead discard {id} --reason TEXT`"
        ),
        Some(Err(_)) | None => retry,
    }
}

/// What an operator can do about a dead saga, in a sentence.
pub fn next_move(saga: &Saga) -> String {
    let id = saga.id;
    let retry = match saga.progress.phase {
        Phase::Undo => format!(
            "settle it at the provider or wait until the provider answers, then `holdfast saga retry {id}`: \
             it looks the charge up first, so money that is already back is not sent twice"
        ),
        Phase::Forward | Phase::AfterUndo => {
            format!(
                "remove the cause named above, then `holdfast saga retry {id}`: it goes on where it stopped"
            )
        }
    };
    let discard = format!("`holdfast dead discard {id} --reason TEXT`");
    match REGISTRY.find(&saga.definition).map(|definition| discardable(saga, definition)) {
        Some(Ok(Discard::SettledManually)) => {
            format!("{retry}; or see to the money yourself, then {discard}: nothing more is sent for it")
        }
        Some(Ok(Discard::GivenUp)) => format!("{retry}; or give it up: {discard}"),
        Some(Ok(Discard::Never(_)) | Err(_)) | None => retry,
    }
}

/// What is left to do about an order that has left the house, if its parcel comes back: there are no returns yet.
pub fn if_it_comes_back(order: &Order) -> &'static str {
    match (order.method, order.status) {
        (PaymentMethod::Card | PaymentMethod::Paypal, _) => {
            "if its parcel comes back, give the money back with a refund, and book the pieces with `holdfast stock adjust`"
        }
        (PaymentMethod::Cod, OrderStatus::Delivered) => {
            "if its parcel comes back, give the cash back by hand, and book the pieces with `holdfast stock adjust`"
        }
        (PaymentMethod::Cod | PaymentMethod::None, _) => {
            "if its parcel comes back, book the pieces with `holdfast stock adjust`; no money was taken"
        }
    }
}
