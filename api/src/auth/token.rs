//! Tokens: verifying and signing them.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use holdfast_shared::Time;
use jsonwebtoken::{Algorithm, EncodingKey, Header, decode, decode_header, encode};
use serde::{Deserialize, Serialize};

use super::caller::{Caller, Role};
use super::crypto;
use super::keys::{Key, KeyError, Keys, TokenSettings, check_secret};
use crate::problem::Problem;
use holdfast_contract::problem::Code;

/// The most characters of a `sub`.
const SUBJECT_MAX: usize = 200;

/// The claims of a token.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claims {
    sub: String,
    role: Role,
    exp: i64,
    iat: i64,
    iss: String,
    aud: String,
}

/// The claims that are read. The library checks `exp`, `aud` and `iss`.
#[derive(Debug, Deserialize)]
struct AccessClaims {
    sub: String,
    role: Role,
    exp: i64,
}

/// Who sent a request, and until when that is known.
pub(crate) struct Authenticated {
    pub(crate) caller: Caller,
    pub(crate) until: ValidUntil,
}

/// When the token of a request expires; `None` without one. What is sent for longer than a response ends then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ValidUntil(pub(crate) Option<Time>);

/// Verifies tokens with the shop's keys.
#[derive(Clone)]
pub struct Verifier {
    keys: Keys,
    settings: TokenSettings,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Verifier {
    /// Verifies tokens that are signed with a secret of the issuer and the shop.
    pub fn with_secret(secret: &str, settings: TokenSettings) -> Result<Self, KeyError> {
        Self::with_secrets(&[secret.to_owned()], settings)
    }

    /// The same with any of several secrets: while one replaces another, tokens of both are valid.
    pub fn with_secrets(secrets: &[String], settings: TokenSettings) -> Result<Self, KeyError> {
        Ok(Self { keys: Keys::from_secrets(secrets, &settings)?, settings })
    }

    /// Verifies tokens that are signed with one of the keys in a JWKS file. Refuses keys that cannot be used.
    pub fn with_jwks(path: &Path, settings: TokenSettings) -> Result<Self, KeyError> {
        Ok(Self { keys: Keys::from_jwks(path, &settings)?, settings })
    }

    /// The issuer of the tokens.
    pub(crate) fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// The caller that a token belongs to.
    fn verify(&self, token: &str) -> Result<Authenticated, Problem> {
        let refuse = |why: String| Problem::new(Code::InvalidToken, why);
        let invalid = |error: jsonwebtoken::errors::Error| {
            use jsonwebtoken::errors::ErrorKind as E;
            refuse(match error.kind() {
                E::ExpiredSignature => "the token has expired; get a new one".to_owned(),
                E::InvalidAudience => format!("the token is not for {:?} (aud)", self.settings.audience),
                E::InvalidIssuer => format!("the token is not from {:?} (iss)", self.settings.issuer),
                E::MissingRequiredClaim(claim) => format!("the token lacks the claim {claim}"),
                E::Json(_) => {
                    "the token needs a `sub` and a `role` of customer, admin or operator".to_owned()
                }
                _ => "the token is not valid for this shop".to_owned(),
            })
        };
        let header = decode_header(token).map_err(invalid)?;
        if let Some(extensions) = header.crit {
            return Err(refuse(format!(
                "the token demands what this shop does not know (crit): {extensions:?}"
            )));
        }
        // A key or a token without a `kid` may belong to any other.
        let named = |key: &&Key| key.name.is_none() || header.kid.is_none() || key.name == header.kid;
        let mut found =
            Err(refuse("the token is not valid for this shop: none of its keys signed it".to_owned()));
        for key in self.keys.0.iter().filter(named) {
            match decode::<AccessClaims>(token, &key.decoding, &key.rules) {
                Ok(data) => {
                    found = Ok(data.claims);
                    break;
                }
                // Signed by this key, and still invalid: that is the reason to return.
                Err(error) if !is_signed_by_another_key(&error) => return Err(invalid(error)),
                Err(_) => {}
            }
        }
        let claims = found?;
        if claims.sub.is_empty() || claims.sub.len() > SUBJECT_MAX || claims.sub.chars().any(char::is_control)
        {
            return Err(refuse(format!("`sub` must have 1 to {SUBJECT_MAX} characters on one line")));
        }
        let until = ValidUntil(Some(Time::from_micros(claims.exp.saturating_mul(1_000_000))));
        Ok(Authenticated { caller: Caller::Known { sub: claims.sub, role: claims.role }, until })
    }

    /// The caller that sent these headers. A request with an invalid token is refused, never handled as a guest's.
    pub(crate) fn caller(&self, parts: &Parts) -> Result<Authenticated, Problem> {
        let Some(header) = parts.headers.get(AUTHORIZATION) else {
            return Ok(Authenticated { caller: Caller::Guest, until: ValidUntil(None) });
        };
        let token = header.to_str().ok().and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let expected = "expected the header Authorization: Bearer <token>";
        let token = token.ok_or_else(|| Problem::new(Code::InvalidToken, expected))?;
        self.verify(token)
    }
}

/// Signs a token, for `holdfast token` and the demo.
pub fn sign(
    secret: &str,
    settings: &TokenSettings,
    sub: &str,
    role: Role,
    valid: Duration,
) -> Result<String, KeyError> {
    check_secret(secret)?;
    crypto::install();
    let now = Time::system_now();
    let claims = Claims {
        sub: sub.to_owned(),
        role,
        iat: now.as_millis() / 1_000,
        exp: (now + valid).as_millis() / 1_000,
        iss: settings.issuer.clone(),
        aud: settings.audience.clone(),
    };
    let key = EncodingKey::from_secret(secret.as_bytes());
    // HS256 over a struct of strings and numbers cannot fail.
    Ok(encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap_or_default())
}

/// Whether the only fault of a token is that another key signed it.
fn is_signed_by_another_key(error: &jsonwebtoken::errors::Error) -> bool {
    use jsonwebtoken::errors::ErrorKind as E;
    matches!(error.kind(), E::InvalidSignature | E::InvalidAlgorithm)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn check(sign_for: (&str, &TokenSettings, Duration), expected: Result<(), &str>) {
        let (secret, settings, valid) = sign_for;
        let token = sign(secret, settings, "ada", Role::Admin, valid).expect("a long enough secret");
        let verifier = Verifier::with_secret(SECRET, TokenSettings::default()).expect("a long enough secret");
        let caller = verifier.verify(&token).map(|known| known.caller);
        let caller = caller.map_err(|problem| format!("{problem:?}"));
        match expected {
            Ok(()) => assert_eq!(caller, Ok(Caller::Known { sub: "ada".to_owned(), role: Role::Admin })),
            Err(reason) => {
                let is_refused = caller.as_ref().is_err_and(|problem| problem.contains(reason));
                assert!(is_refused, "{caller:?}, not {reason}");
            }
        }
    }

    #[test]
    fn a_token_is_valid_for_its_time_its_issuer_its_audience_and_its_signature() {
        let ours = TokenSettings::default();
        let hour = Duration::from_hours(1);
        check((SECRET, &ours, hour), Ok(()));
        check(("another secret, also long enough!!!", &ours, hour), Err("not valid for this shop"));
        check((SECRET, &TokenSettings { issuer: "them".to_owned(), ..ours.clone() }, hour), Err("(iss)"));
        check((SECRET, &TokenSettings { audience: "them".to_owned(), ..ours.clone() }, hour), Err("(aud)"));
    }

    #[test]
    fn f29_while_a_secret_is_rotated_two_are_valid() {
        let texts = [
            "the new secret, which is long enough",
            "the old secret, which is long enough",
            "a third secret, which is long enough",
        ];
        let secrets: Vec<String> = texts[..2].iter().map(|text| (*text).to_owned()).collect();
        let verifier = Verifier::with_secrets(&secrets, TokenSettings::default()).expect("long enough");
        let is_valid = |secret: &str| {
            let token = sign(secret, &TokenSettings::default(), "ada", Role::Admin, Duration::from_hours(1));
            verifier.verify(&token.expect("long enough")).is_ok()
        };
        assert_eq!(texts.map(is_valid), [true, true, false]);
        let short =
            Verifier::with_secrets(&[secrets[0].clone(), "hunter2".to_owned()], TokenSettings::default());
        assert!(short.is_err());
    }

    #[test]
    fn f29_a_token_that_demands_what_nobody_knows_is_refused() {
        for crit in [&["b64"][..], &["exp", "x"], &[]] {
            let claims = Claims {
                sub: "ada".to_owned(),
                role: Role::Admin,
                iat: 0,
                exp: 4_000_000_000,
                iss: "holdfast".to_owned(),
                aud: "holdfast".to_owned(),
            };
            let crit = Some(crit.iter().map(|name| (*name).to_owned()).collect());
            let header = Header { crit, ..Header::new(Algorithm::HS256) };
            let verifier = Verifier::with_secret(SECRET, TokenSettings::default()).expect("long enough");
            let token =
                encode(&header, &claims, &EncodingKey::from_secret(SECRET.as_bytes())).expect("signs");
            let refused = verifier.verify(&token).map(|known| known.caller);
            assert!(format!("{refused:?}").contains("(crit)"), "{refused:?}");
        }
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_refused_at_start_up() {
        let error = Verifier::with_secret("hunter2", TokenSettings::default()).expect_err("seven bytes");
        assert!(error.to_string().contains("openssl rand -hex 32"), "{error}");
    }
}
