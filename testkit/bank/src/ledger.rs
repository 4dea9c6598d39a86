//! The rules and the ledger of the bank. No I/O, no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_shared::Time;
use serde_json::{Value, json};

use crate::amounts::unfit;
use crate::message::{Asked, Said};
use crate::token::Token;

/// The money of one payment: what was taken, and what went back, in the bank's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Taken.
    pub captured: i64,
    /// Given back.
    pub refunded: i64,
}

#[derive(Debug, Clone)]
struct Payment {
    account: String,
    /// What the shop calls it.
    reference: String,
    amount: i64,
    currency: String,
    state: State,
    captured: i64,
    refunds: Vec<Refund>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The buyer said yes at the bank; the shop must still take the money.
    Approved,
    /// The buyer's means of payment was declined at the bank.
    BuyerDeclined,
    Processing,
    Captured,
    /// The bank gave it up.
    Failed,
}

#[derive(Debug, Clone)]
struct Refund {
    key: Option<String>,
    amount: i64,
    at: Time,
    pending: bool,
}

#[derive(Debug, Clone)]
struct Stored {
    asked: String,
    said: Said,
    at: Time,
}

/// The bank.
#[derive(Debug, Clone)]
pub struct Bank {
    /// By credentials: the account, and whether it is live.
    accounts: BTreeMap<String, (String, bool)>,
    /// Credentials that may not give money back.
    restricted: BTreeSet<String>,
    payments: BTreeMap<String, Payment>,
    /// By the credentials and the key.
    keys: BTreeMap<(String, String), Stored>,
    late: Vec<(Time, Asked)>,
    key_ttl: Duration,
    /// A refund is listed so much later.
    list_lag: Duration,
    /// Whether refunds stay pending until the bank settles them.
    refunds_pend: bool,
}

impl Bank {
    /// A bank that remembers a key for `key_ttl`.
    pub fn new(key_ttl: Duration) -> Self {
        Self {
            accounts: BTreeMap::new(),
            restricted: BTreeSet::new(),
            payments: BTreeMap::new(),
            keys: BTreeMap::new(),
            late: Vec::new(),
            key_ttl,
            list_lag: Duration::ZERO,
            refunds_pend: false,
        }
    }

    /// The same with an account, which these credentials belong to.
    #[must_use]
    pub fn with_account(mut self, api_key: &str, account: &str, live: bool) -> Self {
        self.accounts.insert(api_key.to_owned(), (account.to_owned(), live));
        self
    }

    /// The same, with refunds that are listed late.
    #[must_use]
    pub fn with_list_lag(self, list_lag: Duration) -> Self {
        Self { list_lag, ..self }
    }

    /// The same, with refunds that are pending until they are settled.
    #[must_use]
    pub fn with_pending_refunds(self) -> Self {
        Self { refunds_pend: true, ..self }
    }

    /// From now on these credentials may take money, and not give it back; or they may again.
    pub fn restrict(&mut self, api_key: &str, is_restricted: bool) {
        if is_restricted {
            self.restricted.insert(api_key.to_owned());
        } else {
            self.restricted.remove(api_key);
        }
    }

    /// Withdraws credentials.
    pub fn withdraw(&mut self, api_key: &str) {
        self.accounts.remove(api_key);
    }

    /// Gives an account credentials.
    pub fn admit(&mut self, api_key: &str, account: &str, live: bool) {
        self.accounts.insert(api_key.to_owned(), (account.to_owned(), live));
    }

    /// What was taken and given back, by the shop's own name of each payment.
    pub fn sums(&self) -> BTreeMap<String, Sums> {
        let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
        for payment in self.payments.values() {
            let sum = sums.entry(payment.reference.clone()).or_default();
            sum.captured += payment.captured;
            sum.refunded += payment.refunded();
        }
        sums
    }

    /// What was taken and given back, of all payments together.
    pub fn total(&self) -> (i64, i64) {
        let add = |(taken, back), sums: Sums| (taken + sums.captured, back + sums.refunded);
        self.sums().into_values().fold((0, 0), add)
    }

    /// How many payments were opened.
    pub fn opened(&self) -> usize {
        self.payments.len()
    }

    /// The buyer says yes, or is declined, at the bank.
    pub fn buyer(&mut self, reference: &str, approves: bool) {
        for payment in self.named(reference) {
            if matches!(payment.state, State::Open | State::BuyerDeclined | State::Approved) {
                payment.state = if approves { State::Approved } else { State::BuyerDeclined };
            }
        }
    }

