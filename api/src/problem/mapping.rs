//! The status and the code of every domain error, in one place.

use axum::http::StatusCode;
use holdfast_contract::list::{BadPage, LIMIT_MAX};
use holdfast_intake::AcceptError;
use holdfast_saga::operations::audit_run::AuditError;
use holdfast_saga::ports::StoreError;
use holdfast_saga::shop::answer::Conflict;
use holdfast_saga::shop::{cart, catalog, checkout, stock_adjustment};

use super::Problem;

/// When to retry a checkout that was refused because too many orders are undecided: a worker decides some thousand
/// orders in that time.
const RETRY_CHECKOUT_SECS: u64 = 5;
/// When a payment method that no worker can use now may be tried again.
const RETRY_METHOD_SECS: u64 = 60;

impl From<BadPage> for Problem {
    fn from(bad: BadPage) -> Self {
        match bad {
            BadPage::Limit(limit) => {
                Self::bad_request("invalid_query", format!("limit is {limit}; expected 1 to {LIMIT_MAX}"))
            }
            BadPage::Cursor => Self::bad_request(
                "invalid_cursor",
                "the cursor is not valid; send the next_cursor of a page of this list",
            ),
        }
    }
}

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
                Self::unavailable(
                    "database_unavailable",
                    "others were changing the same in the database; repeat the request, with the same Idempotency-Key if it has one",
                    2,
                )
            }
            StoreError::Unavailable(_) => {
                tracing::warn!("a request failed: {error}");
                Self::unavailable(
                    "database_unavailable",
                    "the database cannot serve this now; repeat the request, with the same Idempotency-Key if it has one",
                    2,
                )
            }
            StoreError::CommitUnknown(_) => {
                tracing::warn!("a request may have been saved: {error}");
                Self::unavailable(
                    "database_unavailable",
                    "the database broke off while it saved this, and it may be saved; look, or repeat the request, with the same Idempotency-Key if it has one",
                    2,
                )
            }
            StoreError::Refused(_) => {
                tracing::error!("the database refuses to work and needs an operator: {error}");
                Self::unavailable(
                    "database_unavailable",
                    "the database is not usable now; try again later",
                    10,
                )
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
            AcceptError::Stopping => Self::unavailable("stopping", error.to_string(), 1),
        }
    }
}

impl From<checkout::Refused> for Problem {
    fn from(refused: checkout::Refused) -> Self {
        use checkout::Refused as R;
        let (status, code) = match refused {
            // A withdrawn product changes the cart, as a new price does.
            R::Cart(cart::Refused::NotForSale(_)) => (StatusCode::CONFLICT, "cart_changed"),
            R::Cart(refused) => return refused.into(),
            R::Closed => return Self::unavailable(refused.code(), refused.to_string(), RETRY_CHECKOUT_SECS),
            R::MethodDown(_) => {
                return Self::unavailable(refused.code(), refused.to_string(), RETRY_METHOD_SECS);
            }
            R::InProgress | R::CartChanged { .. } => (StatusCode::CONFLICT, refused.code()),
            R::KeyReused { .. }
            | R::EmptyCart(_)
            | R::DuplicateLine(_)
            | R::TotalTooLarge(_)
            | R::MethodUnavailable(_)
            | R::NotFree(_)
            | R::AmountUnfit { .. }
            | R::TokenMissing(_) => (StatusCode::UNPROCESSABLE_ENTITY, refused.code()),
        };
        let problem = Self::new(status, code, refused.to_string());
        if matches!(refused, R::InProgress) { problem.retry_after(1) } else { problem }
    }
}

impl From<cart::Refused> for Problem {
    fn from(refused: cart::Refused) -> Self {
        use cart::Refused as R;
        let status = match refused {
            R::UnknownCart(_) => StatusCode::NOT_FOUND,
            R::CartInCheckout { .. } | R::CartCleared { .. } => StatusCode::CONFLICT,
            R::NotForSale(_) | R::Quantity { .. } | R::TooManyLines { .. } | R::MixedCurrencies { .. } => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
        };
        Self::new(status, refused.code(), refused.to_string())
    }
}

impl From<catalog::Refused> for Problem {
    fn from(refused: catalog::Refused) -> Self {
        use catalog::Refused as R;
        let status = match refused {
            R::Changed { .. } => StatusCode::PRECONDITION_FAILED,
            R::Name(_) | R::Price { .. } | R::Currency { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, refused.code(), refused.to_string())
    }
}

impl From<stock_adjustment::Refused> for Problem {
    fn from(refused: stock_adjustment::Refused) -> Self {
        use stock_adjustment::Refused as R;
        let (status, code) = match refused {
            R::UnknownSku(_) => (StatusCode::NOT_FOUND, "stock_not_found"),
            R::Nothing(_) => (StatusCode::UNPROCESSABLE_ENTITY, "nothing_to_adjust"),
            R::BelowReserved { .. } => (StatusCode::CONFLICT, "stock_reserved"),
            R::TooMany { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "too_many"),
            R::Changed { .. } => (StatusCode::PRECONDITION_FAILED, "stock_changed"),
        };
        let detail = match refused {
            R::UnknownSku(sku) => format!("{sku} has no stock level; create the product first"),
            refused => refused.to_string(),
        };
        Self::new(status, code, detail)
    }
}

impl From<Conflict> for Problem {
    fn from(conflict: Conflict) -> Self {
        match conflict {
            Conflict::KeyReused(detail) => Self::unprocessable("idempotency_key_reused", detail),
            Conflict::UnknownOrder(_) => Self::not_found("order_not_found", "the order does not exist"),
            Conflict::UnknownSaga(_) => Self::not_found("saga_not_found", conflict.to_string()),
            Conflict::Instead(detail) => Self::new(StatusCode::CONFLICT, "order_conflict", detail),
        }
    }
}
