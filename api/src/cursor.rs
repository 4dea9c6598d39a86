//! Cursors of lists: opaque, and of one list with its filters alone.
//!
//! A cursor is a position and a code, computed from a secret in the database. So it cannot be made up, edited, or taken
//! to another list, where it would mean another place or none.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use holdfast_contract::input::At;
use holdfast_contract::problem::Code;
use holdfast_saga::ports::{Store, StoreError};
use sha2::Sha256;

use crate::problem::Problem;
use crate::shop_secret::ShopSecret;

/// The name of the secret in the database.
const SECRET: &str = "cursor";
/// Nobody gains anything by a guess, so few bytes are enough.
const CODE_LENGTH: usize = 9;

/// Makes and reads cursors.
#[derive(Debug, Clone)]
pub(crate) struct Cursors(ShopSecret);

impl Cursors {
    /// Reads the shop's secret.
    pub(crate) async fn load(store: &dyn Store) -> Result<Self, StoreError> {
        ShopSecret::load(store, SECRET).await.map(Self)
    }

    /// The cursors of the list `name` with `filter`, which says all that the list depends on.
    pub(crate) fn of(&self, name: &'static str, filter: &impl fmt::Debug) -> ListCursors {
        ListCursors(self.0.code().chain_update(name).chain_update([0]).chain_update(format!("{filter:?}")))
    }
}

/// The cursors of one list with its filters.
pub(crate) struct ListCursors(Hmac<Sha256>);

impl ListCursors {
    /// The cursor that stands for `position`.
    pub(crate) fn seal(&self, position: &str) -> String {
        let code = self.code(position).finalize().into_bytes();
        BASE64_URL_SAFE_NO_PAD.encode([&code[..CODE_LENGTH], position.as_bytes()].concat())
    }

    /// The position of `cursor`, which is at `at`; without a cursor the list begins at its beginning.
    pub(crate) fn open<T>(
        &self,
        cursor: Option<&str>,
        at: &At<'_>,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(cursor) = cursor else { return Ok(None) };
        self.position(cursor).as_deref().and_then(parse).map(Some).ok_or_else(|| {
            let detail =
                "the cursor is not of this list; send a next_cursor as it came, with the same filters";
            Problem::of_fault(at, Code::InvalidCursor, detail)
        })
    }

    fn position(&self, cursor: &str) -> Option<String> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (code, position) = bytes.split_at_checked(CODE_LENGTH)?;
        let position = std::str::from_utf8(position).ok()?;
        self.code(position).verify_truncated_left(code).ok()?;
        Some(position.to_owned())
    }

    fn code(&self, position: &str) -> Hmac<Sha256> {
        self.0.clone().chain_update([0]).chain_update(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f19_a_cursor_is_of_its_list_and_filters_alone_and_cannot_be_edited() {
        let cursors = Cursors(ShopSecret::with(&[7; 32]));
        let list = |name, filter: &'static str| cursors.of(name, &filter);
        let open = |list: &ListCursors, cursor: &str| list.position(cursor);
        for position in ["mug-01", "~a#b", "&=%", "1042.3", &"x".repeat(64)] {
            let cursor = list("products", "").seal(position);
            assert_eq!(open(&list("products", ""), &cursor).as_deref(), Some(position));
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            assert!(cursor.bytes().all(is_plain), "{cursor} would have to be escaped in a URL");
            assert_eq!(open(&list("orders", ""), &cursor), None, "another list");
            assert_eq!(open(&list("products", "active"), &cursor), None, "another filter");
            assert_eq!(
                open(&Cursors(ShopSecret::with(&[8; 32])).of("products", &""), &cursor),
                None,
                "another shop"
            );
            let edited = format!("{}A", &cursor[..cursor.len() - 1]);
            for foreign in
                [position, &edited, &cursor[1..], "", "A", &format!("{cursor}A"), &format!("{cursor}=")]
            {
                assert!(foreign == cursor || open(&list("products", ""), foreign).is_none(), "{foreign}");
            }
        }
    }
}
