//! Rules about providers that an adapter breaks, at the bank: M2, M3, M10, M11 and M26.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_saga::ports::{
    Account, At, Attempt, Caps, Charge, Closed, Fault, Movement, NamedRefund, Page, PaymentProvider,
    RefundState,
};
use holdfast_saga::records::PaymentObject;
use holdfast_saga::records::call::Mode;
use holdfast_shared::{Money, StepKey};

use super::check;
use crate::history::Rules;

/// What an adapter does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    /// M2: it opens another payment for each attempt.
    OpensAnew,
    /// M3: a lost answer counts as a no.
    CallsSilenceNo,
    /// M10: what is on its way counts as closed.
    CallsProcessingClosed,
    /// M11: what is still open counts as closed for good.
    CallsOpenClosed,
    /// M26: it does not say which refund is whose.
    ForgetsNames,
}

/// A provider behind an adapter with a mistake.
#[derive(Debug)]
struct Mistaken {
    provider: Arc<dyn PaymentProvider>,
    mistake: Mistake,
}

impl Mistaken {
    fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == mistake
    }

    fn heard<T>(&self, answer: Result<T, Fault>) -> Result<T, Fault> {
        match answer {
            Err(Fault::Unclear(error)) if self.makes(Mistake::CallsSilenceNo) => Err(Fault::Refused(error)),
            answer => answer,
        }
    }
}

#[async_trait]
impl PaymentProvider for Mistaken {
    fn name(&self) -> &str {
        self.provider.name()
    }

    fn caps(&self) -> Caps {
        Caps { closes: self.makes(Mistake::CallsOpenClosed), ..self.provider.caps() }
    }

    async fn ping(&self) -> Result<Account, Fault> {
        self.provider.ping().await
    }

    async fn open(&self, key: &StepKey, amount: Money) -> Result<PaymentObject, Fault> {
        self.provider.open(key, amount).await
    }

    async fn drive(&self, at: &At<'_>, attempt: &Attempt<'_>) -> Result<Charge, Fault> {
        if self.makes(Mistake::OpensAnew) && attempt.mode == Mode::Send {
            let key = StepKey::from_stored(format!("{}:anew", attempt.key));
            let object = self.provider.open(&key, attempt.amount).await?;
            return self.provider.drive(&At { object: Some(&object), ..*at }, attempt).await;
        }
        self.heard(self.provider.drive(at, attempt).await)
    }

    async fn look_up(&self, at: &At<'_>) -> Result<Charge, Fault> {
        self.provider.look_up(at).await
    }

    async fn close(&self, at: &At<'_>) -> Result<Closed, Fault> {
        match self.provider.close(at).await? {
            Closed::Processing if self.makes(Mistake::CallsProcessingClosed) => Ok(Closed::Closed),
            closed => Ok(closed),
        }
    }

    async fn refund(&self, at: &At<'_>, key: &StepKey, amount: Money) -> Result<RefundState, Fault> {
        self.heard(self.provider.refund(at, key, amount).await)
    }

    async fn refunds(&self, at: &At<'_>) -> Result<Vec<NamedRefund>, Fault> {
        let mut refunds = self.provider.refunds(at).await?;
        if self.makes(Mistake::ForgetsNames) {
            for refund in &mut refunds {
                refund.key = None;
            }
        }
        Ok(refunds)
    }

    async fn movements(&self, cursor: &str) -> Result<Option<Page<Movement>>, Fault> {
        self.provider.movements(cursor).await
    }
}

/// Rules of a shop at the bank whose adapter makes one mistake.
macro_rules! mistaken {
    ($mistake:ident) => {
        Rules {
            payments: |provider| Arc::new(Mistaken { provider, mistake: Mistake::$mistake }),
            ..Rules::at_the_bank()
        }
    };
}

const MONEY: &[&str] = &["Provider", "of its money is held", "Money"];

#[test]
fn m2_a_payment_for_each_attempt_is_noticed() {
    check(&mistaken!(OpensAnew), MONEY);
}

#[test]
fn m3_a_lost_answer_that_counts_as_a_no_is_noticed() {
    check(&mistaken!(CallsSilenceNo), MONEY);
}

#[test]
fn m10_money_on_its_way_that_is_given_up_is_noticed() {
    check(&mistaken!(CallsProcessingClosed), MONEY);
}

#[test]
fn m11_an_open_payment_that_counts_as_closed_is_noticed() {
    check(&mistaken!(CallsOpenClosed), MONEY);
}

#[test]
fn m26_refunds_without_names_are_noticed() {
    check(&mistaken!(ForgetsNames), &[MONEY, &["the dead do not stay alive"]].concat());
}
