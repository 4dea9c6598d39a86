//! The status and the code of every domain error, in one place.

use holdfast_contract::problem::Code;
use holdfast_intake::AcceptError;
use holdfast_saga::operations::audit_run::AuditError;
use holdfast_saga::ports::StoreError;
use holdfast_saga::shop::answer::{Against, Conflict};
use holdfast_saga::shop::{cart, catalog, checkout, stock_adjustment};

use super::Problem;

/// When to retry a checkout that was refused because too many orders are undecided: a worker decides some thousand
/// orders in that time.
const RETRY_CHECKOUT_SECS: u64 = 5;
/// When a payment method that no worker can use now may be tried again.
const RETRY_METHOD_SECS: u64 = 60;

impl From<AuditError> for Problem {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Store(error) => error.into(),
            AuditError::Ledger { ref source, .. } => {
                tracing::error!("{error}: {source}");
                Self::internal()
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Contention(_) => {
                tracing::warn!("a request failed because others were in its way: {error}");
                Self::new(Code::DatabaseUnavailable, "others were changing the same in the database; repeat the request, with the same Idempotency-Key if it has one").retry_after(2)
            }
            StoreError::Unavailable(_) => {
                tracing::warn!("a request failed: {error}");
                Self::new(Code::DatabaseUnavailable, "the database cannot serve this now; repeat the request, with the same Idempotency-Key if it has one").retry_after(2)
            }
            StoreError::CommitUnknown(_) => {
                tracing::warn!("a request may have been saved: {error}");
                Self::new(Code::DatabaseUnavailable, "the database broke off while it saved this, and it may be saved; look, or repeat the request, with the same Idempotency-Key if it has one").retry_after(2)
            }
            StoreError::Refused(_) => {
                tracing::error!("the database refuses to work and needs an operator: {error}");
                Self::new(Code::DatabaseUnavailable, "the database is not usable now; try again later")
                    .retry_after(10)
            }
            StoreError::Data(_) | StoreError::Mismatch { .. } => {
                tracing::error!("a request could not be saved: {error}");
                Self::internal()
            }
        }
    }
}

impl From<AcceptError> for Problem {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::Store(error) => error.into(),
            AcceptError::Stopping => Self::new(Code::Stopping, error.to_string()).retry_after(1),
            AcceptError::Overloaded => Self::new(Code::Overloaded, error.to_string()).retry_after(2),
        }
    }
}

impl From<checkout::Refused> for Problem {
    fn from(refused: checkout::Refused) -> Self {
        use checkout::Refused as R;
        let detail = refused.to_string();
        let problem = |code| Self::new(code, detail);
        match refused {
            // A withdrawn product changes the cart, as a new price does.
            R::Cart(cart::Refused::NotForSale(_)) | R::CartChanged { .. } => problem(Code::CartChanged),
            R::Cart(refused) => Self::from(refused).at("/cart_id"),
            R::Closed => problem(Code::TooManyPendingOrders).retry_after(RETRY_CHECKOUT_SECS),
            R::MethodDown(_) => problem(Code::PaymentMethodDown).retry_after(RETRY_METHOD_SECS),
            R::InProgress => problem(Code::IdempotencyInProgress).retry_after(1),
            R::KeyReused { .. } => problem(Code::IdempotencyKeyReused).at_header("Idempotency-Key"),
            R::EmptyCart(_) => problem(Code::CartEmpty).at("/cart_id"),
            R::DuplicateLine(_) => problem(Code::DuplicateLine).at("/cart_id"),
            R::TotalTooLarge(_) => problem(Code::TotalTooLarge).at("/cart_id"),
            R::MethodUnavailable(_) => problem(Code::PaymentMethodUnavailable).at("/payment/method"),
            R::NotFree(_) => problem(Code::PaymentMethodMissing).at("/payment/method"),
            R::AmountUnfit { .. } => problem(Code::AmountNotPayable).at("/payment/method"),
            R::TokenMissing(_) => problem(Code::TokenMissing).at("/payment/token"),
        }
    }
}

