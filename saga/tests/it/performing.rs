//! What is asked of a provider, in which order, and what its answers prove.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_saga::engine::execute_call::execute_call;
use holdfast_saga::ports::{
    Account, At, Attempt, Caps, Captured, Channels, Charge, Closed, Fault, Gateways, NamedRefund,
    PaymentProvider, Providers, RefundState, Setting,
};
use holdfast_saga::records::PaymentObject;
use holdfast_saga::records::call::{Answer, Call, CallResult, Mode, Urgency};
use holdfast_saga::records::context::{Checkout, Context, Notice, NoticeKind, Origin};
use holdfast_saga::records::request::{PaymentAt, PaymentRequest, Request};
use holdfast_sandbox::SandboxControl as _;
use holdfast_shared::{
    CancelReason, CartId, Currency, Money, OrderId, PaymentMethod, PaymentStatus, Queue, StepKey,
};
use uuid::Uuid;

use crate::flows::{Ending, check, one_call};
use crate::shop::{LEASE, Notices, Shop, noon};

/// What one reply of the provider says; each request takes the part that it can have.
#[derive(Debug, Clone)]
enum Reply {
    Stands(Charge),
    Shut(Closed),
    Back(RefundState),
    /// Its refunds: the one under our key where there is a state, and always one made at its desk.
    Listed(Option<RefundState>),
    Opened,
    Fails(Fault),
}

/// What is asked and how, what the provider replies, what it must have been asked, and the answer.
type Script = (Request, Mode, Vec<Reply>, &'static [&'static str], (&'static str, i64));

/// A provider that answers by a script, and remembers what it was asked.
#[derive(Debug)]
struct Scripted {
    caps: Caps,
    replies: Mutex<VecDeque<Reply>>,
    asked: Mutex<Vec<String>>,
}

impl Scripted {
    fn reply(&self, asked: String) -> Result<Reply, Fault> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        let reply = self.replies.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        match reply.expect("nothing is asked beyond the script") {
            Reply::Fails(fault) => Err(fault),
            reply => Ok(reply),
        }
    }

    fn charge(&self, asked: String) -> Result<Charge, Fault> {
        let Reply::Stands(charge) = self.reply(asked)? else { panic!("the script gives a charge") };
        Ok(charge)
    }
}

#[async_trait]
impl PaymentProvider for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }
    fn caps(&self) -> Caps {
        self.caps
    }
    fn account(&self) -> Option<String> {
        Some("acct_1".to_owned())
    }
    async fn ping(&self) -> Result<Account, Fault> {
        Ok(Account { id: "acct_1".to_owned(), live: false })
    }
    async fn open(&self, key: &StepKey, _: Money) -> Result<PaymentObject, Fault> {
        self.reply(format!("open {key}")).map(|_| object("acct_1"))
    }
    async fn drive(&self, _: &At<'_>, attempt: &Attempt<'_>) -> Result<Charge, Fault> {
        self.charge(format!("drive {}", attempt.key))
    }
    async fn look_up(&self, at: &At<'_>) -> Result<Charge, Fault> {
        self.charge(format!("look up {}", at.charge))
    }
    async fn close(&self, at: &At<'_>) -> Result<Closed, Fault> {
        let Reply::Shut(closed) = self.reply(format!("close {}", at.charge))? else {
            panic!("the script says what closing did")
        };
        Ok(closed)
    }
    async fn refund(&self, _: &At<'_>, key: &StepKey, amount: Money) -> Result<RefundState, Fault> {
        let Reply::Back(state) = self.reply(format!("refund {} {key}", amount.amount_minor))? else {
            panic!("the script says what became of the refund")
        };
        Ok(state)
    }
    async fn refunds(&self, at: &At<'_>) -> Result<Vec<NamedRefund>, Fault> {
        let Reply::Listed(own) = self.reply(format!("refunds of {}", at.charge))? else {
            panic!("the script lists refunds")
        };
        let own = own.map(|state| NamedRefund { key: Some(key("r")), amount_minor: 3, state });
        let desk = NamedRefund { key: None, amount_minor: 3, state: RefundState::Done };
        Ok(own.into_iter().chain([desk]).collect())
    }
}

