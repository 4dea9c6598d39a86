//! Orders from a file: one JSON object a line.
//!
//! ```json
//! {"customer_ref": "c-1", "lines": [{"sku": "cd-1", "quantity": 2, "unit_price_minor": 1466}],
//!  "currency": "USD", "payment": {"method": "card", "token": "tok_ok"}}
//! ```
//!
//! `customer_ref` and `payment` may be missing; then a guest pays by a card that works. Fields that are not
//! named here are passed over. The first price a SKU comes with is its price; enough of everything is stocked.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context as _, anyhow, ensure};
use holdfast_saga::records::{CartItem, Product};
use holdfast_saga::shop::checkout::{LINES_MAX, QUANTITY_MAX};
use holdfast_shared::{Currency, Money, PaymentMethod, Sku};
use serde::Deserialize;

use super::mix::{Fate, Program, Wish, sku};
use crate::exit::usage;

/// Longer lines are not orders.
const LINE_MAX: usize = 1 << 20;

#[derive(Debug, Deserialize)]
struct Order {
    customer_ref: Option<String>,
    lines: Vec<Line>,
    currency: String,
    payment: Option<Payment>,
}

#[derive(Debug, Deserialize)]
struct Line {
    sku: String,
    quantity: i64,
    unit_price_minor: i64,
    currency: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Payment {
    method: PaymentMethod,
    token: Option<String>,
}

/// Reads the whole file. A line that cannot be understood is named by its number, and nothing else is done.
pub(crate) fn read(path: &Path) -> anyhow::Result<Program> {
    let shown = path.display();
    let file = File::open(path).map_err(|error| usage(format!("{shown} cannot be read: {error}")))?;
    let mut reader = BufReader::new(file);
    let mut shelf: BTreeMap<Sku, (Product, i64)> = BTreeMap::new();
    let mut wishes = Vec::new();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).with_context(|| format!("{shown}, line {number}"))?;
        if read == 0 {
            break;
        }
        let wish = to_filter(&line, &mut shelf);
        wishes.extend(
            wish.map_err(|error| usage(format!("{shown}, line {number}: {error:#}; nothing was done")))?,
        );
    }
    if wishes.is_empty() {
        return Err(usage(format!("{shown} holds no orders; one JSON object a line is expected")));
    }
    Ok(Program { shelf: shelf.into_values().collect(), wishes })
}

/// One line; blank ones are no orders and no mistakes.
fn to_filter(line: &[u8], shelf: &mut BTreeMap<Sku, (Product, i64)>) -> anyhow::Result<Option<Wish>> {
    ensure!(line.len() <= LINE_MAX, "longer than {LINE_MAX} bytes");
    let text = std::str::from_utf8(line).context("not UTF-8")?.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let order: Order = serde_json::from_str(text).context("not an order")?;
    ensure!(!order.lines.is_empty(), "an order without lines; remove it or give it one");
    ensure!(order.lines.len() <= LINES_MAX, "{} lines, an order may have {LINES_MAX}", order.lines.len());
    let currency: Currency = order.currency.parse()?;
    let mut items: Vec<CartItem> = Vec::with_capacity(order.lines.len());
    for line in &order.lines {
        items.push(stock(line, currency, shelf)?);
    }
    let mut seen = std::collections::BTreeSet::new();
    for item in &items {
        ensure!(
            seen.insert(&item.sku),
            "{} stands in it twice; put the whole quantity into one line",
            item.sku
        );
    }
    let payment = order.payment.unwrap_or(Payment { method: PaymentMethod::Card, token: None });
    let online = payment.method.is_online();
    let token = payment.token.or_else(|| online.then(|| "tok_ok".to_owned()));
    let fate = match (online, token.as_deref()) {
        (false, _) => Fate::AdminConfirms,
        (true, Some("tok_requires_action")) => Fate::BuyerActs,
        (true, _) => Fate::Plain,
    };
    Ok(Some(Wish { customer: order.customer_ref, items, method: payment.method, token, fate, twice: false }))
}

