//! Who asks: bearer tokens, and what each role may do.
//!
//! A token is a JWT with `sub`, `role`, `exp`, `iss` and `aud`, signed with the shop's HS256 secret or
//! with one of the keys of a JWKS file. A guest has none: the unguessable id of a cart, or the token
//! that came with their order, is all they show.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use holdfast_saga::timeline::Audience;
use holdfast_shared::{Actor, Time};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

use crate::problem::Problem;

/// The shortest secret that HS256 is safe with: as long as its hash.
pub const SECRET_BYTES_MIN: usize = 32;
/// Clocks of a shop and its identity provider differ by this much at most.
const LEEWAY: Duration = Duration::from_secs(30);
/// A name longer than this is no name.
const SUBJECT_MAX: usize = 200;

/// What a token lets its bearer do.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    EnumIter,
    IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Role {
    /// Buys, and sees what is theirs.
    Customer,
    /// Runs the shop: orders, products, stock.
    Admin,
    /// Runs Holdfast: sees every order, and gets those that are stuck going again.
    Operator,
}

/// What a token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claims {
    sub: String,
    role: Role,
    exp: i64,
    iat: i64,
    iss: String,
    aud: String,
}

/// What is read of a token. `aud` and `iss` are checked by the library.
#[derive(Debug, Deserialize)]
struct Told {
    sub: String,
    role: Role,
}

/// Whose tokens are believed.
#[derive(Debug, Clone)]
pub struct TokenSettings {
    /// Who issues them.
    pub issuer: String,
    /// Whom they are for.
    pub audience: String,
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self { issuer: "holdfast".to_owned(), audience: "holdfast".to_owned() }
    }
}

/// Why the keys cannot be used. Said at boot, before anything is served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Guessable.
    #[error(
        "HOLDFAST_JWT_SECRET has {0} bytes, at least {SECRET_BYTES_MIN} are needed; `openssl rand -hex 32` makes one"
    )]
    SecretTooShort(usize),
    /// Not there, or no JWKS.
    #[error("the JWKS file {path} cannot be used: {why}")]
    Jwks {
        /// Which file.
        path: String,
        /// What is wrong.
        why: String,
    },
}

/// Checks tokens.
#[derive(Clone)]
pub struct Verifier {
    keys: Keys,
    trust: TokenSettings,
}

#[derive(Clone)]
enum Keys {
    Secret(Box<Key>),
    Set(Vec<Key>),
}

/// A key, and what a token signed with it must fulfil.
#[derive(Clone)]
struct Key {
    name: Option<String>,
    decoding: DecodingKey,
    rules: Validation,
}

impl Key {
    fn new(name: Option<String>, algorithm: Algorithm, decoding: DecodingKey, trust: &TokenSettings) -> Self {
        let mut rules = Validation::new(algorithm);
        rules.leeway = LEEWAY.as_secs();
        rules.validate_nbf = true;
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.set_audience(&[&trust.audience]);
        rules.set_issuer(&[&trust.issuer]);
        Self { name, decoding, rules }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("trust", &self.trust).finish_non_exhaustive()
    }
}

impl Verifier {
    /// Tokens signed with a secret that issuer and shop share.
    pub fn with_secret(secret: &str, trust: TokenSettings) -> Result<Self, KeyError> {
        long_enough(secret)?;
        let key = Key::new(None, Algorithm::HS256, DecodingKey::from_secret(secret.as_bytes()), &trust);
        Ok(Self { keys: Keys::Secret(Box::new(key)), trust })
    }

