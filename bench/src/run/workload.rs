//! Who wants what: the orders of a round, kind by kind, and how each must end.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, ensure};
use holdfast_saga::ports::Store;
use holdfast_saga::records::CartItem;
use holdfast_shared::{CancelReason, CartId, OrderStatus, Sku};

use super::outcome::Ended;
use super::scenario::{Buyers, ListQuery, Scenario, Then};
use crate::shop;
use crate::shop::Method;

/// The one that not everybody gets.
const SCARCE: &str = "scarce-000000";

/// One order that somebody will place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Purchase {
    pub(crate) cart: CartId,
    pub(crate) method: Method,
    pub(crate) then: Then,
    /// Which of the scenario's buyers.
    kind: usize,
}

/// The orders of a round.
#[derive(Debug)]
pub(crate) struct Workload {
    /// Warm connections, plans and caches up; they are not measured.
    pub(crate) warm_up: Vec<Purchase>,
    pub(crate) measured: Vec<Purchase>,
}

/// How orders of a kind ended: how many of them where, and why.
pub(crate) type Ends = HashMap<(OrderStatus, Option<CancelReason>), usize>;

impl Workload {
    /// Stocks the shop and fills the carts.
    pub(crate) async fn prepare(
        store: &dyn Store,
        scenario: &Scenario,
        warm_up: usize,
        measured: usize,
    ) -> Result<Self> {
        let goods = scenario.shop.goods();
        let scarce: Sku = SCARCE.parse()?;
        let mut shelf = goods.shelf()?;
        if scenario.shop.units > 0 {
            shelf.push((scarce.clone(), i64::try_from(scenario.shop.units)?));
        }
        shop::stock(store, &shelf).await.context("stocking the shop")?;

        // The warm-up sells nothing scarce: what is there is there for the measured.
        let ordinary = |buyers: &Buyers| buyers.wants == ListQuery::AnOrdinaryBasket;
        let mut kinds = deal(&scenario.buyers, ordinary, warm_up);
        let warm_up = kinds.len();
        kinds.extend(deal(&scenario.buyers, |_| true, measured));
        let basket = |(order, kind): (usize, &usize)| match scenario.buyers[*kind].wants {
            ListQuery::AnOrdinaryBasket => goods.basket(order),
            ListQuery::TheScarcePiece => Ok(vec![CartItem { sku: scarce.clone(), quantity: 1 }]),
        };
        let baskets = kinds.iter().enumerate().map(basket).collect::<Result<Vec<_>>>()?;
        let carts = shop::fill(store, baskets).await.context("filling the carts")?;
        let mut all: Vec<Purchase> = carts
            .into_iter()
            .zip(kinds)
            .map(|(cart, kind)| {
                let buyers = scenario.buyers[kind];
                Purchase { cart, method: buyers.method(), then: buyers.then, kind }
            })
            .collect();
        let measured = all.split_off(warm_up);
        Ok(Self { warm_up: all, measured })
    }

    /// Whether each of the first `placed` measured orders, and each of the warm-up, ended as it must: exactly one
    /// order for each cart, each in its place.
    pub(crate) fn verify(&self, scenario: &Scenario, placed: usize, ended: &[Ended]) -> Result<Vec<Ends>> {
        let placed = self.warm_up.iter().chain(&self.measured[..placed]);
        let mut kinds: BTreeMap<CartId, usize> = placed.map(|order| (order.cart, order.kind)).collect();
        ensure!(kinds.len() == ended.len(), "{} orders were placed, {} are there", kinds.len(), ended.len());
        let mut ends = vec![Ends::new(); scenario.buyers.len()];
        for order in ended {
            let kind = kinds.remove(&order.cart);
            let kind = kind.with_context(|| format!("order {} is nobody's, or a second one", order.id))?;
            *ends[kind].entry((order.status, order.reason)).or_default() += 1;
        }
        for (buyers, ends) in scenario.buyers.iter().zip(&ends) {
            let all: usize = ends.values().sum();
            let expected = expected(buyers, all, scenario.shop.units);
            ensure!(*ends == expected, "{buyers:?} ended as {ends:?}, not as {expected:?}");
        }
        Ok(ends)
    }
}

