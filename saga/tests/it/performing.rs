//! What is asked of a provider, in which order, and what its answers prove.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_saga::engine::execute_call::execute_call;
use holdfast_saga::ports::{Channels, ChargeState, Fault, Gateways, NamedRefund, PaymentProvider, Providers};
use holdfast_saga::records::call::{Answer, Call, CallResult, Mode, Request};
use holdfast_saga::records::context::{Checkout, Context, Notice, NoticeKind, Origin};
use holdfast_shared::{
    CancelReason, CartId, Currency, Money, OrderId, PaymentMethod, PaymentStatus, Queue, StepKey,
};
use uuid::Uuid;

use crate::flows::{Ending, check, one_call};
use crate::shop::{LEASE, Notices, Shop, noon};

type Reply = Result<Option<ChargeState>, Fault>;
/// What is asked and how, what the provider replies, what it must have been asked, and the answer.
type Script = (Request, Mode, Vec<Reply>, &'static [&'static str], (&'static str, i64));

/// A provider that answers by a script, and remembers what it was asked.
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

    fn state(&self, asked: String) -> Result<ChargeState, Fault> {
        self.reply(asked).map(|state| state.expect("the script gives a state"))
    }
}

#[async_trait]
impl PaymentProvider for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }
    fn key_ttl(&self) -> Duration {
        Duration::from_hours(24)
    }
    async fn charge(&self, key: &StepKey, _: Money, _: &str) -> Result<ChargeState, Fault> {
        self.state(format!("charge {key}"))
    }
    async fn look_up(&self, charge: &StepKey) -> Reply {
        self.reply(format!("look up {charge}"))
    }
    async fn void(&self, charge: &StepKey) -> Result<ChargeState, Fault> {
        self.state(format!("void {charge}"))
    }
    async fn refund(&self, key: &StepKey, _: &StepKey, amount_minor: i64) -> Result<(), Fault> {
        self.reply(format!("refund {amount_minor} {key}")).map(|_| ())
    }
    /// Under our key where the script gives a state, else at the provider's desk.
    async fn refunds(&self, charge: &StepKey) -> Result<Vec<NamedRefund>, Fault> {
        let state = self.reply(format!("refunds of {charge}"))?;
        Ok(vec![NamedRefund { key: state.map(|_| key("r")), amount_minor: 3 }])
    }
}

fn charge_of(provider: &str) -> Request {
    let amount = Money::new(10, Currency::EUR);
    Request::Charge { key: key("c"), provider: provider.to_owned(), amount, token: "tok".to_owned() }
}

fn undo_of(provider: &str) -> Request {
    Request::UndoCharge { charge: key("c"), key: key("r"), provider: provider.to_owned() }
}

/// Three of ten, when two were back before.
fn refund_of(provider: &str) -> Request {
    Request::Refund {
        charge: key("c"),
        key: key("r"),
        provider: provider.to_owned(),
        amount_minor: 3,
        refunded_minor: 2,
    }
}

fn notice() -> Notice {
    let total = Money::new(10, Currency::EUR);
    Notice { notice: NoticeKind::OrderConfirmed, channel: "log".to_owned(), total, reason: None }
}

fn key(name: &str) -> StepKey {
    StepKey::from_stored(name)
}

fn captured(refunded_minor: i64) -> Reply {
    let amount = Money::new(10, Currency::EUR);
    Ok(Some(ChargeState::Captured { amount, refunded_minor, provider_ref: "ref".to_owned() }))
}

/// A provider that answers so, and what else a call goes to.
fn scripted(replies: Vec<Reply>) -> (Arc<Scripted>, Gateways) {
    let provider = Arc::new(Scripted { replies: Mutex::new(replies.into()), asked: Mutex::default() });
    let payments = Arc::clone(&provider) as Arc<dyn PaymentProvider>;
    (
        provider,
        Gateways { payments: Providers::of(payments), channels: Channels::of(Arc::new(Notices::default())) },
    )
}

fn call_of(request: Request, mode: Mode) -> Call {
    Call {
        definition: "partial_refund",
        saga: OrderId::new(1).saga(0),
        queue: Queue::Checkout,
        fence: 1,
        step: "step",
        start: 1,
        key: key("c"),
        context: Arc::new(Context::Notice(notice())),
        mode,
        request,
        timeout: Duration::from_secs(1),
    }
}

fn context_with_token(token: &str) -> Arc<Context> {
    Arc::new(Context::Checkout(Checkout {
        cart: CartId(Uuid::nil()),
        method: PaymentMethod::Card,
        provider: "scripted".to_owned(),
        token: Some(token.to_owned()),
        lines: vec![],
        total_minor: 10,
        currency: Currency::EUR,
        decide_by: noon(),
        origin: Origin::default(),
    }))
}

