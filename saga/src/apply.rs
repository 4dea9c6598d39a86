//! `apply`: the one place where a change becomes rows, the same for every store.
//!
//! All rules that can say no to a saga say it here, on locked rows.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use holdfast_shared::{
    CancelReason, CartEvent, CartId, CartStatus, Line, OrderEvent, OrderId, OrderStatus, ReservationEvent,
    ReservationStatus, Sku,
};

use crate::change::Change;
use crate::definition::Refusal;
use crate::rows::Stock;
use crate::world::{CartMove, OrderMove, World, Writes};

/// Makes `changes` to `world`, all of them or, when one is refused, none.
///
/// The refusal comes with the index of the change it is about. Children started by
/// [`Change::StartSaga`] are not written here: the batch plans them first.
pub fn apply<'c>(
    world: &mut World,
    changes: impl IntoIterator<Item = &'c Change>,
) -> Result<(), (usize, Refusal)> {
    let mut trial = Trial { world, stock: BTreeMap::new(), writes: Writes::default() };
    for (at, change) in changes.into_iter().enumerate() {
        trial.apply(change).map_err(|refusal| (at, refusal))?;
    }
    let Trial { stock, writes, .. } = trial;
    world.stock.extend(stock.iter().map(|(sku, level)| (sku.clone(), *level)));
    world.writes.stock.extend(stock);
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
    stock: BTreeMap<Sku, Stock>,
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
                self.move_stock(lines, |stock, quantity| stock.reserved -= quantity)?;
                self.move_reservation(*order, ReservationStatus::Held, ReservationEvent::Release)
            }
            Change::ConfirmReservation { order, lines } => {
                self.move_stock(lines, |stock, quantity| {
                    stock.reserved -= quantity;
                    stock.on_hand -= quantity;
                })?;
                self.move_reservation(*order, ReservationStatus::Held, ReservationEvent::Confirm)
            }
            Change::Restock { order, lines } => {
                self.move_stock(lines, |stock, quantity| stock.on_hand += quantity)?;
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

    fn stock(&mut self, sku: &Sku) -> &mut Stock {
        let world = self.world;
        self.stock.entry(sku.clone()).or_insert_with(|| world.stock.get(sku).copied().unwrap_or_default())
    }

    /// The rule against overselling: what is on hand and not promised is all there is.
    fn reserve(&mut self, order: OrderId, line: &Line) -> Result<(), Refusal> {
        let stock = self.stock(&line.sku);
        let wanted = i64::from(line.quantity);
        let free = stock.on_hand - stock.reserved;
        if wanted > free {
            return Err(Refusal {
                reason: CancelReason::OutOfStock,
                words: format!("order {order} wants {wanted} of {}, {free} left", line.sku),
            });
        }
        stock.reserved += wanted;
        Ok(())
    }

    fn move_stock(&mut self, lines: &[Line], step: fn(&mut Stock, i64)) -> Result<(), Refusal> {
        for line in lines {
            let stock = self.stock(&line.sku);
            let before = *stock;
            step(stock, i64::from(line.quantity));
            if stock.reserved < 0 || stock.on_hand < stock.reserved {
                return Err(broken(format!("stock of {} would go from {before:?} to {stock:?}", line.sku)));
            }
        }
        Ok(())
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
    Refusal { reason: CancelReason::AdminRequest, words: rule.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Releases one piece of a level, and says whether the rules let it.
    fn releases_one(level: Stock) -> bool {
        let sku: Sku = "cd-1".parse().expect("a SKU");
        let mut world = World::default();
        world.stock.insert(sku.clone(), level);
        let lines = vec![Line { sku: sku.clone(), quantity: 1, unit_price_minor: 100 }];
        let released = apply(&mut world, &[Change::ReleaseStock { order: OrderId::new(1), lines }]);
        assert_eq!(released.is_ok(), !world.writes.is_empty(), "{level:?}");
        assert_eq!(released.is_err(), world.stock[&sku] == level, "{level:?}");
        released.is_ok()
    }

    #[test]
    fn no_move_leaves_a_level_that_cannot_be() {
        for (on_hand, reserved, allowed) in [
            (5, 1, true),
            (5, 5, true),
            (1, 2, true),
            // Nothing is held that could be released.
            (5, 0, false),
            // More would still be promised than is there.
            (0, 2, false),
        ] {
            assert_eq!(releases_one(Stock { on_hand, reserved }), allowed, "{reserved} of {on_hand}");
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
