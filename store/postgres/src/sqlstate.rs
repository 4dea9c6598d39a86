//! What the server's answers mean, class by class (appendix A of its manual), and what to do about each.

use holdfast_saga::ports::StoreError;

/// How an answer is filed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum File {
    /// Somebody else was in the way.
    Contention,
    /// One row is at fault.
    Data,
    /// It may work later, by itself.
    Unavailable,
    /// A person must act.
    Refused,
}

/// What it means, and the next move.
struct Meaning {
    file: File,
    what: &'static str,
    next: &'static str,
}

/// Files an answer by its SQLSTATE, with what the server said.
pub(crate) fn file(code: &str, message: &str, hint: &str) -> StoreError {
    let Meaning { file, what, next } = meaning(code, message);
    let said = format!("{message} ({code}){hint}");
    match file {
        File::Contention => StoreError::Contention(said),
        File::Data => StoreError::Data(said),
        File::Unavailable => StoreError::Unavailable(format!("{what}: {said}; {next}")),
        File::Refused => StoreError::Refused(format!("{what}: {said}; {next}")),
    }
}

const fn contention() -> Meaning {
    Meaning { file: File::Contention, what: "", next: "" }
}

const fn data() -> Meaning {
    Meaning { file: File::Data, what: "", next: "" }
}

const fn unavailable(what: &'static str, next: &'static str) -> Meaning {
    Meaning { file: File::Unavailable, what, next }
}

const fn refused(what: &'static str, next: &'static str) -> Meaning {
    Meaning { file: File::Refused, what, next }
}

/// Total: a code that is in no manual has a text of its own, too.
fn meaning(code: &str, message: &str) -> Meaning {
    single(code, message).unwrap_or_else(|| of_class(code))
}

/// Codes that mean something else than their class.
fn single(code: &str, message: &str) -> Option<Meaning> {
    Some(match code {
        // A pooler says most of what it has to say under this one.
        "08P01" if message.contains("unsupported startup parameter") => refused(
            "a connection pooler refuses the settings that every connection needs",
            "connect to Postgres itself, or let the pooler ignore `options` and set them on the role: \
             docs/deployment.md, connection poolers",
        ),
        "08P01" => unavailable(
            "the server, or a connection pooler in between, broke the connection off",
            "look at the pooler's log, and whether it reaches Postgres",
        ),
        "42P05" | "26000" => refused(
            "a connection pooler hands one server connection to several clients and does not keep their prepared \
             statements",
            "use session pooling, a pooler that keeps prepared statements, or Postgres itself: docs/deployment.md, \
             connection poolers",
        ),
        "25006" => {
            refused("the database is read-only", "point DATABASE_URL at the primary, or lift the setting")
        }
        "25P03" | "25P04" => unavailable(
            "the server ended a transaction that was open for too long",
            "this process was stopped or overloaded; nothing was written",
        ),
        "3D000" => refused("there is no such database", "create it, or check DATABASE_URL"),
        "3F000" => refused(
            "the role has no schema to work in",
            "create the schema that its search_path names, or correct it: `alter role … set search_path`",
        ),
        "42501" => refused(
            "the database role lacks a right",
            "grant it, run `holdfast migrate` as the owner, or check DATABASE_URL",
        ),
        "42601" => refused(
            "the server does not understand a statement of this program",
            "use Postgres 13 or newer, and nothing in between that rewrites statements",
        ),
        "53100" => refused(
            "the database's disk is full",
            "free some space, then it goes on by itself; nothing was lost",
        ),
        "53200" => unavailable(
            "the database server is out of memory",
            "give it more, or lower work_mem and max_connections",
        ),
        "53300" => unavailable(
            "the server has no connection left for this role or database",
            "end others, run fewer processes, or raise max_connections or the connection limit",
        ),
        "55P03" | "55006" => contention(),
        "57014" => unavailable(
            "the server cancelled the statement",
            "it took longer than it may, or somebody cancelled it: see in pg_stat_activity what keeps the database \
             busy, then repeat it",
        ),
        "57P03" => unavailable("the server takes no connections yet", "wait until it has started"),
        "57P04" => refused("the database was dropped", "restore it, or check DATABASE_URL"),
        "57P05" => unavailable(
            "the server ended an idle connection",
            "try again; a longer idle_session_timeout spares new connections",
        ),
        "XX001" | "XX002" => {
            refused("the database is damaged", "stop everything that uses it, and restore the last backup")
        }
        _ => return None,
    })
}

