//! No module imports itself by way of others, and no room knows a room above it.

use holdfast_tidy::files::{ending, read};
use holdfast_tidy::imports::{circles, edges, modules};

/// The folders of all crates' sources.
fn crates() -> Vec<String> {
    let manifests = ending("Cargo.toml").into_iter().filter(|file| file != "Cargo.toml");
    manifests.map(|file| file.replace("Cargo.toml", "src")).collect()
}

fn modules_of(folder: &str) -> holdfast_tidy::imports::Modules {
    let files: Vec<(String, String)> = ending(".rs")
        .into_iter()
        .filter(|file| file.starts_with(&format!("{folder}/")))
        .map(|file| (file.clone(), read(&file)))
        .collect();
    modules(folder, files.iter().map(|(file, source)| (file.as_str(), source.as_str())))
}

#[test]
fn a_planted_circle_is_found() {
    let check = |files: &[(&str, &str)], expected: &[&[&str]]| {
        let found = circles(&edges(&modules("src", files.iter().copied())));
        assert_eq!(found, expected, "{files:?}");
    };
    check(
        &[
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a.rs", "use crate::b::B; struct A;"),
            ("src/b.rs", "struct B;"),
        ],
        &[],
    );
    let back = ("src/b.rs", "use super::a::A; struct B;");
    check(
        &[("src/lib.rs", "mod a; mod b;"), ("src/a.rs", "use crate::b::B; struct A;"), back],
        &[&["a", "b"]],
    );
    // By a path in an expression, and through a re-export of the parent.
    let called = ("src/a.rs", "struct A; fn f() { crate::b::g() }");
    let through = ("src/b.rs", "use crate::A; fn g() {}");
    check(&[("src/lib.rs", "mod a; mod b; pub use a::A;"), called, through], &[&["a", "b"]]);
    // A child that uses what its parent defines, and is used by it.
    let parent = ("src/a/mod.rs", "mod child; use child::C; struct P;");
    check(
        &[("src/lib.rs", "mod a;"), parent, ("src/a/child.rs", "use super::P; struct C;")],
        &[&["a", "a::child"]],
    );
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    let mut found = Vec::new();
    for folder in crates() {
        found.extend(
            circles(&edges(&modules_of(&folder))).into_iter().map(|circle| format!("{folder}: {circle:?}")),
        );
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// Each room of `saga` may know the rooms before it.
#[test]
fn the_rooms_of_the_rules_know_only_those_below_them() {
    const FLOORS: [&str; 7] = ["records", "ports", "engine", "flows", "timeline", "shop", "operations"];
    let floor = |module: &str| FLOORS.iter().position(|room| module.split("::").next() == Some(room));
    let mut wrong = Vec::new();
    for (from, targets) in edges(&modules_of("saga/src")) {
        for target in targets {
            if let (Some(below), Some(above)) = (floor(&from), floor(&target))
                && above > below
            {
                wrong.push(format!("{from} imports {target}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
