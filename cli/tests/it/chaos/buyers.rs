//! Those who buy, at their own pace: whoever is not answered asks again under the same key, until the shop says
//! yes or no.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_api::auth::Role;
use holdfast_shared::StepKey;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::cluster::{Cluster, body, order_of};
use crate::server::token;

/// A buyer who was not answered asks again this much later.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// Nobody asks for longer.
const GIVE_UP: Duration = Duration::from_mins(2);
/// Fewer than are asked for.
const RARE: i64 = 100;

/// What a buyer means to do, and what may come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Plan {
    Pays(&'static str),
    Acts,
    NeverActs,
    IsConfirmed,
    IsRejected,
    ChangesTheirMind,
    WantsTheRare,
}

/// In a hundred.
const MIX: [(u32, Plan); 10] = [
    (54, Plan::Pays("tok_ok")),
    (8, Plan::Pays("tok_flaky")),
    (5, Plan::Pays("tok_timeout")),
    (8, Plan::Pays("tok_declined")),
    (4, Plan::Acts),
    (2, Plan::NeverActs),
    (8, Plan::IsConfirmed),
    (3, Plan::IsRejected),
    (3, Plan::ChangesTheirMind),
    (5, Plan::WantsTheRare),
];

impl Plan {
    fn drawn(rng: &mut StdRng) -> Self {
        let mut drawn = rng.random_range(0..100);
        for (share, plan) in MIX {
            if drawn < share {
                return plan;
            }
            drawn -= share;
        }
        Self::Pays("tok_ok")
    }

    const fn token(self) -> Option<&'static str> {
        match self {
            Self::Pays(token) => Some(token),
            Self::Acts | Self::NeverActs => Some("tok_requires_action"),
            Self::WantsTheRare => Some("tok_ok"),
            Self::IsConfirmed | Self::IsRejected | Self::ChangesTheirMind => None,
        }
    }

    const fn sku(self) -> &'static str {
        match self {
            Self::WantsTheRare => "rare-01",
            _ => "mug-01",
        }
    }

    /// Where its order may end. Who is late for their window under fire is sent home, whole.
    fn may_end(self, end: &str) -> bool {
        match self {
            Self::Pays("tok_declined") => end == "CANCELLED payment_declined",
            Self::Pays(_) | Self::IsConfirmed => end == "CONFIRMED",
            Self::Acts => end == "CONFIRMED" || end == "CANCELLED payment_expired",
            Self::NeverActs => end == "CANCELLED payment_expired",
            Self::IsRejected => end == "CANCELLED rejected_by_admin",
            Self::ChangesTheirMind => end == "CANCELLED customer_request",
            Self::WantsTheRare => end == "CONFIRMED" || end == "CANCELLED out_of_stock",
        }
    }
}

/// Enough of one thing, and too little of another.
pub(super) async fn stock_up(cluster: &Cluster, admin: &str) {
    let price = json!({"amount_minor": 4_999, "currency": "EUR"});
    let put = cluster.client.put(format!("{}/v1/admin/products/rare-01", cluster.api.url)).bearer_auth(admin);
    let put = put.json(&json!({"name": "Rare", "price": price})).send().await.expect("an answer");
    assert!(put.status().is_success(), "{put:?}");
    for (sku, delta) in [("mug-01", 1_000_000), ("rare-01", RARE)] {
        let adjust = cluster
            .client
            .post(format!("{}/v1/admin/stock/{sku}/adjust", cluster.api.url))
            .bearer_auth(admin);
        let adjust =
            adjust.json(&json!({"delta": delta, "reason": "delivery"})).send().await.expect("an answer");
        assert!(adjust.status().is_success(), "{adjust:?}");
    }
}

/// Buyers under way.
pub(super) struct Buyers {
    buying: JoinSet<Bought>,
}

/// The answer that a buyer got.
struct Bought {
    plan: Plan,
    order: String,
    /// From the first request to the answer that accepted the order.
    accepted: Duration,
}

struct Street {
    client: Client,
    apis: Vec<String>,
    sandbox: String,
    admin: String,
}

