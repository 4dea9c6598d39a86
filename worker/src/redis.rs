//! The address of Redis, and connections to it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use holdfast_shared::{Queue, ShopId};
use percent_encoding::percent_decode_str;
use redis::aio::MultiplexedConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, RedisError, RedisResult, ServerErrorKind,
    TlsMode, Value,
};
use tokio::sync::Mutex;

/// The longest that opening a connection may take; then it is tried again later.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// The port of a sentinel whose address names none.
const SENTINEL_PORT: u16 = 26_379;

/// Where Redis is: a server, or the sentinels that know which server is the primary.
pub struct RedisAddress {
    target: Target,
    prefix: String,
    shown: String,
}

/// The Redis of one shop. All processes of a shop must use the same keys, so there is none without a shop.
#[derive(Debug)]
pub struct Redis(RedisAddress);

enum Target {
    Server(Box<Client>),
    Sentinels(Arc<Mutex<SentinelClient>>),
}

/// Not an address of Redis. The error does not repeat it: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the Redis URL is invalid: {0}. Expected redis://HOST:PORT/DB, rediss://… for TLS, or \
     redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB, with USER:PASSWORD@ before the host if needed"
)]
pub struct BadRedisUrl(String);

/// Redis does not answer, or refuses the connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisDown {
    /// No answer; that may change.
    #[error("Redis at {shown} does not answer: {reason}")]
    Silent {
        /// The address, without its password.
        shown: String,
        /// The error of the last attempt.
        reason: String,
    },
    /// It refuses these credentials, and will refuse them again.
    #[error(
        "Redis at {shown} refuses the connection: {reason}; check the user and the password in REDIS_URL"
    )]
    Refused {
        /// The address, without its password.
        shown: String,
        /// What Redis answered instead.
        reason: String,
    },
    /// It answers, and cannot do its part.
    #[error("Redis at {shown} cannot carry hints: {reason}")]
    Unfit {
        /// The address, without its password.
        shown: String,
        /// What it is instead, and what to do.
        reason: &'static str,
    },
}

impl RedisAddress {
    /// Parses an address, without connecting. All keys begin with `prefix`, then with the shop's id.
    pub fn parse(url: &str, prefix: &str) -> Result<Self, BadRedisUrl> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| bad("it has no scheme"))?;
        if scheme.starts_with("rediss") || scheme == "valkeys" {
            // A provider that was installed earlier stays: there is one for each process.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let target = match scheme {
            "redis+sentinel" => sentinels(rest, None)?,
            "rediss+sentinel" => sentinels(rest, Some(TlsMode::Secure))?,
            _ => Target::Server(Box::new(Client::open(url).map_err(|error| unfit(&error))?)),
        };
        // A password may stand before the `@`, or among the parameters of a socket's path.
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        let shown = format!("{scheme}://{}", place.split(['?', '#']).next().unwrap_or_default());
        Ok(Self { target, prefix: prefix.to_owned(), shown })
    }

    /// The Redis of `shop`: two shops with the same prefix never share a key.
    #[must_use]
    pub fn of_shop(self, shop: ShopId) -> Redis {
        Redis(Self { prefix: format!("{}:{shop}", self.prefix), ..self })
    }
}

impl Redis {
    /// Checks that Redis answers, accepts the credentials, and is a server that can carry hints.
    pub fn check(&self) -> BoxFuture<'_, Result<(), RedisDown>> {
        Box::pin(self.greet())
    }

    /// Every user may say HELLO, whatever commands it has.
    async fn greet(&self) -> Result<(), RedisDown> {
        let asked = async {
            let mut connection = self.connect(CONNECT_WITHIN).await?;
            let answer = redis::cmd("HELLO").query_async::<Value>(&mut connection).await;
            Ok::<_, RedisError>(match answer {
                // A server from before there was HELLO.
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::ResponseError) => None,
                answer => Some(answer?),
            })
        };
        let shown = || self.0.shown.clone();
        match tokio::time::timeout(CONNECT_WITHIN * 2, asked).await {
            Ok(Ok(about)) => match about.as_ref().and_then(unfit_as) {
                None => Ok(()),
                Some(reason) => Err(RedisDown::Unfit { shown: shown(), reason }),
            },
            Ok(Err(error)) if is_refusal(&error) => {
                let reason = refusal(&error).unwrap_or_else(|| error.to_string());
                Err(RedisDown::Refused { shown: shown(), reason })
            }
            Ok(Err(error)) => Err(RedisDown::Silent { shown: shown(), reason: error.to_string() }),
            Err(_) => {
                let reason = format!("no answer within {} s", (CONNECT_WITHIN * 2).as_secs());
                Err(RedisDown::Silent { shown: shown(), reason })
            }
        }
    }

    /// A new connection. Each command on it times out after `answer_within`.
    pub(crate) async fn connect(&self, answer_within: Duration) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(answer_within));
        let connecting = async {
            match &self.0.target {
                Target::Server(client) => client.get_multiplexed_async_connection_with_config(&config).await,
                // Sentinels are asked for every connection: after a failover the primary is another server.
                Target::Sentinels(client) => {
                    client.lock().await.get_async_connection_with_config(&config).await
                }
            }
        };
        // Bounds the whole attempt, however many addresses the host has.
        tokio::time::timeout(CONNECT_WITHIN * 2, connecting)
            .await
            .unwrap_or_else(|_| Err(RedisError::from(io::Error::from(io::ErrorKind::TimedOut))))
    }

    /// A key of a queue. All keys of one queue share a hash tag, so that a cluster keeps them on one node.
    pub(crate) fn key(&self, queue: Queue, what: &str) -> String {
        format!("{}:{{{queue}}}:{what}", self.0.prefix)
    }

    /// A key of what is remembered of the shop.
    pub(crate) fn shop_key(&self, what: &str) -> String {
        format!("{}:{what}", self.0.prefix)
    }

    /// A key of the state that all replicas share about a gateway, such as `provider:sandbox`.
    pub(crate) fn gateway_key(&self, gateway: &str, what: &str) -> String {
        format!("{}:{{{gateway}}}:{what}", self.0.prefix)
    }
}

