//! The keys that tokens are verified with: the shop's HS256 secret, or the public keys of a JWKS file.

use std::path::Path;
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, Validation};

use super::crypto;

/// The shortest secret that HS256 is safe with: as long as its hash.
pub const SECRET_BYTES_MIN: usize = 32;
/// The clocks of a shop and its identity provider differ by this much at most.
const LEEWAY: Duration = Duration::from_secs(30);

/// The issuer and the audience that a token must name.
#[derive(Debug, Clone)]
pub struct TokenSettings {
    /// The value of the claim `iss`.
    pub issuer: String,
    /// The value of the claim `aud`.
    pub audience: String,
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self { issuer: "holdfast".to_owned(), audience: "holdfast".to_owned() }
    }
}

/// Why the keys cannot be used. Reported at start-up, before the first request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The secret can be guessed.
    #[error(
        "HOLDFAST_JWT_SECRET has {0} bytes, at least {SECRET_BYTES_MIN} are needed; `openssl rand -hex 32` makes one"
    )]
    SecretTooShort(usize),
    /// The file cannot be read, or is not a JWKS.
    #[error("the JWKS file {path} cannot be used: {why}")]
    Jwks {
        /// The path of the file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Secrets, or the keys of a JWKS file: any of them may have signed a token.
#[derive(Clone)]
pub(super) struct Keys(pub(super) Vec<Key>);

/// A key, and the rules for tokens that it signed.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) name: Option<String>,
    pub(super) decoding: DecodingKey,
    pub(super) rules: Validation,
}

impl Key {
    fn new(
        name: Option<String>,
        algorithm: Algorithm,
        decoding: DecodingKey,
        settings: &TokenSettings,
    ) -> Self {
        let mut rules = Validation::new(algorithm);
        rules.leeway = LEEWAY.as_secs();
        rules.validate_nbf = true;
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.set_audience(&[&settings.audience]);
        rules.set_issuer(&[&settings.issuer]);
        Self { name, decoding, rules }
    }
}

impl Keys {
    pub(super) fn from_secrets(secrets: &[String], settings: &TokenSettings) -> Result<Self, KeyError> {
        crypto::install();
        let key = |secret: &String| {
            check_secret(secret)?;
            Ok(Key::new(None, Algorithm::HS256, DecodingKey::from_secret(secret.as_bytes()), settings))
        };
        secrets.iter().map(key).collect::<Result<_, _>>().map(Self)
    }

    /// Reads a JWKS file, and refuses one with a key that cannot be used.
    pub(super) fn from_jwks(path: &Path, settings: &TokenSettings) -> Result<Self, KeyError> {
        crypto::install();
        let refuse = |why: String| KeyError::Jwks { path: path.display().to_string(), why };
        let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
        let set: JwkSet =
            serde_json::from_str(&text).map_err(|error| refuse(format!("it is not a JWKS: {error}")))?;
        let mut keys = Vec::with_capacity(set.keys.len());
        for jwk in &set.keys {
            // Issuers also publish encryption keys; no token is signed with those.
            if jwk.common.public_key_use == Some(PublicKeyUse::Encryption) {
                continue;
            }
            let kid = jwk.common.key_id.clone();
            let name = kid.as_deref().unwrap_or("without kid").to_owned();
            let algorithm = algorithm(jwk)
                .ok_or_else(|| refuse(format!("key {name}: `alg` must name a signature algorithm")))?;
            if matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512) {
                return Err(refuse(format!(
                    "key {name} is a shared secret; use HOLDFAST_JWT_SECRET for one"
                )));
            }
            let key = DecodingKey::from_jwk(jwk).map_err(|error| refuse(format!("key {name}: {error}")))?;
            if let Some(bits) = rsa_bits(&key).filter(|bits| *bits < crypto::RSA_BITS_MIN) {
                return Err(refuse(format!(
                    "key {name}: its RSA modulus has {bits} bits, at least {} are needed",
                    crypto::RSA_BITS_MIN
                )));
            }
            keys.push(Key::new(kid, algorithm, key, settings));
        }
        if keys.is_empty() {
            return Err(refuse("it has no key that can sign tokens".to_owned()));
        }
        Ok(Self(keys))
    }
}

/// The length of the modulus, if it is a key of RSA's.
fn rsa_bits(key: &DecodingKey) -> Option<usize> {
    let DecodingKeyKind::RsaModulusExponent { n, .. } = key.kind() else { return None };
    let leading = n.iter().take_while(|byte| **byte == 0).count();
    let first = n.get(leading)?;
    Some((n.len() - leading) * 8 - first.leading_zeros() as usize)
}

/// The algorithm that a key names, or else the usual one for its kind.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
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

pub(super) fn check_secret(secret: &str) -> Result<(), KeyError> {
    if secret.len() < SECRET_BYTES_MIN { Err(KeyError::SecretTooShort(secret.len())) } else { Ok(()) }
}
