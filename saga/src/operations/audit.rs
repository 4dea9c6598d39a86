//! The audit: every promise about stock, money and orders, recomputed from the rows.
//!
//! The store hands over facts of one snapshot, the provider its own statement; everything that is
//! judged is judged here, the same for every store. It is also the oracle of the simulation.

use std::collections::BTreeMap;

use holdfast_shared::{
    CartStatus, Money, OrderId, OrderStatus, PaymentMethod, RefundStatus, ReservationStatus, SagaState,
    ShopId, Sku, StepKey,
};
use serde::Serialize;
use strum::{Display, EnumIter, IntoStaticStr};

use crate::ports::Movement;
use crate::records::audit_fact::{Fact, OrderFact, PaymentFact, RefundFact, StockFact};
use crate::records::slot;

/// What must hold.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Display, EnumIter, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Invariant {
    /// `on_hand = Σ adjustments − Σ confirmed + Σ restocked`
    StockOnHand,
    /// `reserved = Σ held`
    StockReserved,
    /// `0 ≤ reserved ≤ on_hand`
    StockBounds,
    /// An order's total is the sum of its lines, and positive.
    OrderTotal,
    /// The order stands where its sagas have left it.
    OrderState,
    /// The reservation follows the order.
    Reservation,
    /// The cart follows the order.
    Cart,
    /// `captured − refunded − settled by hand` is the total of an order that stands, less the refunds granted
    /// on it, and nothing of a cancelled one; every refund has a ledger row of its own.
    Money,
    /// The provider's own ledger says what ours say.
    Provider,
    /// A settled order's notification is saved.
    Notification,
}

/// A promise that is broken, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which promise.
    pub invariant: Invariant,
    /// Whose: `order 1042`, `sku cd-1466`, `charge 9f2c41ab07-1042-81f3a2c95d0e:take_payment:1`.
    pub subject: String,
    /// What the rows say.
    pub detail: String,
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The shop that was audited.
    pub shop: ShopId,
    /// Orders looked at.
    pub orders: u64,
    /// SKUs looked at.
    pub skus: u64,
    /// Charges of this shop on the providers' statements; `None` when there was none to compare with.
    pub charges: Option<u64>,
    /// Orders with a live saga: not judged yet, listed with the money the provider holds for them.
    pub in_flight: Vec<InFlight>,
    /// Orders with money that a person saw to outside Holdfast: what the provider holds of it nobody here can tell.
    pub settled_manually: Vec<SettledManually>,
    /// What is broken.
    pub violations: Vec<Violation>,
}

/// An order whose money is still on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InFlight {
    /// The order.
    pub order: OrderId,
    /// Where it stands.
    pub status: OrderStatus,
    /// Whether a saga of it is dead and waits for an operator.
    pub dead: bool,
    /// `captured − refunded − settled by hand` in our own ledger.
    pub held: Money,
}

/// An order with money that an operator took off Holdfast's hands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettledManually {
    /// The order.
    pub order: OrderId,
    /// Where it stands.
    pub status: OrderStatus,
    /// How much, late money included.
    pub amount: Money,
}

/// Collects facts and judges them.
#[derive(Debug)]
pub struct Audit {
    report: Report,
    /// Per order: what our ledger holds, what was seen to by hand, and whether they are still moving.
    ledger: BTreeMap<OrderId, LedgerRow>,
}

/// What each provider says that it holds: by its name, every movement that it lists.
pub type Statements = BTreeMap<String, Vec<Movement>>;

#[derive(Debug)]
struct LedgerRow {
    /// Who took the money.
    provider: Option<String>,
    held_minor: i64,
    by_hand_minor: i64,
    moving: bool,
    /// The charge of its payment.
    charge: Option<StepKey>,
    /// The charges of its refunds.
    refunded: Vec<StepKey>,
}

impl LedgerRow {
    /// Whether the order has this charge of `provider` in its ledger, under this very key: another one with the same order number was
    /// made by a shop that this database does not remember, such as the one a backup replaced.
    fn knows(&self, provider: &str, charge: &StepKey) -> bool {
        let latest = self.charge.as_ref();
        self.is_at(provider)
            && (latest.is_some_and(|latest| charge.is_up_to(latest)) || self.refunded.contains(charge))
    }

