//! Codes that only this shop can make: keyed by a secret in its database, so all replicas agree.

use std::fmt;

use hmac::{Hmac, KeyInit};
use holdfast_saga::ports::{Store, StoreError};
use sha2::Sha256;

/// A secret of the shop, as the key of codes (HMAC-SHA256).
#[derive(Clone)]
pub(crate) struct ShopSecret(Hmac<Sha256>);

impl fmt::Debug for ShopSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShopSecret(..)")
    }
}

impl ShopSecret {
    /// Reads the shop's secret of this name; the first API of a shop creates it.
    pub(crate) async fn load(store: &dyn Store, name: &str) -> Result<Self, StoreError> {
        Ok(Self::with(&store.secret(name, rand::random()).await?))
    }

    pub(crate) fn with(secret: &[u8; 32]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("a key of any length will do"))
    }

    /// A code, before its text.
    pub(crate) fn code(&self) -> Hmac<Sha256> {
        self.0.clone()
    }
}