/// A provider that knows a payment by its key, as the sandbox does.
const KEYED: Caps = Caps { opens: false, closes: true, key_ttl: Duration::from_hours(24) };

fn object(account: &str) -> PaymentObject {
    PaymentObject { reference: "po_1".to_owned(), account: account.to_owned(), live: false, wire: 1 }
}

fn at(provider: &str) -> PaymentAt {
    PaymentAt { provider: provider.to_owned(), charge: key("c"), object: None }
}

fn charge_at(payment: PaymentAt, token: Option<&str>) -> Request {
    let amount = Money::new(10, Currency::EUR);
    let token = token.map(str::to_owned);
    Request::Payment(PaymentRequest::Charge { key: key("c"), payment, amount, token })
}

fn charge_of(provider: &str) -> Request {
    charge_at(at(provider), Some("tok"))
}

fn undo_of(provider: &str) -> Request {
    undo_at(at(provider))
}

fn undo_at(payment: PaymentAt) -> Request {
    Request::Payment(PaymentRequest::UndoCharge {
        payment,
        key: key("r"),
        refunded_minor: 0,
        settled_manually_minor: 0,
    })
}

/// Ten were taken, and three of them settled manually.
fn partly_settled(provider: &str) -> Request {
    let (payment, key) = (at(provider), key("r"));
    Request::Payment(PaymentRequest::UndoCharge {
        payment,
        key,
        refunded_minor: 0,
        settled_manually_minor: 3,
    })
}

/// Three of ten, when two were back before.
fn refund_of(provider: &str) -> Request {
    let amount = Money::new(3, Currency::EUR);
    let (payment, key) = (at(provider), key("r"));
    Request::Payment(PaymentRequest::Refund { payment, key, amount, refunded_minor: 2 })
}

fn notice() -> Notice {
    let total = Money::new(10, Currency::EUR);
    Notice { notice: NoticeKind::OrderConfirmed, channel: "log".to_owned(), total, reason: None }
}

fn key(name: &str) -> StepKey {
    StepKey::from_stored(name)
}

fn taken(refunded_minor: i64) -> Captured {
    let amount = Money::new(10, Currency::EUR);
    Captured { amount, refunded_minor, provider_ref: "ref".to_owned() }
}

/// A provider that answers so, and what else a call goes to.
fn scripted(caps: Caps, replies: Vec<Reply>) -> (Arc<Scripted>, Gateways) {
    let provider = Arc::new(Scripted { caps, replies: Mutex::new(replies.into()), asked: Mutex::default() });
    let payments = Arc::clone(&provider) as Arc<dyn PaymentProvider>;
    (provider, Gateways::new(Providers::of(payments), Channels::of(Arc::new(Notices::default()))))
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
        unclear_for: None,
        urgency: Urgency::Money,
        accepted: false,
        settles_in: None,
    }
}

