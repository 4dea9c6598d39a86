//! Whether the database may be written at all.
//!
//! A transaction says by itself that it writes, so that nothing that is sent outside of one can. That overrides a
//! database that is set to read-only. So what is set is looked up, in the background and every few seconds at most; and
//! nothing begins to write while writing is not allowed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_saga::ports::StoreError;
use tokio::time::Instant;

use crate::row::PgRow;

/// How long what was seen is believed.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What was seen last, and when; `None`: nothing yet.
#[derive(Debug, Default)]
pub(crate) struct WriteGate(Mutex<Option<Seen>>);

#[derive(Debug)]
struct Seen {
    at: Instant,
    /// Why nothing may be written.
    refusal: Option<&'static str>,
}

pub(crate) enum Verdict {
    /// It may; look again meanwhile, if `look`.
    Open { look: bool },
    /// It may not, as was seen a moment ago.
    Shut(&'static str),
    /// Look first.
    Unknown,
}

impl WriteGate {
    pub(crate) fn verdict(&self) -> Verdict {
        let mut seen = self.lock();
        let Some(Seen { at, refusal }) = &mut *seen else { return Verdict::Unknown };
        let is_old = at.elapsed() > LOOK_EVERY;
        if is_old {
            // Whoever asks meanwhile goes by what is known.
            *at = Instant::now();
        }
        match refusal {
            None => Verdict::Open { look: is_old },
            Some(_) if is_old => Verdict::Unknown,
            Some(why) => Verdict::Shut(why),
        }
    }

    /// What was seen just now.
    pub(crate) fn saw(&self, refusal: Option<&'static str>) {
        *self.lock() = Some(Seen { at: Instant::now(), refusal });
    }

    fn lock(&self) -> MutexGuard<'_, Option<Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why nothing may be written, by the row of `writes_allowed`.
pub(crate) fn refusal(row: &PgRow) -> Result<Option<&'static str>, StoreError> {
    let of_role_or_database: Option<String> = row.value(1)?;
    let (of_session, source): (String, String) = (row.value(2)?, row.value(3)?);
    // What the session has from a role or a database may have been lifted since.
    let is_outdated = ["global", "database", "user", "database user"].contains(&source.as_str());
    Ok(if row.value(0)? {
        Some(
            "the database is read-only: this server is a standby; point DATABASE_URL at the primary. Nothing was written",
        )
    } else if of_role_or_database.as_deref().is_some_and(|value| !is_off(value)) {
        Some(
            "the database is read-only: default_transaction_read_only is set for it or for its role; lift that with \
             `alter database … reset default_transaction_read_only` (or `alter role`). Nothing was written",
        )
    } else if of_role_or_database.is_none() && !is_outdated && !is_off(&of_session) {
        Some(
            "the database is read-only: default_transaction_read_only is set for the whole server or in DATABASE_URL; \
             lift that, or point DATABASE_URL at the primary. Nothing was written",
        )
    } else {
        None
    })
}

/// A Boolean as people set it: any beginning of a word that means no.
fn is_off(value: &str) -> bool {
    let value = value.trim_matches('\'').to_ascii_lowercase();
    value == "0" || (!value.is_empty() && ["off", "false", "no"].iter().any(|no| no.starts_with(&value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_off_is_off() {
        for (value, off) in [
            ("off", true),
            ("OFF", true),
            ("false", true),
            ("f", true),
            ("no", true),
            ("n", true),
            ("0", true),
            ("on", false),
            ("true", false),
            ("1", false),
            ("yes", false),
        ] {
            assert_eq!(is_off(value), off, "{value}");
        }
    }
}