    /// Debits arrive, or bounce, and refunds are back.
    pub fn settle(&mut self, reference: &str, arrives: bool) {
        for payment in self.named(reference) {
            if payment.state == State::Processing {
                payment.state = if arrives { State::Captured } else { State::Failed };
                payment.captured = if arrives { payment.amount } else { 0 };
            }
            payment.refunds.iter_mut().for_each(|refund| refund.pending = false);
        }
    }

    /// Somebody gives money back at the bank's desk.
    pub fn refund_at_desk(&mut self, reference: &str, amount: i64, at: Time) {
        for payment in self.named(reference) {
            payment.refunds.push(Refund { key: None, amount, at, pending: false });
        }
    }

    fn named(&mut self, reference: &str) -> impl Iterator<Item = &mut Payment> {
        self.payments.values_mut().filter(move |payment| payment.reference == reference)
    }

    /// A request that is still on its way.
    pub fn arrives_later(&mut self, asked: Asked, at: Time) {
        self.late.push((at, asked));
    }

    /// Carries a request out, or repeats the answer that its key had.
    pub fn handle(&mut self, asked: &Asked, now: Time) -> Said {
        self.take_late(now);
        self.answer(asked, now)
    }

    /// A request that ends in a 500.
    pub fn fail(&mut self, asked: &Asked, done: bool, now: Time) -> Said {
        self.take_late(now);
        if let Some(stored) = self.remembered(asked, now) {
            return stored;
        }
        if done {
            self.act(asked, now);
        }
        let said = Said { status: 500, body: json!({"error": "something broke"}) };
        self.store(asked, &said, now);
        said
    }

    fn take_late(&mut self, now: Time) {
        let (due, later) = std::mem::take(&mut self.late).into_iter().partition(|(at, _)| *at <= now);
        self.late = later;
        let due: Vec<(Time, Asked)> = due;
        for (at, asked) in due {
            self.answer(&asked, at);
        }
    }

    fn answer(&mut self, asked: &Asked, now: Time) -> Said {
        if let Some(stored) = self.remembered(asked, now) {
            return stored;
        }
        let said = self.act(asked, now);
        self.store(asked, &said, now);
        said
    }

    fn remembered(&self, asked: &Asked, now: Time) -> Option<Said> {
        let stored = self.keys.get(&(asked.api_key.clone(), asked.key.clone()?))?;
        if now.since(stored.at) >= self.key_ttl {
            return None;
        }
        Some(if stored.asked == fingerprint(asked) {
            stored.said.clone()
        } else {
            problem(400, "this key was used with other parameters")
        })
    }

    fn store(&mut self, asked: &Asked, said: &Said, now: Time) {
        if let Some(key) = &asked.key
            && !matches!(said.status, 401 | 403 | 429)
        {
            let stored = Stored { asked: fingerprint(asked), said: said.clone(), at: now };
            self.keys.insert((asked.api_key.clone(), key.clone()), stored);
        }
    }

    fn act(&mut self, asked: &Asked, now: Time) -> Said {
        let Some((account, live)) = self.accounts.get(&asked.api_key).cloned() else {
            return problem(401, "these credentials are not known");
        };
        let path: Vec<&str> = asked.path.split('/').skip(1).collect();
        match (asked.method, path.as_slice()) {
            ("GET", ["account"]) => ok(json!({"account": account, "live": live})),
            ("POST", ["payments"]) => self.open(asked, &account, live),
            ("GET", ["movements"]) => self.movements(&account),
            (method, ["payments", id, rest @ ..]) => {
                let found = self.payments.get_mut(*id).filter(|payment| payment.account == account);
                let Some(payment) = found else { return problem(404, "there is no such payment") };
                match (method, rest) {
                    ("GET", []) => ok(payment.document()),
                    ("POST", ["attempts"]) => payment.attempt(asked.body["token"].as_str()),
                    ("POST", ["refunds"]) if self.restricted.contains(&asked.api_key) => {
                        problem(403, "these credentials may not refund")
                    }
                    ("POST", ["refunds"]) => {
                        let amount = asked.body["amount"].as_i64().unwrap_or_default();
                        payment.refund(asked.key.clone(), amount, self.refunds_pend, now)
                    }
                    ("GET", ["refunds"]) => ok(payment.listed(self.list_lag, now)),
                    _ => problem(404, "there is no such route"),
                }
            }
            _ => problem(404, "there is no such route"),
        }
    }