fn context_with_token(token: &str) -> Arc<Context> {
    Arc::new(Context::Checkout(Checkout {
        cart: CartId(Uuid::nil()),
        method: PaymentMethod::Card,
        provider: "scripted".to_owned(),
        opens: false,
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
        Answer::Succeeded(CallResult::Opened(_)) => ("opened", 0),
        Answer::Succeeded(CallResult::Captured { amount, .. }) => ("captured", amount.amount_minor),
        Answer::Succeeded(CallResult::Undone { captured_minor }) => ("undone", *captured_minor),
        Answer::Succeeded(CallResult::Refunded) => ("refunded", 0),
        Answer::Succeeded(CallResult::Sent) => ("sent", 0),
        Answer::Succeeded(CallResult::Done) => ("done", 0),
        Answer::Pending { declined: None, .. } => ("pending", 0),
        Answer::Pending { declined: Some(_), .. } => ("declined, may try again", 0),
        Answer::Processing => ("processing", 0),
        Answer::GivingBack => ("giving back", 0),
        Answer::Rejected { .. } => ("rejected", 0),
        Answer::Failed { .. } => ("failed", 0),
        Answer::Unknown { .. } => ("unknown", 0),
        Answer::NotFound { .. } => ("not found", 0),
        Answer::Refused { .. } => ("refused", 0),
        Answer::NotSent => ("not sent", 0),
        Answer::NotNow { .. } => ("held", 0),
        Answer::NotHere { .. } => ("not here", 0),
        Answer::Parked { .. } => ("parked", 0),
    }
}

fn refused() -> Reply {
    Reply::Fails(Fault::Refused("a rule says no".to_owned()))
}

fn away() -> Reply {
    Reply::Fails(Fault::NotReached("nobody is there".to_owned()))
}

fn unclear() -> Reply {
    Reply::Fails(Fault::Unclear("no answer".to_owned()))
}

/// M3: what proves that nothing moved, and says nothing against the order.
fn uncounted() -> [(Reply, &'static str); 4] {
    let busy = Fault::NotNow { retry_in: Some(Duration::from_secs(3)), why: "429".to_owned() };
    [
        (away(), "held"),
        (Reply::Fails(busy), "held"),
        (misconfigured(Setting::Credentials, "401"), "not here"),
        (misconfigured(Setting::Account, "404"), "parked"),
    ]
}

fn misconfigured(which: Setting, why: &str) -> Reply {
    Reply::Fails(Fault::Misconfigured { which, why: why.to_owned() })
}

fn closed(declined: Option<&str>) -> Reply {
    Reply::Stands(Charge::Closed { declined: declined.map(str::to_owned) })
}

fn waits() -> Reply {
    Reply::Stands(Charge::NeedsBuyer { url: None })
}

fn captured(refunded_minor: i64) -> Reply {
    Reply::Stands(Charge::Captured(taken(refunded_minor)))
}

fn shut_captured(refunded_minor: i64) -> Reply {
    Reply::Shut(Closed::Captured(taken(refunded_minor)))
}

async fn run(caps: Caps, scripts: Vec<Script>) {
    for (request, mode, replies, asked, expected) in scripts {
        let context = format!("{request:?} {mode:?} {replies:?}");
        let (provider, outside) = scripted(caps, replies);
        let answer = execute_call(&call_of(request, mode), &outside).await;
        assert_eq!(kind(&answer), expected, "{context}");
        assert_eq!(*provider.asked.lock().unwrap_or_else(PoisonError::into_inner), asked, "{context}");
    }
}

#[tokio::test]
async fn every_answer_of_a_provider_means_what_it_proves() {
    use Mode::{Query, Send};
    let shut = || Reply::Shut(Closed::Closed);
    let done = || Reply::Back(RefundState::Done);
    let listed: &'static [&'static str] = &["look up c", "refunds of c"];
    let open = || Reply::Stands(Charge::Open);
    let (ours, other) = ("scripted", "another");
    let mut scripts: Vec<Script> = vec![
        // A charge that was never sent.
        (charge_of(ours), Send, vec![captured(0)], &["drive c"], ("captured", 10)),
        (charge_of(ours), Send, vec![waits()], &["drive c"], ("pending", 0)),
        (charge_of(ours), Send, vec![Reply::Stands(Charge::Processing)], &["drive c"], ("processing", 0)),
        (charge_of(ours), Send, vec![closed(Some("no"))], &["drive c"], ("rejected", 0)),
        (charge_of(ours), Send, vec![closed(None)], &["drive c"], ("failed", 0)),
        (charge_of(ours), Send, vec![refused()], &["drive c"], ("failed", 0)),
        (charge_of(ours), Send, vec![unclear()], &["drive c"], ("unknown", 0)),
        (charge_of(ours), Send, vec![open()], &["drive c"], ("unknown", 0)),
        (charge_of(other), Send, vec![], &[], ("not here", 0)),
        // One that may have been: it is found, or made impossible, or stays unknown.
        (charge_of(ours), Query, vec![captured(0)], &["look up c"], ("captured", 10)),
        (charge_of(ours), Query, vec![captured(10)], &["look up c"], ("rejected", 0)),
        (charge_of(ours), Query, vec![captured(4)], &["look up c"], ("captured", 6)),
        (charge_of(ours), Query, vec![waits()], &["look up c"], ("pending", 0)),
        (charge_of(ours), Query, vec![open(), shut()], &["look up c", "close c"], ("failed", 0)),
        (charge_of(ours), Query, vec![open(), shut_captured(0)], &["look up c", "close c"], ("captured", 10)),
        (charge_of(ours), Query, vec![open(), refused()], &["look up c", "close c"], ("refused", 0)),
        (charge_of(ours), Query, vec![open(), unclear()], &["look up c", "close c"], ("unknown", 0)),
        (charge_of(ours), Query, vec![open(), away()], &["look up c", "close c"], ("held", 0)),
        (charge_of(ours), Query, vec![refused()], &["look up c"], ("refused", 0)),
        (charge_of(ours), Query, vec![unclear()], &["look up c"], ("unknown", 0)),
        (charge_of(other), Query, vec![], &[], ("not here", 0)),
        // Giving back: closed first, and never twice.
        (undo_of(ours), Send, vec![shut()], &["close c"], ("undone", 0)),
        (undo_of(ours), Send, vec![Reply::Shut(Closed::Processing)], &["close c"], ("processing", 0)),
        (undo_of(ours), Send, vec![Reply::Shut(Closed::NotBefore(LEASE))], &["close c"], ("held", 0)),
        (undo_of(ours), Send, vec![shut_captured(10)], &["close c"], ("undone", 10)),
        (undo_of(ours), Send, vec![shut_captured(0), done()], &["close c", "refund 10 r"], ("undone", 10)),
        (undo_of(ours), Send, vec![shut_captured(4), done()], &["close c", "refund 6 r"], ("undone", 10)),
        (undo_of(ours), Send, vec![shut_captured(0), unclear()], &["close c", "refund 10 r"], ("unknown", 0)),
        (undo_of(ours), Send, vec![shut_captured(0), refused()], &["close c", "refund 10 r"], ("failed", 0)),
        (undo_of(ours), Send, vec![unclear()], &["close c"], ("unknown", 0)),
        (undo_of(other), Send, vec![], &[], ("not here", 0)),
        // A refund that was accepted waits for its end.
        (
            undo_of(ours),
            Send,
            vec![shut_captured(0), Reply::Back(RefundState::Pending)],
            &["close c", "refund 10 r"],
            ("giving back", 0),
        ),
        (
            undo_of(ours),
            Send,
            vec![shut_captured(0), Reply::Back(RefundState::Failed("the card is closed".to_owned()))],
            &["close c", "refund 10 r"],
            ("failed", 0),
        ),
        (undo_of(ours), Query, vec![unclear()], &["close c"], ("unknown", 0)),
        (undo_of(ours), Query, vec![refused()], &["close c"], ("refused", 0)),
        (undo_of(ours), Query, vec![shut_captured(10)], &["close c"], ("undone", 10)),
        (undo_of(other), Query, vec![], &[], ("not here", 0)),
        // Giving back in part: sent only while the provider's ledger says what ours does.
        (refund_of(ours), Send, vec![captured(2), done()], &["look up c", "refund 3 r"], ("refunded", 0)),
        (refund_of(ours), Send, vec![captured(2), refused()], &["look up c", "refund 3 r"], ("failed", 0)),
        (refund_of(ours), Send, vec![captured(2), unclear()], &["look up c", "refund 3 r"], ("unknown", 0)),
        // An earlier attempt gave it back; what somebody else gave back as well changes nothing.
        (
            refund_of(ours),
            Query,
            vec![captured(5), Reply::Listed(Some(RefundState::Done))],
            listed,
            ("refunded", 0),
        ),
        (
            refund_of(ours),
            Send,
            vec![captured(10), Reply::Listed(Some(RefundState::Done))],
            listed,
            ("refunded", 0),
        ),
        // M26: somebody else gave something back, perhaps the very amount: a person must look.
        (refund_of(ours), Send, vec![captured(5), Reply::Listed(None)], listed, ("failed", 0)),
        (refund_of(ours), Query, vec![captured(5), Reply::Listed(None)], listed, ("refused", 0)),
        (refund_of(ours), Send, vec![captured(4), Reply::Listed(None)], listed, ("failed", 0)),
        (refund_of(ours), Query, vec![captured(5), unclear()], listed, ("unknown", 0)),
        (refund_of(ours), Send, vec![open()], &["look up c"], ("failed", 0)),
        (refund_of(ours), Send, vec![closed(None)], &["look up c"], ("failed", 0)),
        (refund_of(ours), Query, vec![unclear()], &["look up c"], ("unknown", 0)),
        (refund_of(other), Send, vec![], &[], ("not here", 0)),
        (refund_of(other), Query, vec![], &[], ("not here", 0)),
    ];
    for (reply, kind) in uncounted() {
        let first: [(Request, &'static [&'static str], &'static [&'static str]); 3] = [
            (charge_of(ours), &["drive c"], &["look up c"]),
            (undo_of(ours), &["close c"], &["close c"]),
            (refund_of(ours), &["look up c"], &["look up c"]),
        ];
        for (request, sent, queried) in first {
            scripts.push((request.clone(), Send, vec![reply.clone()], sent, (kind, 0)));
            scripts.push((request, Query, vec![reply.clone()], queried, (kind, 0)));
        }
        let refunding: &'static [&'static str] = &["close c", "refund 10 r"];
        scripts.push((undo_of(ours), Send, vec![shut_captured(0), reply], refunding, (kind, 0)));
    }
    run(KEYED, scripts).await;
}

