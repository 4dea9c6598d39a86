//! What is not asked for properly is refused with a sentence, and changes nothing.

use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::binary::{Ran, holdfast, run, run_on, sqlite_url};

#[test]
fn bad_flags_end_as_usage() {
    let cases: [(&[&str], &str); 31] = [
        (&[], "Usage: holdfast"),
        (&["nonsense"], "unrecognized subcommand 'nonsense'"),
        (&["order"], "Usage: holdfast order"),
        (&["--nonsense"], "unexpected argument '--nonsense'"),
        (&["order", "list", "--output", "xml"], "possible values: table, json, jsonl"),
        (&["order", "list", "--limit", "0"], "0 is not in 1..=1000"),
        (&["order", "list", "--limit", "1001"], "1001 is not in 1..=1000"),
        (&["order", "list", "--status", "LOST"], "possible values: PENDING_PAYMENT"),
        (&["order", "list", "--cursor", "x"], "an order number such as 1042"),
        (&["order", "show"], "<ORDER>"),
        (&["order", "show", "1x"], "expected an order number such as 1042, or a public id (a UUID)"),
        (&["order", "show", "0"], "expected an order number such as 1042, or a public id (a UUID)"),
        (&["order", "confirm"], "<ORDER>"),
        (&["order", "confirm", "1", "--actor", " "], "expected 1 to 80 characters on one line"),
        (&["saga", "show", "x"], "expected the id of a saga such as 1042.3, an order number such as 1042"),
        (
            &["dead", "show", "1042."],
            "expected the id of a saga such as 1042.3, an order number such as 1042",
        ),
        (&["dead", "retry"], "<SAGA|--all>"),
        (&["dead", "retry", "1.0", "--all"], "cannot be used with"),
        (&["dead", "retry", "--all", "--rate", "0"], "0 is not in 1..=1000000"),
        (&["dead", "discard", "1.0"], "--reason <TEXT>"),
        (&["dead", "list", "--older-than", "soon"], "expected a duration such as 90s, 30m or 48h"),
        (&["dead", "list", "--group", "--all"], "cannot be used with"),
        (&["dead", "retry", "--all", "--wait", "--dry-run"], "cannot be used with"),
        (
            &["queue", "pause", "coffee"],
            "possible values: checkout, compensation, payment-events, notifications",
        ),
        (&["saga", "signal", "1.0"], "<SIGNAL>"),
        (&["stock", "show", "a b"], "printable ASCII"),
        (&["stock", "adjust", "cd-1", "--delta", "0", "--reason", "x"], "0 changes nothing"),
        (&["stock", "adjust", "cd-1", "--delta", "1.5", "--reason", "x"], "a whole number such as 10 or -3"),
        (&["stock", "adjust", "cd-1", "--delta", "1", "--reason", ""], "1 to 500 characters"),
        (&["demo", "--orders", "0"], "0 is not in 1..=1000000"),
        (&["completions", "cmd"], "possible values: bash"),
    ];
    for (arguments, message) in cases {
        run(arguments).ends(2, message);
    }
}

