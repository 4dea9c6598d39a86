//! Redis, which carries hints between processes.

use std::sync::Arc;

use holdfast_saga::ports::Store;
use holdfast_worker::{Redis, RedisAddress, RedisBackend, RedisDown};

use crate::exit::usage;
use crate::named_file::{NamedFile, named_file, secret_of};
use crate::values::{name, one_of};

#[derive(clap::Args)]
pub(crate) struct RedisArgs {
    /// The URL of Redis: it carries hints between processes, and nothing that must not be lost
    #[arg(long, value_name = "URL", env = "REDIS_URL", hide_env_values = true, long_help = REDIS_URL)]
    redis_url: Option<String>,

    /// The file that holds the URL of Redis instead
    #[arg(long, value_name = "PATH", env = "REDIS_URL_FILE", value_parser = named_file())]
    redis_url_file: Option<NamedFile>,

    /// How hints are stored in Redis; the same for all processes of a shop
    #[arg(long, value_name = "NAME", env = "HOLDFAST_QUEUE_BACKEND", default_value_t)]
    #[arg(value_parser = one_of::<RedisBackend>())]
    pub(crate) queue_backend: RedisBackend,

    /// The prefix of all keys in Redis, before the shop's id
    #[arg(long, value_name = "NAME", env = "HOLDFAST_REDIS_PREFIX", default_value = "holdfast", value_parser = name)]
    redis_prefix: String,
}

const REDIS_URL: &str = "\
The URL of Redis: it carries hints between processes, and nothing that must not be lost

redis://HOST[:PORT][/DB], rediss://… for TLS, or redis+sentinel://HOST[:PORT],HOST[:PORT]/SERVICE[/DB];
a user and a password stand before the host, as in any URL. Without Redis, workers look for what is due
five times a second.";

impl RedisArgs {
    /// The given Redis, if any. Does not connect.
    pub(crate) fn parse(&self) -> anyhow::Result<Option<RedisAddress>> {
        let url = secret_of("redis-url", self.redis_url.as_deref(), self.redis_url_file.as_ref())?;
        let Some(url) = url else { return Ok(None) };
        let address = RedisAddress::parse(&url, &self.redis_prefix);
        address.map(Some).map_err(|error| usage(error.to_string()))
    }
}

/// The Redis of the shop in `store`.
pub(crate) async fn of_shop(
    address: Option<RedisAddress>,
    store: &dyn Store,
) -> anyhow::Result<Option<Arc<Redis>>> {
    let Some(address) = address else { return Ok(None) };
    Ok(Some(Arc::new(address.of_shop(store.keys().await?.shop()))))
}

/// Why Redis does not answer, if it does not: a process may work without it. Fails if Redis refuses the connection, or is
/// no server that can carry hints.
pub(crate) async fn unavailable(redis: &Redis) -> Result<Option<RedisDown>, RedisDown> {
    match redis.check().await {
        Ok(()) => Ok(None),
        Err(silent @ RedisDown::Silent { .. }) => Ok(Some(silent)),
        Err(refused @ (RedisDown::Refused { .. } | RedisDown::Unfit { .. })) => Err(refused),
    }
}