// What went back at the provider's desk is not ours, and a refund of ours that pends is not back.
#[tokio::test]
async fn f2_what_was_settled_manually_is_not_given_back_again() {
    use Mode::{Query, Send};
    let done = || Reply::Back(RefundState::Done);
    let pending = || Reply::Listed(Some(RefundState::Pending));
    let request = || partly_settled("scripted");
    let twice: &'static [&'static str] = &["close c", "refunds of c", "refunds of c"];
    let scripts: Vec<Script> = vec![
        (
            request(),
            Send,
            vec![shut_captured(0), Reply::Listed(None), done()],
            &["close c", "refunds of c", "refund 7 r"],
            ("undone", 10),
        ),
        (
            request(),
            Send,
            vec![shut_captured(5), Reply::Listed(None), done()],
            &["close c", "refunds of c", "refund 5 r"],
            ("undone", 10),
        ),
        (request(), Send, vec![shut_captured(10)], &["close c"], ("undone", 10)),
        (request(), Query, vec![shut_captured(0), pending(), pending()], twice, ("giving back", 0)),
        (request(), Send, vec![shut_captured(0), unclear()], &["close c", "refunds of c"], ("unknown", 0)),
        (request(), Query, vec![shut_captured(0), refused()], &["close c", "refunds of c"], ("refused", 0)),
    ];
    run(KEYED, scripts).await;
}

