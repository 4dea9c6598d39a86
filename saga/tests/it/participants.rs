//! What is asked of a participant, in which order, and what its answers prove.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use holdfast_saga::engine::execute_call::execute_call;
use holdfast_saga::ports::{Decision, Fault, Gateways, Participant, Participants, Task};
use holdfast_saga::records::call::{Answer, Call, CallResult, Mode};
use holdfast_saga::records::context::{Context, Notice, NoticeKind};
use holdfast_saga::records::request::{Part, Request};
use holdfast_shared::{Currency, Money, StepKey};

use crate::flows::one_call;
use crate::shop::Shop;

/// What a participant replies. A look-up may know nothing; an undo is done.
type Reply = Result<Option<Decision>, Fault>;
/// What is asked and how, what the participant replies, what it must have been asked, and the answer.
type Script = (Part, Mode, Vec<Reply>, Vec<&'static str>, &'static str);

/// A participant that answers by a script, and remembers what it was asked.
#[derive(Debug, Default)]
struct Scripted {
    replies: Mutex<VecDeque<Reply>>,
    asked: Mutex<Vec<String>>,
}

impl Scripted {
    fn reply(&self, asked: String) -> Reply {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        let reply = self.replies.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        reply.expect("nothing is asked beyond the script")
    }
}

#[async_trait]
impl Participant for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }
    async fn act(&self, key: &StepKey, task: &Task<'_>) -> Result<Decision, Fault> {
        let Task { step, lines, total } = task;
        let reply = self.reply(format!("act {key}: {step} {} for {total}", lines.len()))?;
        Ok(reply.expect("the script decides"))
    }
    async fn look_up(&self, key: &StepKey) -> Result<Option<Decision>, Fault> {
        self.reply(format!("look up {key}"))
    }
    async fn undo(&self, key: &StepKey) -> Result<(), Fault> {
        self.reply(format!("undo {key}")).map(|_| ())
    }
}

fn gateways_with(participant: &Arc<Scripted>) -> Gateways {
    Gateways { participants: Participants::of(Arc::clone(participant) as _), ..Gateways::default() }
}

fn kind(answer: &Answer) -> &'static str {
    match answer {
        Answer::Succeeded(CallResult::Done) => "done",
        Answer::Rejected { .. } => "rejected",
        Answer::Refused { .. } => "refused",
        Answer::Unknown { .. } => "unknown",
        Answer::NotNow { .. } => "held",
        Answer::NotHere { .. } => "not here",
        Answer::Parked { .. } => "parked",
        other => panic!("no participant says {other:?}"),
    }
}

/// A call of a checkout that asks a participant of this name.
async fn call_of(part: Part, mode: Mode, name: &str) -> Call {
    let mut shop = Shop::open().await;
    shop.card("tok_ok").await;
    let charge = one_call(&shop).await;
    let request = Request::Participate { key: StepKey::from_stored("k"), participant: name.to_owned(), part };
    Call { mode, request, ..charge }
}

#[tokio::test]
async fn every_answer_of_a_participant_means_what_it_proves() {
    use Mode::{Query, Send};
    let act = || Part::Act;
    let undo = || Part::Undo { acted: StepKey::from_stored("a") };
    let done = || Ok(Some(Decision::Done));
    let rejected = || Ok(Some(Decision::Rejected { reason: "none left".to_owned() }));
    let acted = "act k: take_payment 2 for 30.00 EUR";
    let mut scripts: Vec<Script> = vec![
        (act(), Send, vec![done()], vec![acted], "done"),
        (act(), Send, vec![rejected()], vec![acted], "rejected"),
        // A lost answer is looked up. What it has not heard of may still be on its way, and is asked for under the same key.
        (act(), Query, vec![done()], vec!["look up k"], "done"),
        (act(), Query, vec![rejected()], vec!["look up k"], "rejected"),
        (act(), Query, vec![Ok(None), done()], vec!["look up k", acted], "done"),
        (undo(), Send, vec![Ok(None)], vec!["undo a"], "done"),
        (undo(), Query, vec![Ok(None)], vec!["undo a"], "done"),
    ];
    for (fault, expected) in [
        // No proof of what was sent before, so the key is kept and the part is undone.
        (Fault::Refused("a rule says no".to_owned()), "refused"),
        (Fault::Unclear("no answer".to_owned()), "unknown"),
        (Fault::NotReached("nobody is there".to_owned()), "held"),
        (Fault::NotNow { retry_in: None, why: "429".to_owned() }, "held"),
    ] {
        scripts.push((act(), Send, vec![Err(fault.clone())], vec![acted], expected));
        scripts.push((act(), Query, vec![Err(fault.clone())], vec!["look up k"], expected));
        scripts.push((undo(), Send, vec![Err(fault)], vec!["undo a"], expected));
    }
    for (part, mode, replies, asked, expected) in scripts {
        let context = format!("{part:?} {mode:?} {replies:?}");
        let participant = Arc::new(Scripted { replies: Mutex::new(replies.into()), ..Scripted::default() });
        let outside = gateways_with(&participant);
        let answer = execute_call(&call_of(part, mode, "scripted").await, &outside).await;
        assert_eq!(kind(&answer), expected, "{context}: {answer:?}");
        assert_eq!(*participant.asked.lock().unwrap_or_else(PoisonError::into_inner), asked, "{context}");
    }
}

#[tokio::test]
async fn a_participant_that_is_not_configured_or_has_no_order_is_asked_nothing() {
    let gone = call_of(Part::Act, Mode::Send, "gone").await;
    let Answer::NotHere { why } = execute_call(&gone, &Gateways::default()).await else {
        panic!("it waits for the settings");
    };
    assert_eq!(why, "no participant gone is configured here; configure it again, and the call is sent");

    let participant = Arc::new(Scripted::default());
    let outside = gateways_with(&participant);
    let notice = Notice {
        notice: NoticeKind::OrderConfirmed,
        channel: "log".to_owned(),
        total: Money::new(10, Currency::EUR),
        reason: None,
    };
    let call = call_of(Part::Act, Mode::Send, "scripted").await;
    let orderless = Call { context: Arc::new(Context::Notice(notice)), ..call };
    let answer = execute_call(&orderless, &outside).await;
    assert_eq!(kind(&answer), "parked", "{answer:?}");
    assert_eq!(*participant.asked.lock().unwrap_or_else(PoisonError::into_inner), Vec::<String>::new());
}
