//! The generated orders: everything that can happen to a checkout, in a mix that follows from the seed.

use std::str::FromStr;

use anyhow::Context as _;
use holdfast_saga::records::{CartItem, Product};
use holdfast_shared::{Currency, Money, PaymentMethod, Sku};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use strum::{Display, EnumString};

/// What a demo plays: a shop and what is wanted of it.
#[derive(Debug)]
pub(crate) struct Program {
    /// What is for sale, and how many pieces of it.
    pub(crate) shelf: Vec<(Product, i64)>,
    /// What buyers want.
    pub(crate) wishes: Vec<Wish>,
}

/// One buyer's order.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) customer: Option<String>,
    pub(crate) items: Vec<CartItem>,
    pub(crate) method: PaymentMethod,
    pub(crate) token: Option<String>,
    pub(crate) fate: Fate,
    /// The same request is sent twice at the same instant.
    pub(crate) twice: bool,
}

/// What people do about an order. It stands in the order's notes, so that a resumed demo knows it, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Display, EnumString)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Fate {
    /// Nothing; it goes its way.
    Plain,
    /// The buyer completes the payment when asked to.
    BuyerActs,
    /// The buyer walks away when asked to act.
    BuyerLeaves,
    /// An admin confirms.
    AdminConfirms,
    /// An admin rejects.
    AdminRejects,
    /// No admin decides in time.
    AdminForgets,
    /// The customer cancels at once.
    CustomerCancels,
    /// The shop cancels after the order was confirmed.
    ShopCancels,
}

/// How a fate is written into an order's notes.
const NOTE: &str = "demo: ";

impl Fate {
    pub(crate) fn note(self) -> String {
        format!("{NOTE}{self}")
    }

    pub(crate) fn from_note(note: &str) -> Option<Self> {
        Self::from_str(note.strip_prefix(NOTE)?).ok()
    }

    /// Whether nobody will decide about it, so that its window must be short for the demo to end.
    pub(crate) const fn is_left_alone(self) -> bool {
        matches!(self, Self::BuyerLeaves | Self::AdminForgets)
    }
}

/// The kinds of order, and how many of a hundred are of each.
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
/// Every so many orders one is confirmed, cancelled, and its refund keeps failing: an operator's case.
const STUCK_EVERY: usize = 100;
/// One in so many is sent twice at the same instant.
const TWICE_ONE_IN: u32 = 20;
/// SKUs with enough for everybody.
const PLENTY: usize = 40;
/// Pieces of each.
const PLENTY_PIECES: i64 = 100_000;
/// SKUs with too little.
const SCARCE: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stocked {
    Well,
    Scarcely,
}

/// The program of `orders` orders that follows from `seed`: the same seed, the same wishes.
pub(crate) fn compose(orders: usize, seed: u64) -> Program {
    let mut random = StdRng::seed_from_u64(seed);
    let products: Vec<Product> = (0..PLENTY + SCARCE).filter_map(product).collect();
    // About half of those who want a scarce piece get one.
    let scarce_pieces = i64::try_from(orders).unwrap_or(i64::MAX).saturating_mul(6) / 100 / 2 / 2;
    let wishes = (0..orders).map(|index| wish(index, &products, &mut random)).collect();
    let pieces = |index: usize| if index < PLENTY { PLENTY_PIECES } else { scarce_pieces };
    let shelf = products.into_iter().enumerate().map(|(index, product)| (product, pieces(index))).collect();
    Program { shelf, wishes }
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

fn wish(index: usize, products: &[Product], random: &mut StdRng) -> Wish {
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
    Wish {
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

/// A SKU out of somebody else's text.
pub(crate) fn sku(text: &str) -> anyhow::Result<Sku> {
    text.parse().context("sku")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_wishes() {
        let wishes = |seed| format!("{:?}", compose(300, seed).wishes);
        assert_eq!(wishes(7), wishes(7));
        assert_ne!(wishes(7), wishes(8));
    }

    #[test]
    fn five_hundred_orders_show_everything() {
        let wishes = compose(500, 7).wishes;
        for (_, method, token, fate, _) in KINDS {
            let shown = wishes.iter().any(|wish| {
                wish.method == method
                    && wish.fate == fate
                    && wish.token.as_deref().unwrap_or_default() == token
            });
            assert!(shown, "{method} {token} {fate}");
        }
        assert!(wishes.iter().any(|wish| wish.token.as_deref() == Some("tok_refund_fails")));
        assert!(wishes.iter().any(|wish| wish.twice));
    }

    #[test]
    fn a_fate_is_read_back_from_a_note() {
        assert_eq!(Fate::from_note(&Fate::AdminForgets.note()), Some(Fate::AdminForgets));
        assert_eq!(Fate::from_note("please ring twice"), None);
    }
}