/// The kind of an answer, and the amount in it.
fn kind(answer: &Answer) -> (&'static str, i64) {
    match answer {
        Answer::Succeeded(CallResult::Captured { amount, .. }) => ("captured", amount.amount_minor),
        Answer::Succeeded(CallResult::Undone { refunded_minor }) => ("undone", *refunded_minor),
        Answer::Succeeded(CallResult::Refunded) => ("refunded", 0),
        Answer::Succeeded(CallResult::Sent) => ("sent", 0),
        Answer::Pending { .. } => ("pending", 0),
        Answer::Rejected { .. } => ("rejected", 0),
        Answer::Failed { .. } => ("failed", 0),
        Answer::Unknown { .. } => ("unknown", 0),
        Answer::NotSent => ("not sent", 0),
        Answer::NotNow { .. } => ("held", 0),
    }
}

#[tokio::test]
async fn every_answer_of_a_provider_means_what_it_proves() {
    use Mode::{Query, Send};
    let not_done = || Err(Fault::NotDone("busy".to_owned()));
    let away = || Err(Fault::Unavailable("nobody is there".to_owned()));
    let unclear = || Err(Fault::Unclear("no answer".to_owned()));
    let voided = || Ok(Some(ChargeState::Voided));
    let declined = || Ok(Some(ChargeState::Declined { reason: "no".to_owned() }));
    let waits = || Ok(Some(ChargeState::RequiresAction { url: None }));
    let ours_is_listed = || captured(3);
    let listed: &'static [&'static str] = &["look up c", "refunds of c"];
    let (ours, other) = ("scripted", "another");
    let scripts: Vec<Script> = vec![
        // A charge that was never sent.
        (charge_of(ours), Send, vec![captured(0)], &["charge c"], ("captured", 10)),
        (charge_of(ours), Send, vec![waits()], &["charge c"], ("pending", 0)),
        (charge_of(ours), Send, vec![declined()], &["charge c"], ("rejected", 0)),
        (charge_of(ours), Send, vec![voided()], &["charge c"], ("failed", 0)),
        (charge_of(ours), Send, vec![not_done()], &["charge c"], ("failed", 0)),
        (charge_of(ours), Send, vec![away()], &["charge c"], ("failed", 0)),
        (charge_of(ours), Send, vec![unclear()], &["charge c"], ("unknown", 0)),
        (charge_of(other), Send, vec![], &[], ("held", 0)),
        // One that may have been: it is found, or made impossible, or stays unknown.
        (charge_of(ours), Query, vec![captured(0)], &["look up c"], ("captured", 10)),
        (charge_of(ours), Query, vec![captured(10)], &["look up c"], ("rejected", 0)),
        (charge_of(ours), Query, vec![captured(4)], &["look up c"], ("captured", 6)),
        (charge_of(ours), Query, vec![waits()], &["look up c"], ("pending", 0)),
        (charge_of(ours), Query, vec![Ok(None), voided()], &["look up c", "void c"], ("failed", 0)),
        (charge_of(ours), Query, vec![Ok(None), captured(0)], &["look up c", "void c"], ("captured", 10)),
        (charge_of(ours), Query, vec![Ok(None), not_done()], &["look up c", "void c"], ("unknown", 0)),
        (charge_of(ours), Query, vec![not_done()], &["look up c"], ("unknown", 0)),
        (charge_of(ours), Query, vec![away()], &["look up c"], ("unknown", 0)),
        (charge_of(other), Query, vec![], &[], ("held", 0)),
        // Giving back: looked at first, and never twice.
        (undo_of(ours), Send, vec![voided()], &["void c"], ("undone", 0)),
        (undo_of(ours), Send, vec![declined()], &["void c"], ("undone", 0)),
        (undo_of(ours), Send, vec![waits()], &["void c"], ("unknown", 0)),
        (undo_of(ours), Send, vec![captured(10)], &["void c"], ("undone", 10)),
        (undo_of(ours), Send, vec![captured(0), Ok(None)], &["void c", "refund 10 r"], ("undone", 10)),
        (undo_of(ours), Send, vec![captured(4), Ok(None)], &["void c", "refund 6 r"], ("undone", 10)),
        (undo_of(ours), Send, vec![captured(0), unclear()], &["void c", "refund 10 r"], ("unknown", 0)),
        (undo_of(ours), Send, vec![captured(0), not_done()], &["void c", "refund 10 r"], ("failed", 0)),
        (undo_of(ours), Send, vec![captured(0), away()], &["void c", "refund 10 r"], ("failed", 0)),
        (undo_of(ours), Send, vec![unclear()], &["void c"], ("failed", 0)),
        (undo_of(other), Send, vec![], &[], ("held", 0)),
        // An earlier refund may still be under way: a refusal of this one proves nothing about it.
        (undo_of(ours), Query, vec![captured(0), not_done()], &["void c", "refund 10 r"], ("unknown", 0)),
        (undo_of(ours), Query, vec![unclear()], &["void c"], ("unknown", 0)),
        (undo_of(ours), Query, vec![not_done()], &["void c"], ("unknown", 0)),
        (undo_of(ours), Query, vec![captured(10)], &["void c"], ("undone", 10)),
        (undo_of(other), Query, vec![], &[], ("held", 0)),
        // Giving back in part: sent only while the provider's ledger says what ours do.
        (refund_of(ours), Send, vec![captured(2), Ok(None)], &["look up c", "refund 3 r"], ("refunded", 0)),
        (refund_of(ours), Query, vec![captured(2), Ok(None)], &["look up c", "refund 3 r"], ("refunded", 0)),
        (refund_of(ours), Send, vec![captured(2), not_done()], &["look up c", "refund 3 r"], ("failed", 0)),
        (refund_of(ours), Query, vec![captured(2), away()], &["look up c", "refund 3 r"], ("unknown", 0)),
        (refund_of(ours), Query, vec![captured(2), not_done()], &["look up c", "refund 3 r"], ("unknown", 0)),
        (refund_of(ours), Send, vec![captured(2), unclear()], &["look up c", "refund 3 r"], ("unknown", 0)),
        // An earlier attempt gave it back; what somebody else gave back as well changes nothing.
        (refund_of(ours), Query, vec![captured(5), ours_is_listed()], listed, ("refunded", 0)),
        (refund_of(ours), Send, vec![captured(5), ours_is_listed()], listed, ("refunded", 0)),
        (refund_of(ours), Query, vec![captured(10), ours_is_listed()], listed, ("refunded", 0)),
        // M26: somebody else gave something back, perhaps the very amount: a person must look.
        (refund_of(ours), Send, vec![captured(5), Ok(None)], listed, ("failed", 0)),
        (refund_of(ours), Query, vec![captured(5), Ok(None)], listed, ("unknown", 0)),
        (refund_of(ours), Send, vec![captured(4), Ok(None)], listed, ("failed", 0)),
        (refund_of(ours), Query, vec![captured(10), Ok(None)], listed, ("unknown", 0)),
        (refund_of(ours), Query, vec![captured(5), unclear()], listed, ("unknown", 0)),
        (refund_of(ours), Send, vec![Ok(None)], &["look up c"], ("failed", 0)),
        (refund_of(ours), Send, vec![voided()], &["look up c"], ("failed", 0)),
        (refund_of(ours), Query, vec![unclear()], &["look up c"], ("unknown", 0)),
        (refund_of(other), Send, vec![], &[], ("held", 0)),
        (refund_of(other), Query, vec![], &[], ("held", 0)),
    ];
    for (request, mode, replies, asked, expected) in scripts {
        let context = format!("{request:?} {mode:?} {replies:?}");
        let (provider, outside) = scripted(replies);
        let answer = execute_call(&call_of(request, mode), &outside).await;
        assert_eq!(kind(&answer), expected, "{context}");
        assert_eq!(*provider.asked.lock().unwrap_or_else(PoisonError::into_inner), asked, "{context}");
    }
}