    fn is_at(&self, provider: &str) -> bool {
        self.provider.as_deref() == Some(provider)
    }
}

impl Audit {
    /// An audit of `shop` that has seen nothing yet.
    pub fn new(shop: ShopId) -> Self {
        let report = Report {
            shop,
            orders: 0,
            skus: 0,
            charges: None,
            in_flight: Vec::new(),
            settled_manually: Vec::new(),
            violations: Vec::new(),
        };
        Self { report, ledger: BTreeMap::new() }
    }

    /// Takes one fact into account.
    pub fn see(&mut self, fact: Fact) {
        match fact {
            Fact::Stock(stock) => self.see_stock(&stock),
            Fact::Order(order) => self.see_order(&order),
            Fact::Orphan(saga) => {
                self.broken(
                    Invariant::OrderState,
                    format!("saga {saga}"),
                    "its order does not exist".to_owned(),
                );
            }
        }
    }

    /// Compares our ledger with those of the providers, and returns what was found. An order whose provider keeps no
    /// statement, or is not among these, is not compared.
    ///
    /// Hold the statements against a snapshot that was taken before they were drawn up: an order that moved in
    /// between is then moving in the snapshot, too.
    pub fn finish(mut self, statements: &Statements) -> Report {
        for (provider, statement) in statements {
            self.compare(provider, statement);
        }
        self.report
    }

    fn broken(&mut self, invariant: Invariant, subject: String, detail: String) {
        self.report.violations.push(Violation { invariant, subject, detail });
    }

    fn see_stock(&mut self, fact: &StockFact) {
        self.report.skus += 1;
        let subject = || format!("sku {}", fact.sku.as_ref().map_or("?", Sku::as_str));
        let on_hand = fact.adjusted - fact.confirmed + fact.restocked;
        if fact.on_hand != on_hand {
            let detail = format!("{} on hand, the movements add up to {on_hand}", fact.on_hand);
            self.broken(Invariant::StockOnHand, subject(), detail);
        }
        if fact.reserved != fact.held {
            let detail = format!("{} reserved, {} held by reservations", fact.reserved, fact.held);
            self.broken(Invariant::StockReserved, subject(), detail);
        }
        if fact.reserved < 0 || fact.reserved > fact.on_hand {
            let detail = format!("{} reserved of {} on hand", fact.reserved, fact.on_hand);
            self.broken(Invariant::StockBounds, subject(), detail);
        }
    }

    fn see_order(&mut self, fact: &OrderFact) {
        self.report.orders += 1;
        let subject = || format!("order {}", fact.id);
        if fact.lines_minor != fact.total_minor || fact.total_minor < 0 {
            let detail = format!("total {}, its lines add up to {}", fact.total_minor, fact.lines_minor);
            self.broken(Invariant::OrderTotal, subject(), detail);
        }
        // Messages and late money do not own the order; its checkout and its cancellation do.
        let owners =
            || fact.sagas.iter().filter(|(at, _)| matches!(*at, slot::CHECKOUT | slot::CANCELLATION));
        let moving = owners().any(|(_, state)| !state.is_settled());
        let dead = fact.sagas.iter().any(|(_, state)| *state == SagaState::Dead);
        let late_moving =
            fact.sagas.iter().any(|(at, state)| slot::kind(*at) == slot::LATE_REFUND && !state.is_settled());
        let granting = fact
            .sagas
            .iter()
            .any(|(at, state)| slot::kind(*at) == slot::PARTIAL_REFUND && !state.is_settled());
        let held_minor = held_minor(fact);
        let by_hand = fact.refunds.iter().filter(|refund| refund.settled_manually);
        let by_hand_minor = by_hand.map(|refund| refund.amount_minor).sum();
        let moves = moving || late_moving || granting;
        let charge = fact.payment.as_ref().and_then(|payment| payment.charge.clone());
        let provider = fact.payment.as_ref().map(|payment| payment.provider.clone());
        let refunded = fact.refunds.iter().map(|refund| refund.charge.clone()).collect();
        let row = LedgerRow { provider, held_minor, by_hand_minor, moving: moves, charge, refunded };
        self.ledger.insert(fact.id, row);
        if by_hand_minor > 0 {
            let (order, status) = (fact.id, fact.status);
            let amount = Money::new(by_hand_minor, fact.currency);
            self.report.settled_manually.push(SettledManually { order, status, amount });
        }
        if moving || granting || dead {
            let held = Money::new(held_minor, fact.currency);
            self.report.in_flight.push(InFlight { order: fact.id, status: fact.status, dead, held });
        }
        if moving {
            self.see_moving(fact);
        } else {
            self.see_settled(fact);
            self.see_money(fact);
        }
        if granting && (moving || !fact.status.stands()) {
            let detail = format!("is {} while a refund granted on it is under way", fact.status);
            self.broken(Invariant::OrderState, subject(), detail);
        }
    }

