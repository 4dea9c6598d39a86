//! How the connections of transactions are opened: to the same server, as the same user, behind the same TLS as the
//! pool's, whose driver is another one.

use std::time::Duration;

use holdfast_saga::ports::StoreError;
use percent_encoding::percent_decode_str;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::tls;

#[derive(Clone)]
pub(crate) struct Dial {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Dial {
    /// What `options` say.
    pub(crate) fn of(options: &PgConnectOptions) -> Result<Self, StoreError> {
        // A password and the files of certificates are told in this way alone.
        let url = options.to_url_lossy();
        let mut config = Config::new();
        match options.get_socket() {
            Some(folder) => config.host_path(folder),
            None => config.host(options.get_host()),
        };
        config.port(options.get_port()).user(options.get_username()).ssl_mode(match options.get_ssl_mode() {
            PgSslMode::Disable | PgSslMode::Allow => SslMode::Disable,
            PgSslMode::Prefer => SslMode::Prefer,
            PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull => SslMode::Require,
        });
        // As the server looks after us (E2): one that is gone without a word is noticed.
        config.keepalives_idle(Duration::from_secs(5)).keepalives_interval(Duration::from_secs(2));
        config.keepalives_retries(3);
        if let Some(password) = url.password() {
            config.password(percent_decode_str(password).collect::<Vec<u8>>());
        }
        if let Some(database) = options.get_database() {
            config.dbname(database);
        }
        if let Some(name) = options.get_application_name() {
            config.application_name(name);
        }
        if let Some(session) = options.get_options() {
            config.options(session);
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
        let tls = tls::config(options.get_ssl_mode(), &files)
            .map_err(|error| StoreError::Refused(format!("DATABASE_URL's TLS cannot be set up: {error}")))?;
        Ok(Self { config, tls: MakeRustlsConnect::new(tls) })
    }

    /// Opens a connection, which lives as long as its client.
    pub(crate) async fn open(&self) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                // Whoever uses the connection is told; one that waits for its next use is just gone.
                tracing::debug!(error = %error, "a connection to Postgres has ended");
            }
        });
        Ok(client)
    }
}

impl std::fmt::Debug for Dial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // It holds a password.
        f.debug_struct("Dial").finish_non_exhaustive()
    }
}
