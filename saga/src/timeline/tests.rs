//! What a shop and a buyer read of an order, sentence by sentence.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_shared::{
    Actor, Address, CancelReason, CartId, Contact, Currency, KeyPrefix, Line as OrderLine, Money, OrderId,
    OrderStatus, PaymentMethod, PaymentStatus, Queue, SagaState, StepKey, Time,
};
use strum::IntoEnumIterator;
use uuid::Uuid;

use super::*;
use crate::engine::definition::Definition;
use crate::flows::{REGISTRY, cancellation, checkout_cod, checkout_online, notification, partial_refund};
use crate::records::context::{Cancellation, Checkout, Context, Notice, NoticeKind, Origin, PartialRefund};
use crate::records::history::{Entry, LogRow};
use crate::records::saga::CallState;
use crate::records::saga::Charge;
use crate::records::saga::NewSaga;
use crate::records::saga::Phase;
use crate::records::saga::Saga;
use crate::records::signal::Signal;
use crate::records::signal::SignalBody;
use crate::records::slot;
use crate::records::view::OrderView;
use crate::records::view::{Heartbeat, Paused, WorkerView};
use crate::records::{AdminAction, Order};

const ACCEPTED: Time = Time::from_micros(1_700_000_000_000_000);
const TOKEN: &str = "tok_refund_fails";

fn at(seconds: u64) -> Time {
    ACCEPTED + Duration::from_secs(seconds)
}

fn lines() -> Vec<OrderLine> {
    let line = |sku: &str, quantity, unit_price_minor| OrderLine {
        sku: sku.parse().expect("a SKU"),
        quantity,
        unit_price_minor,
    };
    vec![line("cd-1", 1, 1_999), line("cd-2", 1, 1_999)]
}

fn checkout(method: PaymentMethod) -> Saga {
    let definition = if method.is_online() { &checkout_online::V2 } else { &checkout_cod::V1 };
    let context = Context::Checkout(Checkout {
        cart: CartId(Uuid::nil()),
        method,
        provider: "sandbox".to_owned(),
        opens: false,
        token: method.is_online().then(|| TOKEN.to_owned()),
        lines: lines(),
        total_minor: 3_998,
        currency: Currency::EUR,
        decide_by: at(1_800),
        origin: Origin::default(),
    });
    begun(definition.start(OrderId::new(1042).saga(slot::CHECKOUT), context), ACCEPTED)
}

fn key_prefix() -> KeyPrefix {
    KeyPrefix::new("00c0ffee42".parse().expect("a shop id"), OrderId::new(1042), 7)
}

fn begun(saga: NewSaga, at: Time) -> Saga {
    *saga.begin(key_prefix(), at)
}

fn notice() -> Saga {
    let context = Context::Notice(Notice {
        channel: "log".to_owned(),
        notice: NoticeKind::OrderConfirmed,
        total: Money::new(3_998, Currency::EUR),
        reason: None,
    });
    begun(notification::V1.start(OrderId::new(1042).saga(slot::CONFIRMED_NOTICE), context), at(2))
}

fn story(method: PaymentMethod, sagas: Vec<Saga>) -> Story {
    Story {
        audience: Audience::Shop,
        order: OrderView {
            order: Order {
                id: OrderId::new(1042),
                status: method.first_status(),
                cancel_reason: None,
                method,
                cart: CartId(Uuid::nil()),
                customer: None,
                contact: Contact { email: "ann@example.com".to_owned(), phone: None },
                shipping_address: Address {
                    name: "Ann".to_owned(),
                    line1: "1 Main St".to_owned(),
                    line2: None,
                    city: "Berlin".to_owned(),
                    region: None,
                    postal_code: "10115".to_owned(),
                    country: "DE".to_owned(),
                },
                notes: None,
                lines: lines(),
                total: Money::new(3_998, Currency::EUR),
                accepted_at: ACCEPTED,
                updated_at: ACCEPTED,
            },
            payment: None,
            reservation: None,
            needs_attention: false,
            pending: None,
        },
        sagas,
        log: vec![],
        inbox: vec![],
        actions: vec![],
    }
}

fn row(saga: &Saga, fence: i64, seconds: u64, entries: Vec<Entry>) -> LogRow {
    LogRow { saga: saga.id, fence, at: at(seconds), entries }
}

