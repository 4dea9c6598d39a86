//! `holdfast token`: a token for trying things out, and for scripts of a shop that shares its secret.

use holdfast_api::auth::{Role, sign};
use serde::Serialize;

use crate::database::Database;
use crate::exit::{Exit, usage};
use crate::global::Global;
use crate::token_keys::{TokenKeyArgs, own_secret};
use crate::values::{name, one_of, window};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The role of its bearer
    #[arg(long, value_parser = one_of::<Role>())]
    role: Role,

    /// The name of its bearer (the claim sub)
    #[arg(long, value_name = "NAME", value_parser = name)]
    sub: String,

    /// How long it is valid
    #[arg(long, value_name = "TIME", default_value = "12h", value_parser = window)]
    valid_for: humantime::Duration,

    #[command(flatten)]
    token_keys: TokenKeyArgs,
}

#[derive(Serialize)]
struct Signed {
    token: String,
    sub: String,
    role: Role,
}

pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<Exit> {
    let keys = args.token_keys.read()?;
    let secret = match keys.secret {
        Some(secret) => secret,
        None if keys.jwks.is_some() => {
            return Err(usage(
                "the issuer of a JWKS file signs its tokens; only the issuer has the private key",
            ));
        }
        None => secret_of_shop(global).await?,
    };
    let token = sign(&secret, &keys.settings, &args.sub, args.role, *args.valid_for)
        .map_err(|error| usage(error.to_string()))?;
    let body = Signed { token, sub: args.sub, role: args.role };
    global.output.one(&body, || format!("{}\n", body.token))?;
    Ok(Exit::Ok)
}

/// The secret that `holdfast up` created for its shop.
async fn secret_of_shop(global: &Global) -> anyhow::Result<String> {
    let address = global.address()?;
    if address.is_default() && address.path().is_some_and(|path| !path.exists()) {
        return Err(usage(
            "no secret to sign with; set HOLDFAST_JWT_SECRET, or name a shop of `holdfast up` with --database-url",
        ));
    }
    let database = Database::open(&address, global.shop_id()).await?;
    let secret = own_secret(&database).await;
    database.close().await;
    secret
}
