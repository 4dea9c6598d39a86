//! The rules of the sandbox: what it takes, gives back, remembers and refuses. No I/O, no clock.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_saga::ports::{Movement, NamedRefund};
use holdfast_shared::{Money, StepKey, Time};

use crate::operation::payer;
use crate::{Capture, Charge, Operation, Refund, Refunds, Reply, Standing, Token};

/// How often `tok_flaky` fails for one order before it captures.
const FLAKY_FAILURES: u32 = 2;

/// The ledger: all of it, or the part that some operations concern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    key_ttl: Duration,
    charges: BTreeMap<StepKey, Charge>,
    refunds: BTreeMap<StepKey, Refund>,
    failures: BTreeMap<String, u32>,
}

/// One row of the ledger as it is from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A charge.
    Charge(StepKey, Charge),
    /// A refund.
    Refund(StepKey, Refund),
    /// How often `tok_flaky` has failed for a payer.
    Failures(String, u32),
}

/// What the rules say: the answer, and what it rests on.
type Decision = (Reply, Vec<Entry>);

impl Ledger {
    /// An empty ledger that recognises a key for `key_ttl`.
    pub const fn new(key_ttl: Duration) -> Self {
        Self { key_ttl, charges: BTreeMap::new(), refunds: BTreeMap::new(), failures: BTreeMap::new() }
    }

    /// How long a key is recognised.
    pub const fn key_ttl(&self) -> Duration {
        self.key_ttl
    }

    /// Carries `operation` out.
    ///
    /// The entries are durable, all or none, before the reply goes out. Replaying them on the ledger as
    /// it was gives the ledger as it is.
    pub fn handle(&mut self, operation: &Operation, now: Time) -> (Reply, Vec<Entry>) {
        let (reply, entries) = self.decide(operation, now);
        for entry in &entries {
            self.replay(entry.clone());
        }
        (reply, entries)
    }

    /// Puts an entry into the ledger, over what it said before.
    pub fn replay(&mut self, entry: Entry) {
        match entry {
            Entry::Charge(key, charge) => {
                self.charges.insert(key, charge);
            }
            Entry::Refund(key, refund) => {
                self.refunds.insert(key, refund);
            }
            Entry::Failures(payer, count) => {
                self.failures.insert(payer, count);
            }
        }
    }

    /// Every charge, by key.
    pub fn statement(&self) -> Vec<Movement> {
        self.charges.iter().filter_map(|(key, charge)| charge.line(key)).collect()
    }

    /// What went back of `charge`, by key.
    pub fn refunds(&self, charge: &StepKey) -> Vec<NamedRefund> {
        let of_charge = self.refunds.iter().filter(|(_, refund)| refund.charge == *charge);
        of_charge.map(|(key, refund)| refund.named(key)).collect()
    }

    /// The charges that wait for their buyer, by key.
    pub fn waiting_actions(&self) -> Vec<StepKey> {
        let waits = |charge: &Charge| matches!(charge.standing, Standing::RequiresAction { .. });
        self.charges.iter().filter(|(_, charge)| waits(charge)).map(|(key, _)| key.clone()).collect()
    }

    fn decide(&self, operation: &Operation, now: Time) -> Decision {
        match operation {
            Operation::Charge { key, amount, token } => self.charge(key, *amount, token, now),
            Operation::LookUp { key } => match self.charges.get(key) {
                Some(charge) => stands(key, charge),
                None => (Reply::NotKnown, vec![]),
            },
            Operation::Void { key } => self.void(key, now),
            Operation::Refund { key, charge, amount_minor } => self.refund(key, charge, *amount_minor, now),
            Operation::CompleteAction { key, approved } => self.complete_action(key, *approved),
            Operation::AllowRefunds { charge } => self.allow_refunds(charge),
        }
    }

    /// A key that is remembered answers as before; a void is remembered for ever.
    fn charge(&self, key: &StepKey, amount: Money, token: &str, now: Time) -> Decision {
        let Some(charge) = self.charges.get(key) else {
            return self.charge_anew(key, amount, token, now);
        };
        match charge.amount() {
            None => stands(key, charge),
            Some(_) if !charge.is_remembered(now, self.key_ttl) => self.charge_anew(key, amount, token, now),
            Some(known) if known == amount => stands(key, charge),
            Some(known) => refused(format!("key {key} was used for another amount: {known}, now {amount}")),
        }
    }

    fn charge_anew(&self, key: &StepKey, amount: Money, token: &str, now: Time) -> Decision {
        let earlier = self.charges.get(key);
        if amount.amount_minor < 0 {
            return refused(format!("charge {key}: {amount} cannot be taken"));
        }
        if earlier.and_then(Charge::amount).is_some_and(|known| known.currency != amount.currency) {
            return refused(format!("charge {key} is in another currency than {}", amount.currency));
        }
        match Token::named(token) {
            Some(Token::Ok) => capture(key, earlier, amount, Refunds::Open, now),
            Some(Token::RefundFails) => capture(key, earlier, amount, Refunds::Refused, now),
            Some(Token::Timeout) => match capture(key, earlier, amount, Refunds::Open, now) {
                (Reply::Stands(_), entries) => (Reply::AnswerLost, entries),
                other => other,
            },
            Some(Token::Flaky) => {
                let payer = payer(key);
                let failures = self.failures.get(&payer).copied().unwrap_or(0);
                if failures >= FLAKY_FAILURES {
                    return capture(key, earlier, amount, Refunds::Open, now);
                }
                let message = format!("the sandbox failed {} of {FLAKY_FAILURES} times", failures + 1);
                (Reply::NotDone(message), vec![Entry::Failures(payer, failures + 1)])
            }
            Some(Token::Down) => (Reply::NotDone("the sandbox is down for this token".to_owned()), vec![]),
            Some(Token::RequiresAction) => {
                take_nothing(key, earlier, Standing::RequiresAction { amount }, now)
            }
            Some(Token::Declined) => {
                take_nothing(key, earlier, declined(amount, "the card was declined"), now)
            }
            None => take_nothing(key, earlier, declined(amount, "unknown token"), now),
        }
    }

