//! `holdfast order refund`: giving money back on an order that stands.

use holdfast_saga::ports::Store;
use holdfast_saga::records::context::Dedupe;
use holdfast_saga::shop::checkout::digest;
use holdfast_saga::shop::order::{self, Grant};
use holdfast_shared::{Actor, Currency, Money};

use super::act::ActedBody;
use crate::exit::{Exit, say, usage};
use crate::operator::Operator;
use crate::output::Format;
use crate::provider;
use crate::reference::OrderRef;
use crate::values::{name, reason};

#[derive(clap::Args)]
pub(crate) struct RefundArgs {
    /// The order's number, such as 1042, or its public id (a UUID)
    order: OrderRef,

    /// How much goes back, in the order's currency, such as 12.99; without it, all that is left
    #[arg(long, value_name = "AMOUNT")]
    amount: Option<String>,

    /// The reason, for the timeline and the audit trail
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,

    /// Repeated under the same key, it is the same refund
    #[arg(long, value_name = "KEY", value_parser = name)]
    key: Option<String>,

    #[command(flatten)]
    actor: Operator,
}

pub(super) async fn run(store: &dyn Store, args: RefundArgs, output: Format) -> anyhow::Result<Exit> {
    let RefundArgs { order, amount, reason, key, actor } = args;
    let view = order.find(store).await?;
    let (id, currency) = (view.order.id, view.order.total.currency);
    let amount = amount.map(|text| amount_of(&text, currency)).transpose().map_err(usage)?;
    let by = Actor::Admin(actor.actor);
    let text = amount.map(|amount| amount.to_string()).unwrap_or_default();
    let dedupe = key.map(|key| Dedupe {
        key: digest(&["refund", &by.to_string(), &key]),
        body: digest(&[&text, &reason]),
    });
    let grant = Grant { amount, reason, dedupe };
    let answer = order::refund(store, id, grant, &by, &provider::amounts()).await?;
    let acted = ActedBody::new(view.public_id(), id, answer)?;
    say(acted.detail());
    output.one(&acted, String::new)?;
    Ok(Exit::Ok)
}

/// An amount as people write it, by the currency's own decimals.
fn amount_of(text: &str, currency: Currency) -> Result<Money, String> {
    let decimals = currency.decimals() as usize;
    let wrong = || {
        let example = Money::new(1_250, currency);
        format!(
            "--amount {text}: expected an amount above zero as this currency writes it, such as {example}"
        )
    };
    let number = text.strip_suffix(currency.as_str()).map_or(text, str::trim_end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let exact = !number.contains('.') || fraction.len() == decimals;
    if whole.is_empty() || !digits(whole) || !digits(fraction) || !exact {
        return Err(wrong());
    }
    let minor: i64 = format!("{whole}{fraction:0<decimals$}").parse().map_err(|_| wrong())?;
    if minor == 0 { Err(wrong()) } else { Ok(Money::new(minor, currency)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_what_its_currency_says() {
        for (text, currency, minor) in [
            ("12.99", "EUR", Some(1_299)),
            ("12.99 EUR", "EUR", Some(1_299)),
            ("12", "EUR", Some(1_200)),
            ("1500", "JPY", Some(1_500)),
            ("1.500", "KWD", Some(1_500)),
            ("0.01", "EUR", Some(1)),
            ("15.00", "JPY", None),
            ("1.5", "EUR", None),
            ("1.500", "EUR", None),
            ("12.99 USD", "EUR", None),
            ("-1", "EUR", None),
            ("0", "EUR", None),
            ("0.00", "EUR", None),
            ("1,299", "EUR", None),
            (".50", "EUR", None),
            ("5.", "EUR", None),
            ("", "EUR", None),
            ("99999999999999999999", "EUR", None),
        ] {
            let currency: Currency = currency.parse().expect("a currency");
            let amount = amount_of(text, currency).ok().map(|amount| amount.amount_minor);
            assert_eq!(amount, minor, "{text} {currency}");
        }
    }
}