#[tokio::test]
async fn s9_what_a_provider_answers_is_stored_without_addresses() {
    let said =
        "no account of <Ada.L+shop@mail.example>, nor of +49 151 23456 or +491512345678, card \"7f-secret\"";
    let stored = "no account of <(e-mail address)>, nor of (phone number) or (phone number), card \"(the payment token)\"";
    let replies: [Reply; 4] = [
        Ok(Some(ChargeState::Declined { reason: said.to_owned() })),
        Err(Fault::NotDone(said.to_owned())),
        Err(Fault::Unavailable(said.to_owned())),
        Err(Fault::Unclear(said.to_owned())),
    ];
    for reply in replies {
        let context = format!("{reply:?}");
        let (_, outside) = scripted(vec![reply]);
        let call =
            Call { context: context_with_token("7f-secret"), ..call_of(charge_of("scripted"), Mode::Send) };
        let (Answer::Rejected { reason: text }
        | Answer::Failed { error: text }
        | Answer::Unknown { error: text }) = execute_call(&call, &outside).await
        else {
            panic!("{context}: an answer without a text");
        };
        assert_eq!(text, stored, "{context}");
    }
}

#[tokio::test]
async fn a_charge_that_was_given_back_in_part_is_given_back_whole() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_timeout").await;
    let call = one_call(&shop).await;
    shop.execute(&call).await;
    // The answer is lost, and somebody gives a part back at the provider's desk.
    shop.provider().refund(&key("desk"), &call.key, 1_000).await.expect("the sandbox gives it back");
    shop.clock.advance(LEASE + Duration::from_millis(1));
    shop.rest().await;
    let ending = Ending::Undone(CancelReason::PaymentDeclined, Some(PaymentStatus::Refunded));
    check(&shop, order, ending, "given back in part").await;
}
