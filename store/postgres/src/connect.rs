//! How connections to Postgres are opened: where the server is, as whom, behind which TLS, with which settings.

use std::time::Duration;

use holdfast_saga::ports::StoreError;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::address::Address;
use crate::error::{connect_error, is_starting, with_cause};
use crate::tls;

/// The settings of every connection, each as the server shows it once it has it.
///
/// Statements find their rows by key, and the planner may choose nothing else: it plans each once and keeps the plan. In
/// a new shop it would choose to read whole tables, and keep to it as they grow; or to sort what is due, which an index
/// has in order, and keep to it when a queue is resumed behind which a million orders wait.
/// A worker that is stopped inside a transaction costs the others seconds, not the shop (E2).
const SESSION: [(&str, &str); 9] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
    ("lock_timeout", "1s"),
    ("statement_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "5s"),
];

/// With which the server notices that a client is gone. A socket of the same machine has none of them.
const KEEPALIVES: [(&str, &str); 3] =
    [("tcp_keepalives_idle", "5"), ("tcp_keepalives_interval", "2"), ("tcp_keepalives_count", "3")];

/// The guard of connections for transactions.
const READ_ONLY: &str = "default_transaction_read_only";

/// Every text that customers send must fit.
const ENCODING: &str = "UTF8";

/// An open connection.
pub(crate) struct Opened {
    pub(crate) client: Client,
    /// Whether what is sent outside of a transaction can write nothing.
    pub(crate) is_guarded: bool,
}

#[derive(Clone)]
pub(crate) struct ConnectConfig {
    config: Config,
    /// `None` where nothing goes over a network, or nothing may be encrypted.
    tls: Option<tls::Settings>,
}

impl ConnectConfig {
    /// Reads `url`. A TLS set-up that cannot work is refused here.
    pub(crate) fn of(url: &str) -> Result<Self, StoreError> {
        let Address { mut config, mode, files } = Address::parse(url)
            .map_err(|reason| StoreError::Refused(format!("DATABASE_URL is not a Postgres URL: {reason}")))?;
        config.application_name("holdfast").ssl_mode(match mode {
            tls::Mode::Disable => SslMode::Disable,
            tls::Mode::Prefer => SslMode::Prefer,
            tls::Mode::Require | tls::Mode::VerifyCa | tls::Mode::VerifyFull => SslMode::Require,
        });
        // A peer that is gone without a word is noticed (E2), whether or not it owes an answer.
        config.keepalives_idle(Duration::from_secs(5)).keepalives_interval(Duration::from_secs(2));
        config.keepalives_retries(3).tcp_user_timeout(Duration::from_secs(11));
        let is_local = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        let tls = (!is_local && mode != tls::Mode::Disable).then_some(tls::Settings { mode, files });
        let mut opened = Self { config, tls };
        for (name, value) in SESSION.into_iter().chain(KEEPALIVES) {
            opened.set(name, value);
        }
        opened.tls()?;
        Ok(opened)
    }

    /// The same for transactions: a statement that is sent behind a `begin` which is refused must not be committed by
    /// itself.
    pub(crate) fn writing_in_transactions_only(mut self) -> Self {
        // The driver would take the guard for a server that may not be written; the write gate asks the server itself.
        self.config.target_session_attrs(TargetSessionAttrs::Any);
        self.set(READ_ONLY, "on");
        self
    }

    fn set(&mut self, name: &str, value: &str) {
        let before = self.config.get_options().map_or(String::new(), |options| format!("{options} "));
        self.config.options(format!("{before}-c {name}={value}"));
    }

    /// Certificates are read for every connection: they are replaced while the shop runs.
    fn tls(&self) -> Result<Option<MakeRustlsConnect>, StoreError> {
        let Some(settings) = &self.tls else { return Ok(None) };
        let config = tls::config(settings)
            .map_err(|error| StoreError::Refused(format!("DATABASE_URL's TLS cannot be set up: {error}")))?;
        Ok(Some(MakeRustlsConnect::new(config)))
    }

    /// Opens a connection, which lives as long as its client, and checks that the server took its settings. Says whether
    /// the same may work in a moment.
    pub(crate) async fn open(&self) -> Result<Opened, OpenError> {
        let client = match self.tls().map_err(OpenError::Final)? {
            Some(tls) => open(&self.config, tls).await,
            None => open(&self.config, NoTls).await,
        };
        let client = client.map_err(|error| {
            let filed = connect_error(&error);
            if is_starting(&error) { OpenError::Starting(filed) } else { OpenError::Final(filed) }
        })?;
        let is_guarded = self.check(&client).await.map_err(OpenError::Final)?;
        Ok(Opened { client, is_guarded })
    }