    /// Even on its way an order holds no more than it should.
    fn see_moving(&mut self, fact: &OrderFact) {
        if fact.status == OrderStatus::Cancelled || fact.reservation == Some(ReservationStatus::Restocked) {
            // `cancel_order` and the end of its saga are one commit, but for the messages that follow.
            let detail = format!("is {} while a saga of it still moves", fact.status);
            self.broken(Invariant::OrderState, format!("order {}", fact.id), detail);
        }
    }

    fn see_settled(&mut self, fact: &OrderFact) {
        let subject = || format!("order {}", fact.id);
        if fact.status.is_pending() || fact.status == OrderStatus::Cancelling {
            self.broken(Invariant::OrderState, subject(), format!("is {} and no saga moves it", fact.status));
            return;
        }
        let stands = fact.status.stands();
        if stands == fact.reason.is_some() {
            let reason = fact.reason.map_or("no reason", Into::into);
            self.broken(Invariant::OrderState, subject(), format!("is {} with {reason}", fact.status));
        }
        self.see_sagas(fact, stands);
        let reservation_fits = match fact.reservation {
            Some(ReservationStatus::Confirmed) => stands,
            Some(ReservationStatus::Released | ReservationStatus::Restocked) | None => !stands,
            Some(ReservationStatus::Held) => false,
        };
        if !reservation_fits {
            let reservation = fact.reservation.map_or("none", Into::into);
            self.broken(
                Invariant::Reservation,
                subject(),
                format!("is {}, reservation {reservation}", fact.status),
            );
        }
        self.see_cart(fact, stands);
        // A message about what became of it: confirmed, or cancelled whether before or after.
        let notice = if stands { slot::CONFIRMED_NOTICE } else { slot::CANCELLED_NOTICE };
        if !fact.notifications.contains(&notice) {
            self.broken(
                Invariant::Notification,
                subject(),
                format!("is {}, no message was saved", fact.status),
            );
        }
    }

    /// Whatever is under way, a commit moves a payment and its refund together, so they always agree.
    fn see_money(&mut self, fact: &OrderFact) {
        let subject = || format!("order {}", fact.id);
        let sum = |of: &dyn Fn(&&RefundFact) -> bool| -> i64 {
            fact.refunds.iter().filter(of).map(|refund| refund.amount_minor).sum()
        };
        let granted = sum(&|refund| refund.is_granted() && refund.is_over());
        let stands = fact.status.stands() && fact.method.is_online();
        let held = held_minor(fact);
        let expected = if stands { fact.total_minor - granted } else { 0 };
        if held != expected {
            let detail = format!("is {}, {held} held, {expected} expected", fact.status);
            self.broken(Invariant::Money, subject(), detail);
        }
        let payment = fact.payment.as_ref();
        if fact.method == PaymentMethod::None && payment.is_some() {
            self.broken(Invariant::Money, subject(), "costs nothing, and has a payment".to_owned());
        }
        let (refunded, by_hand) =
            payment.map_or((0, 0), |payment| (payment.refunded_minor, payment.settled_manually_minor));
        let booked = sum(&|refund| !refund.late && refund.status == RefundStatus::Succeeded);
        if refunded != booked {
            let detail = format!("{refunded} refunded, its refunds add up to {booked}");
            self.broken(Invariant::Money, subject(), detail);
        }
        let booked = sum(&|refund| !refund.late && refund.settled_manually);
        if by_hand != booked {
            let detail = format!("{by_hand} settled by hand, its refunds add up to {booked}");
            self.broken(Invariant::Money, subject(), detail);
        }
        let lives = |refund: &RefundFact| {
            fact.sagas.iter().any(|(at, state)| *at == refund.slot && !state.is_settled())
        };
        let is_left = |refund: &&RefundFact| refund.is_granted() && !refund.is_over() && !lives(refund);
        if let Some(left) = fact.refunds.iter().find(is_left) {
            let detail = format!("{} were granted and no saga gives them back", left.amount_minor);
            self.broken(Invariant::Money, subject(), detail);
        }
    }

