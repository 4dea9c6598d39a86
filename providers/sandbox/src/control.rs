//! The sandbox in its own terms: what a shop asks of it, and what happens there without one.

use std::time::Duration;

use async_trait::async_trait;
use holdfast_saga::ports::{Fault, Movement, NamedRefund, PaymentProvider};
use holdfast_shared::{Money, StepKey};

use crate::{ChargeState, NAME, Operation, Reply};

/// Part of a list, and the key after which it goes on.
pub type Part<T> = (Vec<T>, Option<StepKey>);

/// The sandbox in its own terms. The shop hears of nothing that the buyer or an operator does here, unless it asks or a
/// webhook tells it.
#[async_trait]
pub trait SandboxControl: PaymentProvider {
    /// The name it is registered under.
    fn registered_as(&self) -> &str {
        NAME
    }

    /// How long it recognises a key.
    fn key_ttl(&self) -> Duration;

    /// Carries `operation` out, and says what the ledger says.
    async fn request(&self, operation: Operation) -> Result<Reply, Fault>;

    /// What went back of `charge`, by key.
    async fn refunds_of(&self, charge: &StepKey) -> Result<Vec<NamedRefund>, Fault>;

    /// The statement on the next charges after the key `after`.
    async fn statement_after(&self, after: &str) -> Result<Part<Movement>, Fault>;

    /// The charges that wait for their buyer, by key.
    async fn waiting_actions(&self) -> Result<Vec<StepKey>, Fault>;

    /// Whether it can be reached.
    async fn reach(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// Takes `amount`, once per key.
    async fn charge(&self, key: &StepKey, amount: Money, token: &str) -> Result<ChargeState, Fault> {
        let charge = Operation::Charge { key: key.clone(), amount, token: token.to_owned() };
        self.request(charge).await?.into_state()
    }

    /// What it knows of a charge; `None` proves nothing: it may still be under way.
    async fn find(&self, charge: &StepKey) -> Result<Option<ChargeState>, Fault> {
        self.request(Operation::LookUp { key: charge.clone() }).await?.into_found()
    }

    /// Makes sure that no money will ever move under `charge`. Money that was captured already stays captured.
    async fn void(&self, charge: &StepKey) -> Result<ChargeState, Fault> {
        self.request(Operation::Void { key: charge.clone() }).await?.into_state()
    }

    /// Gives `amount_minor` of `charge` back, once per key.
    async fn give_back(&self, key: &StepKey, charge: &StepKey, amount_minor: i64) -> Result<(), Fault> {
        let (key, charge) = (key.clone(), charge.clone());
        self.request(Operation::Refund { key, charge, amount_minor }).await?.into_done()
    }

    /// The buyer agrees to pay `charge`, or refuses. A charge that does not wait stays as it is.
    async fn complete_action(&self, charge: &StepKey, approved: bool) -> Result<ChargeState, Fault> {
        self.request(Operation::CompleteAction { key: charge.clone(), approved }).await?.into_state()
    }

    /// From now on `charge` gives money back, whatever its token says.
    async fn allow_refunds(&self, charge: &StepKey) -> Result<(), Fault> {
        self.request(Operation::AllowRefunds { charge: charge.clone() }).await?.into_done()
    }

    /// Every charge it knows of, other shops' included.
    async fn statement(&self) -> Result<Vec<Movement>, Fault> {
        let (mut lines, mut after) = (Vec::new(), String::new());
        loop {
            let (part, next) = self.statement_after(&after).await?;
            lines.extend(part);
            match next {
                None => return Ok(lines),
                Some(next) => next.as_str().clone_into(&mut after),
            }
        }
    }
}