#[test]
fn a_database_is_one_of_two_kinds_or_the_shop_in_this_folder() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let here = |url: Option<&str>, arguments: &[&str]| {
        let mut command = holdfast();
        command.current_dir(folder.path()).args(arguments);
        if let Some(url) = url {
            command.env("DATABASE_URL", url);
        }
        Ran::of(command.output().expect("the binary runs"))
    };
    here(None, &["order", "list"])
        .ends(3, "there is no shop here: holdfast.db does not exist in this folder");
    here(Some(""), &["order", "list"]).ends(3, "there is no shop here");
    here(None, &["migrate"]).ends(0, "applied");
    let listed = here(None, &["order", "list"]);
    assert_eq!(listed.ends(0, "").stderr, "no orders\n", "the shop in this folder needs no naming");
    let message = "begins with mysql; expected postgres://USER@HOST/NAME or sqlite://PATH";
    run_on("mysql://ann@db/shop", &["order", "list"]).ends(2, message);
    run_on("shop.db", &["migrate"]).ends(2, "begins with no scheme");
    run_on("sqlite://", &["audit"]).ends(2, "names no file");
    for memory in ["sqlite://:memory:", "sqlite://shop?mode=memory"] {
        let before = std::fs::read_dir(folder.path()).expect("is there").count();
        here(Some(memory), &["migrate"]).ends(1, "a database in memory would forget its orders");
        let files = std::fs::read_dir(folder.path()).expect("is there").count();
        assert_eq!(files, before, "{memory} is refused, and makes no file");
    }
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = sqlite_url(&folder.path().join("shop.db"));
    let paths = [
        "DATABASE_URL_FILE",
        "REDIS_URL_FILE",
        "HOLDFAST_JWT_SECRET_FILE",
        "HOLDFAST_JWT_PREVIOUS_SECRET_FILE",
        "HOLDFAST_JWKS_FILE",
        "HOLDFAST_SANDBOX_LEDGER",
    ];
    let run = |url: &str, arguments: &[&str]| {
        let mut command = holdfast();
        command.current_dir(folder.path()).env("DATABASE_URL", url).envs(paths.map(|path| (path, "")));
        Ran::of(command.args(arguments).output().expect("the binary runs"))
    };
    run(&url, &["migrate"]).ends(0, "applied");
    run(&url, &["audit"]).ends(0, "");
    run(&url, &["token", "--role", "admin", "--sub", "ada"]).ends(0, "");
    run(&url, &["api"]).ends(2, "no key to verify tokens with");
    run("", &["demo", "--resume"]).ends(2, "--resume needs the --database-url");
}

#[test]
fn the_file_of_a_url_is_read_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = sqlite_url(&folder.path().join("shop.db"));
    run_on(&url, &["migrate"]).ends(0, "applied");
    let mut command = holdfast();
    command.current_dir(folder.path()).args(["order", "list", "--database-url-file", "/dev/stdin"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    // A pipe gives what it holds to whoever reads first.
    child.stdin.take().expect("it is piped").write_all(url.as_bytes()).expect("it is read");
    Ran::of(child.wait_with_output().expect("it ends")).ends(0, "shop.db");
}

#[test]
fn a_flag_wins_over_the_environment() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = sqlite_url(&folder.path().join("shop.db"));
    run_on("mysql://nowhere", &["migrate", "--database-url", &url]).ends(0, "applied");
    run_on("mysql://nowhere", &["--database-url", &url, "order", "list"]).ends(0, "no orders");
}

#[test]
fn a_missing_file_is_not_created_by_looking_at_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("shop.db");
    let message = "shop.db does not exist; `holdfast migrate` creates it";
    for command in [["order", "list"], ["saga", "list"], ["stock", "show"]] {
        run_on(&sqlite_url(&path), &command).ends(1, message);
    }
    run_on(&sqlite_url(&path), &["audit"]).ends(1, message);
    assert!(!path.exists());
    run_on(&sqlite_url(&folder.path().join("no/folder/shop.db")), &["migrate"])
        .ends(1, "its folder must exist");
}

#[test]
fn an_unreachable_server_is_one_sentence_within_seconds() {
    let check = |host: &str, next: &str, within: Duration| {
        let began = Instant::now();
        let ran = run_on(&format!("postgres://ann:s3cret@{host}/shop"), &["order", "list"]);
        ran.ends(1, next);
        assert!(ran.stderr.contains(&format!("postgres://ann:***@{host}/shop")), "{ran:#?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:#?}");
        assert!(began.elapsed() < within, "{:?}", began.elapsed());
    };
    // Nobody listens on port 1; from the other network nobody answers, or refuses at once.
    std::thread::scope(|scope| {
        scope.spawn(|| check("127.0.0.1:1", "nothing listens there", Duration::from_secs(3)));
        scope.spawn(|| check("192.0.2.1:5432", "check", Duration::from_secs(10)));
    });
}

#[test]
fn an_invalid_log_filter_is_refused() {
    let mut command = holdfast();
    let output = command.env("RUST_LOG", "a=b=c").args(["order", "list"]).output().expect("the binary runs");
    crate::binary::Ran::of(output).ends(2, "RUST_LOG is not a log filter");
}

#[test]
fn completions_name_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(&["completions", shell]);
        ran.ends(0, "");
        assert!(ran.stdout.contains("explain"), "{shell}");
    }
}