fn did(step: &str) -> Entry {
    Entry::Did(step.to_owned())
}

fn discarded(step: &str) -> Entry {
    let (by, reason) = (Actor::Operator("otto".to_owned()), "paid in cash".to_owned());
    Entry::Discarded { step: step.to_owned(), by, reason }
}

fn started(step: &str) -> Entry {
    Entry::Started { step: step.to_owned(), start: 1, ask: false }
}

fn lines_of(story: &Story) -> Vec<String> {
    let line = |line: &Line| format!("{}s {} {}", line.at.since(ACCEPTED).as_secs(), line.saga, line.text);
    timeline(story).iter().map(line).collect()
}

#[test]
fn a_fulfilled_order_reads_from_accepted_to_message_sent() {
    let (parent, child) = (checkout(PaymentMethod::Card), notice());
    let spawned = Entry::Spawned { step: "notify".to_owned(), saga: child.id };
    let taken = Entry::Succeeded("take_payment".to_owned());
    let confirmed = ["confirm_order", "confirm_reservation", "clear_cart"].map(did);
    let mut story = story(PaymentMethod::Card, vec![parent.clone(), child.clone()]);
    story.log = vec![
        row(&parent, 1, 1, vec![did("validate_cart"), did("reserve_stock"), started("take_payment")]),
        row(
            &parent,
            2,
            2,
            [vec![taken, Entry::Pivot], confirmed.to_vec(), vec![spawned, Entry::Completed]].concat(),
        ),
        row(&child, 0, 2, vec![Entry::Pivot, did("save"), started("send")]),
        row(&child, 1, 3, vec![Entry::Succeeded("send".to_owned()), did("update"), Entry::Completed]),
    ];
    assert_eq!(
        lines_of(&story),
        [
            "0s 1042.0 accepted: 2 lines, 39.98 EUR, card",
            "1s 1042.0 the cart adds up to 39.98 EUR",
            "1s 1042.0 stock reserved",
            "1s 1042.0 asking the provider for 39.98 EUR",
            "2s 1042.0 payment taken: 39.98 EUR",
            "2s 1042.0 point of no return: from here on the order is only carried through",
            "2s 1042.0 order confirmed",
            "2s 1042.0 goods taken from stock",
            "2s 1042.0 cart cleared",
            "2s 1042.0 the message that the order is confirmed is on its way (saga 1042.1)",
            "2s 1042.0 the checkout is done",
            "2s 1042.1 message saved",
            "2s 1042.1 sending the message",
            "3s 1042.1 message sent",
        ]
    );
}

#[test]
fn a_dead_order_reads_with_the_reason_and_without_the_token() {
    let mut saga = checkout(PaymentMethod::Card);
    saga.state = SagaState::Dead;
    let why = || format!("the sandbox refuses refunds for {TOKEN}");
    let step = || "refund_payment".to_owned();
    let mut story = story(PaymentMethod::Card, vec![saga.clone()]);
    story.log = vec![row(
        &saga,
        3,
        4,
        vec![
            Entry::CancelAccepted(Actor::Customer),
            Entry::Unwinding(CancelReason::CustomerRequest),
            started("refund_payment"),
            Entry::Failed { step: step(), why: why() },
            Entry::RetryAt { step: step(), at: at(6) },
            Entry::Dead { step: step(), why: why() },
        ],
    )];
    assert_eq!(
        lines_of(&story)[1..],
        [
            "4s 1042.0 cancellation asked for by the customer, in time",
            "4s 1042.0 undoing the order: the customer asked for it",
            "4s 1042.0 asking the provider to give back whatever it has taken",
            "4s 1042.0 the refund failed, nothing has moved: the sandbox refuses refunds for (the payment token); \
             next try at 2023-11-14 22:13:26 UTC",
            "4s 1042.0 stopped at the refund, an operator must act: the sandbox refuses refunds for (the payment token)",
        ]
    );
}

