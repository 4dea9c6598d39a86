//! The same proofs for every definition: each step twice, fail at each step, each undo twice, resume
//! from every commit, lose the lease and hear late at every call. After each of them the world is all
//! done, fully undone, or visibly dead; and a dead one that is retried ends as well.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::engine::batch::CommitFailures;
use holdfast_saga::flows;
use holdfast_saga::memory::MemoryStore;
use holdfast_saga::records::call::{Answer, Call, Mode, Outcome};
use holdfast_saga::shop::order::Verb;
use holdfast_saga::timeline::next_move;
use holdfast_sandbox::SandboxControl as _;
use holdfast_shared::{Actor, Clock, Currency, Money, OrderId, OrderStatus, SagaState};

use crate::shop::{LEASE, Shop, admin};

/// A story whose second half is proven. Its first half goes undisturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Story {
    /// An order that goes through, with its message.
    Card(&'static str),
    /// A buyer who must act, and does before the provider is asked again.
    BuyerActs,
    /// A cancel while nobody knows whether the money was taken: everything is undone.
    CancelUnknown(&'static str),
    /// Cash on delivery, decided one way or the other or not at all.
    Cod(Option<Decision>),
    /// A cancellation after the pivot, of an order paid with this token or by cash.
    CancelConfirmed(Option<&'static str>),
    /// Money that arrives after the order was given up.
    LateCapture(&'static str),
    /// A refund of so much, or of all, granted on an order that stands; with a gift before it, if asked to.
    Granted { token: &'static str, minor: Option<i64>, again: bool },
    /// A cancellation after the pivot, of an order of which so much was given back before.
    CancelGranted(Option<i64>),
    /// An order that costs nothing.
    Free,
    /// The same, cancelled after the pivot.
    CancelFree,
}

/// What the admin says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    Confirm,
    Reject,
}

/// What the order of every story costs.
const TOTAL: i64 = 3_000;
/// What is given back before the story begins, where it says so.
const GIFT: i64 = 700;

const STORIES: [Story; 25] = [
    Story::Card("tok_ok"),
    Story::Card("tok_declined"),
    Story::Card("tok_timeout"),
    Story::Card("tok_flaky"),
    Story::Card("tok_requires_action"),
    Story::Card("tok_down"),
    Story::BuyerActs,
    Story::CancelUnknown("tok_timeout"),
    Story::CancelUnknown("tok_refund_fails"),
    Story::Cod(Some(Decision::Confirm)),
    Story::Cod(Some(Decision::Reject)),
    Story::Cod(None),
    Story::CancelConfirmed(Some("tok_ok")),
    Story::CancelConfirmed(Some("tok_refund_fails")),
    Story::CancelConfirmed(None),
    Story::LateCapture("tok_ok"),
    Story::LateCapture("tok_refund_fails"),
    Story::Granted { token: "tok_ok", minor: Some(500), again: false },
    Story::Granted { token: "tok_ok", minor: None, again: true },
    Story::Granted { token: "tok_refund_fails", minor: Some(500), again: false },
    Story::Granted { token: "tok_refund_fails", minor: None, again: false },
    Story::CancelGranted(Some(500)),
    Story::CancelGranted(None),
    Story::Free,
    Story::CancelFree,
];

/// An order for the same goods that costs nothing.
async fn free(shop: &mut Shop) -> OrderId {
    for name in ["cd-1", "cd-2"] {
        shop.price(name, Money::new(0, Currency::EUR)).await;
    }
    shop.card("tok_declined").await
}

/// What the operator does about the dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Care {
    /// Sees to it that they can go on, and retries them.
    Retry,
    /// Takes what keeps failing off their hands, where that can be done.
    Discard,
}

/// What goes wrong in the second half, and at which commit or call of it.
#[derive(Debug, Clone)]
enum Mishap {
    Nothing,
    /// The batch after which this commit came is run again, outcomes and all.
    BatchTwice {
        commit: usize,
    },
    /// The outcome of this call is delivered again, in a batch of its own.
    OutcomeTwice {
        call: usize,
    },
    /// The outcome of this call is given twice to one batch.
    OutcomeDoubled {
        call: usize,
    },
    /// This call is answered like this; whether it was carried out is another question.
    Answered {
        call: usize,
        answer: Answer,
        carried_out: bool,
    },
    /// Every process dies after this commit, its calls sent or not; others go on from the tables alone.
    Crash {
        commit: usize,
        sent: bool,
    },
    /// The lease of this call runs out, another worker takes over, and then the first one is heard:
    /// its call was carried out before the other's, or only afterwards.
    LostLease {
        call: usize,
        sent_late: bool,
    },
}

/// How far a story went.
#[derive(Debug, Default)]
struct Steps {
    commits: usize,
    calls: Vec<Call>,
    definitions: BTreeSet<String>,
}

impl Story {
    /// The first half.
    async fn begin(self, shop: &mut Shop) -> OrderId {
        match self {
            Self::Card(token) => shop.card(token).await,
            Self::BuyerActs => {
                let order = shop.card("tok_requires_action").await;
                let call = next_call(shop).await;
                let outcome = shop.execute(&call).await;
                shop.batch(vec![outcome]).await;
                shop.buyer_pays(&call.key).await;
                assert!(shop.event(&call.key, "paid").await.is_ok());
                order
            }
            Self::CancelUnknown(token) => {
                let order = shop.card(token).await;
                let call = next_call(shop).await;
                shop.execute(&call).await;
                let lost = Answer::Unknown { error: "the line is dead".to_owned() };
                shop.batch(vec![call.outcome(lost)]).await;
                shop.accepted(order, Verb::Cancel, &Actor::Customer).await;
                order
            }
            Self::Cod(decision) => {
                let order = shop.cod().await;
                match decision {
                    Some(Decision::Confirm) => shop.accepted(order, Verb::Confirm, &admin()).await,
                    Some(Decision::Reject) => shop.accepted(order, Verb::Reject, &admin()).await,
                    None => {}
                }
                order
            }
            Self::CancelConfirmed(token) => {
                let order = if let Some(token) = token { shop.card(token).await } else { shop.cod().await };
                if token.is_none() {
                    shop.accepted(order, Verb::Confirm, &admin()).await;
                }
                shop.rest().await;
                shop.accepted(order, Verb::Cancel, &admin()).await;
                order
            }
            Self::LateCapture(token) => {
                let order = shop.card("tok_down").await;
                shop.rest().await;
                let charge = shop.charge(order, 2).await;
                let total = Money::new(3_000, Currency::EUR);
                shop.sandbox.charge(&charge, total, token).await.expect("the sandbox takes it");
                assert!(shop.event(&charge, "late").await.is_ok());
                order
            }
            Self::Granted { token, minor, again } => {
                let order = shop.card(token).await;
                shop.rest().await;
                if again {
                    shop.granted(order, Some(GIFT)).await;
                    shop.rest().await;
                }
                shop.granted(order, minor).await;
                order
            }
            Self::Free => free(shop).await,
            Self::CancelFree => {
                let order = free(shop).await;
                shop.rest().await;
                shop.accepted(order, Verb::Cancel, &admin()).await;
                order
            }
            Self::CancelGranted(minor) => {
                let order = shop.card("tok_ok").await;
                shop.rest().await;
                shop.granted(order, minor).await;
                shop.rest().await;
                shop.accepted(order, Verb::Cancel, &admin()).await;
                order
            }
        }
    }

    /// What the order is worth to the shop in the end, if it stands and was paid.
    const fn kept_minor(self) -> i64 {
        match self {
            Self::Granted { minor: None, .. } => 0,
            Self::Granted { minor: Some(minor), again, .. } => TOTAL - minor - if again { GIFT } else { 0 },
            Self::Card(_)
            | Self::BuyerActs
            | Self::CancelUnknown(_)
            | Self::Cod(_)
            | Self::CancelConfirmed(_)
            | Self::LateCapture(_)
            | Self::CancelGranted(_)
            | Self::Free
            | Self::CancelFree => TOTAL,
        }
    }
}

async fn next_call(shop: &Shop) -> Call {
    shop.batch(vec![]).await.calls.first().cloned().expect("a call comes next")
}

/// Runs the second half to its rest, with one mishap on the way. Looks after the dead, once everything rests.
async fn run(shop: &mut Shop, mishap: &Mishap, care: Care) -> Steps {
    let mut steps = Steps::default();
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut late: Vec<Outcome> = Vec::new();
    let mut revivals = 0;
    for _ in 0..2_000 {
        let given = std::mem::take(&mut outcomes);
        let done = shop.batch(given.clone()).await;
        let idle = done.moved.is_empty() && given.is_empty();
        let mut calls = done.calls;
        if !idle {
            steps.commits += 1;
            steps.definitions.extend(done.moved.iter().map(|moved| moved.definition.name.clone()));
            match mishap {
                Mishap::BatchTwice { commit } if *commit == steps.commits => {
                    calls.extend(shop.batch(given).await.calls);
                }
                Mishap::Crash { commit, sent } if *commit == steps.commits => {
                    for call in calls.drain(..).filter(|_| *sent) {
                        shop.execute(&call).await;
                    }
                    start_anew(shop).await;
                }
                Mishap::Nothing
                | Mishap::BatchTwice { .. }
                | Mishap::Crash { .. }
                | Mishap::OutcomeTwice { .. }
                | Mishap::OutcomeDoubled { .. }
                | Mishap::Answered { .. }
                | Mishap::LostLease { .. } => {}
            }
        }
        for call in calls {
            steps.calls.push(call.clone());
            let nth = steps.calls.len();
            carry_out(shop, &call, nth, mishap, &mut outcomes, &mut late).await;
        }
        outcomes.append(&mut late);
        if idle && outcomes.is_empty() {
            if let Some(due) = shop.next_due().await {
                shop.clock.set(due.max(shop.clock.now()));
                continue;
            }
            judge_rest(shop, mishap).await;
            revivals += 1;
            assert!(revivals < 10, "{mishap:?}: the dead do not stay alive");
            let cared_for = match care {
                Care::Retry => shop.revive_all().await,
                Care::Discard => shop.discard_all().await,
            };
            if cared_for == 0 {
                return steps;
            }
        }
    }
    panic!("{mishap:?}: no rest: {:#?}", shop.sagas().await);
}

/// One call, with what befalls it.
async fn carry_out(
    shop: &Shop,
    call: &Call,
    nth: usize,
    mishap: &Mishap,
    outcomes: &mut Vec<Outcome>,
    late: &mut Vec<Outcome>,
) {
    match mishap {
        Mishap::OutcomeTwice { call: at } if *at == nth => {
            let outcome = shop.execute(call).await;
            late.push(outcome.clone());
            let again = shop.batch(vec![outcome]).await;
            for call in again.calls {
                outcomes.push(shop.execute(&call).await);
            }
        }
        Mishap::OutcomeDoubled { call: at } if *at == nth => {
            let outcome = shop.execute(call).await;
            outcomes.extend([outcome.clone(), outcome]);
        }
        Mishap::Answered { call: at, answer, carried_out } if *at == nth => {
            if *carried_out {
                shop.execute(call).await;
            }
            outcomes.push(call.outcome(answer.clone()));
        }
        Mishap::LostLease { call: at, sent_late } if *at == nth => {
            let early = if *sent_late { None } else { Some(shop.execute(call).await) };
            shop.clock.advance(LEASE + Duration::from_millis(1));
            let taken_over = shop.batch(vec![]).await;
            for other in taken_over.calls {
                outcomes.push(shop.execute(&other).await);
            }
            let heard = match early {
                Some(outcome) => outcome,
                None => shop.execute(call).await,
            };
            late.push(heard);
        }
        Mishap::Nothing
        | Mishap::BatchTwice { .. }
        | Mishap::Crash { .. }
        | Mishap::OutcomeTwice { .. }
        | Mishap::OutcomeDoubled { .. }
        | Mishap::Answered { .. }
        | Mishap::LostLease { .. } => outcomes.push(shop.execute(call).await),
    }
}

/// Nothing survives but the tables.
async fn start_anew(shop: &mut Shop) {
    let tables = shop.memory.snapshot().await;
    let memory = MemoryStore::new(Arc::clone(&shop.clock) as Arc<dyn Clock>).with_key_seed(1);
    memory.restore(tables).await;
    shop.store = Arc::new(memory.clone());
    shop.memory = memory;
    shop.commit_failures = CommitFailures::default();
}

/// All done, fully undone, or visibly dead.
async fn judge_rest(shop: &Shop, mishap: &Mishap) {
    shop.assert_clean(&format!("{mishap:?}")).await;
    for saga in shop.sagas().await {
        match saga.state {
            SagaState::Completed | SagaState::Compensated => {}
            SagaState::Dead => {
                let order = shop.view(saga.id.order().expect("serves an order")).await;
                assert!(order.needs_attention, "{mishap:?}: {saga:?}");
                assert!(
                    saga.progress.error.as_ref().is_some_and(|error| !error.is_empty()),
                    "{mishap:?}: {saga:?}"
                );
                assert!(next_move(&saga).contains("holdfast saga retry"), "{mishap:?}");
            }
            SagaState::Running | SagaState::Waiting | SagaState::Compensating => {
                panic!("{mishap:?}: {saga:?} is left behind");
            }
        }
    }
}

/// Plays `story` with one mishap and judges how it ended.
async fn prove(story: Story, mishap: Mishap) -> Steps {
    prove_with(story, mishap, Care::Retry).await
}

async fn prove_with(story: Story, mishap: Mishap, care: Care) -> Steps {
    let mut shop = Shop::open().await;
    let order = story.begin(&mut shop).await;
    let steps = run(&mut shop, &mishap, care).await;
    let context = format!("{story:?} {mishap:?} {care:?}");
    let view = shop.view(order).await;
    let ended = matches!(view.order.status, OrderStatus::Confirmed | OrderStatus::Cancelled);
    assert!(ended && !view.needs_attention, "{context}: {view:?}");
    let held: i64 = shop.statement().await.iter().map(|line| line.captured_minor - line.refunded_minor).sum();
    let is_paid = view.order.status.stands() && view.order.method.is_online();
    let kept = if is_paid { story.kept_minor() } else { 0 };
    // What was settled by hand may still be at the provider, or not.
    let by_hand: i64 =
        shop.audit().await.settled_manually.iter().map(|settled| settled.amount.amount_minor).sum();
    assert!(care == Care::Discard || by_hand == 0, "{context}");
    assert!(
        (kept..=kept + by_hand).contains(&held),
        "{context}: {held} held, {kept} kept, {by_hand} by hand"
    );
    let kept = if view.order.status.stands() { 8 } else { 10 };
    assert_eq!(shop.level("cd-1").await, (kept, 0), "{context}");
    let notified = shop.notices.sent().iter().any(|(saga, _)| saga.order() == Some(order));
    assert!(notified || care == Care::Discard, "{context}");
    steps
}

#[tokio::test]
async fn the_stories_run_every_definition() {
    let mut met = BTreeSet::new();
    for story in STORIES {
        met.extend(prove(story, Mishap::Nothing).await.definitions);
    }
    let all: BTreeSet<_> = flows::REGISTRY.all().map(|definition| definition.name.to_owned()).collect();
    assert_eq!(met, all);
}

#[tokio::test]
async fn every_batch_may_run_twice() {
    for story in STORIES {
        let steps = prove(story, Mishap::Nothing).await;
        for commit in 1..=steps.commits {
            prove(story, Mishap::BatchTwice { commit }).await;
        }
    }
}

#[tokio::test]
async fn every_outcome_may_be_heard_twice() {
    for story in STORIES {
        let steps = prove(story, Mishap::Nothing).await;
        for call in 1..=steps.calls.len() {
            prove(story, Mishap::OutcomeTwice { call }).await;
            prove(story, Mishap::OutcomeDoubled { call }).await;
        }
    }
}

#[tokio::test]
async fn every_call_may_fail_in_every_way() {
    let message = || "made up".to_owned();
    for story in STORIES {
        let steps = prove(story, Mishap::Nothing).await;
        for call in 1..=steps.calls.len() {
            for (answer, carried_out) in [
                (Answer::Failed { error: message() }, false),
                (Answer::Rejected { reason: message() }, false),
                (Answer::Unknown { error: message() }, false),
                (Answer::Unknown { error: message() }, true),
                (Answer::NotSent, false),
                (Answer::NotNow { retry_in: Some(Duration::from_secs(3)), why: message() }, false),
                (Answer::Pending { next_action: None, declined: None }, false),
                (Answer::Pending { next_action: None, declined: None }, true),
            ] {
                // A charge that was begun may hold money; only who lies would deny it.
                let asked = &steps.calls[call - 1];
                let denied = matches!(answer, Answer::Failed { .. } | Answer::Rejected { .. });
                if denied && asked.step == "take_payment" && asked.mode == Mode::Query {
                    continue;
                }
                prove(story, Mishap::Answered { call, answer, carried_out }).await;
            }
        }
    }
}

// Pitfalls 1, 15 and 19: whatever was committed is all that is needed to go on.
#[tokio::test]
async fn every_commit_may_be_the_last_of_its_process() {
    for story in STORIES {
        let steps = prove(story, Mishap::Nothing).await;
        for commit in 1..=steps.commits {
            for sent in [false, true] {
                prove(story, Mishap::Crash { commit, sent }).await;
            }
        }
    }
}

#[tokio::test]
async fn every_call_may_lose_its_lease_and_be_heard_late() {
    for story in STORIES {
        let steps = prove(story, Mishap::Nothing).await;
        for call in 1..=steps.calls.len() {
            for sent_late in [false, true] {
                prove(story, Mishap::LostLease { call, sent_late }).await;
            }
        }
    }
}

// Whatever an operator takes off a dead saga's hands, the rest of it goes on, and the ledger holds.
#[tokio::test]
async fn whatever_keeps_failing_may_be_settled_by_hand() {
    let mut settled = 0;
    for story in STORIES {
        let steps = prove_with(story, Mishap::Nothing, Care::Discard).await;
        for call in 1..=steps.calls.len() {
            let asked = &steps.calls[call - 1];
            for (answer, carried_out) in [
                (Answer::Rejected { reason: "made up".to_owned() }, false),
                (Answer::Unknown { error: "made up".to_owned() }, true),
            ] {
                let denied = matches!(answer, Answer::Rejected { .. });
                if denied && asked.step == "take_payment" && asked.mode == Mode::Query {
                    continue;
                }
                let mishap = Mishap::Answered { call, answer, carried_out };
                prove_with(story, mishap, Care::Discard).await;
                settled += 1;
            }
            prove_with(story, Mishap::LostLease { call, sent_late: true }, Care::Discard).await;
        }
        for commit in 1..=steps.commits {
            prove_with(story, Mishap::BatchTwice { commit }, Care::Discard).await;
            prove_with(story, Mishap::Crash { commit, sent: true }, Care::Discard).await;
        }
    }
    assert!(settled > 100, "{settled} stories prove nothing");
}
