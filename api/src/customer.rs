//! The customer behind a token: in our rows, what is theirs is theirs by an id of ours.

use holdfast_saga::records::Identity;
use holdfast_shared::CustomerId;

use crate::app::App;
use crate::auth::Caller;
use crate::problem::Problem;

impl App {
    /// The caller as a customer, who is made known if they are not yet; `None` for a guest. For what makes something theirs.
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

    /// The caller as a customer; `None` for a guest, and for one of whom nothing is kept. For what only reads.
    pub(crate) async fn known_customer(&self, caller: &Caller) -> Result<Option<CustomerId>, Problem> {
        let Some(sub) = caller.sub() else { return Ok(None) };
        Ok(self.store.known_customer(&self.identity(sub)).await?)
    }

    /// The caller as the owner of what is there: one of whom nothing is kept owns nothing, as does an id that nobody has. Or
    /// 401.
    pub(crate) async fn owner(&self, caller: &Caller) -> Result<CustomerId, Problem> {
        caller.known()?;
        Ok(self.known_customer(caller).await?.unwrap_or_else(CustomerId::random))
    }

    /// Whose things the caller may list: `None` for everybody's. Or 401.
    pub(crate) async fn listed_customer(&self, caller: &Caller) -> Result<Option<CustomerId>, Problem> {
        caller.known()?;
        if caller.sees_all() { Ok(None) } else { self.owner(caller).await.map(Some) }
    }

    fn identity(&self, sub: &str) -> Identity {
        Identity { issuer: self.verifier.issuer().to_owned(), sub: sub.to_owned() }
    }
}
