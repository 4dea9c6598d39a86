//! `--help` says what is committed here. `HOLDFAST_UPDATE_HELP=1 cargo test -p holdfast help` writes it anew.

use std::path::Path;

use crate::binary::run;

const COMMANDS: &[&str] = &[
    "",
    "up",
    "demo",
    "api",
    "worker",
    "sandbox",
    "token",
    "migrate",
    "audit",
    "order",
    "order list",
    "order show",
    "order explain",
    "order confirm",
    "order reject",
    "order cancel",
    "order process",
    "order ship",
    "order deliver",
    "order refund",
    "order watch",
    "saga",
    "saga list",
    "saga show",
    "saga retry",
    "saga signal",
    "saga cancel",
    "dead",
    "dead list",
    "dead show",
    "dead retry",
    "dead discard",
    "queue",
    "queue list",
    "queue pause",
    "queue resume",
    "log",
    "shop",
    "shop show",
    "shop restored",
    "shop forked",
    "worker list",
    "stock",
    "stock show",
    "stock adjust",
    "completions",
    "help order",
    "help stock adjust",
];

#[test]
fn help_is_what_is_committed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/help");
    let mut different = Vec::new();
    for command in COMMANDS {
        let mut arguments: Vec<&str> = command.split_whitespace().collect();
        if !command.starts_with("help") {
            arguments.push("--help");
        }
        let ran = run(&arguments);
        ran.ends(0, "");
        let name = if command.is_empty() { "holdfast".to_owned() } else { command.replace(' ', "_") };
        let path = folder.join(format!("{name}.txt"));
        if std::env::var_os("HOLDFAST_UPDATE_HELP").is_some() {
            std::fs::write(&path, &ran.stdout).expect("the snapshot is written");
        } else if std::fs::read_to_string(&path).ok().as_deref() != Some(&ran.stdout) {
            different.push(format!("{}:\n{}", path.display(), ran.stdout));
        }
    }
    assert!(different.is_empty(), "run with HOLDFAST_UPDATE_HELP=1 to accept:\n{}", different.join("\n"));
}

#[test]
fn help_lists_every_command() {
    let nouns = ["", "order", "saga", "dead", "queue", "worker", "stock"];
    let listed: Vec<String> = nouns.into_iter().flat_map(listed).collect();
    for command in listed {
        assert!(COMMANDS.contains(&command.as_str()), "{command} has no snapshot");
    }
}

/// The commands below a noun, as its help lists them.
fn listed(noun: &str) -> Vec<String> {
    let arguments: Vec<&str> = noun.split_whitespace().chain(["--help"]).collect();
    let help = run(&arguments).stdout;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names =
        commands.take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(|name| format!("{noun} {name}").trim().to_owned()).collect()
}
