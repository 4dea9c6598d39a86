//! `apply`: the one place where a change becomes rows, the same for every store.
//!
//! All rules that can say no to a saga say it here, on locked rows.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use holdfast_shared::{
    CancelReason, CartEvent, CartId, CartStatus, Line, OrderEvent, OrderId, OrderStatus, ReservationEvent,
    ReservationStatus,
};

use crate::engine::definition::Refusal;
use crate::records::StockMove;
use crate::records::batch_rows::{CartMove, OrderMove, World, Writes};
use crate::records::change::Change;

/// Makes `changes` to `world`, all of them or, when one is refused, none.
///
/// The refusal comes with the index of the change it is about. Children started by
/// [`Change::StartSaga`] are not written here: the batch plans them first.
pub fn apply<'c>(
    world: &mut World,
    changes: impl IntoIterator<Item = &'c Change>,
) -> Result<(), (usize, Refusal)> {
    let mut trial = Trial { world, writes: Writes::default() };
    for (at, change) in changes.into_iter().enumerate() {
        trial.apply(change).map_err(|refusal| (at, refusal))?;
    }
    let Trial { writes, .. } = trial;
    for (sku, step) in writes.stock {
        // What the next order of this batch finds on the shelf, if anybody looks.
        if let Some(level) = world.stock.get_mut(&sku) {
            *level += step;
        }
        *world.writes.stock.entry(sku).or_default() += step;
    }
    world.writes.reservations.extend(writes.reservations);
    world.writes.orders.extend(writes.orders);
    world.writes.carts.extend(writes.carts);
    world.writes.payments.extend(writes.payments);
    world.writes.refunds.extend(writes.refunds);
    world.writes.notifications.extend(writes.notifications);
    Ok(())
}

/// The changes of one advance on their way: they reach the world together or not at all.
struct Trial<'w> {
    world: &'w World,
    writes: Writes,
}

impl Trial<'_> {
    fn apply(&mut self, change: &Change) -> Result<(), Refusal> {
        match change {
            Change::ReserveStock { order, lines } => {
                lines.iter().try_for_each(|line| self.reserve(*order, line))?;
                put(&mut self.writes.reservations, *order, None, ReservationStatus::Held);
                Ok(())
            }
            Change::ReleaseStock { order, lines } => {
                self.move_stock(lines, |pieces| StockMove { on_hand: 0, reserved: -pieces });
                self.move_reservation(*order, ReservationStatus::Held, ReservationEvent::Release)
            }
            Change::ConfirmReservation { order, lines } => {
                self.move_stock(lines, |pieces| StockMove { on_hand: -pieces, reserved: -pieces });
                self.move_reservation(*order, ReservationStatus::Held, ReservationEvent::Confirm)
            }
            Change::Restock { order, lines } => {
                self.move_stock(lines, |pieces| StockMove { on_hand: pieces, reserved: 0 });
                self.move_reservation(*order, ReservationStatus::Confirmed, ReservationEvent::Restock)
            }
            Change::ConfirmOrder { order, from } => self.move_order(*order, *from, OrderEvent::Confirm, None),
            Change::CancelOrder { order, from, reason } => {
                self.move_order(*order, *from, OrderEvent::Cancel, Some(*reason))
            }
            Change::ClearCart { cart, order } => self.move_cart(*cart, *order, CartEvent::Clear),
            Change::ReopenCart { cart, order } => self.move_cart(*cart, *order, CartEvent::Reopen),
            Change::RecordPayment { from, payment } => {
                put(&mut self.writes.payments, payment.order, *from, payment.clone());
                Ok(())
            }
            Change::RecordRefund { from, refund } => {
                put(&mut self.writes.refunds, refund.saga, *from, refund.clone());
                Ok(())
            }
            Change::RecordNotification { from, notification } => {
                put(&mut self.writes.notifications, notification.saga, *from, notification.clone());
                Ok(())
            }
            Change::StartSaga(_) => Ok(()),
        }
    }

    /// The rule against overselling: what is on hand and not promised is all there is.
    fn reserve(&mut self, order: OrderId, line: &Line) -> Result<(), Refusal> {
        let mut level = self.world.stock.get(&line.sku).copied().unwrap_or_default();
        let step = self.writes.stock.entry(line.sku.clone()).or_default();
        level += *step;
        let wanted = i64::from(line.quantity);
        let free = level.on_hand - level.reserved;
        if wanted > free {
            return Err(Refusal {
                reason: CancelReason::OutOfStock,
                message: format!("order {order} wants {wanted} of {}, {free} left", line.sku),
                short_of: Some(line.sku.clone()),
            });
        }
        step.reserved += wanted;
        Ok(())
    }

    /// Moves what a reservation covers. It is not looked at: that the reservation stands, its own row proves,
    /// and a level that cannot be is refused by the save.
    fn move_stock(&mut self, lines: &[Line], step: fn(i64) -> StockMove) {
        for line in lines {
            *self.writes.stock.entry(line.sku.clone()).or_default() += step(i64::from(line.quantity));
        }
    }

    fn move_reservation(
        &mut self,
        order: OrderId,
        from: ReservationStatus,
        event: ReservationEvent,
    ) -> Result<(), Refusal> {
        put(&mut self.writes.reservations, order, Some(from), from.after(event).map_err(broken)?);
        Ok(())
    }

    fn move_order(
        &mut self,
        order: OrderId,
        from: OrderStatus,
        event: OrderEvent,
        reason: Option<CancelReason>,
    ) -> Result<(), Refusal> {
        let to = from.after(event).map_err(broken)?;
        self.writes.orders.insert(order, OrderMove { from, to, reason });
        Ok(())
    }

    fn move_cart(&mut self, cart: CartId, order: OrderId, event: CartEvent) -> Result<(), Refusal> {
        let from = CartStatus::InCheckout;
        let to = from.after(event).map_err(broken)?;
        self.writes.carts.insert(cart, CartMove { from, to, order });
        Ok(())
    }
}

