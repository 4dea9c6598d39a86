//! How the connections of transactions are opened: to the same server, as the same user, behind the same TLS as the
//! pool's, whose driver is another one.

use std::time::Duration;

use holdfast_saga::ports::StoreError;
use percent_encoding::percent_decode_str;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::pipe::pipe_error;
use crate::tls;

pub(crate) struct Dial {
    config: Config,
    /// `None` where nothing goes over a network, or nothing may be encrypted.
    tls: Option<(PgSslMode, tls::Files)>,
}

impl Dial {
    /// What `options` say.
    pub(crate) fn of(options: &PgConnectOptions) -> Result<Self, StoreError> {
        let mode = options.get_ssl_mode();
        let mut config = Config::new();
        // A host that begins with a slash is a folder with sockets.
        let socket = options.get_socket().map(|folder| folder.to_string_lossy());
        let host = socket.as_deref().unwrap_or_else(|| options.get_host());
        config.host(host);
        config.port(options.get_port()).user(options.get_username()).ssl_mode(match mode {
            PgSslMode::Disable | PgSslMode::Allow => SslMode::Disable,
            PgSslMode::Prefer => SslMode::Prefer,
            PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull => SslMode::Require,
        });
        // As the server looks after us (E2): one that is gone without a word is noticed, whether or not it owes an
        // answer.
        config.keepalives_idle(Duration::from_secs(5)).keepalives_interval(Duration::from_secs(2));
        config.keepalives_retries(3).tcp_user_timeout(Duration::from_secs(11));
        if let Some(database) = options.get_database() {
            config.dbname(database);
        }
        if let Some(name) = options.get_application_name() {
            config.application_name(name);
        }
        // What is sent behind a `begin` that is refused must not be committed by itself.
        let session = options.get_options().unwrap_or_default();
        config.options(format!("{session} -c default_transaction_read_only=on"));
        // Told in this way alone: a password, and the files of certificates. Not every host or user fits into a URL.
        let url = options.clone().host("localhost").username("nobody").to_url_lossy();
        if let Some(password) = url.password() {
            config.password(percent_decode_str(password).collect::<Vec<u8>>());
        }
        // Written with a word before each path.
        let parameter = |name: &str| {
            let (_, value) = url.query_pairs().find(|(key, _)| key == name)?;
            Some(value.strip_prefix("file: ").unwrap_or(&value).to_owned())
        };
        let files = tls::Files {
            authorities: parameter("sslrootcert"),
            certificate: parameter("sslcert"),
            key: parameter("sslkey"),
        };
        let is_plain = host.starts_with('/') || matches!(mode, PgSslMode::Disable | PgSslMode::Allow);
        let tls = (!is_plain).then_some((mode, files));
        let dial = Self { config, tls };
        dial.tls()?;
        Ok(dial)
    }

    /// Read anew for every connection: certificates are replaced while we run.
    fn tls(&self) -> Result<Option<MakeRustlsConnect>, StoreError> {
        let Some((mode, files)) = &self.tls else { return Ok(None) };
        let config = tls::config(*mode, files)
            .map_err(|error| StoreError::Refused(format!("DATABASE_URL's TLS cannot be set up: {error}")))?;
        Ok(Some(MakeRustlsConnect::new(config)))
    }

    /// Opens a connection, which lives as long as its client.
    pub(crate) async fn open(&self) -> Result<Client, StoreError> {
        match self.tls()? {
            Some(tls) => open(&self.config, tls).await,
            None => open(&self.config, NoTls).await,
        }
        .map_err(pipe_error)
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
            // Whoever uses the connection is told; one that waits for its next use is just gone.
            tracing::debug!(error = %pipe_error(error), "a connection to Postgres has ended");
        }
    });
    Ok(client)
}

impl std::fmt::Debug for Dial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // It holds a password.
        f.debug_struct("Dial").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::Host;

    use super::*;

    fn dialled(url: &str) -> Dial {
        let options: PgConnectOptions = url.parse().expect("a URL");
        Dial::of(&options).expect("can be dialled")
    }

    #[test]
    fn the_same_server_and_user_are_dialled_as_the_pool_s() {
        let dial = dialled("postgres://shop:p%40%3A%2F%25@db.example:6432/orders?sslmode=require");
        assert_eq!(dial.config.get_hosts(), [Host::Tcp("db.example".to_owned())]);
        assert_eq!(dial.config.get_ports(), [6432]);
        assert_eq!(dial.config.get_user(), Some("shop"));
        assert_eq!(dial.config.get_password(), Some("p@:/%".as_bytes()));
        assert_eq!(dial.config.get_dbname(), Some("orders"));
        assert!(dial.tls.is_some());
    }

    #[test]
    fn a_socket_an_ipv6_address_and_an_odd_user_are_dialled() {
        for url in ["postgres://shop@%2Frun%2Fpg/orders", "postgres:///orders?user=shop&host=/run/pg"] {
            let dial = dialled(url);
            assert_eq!(dial.config.get_hosts(), [Host::Unix("/run/pg".into())], "{url}");
            assert!(dial.tls.is_none(), "{url}");
        }
        let dial = dialled("postgres:///orders?user=a:b&host=::1&sslmode=disable");
        assert_eq!(dial.config.get_hosts(), [Host::Tcp("::1".to_owned())]);
        assert_eq!(dial.config.get_user(), Some("a:b"));
        assert!(dial.tls.is_none());
        // Wherever that may be.
        dialled("postgres:///orders");
    }

    #[test]
    fn what_is_sent_outside_a_transaction_writes_nothing() {
        let dial = dialled("postgres://shop@db/orders?options=-c%20jit%3Doff");
        assert_eq!(dial.config.get_options(), Some("-c jit=off -c default_transaction_read_only=on"));
    }

    #[test]
    fn half_an_identity_is_refused() {
        let options: PgConnectOptions =
            "postgres://db/orders?sslmode=require&sslcert=a.pem".parse().expect("a URL");
        let refused = Dial::of(&options).expect_err("no key is given");
        assert!(refused.to_string().contains("sslkey"), "{refused}");
    }
}
