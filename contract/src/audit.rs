//! The result of an audit.

use holdfast_saga::operations::audit::{InFlight, Report, SettledManually, Violation};
use holdfast_shared::{Money, OrderId, OrderStatus, ShopId};
use serde::{Deserialize, Serialize};

/// The audit: every promise about stock, money and orders, recomputed from the rows.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Audit))]
pub struct AuditBody {
    /// The shop's id at payment providers, in Redis and for recipients.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "9f2c41ab07"))]
    pub shop: ShopId,
    /// Whether every promise holds.
    pub clean: bool,
    /// The number of orders checked.
    pub orders: u64,
    /// The number of SKUs checked.
    pub skus: u64,
    /// The number of this shop's charges in the provider's own ledger; `null` if it was not compared.
    pub charges: Option<u64>,
    /// The number of sagas that run a definition of another release: run the audit of that release to judge them.
    pub unverifiable: u64,
    /// Orders whose money is still in flight.
    pub in_flight: Vec<InFlightBody>,
    /// Orders with money that was settled manually.
    pub settled_manually: Vec<SettledManuallyBody>,
    /// Every broken promise that was found.
    pub violations: Vec<ViolationBody>,
}

/// An order whose money is still in flight.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = InFlight))]
pub struct InFlightBody {
    /// The number of the order.
    pub order: OrderId,
    /// The status of the order.
    pub status: OrderStatus,
    /// Whether one of its sagas is dead and waits for an operator.
    pub dead: bool,
    /// The money that our own ledger holds for it.
    pub held: Money,
}

/// An order with money that was settled manually.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = SettledManually))]
pub struct SettledManuallyBody {
    /// The number of the order.
    pub order: OrderId,
    /// The status of the order.
    pub status: OrderStatus,
    /// The amount of money.
    pub amount: Money,
}

/// A promise that does not hold.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Violation))]
pub struct ViolationBody {
    /// The name of the promise.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "money"))]
    pub invariant: String,
    /// What it was about.
    #[cfg_attr(feature = "openapi", schema(example = "order 1042"))]
    pub subject: String,
    /// What the rows say instead.
    pub detail: String,
}

impl From<Report> for AuditBody {
    fn from(report: Report) -> Self {
        let in_flight = |InFlight { order, status, dead, held }| InFlightBody { order, status, dead, held };
        let manual =
            |SettledManually { order, status, amount }| SettledManuallyBody { order, status, amount };
        let violation = |Violation { invariant, subject, detail }| ViolationBody {
            invariant: invariant.to_string(),
            subject,
            detail,
        };
        Self {
            shop: report.shop,
            clean: report.is_clean(),
            orders: report.orders,
            skus: report.skus,
            charges: report.charges,
            unverifiable: report.unverifiable,
            in_flight: report.in_flight.into_iter().map(in_flight).collect(),
            settled_manually: report.settled_manually.into_iter().map(manual).collect(),
            violations: report.violations.into_iter().map(violation).collect(),
        }
    }
}
