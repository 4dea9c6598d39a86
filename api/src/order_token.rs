//! A guest's token for their order. It gives access to that order, and to nothing else.
//!
//! It is computed from the order's public id and a secret in the database. So all replicas agree, a replayed checkout
//! returns the same token, and no token is stored.

use std::array;

use hmac::Mac;
use holdfast_saga::ports::{Store, StoreError};
use uuid::Uuid;
use uuid::fmt::Simple;

use crate::shop_secret::ShopSecret;

/// The name of the secret in the database.
const SECRET: &str = "order_token";
/// Distinguishes it from other tokens.
const PREFIX: &str = "ot_";

/// Creates and verifies tokens.
#[derive(Debug, Clone)]
pub(crate) struct OrderTokens(ShopSecret);

impl OrderTokens {
    /// Reads the shop's secret.
    pub(crate) async fn load(store: &dyn Store) -> Result<Self, StoreError> {
        ShopSecret::load(store, SECRET).await.map(Self)
    }

    /// The token of an order.
    pub(crate) fn of(&self, order: Uuid) -> String {
        let code = self.0.code().chain_update(order.as_bytes()).finalize().into_bytes();
        // 128 bits cannot be guessed. A UUID has 128 bits, so the code is formatted as one without hyphens.
        format!("{PREFIX}{}", Uuid::from_bytes(array::from_fn(|at| code[at])).simple())
    }

    /// Whether `token` is the token of `order`, in constant time.
    pub(crate) fn fits(&self, token: &str, order: Uuid) -> bool {
        let code = token.strip_prefix(PREFIX).filter(|code| code.len() == Simple::LENGTH);
        let Some(code) = code.and_then(|code| Uuid::try_parse(code).ok()) else { return false };
        self.0.code().chain_update(order.as_bytes()).verify_truncated_left(code.as_bytes()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_its_own_order_only() {
        let tokens = OrderTokens(ShopSecret::with(&[7; 32]));
        let (mine, theirs) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let token = tokens.of(mine);
        assert_eq!(token.len(), PREFIX.len() + Simple::LENGTH);
        assert!(tokens.fits(&token, mine));
        assert!(!tokens.fits(&token, theirs));
        assert!(!OrderTokens(ShopSecret::with(&[8; 32])).fits(&token, mine));
        let hyphenated = format!("{PREFIX}{}", Uuid::try_parse(&token[3..]).expect("a code").hyphenated());
        // A number parser would accept a sign before the digits.
        let signed = format!("{PREFIX}+{}", &token[4..]);
        for wrong in ["", "ot_", "ot_00", &token[..token.len() - 2], &token[3..], &hyphenated, &signed] {
            assert!(!tokens.fits(wrong, mine), "{wrong}");
        }
    }
}
