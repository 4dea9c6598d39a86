//! The closed list of every write a saga can make.

use holdfast_shared::{CancelReason, CartId, Line, OrderId, OrderStatus, PaymentStatus, RefundStatus, Sku};

use crate::records::saga::NewSaga;
use crate::records::{Notification, NotificationStatus, Payment, Refund};

/// One write. Each names the state it moves from: an order's live saga owns the order's rows, so
/// they are not read again, and the save proves that they were where the saga left them.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Promises the lines to the order, all or none. Refused when one of them is short.
    ReserveStock {
        /// The order.
        order: OrderId,
        /// The order's lines.
        lines: Vec<Line>,
    },
    /// Takes the promise back.
    ReleaseStock {
        /// The order.
        order: OrderId,
        /// The order's lines.
        lines: Vec<Line>,
    },
    /// The promised goods leave the shelf.
    ConfirmReservation {
        /// The order.
        order: OrderId,
        /// The order's lines.
        lines: Vec<Line>,
    },
    /// Goods that had left come back to the shelf.
    Restock {
        /// The order.
        order: OrderId,
        /// The order's lines.
        lines: Vec<Line>,
    },
    /// The order stands.
    ConfirmOrder {
        /// The order.
        order: OrderId,
        /// The status that the order must have.
        from: OrderStatus,
    },
    /// The order is undone.
    CancelOrder {
        /// The order.
        order: OrderId,
        /// The status that the order must have.
        from: OrderStatus,
        /// The reason of the cancellation.
        reason: CancelReason,
    },
    /// The cart's order stands; the cart is history.
    ClearCart {
        /// The cart.
        cart: CartId,
        /// The order that holds it.
        order: OrderId,
    },
    /// The cart's order is undone; the customer may go on with it.
    ReopenCart {
        /// The cart.
        cart: CartId,
        /// The order that holds it.
        order: OrderId,
    },
    /// Inserts the payment row, or moves it.
    RecordPayment {
        /// Where our row stands; `None` when there is none yet.
        from: Option<PaymentStatus>,
        /// The new row.
        payment: Payment,
    },
    /// Inserts the refund row, or moves it.
    RecordRefund {
        /// Where our row stands; `None` when there is none yet.
        from: Option<RefundStatus>,
        /// The new row.
        refund: Refund,
    },
    /// Saves a message, or moves it.
    RecordNotification {
        /// Where our row stands; `None` when there is none yet.
        from: Option<NotificationStatus>,
        /// The new row.
        notification: Notification,
    },
    /// Starts a child saga, planned to its first call in the same commit.
    StartSaga(Box<NewSaga>),
}

impl Change {
    /// The saga it starts.
    pub fn child(&self) -> Option<&NewSaga> {
        if let Self::StartSaga(child) = self { Some(child) } else { None }
    }

    /// The status it moves the order to, if it moves it.
    pub const fn order_status(&self) -> Option<OrderStatus> {
        match self {
            Self::ConfirmOrder { .. } => Some(OrderStatus::Confirmed),
            Self::CancelOrder { .. } => Some(OrderStatus::Cancelled),
            Self::ReserveStock { .. }
            | Self::ReleaseStock { .. }
            | Self::ConfirmReservation { .. }
            | Self::Restock { .. }
            | Self::ClearCart { .. }
            | Self::ReopenCart { .. }
            | Self::RecordPayment { .. }
            | Self::RecordRefund { .. }
            | Self::RecordNotification { .. }
            | Self::StartSaga(_) => None,
        }
    }

    /// Whether a stock level can refuse it: whoever reserves asks how much is free, all others only move it.
    pub const fn is_decided_by_stock(&self) -> bool {
        matches!(self, Self::ReserveStock { .. })
    }

    /// The stock rows it moves: the rows that sagas share.
    pub fn skus(&self) -> impl Iterator<Item = &Sku> {
        let lines: &[Line] = match self {
            Self::ReserveStock { lines, .. }
            | Self::ReleaseStock { lines, .. }
            | Self::ConfirmReservation { lines, .. }
            | Self::Restock { lines, .. } => lines,
            Self::ConfirmOrder { .. }
            | Self::CancelOrder { .. }
            | Self::ClearCart { .. }
            | Self::ReopenCart { .. }
            | Self::RecordPayment { .. }
            | Self::RecordRefund { .. }
            | Self::RecordNotification { .. }
            | Self::StartSaga(_) => &[],
        };
        lines.iter().map(|line| &line.sku)
    }
}