    /// Exactly one end: the checkout's own state and the order's agree. Pruned sagas say nothing.
    fn see_sagas(&mut self, fact: &OrderFact, stands: bool) {
        let of = |slot| fact.sagas.iter().find(|(at, _)| *at == slot).map(|(_, state)| *state);
        let confirmed_once = of(slot::CHECKOUT).map(|state| state == SagaState::Completed);
        let cancelled_after = of(slot::CANCELLATION).is_some();
        if let Some(confirmed) = confirmed_once
            && confirmed != (stands || cancelled_after)
        {
            let detail = format!(
                "is {}, its checkout ended {}",
                fact.status,
                if confirmed { "done" } else { "undone" }
            );
            self.broken(Invariant::OrderState, format!("order {}", fact.id), detail);
        }
    }

    fn see_cart(&mut self, fact: &OrderFact, stands: bool) {
        let Some((status, order)) = fact.cart else { return };
        let ours = order == Some(fact.id);
        let fits = if stands {
            status == CartStatus::Cleared && ours
        } else {
            !(ours && status == CartStatus::InCheckout)
        };
        if !fits {
            let detail = format!("is {}, its cart is {status}", fact.status);
            self.broken(Invariant::Cart, format!("order {}", fact.id), detail);
        }
    }

    fn compare(&mut self, provider: &str, statement: &[Movement]) {
        let mut charges = 0;
        let mut at_provider: BTreeMap<OrderId, i64> = BTreeMap::new();
        for line in statement {
            // Another shop on the same account is audited by itself.
            if line.charge.owner().is_some_and(|(shop, _)| shop != self.report.shop) {
                continue;
            }
            charges += 1;
            let subject = || format!("charge {}", line.charge);
            if line.refunded_minor > line.captured_minor {
                let detail = format!("{} captured, {} refunded", line.captured_minor, line.refunded_minor);
                self.broken(Invariant::Provider, subject(), detail);
            }
            let held_minor = line.captured_minor - line.refunded_minor;
            let Some((_, order)) = line.charge.owner() else {
                self.broken(Invariant::Provider, subject(), "no order of ours asked for it".to_owned());
                continue;
            };
            let Some(row) = self.ledger.get(&order) else {
                let detail = format!("the provider holds {held_minor}, order {order} does not exist");
                self.broken(Invariant::Provider, subject(), detail);
                continue;
            };
            if row.knows(provider, &line.charge) {
                *at_provider.entry(order).or_default() += held_minor;
            } else if line.captured_minor > 0 && !row.moving {
                let detail = format!(
                    "the provider holds {held_minor} of it, and order {order} of this database never asked for it; \
                     was a backup restored? Give it back at the provider"
                );
                self.broken(Invariant::Provider, subject(), detail);
            }
        }
        *self.report.charges.get_or_insert(0) += charges;
        for (order, row) in self.ledger.iter().filter(|(_, row)| row.is_at(provider)) {
            let held = at_provider.get(order).copied().unwrap_or(0);
            // Money seen to by hand may have gone back at the provider's desk, or by another way.
            let fits = row.held_minor..=row.held_minor + row.by_hand_minor;
            if !row.moving && !fits.contains(&held) {
                self.report.violations.push(Violation {
                    invariant: Invariant::Provider,
                    subject: format!("order {order}"),
                    detail: format!("the provider holds {held}, our ledger says {}", row.held_minor),
                });
            }
        }
    }
}

fn held_minor(fact: &OrderFact) -> i64 {
    fact.payment.as_ref().map_or(0, PaymentFact::held_minor)
}

impl Report {
    /// Whether every promise holds.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}
