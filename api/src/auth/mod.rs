//! Authentication: bearer tokens, and what each role may do.
//!
//! A token is a JWT with `sub`, `role`, `exp`, `iss` and `aud`, signed with the shop's HS256 secret or with one of the
//! keys of a JWKS file. A guest has no token: the id of a cart and the token of an order cannot be guessed, and are
//! all that a guest sends.

mod caller;
mod crypto;
mod keys;
mod token;

pub(crate) use self::caller::{Admin, Operator};
pub use self::caller::{Caller, Role};
pub use self::keys::{KeyError, SECRET_BYTES_MIN, TokenSettings};
pub(crate) use self::token::{Authenticated, ValidUntil};
pub use self::token::{Verifier, sign};
