//! Where Redis is, and how to reach it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use holdfast_shared::{Queue, ShopId};
use percent_encoding::percent_decode_str;
use redis::aio::MultiplexedConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, RedisError, RedisResult, TlsMode};
use tokio::sync::Mutex;

/// A connection that is not there by now is tried again later: nobody waits for it.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// Where a sentinel listens unless its address says otherwise.
const SENTINEL_PORT: u16 = 26_379;

/// A Redis server, or the sentinels that know which server it is.
pub struct Redis {
    target: Target,
    prefix: String,
    shown: String,
}

enum Target {
    One(Box<Client>),
    Sentinels(Arc<Mutex<SentinelClient>>),
}

/// The address of Redis is none; it is not repeated, as it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the Redis URL is not understood ({0}); redis://HOST:PORT/DB, rediss://… for TLS, or \
     redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB is expected, with USER:PASSWORD@ before the host if need be"
)]
pub struct BadRedisUrl(String);

/// Redis does not answer, or does not let us in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisDown {
    /// Nobody there, now.
    #[error("Redis at {shown} does not answer: {reason}")]
    Silent {
        /// The address, without its password.
        shown: String,
        /// What was seen.
        reason: String,
    },
    /// It answers, and the answer will be the same for ever.
    #[error("Redis at {shown} does not let us in: {reason}; check the user and the password in REDIS_URL")]
    Refused {
        /// The address, without its password.
        shown: String,
        /// What it said.
        reason: String,
    },
}

impl Redis {
    /// Understands an address; connects to nobody. All keys begin with `prefix`, and with the shop's id once it is known.
    pub fn parse(url: &str, prefix: &str) -> Result<Self, BadRedisUrl> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| bad("it names no scheme"))?;
        if scheme.starts_with("rediss") || scheme == "valkeys" {
            // Whoever installed one before us chose for all of the process.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let target = match scheme {
            "redis+sentinel" => sentinels(rest, None)?,
            "rediss+sentinel" => sentinels(rest, Some(TlsMode::Secure))?,
            _ => Target::One(Box::new(Client::open(url).map_err(|error| unfit(&error))?)),
        };
        // Neither before the `@` nor among the parameters of a socket's path is a password shown.
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        let shown = format!("{scheme}://{}", place.split(['?', '#']).next().unwrap_or_default());
        Ok(Self { target, prefix: prefix.to_owned(), shown })
    }

    /// The same Redis for the keys of `shop` alone: another shop that was given the same prefix has others.
    #[must_use]
    pub fn of_shop(mut self, shop: ShopId) -> Self {
        self.prefix = format!("{}:{shop}", self.prefix);
        self
    }

    /// Asks whether it is there and lets us in.
    pub async fn check(&self) -> Result<(), RedisDown> {
        let asked = async {
            let mut connection = self.connect(CONNECT_WITHIN).await?;
            redis::cmd("PING").query_async::<String>(&mut connection).await
        };
        let answer = tokio::time::timeout(CONNECT_WITHIN * 2, asked).await;
        let reason = match answer {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) if is_refusal(&error) => {
                return Err(RedisDown::Refused { shown: self.shown.clone(), reason: error.to_string() });
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("nothing within {} s", (CONNECT_WITHIN * 2).as_secs()),
        };
        Err(RedisDown::Silent { shown: self.shown.clone(), reason })
    }

    /// A new connection. Each command on it is given up after `answer_within`.
    pub(crate) async fn connect(&self, answer_within: Duration) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(answer_within));
        let connecting = async {
            match &self.target {
                Target::One(client) => client.get_multiplexed_async_connection_with_config(&config).await,
                // Asked anew for every connection: after a failover it is another server.
                Target::Sentinels(client) => {
                    client.lock().await.get_async_connection_with_config(&config).await
                }
            }
        };
        // A host that swallows everything is not asked for longer, however many addresses it has.
        tokio::time::timeout(CONNECT_WITHIN * 2, connecting)
            .await
            .unwrap_or_else(|_| Err(RedisError::from(io::Error::from(io::ErrorKind::TimedOut))))
    }

    /// The key under which something of a queue is kept. All keys of one queue share a hash tag, so that a
    /// cluster keeps them together.
    pub(super) fn key(&self, queue: Queue, what: &str) -> String {
        format!("{}:{{{queue}}}:{what}", self.prefix)
    }

    /// The same for what the replicas know of a payment provider.
    pub(crate) fn provider_key(&self, provider: &str, what: &str) -> String {
        format!("{}:{{provider:{provider}}}:{what}", self.prefix)
    }
}

/// Without its password.
impl fmt::Display for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Redis").field(&self.shown).finish()
    }
}

/// Whether asking again is no use.
fn is_refusal(error: &RedisError) -> bool {
    let words = error.to_string();
    error.kind() == ErrorKind::AuthenticationFailed
        || ["NOAUTH", "WRONGPASS", "NOPERM"].iter().any(|code| words.contains(code))
}

/// `[USER:PASSWORD@]HOST[:PORT],HOST[:PORT]/SERVICE[/DB]`. The credentials are the server's.
fn sentinels(rest: &str, tls: Option<TlsMode>) -> Result<Target, BadRedisUrl> {
    let (authority, path) = rest.split_once('/').ok_or_else(|| bad("it names no service"))?;
    let (credentials, hosts) = match authority.rsplit_once('@') {
        Some((credentials, hosts)) => (Some(credentials), hosts),
        None => (None, authority),
    };
    let addresses = hosts.split(',').map(address).collect::<Result<Vec<_>, _>>()?;
    let (service, database) = match path.split_once('/') {
        Some((service, database)) => {
            (service, database.parse().map_err(|_| bad("the database is no number"))?)
        }
        None => (path, 0),
    };
    if service.is_empty() {
        return Err(bad("it names no service"));
    }
    let mut builder = SentinelClientBuilder::new(addresses, service, SentinelServerType::Master)
        .map_err(|error| unfit(&error))?;
    builder = builder.set_client_to_redis_db(database);
    if let Some(tls) = tls {
        builder = builder.set_client_to_redis_tls_mode(tls).set_client_to_sentinel_tls_mode(tls);
    }
    if let Some((user, password)) = credentials.map(|words| words.split_once(':').unwrap_or(("", words))) {
        if !user.is_empty() {
            builder = builder.set_client_to_redis_username(decoded(user));
        }
        builder = builder.set_client_to_redis_password(decoded(password));
    }
    Ok(Target::Sentinels(Arc::new(Mutex::new(builder.build().map_err(|error| unfit(&error))?))))
}

fn address(text: &str) -> Result<ConnectionAddr, BadRedisUrl> {
    let (host, port) = match text.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((host, port)) if !port.ends_with(']') => {
            (host, port.parse().map_err(|_| bad("a port is no number"))?)
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
    bad(error.detail().unwrap_or("it is no address"))
}

fn bad(reason: &str) -> BadRedisUrl {
    BadRedisUrl(reason.to_owned())
}