#[test]
fn a_cancellation_after_the_pivot_says_why_it_began() {
    let context = Context::Cancellation(Cancellation {
        reason: CancelReason::CustomerRequest,
        lines: lines(),
        charge: None,
        provider: "sandbox".to_owned(),
        method: PaymentMethod::Card,
        total: Money::new(3_998, Currency::EUR),
        refunded_minor: 0,
        settled_manually_minor: 0,
    });
    let id = OrderId::new(1042).saga(slot::CANCELLATION);
    let saga = begun(cancellation::V1.start(id, context), at(60));
    let mut story = story(PaymentMethod::Card, vec![checkout(PaymentMethod::Card), saga.clone()]);
    story.log = vec![row(&saga, 1, 61, vec![Entry::Pivot, started("refund_payment")])];
    assert_eq!(
        lines_of(&story)[1..],
        [
            "60s 1042.3 undoing the confirmed order: the customer asked for it",
            "61s 1042.3 asking the provider to give back whatever it has taken",
        ]
    );
}

#[test]
fn a_partial_refund_says_who_gave_back_how_much_and_why() {
    let context = PartialRefund {
        amount: Money::new(500, Currency::EUR),
        charge: StepKey::new(&key_prefix(), "take_payment", 1),
        provider: "sandbox".to_owned(),
        captured_minor: 3_998,
        refunded_minor: 0,
        total: Money::new(3_998, Currency::EUR),
        reason: "damaged box".to_owned(),
        by: Actor::Admin("ada".to_owned()),
        dedupe: None,
    };
    let id = OrderId::new(1042).saga(slot::PARTIAL_REFUND);
    let charge = Charge::begun(context.charge.clone(), PaymentStatus::Captured);
    let saga = *partial_refund::start(id, key_prefix(), context, charge, at(60));
    let mut story = story(PaymentMethod::Card, vec![checkout(PaymentMethod::Card), saga.clone()]);
    let asked = Entry::Started { step: "give_back".to_owned(), start: 2, ask: true };
    let back = Entry::Succeeded("give_back".to_owned());
    story.log = vec![
        row(&saga, 1, 61, vec![Entry::Pivot, started("give_back")]),
        row(&saga, 2, 62, vec![Entry::Unknown { step: "give_back".to_owned(), why: "no answer".to_owned() }]),
        row(&saga, 3, 63, vec![asked]),
        row(&saga, 4, 64, vec![back, Entry::Completed]),
    ];
    assert_eq!(
        lines_of(&story)[1..],
        [
            "60s 1042.32 admin ada granted a refund of 5.00 EUR: damaged box",
            "61s 1042.32 asking the provider to give back 5.00 EUR",
            "62s 1042.32 giving the money back was not answered, so it may or may not have happened: no answer",
            "63s 1042.32 asking the provider whether 5.00 EUR went back (attempt 2)",
            "64s 1042.32 admin ada gave back 5.00 EUR: damaged box",
        ]
    );
}