impl Buyers {
    /// Sends `count` buyers, one every `pace`, whatever becomes of those before.
    pub(super) fn send(count: u32, pace: Duration, apis: Vec<String>, sandbox: String, seed: u64) -> Self {
        let client = Client::builder().timeout(Duration::from_secs(15)).build().expect("a client");
        let street = Arc::new(Street { client, apis, sandbox, admin: token(Role::Admin) });
        let mut buying = JoinSet::new();
        let start = tokio::time::Instant::now();
        for nth in 0..count {
            let street = Arc::clone(&street);
            let due = start + pace * nth;
            buying.spawn(async move {
                tokio::time::sleep_until(due).await;
                street.buy(StdRng::seed_from_u64(seed.wrapping_add(u64::from(nth)))).await
            });
        }
        Self { buying }
    }

    pub(super) async fn join(self) -> Accepted {
        Accepted(self.buying.join_all().await)
    }
}

impl Street {
    async fn buy(&self, mut rng: StdRng) -> Bought {
        let plan = Plan::drawn(&mut rng);
        let due = Instant::now();
        let cart = self.yes(&mut rng, |api| self.client.post(format!("{api}/v1/carts"))).await;
        let cart = cart["id"].as_str().expect("an id").to_owned();
        let item = format!("/v1/carts/{cart}/items/{}", plan.sku());
        self.yes(&mut rng, |api| self.client.put(format!("{api}{item}")).json(&json!({"quantity": 1}))).await;
        let mut request = body(&cart, plan.token().unwrap_or_default());
        if plan.token().is_none() {
            request["payment"] = json!({"method": "cod"});
        }
        let checkout = |api: &str| {
            self.client.post(format!("{api}/v1/checkout")).header("idempotency-key", &cart).json(&request)
        };
        let order = self.yes(&mut rng, checkout).await;
        let accepted = due.elapsed();
        let id = order["id"].as_str().expect("an id").to_owned();
        self.follow_up(plan, &id, order["order_token"].as_str().expect("a guest's key"), &mut rng).await;
        Bought { plan, order: id, accepted }
    }

    /// What a buyer, or the shop's admin, does next.
    async fn follow_up(&self, plan: Plan, order: &str, key: &str, rng: &mut StdRng) {
        let verb = match plan {
            Plan::IsConfirmed => "confirm",
            Plan::IsRejected => "reject",
            Plan::ChangesTheirMind => {
                let cancel = |api: &str| {
                    self.client.post(format!("{api}/v1/orders/{order}/cancel")).header("x-order-token", key)
                };
                self.yes(rng, cancel).await;
                return;
            }
            Plan::Acts => return self.act(order, key, rng).await,
            Plan::Pays(_) | Plan::NeverActs | Plan::WantsTheRare => return,
        };
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..3_000))).await;
        let path = format!("/v1/admin/orders/{order}/{verb}");
        self.yes(rng, |api| self.client.post(format!("{api}{path}")).bearer_auth(&self.admin)).await;
    }

    /// The buyer agrees at the provider's, as soon as their order sends them there.
    async fn act(&self, order: &str, key: &str, rng: &mut StdRng) {
        let since = Instant::now();
        while since.elapsed() < GIVE_UP {
            tokio::time::sleep(Duration::from_millis(rng.random_range(200..700))).await;
            let shown = self
                .yes(rng, |api| {
                    self.client.get(format!("{api}/v1/orders/{order}")).header("x-order-token", key)
                })
                .await;
            let page = shown["payment"]["next_action"]["url"].as_str();
            let Some(charge) = page.and_then(|page| page.rsplit('/').next()) else { continue };
            let act = self.client.post(format!("{}/charges/{charge}/complete", self.sandbox));
            let acted = act.json(&json!({"approved": true})).send().await;
            if acted.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            // The first try may have been voided after a takeover: the window ends, and the order with it.
        }
    }

    /// Sends the request to one of the APIs, and retries, until one accepts it.
    async fn yes(&self, rng: &mut StdRng, ask: impl Fn(&str) -> RequestBuilder) -> Value {
        let since = Instant::now();
        loop {
            let api = &self.apis[rng.random_range(0..self.apis.len())];
            let message = match ask(api).send().await {
                Ok(answer) => {
                    let (status, url) = (answer.status(), answer.url().clone());
                    let text = answer.text().await.unwrap_or_default();
                    if status.is_success() {
                        return serde_json::from_str(&text).unwrap_or_default();
                    }
                    let passes = status.is_server_error()
                        || status == StatusCode::CONFLICT && text.contains("key_in_use");
                    assert!(passes && status != StatusCode::INTERNAL_SERVER_ERROR, "{url}: {status} {text}");
                    text
                }
                Err(error) => error.to_string(),
            };
            assert!(since.elapsed() < GIVE_UP, "nobody says yes: {message}");
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }
}

