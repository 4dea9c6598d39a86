//! Files say what they are, stay short, and have the twins they need.

use std::collections::BTreeSet;

use holdfast_tidy::files::{all, ending, read};

/// Longer than this, a file usually holds a second noun.
const LINES_MAX: usize = 400;

/// The files that are longer, and why.
const LONG: &[(&str, &str)] = &[
    ("contract/src/problem/catalogue.rs", "a catalogue is one list"),
    ("saga/src/timeline/tests.rs", "one table of sentences, each beside the entry that it describes"),
    ("saga/tests/it/dead.rs", "what a retry and a discard lead to, by flow and step"),
    ("saga/tests/it/performing.rs", "every answer of a provider, beside what it proves"),
    ("saga/tests/it/proofs.rs", "the same proofs for every definition"),
    ("saga/tests/it/rules.rs", "the engine's rules by number"),
    ("saga/tests/it/shop.rs", "the shop in memory that all tests of the rules share"),
    ("testkit/tests/it/queues.rs", "one suite that three queues pass"),
];

#[test]
fn every_source_says_what_it_is() {
    let silent: Vec<String> =
        ending(".rs").into_iter().filter(|file| !read(file).starts_with("//!")).collect();
    assert!(silent.is_empty(), "without a first line of documentation: {silent:#?}");
}

#[test]
fn long_files_have_a_reason() {
    let sources = ending(".rs");
    let long: BTreeSet<String> =
        sources.iter().filter(|file| read(file).lines().count() > LINES_MAX).cloned().collect();
    let excused: BTreeSet<String> = LONG.iter().map(|(file, _)| (*file).to_owned()).collect();
    let without: Vec<_> = long.difference(&excused).collect();
    let needless: Vec<_> = excused.difference(&long).collect();
    assert!(without.is_empty(), "over {LINES_MAX} lines: split them, or give a reason here: {without:#?}");
    assert!(needless.is_empty(), "no longer over {LINES_MAX} lines: {needless:#?}");
    assert!(long.len() * 20 <= sources.len(), "{} of {} files are long", long.len(), sources.len());
}

#[test]
fn every_migration_has_its_twin() {
    let named = |store: &str| -> BTreeSet<String> {
        let folder = format!("migrations/{store}/");
        all().iter().filter_map(|file| file.strip_prefix(&folder)).map(str::to_owned).collect()
    };
    assert_eq!(named("postgres"), named("sqlite"));
}

/// Equal statements are one file; where two of one name differ, the first line says why.
#[test]
fn statements_of_one_name_are_shared_or_say_why_not() {
    let named = |store: &str| -> BTreeSet<String> {
        let folder = format!("store/{store}/queries/");
        all().iter().filter_map(|file| file.strip_prefix(&folder)).map(str::to_owned).collect()
    };
    let both: Vec<String> = named("postgres").intersection(&named("sqlite")).cloned().collect();
    let equal: Vec<&String> = both
        .iter()
        .filter(|name| {
            read(&format!("store/postgres/queries/{name}")) == read(&format!("store/sqlite/queries/{name}"))
        })
        .collect();
    assert!(equal.is_empty(), "move these to store/queries: {equal:#?}");
}

/// Words of a private dialect, which a reader who knows the trade would stumble over.
#[test]
fn names_and_texts_use_the_fields_terms() {
    const DIALECT: [&str; 14] = [
        "told",
        "words",
        "deed",
        "deeds",
        "farewell",
        "front door",
        "front_door",
        "flock",
        "wish",
        "wishes",
        "census",
        "town",
        "beat",
        "books",
    ];
    let is_text = |file: &String| {
        let suffixes = [".rs", ".md", ".sql", ".toml", ".yml", ".html", ".js", ".sh"];
        let is_script = file.starts_with("scripts/") || file == "Makefile";
        (is_script || suffixes.iter().any(|suffix| file.ends_with(suffix)))
            && !file.starts_with("migrations/")
            && !file.starts_with("tidy/")
            && !["CHANGELOG.md", "docs/glossary.md", "docs/renamed.md"].contains(&file.as_str())
    };
    let mut found = Vec::new();
    for file in all().into_iter().filter(is_text) {
        for (number, line) in read(&file).lines().enumerate() {
            let line = line.to_lowercase();
            let parts: Vec<&str> = line.split(|c: char| !c.is_alphanumeric()).collect();
            for word in DIALECT {
                let hit = if word.contains([' ', '_']) { line.contains(word) } else { parts.contains(&word) };
                if hit {
                    found.push(format!("{file}:{}: {word}", number + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "{} places: {:#?}", found.len(), &found[..found.len().min(40)]);
}
