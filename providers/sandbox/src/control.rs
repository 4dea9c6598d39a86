//! What happens at a provider without the shop: the buyer acts, an operator settles something.

use async_trait::async_trait;
use holdfast_saga::ports::{ChargeState, Fault, PaymentProvider};
use holdfast_shared::StepKey;

/// The sandbox from the other side. The shop hears of nothing that is done here, unless it asks or a
/// webhook tells it.
#[async_trait]
pub trait SandboxControl: PaymentProvider {
    /// The buyer agrees to pay `charge`, or refuses. A charge that does not wait stays as it is.
    async fn complete_action(&self, charge: &StepKey, approved: bool) -> Result<ChargeState, Fault>;

    /// The charges that wait for their buyer, by key.
    async fn waiting_actions(&self) -> Result<Vec<StepKey>, Fault>;

    /// From now on `charge` gives money back, whatever its token says.
    async fn allow_refunds(&self, charge: &StepKey) -> Result<(), Fault>;
}
