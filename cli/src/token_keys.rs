//! The keys of tokens: the shop's secret, or the public keys of its identity provider.

use std::path::{Path, PathBuf};

use clap::builder::NonEmptyStringValueParser;
use holdfast_api::auth::{TokenSettings, Verifier};
use rand::RngExt as _;

use crate::database::Database;
use crate::exit::usage;
use crate::private_file::secret_in;

#[derive(clap::Args)]
pub(crate) struct TokenKeyArgs {
    /// The secret that tokens are signed with (HS256), 32 bytes or more
    #[arg(long, value_name = "SECRET", env = "HOLDFAST_JWT_SECRET", hide_env_values = true)]
    jwt_secret: Option<String>,

    /// The file that holds this secret instead
    #[arg(long, value_name = "PATH", env = "HOLDFAST_JWT_SECRET_FILE", conflicts_with = "jwt_secret")]
    jwt_secret_file: Option<PathBuf>,

    /// The file that holds the secret before this one, whose tokens are still valid: while secrets are rotated
    #[arg(long, value_name = "PATH", env = "HOLDFAST_JWT_PREVIOUS_SECRET_FILE")]
    jwt_previous_secret_file: Option<PathBuf>,

    /// The JWKS file with the public keys that tokens are signed with
    #[arg(long, value_name = "PATH", env = "HOLDFAST_JWKS_FILE")]
    jwks_file: Option<PathBuf>,

    /// The issuer of tokens (the claim iss)
    #[arg(long, value_name = "NAME", env = "HOLDFAST_JWT_ISSUER", default_value = "holdfast", value_parser = NonEmptyStringValueParser::new())]
    jwt_issuer: String,

    /// The audience of tokens (the claim aud)
    #[arg(long, value_name = "NAME", env = "HOLDFAST_JWT_AUDIENCE", default_value = "holdfast", value_parser = NonEmptyStringValueParser::new())]
    jwt_audience: String,
}

impl TokenKeyArgs {
    /// The secret, if one is given. An empty variable counts as unset.
    pub(crate) fn secret(&self) -> anyhow::Result<Option<String>> {
        let from_file = file(self.jwt_secret_file.as_ref()).map(secret_in).transpose()?;
        Ok(from_file.or_else(|| self.jwt_secret.clone()).filter(|secret| !secret.is_empty()))
    }

    /// The secrets that tokens may be signed with, the present one, which is `secret`, first.
    pub(crate) fn secrets(&self, secret: String) -> anyhow::Result<Vec<String>> {
        let previous = file(self.jwt_previous_secret_file.as_ref()).map(secret_in).transpose()?;
        Ok([secret].into_iter().chain(previous).collect())
    }

    /// The JWKS file, if one is given.
    pub(crate) fn jwks(&self) -> Option<&Path> {
        file(self.jwks_file.as_ref())
    }

    /// The issuer and the audience that tokens must name.
    pub(crate) fn settings(&self) -> TokenSettings {
        TokenSettings { issuer: self.jwt_issuer.clone(), audience: self.jwt_audience.clone() }
    }

    /// The verifier of these keys; `None` if none are given.
    pub(crate) fn verifier(&self) -> anyhow::Result<Option<Verifier>> {
        let verifier = match (self.secret()?, self.jwks()) {
            (Some(_), Some(_)) => {
                return Err(usage(
                    "HOLDFAST_JWT_SECRET and HOLDFAST_JWKS_FILE are both set; keep the one your tokens are signed with",
                ));
            }
            (Some(secret), None) => Verifier::with_secrets(&self.secrets(secret)?, self.settings()),
            (None, Some(file)) => Verifier::with_jwks(file, self.settings()),
            (None, None) => return Ok(None),
        };
        verifier.map(Some).map_err(|error| usage(error.to_string()))
    }
}

/// A file that is named. An empty variable counts as unset.
fn file(named: Option<&PathBuf>) -> Option<&Path> {
    named.map(PathBuf::as_path).filter(|file| !file.as_os_str().is_empty())
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