#[test]
fn every_entry_is_described_without_its_programming_name() {
    let step = || "take_payment".to_owned();
    let why = || "no answer".to_owned();
    let by = || Actor::Admin("maria".to_owned());
    let child = OrderId::new(1042).saga(slot::LATE_REFUND);
    let cases = [
        (
            Entry::Refused {
                step: "reserve_stock".to_owned(),
                why: "cd-1: 2 wanted, 1 left".to_owned(),
                short_of: None,
            },
            "the reservation of the stock was refused: cd-1: 2 wanted, 1 left",
        ),
        (
            Entry::Started { step: step(), start: 2, ask: true },
            "asking the provider what became of the payment (attempt 2)",
        ),
        (
            Entry::Pending { step: step(), until: at(60) },
            "the buyer must approve the payment by 2023-11-14 22:14:20 UTC",
        ),
        (
            Entry::Rejected { step: step(), why: "card declined".to_owned() },
            "the payment was refused: card declined",
        ),
        (
            Entry::Unknown { step: step(), why: why() },
            "the payment was not answered, so it may or may not have happened: no answer",
        ),
        (Entry::NotSent(step()), "the payment was not sent: the worker was stopping"),
        (
            Entry::Held { step: step(), why: "the provider is not available".to_owned(), until: at(60) },
            "the payment was not sent: the provider is not available; tried again at 2023-11-14 22:14:20 UTC",
        ),
        (
            Entry::TakenOver { step: step(), from: Some("w1".to_owned()) },
            "worker w1 vanished during the payment, another one goes on",
        ),
        (
            Entry::Waiting { step: "confirmation".to_owned(), until: at(60) },
            "waiting for an admin to confirm or reject, until 2023-11-14 22:14:20 UTC",
        ),
        (Entry::Decided { confirmed: true, by: by() }, "confirmed by admin maria"),
        (Entry::Decided { confirmed: false, by: by() }, "rejected by admin maria"),
        (Entry::Ignored("cancel".to_owned()), "a cancellation came too late and changed nothing"),
        (
            Entry::RetryAt { step: step(), at: at(60) },
            "the payment will be tried again at 2023-11-14 22:14:20 UTC",
        ),
        (Entry::PaymentEvent, "the provider reported on the payment; it is being asked"),
        (Entry::Expired("confirmation".to_owned()), "nobody confirmed or rejected in time"),
        (Entry::Expired(step()), "the payment was not completed in time"),
        (Entry::Undid("release_stock".to_owned()), "stock released"),
        (
            Entry::LateCapture(child),
            "a payment that the order had given up was reported; saga 1042.48 gives back what it took, if anything",
        ),
        (Entry::Revived(Actor::Operator("otto".to_owned())), "set going again by operator otto"),
        (
            discarded("refund_payment"),
            "operator otto says that the refund was settled by hand: paid in cash; nothing more is sent for it",
        ),
        (discarded("send"), "operator otto gave the message up: paid in cash"),
        (Entry::Compensated, "everything is undone"),
    ];
    let saga = checkout(PaymentMethod::Card);
    for (entry, message) in cases {
        assert_eq!(phrases::entry(&saga, &entry).as_deref(), Some(message), "{entry:?}");
    }
}

#[test]
fn a_buyer_hears_what_a_discard_means_to_them_and_no_more() {
    let mut saga = checkout(PaymentMethod::Card);
    saga.progress.phase = Phase::Undo;
    let mut story = story(PaymentMethod::Card, vec![saga.clone()]);
    story.audience = Audience::Buyer;
    story.log = vec![row(&saga, 1, 1, vec![discarded("refund_payment"), discarded("send")])];
    assert_eq!(lines_of(&story)[1..], ["1s 1042.0 the shop settles the money with you in person"]);
}

#[test]
fn every_stage_of_every_flow_has_a_phrase_of_its_own() {
    for definition in REGISTRY.all() {
        for (step, phrases) in definition.steps() {
            assert!(!phrases.noun.is_empty(), "{step} of {} has no noun", definition.name);
            let same = phrases::phrases(step).map(|phrases| (phrases.noun, phrases.done));
            assert_eq!(same, Some((phrases.noun, phrases.done)), "{step} of {}", definition.name);
        }
    }
}

/// What is expected of an explanation: now, next, unblocks.
type Expected<'a> = (&'a str, &'a str, &'a str);

/// A worker that heartbeat just now, serves every queue, and knows what this binary knows.
fn worker(seconds: u64) -> WorkerView {
    WorkerView {
        heartbeat: Heartbeat {
            name: "w1".to_owned(),
            host: "here".to_owned(),
            pid: 7,
            version: "0.1.0".to_owned(),
            pools: Queue::iter().map(|queue| (queue, 1)).collect(),
            definitions: REGISTRY.all().map(Definition::id).collect(),
            providers: None,
            in_flight: 0,
            started_at: ACCEPTED,
        },
        heartbeat_at: at(seconds),
        left_at: None,
    }
}

fn conditions(seconds: u64) -> Conditions {
    Conditions { now: at(seconds), paused: BTreeMap::new(), workers: vec![worker(seconds)] }
}

fn check(fact: &str, story: &Story, seconds: u64, expected: Expected<'_>) {
    check_under(fact, story, &conditions(seconds), expected);
}

fn check_under(fact: &str, story: &Story, conditions: &Conditions, expected: Expected<'_>) {
    let explanation = explain(story, &REGISTRY, conditions);
    assert_eq!(explanation.now, expected.0, "{fact}: now");
    assert_eq!(explanation.next, expected.1, "{fact}: next");
    assert_eq!(explanation.unblocks, expected.2, "{fact}: unblocks");
    assert_eq!(explanation.happened, timeline(story), "{fact}: happened");
}

