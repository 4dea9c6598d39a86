//! The generated workload: everything that can happen to a checkout, in a mix that depends on the seed alone.

use std::str::FromStr;

use anyhow::Context as _;
use holdfast_saga::records::{CartItem, Product};
use holdfast_shared::{Currency, Money, PaymentMethod, Sku};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use strum::{Display, EnumString};

/// The workload of a demo: the products of a shop, and orders of them.
#[derive(Debug)]
pub(crate) struct Workload {
    /// The products, with their pieces.
    pub(crate) products: Vec<(Product, i64)>,
    pub(crate) orders: Vec<PlannedOrder>,
}

/// One order of the workload.
#[derive(Debug, Clone)]
pub(crate) struct PlannedOrder {
    pub(crate) customer: Option<String>,
    pub(crate) items: Vec<CartItem>,
    pub(crate) method: PaymentMethod,
    pub(crate) token: Option<String>,
    pub(crate) fate: Fate,
    /// Whether the same request is sent twice at once.
    pub(crate) twice: bool,
}

/// What happens to an order from outside. The order's notes contain it, so that a resumed demo knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Display, EnumString)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Fate {
    Plain,
    /// The buyer completes the payment when asked to.
    BuyerActs,
    /// The buyer does not complete the payment.
    BuyerLeaves,
    AdminConfirms,
    AdminRejects,
    /// No admin decides in time.
    AdminForgets,
    /// The customer cancels at once.
    CustomerCancels,
    /// The shop cancels after the order was confirmed.
    ShopCancels,
}

/// The prefix of a fate in an order's notes.
const NOTE: &str = "demo: ";

impl Fate {
    pub(crate) fn note(self) -> String {
        format!("{NOTE}{self}")
    }

    pub(crate) fn from_note(note: &str) -> Option<Self> {
        Self::from_str(note.strip_prefix(NOTE)?).ok()
    }

    /// Whether its window must expire, and so be short, for the demo to end.
    pub(crate) const fn is_left_alone(self) -> bool {
        matches!(self, Self::BuyerLeaves | Self::AdminForgets)
    }
}

/// The kinds of order, each with its share of a hundred.
const KINDS: [(u32, PaymentMethod, &str, Fate, Stocked); 13] = [
    (45, PaymentMethod::Card, "tok_ok", Fate::Plain, Stocked::Well),
    (8, PaymentMethod::Card, "tok_declined", Fate::Plain, Stocked::Well),
    (4, PaymentMethod::Card, "tok_timeout", Fate::Plain, Stocked::Well),
    (5, PaymentMethod::Card, "tok_flaky", Fate::Plain, Stocked::Well),
    (1, PaymentMethod::Card, "tok_down", Fate::Plain, Stocked::Well),
    (5, PaymentMethod::Card, "tok_requires_action", Fate::BuyerActs, Stocked::Well),
    (2, PaymentMethod::Card, "tok_requires_action", Fate::BuyerLeaves, Stocked::Well),
    (12, PaymentMethod::Cod, "", Fate::AdminConfirms, Stocked::Well),
    (3, PaymentMethod::Cod, "", Fate::AdminRejects, Stocked::Well),
    (2, PaymentMethod::Cod, "", Fate::AdminForgets, Stocked::Well),
    (4, PaymentMethod::Card, "tok_ok", Fate::CustomerCancels, Stocked::Well),
    (3, PaymentMethod::Card, "tok_ok", Fate::ShopCancels, Stocked::Well),
    (6, PaymentMethod::Card, "tok_ok", Fate::Plain, Stocked::Scarcely),
];
/// One in so many orders is confirmed and cancelled, and its refund keeps failing: an operator must act.
const STUCK_EVERY: usize = 100;
/// One in so many orders is sent twice at once.
const TWICE_ONE_IN: u32 = 20;
/// SKUs with enough pieces for all orders.
const PLENTY: usize = 40;
const PLENTY_PIECES: i64 = 100_000;
/// SKUs with too few pieces.
const SCARCE: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stocked {
    Well,
    Scarcely,
}