/// Writes a row; a row that this very advance already writes keeps the state it came from.
fn put<K: Ord, S, T>(table: &mut BTreeMap<K, (Option<S>, T)>, key: K, from: Option<S>, row: T) {
    match table.entry(key) {
        Entry::Vacant(entry) => {
            entry.insert((from, row));
        }
        Entry::Occupied(mut entry) => entry.get_mut().1 = row,
    }
}

/// A rule that only a fault of ours can break: the order is undone before the pivot, the saga dies after it.
fn broken(rule: impl std::fmt::Display) -> Refusal {
    Refusal { reason: CancelReason::AdminRequest, message: rule.to_string(), short_of: None }
}

#[cfg(test)]
mod tests {
    use holdfast_shared::Sku;

    use super::*;
    use crate::records::Stock;

    #[test]
    fn an_order_sees_what_the_ones_before_it_in_the_batch_took_and_gave_back() {
        let (cd, mut world) = ("cd-1".parse::<Sku>().expect("a SKU"), World::default());
        world.stock.insert(cd.clone(), Stock { on_hand: 3, reserved: 1 });
        let lines = |quantity| vec![Line { sku: cd.clone(), quantity, unit_price_minor: 100 }];
        let reserve =
            |number, quantity| Change::ReserveStock { order: OrderId::new(number), lines: lines(quantity) };
        let release = Change::ReleaseStock { order: OrderId::new(9), lines: lines(1) };
        for (change, fits) in [
            (reserve(1, 3), false),
            (reserve(2, 2), true),
            (reserve(3, 1), false),
            (release, true),
            (reserve(4, 1), true),
            (reserve(5, 1), false),
        ] {
            assert_eq!(apply(&mut world, [&change]).is_ok(), fits, "{change:?}");
        }
        assert_eq!(world.stock[&cd], Stock { on_hand: 3, reserved: 3 });
        assert_eq!(world.writes.stock, [(cd, StockMove { on_hand: 0, reserved: 2 })].into());
    }

    #[test]
    fn two_lines_of_one_sku_in_one_advance_share_what_is_free() {
        let mut world = World::default();
        world.stock.insert("cd-1".parse().expect("a SKU"), Stock { on_hand: 3, reserved: 0 });
        let line = |quantity| Line { sku: "cd-1".parse().expect("a SKU"), quantity, unit_price_minor: 100 };
        let reserve = |lines| Change::ReserveStock { order: OrderId::new(1), lines };
        apply(&mut world, &[reserve(vec![line(2), line(2)])]).expect_err("three cannot be four");
        apply(&mut world, &[reserve(vec![line(2), line(1)])]).expect("three are three");
    }

    #[test]
    fn what_was_promised_moves_without_a_look_at_the_level() {
        let (order, mut world) = (OrderId::new(1), World::default());
        let cd: Sku = "cd-1".parse().expect("a SKU");
        let lines = vec![Line { sku: cd.clone(), quantity: 2, unit_price_minor: 100 }];
        let confirm = Change::ConfirmReservation { order, lines: lines.clone() };
        for (change, on_hand, reserved) in [
            (Change::ReleaseStock { order, lines: lines.clone() }, 0, -2),
            (confirm, -2, -4),
            (Change::Restock { order, lines }, 0, -4),
        ] {
            apply(&mut world, [&change]).expect("nothing is asked");
            assert_eq!(world.writes.stock, [(cd.clone(), StockMove { on_hand, reserved })].into());
        }
    }

    #[test]
    fn a_refused_change_takes_the_ones_before_it_back() {
        let (order, mut world) = (OrderId::new(1), World::default());
        world.stock.insert("cd-1".parse().expect("a SKU"), Stock { on_hand: 1, reserved: 0 });
        let line = |sku: &str| Line { sku: sku.parse().expect("a SKU"), quantity: 1, unit_price_minor: 100 };
        let changes = [
            Change::ConfirmOrder { order, from: OrderStatus::PendingPayment },
            Change::ReserveStock { order, lines: vec![line("cd-1"), line("cd-2")] },
        ];
        let (at, refusal) = apply(&mut world, &changes).expect_err("there is no cd-2");
        assert_eq!((at, refusal.reason), (1, CancelReason::OutOfStock));
        assert!(world.writes.is_empty());
        assert_eq!(world.stock.values().map(|level| level.reserved).sum::<i64>(), 0);
    }
}
