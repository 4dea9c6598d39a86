//! What `DATABASE_URL` says, and what the environment says where the URL is silent.

use std::env;
use std::fmt::Write as _;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::tls::{Files, Mode};
use crate::{pgpass, url};

/// Parameters that the driver reads.
const DRIVER: [&str; 16] = [
    "user",
    "password",
    "dbname",
    "host",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
    "sslnegotiation",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
];

/// Parameters of psql that change nothing here: the store names its connections and chooses their encoding itself, and
/// does not ask for what the others are about.
const WITHOUT_EFFECT: [&str; 6] = [
    "application_name",
    "fallback_application_name",
    "client_encoding",
    "krbsrvname",
    "gsslib",
    "sslcompression",
];

/// Where distributions put the server's socket.
const SOCKETS: [&str; 3] = ["/run/postgresql", "/var/run/postgresql", "/tmp"];

#[derive(Debug)]
pub(crate) struct Address {
    /// All but TLS.
    pub(crate) config: Config,
    pub(crate) mode: Mode,
    pub(crate) files: Files,
}

impl Address {
    /// Reads `url`, or says what is wrong with it.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let mut mode =
            variable("PGSSLMODE").map(|word| Mode::parse(&word)).transpose()?.unwrap_or(Mode::Prefer);
        let mut files = Files {
            authorities: variable("PGSSLROOTCERT"),
            certificate: variable("PGSSLCERT"),
            key: variable("PGSSLKEY"),
        };
        let mut options: Vec<String> = variable("PGOPTIONS").into_iter().collect();
        let mut known: Vec<(String, String)> = Vec::new();
        for (name, value) in url::parameters(url)? {
            match name.as_str() {
                "sslmode" | "ssl-mode" => mode = Mode::parse(&value)?,
                "sslrootcert" | "ssl-root-cert" | "ssl-ca" => files.authorities = Some(value),
                "sslcert" | "ssl-cert" => files.certificate = Some(value),
                "sslkey" | "ssl-key" => files.key = Some(value),
                "options" => options.push(value),
                // The same to psql: the server that takes writes.
                "target_session_attrs" if value == "primary" => known.push((name, "read-write".to_owned())),
                "gssencmode" if value != "require" => {}
                known_name if DRIVER.contains(&known_name) => {
                    known.retain(|(other, _)| *other != name);
                    known.push((name, value));
                }
                without_effect if WITHOUT_EFFECT.contains(&without_effect) => {}
                other => {
                    let setting = other.strip_prefix("options[").and_then(|rest| rest.strip_suffix(']'));
                    let setting = setting.ok_or_else(|| {
                        format!("its parameter {other:?} is not known here; remove it, or correct its name")
                    })?;
                    options.push(format!("-c {setting}={value}"));
                }
            }
        }
        let mut config = driver_config(&known)?;
        if !options.is_empty() {
            config.options(options.join(" "));
        }
        complete(&mut config)?;
        Ok(Self { config, mode, files })
    }
}

fn driver_config(parameters: &[(String, String)]) -> Result<Config, String> {
    let mut text = String::new();
    for (name, value) in parameters {
        let value = value.replace('\\', "\\\\").replace('\'', "\\'");
        let _ = write!(text, "{name}='{value}' ");
    }
    text.parse().map_err(|error: tokio_postgres::Error| crate::error::with_cause(&error))
}

/// Where the URL is silent, the environment counts, as for every program of Postgres.
fn complete(config: &mut Config) -> Result<(), String> {
    if config.get_ports().is_empty()
        && let Some(port) = variable("PGPORT")
    {
        config.port(port.parse().map_err(|error| format!("PGPORT {port:?}: {error}"))?);
    }
    // The driver checks a certificate against a host alone.
    if config.get_hosts().is_empty() {
        for address in config.get_hostaddrs().to_vec() {
            config.host(address.to_string());
        }
    }
    if config.get_hosts().is_empty() {
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let hosts = variable("PGHOSTADDR").or_else(|| variable("PGHOST"));
        for host in hosts.unwrap_or_else(|| default_host(port)).split(',') {
            config.host(host);
        }
    }
    if config.get_user().is_none()
        && let Some(user) = variable("PGUSER")
    {
        config.user(user);
    }
    if config.get_dbname().is_none()
        && let Some(name) = variable("PGDATABASE")
    {
        config.dbname(name);
    }
    if config.get_password().is_none()
        && let Some(password) = variable("PGPASSWORD").or_else(|| password_of(config))
    {
        config.password(password);
    }
    Ok(())
}

