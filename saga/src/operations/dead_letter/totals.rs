//! What a command about many dead sagas would do, all of them together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use holdfast_shared::{Currency, Money, OrderId, Queue, SagaId};

use super::preview::{MoneyMove, MoneyWay, Preview, StockStep};
use super::resolve::DryRun;

/// What would come of a command, summed up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    sagas: u64,
    unchanged: u64,
    orders: BTreeSet<OrderId>,
    queues: BTreeSet<Queue>,
    messages: u64,
    /// By currency and way; whether it may be less.
    money: BTreeMap<(Currency, MoneyWay), (i64, bool)>,
    /// Pieces that would come back to the shelf, leave it, be promised and be free again.
    back: i64,
    gone: i64,
    held: i64,
    freed: i64,
}

impl Totals {
    /// Adds what would come of it for one saga.
    pub fn add(&mut self, id: SagaId, planned: &DryRun) {
        let DryRun::Would(preview) = planned else {
            self.unchanged += 1;
            return;
        };
        self.sagas += 1;
        self.orders.extend(id.order());
        let Some(Preview { queue, steps, money, stock }) = preview else { return };
        self.queues.insert(*queue);
        self.messages += steps.iter().filter(|step| ["send", "notify"].contains(step)).count() as u64;
        for MoneyMove { way, amount, at_most } in money {
            let (sum, may_be_less) = self.money.entry((amount.currency, *way)).or_default();
            *sum = sum.saturating_add(amount.amount_minor);
            *may_be_less |= at_most;
        }
        for StockStep { sku: _, on_hand, reserved } in stock {
            self.back += on_hand.max(&0);
            self.gone -= on_hand.min(&0);
            self.held += reserved.max(&0);
            self.freed -= reserved.min(&0);
        }
    }

    /// How many sagas would move.
    pub const fn sagas(&self) -> u64 {
        self.sagas
    }

    /// The queues that they go on in.
    pub fn queues(&self) -> impl Iterator<Item = Queue> {
        self.queues.iter().copied()
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", plural(self.sagas, "saga"), plural(self.orders.len() as u64, "order"))?;
        for ((currency, way), (amount_minor, at_most)) in &self.money {
            let at_most = if *at_most { "at most " } else { "" };
            write!(f, "; {} {at_most}{}", way.verb(), Money::new(*amount_minor, *currency))?;
        }
        let stock = [
            (self.back, "put back on the shelf"),
            (self.gone, "taken off the shelf"),
            (self.held, "held"),
            (self.freed, "freed"),
        ];
        for (pieces, what) in stock.into_iter().filter(|(pieces, _)| *pieces > 0) {
            write!(f, "; {} {what}", plural(pieces.unsigned_abs(), "piece"))?;
        }
        if self.messages > 0 {
            write!(f, "; {} sent", plural(self.messages, "message"))?;
        }
        if self.unchanged > 0 {
            write!(f, "; {} unchanged", self.unchanged)?;
        }
        Ok(())
    }
}

fn plural(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::answer::Answered;

    #[test]
    fn what_many_would_do_is_summed_up_by_currency_and_way() {
        let money = |way, amount_minor, currency: &str, at_most| MoneyMove {
            way,
            amount: Money::new(amount_minor, currency.parse().expect("a currency")),
            at_most,
        };
        let preview = |money, on_hand| Preview {
            queue: Queue::Compensation,
            steps: vec!["refund_payment", "restock", "notify"],
            money: vec![money],
            stock: vec![StockStep { sku: "cd-1".parse().expect("a SKU"), on_hand, reserved: 0 }],
        };
        let mut totals = Totals::default();
        for (order, money, pieces) in [
            (7, money(MoneyWay::GivenBack, 1_999, "EUR", false), 1),
            (8, money(MoneyWay::GivenBack, 1, "EUR", true), 2),
            (9, money(MoneyWay::SettledManually, 1_500, "JPY", false), 0),
        ] {
            let id = OrderId::new(order).saga(3);
            totals.add(id, &DryRun::Would(Some(preview(money, pieces))));
        }
        totals.add(OrderId::new(9).saga(4), &DryRun::Would(None));
        totals.add(OrderId::new(10).saga(3), &DryRun::Stays(Ok(Answered::Already("so".to_owned()))));
        assert_eq!(
            totals.to_string(),
            "4 sagas of 3 orders; gives back at most 20.00 EUR; leaves to you 1500 JPY; \
             3 pieces put back on the shelf; 3 messages sent; 1 unchanged"
        );
        assert_eq!((totals.sagas(), totals.queues().collect::<Vec<_>>()), (4, vec![Queue::Compensation]));
    }
}