/// A provider that opens payments, and cannot close them.
const OPENED: Caps = Caps { opens: true, closes: false, key_ttl: Duration::from_hours(24) };

/// A payment that was opened in this account.
fn opened_in(account: &str) -> PaymentAt {
    PaymentAt { object: Some(Box::new(object(account))), ..at("scripted") }
}

#[tokio::test]
async fn every_answer_about_an_opened_payment_means_what_it_proves() {
    use Mode::{Query, Send};
    let shut = || Reply::Shut(Closed::Closed);
    let open = || Reply::Stands(Charge::Open);
    let declined = || {
        let reason = "the card was declined".to_owned();
        Reply::Stands(Charge::AttemptDeclined { reason, url: None })
    };
    let amount = Money::new(10, Currency::EUR);
    let opening = || {
        let provider = "scripted".to_owned();
        Request::Payment(PaymentRequest::Open { key: key("c"), provider, amount })
    };
    let ours = || charge_at(opened_in("acct_1"), Some("tok"));
    let buyers = || charge_at(opened_in("acct_1"), None);
    let theirs = || charge_at(opened_in("acct_2"), Some("tok"));
    let undo = |account| undo_at(opened_in(account));
    let mut scripts: Vec<Script> = vec![
        (opening(), Send, vec![Reply::Opened], &["open c"], ("opened", 0)),
        (opening(), Query, vec![Reply::Opened], &["open c"], ("opened", 0)),
        (opening(), Send, vec![refused()], &["open c"], ("failed", 0)),
        (opening(), Send, vec![unclear()], &["open c"], ("unknown", 0)),
        // M9: it is asked for the next step, whether or not an attempt was sent.
        (ours(), Send, vec![captured(0)], &["drive c"], ("captured", 10)),
        (ours(), Query, vec![captured(0)], &["drive c"], ("captured", 10)),
        (ours(), Query, vec![unclear()], &["drive c"], ("unknown", 0)),
        (ours(), Query, vec![refused()], &["drive c"], ("refused", 0)),
        // M4: still open, so this attempt moved nothing, and the next one cannot succeed twice.
        (ours(), Query, vec![open()], &["drive c"], ("failed", 0)),
        (ours(), Send, vec![closed(None)], &["drive c"], ("rejected", 0)),
        // M8: an attempt of the shop's is closed before its decline counts; the buyer may try again.
        (ours(), Send, vec![declined(), shut()], &["drive c", "close c"], ("rejected", 0)),
        (ours(), Send, vec![declined(), shut_captured(0)], &["drive c", "close c"], ("captured", 10)),
        (ours(), Send, vec![declined(), unclear()], &["drive c", "close c"], ("unknown", 0)),
        (buyers(), Send, vec![declined()], &["drive c"], ("declined, may try again", 0)),
        (buyers(), Send, vec![waits()], &["drive c"], ("pending", 0)),
        // M12: another account's credentials are not even asked.
        (theirs(), Send, vec![], &[], ("parked", 0)),
        (theirs(), Query, vec![], &[], ("parked", 0)),
        (undo("acct_2"), Send, vec![], &[], ("parked", 0)),
        (undo("acct_1"), Send, vec![shut()], &["close c"], ("undone", 0)),
    ];
    for (reply, kind) in uncounted() {
        scripts.push((opening(), Send, vec![reply.clone()], &["open c"], (kind, 0)));
        scripts.push((ours(), Query, vec![reply], &["drive c"], (kind, 0)));
    }
    run(OPENED, scripts).await;
}