/// All that was accepted.
pub(super) struct Accepted(Vec<Bought>);

impl Accepted {
    /// Every order ended in an allowed status, with its customer notified; the provider took no money twice.
    pub(super) async fn judge(&self, cluster: &Cluster) {
        let ends = cluster.ends().await;
        assert_eq!(ends.len(), self.0.len(), "as many orders as there were yeses");
        let mut wrong = Vec::new();
        for bought in &self.0 {
            let end = ends.get(&order_of(&bought.order).number()).map_or("lost", String::as_str);
            if !bought.plan.may_end(end) {
                wrong.push(format!("{} {:?}: {end}", bought.order, bought.plan));
            }
        }
        assert!(
            wrong.is_empty(),
            "{} ended otherwise than they may: {:#?}",
            wrong.len(),
            &wrong[..wrong.len().min(20)]
        );
        let without_notification = "select count(*) from orders where not exists \
                      (select from notifications where saga_id >> 20 = orders.id)";
        assert_eq!(cluster.number(without_notification).await, 0, "a notification is saved for each");
        let newer = "select count(*) from sagas where version = 3 and state in ('COMPLETED', 'COMPENSATED')";
        assert!(cluster.number(newer).await > 0, "the next release was deployed");
        let mut kept: BTreeMap<String, i64> = BTreeMap::new();
        for line in cluster.statement().await {
            let minor = |name: &str| line[name].as_i64().expect("a number");
            let charge = StepKey::from_stored(line["charge"].as_str().expect("a key"));
            let (_, order) = charge.owner().expect("a key of ours");
            *kept.entry(order.to_string()).or_default() += minor("captured_minor") - minor("refunded_minor");
        }
        for bought in &self.0 {
            let order = order_of(&bought.order).number();
            let owed = match (ends.get(&order).map(String::as_str), bought.plan.token()) {
                (Some("CONFIRMED"), Some(_)) if bought.plan == Plan::WantsTheRare => 4_999,
                (Some("CONFIRMED"), Some(_)) => 1_299,
                _ => 0,
            };
            assert_eq!(
                kept.get(&order.to_string()).copied().unwrap_or(0),
                owed,
                "the provider keeps of {order}"
            );
        }
    }

    /// One page.
    pub(super) async fn report(
        &self,
        seed: u64,
        load: Duration,
        tail: Duration,
        killed: usize,
        blows: &[String],
        cluster: &Cluster,
    ) -> String {
        let mut waits: Vec<Duration> = self.0.iter().map(|bought| bought.accepted).collect();
        waits.sort_unstable();
        let at = |part: usize| waits[(waits.len() - 1) * part / 100];
        let mut page = String::new();
        let _ = writeln!(
            page,
            "chaos, seed {seed}: {} orders accepted in {load:.0?}, all settled {tail:.1?} later",
            waits.len()
        );
        let _ = writeln!(page, "workers killed: {killed}; {}", blows.join("; "));
        let _ = writeln!(
            page,
            "from the request to the answer, over three requests: p50 {:.0?}, p95 {:.0?}, p99 {:.0?}, longest {:.0?}",
            at(50),
            at(95),
            at(99),
            at(100)
        );
        for (end, count) in cluster.stats().await {
            let _ = writeln!(page, "  {count:>6}  {end}");
        }
        let overtaken = "select count(*) from saga_log where entries::text like '%taken_over%'";
        let _ = writeln!(
            page,
            "commits that took over a dead worker's call: {}",
            cluster.number(overtaken).await
        );
        let newer = "select count(*) from sagas where version = 3";
        let _ = writeln!(
            page,
            "orders of the next release, beside a worker of this one: {}",
            cluster.number(newer).await
        );
        let _ = writeln!(page, "audit clean; each order paid once or not at all; each customer notified");
        page
    }
}