/// A story of one checkout that was changed a little.
fn one(method: PaymentMethod, change: impl FnOnce(&mut Saga)) -> Story {
    let mut saga = checkout(method);
    change(&mut saga);
    story(method, vec![saga])
}

const PAYMENT: usize = 3;

#[test]
fn a_saga_that_works_names_its_worker() {
    let leased = |saga: &mut Saga| {
        saga.progress.stage = PAYMENT;
        saga.leased_until = Some(at(30));
        saga.progress.worker = Some("w1".to_owned());
    };
    check(
        "leased",
        &one(PaymentMethod::Card, leased),
        1,
        (
            "order 1042 is PENDING_PAYMENT: worker w1 is at the payment of the checkout, \
         until 2023-11-14 22:13:50 UTC (in 29 s) at the latest",
            "the answer is written down and the checkout goes on; if the worker vanishes, another one takes over then",
            "nothing needs to be done",
        ),
    );
    let mut asked = one(PaymentMethod::Card, leased);
    asked.inbox.push(Signal {
        seq: 1,
        saga: asked.sagas[0].id,
        dedupe: "cancel".to_owned(),
        body: SignalBody::Cancel { by: Actor::Customer },
        created_at: at(1),
    });
    assert_eq!(lines_of(&asked)[1], "1s 1042.0 cancellation asked for by the customer; not looked at yet");
    check(
        "leased, and cancelled meanwhile",
        &asked,
        1,
        (
            "order 1042 is PENDING_PAYMENT: worker w1 is at the payment of the checkout, \
         until 2023-11-14 22:13:50 UTC (in 29 s) at the latest",
            "the answer is written down and the checkout goes on; what came in meanwhile is looked at first; \
         if the worker vanishes, another one takes over then",
            "nothing needs to be done",
        ),
    );
}

#[test]
fn a_saga_that_waits_says_for_whom_and_until_when() {
    let cod = |saga: &mut Saga| {
        saga.state = SagaState::Waiting;
        saga.progress.stage = 2;
        saga.wake_at = Some(at(1_800));
    };
    check(
        "confirmation",
        &one(PaymentMethod::Cod, cod),
        0,
        (
            "order 1042 is PENDING_CONFIRMATION: the checkout waits for an admin to confirm or reject, \
         until 2023-11-14 22:43:20 UTC (in 30 min)",
            "confirmed, it is carried through; rejected, or without an answer by then, it is undone",
            "`holdfast order confirm 1042`, or `holdfast order reject 1042`",
        ),
    );
    let action = |saga: &mut Saga| {
        cod(saga);
        saga.progress.stage = PAYMENT;
        saga.progress.call = CallState::Pending;
        saga.queue = Queue::PaymentEvents;
    };
    check(
        "payment event",
        &one(PaymentMethod::Card, action),
        0,
        (
            "order 1042 is PENDING_PAYMENT: the checkout waits for the buyer to approve the payment, \
         until 2023-11-14 22:43:20 UTC (in 30 min)",
            "approved, it is carried through; without an answer of the provider by then, it is undone",
            "the buyer approves, and the provider reports it; or `holdfast order cancel 1042`",
        ),
    );
    let retry = |saga: &mut Saga| {
        saga.progress.stage = PAYMENT;
        saga.progress.failures = 2;
        saga.progress.error = Some("503".to_owned());
        saga.wake_at = Some(at(90));
    };
    check(
        "retry",
        &one(PaymentMethod::Card, retry),
        60,
        (
            "order 1042 is PENDING_PAYMENT: the checkout waits to try the payment again at \
         2023-11-14 22:14:50 UTC (in 30 s); it failed 2 of at most 6 times, last: 503",
            "the payment is tried again; after the last failure the order is undone",
            "the payment provider works again",
        ),
    );
    let undo = |saga: &mut Saga| {
        retry(saga);
        saga.state = SagaState::Compensating;
        saga.progress.phase = Phase::Undo;
        saga.progress.stage = PAYMENT + 1;
        saga.progress.cause = Some(CancelReason::CustomerRequest);
    };
    check(
        "retry of an undo",
        &one(PaymentMethod::Card, undo),
        60,
        (
            "order 1042 is PENDING_PAYMENT: the checkout, being undone because the customer asked for it, waits to try \
         the refund again at 2023-11-14 22:14:50 UTC (in 30 s); it failed 2 of at most 8 times, last: 503",
            "the refund is tried again; after the last failure it stops, and an operator must act",
            "the payment provider works again",
        ),
    );
}

