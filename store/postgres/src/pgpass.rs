//! The password file of Postgres' own programs, for an address without a password.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The password that `PGPASSFILE` or `~/.pgpass` has for a connection. A file that others may read is left alone.
pub(crate) fn password(host: &str, port: u16, database: &str, user: &str) -> Option<String> {
    let named = env::var_os("PGPASSFILE").map(PathBuf::from);
    let path = named.or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".pgpass")))?;
    let text = fs::read_to_string(&path).ok()?;
    if is_open_to_others(&path) {
        tracing::warn!("{} is left alone: others may read it; run chmod 0600 on it", path.display());
        return None;
    }
    find(&text, [host, &port.to_string(), database, user])
}

#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> bool {
    false
}

/// The fifth field of the first line whose other four are `wanted`, or an asterisk.
fn find(text: &str, wanted: [&str; 4]) -> Option<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.map(fields).find_map(|fields| {
        let (password, place) = fields.split_last()?;
        let fits = place.len() == wanted.len()
            && place.iter().zip(wanted).all(|(field, wanted)| field == "*" || field == wanted);
        fits.then(|| password.clone())
    })
}

/// The fields of a line: between colons, with a backslash before a colon or a backslash that is part of one.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let part = match character {
            ':' if fields.len() < 5 => {
                fields.push(String::new());
                continue;
            }
            '\\' => characters.next().unwrap_or('\\'),
            other => other,
        };
        if let Some(last) = fields.last_mut() {
            last.push(part);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let text = "# comment\nother:5432:*:shop:no\ndb:*:orders:shop:s\\:e\\\\cret\n*:*:*:*:last";
        let of = |host, database| find(text, [host, "5432", database, "shop"]);
        assert_eq!(of("db", "orders").as_deref(), Some("s:e\\cret"));
        assert_eq!(of("db", "carts").as_deref(), Some("last"));
        assert_eq!(of("other", "carts").as_deref(), Some("no"));
        assert_eq!(find("db:5432:orders:shop", ["db", "5432", "orders", "shop"]), None, "a field is missing");
    }
}
