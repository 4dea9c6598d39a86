//! Why a checkout is refused.

use holdfast_shared::{CartId, Money, OrderId, PaymentMethod, Sku};

use crate::ports::UnfitAmount;
use crate::shop::cart;

/// Why a checkout was refused. Nothing was changed, and the key may be used again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The key was used for something else.
    #[error(
        "this Idempotency-Key was used for order {order} with another request; use a new key for a new request"
    )]
    KeyReused {
        /// The order it led to.
        order: OrderId,
    },
    /// The shop takes no new orders now.
    #[error("the shop takes no new orders now; come again in a moment")]
    Closed,
    /// Somebody else's request with this key is still under way.
    #[error("a request with this Idempotency-Key is still being handled; ask again in a moment")]
    InProgress,
    /// The cart cannot be used, or not as it is.
    #[error(transparent)]
    Cart(#[from] cart::Refused),
    /// Nothing in it.
    #[error("cart {0} is empty; add an item before checking out")]
    EmptyCart(CartId),
    /// Two positions for one SKU.
    #[error("{0} stands in the cart twice; put the whole quantity into one line")]
    DuplicateLine(Sku),
    /// The sum does not fit.
    #[error("the total of cart {0} is too large to count")]
    TotalTooLarge(CartId),
    /// Prices or products changed since the customer looked.
    #[error("the cart costs {total} now, {expected} was expected; show the customer the new total")]
    CartChanged {
        /// What it costs.
        total: Money,
        /// What they saw.
        expected: Money,
    },
    /// No provider takes the money that is paid like this.
    #[error("this shop does not take {0}; choose another payment method")]
    MethodUnavailable(PaymentMethod),
    /// No worker can take money there now.
    #[error("{0} cannot be taken at the moment; choose another payment method, or try again later")]
    MethodDown(PaymentMethod),
    /// The order costs something, and the buyer did not choose how to pay.
    #[error("the cart costs {0}; choose how to pay")]
    NotFree(Money),
    /// The provider of this method cannot take this amount.
    #[error("this cannot be paid by {method}: {why}; choose another payment method")]
    AmountUnfit {
        /// How they pay.
        method: PaymentMethod,
        /// What the provider cannot take.
        why: UnfitAmount,
    },
    /// Online without a token.
    #[error("paying by {0} needs the provider's token")]
    TokenMissing(PaymentMethod),
}

impl Refused {
    /// The stable code of the problem document.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::KeyReused { .. } => "idempotency_key_reused",
            Self::Closed => "too_many_pending_orders",
            Self::InProgress => "idempotency_in_progress",
            Self::Cart(refused) => refused.code(),
            Self::EmptyCart(_) => "cart_empty",
            Self::DuplicateLine(_) => "duplicate_line",
            Self::TotalTooLarge(_) => "total_too_large",
            Self::CartChanged { .. } => "cart_changed",
            Self::MethodUnavailable(_) => "payment_method_unavailable",
            Self::MethodDown(_) => "payment_method_down",
            Self::NotFree(_) => "payment_method_missing",
            Self::AmountUnfit { .. } => "amount_not_payable",
            Self::TokenMissing(_) => "token_missing",
        }
    }
}
