//! What `DATABASE_URL` says. The driver reads the URL itself; this adds what it does not know: the modes of TLS that look
//! at certificates, their files, and what the environment says where the URL is silent.

use std::env;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::pgpass;
use crate::tls::{Files, Mode};

/// Parameters that the driver reads.
const DRIVER: [&str; 17] = [
    "user",
    "password",
    "dbname",
    "options",
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
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err("it does not begin with postgres://".to_owned());
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut mode =
            variable("PGSSLMODE").map(|word| Mode::parse(&word)).transpose()?.unwrap_or(Mode::Prefer);
        let mut files = Files {
            authorities: variable("PGSSLROOTCERT"),
            certificate: variable("PGSSLCERT"),
            key: variable("PGSSLKEY"),
        };
        let mut options: Vec<String> = variable("PGOPTIONS").into_iter().collect();
        let mut known = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, value) = (decoded(key)?, decoded(value)?);
            match key.as_str() {
                "sslmode" | "ssl-mode" => mode = Mode::parse(&value)?,
                "sslrootcert" | "ssl-root-cert" | "ssl-ca" => files.authorities = Some(value),
                "sslcert" | "ssl-cert" => files.certificate = Some(value),
                "sslkey" | "ssl-key" => files.key = Some(value),
                "options" => options.push(value),
                // The store names its connections itself.
                "application_name" => {}
                name if DRIVER.contains(&name) => {
                    known.push(format!("{name}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC)));
                }
                name => {
                    let setting = name.strip_prefix("options[").and_then(|rest| rest.strip_suffix(']'));
                    if let Some(setting) = setting {
                        options.push(format!("-c {setting}={value}"));
                    } else {
                        tracing::warn!(
                            "DATABASE_URL has a parameter {name:?}, which is not known and is ignored"
                        );
                    }
                }
            }
        }
        let url = complete_url(base, &known);
        let mut config: Config =
            url.parse().map_err(|error: tokio_postgres::Error| crate::error::with_cause(&error))?;
        if !options.is_empty() {
            config.options(options.join(" "));
        }
        complete(&mut config)?;
        Ok(Self { config, mode, files })
    }
}

/// A URL that the driver reads as it is meant. The host begins behind the last @; the driver takes the first one. A host
/// among the `parameters` replaces that of the authority; the driver would try both.
fn complete_url(base: &str, parameters: &[String]) -> String {
    let (scheme, rest) = base.split_once("://").unwrap_or(("postgres", base));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (format!("{}@", user.replace('@', "%40")), host),
        None => (String::new(), authority),
    };
    let is_given = |name: &str| parameters.iter().any(|parameter| parameter.starts_with(&format!("{name}=")));
    let mut parameters = parameters.join("&");
    let mut host = host;
    if is_given("host") {
        let port = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
        if let (Some((_, port)), false) = (port, is_given("port")) {
            parameters = format!("{parameters}&port={port}");
        }
        host = "";
    }
    format!("{scheme}://{user}{host}{path}?{parameters}")
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
        let host = variable("PGHOSTADDR").or_else(|| variable("PGHOST"));
        config.host(host.unwrap_or_else(|| default_host(port)));
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

fn decoded(text: &str) -> Result<String, String> {
    // In the query of a URL a plus is a space.
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).map_err(|error| format!("a parameter is not UTF-8: {error}"))
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
    fn settings_are_read_in_both_spellings_and_what_is_not_known_is_ignored() {
        let url =
            "postgres://db/orders?options=-c%20jit%3Doff&options[work_mem]=1MB&statement-cache-capacity=9";
        let address = Address::parse(url).expect("is an address");
        assert_eq!(address.config.get_options(), Some("-c jit=off -c work_mem=1MB"));
        Address::parse("mysql://db/orders").expect_err("is another database");
    }
}
