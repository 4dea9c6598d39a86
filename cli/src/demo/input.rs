//! Orders from a file: one JSON object a line.
//!
//! ```json
//! {"customer_ref": "c-1", "lines": [{"sku": "cd-1", "quantity": 2, "unit_price_minor": 1466}],
//!  "currency": "USD", "payment": {"method": "card", "token": "tok_ok"}}
//! ```
//!
//! `customer_ref` and `payment` may be missing; then a guest pays by a card that works. Fields that are not
//! listed here are ignored. The first price a SKU comes with is its price; enough of everything is stocked.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context as _, anyhow, ensure};
use holdfast_saga::records::{CartItem, Product};
use holdfast_saga::shop::checkout::{LINES_MAX, QUANTITY_MAX};
use holdfast_shared::{Currency, Money, PaymentMethod, Sku};
use serde::Deserialize;

use super::mix::{Fate, PlannedOrder, Workload, sku};
use crate::exit::usage;

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

/// Reads the whole file. An error names the number of the line, and nothing else happens.
pub(crate) fn read(path: &Path) -> anyhow::Result<Workload> {
    let shown = path.display();
    let file = File::open(path).map_err(|error| usage(format!("{shown} cannot be read: {error}")))?;
    let mut reader = BufReader::new(file);
    let mut products: BTreeMap<Sku, (Product, i64)> = BTreeMap::new();
    let mut orders = Vec::new();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).with_context(|| format!("{shown}, line {number}"))?;
        if read == 0 {
            break;
        }
        let order = parse(&line, &mut products);
        orders.extend(
            order.map_err(|error| usage(format!("{shown}, line {number}: {error:#}; nothing was done")))?,
        );
    }
    if orders.is_empty() {
        return Err(usage(format!("{shown} has no orders; expected one JSON object a line")));
    }
    Ok(Workload { products: products.into_values().collect(), orders })
}

/// Parses a line. A blank line is neither an order nor an error.
fn parse(line: &[u8], products: &mut BTreeMap<Sku, (Product, i64)>) -> anyhow::Result<Option<PlannedOrder>> {
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
        items.push(stock(line, currency, products)?);
    }
    let mut seen = std::collections::BTreeSet::new();
    for item in &items {
        ensure!(seen.insert(&item.sku), "{} is in it twice; put the whole quantity into one line", item.sku);
    }
    let payment = order.payment.unwrap_or(Payment { method: PaymentMethod::Card, token: None });
    let is_free = order.lines.iter().all(|line| line.unit_price_minor == 0);
    let method = if is_free { PaymentMethod::None } else { payment.method };
    let token = payment.token.or_else(|| method.is_online().then(|| "tok_ok".to_owned()));
    let fate = match (method, token.as_deref()) {
        (PaymentMethod::Cod, _) => Fate::AdminConfirms,
        (PaymentMethod::Card | PaymentMethod::Paypal, Some("tok_requires_action")) => Fate::BuyerActs,
        (PaymentMethod::Card | PaymentMethod::Paypal | PaymentMethod::None, _) => Fate::Plain,
    };
    Ok(Some(PlannedOrder { customer: order.customer_ref, items, method, token, fate, twice: false }))
}

fn stock(
    line: &Line,
    currency: Currency,
    products: &mut BTreeMap<Sku, (Product, i64)>,
) -> anyhow::Result<CartItem> {
    let sku = sku(&line.sku)?;
    let quantity = u32::try_from(line.quantity).ok().filter(|quantity| (1..=QUANTITY_MAX).contains(quantity));
    let quantity = quantity
        .ok_or_else(|| anyhow!("{} of {sku}: expected a quantity from 1 to {QUANTITY_MAX}", line.quantity))?;
    ensure!(line.unit_price_minor >= 0, "{sku} costs {}, less than nothing", line.unit_price_minor);
    if let Some(own) = &line.currency {
        let own: Currency = own.parse()?;
        ensure!(own == currency, "{sku} is in {own}, the order in {currency}; an order has one currency");
    }
    let price = Money::new(line.unit_price_minor, currency);
    price.times(quantity).with_context(|| format!("{quantity} of {sku}"))?;
    let product = || Product { sku: sku.clone(), name: sku.to_string(), price, active: true };
    let (product, pieces) = products.entry(sku.clone()).or_insert_with(|| (product(), 0));
    ensure!(
        product.price == price,
        "{sku} costs {price} here and {} in an earlier line; a SKU has one price",
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
            let error = parse(line.as_bytes(), &mut BTreeMap::new()).expect_err(line);
            assert!(format!("{error:#}").contains(expected), "{line}: {error:#}");
        }
    }

    #[test]
    fn a_line_without_payment_is_paid_by_a_card_that_works() {
        let line = br#"{"lines":[{"sku":"a","quantity":2,"unit_price_minor":100}],"currency":"EUR","placed_on":"1997"}"#;
        let mut products = BTreeMap::new();
        let order = parse(line, &mut products).expect("an order").expect("not blank");
        assert_eq!((order.method, order.token.as_deref()), (PaymentMethod::Card, Some("tok_ok")));
        assert_eq!(products.into_values().map(|(_, pieces)| pieces).collect::<Vec<_>>(), [2]);
        assert!(parse(b"  \n", &mut BTreeMap::new()).expect("no error").is_none());
    }
}