/// The password file's answer; it knows a server at a socket as `localhost`.
fn password_of(config: &Config) -> Option<String> {
    let user = config.get_user()?;
    let host = match config.get_hosts().first()? {
        Host::Tcp(name) => name,
        Host::Unix(_) => "localhost",
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    pgpass::password(host, port, config.get_dbname().unwrap_or(user), user)
}

fn default_host(port: u16) -> String {
    let socket = |folder: &&str| std::path::Path::new(folder).join(format!(".s.PGSQL.{port}")).exists();
    SOCKETS.into_iter().find(socket).unwrap_or("localhost").to_owned()
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_of_tls_and_its_files_are_read() {
        for (word, mode) in [
            ("disable", Mode::Disable),
            ("allow", Mode::Disable),
            ("prefer", Mode::Prefer),
            ("require", Mode::Require),
            ("verify-ca", Mode::VerifyCa),
            ("verify-full", Mode::VerifyFull),
        ] {
            let url =
                format!("postgres://db/orders?sslmode={word}&sslrootcert=/a%20b/ca.pem&sslcert=c&sslkey=k");
            let address = Address::parse(&url).expect("is an address");
            assert_eq!(address.mode, mode, "{word}");
            let Files { authorities, certificate, key } = address.files;
            assert_eq!(
                (authorities.as_deref(), certificate.as_deref(), key.as_deref()),
                (Some("/a b/ca.pem"), Some("c"), Some("k"))
            );
        }
        let refused = Address::parse("postgres://db/orders?sslmode=maybe").expect_err("is no mode");
        assert!(refused.contains("maybe"), "{refused}");
    }

    #[test]
    fn an_at_sign_in_a_password_is_no_host() {
        let address = Address::parse("postgres://shop:p@ss@db.example/orders").expect("is an address");
        assert_eq!(address.config.get_password(), Some("p@ss".as_bytes()));
    }

    #[test]
    fn a_host_among_the_parameters_replaces_the_other_one() {
        for (url, host, port) in [
            (
                "postgres://shop@localhost:6432/orders?host=db.example",
                Host::Tcp("db.example".to_owned()),
                6432,
            ),
            ("postgres://shop@localhost:6432/orders?host=/run/pg&port=7", Host::Unix("/run/pg".into()), 7),
            ("postgres:///orders?hostaddr=10.0.0.1&port=7", Host::Tcp("10.0.0.1".to_owned()), 7),
        ] {
            let address = Address::parse(url).expect("is an address");
            assert_eq!(address.config.get_hosts(), [host], "{url}");
            assert_eq!(address.config.get_ports(), [port], "{url}");
        }
    }

    #[test]
    fn f34_several_hosts_and_parameters_reach_the_driver_as_they_are() {
        let url = "postgres://o'hara:a%5Cb%27c+d@[::1]:5433,%2Frun%2Fpg:7/my%20shop?connect_timeout=3&\
                   target_session_attrs=primary&application_name=x&keepalives=1";
        let Address { config, .. } = Address::parse(url).expect("is an address");
        assert_eq!(config.get_hosts(), [Host::Tcp("::1".to_owned()), Host::Unix("/run/pg".into())]);
        assert_eq!(config.get_ports(), [5433, 7]);
        assert_eq!((config.get_user(), config.get_dbname()), (Some("o'hara"), Some("my shop")));
        assert_eq!(config.get_password(), Some(r"a\b'c+d".as_bytes()));
        assert_eq!(config.get_connect_timeout(), Some(&std::time::Duration::from_secs(3)));
    }

    #[test]
    fn f34_settings_are_read_in_both_spellings_and_what_is_not_known_is_refused() {
        let address = Address::parse("postgres://db/orders?options=-c%20jit%3Doff&options[work_mem]=1MB");
        let address = address.expect("is an address");
        assert_eq!(address.config.get_options(), Some("-c jit=off -c work_mem=1MB"));
        for (parameter, reason) in [
            ("statement-cache-capacity=9", "statement-cache-capacity"),
            ("sslmod=require", "sslmod"),
            ("sslcrl=/a", "sslcrl"),
            ("gssencmode=require", "gssencmode"),
            ("target_session_attrs=standby", "target_session_attrs"),
            ("hostaddr=db.example", "hostaddr"),
            ("connect_timeout=soon", "connect_timeout"),
        ] {
            let refused = Address::parse(&format!("postgres://db/orders?{parameter}")).expect_err(parameter);
            assert!(refused.contains(reason), "{parameter}: {refused}");
        }
        Address::parse("mysql://db/orders").expect_err("is another database");
    }
}