impl From<cart::Refused> for Problem {
    fn from(refused: cart::Refused) -> Self {
        use cart::Refused as R;
        let detail = refused.to_string();
        let problem = |code| Self::new(code, detail);
        match refused {
            R::UnknownCart(_) => problem(Code::CartNotFound),
            R::CartInCheckout { .. } => problem(Code::CartInCheckout),
            R::CartCleared { .. } => problem(Code::CartCleared),
            R::NotForSale(_) => problem(Code::NotForSale).at_parameter("sku"),
            R::Quantity { .. } => problem(Code::InvalidQuantity).at_parameter("id"),
            R::TooManyLines { .. } => problem(Code::TooManyLines).at_parameter("id"),
            R::MixedCurrencies { .. } => problem(Code::MixedCurrencies).at_parameter("id"),
        }
    }
}

impl From<catalog::Refused> for Problem {
    fn from(refused: catalog::Refused) -> Self {
        use catalog::Refused as R;
        let problem = |code| Self::new(code, refused.to_string());
        match refused {
            R::Changed { .. } => problem(Code::ProductChanged),
            R::Name(_) => problem(Code::InvalidName).at("/name"),
            R::Price { .. } => problem(Code::InvalidPrice).at("/price/amount_minor"),
            R::Currency { .. } => problem(Code::InvalidCurrency).at("/price/currency"),
        }
    }
}

impl From<stock_adjustment::Refused> for Problem {
    fn from(refused: stock_adjustment::Refused) -> Self {
        use stock_adjustment::Refused as R;
        let problem = |code| Self::new(code, refused.to_string());
        match &refused {
            R::UnknownSku(sku) => {
                Self::new(Code::StockNotFound, format!("{sku} has no stock level; create the product first"))
            }
            R::Nothing(_) => problem(Code::NothingToAdjust).at("/delta"),
            R::BelowReserved { .. } => problem(Code::StockReserved),
            R::TooMany { .. } => problem(Code::TooMany).at("/delta"),
            R::Changed { .. } => problem(Code::StockChanged),
            R::KeyReused(_) => problem(Code::IdempotencyKeyReused).at_header("Idempotency-Key"),
        }
    }
}

impl From<Conflict> for Problem {
    fn from(conflict: Conflict) -> Self {
        match conflict {
            Conflict::KeyReused(detail) => {
                Self::new(Code::IdempotencyKeyReused, detail).at_header("Idempotency-Key")
            }
            Conflict::UnknownOrder(_) => Self::new(Code::OrderNotFound, "the order does not exist"),
            Conflict::UnknownSaga(saga) => {
                Self::new(Code::SagaNotFound, format!("saga {saga} does not exist; settled ones are pruned"))
            }
            Conflict::Order(against, detail) => of_order(against, detail),
            Conflict::Instead(detail) => Self::new(Code::SagaConflict, detail),
        }
    }
}

/// What about an order stands against a verb.
fn of_order(against: Against, detail: String) -> Problem {
    let problem = |code| Problem::new(code, detail);
    match against {
        Against::ConfirmsItself => problem(Code::OrderConfirmsItself),
        Against::NotReady => problem(Code::OrderNotReady),
        Against::Confirmed => problem(Code::OrderConfirmed),
        Against::Decided => problem(Code::OrderDecided),
        Against::InPreparation => problem(Code::OrderInPreparation),
        Against::Gone => problem(Code::OrderShipped),
        Against::BeingCancelled => problem(Code::OrderBeingCancelled),
        Against::Cancelled => problem(Code::OrderCancelled),
        Against::NeedsAttention => problem(Code::OrderNeedsAttention),
        Against::Inconsistent => problem(Code::OrderInconsistent),
        Against::ShopOnly => problem(Code::OrderShopOnly),
        Against::NothingToRefund => problem(Code::NothingToRefund),
        Against::RefundTooLarge => problem(Code::RefundTooLarge),
        Against::RefundOfNothing => problem(Code::InvalidAmount).at("/amount/amount_minor"),
        Against::RefundUnderWay => problem(Code::RefundUnderWay),
        Against::RefundCurrency => problem(Code::RefundCurrency).at("/amount/currency"),
        Against::RefundNotPayable => problem(Code::RefundNotPayable).at("/amount/amount_minor"),
        Against::SettledByHand => problem(Code::RefundSettledByHand),
        Against::RefundsUsedUp => problem(Code::RefundsUsedUp),
        Against::RefundReason => problem(Code::InvalidBody).at("/reason"),
    }
}
