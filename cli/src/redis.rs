//! Redis, as it is named on the command line.

use std::sync::Arc;

use holdfast_worker::Redis;

use crate::args::RedisArgs;
use crate::exit::usage;

/// The Redis that was named, if one was. Nobody is connected to.
pub(crate) fn named(args: &RedisArgs) -> anyhow::Result<Option<Arc<Redis>>> {
    // A variable that is set to nothing is not set.
    let Some(url) = args.redis_url.as_deref().filter(|url| !url.is_empty()) else {
        return Ok(None);
    };
    let redis = Redis::parse(url, &args.redis_prefix).map_err(|error| usage(error.to_string()))?;
    Ok(Some(Arc::new(redis)))
}