#[test]
fn a_saga_that_is_held_back_says_so_and_counts_no_failure() {
    let parked = |saga: &mut Saga| {
        saga.progress.stage = PAYMENT;
        saga.progress.failures = 2;
        saga.progress.not_before = Some(at(90));
        saga.wake_at = Some(at(90));
    };
    let mut story = one(PaymentMethod::Card, parked);
    let why = "the provider is not available".to_owned();
    let held = Entry::Held { step: "take_payment".to_owned(), why, until: at(90) };
    story.log = vec![LogRow { saga: story.sagas[0].id, fence: 2, at: at(60), entries: vec![held] }];
    check(
        "held",
        &story,
        60,
        (
            "order 1042 is PENDING_PAYMENT: the checkout waits to try the payment: the provider is not available; \
         tried again at 2023-11-14 22:14:50 UTC (in 30 s)",
            "the payment is tried again; what was held back counts as no failure",
            "it goes on by itself",
        ),
    );
}

#[test]
fn a_saga_that_is_parked_names_the_operators_next_move() {
    let parked = |saga: &mut Saga| {
        saga.state = SagaState::Compensating;
        saga.progress.phase = Phase::Undo;
        saga.progress.stage = PAYMENT + 1;
        saga.progress.parked = true;
        saga.progress.not_before = Some(at(90));
        saga.progress.cause = Some(CancelReason::CustomerRequest);
        let charge = StepKey::from_stored("00c0ffee42-1042-nonce:take_payment:1");
        saga.progress.data.charge = Some(Charge::begun(charge, PaymentStatus::Unknown));
        saga.wake_at = Some(at(90));
    };
    let mut story = one(PaymentMethod::Card, parked);
    let why = "no payment provider sandbox is configured here".to_owned();
    let held = Entry::Held { step: "refund_payment".to_owned(), why, until: at(90) };
    story.log = vec![LogRow { saga: story.sagas[0].id, fence: 2, at: at(60), entries: vec![held] }];
    let unblocks = explain(&story, &REGISTRY, &conditions(60)).unblocks;
    assert_eq!(
        unblocks,
        "the settings are put right; then `holdfast saga retry 1042.0` tries it at once; or, if they never will be, see to \
         it yourself, then `holdfast dead discard 1042.0 --reason TEXT`"
    );
}

#[test]
fn a_saga_that_nobody_takes_is_named_after_ten_minutes() {
    let due = one(PaymentMethod::Card, |saga| saga.progress.stage = PAYMENT);
    check(
        "accepted a moment ago",
        &one(PaymentMethod::Card, |saga| saga.wake_at = Some(at(1))),
        0,
        (
            "order 1042 is PENDING_PAYMENT: the checkout is about to be taken up at the check of the cart, \
         at 2023-11-14 22:13:21 UTC (in 1 s)",
            "a worker carries on with the check of the cart",
            "nothing needs to be done",
        ),
    );
    check(
        "due",
        &due,
        600,
        (
            "order 1042 is PENDING_PAYMENT: the checkout is due at the payment since 2023-11-14 22:13:20 UTC",
            "the next free worker takes up the checkout within moments",
            "nothing needs to be done",
        ),
    );
    check(
        "overdue",
        &due,
        601,
        (
            "order 1042 is PENDING_PAYMENT: the checkout is due at the payment since 2023-11-14 22:13:20 UTC, \
         and nobody took it for 10 min",
            "the checkout goes on as soon as a worker takes it",
            "start a worker that serves queue checkout; if one runs, look in its log for why it does not take saga 1042.0",
        ),
    );
}

