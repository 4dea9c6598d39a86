//! Tokens of an identity provider: public keys in a file, private keys nowhere near.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rand::RngExt as _;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::binary::run_on;
use crate::binary::sqlite_url;
use crate::fixture::runtime;
use crate::server::{Server, api, get};

/// An issuer's key.
struct Issuer {
    key: EncodingKey,
    algorithm: Algorithm,
}

impl Issuer {
    /// P-256, its private number drawn at random: PKCS #8 around RFC 5915.
    fn elliptic() -> Self {
        let mut der = vec![0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07];
        der.extend([0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08]);
        der.extend([0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]);
        der.extend([0x04, 0x27, 0x30, 0x25, 0x02, 0x01, 0x01, 0x04, 0x20]);
        der.extend(rand::rng().random::<[u8; 32]>());
        Self { key: EncodingKey::from_ec_der(&der), algorithm: Algorithm::ES256 }
    }

    /// RSA, made by `openssl`; `None` where there is none.
    fn rsa(bits: u32) -> Option<Self> {
        let bits = format!("rsa_keygen_bits:{bits}");
        let made = Command::new("openssl")
            .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", &bits, "-outform", "DER"])
            .output();
        let made = made.ok().filter(|made| made.status.success())?;
        let der = made.stdout.as_slice();
        // PKCS #8, which some versions write and some do not, says in 26 bytes that PKCS #1 follows.
        let pkcs1 = if der.get(7) == Some(&0x30) { &der[26..] } else { der };
        Some(Self { key: EncodingKey::from_rsa_der(pkcs1), algorithm: Algorithm::RS256 })
    }

    /// What the issuer publishes about it.
    fn public(&self, kid: Option<&str>) -> Value {
        let (utils, der) = (&DEFAULT_PROVIDER.key_utils, self.key.as_bytes());
        let mut jwk = if self.algorithm == Algorithm::ES256 {
            let (_, x, y) = (utils.ec_pub_components_from_private_key)(der, self.algorithm).expect("a key");
            json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "x": base64(x), "y": base64(y)})
        } else {
            let (n, e) = (utils.rsa_pub_components_from_private_key)(der).expect("a key");
            json!({"kty": "RSA", "alg": "RS256", "n": base64(n), "e": base64(e)})
        };
        if let Some(kid) = kid {
            jwk["kid"] = json!(kid);
        }
        jwk
    }

    fn token(&self, kid: Option<&str>, valid: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let exp = now.saturating_add_signed(valid);
        let claims =
            json!({"sub": "ada", "role": "admin", "exp": exp, "iss": "https://id.example", "aud": "shop"});
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(self.algorithm) };
        let parts = [serde_json::to_vec(&header).expect("JSON"), claims.to_string().into_bytes()];
        let message = parts.map(base64).join(".");
        // The issuer signs with other code than the shop verifies with.
        let signer = (DEFAULT_PROVIDER.signer_factory)(&self.algorithm, &self.key).expect("a key");
        format!("{message}.{}", base64(signer.sign(message.as_bytes())))
    }
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// What a shop that believes `keys` says to each token.
fn check(keys: &[Value], tokens: &[(String, StatusCode)]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = sqlite_url(&folder.path().join("shop.db"));
    run_on(&url, &["migrate"]).ends(0, "applied");
    let file = folder.path().join("keys.json");
    std::fs::write(&file, json!({"keys": keys}).to_string()).expect("a file");
    let trust = ["--jwt-issuer", "https://id.example", "--jwt-audience", "shop"];
    let shop = Server::start(api(&url).env("HOLDFAST_JWKS_FILE", &file).args(trust));
    runtime().block_on(async {
        for (token, expected) in tokens {
            let answer = get(&format!("{}/v1/orders", shop.url), token).await;
            let (status, message) = (answer.status(), answer.text().await.expect("a body"));
            assert_eq!(status, *expected, "{token}: {message}");
        }
    });
}

const GOOD: StatusCode = StatusCode::OK;
const BAD: StatusCode = StatusCode::UNAUTHORIZED;

#[test]
fn a_token_is_valid_if_a_key_in_the_file_signed_it() {
    let (ours, theirs) = (Issuer::elliptic(), Issuer::elliptic());
    check(
        &[ours.public(Some("k1"))],
        &[
            (ours.token(Some("k1"), 600), GOOD),
            (ours.token(None, 600), GOOD),
            (ours.token(Some("k2"), 600), BAD),
            (ours.token(Some("k1"), -600), BAD),
            (theirs.token(Some("k1"), 600), BAD),
            (theirs.token(None, 600), BAD),
            (crate::server::token(holdfast_api::auth::Role::Admin), BAD),
        ],
    );
}

#[test]
fn keys_are_rolled_over_and_those_for_encryption_are_passed_over() {
    let (old, new, theirs) = (Issuer::elliptic(), Issuer::elliptic(), Issuer::elliptic());
    let mut unnamed = new.public(None);
    unnamed.as_object_mut().expect("an object").remove("alg");
    let mut encrypting = theirs.public(Some("enc"));
    encrypting["use"] = json!("enc");
    encrypting["alg"] = json!("RSA-OAEP");
    check(
        &[encrypting, old.public(Some("old")), unnamed],
        &[
            (old.token(Some("old"), 600), GOOD),
            (old.token(None, 600), GOOD),
            (new.token(None, 600), GOOD),
            (new.token(Some("new"), 600), GOOD),
            (new.token(None, -600), BAD),
            (theirs.token(Some("enc"), 600), BAD),
        ],
    );
}

#[test]
fn rsa_keys_are_valid_too() {
    let Some((ours, theirs)) = Issuer::rsa(2_048).zip(Issuer::rsa(3_072)) else {
        eprintln!("not run: there is no openssl here to make a key with");
        return;
    };
    check(
        &[ours.public(Some("k1"))],
        &[(ours.token(Some("k1"), 600), GOOD), (theirs.token(Some("k1"), 600), BAD)],
    );
}

#[test]
fn a_file_that_holds_no_keys_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let refused = |text: Option<&str>, message: &str| {
        let file = folder.path().join("keys.json");
        match text {
            Some(text) => std::fs::write(&file, text).expect("a file"),
            None => drop(std::fs::remove_file(&file)),
        }
        for command in ["up", "api"] {
            let shop = sqlite_url(&folder.path().join("shop.db"));
            let ran = run_on(&shop, &[command, "--jwks-file", file_name(&file)]);
            ran.ends(2, "keys.json cannot be used: ").ends(2, message);
        }
    };
    refused(None, "No such file");
    refused(Some("-----BEGIN PUBLIC KEY-----"), "it is not a JWKS");
    refused(Some(r#"{"keys": []}"#), "it has no key that can sign tokens");
    refused(
        Some(r#"{"keys": [{"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}]}"#),
        "use HOLDFAST_JWT_SECRET",
    );
    refused(Some(r#"{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}"#), "`alg` must name a signature");
    if let Some(weak) = Issuer::rsa(1_024) {
        let keys = json!({"keys": [weak.public(Some("weak"))]}).to_string();
        refused(Some(&keys), "key weak: its RSA modulus has 1024 bits, at least 2048 are needed");
    }
    assert!(!folder.path().join("shop.db").exists(), "nothing was made");
}

fn file_name(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