    fn open(&mut self, asked: &Asked, account: &str, live: bool) -> Said {
        let (Some(reference), Some(amount), Some(currency)) = (
            asked.body["reference"].as_str(),
            asked.body["amount"].as_i64(),
            asked.body["currency"].as_str(),
        ) else {
            return problem(422, "reference, amount and currency are expected");
        };
        if let Some(why) = unfit(amount, currency) {
            return problem(422, why);
        }
        let id = format!("po_{}", self.payments.len() + 1);
        let payment = Payment {
            account: account.to_owned(),
            reference: reference.to_owned(),
            amount,
            currency: currency.to_owned(),
            state: State::Open,
            captured: 0,
            refunds: Vec::new(),
        };
        self.payments.insert(id.clone(), payment);
        Said { status: 201, body: json!({"id": id, "account": account, "live": live}) }
    }

    fn movements(&self, account: &str) -> Said {
        let own = self.payments.values().filter(|payment| payment.account == account);
        let items: Vec<Value> = own
            .map(|payment| {
                json!({
                    "reference": payment.reference,
                    "currency": payment.currency,
                    "captured": payment.captured,
                    "refunded": payment.refunded(),
                })
            })
            .collect();
        ok(json!({"items": items}))
    }
}

impl Payment {
    fn refunded(&self) -> i64 {
        self.refunds.iter().filter(|refund| !refund.pending).map(|refund| refund.amount).sum()
    }

    fn document(&self) -> Value {
        let state = match self.state {
            State::Open => "open",
            State::Approved => "approved",
            State::BuyerDeclined => "buyer_declined",
            State::Processing => "processing",
            State::Captured => "captured",
            State::Failed => "failed",
        };
        json!({
            "reference": self.reference,
            "state": state,
            "currency": self.currency,
            "captured": self.captured,
            "refunded": self.refunded(),
        })
    }

    /// Takes the money at most once, however often it is asked.
    fn attempt(&mut self, token: Option<&str>) -> Said {
        if matches!(self.state, State::Processing | State::Captured | State::Failed) {
            return ok(self.document());
        }
        match (token.map(Token::named), self.state) {
            (Some(Some(Token::Pays)), _) | (None, State::Approved) => self.take(self.amount),
            (Some(Some(Token::TakesLess)), _) => self.take(self.amount - 1),
            (Some(Some(Token::TakesMore)), _) => self.take(self.amount + 1),
            (Some(Some(Token::TakesDollars)), _) => {
                "USD".clone_into(&mut self.currency);
                self.take(self.amount);
            }
            (Some(Some(Token::Debits)), _) => self.state = State::Processing,
            (Some(Some(Token::Declines)), _) => return problem(402, "the card was declined"),
            (Some(None), _) => return problem(402, "this token is not known"),
            (None, State::BuyerDeclined) => return problem(402, "the buyer's card was declined"),
            (None, _) => {}
        }
        ok(self.document())
    }

    fn take(&mut self, amount: i64) {
        self.state = State::Captured;
        self.captured = amount;
    }

    /// Deliberately unbounded: this ledger exists to show the shop's mistakes.
    fn refund(&mut self, key: Option<String>, amount: i64, pending: bool, at: Time) -> Said {
        if self.captured == 0 {
            return problem(422, "nothing was taken");
        }
        self.refunds.push(Refund { key, amount, at, pending });
        ok(json!({"state": if pending { "pending" } else { "done" }}))
    }

    fn listed(&self, lag: Duration, now: Time) -> Value {
        let seen = self.refunds.iter().filter(|refund| now.since(refund.at) >= lag);
        let items: Vec<Value> = seen
            .map(|refund| json!({"key": refund.key, "amount": refund.amount, "pending": refund.pending}))
            .collect();
        json!({"currency": self.currency, "items": items})
    }
}

fn fingerprint(asked: &Asked) -> String {
    format!("{} {} {}", asked.method, asked.path, asked.body)
}

fn ok(body: Value) -> Said {
    Said { status: 200, body }
}

fn problem(status: u16, error: &str) -> Said {
    Said { status, body: json!({"error": error}) }
}
