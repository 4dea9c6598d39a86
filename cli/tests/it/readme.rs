//! What the documents and `up` give a newcomer to paste is pasted here, as it is.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::binary::{Ran, run};
use crate::fixture::MAX_WAIT;
use crate::server::{Server, until};

const README: &str = include_str!("../../../README.md");
const GETTING_STARTED: &str = include_str!("../../../docs/getting-started.md");
const DEPLOYMENT: &str = include_str!("../../../docs/deployment.md");

/// The shell lines of the walk-through.
fn walk_through() -> &'static str {
    let (_, section) =
        GETTING_STARTED.split_once("\n## The API in five minutes\n").expect("the section is there");
    let section = section.split("\n## ").next().unwrap_or(section);
    let mut blocks = section.split("```sh\n").skip(1).filter_map(|text| text.split("```").next());
    blocks.find(|block| block.contains("\nURL=")).expect("the block is there")
}

/// Pastes `lines` into a shell that stops at the first failure.
fn paste(folder: &Path, url: Option<&str>, lines: &str) -> Ran {
    let binary = Path::new(env!("CARGO_BIN_EXE_holdfast")).parent().expect("a folder");
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").expect("PATH is set"));
    let mut shell = Command::new("sh");
    shell.arg("-eu").current_dir(folder).env_clear().env("PATH", path);
    if let Some(url) = url {
        shell.env("URL", url);
    }
    let mut shell =
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("sh runs");
    shell.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("it reads");
    // It waits for orders to move as long as it takes.
    let since = Instant::now();
    while shell.try_wait().expect("it is ours").is_none() && since.elapsed() < MAX_WAIT {
        sleep(Duration::from_millis(20));
    }
    // It may be gone already.
    let _ = shell.kill();
    Ran::of(shell.wait_with_output().expect("it ends"))
}

/// The three orders ended as the text says.
fn check(ran: &Ran) {
    ran.ends(0, "");
    let mut rest = ran.stdout.as_str();
    let seen = [
        r#""status":"CONFIRMED""#,
        r#""text":"accepted: 1 line, 25.98 EUR, card""#,
        r#""text":"payment taken: 25.98 EUR""#,
        r#""text":"order confirmed""#,
        r#""status":"PENDING_CONFIRMATION""#,
        r#""status":"CONFIRMED""#,
        r#""on_hand":96,"reserved":0,"available":96"#,
        r#""status":"CANCELLED""#,
        r#""on_hand":96,"reserved":0,"available":96"#,
    ];
    for message in seen {
        let Some((_, after)) = rest.split_once(message) else {
            panic!("{message} does not follow in {ran:#?}")
        };
        rest = after;
    }
}

#[test]
fn the_walk_through_can_be_pasted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let up = Server::up(folder.path());
    check(&paste(folder.path(), Some(&up.url), walk_through()));
}

#[test]
fn what_up_prints_can_be_pasted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let up = Server::up(folder.path());
    let lines = until("the lines are printed", || {
        let lines = up.stdout();
        lines.lines().any(|line| line.contains("holdfast order explain")).then_some(lines)
    });
    check(&paste(folder.path(), None, &lines));
    // One text in two places.
    let (_, shown) = walk_through().split_once("\n\n").expect("a first paragraph");
    assert!(lines.contains(shown), "the walk-through shows something else");
}

#[test]
fn every_variable_of_a_process_is_in_the_deployment_guide() {
    for command in ["up", "api", "worker", "sandbox"] {
        let help = run(&[command, "--help"]).stdout;
        for part in help.split("[env: ").skip(1) {
            let name = part.split(['=', ']']).next().unwrap_or(part);
            assert!(DEPLOYMENT.contains(&format!("| `{name}` |")), "{name} of {command}");
        }
    }
}

/// A newcomer's first page; everything else has a page of its own.
#[test]
fn the_readme_is_short_and_names_both_commands() {
    assert!(README.lines().count() <= 150, "{} lines", README.lines().count());
    for command in ["cargo run --release -- demo", "make test"] {
        assert!(README.contains(&format!("```sh\n{command}\n```")), "{command}");
    }
}