#[test]
fn e8_a_definition_of_a_newer_release_is_named() {
    let newer = |saga: &mut Saga| saga.definition.version = 3;
    check(
        "newer",
        &one(PaymentMethod::Card, newer),
        900,
        (
            "order 1042 is PENDING_PAYMENT: the checkout runs checkout_online version 3, which this binary does not know; \
         it is due since 2023-11-14 22:13:20 UTC (15 min); no live worker knows checkout_online version 3",
            "a worker that knows checkout_online version 3 takes it",
            "run workers of the release that knows checkout_online version 3, and ask its `holdfast order explain`",
        ),
    );
}

#[test]
fn what_keeps_a_saga_from_being_taken_up_is_named() {
    let due = one(PaymentMethod::Card, |_| ());
    let paused = |reason: Option<&str>| {
        let paused = Paused { at: at(10), by: "otto".to_owned(), reason: reason.map(str::to_owned) };
        Conditions { paused: [(Queue::Checkout, paused)].into(), ..conditions(60) }
    };
    let taken = "order 1042 is PENDING_PAYMENT: the checkout is due at the check of the cart since \
                 2023-11-14 22:13:20 UTC";
    let next = "nothing before that; then the next free worker takes up the checkout within moments";
    for (reason, message) in [
        (None, "its queue checkout is paused by otto since 2023-11-14 22:13:30 UTC"),
        (
            Some("the bank is down"),
            "its queue checkout is paused by otto since 2023-11-14 22:13:30 UTC: the bank is down",
        ),
    ] {
        let now = format!("{taken}; {message}");
        check_under("paused", &due, &paused(reason), (&now, next, "`holdfast queue resume checkout`"));
    }
    let start = "start a worker that serves queue checkout; `holdfast worker list` shows those there are";
    let elsewhere = WorkerView {
        heartbeat: Heartbeat {
            pools: [(Queue::Notifications, 1), (Queue::Checkout, 0)].into(),
            ..worker(60).heartbeat
        },
        ..worker(60)
    };
    let left = WorkerView { left_at: Some(at(59)), ..worker(60) };
    for workers in [vec![], vec![worker(40)], vec![left.clone()], vec![elsewhere]] {
        let conditions = Conditions { workers, ..conditions(60) };
        let now = format!("{taken}; no live worker serves its queue checkout");
        check_under("nobody there", &due, &conditions, (&now, next, start));
    }
    let leased = one(PaymentMethod::Card, |saga| {
        saga.progress.stage = PAYMENT;
        saga.leased_until = Some(at(90));
        saga.progress.worker = Some("w1".to_owned());
    });
    for (worker, message) in [
        (worker(40), "worker w1 is silent since 2023-11-14 22:14:00 UTC"),
        (left, "worker w1 left at 2023-11-14 22:14:19 UTC"),
    ] {
        let conditions = Conditions { workers: vec![worker], ..conditions(60) };
        let now = format!(
            "order 1042 is PENDING_PAYMENT: {message}, while it was at the payment of the checkout; \
             it holds it until 2023-11-14 22:14:50 UTC (in 30 s)"
        );
        let next =
            "another worker takes over at 2023-11-14 22:14:50 UTC and finds out what became of the payment";
        check_under("silent", &leased, &conditions, (&now, next, "nothing needs to be done"));
        let blockers = explain(&leased, &REGISTRY, &conditions).blockers;
        assert!(matches!(&blockers[..], [Blocker::WorkerSilent { .. }]), "{blockers:?}");
    }
}

