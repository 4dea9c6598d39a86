//! What a run plays: how orders arrive, who the buyers are, and how their orders must end.
//!
//! A scenario is a small file beside the sources, and part of the binary. It decides what is asked; how it is
//! asked, on what and by how many processes is the caller's to say.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holdfast_sandbox::Token;
use holdfast_shared::{CancelReason, OrderStatus};
use serde::{Deserialize, Serialize};

use crate::shop::Goods;
use crate::shop::Method;

/// Every scenario: its name and its file.
const FILES: [(&str, &str); 9] = [
    ("checkout-online", include_str!("../../scenarios/checkout-online.toml")),
    ("checkout-cod", include_str!("../../scenarios/checkout-cod.toml")),
    ("mixed", include_str!("../../scenarios/mixed.toml")),
    ("steady", include_str!("../../scenarios/steady.toml")),
    ("flash-sale", include_str!("../../scenarios/flash-sale.toml")),
    ("provider-20ms", include_str!("../../scenarios/provider-20ms.toml")),
    ("backlog", include_str!("../../scenarios/backlog.toml")),
    ("soak", include_str!("../../scenarios/soak.toml")),
    ("ancestor", include_str!("../../scenarios/ancestor.toml")),
];

/// One scenario, as its file says or as it was update otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// What it shows, in a line.
    pub(crate) about: String,
    pub(crate) rounds: usize,
    pub(crate) arrival: Arrival,
    #[serde(default)]
    pub(crate) shop: Shop,
    #[serde(default)]
    pub(crate) provider: Provider,
    pub(crate) buyers: Vec<Buyers>,
}

/// How orders arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Arrival {
    /// Each connection asks again as soon as it was answered.
    Closed { orders: usize },
    /// By a fixed schedule, however fast they are answered.
    Open { rate: u32, seconds: u32 },
    /// All of them before the first worker starts.
    Backlog { orders: usize },
    /// Users come in over the ramp; each asks, thinks, and asks again.
    Users { users: u32, think_ms: u64, ramp_seconds: u32, seconds: u32 },
}

/// What the shop has. Of all but the scarce piece it has more than anybody buys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Shop {
    pub(crate) skus: usize,
    /// Lines in an order.
    pub(crate) lines: usize,
    /// Pieces of the scarce one.
    pub(crate) units: usize,
}

impl Shop {
    /// Its ordinary goods.
    pub(crate) const fn goods(self) -> Goods {
        Goods { skus: self.skus, lines: self.lines }
    }
}

impl Default for Shop {
    fn default() -> Self {
        Self { skus: 200, lines: 2, units: 0 }
    }
}

/// Who takes the money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Provider {
    /// How long the answer to a charge takes.
    pub(crate) delay_ms: u64,
}

/// Buyers of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Buyers {
    /// How many, in relation to the other kinds.
    pub(crate) share: usize,
    method: Paid,
    token: Option<Card>,
    #[serde(default)]
    pub(crate) wants: ListQuery,
    #[serde(default)]
    pub(crate) then: Then,
    /// How their orders end; who wants a scarce piece and gets none is update `out_of_stock` instead.
    pub(crate) ends: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Paid {
    Card,
    Cod,
}

/// A card of the sandbox's, by the text of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&str")]
struct Card(Token);

impl TryFrom<String> for Card {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Token::named(&text).map(Self).ok_or_else(|| format!("the sandbox knows no token {text}"))
    }
}

impl From<Card> for &str {
    fn from(card: Card) -> Self {
        card.0.as_str()
    }
}

/// What they want to buy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ListQuery {
    #[default]
    AnOrdinaryBasket,
    TheScarcePiece,
}

/// What is done about an order as soon as it was placed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Then {
    #[default]
    Nothing,
    AdminConfirms,
    AdminRejects,
}

/// How an order ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    Confirmed,
    PaymentDeclined,
    PaymentExpired,
    RejectedByAdmin,
}