/// A workload of `orders` orders. The same seed makes the same workload.
pub(crate) fn compose(orders: usize, seed: u64) -> Workload {
    let mut random = StdRng::seed_from_u64(seed);
    let products: Vec<Product> = (0..PLENTY + SCARCE).filter_map(product).collect();
    // About half of the orders for a scarce piece succeed.
    let scarce_pieces = i64::try_from(orders).unwrap_or(i64::MAX).saturating_mul(6) / 100 / 2 / 2;
    let planned = (0..orders).map(|index| planned_order(index, &products, &mut random)).collect();
    let pieces = |index: usize| if index < PLENTY { PLENTY_PIECES } else { scarce_pieces };
    let products =
        products.into_iter().enumerate().map(|(index, product)| (product, pieces(index))).collect();
    Workload { products, orders: planned }
}

fn product(index: usize) -> Option<Product> {
    let (sku, name) = if index < PLENTY {
        (format!("demo-mug-{index:02}"), format!("Mug no. {index}"))
    } else {
        (format!("demo-print-{index:02}"), format!("Limited print no. {index}"))
    };
    let price = Money::new(990 + 100 * i64::try_from(index).ok()?, Currency::EUR);
    Some(Product { sku: sku.parse().ok()?, name, price, active: true })
}

fn planned_order(index: usize, products: &[Product], random: &mut StdRng) -> PlannedOrder {
    let (method, token, fate, stocked) = if index % STUCK_EVERY == STUCK_EVERY / 50 {
        (PaymentMethod::Card, "tok_refund_fails", Fate::ShopCancels, Stocked::Well)
    } else {
        kind(random)
    };
    let items = match stocked {
        Stocked::Scarcely => vec![item(&products[PLENTY + random.random_range(0..SCARCE)].sku, 1)],
        Stocked::Well => {
            let first = random.random_range(0..PLENTY);
            let lines = random.random_range(1..=3);
            (0..lines)
                .map(|line| item(&products[(first + line) % PLENTY].sku, random.random_range(1..=3)))
                .collect()
        }
    };
    PlannedOrder {
        customer: random.random_bool(0.5).then(|| format!("customer-{index}")),
        items,
        method,
        token: Some(token.to_owned()).filter(|token| !token.is_empty()),
        fate,
        twice: random.random_ratio(1, TWICE_ONE_IN),
    }
}

fn kind(random: &mut StdRng) -> (PaymentMethod, &'static str, Fate, Stocked) {
    let all: u32 = KINDS.iter().map(|(share, ..)| share).sum();
    let mut drawn = random.random_range(0..all);
    for (share, method, token, fate, stocked) in KINDS {
        if drawn < share {
            return (method, token, fate, stocked);
        }
        drawn -= share;
    }
    (PaymentMethod::Card, "tok_ok", Fate::Plain, Stocked::Well)
}

fn item(sku: &Sku, quantity: u32) -> CartItem {
    CartItem { sku: sku.clone(), quantity }
}

pub(crate) fn sku(text: &str) -> anyhow::Result<Sku> {
    text.parse().context("sku")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_workload() {
        let orders = |seed| format!("{:?}", compose(300, seed).orders);
        assert_eq!(orders(7), orders(7));
        assert_ne!(orders(7), orders(8));
    }

    #[test]
    fn five_hundred_orders_show_everything() {
        let orders = compose(500, 7).orders;
        for (_, method, token, fate, _) in KINDS {
            let shown = orders.iter().any(|order| {
                order.method == method
                    && order.fate == fate
                    && order.token.as_deref().unwrap_or_default() == token
            });
            assert!(shown, "{method} {token} {fate}");
        }
        assert!(orders.iter().any(|order| order.token.as_deref() == Some("tok_refund_fails")));
        assert!(orders.iter().any(|order| order.twice));
    }

    #[test]
    fn a_fate_is_read_back_from_a_note() {
        assert_eq!(Fate::from_note(&Fate::AdminForgets.note()), Some(Fate::AdminForgets));
        assert_eq!(Fate::from_note("please ring twice"), None);
    }
}
