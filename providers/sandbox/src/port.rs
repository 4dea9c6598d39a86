//! The sandbox behind the provider port.
//!
//! It opens nothing: a charge is known by its key, and a void closes it also if the charge arrives later.

use holdfast_saga::ports::{Account, At, Attempt, Caps, Captured, Charge, Closed, Fault, Movement, Page};
use holdfast_saga::records::call::Mode;

use crate::{ChargeState, Operation, SandboxControl};

/// Its only account.
const ACCOUNT: &str = "sandbox";

pub(crate) fn caps(sandbox: &dyn SandboxControl) -> Caps {
    Caps { opens: false, closes: true, key_ttl: sandbox.key_ttl() }
}

pub(crate) async fn ping(sandbox: &dyn SandboxControl) -> Result<Account, Fault> {
    sandbox.reach().await?;
    Ok(Account { id: ACCOUNT.to_owned(), live: false })
}

pub(crate) async fn drive(
    sandbox: &dyn SandboxControl,
    at: &At<'_>,
    attempt: &Attempt<'_>,
) -> Result<Charge, Fault> {
    match attempt.mode {
        Mode::Send => {
            let (key, token) = (attempt.key.clone(), attempt.token.unwrap_or_default().to_owned());
            let asked = Operation::Charge { key, amount: attempt.amount, token };
            sandbox.request(asked).await?.into_state().map(charge)
        }
        Mode::Query => look_up(sandbox, at).await,
    }
}

pub(crate) async fn look_up(sandbox: &dyn SandboxControl, at: &At<'_>) -> Result<Charge, Fault> {
    Ok(sandbox.find(at.charge).await?.map_or(Charge::Open, charge))
}

pub(crate) async fn close(sandbox: &dyn SandboxControl, at: &At<'_>) -> Result<Closed, Fault> {
    match charge(sandbox.void(at.charge).await?) {
        Charge::Captured(captured) => Ok(Closed::Captured(captured)),
        Charge::Closed { .. } => Ok(Closed::Closed),
        Charge::Open | Charge::NeedsBuyer { .. } | Charge::AttemptDeclined { .. } | Charge::Processing => {
            Err(Fault::Unclear(format!("{} still waits although it was voided", at.charge)))
        }
    }
}

pub(crate) async fn movements(
    sandbox: &dyn SandboxControl,
    cursor: &str,
) -> Result<Option<Page<Movement>>, Fault> {
    let (items, next) = sandbox.statement_after(cursor).await?;
    Ok(Some(Page { items, next: next.map(|key| key.as_str().to_owned()) }))
}

fn charge(state: ChargeState) -> Charge {
    match state {
        ChargeState::RequiresAction { url } => Charge::NeedsBuyer { url },
        ChargeState::Captured { amount, refunded_minor, provider_ref } => {
            Charge::Captured(Captured { amount, refunded_minor, provider_ref })
        }
        ChargeState::Declined { reason } => Charge::Closed { declined: Some(reason) },
        ChargeState::Voided => Charge::Closed { declined: None },
    }
}

/// The port for one way to a sandbox. It is another crate's trait, so that no blanket implementation can do it.
macro_rules! payment_provider {
    ($sandbox:ty) => {
        #[async_trait::async_trait]
        impl holdfast_saga::ports::PaymentProvider for $sandbox {
            fn name(&self) -> &str {
                $crate::SandboxControl::registered_as(self)
            }

            fn caps(&self) -> holdfast_saga::ports::Caps {
                $crate::port::caps(self)
            }

            async fn ping(&self) -> Result<holdfast_saga::ports::Account, holdfast_saga::ports::Fault> {
                $crate::port::ping(self).await
            }

            async fn drive(
                &self,
                at: &holdfast_saga::ports::At<'_>,
                attempt: &holdfast_saga::ports::Attempt<'_>,
            ) -> Result<holdfast_saga::ports::Charge, holdfast_saga::ports::Fault> {
                $crate::port::drive(self, at, attempt).await
            }

            async fn look_up(
                &self,
                at: &holdfast_saga::ports::At<'_>,
            ) -> Result<holdfast_saga::ports::Charge, holdfast_saga::ports::Fault> {
                $crate::port::look_up(self, at).await
            }

            async fn close(
                &self,
                at: &holdfast_saga::ports::At<'_>,
            ) -> Result<holdfast_saga::ports::Closed, holdfast_saga::ports::Fault> {
                $crate::port::close(self, at).await
            }

            async fn refund(
                &self,
                at: &holdfast_saga::ports::At<'_>,
                key: &holdfast_shared::StepKey,
                amount: holdfast_shared::Money,
            ) -> Result<holdfast_saga::ports::RefundState, holdfast_saga::ports::Fault> {
                $crate::SandboxControl::give_back(self, key, at.charge, amount.amount_minor).await?;
                Ok(holdfast_saga::ports::RefundState::Done)
            }

            async fn refunds(
                &self,
                at: &holdfast_saga::ports::At<'_>,
            ) -> Result<Vec<holdfast_saga::ports::NamedRefund>, holdfast_saga::ports::Fault> {
                $crate::SandboxControl::refunds_of(self, at.charge).await
            }

            async fn movements(
                &self,
                cursor: &str,
            ) -> Result<
                Option<holdfast_saga::ports::Page<holdfast_saga::ports::Movement>>,
                holdfast_saga::ports::Fault,
            > {
                $crate::port::movements(self, cursor).await
            }
        }
    };
}
pub(crate) use payment_provider;