/// The address, without its password.
impl fmt::Display for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.shown)
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisAddress").field(&self.shown).finish()
    }
}

/// What Redis answered instead of doing it, as it said it; `None`: it did not answer.
pub(crate) fn refusal(error: &RedisError) -> Option<String> {
    let is_answer =
        matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::AuthenticationFailed);
    is_answer.then(|| match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    })
}

/// Whether another attempt would fail as well.
fn is_refusal(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed
        || error.code().is_some_and(|code| ["NOAUTH", "WRONGPASS", "NOPERM"].contains(&code))
}

/// Why a server that introduces itself so cannot carry hints; `None`: it can.
fn unfit_as(about: &Value) -> Option<&'static str> {
    let field = |name: &str| -> Option<String> {
        let pairs: Vec<(String, Value)> = redis::from_redis_value(about.clone()).ok()?;
        let (_, value) = pairs.into_iter().find(|(key, _)| key == name)?;
        redis::from_redis_value(value).ok()
    };
    match (field("mode").as_deref(), field("role").as_deref()) {
        (Some("cluster"), _) => Some(
            "it is a node of a Redis Cluster, which holds a part of the queues; name a Redis, or the sentinels of one, \
             that is not clustered",
        ),
        (Some("sentinel"), _) => Some(
            "it is a sentinel; write redis+sentinel://HOST:PORT/SERVICE, and it is asked where the server is",
        ),
        (_, Some("replica" | "slave")) => Some(
            "it is a replica, which takes no hints; name the primary, or the sentinels with redis+sentinel://",
        ),
        _ => None,
    }
}

/// `[USER:PASSWORD@]HOST[:PORT],HOST[:PORT]/SERVICE[/DB]`. The credentials are the server's.
fn sentinels(rest: &str, tls: Option<TlsMode>) -> Result<Target, BadRedisUrl> {
    let (authority, path) = rest.split_once('/').ok_or_else(|| bad("it has no service name"))?;
    let (credentials, hosts) = match authority.rsplit_once('@') {
        Some((credentials, hosts)) => (Some(credentials), hosts),
        None => (None, authority),
    };
    let addresses = hosts.split(',').map(address).collect::<Result<Vec<_>, _>>()?;
    let (service, database) = match path.split_once('/') {
        Some((service, database)) => {
            (service, database.parse().map_err(|_| bad("the database must be a number"))?)
        }
        None => (path, 0),
    };
    if service.is_empty() {
        return Err(bad("it has no service name"));
    }
    let mut builder = SentinelClientBuilder::new(addresses, service, SentinelServerType::Master)
        .map_err(|error| unfit(&error))?;
    builder = builder.set_client_to_redis_db(database);
    if let Some(tls) = tls {
        builder = builder.set_client_to_redis_tls_mode(tls).set_client_to_sentinel_tls_mode(tls);
    }
    if let Some((user, password)) = credentials.map(|text| text.split_once(':').unwrap_or(("", text))) {
        if !user.is_empty() {
            builder = builder.set_client_to_redis_username(decoded(user));
        }
        builder = builder.set_client_to_redis_password(decoded(password));
    }
    Ok(Target::Sentinels(Arc::new(Mutex::new(builder.build().map_err(|error| unfit(&error))?))))
}

fn address(text: &str) -> Result<ConnectionAddr, BadRedisUrl> {
    let (host, port) = match text.rsplit_once(':') {
        // The colons of an IPv6 address are inside brackets.
        Some((host, port)) if !port.ends_with(']') => {
            (host, port.parse().map_err(|_| bad("a port must be a number"))?)
        }
        _ => (text, SENTINEL_PORT),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        Err(bad("a sentinel has no host"))
    } else {
        Ok(ConnectionAddr::Tcp(host.to_owned(), port))
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn unfit(error: &RedisError) -> BadRedisUrl {
    bad(error.detail().unwrap_or("it is not an address"))
}

fn bad(reason: &str) -> BadRedisUrl {
    BadRedisUrl(reason.to_owned())
}

/// A duration as Redis takes it.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