    /// Tokens signed with one of the keys in a JWKS file. A key that cannot be used is refused here, not later.
    pub fn with_jwks(path: &Path, trust: TokenSettings) -> Result<Self, KeyError> {
        let refuse = |why: String| KeyError::Jwks { path: path.display().to_string(), why };
        let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
        let set: JwkSet =
            serde_json::from_str(&text).map_err(|error| refuse(format!("it is no JWKS: {error}")))?;
        let mut keys = Vec::with_capacity(set.keys.len());
        for jwk in &set.keys {
            // Issuers publish what they decrypt with, too; no token is signed with that.
            if jwk.common.public_key_use == Some(PublicKeyUse::Encryption) {
                continue;
            }
            let named = jwk.common.key_id.clone();
            let name = named.as_deref().unwrap_or("without kid").to_owned();
            let algorithm =
                signature(jwk).ok_or_else(|| refuse(format!("key {name}: `alg` must name a signature")))?;
            if matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512) {
                return Err(refuse(format!(
                    "key {name} is a shared secret; use HOLDFAST_JWT_SECRET for one"
                )));
            }
            let key = DecodingKey::from_jwk(jwk).map_err(|error| refuse(format!("key {name}: {error}")))?;
            keys.push(Key::new(named, algorithm, key, &trust));
        }
        if keys.is_empty() {
            return Err(refuse("it has no key that tokens could be signed with".to_owned()));
        }
        Ok(Self { keys: Keys::Set(keys), trust })
    }

    /// Who a token belongs to.
    fn verify(&self, token: &str) -> Result<Caller, Problem> {
        let refuse = |why: String| Problem::new(StatusCode::UNAUTHORIZED, "invalid_token", why);
        let unfit = |error: jsonwebtoken::errors::Error| {
            use jsonwebtoken::errors::ErrorKind as E;
            refuse(match error.kind() {
                E::ExpiredSignature => "the token has expired; get a new one".to_owned(),
                E::InvalidAudience => format!("the token is not for {:?} (aud)", self.trust.audience),
                E::InvalidIssuer => format!("the token is not from {:?} (iss)", self.trust.issuer),
                E::MissingRequiredClaim(claim) => format!("the token lacks the claim {claim}"),
                E::Json(_) => {
                    "the token needs a `sub` and a `role` of customer, admin or operator".to_owned()
                }
                _ => "the token is not one of ours".to_owned(),
            })
        };
        let told: Told = match &self.keys {
            Keys::Secret(key) => decode(token, &key.decoding, &key.rules).map_err(unfit)?.claims,
            Keys::Set(keys) => {
                let header = decode_header(token).map_err(unfit)?;
                // A key, or a token, without a name may belong to any other.
                let named = |key: &&Key| key.name.is_none() || header.kid.is_none() || key.name == header.kid;
                let mut told = Err(refuse("no key of ours signed it".to_owned()));
                for key in keys.iter().filter(named) {
                    match decode::<Told>(token, &key.decoding, &key.rules) {
                        Ok(data) => {
                            told = Ok(data.claims);
                            break;
                        }
                        // Signed by this key, and no good all the same: that is what its bearer must hear.
                        Err(error) if !is_another_keys(&error) => return Err(unfit(error)),
                        Err(_) => {}
                    }
                }
                told?
            }
        };
        if told.sub.is_empty() || told.sub.len() > SUBJECT_MAX || told.sub.chars().any(char::is_control) {
            return Err(refuse(format!("`sub` must have 1 to {SUBJECT_MAX} characters on one line")));
        }
        Ok(Caller::Known { sub: told.sub, role: told.role })
    }

    /// Who sent these headers. A token that is no good is refused, never taken for a guest's request.
    pub(crate) fn caller(&self, parts: &Parts) -> Result<Caller, Problem> {
        let Some(header) = parts.headers.get(AUTHORIZATION) else { return Ok(Caller::Guest) };
        let token = header.to_str().ok().and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let expected = "Authorization: Bearer <token> is expected";
        let token = token.ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "invalid_token", expected))?;
        self.verify(token)
    }
}

/// Signs a token, for `holdfast token` and the demo.
pub fn sign(
    secret: &str,
    trust: &TokenSettings,
    sub: &str,
    role: Role,
    valid: Duration,
) -> Result<String, KeyError> {
    long_enough(secret)?;
    let now = Time::system_now();
    let claims = Claims {
        sub: sub.to_owned(),
        role,
        iat: now.as_millis() / 1_000,
        exp: (now + valid).as_millis() / 1_000,
        iss: trust.issuer.clone(),
        aud: trust.audience.clone(),
    };
    let key = EncodingKey::from_secret(secret.as_bytes());
    // HS256 over a struct of strings and numbers has nothing to fail at.
    Ok(encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap_or_default())
}