fn of_class(code: &str) -> Meaning {
    match code.get(..2).unwrap_or_default() {
        "40" => contention(),
        "21" | "22" | "23" => data(),
        "08" => unavailable(
            "the connection to the database broke",
            "try again; if it comes again, look at the network and at what stands between",
        ),
        "0A" => refused(
            "the server cannot do what this program asks",
            "use Postgres 13 or newer; if a migration has just run, start this process again",
        ),
        "25" | "2D" | "3B" | "0B" => unavailable(
            "a transaction was not in the state that it should be in",
            "repeat it; if it comes again, look for a pooler between this process and Postgres",
        ),
        "28" | "0L" | "0P" | "2B" => refused(
            "the database refuses the user or the password",
            "check DATABASE_URL, and pg_hba.conf of the server",
        ),
        "42" => refused("the schema does not fit", "run `holdfast migrate`"),
        "53" | "54" => {
            refused("a limit of the database server is reached", "raise it, then it goes on by itself")
        }
        "55" => unavailable(
            "an object of the database is not in the state that it should be in",
            "look at the server's log for who changes it",
        ),
        "57" => unavailable(
            "the server ended the connection, or is shutting down",
            "wait until it is back; if nobody restarted it, look at its log",
        ),
        "58" | "F0" => refused(
            "the server failed at its files",
            "look at its disk's health, its configuration and its log",
        ),
        "P0" | "09" | "38" | "39" | "2F" | "27" | "44" => refused(
            "a trigger or function of this database refused it",
            "correct or remove it; no trigger is part of Holdfast",
        ),
        "XX" => {
            unavailable("the server failed inside", "look at its log; what stands between reports so, too")
        }
        _ => unavailable(
            "the server answered what this program does not know",
            "look at its log, and at what stands between",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every class of the manual, and one that is in none.
    const CLASSES: [&str; 44] = [
        "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "10", "20", "21", "22", "23", "24", "25", "26",
        "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D", "3F", "40", "42", "44", "53", "54", "55",
        "57", "58", "72", "F0", "HV", "P0", "XX", "02", "01", "ZZ",
    ];

    #[test]
    fn f36_every_class_keeps_what_the_server_said_and_names_a_move() {
        for code in CLASSES.map(|class| format!("{class}000")).iter().map(String::as_str).chain(["", "é"]) {
            let error = file(code, "what the server said", " (hint: and its hint)");
            let text = error.to_string();
            assert!(text.contains(&format!("what the server said ({code}) (hint: and its hint)")), "{text}");
            let has_move = text.contains("); ");
            let needs_none = matches!(error, StoreError::Contention(_) | StoreError::Data(_));
            assert!(has_move || needs_none, "{text}");
            assert!(!text.contains("check that it runs"), "{text}");
        }
    }

    #[test]
    fn f36_each_code_sends_people_where_it_is_mended() {
        for (code, message, file_as, next) in [
            ("08P01", "unsupported startup parameter: options", File::Refused, "connection poolers"),
            ("08P01", "server login failed", File::Unavailable, "the pooler's log"),
            ("08006", "gone", File::Unavailable, "the network"),
            ("26000", "prepared statement \"s3\" does not exist", File::Refused, "session pooling"),
            ("42P05", "prepared statement \"s0\" already exists", File::Refused, "session pooling"),
            ("3D000", "database \"x\" does not exist", File::Refused, "check DATABASE_URL"),
            ("3F000", "no schema has been selected to create in", File::Refused, "search_path"),
            ("28P01", "password authentication failed", File::Refused, "check DATABASE_URL"),
            ("28000", "no pg_hba.conf entry", File::Refused, "pg_hba.conf"),
            ("42501", "permission denied for table orders", File::Refused, "grant it"),
            ("42P01", "relation \"orders\" does not exist", File::Refused, "holdfast migrate"),
            ("42703", "column \"epoch\" does not exist", File::Refused, "holdfast migrate"),
            ("25006", "cannot execute INSERT in a read-only transaction", File::Refused, "primary"),
            ("53100", "could not extend file", File::Refused, "free some space"),
            ("53300", "too many connections for role \"shop\"", File::Unavailable, "raise max_connections"),
            ("53200", "out of memory", File::Unavailable, "give it more"),
            ("53400", "temporary file size exceeds temp_file_limit", File::Refused, "raise it"),
            ("54000", "database is not accepting commands to avoid wraparound", File::Refused, "raise it"),
            ("57014", "canceling statement due to statement timeout", File::Unavailable, "pg_stat_activity"),
            ("57014", "canceling statement due to user request", File::Unavailable, "pg_stat_activity"),
            ("57P01", "terminating connection", File::Unavailable, "wait until it is back"),
            ("57P03", "the database system is starting up", File::Unavailable, "has started"),
            ("57P05", "terminating connection due to idle-session timeout", File::Unavailable, "try again"),
            ("58030", "could not read block", File::Refused, "disk"),
            ("P0001", "frozen by accounting", File::Refused, "trigger"),
            ("XX001", "invalid page", File::Refused, "restore the last backup"),
            ("XX000", "Tenant or user not found", File::Unavailable, "log"),
            ("23505", "duplicate key", File::Data, ""),
            ("40P01", "deadlock detected", File::Contention, ""),
            ("55P03", "canceling statement due to lock timeout", File::Contention, ""),
        ] {
            let found = meaning(code, message);
            assert_eq!(found.file, file_as, "{code} {message}");
            let text = file(code, message, "").to_string();
            assert!(text.contains(next) && text.contains(message), "{text}");
        }
    }
}
