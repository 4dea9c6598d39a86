//! Credentials that move real money: they are used only where the settings name the shop in the database, so that no copy
//! of it uses them by mistake (M42).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use holdfast_saga::ports::{Account, Fault, PaymentProvider, Providers};
use holdfast_saga::records::call::Answer;
use holdfast_shared::ShopId;
use tokio::time::timeout;

const PING_WITHIN: Duration = Duration::from_secs(1);

/// Credentials move real money, and the settings do not name the shop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the credentials of payment provider {provider} move real money (account {account}), and nothing says that this \
     is their shop: set HOLDFAST_SHOP_ID={shop} where shop {shop} takes its money, and nowhere else"
)]
pub struct UnnamedShop {
    provider: String,
    account: String,
    shop: ShopId,
}

/// Refuses credentials that move real money unless `named` is `shop`. A provider that does not answer now is asked again
/// before its first call.
pub fn refuse_unnamed_shop(
    payments: &Providers,
    named: Option<ShopId>,
    shop: ShopId,
) -> BoxFuture<'_, Result<(), UnnamedShop>> {
    Box::pin(async move {
        if named == Some(shop) {
            return Ok(());
        }
        let keys = LiveKeys::new(named);
        for provider in payments.names().filter_map(|name| payments.get(name)) {
            if let Ok(account) = keys.account(&**provider).await
                && account.live
            {
                return Err(unnamed(provider.name(), account, shop));
            }
        }
        Ok(())
    })
}

fn unnamed(provider: &str, account: Account, shop: ShopId) -> UnnamedShop {
    UnnamedShop { provider: provider.to_owned(), account: account.id, shop }
}

/// Which providers move real money, as far as they have been asked.
#[derive(Debug)]
pub(crate) struct LiveKeys {
    named: Option<ShopId>,
    /// By provider.
    accounts: Mutex<BTreeMap<String, Account>>,
}

impl LiveKeys {
    pub(crate) const fn new(named: Option<ShopId>) -> Self {
        Self { named, accounts: Mutex::new(BTreeMap::new()) }
    }

    /// Why `provider` may not be asked for anything in the name of `shop`, if it may not.
    pub(crate) async fn refusal(&self, provider: &dyn PaymentProvider, shop: ShopId) -> Option<Answer> {
        if self.named == Some(shop) {
            return None;
        }
        let account = match self.account(provider).await {
            Ok(account) => account,
            Err(Fault::Misconfigured { why, .. }) => return Some(Answer::NotHere { why }),
            Err(Fault::Refused(why)) => return Some(Answer::Parked { why }),
            Err(fault) => return Some(Answer::NotNow { retry_in: None, why: fault.to_string() }),
        };
        account.live.then(|| Answer::Parked { why: unnamed(provider.name(), account, shop).to_string() })
    }

    async fn account(&self, provider: &dyn PaymentProvider) -> Result<Account, Fault> {
        let known = || self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = known().get(provider.name()) {
            return Ok(account.clone());
        }
        let late =
            |_| Err(Fault::NotReached(format!("{} did not answer within {PING_WITHIN:?}", provider.name())));
        let account = timeout(PING_WITHIN, provider.ping()).await.unwrap_or_else(late)?;
        known().insert(provider.name().to_owned(), account.clone());
        Ok(account)
    }
}