fn stock(
    line: &Line,
    currency: Currency,
    shelf: &mut BTreeMap<Sku, (Product, i64)>,
) -> anyhow::Result<CartItem> {
    let sku = sku(&line.sku)?;
    let quantity = u32::try_from(line.quantity).ok().filter(|quantity| (1..=QUANTITY_MAX).contains(quantity));
    let quantity = quantity.ok_or_else(|| {
        anyhow!("{} of {sku}: a quantity from 1 to {QUANTITY_MAX} is expected", line.quantity)
    })?;
    ensure!(line.unit_price_minor >= 0, "{sku} costs {}, less than nothing", line.unit_price_minor);
    if let Some(own) = &line.currency {
        let own: Currency = own.parse()?;
        ensure!(own == currency, "{sku} is in {own}, the order in {currency}; an order has one currency");
    }
    let price = Money::new(line.unit_price_minor, currency);
    price.times(quantity).with_context(|| format!("{quantity} of {sku}"))?;
    let product = || Product { sku: sku.clone(), name: sku.to_string(), price, active: true };
    let (product, pieces) = shelf.entry(sku.clone()).or_insert_with(|| (product(), 0));
    ensure!(
        product.price == price,
        "{sku} costs {price} here and {} further up; a SKU has one price",
        product.price
    );
    *pieces += i64::from(quantity);
    Ok(CartItem { sku, quantity })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_line_says_what_is_wrong_with_it() {
        let cases: [(&str, &str); 10] = [
            ("{", "not an order"),
            ("[]", "not an order"),
            (r#"{"lines":[],"currency":"EUR"}"#, "without lines"),
            (r#"{"lines":[{"sku":"a","quantity":0,"unit_price_minor":1}],"currency":"EUR"}"#, "0 of a"),
            (r#"{"lines":[{"sku":"a","quantity":-1,"unit_price_minor":1}],"currency":"EUR"}"#, "-1 of a"),
            (
                r#"{"lines":[{"sku":"a","quantity":99999,"unit_price_minor":1}],"currency":"EUR"}"#,
                "99999 of a",
            ),
            (r#"{"lines":[{"sku":"a b","quantity":1,"unit_price_minor":1}],"currency":"EUR"}"#, "sku"),
            (
                r#"{"lines":[{"sku":"a","quantity":1,"unit_price_minor":1}],"currency":"euro"}"#,
                "not a currency",
            ),
            (
                r#"{"lines":[{"sku":"a","quantity":1,"unit_price_minor":1,"currency":"USD"}],"currency":"EUR"}"#,
                "one currency",
            ),
            (
                r#"{"lines":[{"sku":"a","quantity":1,"unit_price_minor":1},{"sku":"a","quantity":1,"unit_price_minor":1}],"currency":"EUR"}"#,
                "twice",
            ),
        ];
        for (line, expected) in cases {
            let error = to_filter(line.as_bytes(), &mut BTreeMap::new()).expect_err(line);
            assert!(format!("{error:#}").contains(expected), "{line}: {error:#}");
        }
    }

    #[test]
    fn a_line_without_payment_is_paid_by_a_card_that_works() {
        let line = br#"{"lines":[{"sku":"a","quantity":2,"unit_price_minor":100}],"currency":"EUR","placed_on":"1997"}"#;
        let mut shelf = BTreeMap::new();
        let wish = to_filter(line, &mut shelf).expect("an order").expect("not blank");
        assert_eq!((wish.method, wish.token.as_deref()), (PaymentMethod::Card, Some("tok_ok")));
        assert_eq!(shelf.into_values().map(|(_, pieces)| pieces).collect::<Vec<_>>(), [2]);
        assert!(to_filter(b"  \n", &mut BTreeMap::new()).expect("no mistake").is_none());
    }
}