/// How `all` orders of one kind must end.
fn expected(buyers: &Buyers, all: usize, units: usize) -> Ends {
    let served = match buyers.wants {
        ListQuery::AnOrdinaryBasket => all,
        ListQuery::TheScarcePiece => all.min(units),
    };
    let sold_out = (OrderStatus::Cancelled, Some(CancelReason::OutOfStock));
    let ends = [(buyers.ends.row(), served), (sold_out, all - served)];
    ends.into_iter().filter(|(_, orders)| *orders > 0).collect()
}

/// Deals `orders` orders to the kinds that may have them, by their shares, so that each kind comes up as evenly as
/// it can: whoever is furthest behind its share is next.
fn deal(kinds: &[Buyers], may: impl Fn(&Buyers) -> bool, orders: usize) -> Vec<usize> {
    let kinds: Vec<(usize, usize)> = kinds
        .iter()
        .enumerate()
        .filter(|(_, buyers)| buyers.share > 0 && may(buyers))
        .map(|(kind, buyers)| (kind, buyers.share))
        .collect();
    let mut dealt = vec![0_usize; kinds.len()];
    let mut order = Vec::with_capacity(orders);
    while order.len() < orders {
        // The next one of a kind is due at (dealt + ½) / share: the smallest is first.
        let next = (0..kinds.len()).min_by(|one, other| {
            let due = |at: usize| 2 * dealt[at] + 1;
            (due(*one) * kinds[*other].1).cmp(&(due(*other) * kinds[*one].1))
        });
        let Some(next) = next else { return order };
        dealt[next] += 1;
        order.push(kinds[next].0);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_gets_its_share_all_along() {
        let scenario = Scenario::named("mixed").expect("parses");
        let dealt = deal(&scenario.buyers, |_| true, 900);
        for (kind, buyers) in scenario.buyers.iter().enumerate() {
            for (orders, expected) in [(900, buyers.share * 10), (90, buyers.share)] {
                let got = dealt[..orders].iter().filter(|dealt| **dealt == kind).count();
                assert!(got.abs_diff(expected) <= 1, "{got} of {orders} for {buyers:?}");
            }
        }
    }

    #[test]
    fn as_many_get_a_scarce_piece_as_there_are() {
        let flash = Scenario::named("flash-sale").expect("parses").buyers[0];
        let confirmed = (OrderStatus::Confirmed, None);
        let sold_out = (OrderStatus::Cancelled, Some(CancelReason::OutOfStock));
        assert_eq!(expected(&flash, 300, 20), Ends::from([(confirmed, 20), (sold_out, 280)]));
        assert_eq!(expected(&flash, 10, 20), Ends::from([(confirmed, 10)]));
    }

    #[test]
    fn an_order_that_is_missing_astray_or_nobodys_is_no_figure() {
        let scenario = Scenario::named("checkout-online").expect("parses");
        let order = || Purchase {
            cart: CartId(uuid::Uuid::now_v7()),
            method: scenario.buyers[0].method(),
            then: Then::Nothing,
            kind: 0,
        };
        let workload = Workload { warm_up: vec![order()], measured: vec![order(), order()] };
        let (status, at) = (OrderStatus::Confirmed, holdfast_shared::Time::from_micros(1));
        let ended = |cart| Ended {
            id: holdfast_shared::OrderId::new(1),
            cart,
            status,
            reason: None,
            accepted_at: at,
            notified_at: at,
        };
        let carts = [workload.warm_up[0].cart, workload.measured[0].cart, workload.measured[1].cart];
        let all: Vec<Ended> = carts.map(ended).to_vec();
        let ends = workload.verify(&scenario, 2, &all).expect("all is well");
        assert_eq!(ends, [Ends::from([((OrderStatus::Confirmed, None), 3)])]);

        let check = |why: &str, placed: usize, ended: &[Ended]| {
            assert!(workload.verify(&scenario, placed, ended).is_err(), "{why}");
        };
        check("one is missing", 2, &all[..2]);
        check("one was never placed", 1, &all);
        check("one is another's", 2, &[all[0], all[1], ended(order().cart)]);
        check("one cart has two", 2, &[all[0], all[1], all[1]]);
        let astray = Ended { status: OrderStatus::Processing, ..all[2] };
        check("one is astray", 2, &[all[0], all[1], astray]);
    }
}
