//! Redis, as it is named on the command line.

use std::sync::Arc;

use holdfast_saga::ports::Store;
use holdfast_worker::{Redis, RedisDown};

use crate::args::RedisArgs;
use crate::exit::usage;

/// The Redis that was named, if one was. Nobody is connected to.
pub(crate) fn named(args: &RedisArgs) -> anyhow::Result<Option<Redis>> {
    // A variable that is set to nothing is not set.
    let Some(url) = args.redis_url.as_deref().filter(|url| !url.is_empty()) else {
        return Ok(None);
    };
    let redis = Redis::parse(url, &args.redis_prefix).map_err(|error| usage(error.to_string()))?;
    Ok(Some(redis))
}

/// The keys of the shop in `store` on it.
pub(crate) async fn of_shop(redis: Option<Redis>, store: &dyn Store) -> anyhow::Result<Option<Arc<Redis>>> {
    let Some(redis) = redis else { return Ok(None) };
    Ok(Some(Arc::new(redis.of_shop(store.keys().await?.shop()))))
}

/// What is wrong with a Redis that does not answer now: whoever can work without it does. One that does not let
/// us in is refused.
pub(crate) async fn absent(redis: &Redis) -> Result<Option<RedisDown>, RedisDown> {
    match redis.check().await {
        Ok(()) => Ok(None),
        Err(silent @ RedisDown::Silent { .. }) => Ok(Some(silent)),
        Err(refused @ RedisDown::Refused { .. }) => Err(refused),
    }
}