    fn void(&self, key: &StepKey, now: Time) -> Decision {
        let Some(charge) = self.charges.get(key) else {
            return keep(key, now, Standing::Voided);
        };
        match charge.standing {
            Standing::RequiresAction { .. } => keep(key, charge.keyed_at, Standing::Voided),
            // Money that was taken is not for a void to give back; a refusal is as good as a void.
            Standing::Captured(_) | Standing::Declined { .. } | Standing::Voided => stands(key, charge),
        }
    }

    /// Gives money back, once per key that is remembered.
    ///
    /// The sum of refunds is deliberately not held below what was captured: this ledger exists to show
    /// the shop's mistakes, not to hide them.
    fn refund(&self, key: &StepKey, of: &StepKey, amount_minor: i64, now: Time) -> Decision {
        let earlier = self.refunds.get(key);
        if let Some(refund) = earlier.filter(|refund| refund.is_remembered(now, self.key_ttl)) {
            return if refund.charge == *of && refund.amount_minor == amount_minor {
                (Reply::Done, vec![])
            } else {
                refused(format!("key {key} was used for another refund"))
            };
        }
        let Some((charge, capture)) = self.captured(of) else {
            return refused(format!("refund {key}: charge {of} holds no money"));
        };
        if capture.refunds == Refunds::Refused {
            return refused("the sandbox refuses refunds for tok_refund_fails".to_owned());
        }
        let moved_minor = earlier.map_or(0, |refund| refund.moved_minor).checked_add(amount_minor);
        let refunded_minor = capture.refunded_minor.checked_add(amount_minor);
        let (Some(moved_minor), Some(refunded_minor), true) = (moved_minor, refunded_minor, amount_minor > 0)
        else {
            return refused(format!("refund {key}: {amount_minor} cannot be given back"));
        };
        let refund = Refund { charge: of.clone(), amount_minor, moved_minor, keyed_at: now };
        let (_, mut entries) =
            keep(of, charge.keyed_at, Standing::Captured(Capture { refunded_minor, ..capture }));
        entries.push(Entry::Refund(key.clone(), refund));
        (Reply::Done, entries)
    }

    fn complete_action(&self, key: &StepKey, approved: bool) -> Decision {
        let Some(charge) = self.charges.get(key) else {
            return refused(format!("charge {key} is not known"));
        };
        match charge.standing {
            Standing::RequiresAction { amount } if approved => {
                capture(key, None, amount, Refunds::Open, charge.keyed_at)
            }
            Standing::RequiresAction { amount } => {
                keep(key, charge.keyed_at, declined(amount, "the buyer refused to pay"))
            }
            Standing::Captured(_) | Standing::Declined { .. } | Standing::Voided => stands(key, charge),
        }
    }

    fn allow_refunds(&self, key: &StepKey) -> Decision {
        let Some((charge, capture)) = self.captured(key) else {
            return refused(format!("charge {key} holds no money"));
        };
        let open = Standing::Captured(Capture { refunds: Refunds::Open, ..capture });
        (Reply::Done, keep(key, charge.keyed_at, open).1)
    }

    fn captured(&self, key: &StepKey) -> Option<(&Charge, Capture)> {
        let charge = self.charges.get(key)?;
        captured_by(charge).map(|capture| (charge, capture))
    }
}

/// Takes the money, besides what the charge may have taken under the same key, long ago.
fn capture(key: &StepKey, earlier: Option<&Charge>, amount: Money, refunds: Refunds, at: Time) -> Decision {
    let before = earlier.and_then(captured_by);
    let held_minor = before.map_or(0, |capture| capture.captured_minor);
    let Some(captured_minor) = held_minor.checked_add(amount.amount_minor) else {
        return refused(format!("charge {key}: {amount} more cannot be counted"));
    };
    let refunded_minor = before.map_or(0, |capture| capture.refunded_minor);
    keep(key, at, Standing::Captured(Capture { amount, captured_minor, refunded_minor, refunds }))
}

/// Takes nothing for now. A charge that took money under the same key, long ago, keeps it: it only
/// refuses more.
fn take_nothing(key: &StepKey, earlier: Option<&Charge>, standing: Standing, at: Time) -> Decision {
    match earlier.and_then(captured_by) {
        Some(capture) => {
            let refusal =
                Charge { keyed_at: at, standing: declined(capture.amount, "it has been paid before") };
            stands(key, &refusal)
        }
        None => keep(key, at, standing),
    }
}

fn captured_by(charge: &Charge) -> Option<Capture> {
    match charge.standing {
        Standing::Captured(capture) => Some(capture),
        Standing::RequiresAction { .. } | Standing::Declined { .. } | Standing::Voided => None,
    }
}

fn declined(amount: Money, reason: &str) -> Standing {
    Standing::Declined { amount, reason: reason.to_owned() }
}

fn keep(key: &StepKey, keyed_at: Time, standing: Standing) -> Decision {
    let charge = Charge { keyed_at, standing };
    (Reply::Stands(charge.state(key)), vec![Entry::Charge(key.clone(), charge)])
}

fn stands(key: &StepKey, charge: &Charge) -> Decision {
    (Reply::Stands(charge.state(key)), vec![])
}

fn refused(message: String) -> Decision {
    (Reply::Refused(message), vec![])
}