impl Scenario {
    /// The scenario of this name.
    pub(crate) fn named(name: &str) -> Result<Self> {
        let file = FILES.iter().find(|(known, _)| *known == name);
        let names = || FILES.map(|(name, _)| name).join(", ");
        let (_, text) =
            file.with_context(|| format!("no scenario is named {name}; there are {}", names()))?;
        let scenario: Self = toml::from_str(text).with_context(|| format!("scenarios/{name}.toml"))?;
        scenario.check()?;
        Ok(scenario)
    }

    /// Every scenario, with its name.
    pub(crate) fn all() -> Result<Vec<(&'static str, Self)>> {
        FILES.iter().map(|(name, _)| Ok((*name, Self::named(name)?))).collect()
    }

    /// Refuses what could never be verified.
    pub(crate) fn check(&self) -> Result<()> {
        ensure!(self.rounds > 0, "a run of no rounds measures nothing");
        ensure!(self.buyers.iter().any(|buyers| buyers.share > 0), "nobody buys anything");
        for buyers in &self.buyers {
            let is_card = buyers.method == Paid::Card;
            ensure!(is_card == buyers.token.is_some(), "a card needs a token, cash none");
            ensure!(
                is_card == (buyers.then == Then::Nothing),
                "an admin decides about cash on delivery alone"
            );
        }
        let waits_for_admin = self.buyers.iter().any(|buyers| buyers.then != Then::Nothing);
        let is_backlog = matches!(self.arrival, Arrival::Backlog { .. });
        ensure!(!(waits_for_admin && is_backlog), "a backlog is decided by workers, not by admins");
        let scarce = self.buyers.iter().filter(|buyers| buyers.wants == ListQuery::TheScarcePiece).count();
        ensure!(scarce <= 1, "two kinds want the scarce piece: which of them gets it?");
        Ok(())
    }

    /// Whether some orders need a provider that remembers what another worker asked it for.
    pub(crate) fn asks_twice(&self) -> bool {
        let asks =
            |buyers: &Buyers| matches!(buyers.token, Some(Card(Token::Timeout | Token::Flaky | Token::Down)));
        self.buyers.iter().any(asks)
    }

    pub(crate) const fn provider_delay(&self) -> Duration {
        Duration::from_millis(self.provider.delay_ms)
    }
}

impl Buyers {
    pub(crate) const fn method(self) -> Method {
        match self.token {
            Some(Card(token)) => Method::Card(token),
            None => Method::Cod,
        }
    }
}

impl End {
    /// As the order's row says it.
    pub(crate) const fn row(self) -> (OrderStatus, Option<CancelReason>) {
        match self {
            Self::Confirmed => (OrderStatus::Confirmed, None),
            Self::PaymentDeclined => (OrderStatus::Cancelled, Some(CancelReason::PaymentDeclined)),
            Self::PaymentExpired => (OrderStatus::Cancelled, Some(CancelReason::PaymentExpired)),
            Self::RejectedByAdmin => (OrderStatus::Cancelled, Some(CancelReason::RejectedByAdmin)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_scenario_and_is_listed() {
        let all = Scenario::all().expect("parses");
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .expect("reads")
            .map(|entry| entry.expect("reads").path().file_stem().expect("a name").to_owned())
            .collect();
        let mut listed: Vec<_> = all.iter().map(|(name, _)| std::ffi::OsString::from(name)).collect();
        files.sort();
        listed.sort();
        assert_eq!(files, listed);
    }

    #[test]
    fn what_could_not_be_verified_is_refused() {
        let check = |change: fn(&mut Scenario)| {
            let mut scenario = Scenario::named("mixed").expect("parses");
            change(&mut scenario);
            assert!(scenario.check().is_err(), "{scenario:?}");
        };
        check(|mixed| mixed.rounds = 0);
        check(|mixed| mixed.buyers.clear());
        check(|mixed| mixed.buyers[0].token = None);
        check(|mixed| mixed.buyers[0].then = Then::AdminConfirms);
        check(|mixed| mixed.buyers[0].wants = ListQuery::TheScarcePiece);
        check(|mixed| mixed.arrival = Arrival::Backlog { orders: 10 });
    }
}