    /// Reads back what was asked for: a pooler in between may have dropped it (E2). Returns whether [`READ_ONLY`] is on.
    async fn check(&self, client: &Client) -> Result<bool, StoreError> {
        let names = ["server_encoding", READ_ONLY].into_iter().chain(SESSION.map(|(name, _)| name));
        let all: Vec<String> = names.map(|name| format!("current_setting('{name}')")).collect();
        // As a plain query: a pooler may not keep statements.
        let answer = client.simple_query(&format!("select {}", all.join(", "))).await;
        let answer = answer.map_err(|error| connect_error(&error))?;
        let row = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let value = |at: usize| row.and_then(|row| row.get(at)).unwrap_or_default();
        if value(0) != ENCODING {
            return Err(StoreError::Refused(format!(
                "the encoding of the database is {}, and must be {ENCODING}, or customers' names do not fit; create \
                 another one (`create database NAME encoding 'UTF8' template template0`) and point DATABASE_URL at it",
                value(0)
            )));
        }
        let wrong: Vec<_> =
            SESSION.iter().enumerate().map(|(at, (name, wanted))| (*name, *wanted, value(at + 2))).collect();
        let wrong: Vec<_> = wrong.into_iter().filter(|(_, wanted, found)| wanted != found).collect();
        if wrong.is_empty() { Ok(value(1) == "on") } else { Err(self.not_taken(&wrong)) }
    }

    fn not_taken(&self, wrong: &[(&str, &str, &str)]) -> StoreError {
        let found =
            wrong.iter().map(|(name, wanted, found)| format!("{name} is {found} instead of {wanted}"));
        let found: Vec<String> = found.collect();
        let user = self.config.get_user().unwrap_or("ROLE");
        let database = self.config.get_dbname().unwrap_or(user);
        let set = wrong.iter().map(|(name, wanted, _)| {
            format!("alter role \"{user}\" in database \"{database}\" set {name} = '{wanted}';")
        });
        let set: Vec<String> = set.collect();
        StoreError::Refused(format!(
            "a connection pooler between this process and Postgres drops the settings that every connection needs, \
             without which one stopped process holds up all others ({}); connect to Postgres itself, or set them on \
             the role, and have the pooler connect anew: {} See docs/deployment.md, connection poolers",
            found.join(", "),
            set.join(" ")
        ))
    }
}

/// Why no connection could be opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// The server starts, or has no connection to spare: the same may work in a moment.
    Starting(StoreError),
    /// Anything else.
    Final(StoreError),
}

impl From<OpenError> for StoreError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Starting(error) | OpenError::Final(error) => error,
        }
    }
}

async fn open<T>(config: &Config, tls: T) -> Result<Client, tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::TlsConnect: TlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let (client, connection) = config.connect(tls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            // A statement in flight gets the error itself; a connection that was idle is opened again.
            tracing::debug!(error = %with_cause(&error), "a connection to Postgres has ended");
        }
    });
    Ok(client)
}

impl std::fmt::Debug for ConnectConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // It holds a password.
        f.debug_struct("ConnectConfig").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> ConnectConfig {
        ConnectConfig::of(url).expect("is an address")
    }

    #[test]
    fn a_server_a_user_and_a_password_are_read() {
        let read = config("postgres://shop:p%40%3A%2F%25@db.example:6432/orders?sslmode=require");
        assert_eq!(read.config.get_hosts(), [Host::Tcp("db.example".to_owned())]);
        assert_eq!(read.config.get_ports(), [6432]);
        assert_eq!(read.config.get_user(), Some("shop"));
        assert_eq!(read.config.get_password(), Some("p@:/%".as_bytes()));
        assert_eq!(read.config.get_dbname(), Some("orders"));
        assert_eq!(read.config.get_application_name(), Some("holdfast"));
        assert!(read.tls.is_some());
    }

    #[test]
    fn a_socket_an_ipv6_address_and_an_odd_user_are_read() {
        for url in ["postgres://shop@%2Frun%2Fpg/orders", "postgres:///orders?user=shop&host=/run/pg"] {
            let read = config(url);
            assert_eq!(read.config.get_hosts(), [Host::Unix("/run/pg".into())], "{url}");
            assert!(read.tls.is_none(), "{url}");
        }
        let read = config("postgres:///orders?user=a:b&host=::1&sslmode=disable");
        assert_eq!(read.config.get_hosts(), [Host::Tcp("::1".to_owned())]);
        assert_eq!(read.config.get_user(), Some("a:b"));
        assert!(read.tls.is_none());
        // The host is this machine's default then, wherever that is.
        assert_eq!(config("postgres:///orders").config.get_hosts().len(), 1);
    }

    #[test]
    fn what_is_sent_outside_a_transaction_writes_nothing() {
        let of = config("postgres://shop@db/orders?options=-c%20jit%3Doff").writing_in_transactions_only();
        let options = of.config.get_options().expect("has options");
        assert!(options.starts_with("-c jit=off -c plan_cache_mode=force_generic_plan "), "{options}");
        assert!(options.ends_with(" -c default_transaction_read_only=on"), "{options}");
    }

    #[test]
    fn half_an_identity_is_refused() {
        let refused = ConnectConfig::of("postgres://db/orders?sslmode=require&sslcert=a.pem");
        let refused = refused.expect_err("no key is given");
        assert!(refused.to_string().contains("sslkey"), "{refused}");
    }
}
