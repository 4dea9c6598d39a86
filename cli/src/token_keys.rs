//! The keys of tokens: the shop's secret, or the public keys of its identity provider.

use std::path::{Path, PathBuf};

use clap::builder::NonEmptyStringValueParser;
use holdfast_api::auth::{TokenSettings, Verifier};
use rand::RngExt as _;

use crate::database::Database;
use crate::exit::usage;
use crate::named_file::{NamedFile, named_file, secret_of};

#[derive(clap::Args)]
pub(crate) struct TokenKeyArgs {
    /// The secret that tokens are signed with (HS256), 32 bytes or more
    #[arg(long, value_name = "SECRET", env = "HOLDFAST_JWT_SECRET", hide_env_values = true)]
    jwt_secret: Option<String>,

    /// The file that holds this secret instead
    #[arg(long, value_name = "PATH", env = "HOLDFAST_JWT_SECRET_FILE", value_parser = named_file())]
    jwt_secret_file: Option<NamedFile>,

    /// The file that holds the secret before this one, whose tokens are still valid: while secrets are rotated
    #[arg(long, value_name = "PATH", env = "HOLDFAST_JWT_PREVIOUS_SECRET_FILE", value_parser = named_file())]
    jwt_previous_secret_file: Option<NamedFile>,

    /// The JWKS file with the public keys that tokens are signed with
    #[arg(long, value_name = "PATH", env = "HOLDFAST_JWKS_FILE", value_parser = named_file())]
    jwks_file: Option<NamedFile>,

    /// The issuer of tokens (the claim iss)
    #[arg(long, value_name = "NAME", env = "HOLDFAST_JWT_ISSUER", default_value = "holdfast", value_parser = NonEmptyStringValueParser::new())]
    jwt_issuer: String,

    /// The audience of tokens (the claim aud)
    #[arg(long, value_name = "NAME", env = "HOLDFAST_JWT_AUDIENCE", default_value = "holdfast", value_parser = NonEmptyStringValueParser::new())]
    jwt_audience: String,
}

/// The keys of tokens, as they are given.
pub(crate) struct TokenKeys {
    /// The secret, if one is given.
    pub(crate) secret: Option<String>,
    /// The secret before this one.
    previous: Option<String>,
    /// The JWKS file, if one is given.
    pub(crate) jwks: Option<PathBuf>,
    /// The issuer and the audience that tokens must name.
    pub(crate) settings: TokenSettings,
}

impl TokenKeyArgs {
    /// Reads the files with the secrets. A JWKS file is read by [`TokenKeys::verifier`].
    pub(crate) fn read(&self) -> anyhow::Result<TokenKeys> {
        let previous = self.jwt_previous_secret_file.as_ref().map(NamedFile::secret).transpose()?;
        Ok(TokenKeys {
            secret: secret_of("jwt-secret", self.jwt_secret.as_deref(), self.jwt_secret_file.as_ref())?,
            previous: previous.flatten(),
            jwks: self.jwks_file.as_ref().and_then(NamedFile::path).map(Path::to_owned),
            settings: TokenSettings { issuer: self.jwt_issuer.clone(), audience: self.jwt_audience.clone() },
        })
    }
}

impl TokenKeys {
    /// The verifier of these keys; `None` if none are given.
    pub(crate) fn verifier(&self) -> anyhow::Result<Option<Verifier>> {
        match (&self.secret, &self.jwks) {
            (Some(_), Some(_)) => Err(usage(
                "HOLDFAST_JWT_SECRET and HOLDFAST_JWKS_FILE are both set; keep the one your tokens are signed with",
            )),
            (Some(secret), None) => self.verifier_of(secret).map(Some),
            (None, Some(file)) => {
                let verifier = Verifier::with_jwks(file, self.settings.clone());
                verifier.map(Some).map_err(|error| usage(error.to_string()))
            }
            (None, None) => Ok(None),
        }
    }

    /// The verifier of tokens that are signed with `secret`, or with the secret before it.
    pub(crate) fn verifier_of(&self, secret: &str) -> anyhow::Result<Verifier> {
        let secrets: Vec<_> = [secret.to_owned()].into_iter().chain(self.previous.clone()).collect();
        Verifier::with_secrets(&secrets, self.settings.clone()).map_err(|error| usage(error.to_string()))
    }
}

/// The secret that a shop without a given one keeps in its database.
pub(crate) async fn own_secret(database: &Database) -> anyhow::Result<String> {
    let secret = database.store().secret("jwt", random_bytes()).await?;
    Ok(hex(&secret))
}

/// A new secret, which is not stored.
pub(crate) fn random_secret() -> String {
    hex(&random_bytes())
}

fn random_bytes() -> [u8; 32] {
    rand::rng().random()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