// M15: a provider that says "come again at once" is not asked in a loop, and one that says "tomorrow" is asked in a minute.
#[tokio::test]
async fn m15_what_a_provider_asks_for_is_a_second_to_a_minute() {
    for (asked, expected) in [(0, 1), (7, 7), (86_400, 60)] {
        let retry_in = Some(Duration::from_secs(asked));
        let busy = Reply::Fails(Fault::NotNow { retry_in, why: "429".to_owned() });
        let (_, outside) = scripted(KEYED, vec![busy]);
        let Answer::NotNow { retry_in, .. } =
            execute_call(&call_of(charge_of("scripted"), Mode::Send), &outside).await
        else {
            panic!("it is held")
        };
        assert_eq!(retry_in, Some(Duration::from_secs(expected)));
    }
}

// M11: where nothing can be closed, "seen open" is no proof while something may still arrive.
#[tokio::test]
async fn m11_a_payment_that_cannot_be_closed_is_not_given_up_while_a_step_may_still_arrive() {
    for (caps, settles_in, expected) in [
        (OPENED, Some(LEASE), "held"),
        (OPENED, None, "undone"),
        (Caps { closes: true, ..OPENED }, Some(LEASE), "undone"),
    ] {
        let (_, outside) = scripted(caps, vec![Reply::Shut(Closed::Closed)]);
        let call = Call { settles_in, ..call_of(undo_at(opened_in("acct_1")), Mode::Send) };
        assert_eq!(kind(&execute_call(&call, &outside).await).0, expected, "{caps:?} {settles_in:?}");
    }
}

