//! `holdfast token`: a token for trying things out, and for scripts of a shop that shares its secret.

use holdfast_api::auth::{Role, sign};
use rand::RngExt as _;
use serde::Serialize;

use crate::args::{Global, TokenArgs};
use crate::database::Database;
use crate::door::{default_shop, trust};
use crate::exit::{Exit, usage};

#[derive(Serialize)]
struct Made {
    token: String,
    sub: String,
    role: Role,
}

pub(crate) async fn run(args: TokenArgs, global: &Global) -> anyhow::Result<Exit> {
    if args.trust.jwks().is_some() && args.trust.secret().is_none() {
        return Err(usage("tokens of a JWKS file are signed by its issuer, who alone has the private key"));
    }
    let secret = match args.trust.secret() {
        Some(secret) => secret.to_owned(),
        None => secret_of_shop(global.database_url.as_deref()).await?,
    };
    let token = sign(&secret, &trust(&args.trust), &args.sub, args.role, *args.valid_for)
        .map_err(|error| usage(error.to_string()))?;
    let body = Made { token, sub: args.sub, role: args.role };
    global.output.one(&body, || format!("{}\n", body.token))?;
    Ok(Exit::Ok)
}

/// The secret that `holdfast up` made for its shop.
async fn secret_of_shop(url: Option<&str>) -> anyhow::Result<String> {
    let default = default_shop();
    let default = default.exists().then(|| format!("sqlite://{}", default.display()));
    let url = url.map(str::to_owned).or(default).ok_or_else(|| {
        usage("which secret signs it? Set HOLDFAST_JWT_SECRET, or name a shop of `holdfast up` with --database-url")
    })?;
    let database = Database::open(Some(&url)).await?;
    let secret = own_secret(&database).await;
    database.close().await;
    secret
}

/// A shop that was told no secret keeps one of its own.
pub(crate) async fn own_secret(database: &Database) -> anyhow::Result<String> {
    let secret = database.store().secret("jwt", fresh_bytes()).await?;
    Ok(hex(&secret))
}

/// A secret that nobody else knows, and that is forgotten with its process.
pub(crate) fn random_secret() -> String {
    hex(&fresh_bytes())
}

fn fresh_bytes() -> [u8; 32] {
    rand::rng().random()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
