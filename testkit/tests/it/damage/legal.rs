//! What the audit does not notice, and why it need not. `docs/audit.md` says the same in sentences.

use super::generate::Damage;

/// Tables without a row that a promise rests on.
pub(super) const TABLES: &[(&str, &str)] = &[
    ("_sqlx_migrations", "the migrations that were applied: verified when a process starts"),
    ("migrations", "the migrations that were applied: verified when a process starts"),
    ("order_numbers", "a counter: f42_numbers_that_would_be_given_again_are_noticed"),
    ("products", "what is on sale is the shop's to say; orders keep the prices they were accepted at"),
    ("queues", "whether a queue is paused is an operator's to say"),
    (
        "request_keys",
        "what tells a repeated request from another one; without it, a repetition is a new request",
    ),
    ("secrets", "another secret makes old tokens worthless, and moves nothing"),
    ("shop", "workers compare it with where the database is before each call (O9)"),
    ("sqlite_sequence", "the database's own"),
    ("workers", "what each says of itself every few seconds"),
];

const WHEN: &str = "when it happened: clocks are set, and nothing is due by it";
const TRAIL: &str = "what people did, as they put it; nothing depends on it";
const PEOPLE: &str = "the buyer's own, or who they are: only they can tell";
const HISTORY: &str = "what was decided before; a saga goes on from its own row";
const KEY: &str = "a digest of what the caller sent, pruned after a while";

/// Columns, and parts of their documents, that may say anything that can be read.
const LEGAL: &[(&str, &str)] = &[
    ("a row of admin_actions", TRAIL),
    ("admin_actions.action", TRAIL),
    ("admin_actions.actor", TRAIL),
    ("admin_actions.at", TRAIL),
    ("admin_actions.detail", TRAIL),
    ("admin_actions.id", TRAIL),
    ("admin_actions.subject", TRAIL),
    ("carts.updated_at", WHEN),
    ("customers.created_at", WHEN),
    ("customers.issuer", PEOPLE),
    ("customers.sub", PEOPLE),
    ("a row of idempotency_keys", KEY),
    ("stock.version", "how often a level changed; only its order counts"),
    ("idempotency_keys.body", KEY),
    ("idempotency_keys.key", KEY),
    ("idempotency_keys.created_at", WHEN),
    ("notifications.created_at", WHEN),
    ("notifications.updated_at", WHEN),
    ("notifications.read_at", WHEN),
    ("orders.contact:email", PEOPLE),
    ("orders.notes", PEOPLE),
    ("orders.shipping_address:city", PEOPLE),
    ("orders.shipping_address:country", PEOPLE),
    ("orders.shipping_address:line1", PEOPLE),
    ("orders.shipping_address:name", PEOPLE),
    ("orders.shipping_address:postal_code", PEOPLE),
    ("orders.updated_at", WHEN),
    ("payments.updated_at", WHEN),
    ("refunds.updated_at", WHEN),
    ("a row of saga_log", HISTORY),
    ("saga_log.at", WHEN),
    ("saga_log.entries", HISTORY),
    ("stock_adjustments.actor", TRAIL),
    ("stock_adjustments.at", TRAIL),
    ("stock_adjustments.id", TRAIL),
    ("stock_adjustments.reason", TRAIL),
    ("admin_actions.order_id", TRAIL),
    ("a row of signals", "a request that is gone looks like one that nobody made"),
    ("signals.body:by", TRAIL),
    ("signals.dedupe", "what distinguishes a repeated request from another one"),
    ("signals.seq", "requests are read in this order"),
    ("signals.consumed_at", WHEN),
    ("signals.created_at", WHEN),
    ("sagas.context:asked", KEY),
    ("sagas.context:by", TRAIL),
    ("sagas.context:token", "a means of payment, which its provider judges"),
    ("sagas.created_at", WHEN),
    ("sagas.updated_at", WHEN),
    ("sagas.fence", "a late writer finds no row, and the next commit goes on"),
    ("sagas.poison", "why a dead saga stopped; the next commit of another one clears it"),
    ("sagas.progress:attempts", TRIED),
    ("sagas.progress:error", TRIED),
    ("sagas.progress:failures", TRIED),
    ("sagas.progress:generation", TRIED),
    ("sagas.progress:returned", TRIED),
    ("sagas.progress:worker", TRIED),
    ("saga_log.fence", HISTORY),
    ("saga_log.saga_id", HISTORY),
];

const TRIED: &str = "how often something was tried, by whom, and what was answered: the provider is queried before anything is sent again";
const OPEN: &str = "an open cart is its owner's, and nothing was promised for it";
const FULFILLED: &str = "fulfilment is a person's word, and moves nothing but the order's own row";

/// Whether a damage is legal in its row.
type Where = fn(&Damage) -> bool;