/// What a key signs with: as it says, or as its kind does.
fn signature(jwk: &Jwk) -> Option<Algorithm> {
    if let Some(named) = jwk.common.key_algorithm {
        return named.to_string().parse().ok();
    }
    match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Some(Algorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => Some(Algorithm::ES256),
            EllipticCurve::P384 => Some(Algorithm::ES384),
            _ => None,
        },
        AlgorithmParameters::OctetKeyPair(_) => Some(Algorithm::EdDSA),
        _ => None,
    }
}

/// Whether all that is wrong with a token is that another key signed it.
fn is_another_keys(error: &jsonwebtoken::errors::Error) -> bool {
    use jsonwebtoken::errors::ErrorKind as E;
    matches!(error.kind(), E::InvalidSignature | E::InvalidAlgorithm)
}

fn long_enough(secret: &str) -> Result<(), KeyError> {
    if secret.len() < SECRET_BYTES_MIN { Err(KeyError::SecretTooShort(secret.len())) } else { Ok(()) }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Nobody we know.
    Guest,
    /// The bearer of a token.
    Known {
        /// Their name at the issuer.
        sub: String,
        /// What they may do.
        role: Role,
    },
}

impl Caller {
    /// Their name, if they have one: carts and orders belong to it.
    pub fn sub(&self) -> Option<&str> {
        match self {
            Self::Guest => None,
            Self::Known { sub, .. } => Some(sub),
        }
    }

    /// Whether they may see every order.
    pub fn sees_all(&self) -> bool {
        matches!(self, Self::Known { role: Role::Admin | Role::Operator, .. })
    }

    /// How they are told an order's story.
    pub fn audience(&self) -> Audience {
        if self.sees_all() { Audience::Shop } else { Audience::Buyer }
    }

    /// Their name, or 401.
    pub fn known(&self) -> Result<&str, Problem> {
        self.sub().ok_or_else(|| {
            let detail = "this needs a token: Authorization: Bearer <token>";
            Problem::new(StatusCode::UNAUTHORIZED, "authentication_required", detail)
        })
    }

    /// The admin who asks, or 401, or 403.
    pub fn admin(&self) -> Result<Actor, Problem> {
        self.acting(Role::Admin, Actor::Admin)
    }

    /// The operator who asks, or 401, or 403.
    pub fn operator(&self) -> Result<Actor, Problem> {
        self.acting(Role::Operator, Actor::Operator)
    }

    fn acting(&self, needed: Role, actor: fn(String) -> Actor) -> Result<Actor, Problem> {
        let name = self.known()?;
        match self {
            Self::Known { role, .. } if *role == needed => Ok(actor(name.to_owned())),
            Self::Known { .. } | Self::Guest => {
                let words = format!("this needs the role {needed}");
                Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", words))
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    /// The edge has found out already: see `edge::admit`.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn check(sign_for: (&str, &TokenSettings, Duration), expected: Result<(), &str>) {
        let (secret, trust, valid) = sign_for;
        let token = sign(secret, trust, "ada", Role::Admin, valid).expect("a long enough secret");
        let verifier = Verifier::with_secret(SECRET, TokenSettings::default()).expect("a long enough secret");
        let told = verifier.verify(&token).map_err(|problem| format!("{problem:?}"));
        match expected {
            Ok(()) => assert_eq!(told, Ok(Caller::Known { sub: "ada".to_owned(), role: Role::Admin })),
            Err(words) => {
                assert!(told.as_ref().is_err_and(|told| told.contains(words)), "{told:?}, not {words}");
            }
        }
    }

    #[test]
    fn a_token_is_believed_for_its_time_its_issuer_its_audience_and_its_signature() {
        let ours = TokenSettings::default();
        let hour = Duration::from_hours(1);
        check((SECRET, &ours, hour), Ok(()));
        check(("another secret, also long enough!!!", &ours, hour), Err("not one of ours"));
        check((SECRET, &TokenSettings { issuer: "them".to_owned(), ..ours.clone() }, hour), Err("(iss)"));
        check((SECRET, &TokenSettings { audience: "them".to_owned(), ..ours.clone() }, hour), Err("(aud)"));
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_refused_at_boot() {
        let error = Verifier::with_secret("hunter2", TokenSettings::default()).expect_err("seven bytes");
        assert!(error.to_string().contains("openssl rand -hex 32"), "{error}");
    }
}