#[test]
fn a_dead_saga_comes_first_with_its_next_move() {
    let dead = |saga: &mut Saga| {
        saga.state = SagaState::Dead;
        saga.wake_at = None;
        saga.progress.phase = Phase::Undo;
        saga.progress.stage = PAYMENT + 1;
        saga.progress.cause = Some(CancelReason::PaymentExpired);
        saga.progress.error = Some(format!("no refund for {TOKEN}"));
    };
    let stuck = one(PaymentMethod::Card, dead);
    check(
        "dead",
        &stuck,
        60,
        (
            "order 1042 is PENDING_PAYMENT: the checkout, being undone because the payment did not come through in time, \
         stopped at the refund and needs attention: no refund for (the payment token)",
            "nothing, by itself",
            "settle it at the provider or wait until the provider answers, then `holdfast saga retry 1042.0`: \
         it looks the charge up first, so money that is already back is not sent twice",
        ),
    );
    // An operator's retry wakes it.
    let retried = one(PaymentMethod::Card, |saga| {
        dead(saga);
        saga.wake_at = Some(at(59));
    });
    assert!(explain(&retried, &REGISTRY, &conditions(60)).next.starts_with("the next free worker takes up"));

    let mut message = notice();
    message.state = SagaState::Dead;
    message.wake_at = None;
    message.progress.stage = 2;
    message.progress.pivoted = true;
    message.progress.error = Some("mailbox full".to_owned());
    let mut both = story(PaymentMethod::Card, vec![checkout(PaymentMethod::Card), message]);
    both.order.order.status = OrderStatus::Confirmed;
    both.sagas[0].progress.stage = 5;
    check(
        "two sagas",
        &both,
        60,
        (
            "order 1042 is CONFIRMED: the message that the order is confirmed stopped at the message and needs attention: \
         mailbox full; also, the checkout is due at the confirmation of the order since 2023-11-14 22:13:20 UTC",
            "nothing, by itself; also, the next free worker takes up the checkout within moments",
            "remove the cause named above, then `holdfast saga retry 1042.1`: it goes on where it stopped; \
         or give it up: `holdfast dead discard 1042.1 --reason TEXT`",
        ),
    );
}

#[test]
fn an_order_at_its_end_needs_nothing() {
    let ended = |status, cancel_reason, state| {
        let mut story = one(PaymentMethod::Card, |saga| {
            saga.state = state;
            saga.wake_at = None;
        });
        story.order.order.status = status;
        story.order.order.cancel_reason = cancel_reason;
        story
    };
    check(
        "completed",
        &ended(OrderStatus::Confirmed, None, SagaState::Completed),
        60,
        ("order 1042 is CONFIRMED: everything is done", "the shop prepares it", "nothing needs to be done"),
    );
    let out = Some(CancelReason::OutOfStock);
    check(
        "compensated",
        &ended(OrderStatus::Cancelled, out, SagaState::Compensated),
        60,
        (
            "order 1042 is CANCELLED: everything is undone, because something in it is out of stock",
            "nothing, this is its end",
            "nothing needs to be done",
        ),
    );
    check(
        "lost",
        &story(PaymentMethod::Card, vec![]),
        60,
        (
            "order 1042 is PENDING_PAYMENT: no saga looks after it",
            "nothing, by itself",
            "this must never be: run `holdfast audit` and restore the missing rows from a backup",
        ),
    );
}

#[test]
fn a_row_that_nobody_could_plan_still_says_why_it_stopped() {
    let story = one(PaymentMethod::Card, |saga| {
        saga.state = SagaState::Dead;
        saga.wake_at = None;
        saga.progress.error = Some("its commit is refused".to_owned());
    });
    assert_eq!(lines_of(&story)[1], "0s 1042.0 stopped, an operator must act: its commit is refused");
}

#[test]
fn the_step_of_a_cancellation_is_found_after_its_pivot() {
    let mut saga = checkout(PaymentMethod::Card);
    saga.progress.stage = 1;
    assert_eq!(step(&saga, &cancellation::V1), "refund_payment");
    saga.progress.stage = 99;
    assert_eq!(step(&saga, &cancellation::V1), "end");
}

#[test]
fn what_people_do_by_hand_is_listed_once() {
    let action = |seconds, action: &str| AdminAction {
        at: at(seconds),
        actor: "otto".to_owned(),
        action: action.to_owned(),
        subject: "order 1042".to_owned(),
        detail: "accepted".to_owned(),
        order: Some(OrderId::new(1042)),
    };
    let mut story = story(PaymentMethod::Cod, vec![]);
    // What goes through a saga is in its history.
    let verbs =
        ["order.confirm", "order.process", "order.ship", "order.deliver", "order.cancel", "saga.retry"];
    story.actions = verbs.iter().zip(1..).map(|(verb, seconds)| action(seconds, verb)).collect();
    assert_eq!(
        lines_of(&story)[1..],
        [
            "2s 1042.0 preparation of the goods begun, says otto",
            "3s 1042.0 parcel handed to the carrier, says otto",
            "4s 1042.0 parcel delivered, says otto",
        ]
    );
}