/// Parts that may say anything in such rows.
const LEGAL_WHERE: &[(&str, Where, &str)] = &[
    ("a row of carts", is_open_cart, OPEN),
    ("carts.id", is_open_cart, OPEN),
    ("carts.items", is_open_cart, OPEN),
    ("carts.owner", is_open_cart, OPEN),
    ("orders.customer", |damage| damage.is("status", "CANCELLED"), PEOPLE),
    ("orders.status", was_fulfilled, FULFILLED),
    ("payments.details", is_as_empty, "reads as the same"),
    ("a row of reservations", |damage| damage.is("status", "RELEASED"), "it holds nothing"),
    ("reservations.order_id", |damage| damage.is("status", "RELEASED"), "it holds nothing"),
    ("signals.body", was_read, "it was read, and is pruned after a while"),
    ("signals.saga_id", was_read, "it was read, and is pruned after a while"),
    ("sagas.context:reason", |damage| damage.is("definition", "partial_refund"), TRAIL),
    ("sagas.context:refunded_minor", is_settled, "it was compared before it was sent"),
    ("sagas.context:provider", was_never_asked, "nobody was asked for money"),
    ("sagas.key_prefix", is_settled, "sagas of the first releases have none"),
    ("sagas.leased_until", is_live, "a lease that ran out is taken over"),
    ("sagas.queue", is_running, "another pool of workers goes on with it"),
    ("sagas.wake_at", is_earlier, "woken too early, it goes back to sleep"),
    ("sagas.progress", is_as_empty, "reads as the same"),
    ("sagas.progress:not_before", |damage| !damage.leaves("not_before"), "it is tried sooner"),
];

fn is_open_cart(damage: &Damage) -> bool {
    damage.is("status", "OPEN")
}

/// Nobody is asked for cash, nor for the money of an order that was undone before.
fn was_never_asked(damage: &Damage) -> bool {
    !damage.holds("\"method\":\"card\"") || damage.is("state", "COMPENSATED") || damage.is("fence", "0")
}

fn is_running(damage: &Damage) -> bool {
    damage.is("state", "RUNNING") && damage.to.as_deref() == Some("payment-events")
}

/// Of a time, the days that it is moved by stand behind it.
fn is_earlier(damage: &Damage) -> bool {
    damage.to.as_ref().is_some_and(|to| to.ends_with("|-1")) && damage.from.is_some()
}

fn was_read(damage: &Damage) -> bool {
    damage.was["consumed_at"].is_some()
}

fn is_settled(damage: &Damage) -> bool {
    damage.is("state", "COMPLETED") || damage.is("state", "COMPENSATED")
}

fn is_live(damage: &Damage) -> bool {
    !is_settled(damage) && damage.to.is_some()
}

/// An order that stands may be anywhere on its way to the buyer; cash is collected exactly when it is there.
fn was_fulfilled(damage: &Damage) -> bool {
    let on_its_way = ["CONFIRMED", "PROCESSING", "SHIPPED", "DELIVERED"];
    let stands =
        |status: &Option<String>| status.as_deref().is_some_and(|status| on_its_way.contains(&status));
    let arrives = damage.is("status", "DELIVERED") || damage.to.as_deref() == Some("DELIVERED");
    stands(&damage.from) && stands(&damage.to) && !(arrives && damage.is("method", "cod"))
}

/// A document without fields is read as a list without items.
fn is_as_empty(damage: &Damage) -> bool {
    let empty = ["{}", "[]", "{\"s\":0}"];
    let is_empty = |document: &Option<String>| document.as_deref().is_some_and(|text| empty.contains(&text));
    is_empty(&damage.from) && is_empty(&damage.to)
}

impl Damage {
    /// Whether the row says so.
    fn is(&self, column: &str, value: &str) -> bool {
        self.was.get(column).is_some_and(|was| was.as_deref() == Some(value))
    }

    /// Whether the document says so before.
    fn holds(&self, text: &str) -> bool {
        self.from.as_ref().is_some_and(|document| document.replace(' ', "").contains(text))
    }

    /// Whether the document has that field afterwards.
    fn leaves(&self, field: &str) -> bool {
        self.to.as_ref().is_some_and(|document| document.contains(&format!("\"{field}\"")))
    }
}

/// Why `damage` is none.
pub(super) fn why(damage: &Damage) -> Option<&'static str> {
    let kind = damage.kind();
    let is_of = |legal: &str| {
        kind == legal || kind.strip_prefix(legal).is_some_and(|rest| rest.starts_with([':', '.']))
    };
    let always = LEGAL.iter().find(|(legal, _)| is_of(legal)).map(|(_, why)| *why);
    let here = LEGAL_WHERE.iter().find(|(legal, holds, _)| is_of(legal) && holds(damage));
    always.or(here.map(|(_, _, why)| *why))
}
