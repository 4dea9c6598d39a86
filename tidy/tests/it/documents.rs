//! Every link of the documents resolves, and every command in them exists.

use std::collections::BTreeSet;

use holdfast_tidy::documents::{anchors, commands, links};
use holdfast_tidy::files::{all, ending, read, root};

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for document in ending(".md") {
        let text = read(&document);
        let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (file, anchor) in links(&text) {
            let target =
                if file.is_empty() { root().join(&document) } else { root().join(folder).join(&file) };
            if !target.exists() {
                broken.push(format!("{document}: {file}"));
            } else if let Some(anchor) = anchor
                && target.extension().is_some_and(|extension| extension == "md")
            {
                let text = std::fs::read_to_string(&target).unwrap_or_default();
                if !anchors(&text).contains(&anchor) {
                    broken.push(format!("{document}: {file}#{anchor}"));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The pages of help that the binary prints, by command: a test of the binary holds them to it.
fn helps() -> BTreeSet<String> {
    let folder = "cli/tests/it/help/";
    all()
        .iter()
        .filter_map(|file| file.strip_prefix(folder)?.strip_suffix(".txt").map(str::to_owned))
        .collect()
}

#[test]
fn every_command_exists() {
    let makefile = read("Makefile");
    let targets: BTreeSet<&str> =
        makefile.lines().filter_map(|line| line.split_once(": ## ").map(|(target, _)| target)).collect();
    let helps = helps();
    assert!(helps.len() > 10, "{helps:?}");
    let nouns: BTreeSet<&str> =
        helps.iter().map(|help| help.split(['-', '_', ' ']).next().unwrap_or(help)).collect();
    let mut missing = Vec::new();
    for document in ending(".md").into_iter().filter(|file| !file.starts_with("bench/")) {
        for command in commands(&read(&document)) {
            let parts: Vec<&str> = command.split_whitespace().collect();
            for (at, word) in parts.iter().enumerate() {
                let next = parts.get(at + 1).copied().unwrap_or_default().trim_end_matches([';', ')']);
                let is_missing = match *word {
                    "make" if at == 0 => !targets.contains(next),
                    "holdfast" if at == 0 || parts[at - 1] == "worker" || parts[at - 1] == "api" => {
                        !nouns.contains(next) && !next.starts_with("--")
                    }
                    _ => false,
                };
                if is_missing {
                    missing.push(format!("{document}: {command}"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
