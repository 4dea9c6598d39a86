//! A Postgres URL taken apart as psql does it, into the parameters that it stands for.

use percent_encoding::percent_decode_str;

/// The parameters of `url`, in its order; a later one replaces an earlier one of its name.
///
/// `postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?NAME=VALUE&…`, any part of which may be missing or
/// percent-encoded. A HOST is a name, an address, an IPv6 address in brackets, or a socket's folder.
pub(crate) fn parameters(url: &str) -> Result<Vec<(String, String)>, String> {
    let rest = ["postgres://", "postgresql://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let rest = rest.ok_or("it does not begin with postgres://")?;
    let (base, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = base.split_once('/').unwrap_or((base, ""));
    // The last one: a password may hold others, though psql wants them encoded.
    let (user, hosts) =
        authority.rsplit_once('@').map_or((None, authority), |(user, hosts)| (Some(user), hosts));
    let mut found = Vec::new();
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            found.push((name.to_owned(), value));
        }
    };
    if let Some(user) = user {
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        add("user", decoded("the user", user)?);
        add("password", decoded("the password", password)?);
    }
    let places = hosts.split(',').map(place).collect::<Result<Vec<_>, _>>()?;
    let list = |parts: Vec<&str>| parts.join(",");
    let names: Vec<&str> = places.iter().map(|(host, _)| host.as_str()).collect();
    let ports: Vec<&str> = places.iter().map(|(_, port)| port.as_str()).collect();
    add("host", list(names));
    if ports.iter().any(|port| !port.is_empty()) {
        add("port", list(ports));
    }
    add("dbname", decoded("the database", database)?);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) =
            pair.split_once('=').ok_or_else(|| format!("a parameter has no value; {ENCODE}"))?;
        let name = decoded("a parameter", name)?;
        let value = decoded(&name, value)?;
        found.push(match (name.as_str(), value.as_str()) {
            // As programs for JDBC write it.
            ("ssl", "true") | ("requiressl", "1") => ("sslmode".to_owned(), "require".to_owned()),
            _ => (name, value),
        });
    }
    Ok(found)
}

/// What is quoted of a URL might be a part of its password: so nothing is.
const ENCODE: &str = "a `/`, `?`, `@`, `:` or `&` in a password must be percent-encoded";

/// `HOST[:PORT]`.
fn place(text: &str) -> Result<(String, String), String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or("the bracket of an IPv6 address is not closed")?;
            let port = rest.strip_prefix(':').unwrap_or(rest);
            if !rest.is_empty() && !rest.starts_with(':') {
                return Err(format!(
                    "something follows the bracket of an IPv6 address; expected :PORT, and {ENCODE}"
                ));
            }
            (host, port)
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let port = decoded("a port", port)?;
    if !port.is_empty() && port.parse::<u16>().is_err() {
        return Err(format!("a port is no port; an IPv6 address stands in brackets, and {ENCODE}"));
    }
    Ok((decoded("a host", host)?, port))
}

fn decoded(what: &str, text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).map_err(|error| format!("{what} is not UTF-8: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f34_a_url_is_taken_apart_as_psql_does_it() {
        for (url, expected) in [
            ("postgres://user@[::1]:5432/db", "user=user host=::1 port=5432 dbname=db"),
            ("postgres://user@[2001:db8::7]/db", "user=user host=2001:db8::7 dbname=db"),
            ("postgresql://[fe80::1%25eth0]/db", "host=fe80::1%eth0 dbname=db"),
            ("postgres://user@/db?host=/socket", "user=user dbname=db host=/socket"),
            ("postgres://%2Frun%2Fpg:7/db", "host=/run/pg port=7 dbname=db"),
            ("postgres://%2Fvar%2Flib%2Fpost%20gres/db", "host=/var/lib/post gres dbname=db"),
            ("postgres:///db", "dbname=db"),
            ("postgres://", ""),
            ("postgres://db.example", "host=db.example"),
            ("postgres://db.example?user=a", "host=db.example user=a"),
            ("postgres://a,b/db", "host=a,b dbname=db"),
            ("postgres://a:1,[::1]:2,c/db", "host=a,::1,c port=1,2, dbname=db"),
            ("postgres:///db?host=a,b&port=1,2", "dbname=db host=a,b port=1,2"),
            ("postgres://:pw@h/db", "password=pw host=h dbname=db"),
            ("postgres://a%40b:p%3A%2F%25@h/d%2Fb", "user=a@b password=p:/% host=h dbname=d/b"),
            // A plus is a plus.
            ("postgres://u:a+b@h/db?options=-c+x", "user=u password=a+b host=h dbname=db options=-c+x"),
            ("postgres://h/db?ssl=true&", "host=h dbname=db sslmode=require"),
        ] {
            let found = parameters(url).unwrap_or_else(|why| panic!("{url}: {why}"));
            let found: Vec<String> = found.iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!(found.join(" "), expected, "{url}");
        }
        for (url, reason) in [
            ("mysql://h/db", "postgres://"),
            ("postgres://[::1/db", "not closed"),
            ("postgres://[::1]5432/db", "expected :PORT"),
            ("postgres://::1/db", "in brackets"),
            ("postgres://h:port/db", "is no port"),
            ("postgres://h:70000/db", "is no port"),
            ("postgres://h/db?sslmode", "has no value"),
            ("postgres://u:s3cr/et@h/db", "percent-encoded"),
            ("postgres://h/db?password=x&s3cret", "percent-encoded"),
            ("postgres://[::1]s3cret/db", "percent-encoded"),
            ("postgres://h/%ff", "not UTF-8"),
        ] {
            let refused = parameters(url).expect_err(url);
            assert!(refused.contains(reason), "{url}: {refused}");
            assert!(!refused.contains("s3cr"), "no part of a password: {refused}");
        }
    }
}