// M4 and M6: a lost refund is looked for by its key, repeated while its key is sure to be known, and else only looked for.
#[tokio::test]
async fn m6_a_lost_refund_is_repeated_only_under_a_key_that_is_known() {
    let done = || Reply::Back(RefundState::Done);
    let pending = || Reply::Listed(Some(RefundState::Pending));
    let bounced = || Reply::Listed(Some(RefundState::Failed("bounced".to_owned())));
    let (soon, late) = (Duration::from_mins(4), Duration::from_mins(5));
    let looked: &[&str] = &["close c", "refunds of c"];
    let repeated: &[&str] = &["close c", "refunds of c", "refund 10 r"];
    for (unclear_for, replies, asked, expected) in [
        (soon, vec![Reply::Listed(Some(RefundState::Done))], looked, "undone"),
        (late, vec![Reply::Listed(Some(RefundState::Done))], looked, "undone"),
        (late, vec![pending()], looked, "giving back"),
        (late, vec![bounced()], looked, "failed"),
        (soon, vec![Reply::Listed(None), done()], repeated, "undone"),
        (soon, vec![Reply::Listed(None), refused()], repeated, "not found"),
        (soon, vec![Reply::Listed(None), unclear()], repeated, "unknown"),
        (late, vec![Reply::Listed(None)], looked, "not found"),
    ] {
        let context = format!("{unclear_for:?} {replies:?}");
        let replies = std::iter::once(shut_captured(0)).chain(replies).collect();
        let (provider, outside) = scripted(KEYED, replies);
        let call = Call { unclear_for: Some(unclear_for), ..call_of(undo_of("scripted"), Mode::Query) };
        let answer = execute_call(&call, &outside).await;
        let amount = i64::from(expected == "undone") * 10;
        assert_eq!(kind(&answer), (expected, amount), "{context}");
        assert_eq!(*provider.asked.lock().unwrap_or_else(PoisonError::into_inner), asked, "{context}");
    }
    // What it had agreed to and lists no more is not sent again, whatever the reason.
    let (_, outside) = scripted(KEYED, vec![shut_captured(0), Reply::Listed(None)]);
    let call = Call { accepted: true, ..call_of(undo_of("scripted"), Mode::Query) };
    assert_eq!(kind(&execute_call(&call, &outside).await).0, "refused");
    // A part that is counted before it is listed.
    let (_, outside) = scripted(KEYED, vec![captured(5), Reply::Listed(None)]);
    let call = Call { unclear_for: Some(soon), ..call_of(refund_of("scripted"), Mode::Query) };
    assert_eq!(kind(&execute_call(&call, &outside).await).0, "not found");
    // A provider that forgets sooner is asked sooner.
    let forgetful = Caps { key_ttl: Duration::from_mins(2), ..KEYED };
    let (_, outside) = scripted(forgetful, vec![shut_captured(0), Reply::Listed(None)]);
    let unclear_for = Some(Duration::from_mins(1));
    let call = Call { unclear_for, ..call_of(undo_of("scripted"), Mode::Query) };
    assert_eq!(kind(&execute_call(&call, &outside).await).0, "not found");
}

#[tokio::test]
async fn s9_what_a_provider_answers_is_stored_without_addresses() {
    let said =
        "no account of <Ada.L+shop@mail.example>, nor of +49 151 23456 or +491512345678, card \"7f-secret\"";
    let stored = "no account of <(e-mail address)>, nor of (phone number) or (phone number), card \"(the payment token)\"";
    let replies = [
        closed(Some(said)),
        Reply::Fails(Fault::Refused(said.to_owned())),
        Reply::Fails(Fault::NotReached(said.to_owned())),
        Reply::Fails(Fault::NotNow { retry_in: None, why: said.to_owned() }),
        misconfigured(Setting::Credentials, said),
        misconfigured(Setting::Account, said),
        Reply::Fails(Fault::Unclear(said.to_owned())),
    ];
    for reply in replies {
        let context = format!("{reply:?}");
        let (_, outside) = scripted(KEYED, vec![reply]);
        let call =
            Call { context: context_with_token("7f-secret"), ..call_of(charge_of("scripted"), Mode::Send) };
        let (Answer::Rejected { reason: text }
        | Answer::Failed { error: text }
        | Answer::NotNow { why: text, .. }
        | Answer::NotHere { why: text }
        | Answer::Parked { why: text }
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
    shop.sandbox.give_back(&key("desk"), &call.key, 1_000).await.expect("the sandbox gives it back");
    shop.clock.advance(LEASE + Duration::from_millis(1));
    shop.rest().await;
    let ending = Ending::Undone(CancelReason::PaymentDeclined, Some(PaymentStatus::Refunded));
    check(&shop, order, ending, "given back in part").await;
}
