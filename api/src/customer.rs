//! The customer behind a token. Orders and carts refer to customers by a random id of ours.

use holdfast_saga::records::Identity;
use holdfast_shared::CustomerId;

use crate::app::App;
use crate::auth::Caller;
use crate::problem::Problem;

impl App {
    /// The caller's customer id; `None` for a guest. A caller without a customer record gets one. For writes.
    pub(crate) async fn customer(&self, caller: &Caller) -> Result<Option<CustomerId>, Problem> {
        match caller {
            Caller::Guest => Ok(None),
            Caller::Known { .. } => self.customer_with_token(caller).await.map(Some),
        }
    }

    /// The same, or 401 for a guest.
    pub(crate) async fn customer_with_token(&self, caller: &Caller) -> Result<CustomerId, Problem> {
        Ok(self.store.customer(&self.identity(caller.known()?), CustomerId::random()).await?)
    }

    /// The caller's customer id; `None` for a guest, and for a caller without a customer record. For reads.
    pub(crate) async fn known_customer(&self, caller: &Caller) -> Result<Option<CustomerId>, Problem> {
        let Some(sub) = caller.sub() else { return Ok(None) };
        Ok(self.store.known_customer(&self.identity(sub)).await?)
    }

    /// The caller's customer id, or 401 for a guest. Without a customer record it is one that nobody has, and owns nothing.
    pub(crate) async fn owner(&self, caller: &Caller) -> Result<CustomerId, Problem> {
        let known = self.store.known_customer(&self.identity(caller.known()?)).await?;
        Ok(known.unwrap_or_else(CustomerId::random))
    }

    /// The customer whose records the caller may list; `None`: everybody's. Or 401 for a guest.
    pub(crate) async fn listed_customer(&self, caller: &Caller) -> Result<Option<CustomerId>, Problem> {
        if caller.sees_all() { Ok(None) } else { self.owner(caller).await.map(Some) }
    }

    /// Who the bearer of a token with this `sub` is.
    pub(crate) fn identity(&self, sub: &str) -> Identity {
        Identity { issuer: self.verifier.issuer().to_owned(), sub: sub.to_owned() }
    }
}
