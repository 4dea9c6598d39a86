//! Which crate may use which: the rooms of `ARCHITECTURE.md`.

use holdfast_tidy::files::{ending, read};

/// Each crate with the crates of this workspace that its product code may use.
const ROOMS: &[(&str, &[&str])] = &[
    ("shared", &[]),
    ("saga", &["shared"]),
    ("store/rows", &["saga", "shared"]),
    ("store/postgres", &["saga", "shared", "store-rows"]),
    ("store/sqlite", &["saga", "shared", "store-rows"]),
    ("providers/sandbox", &["saga", "shared"]),
    ("channels/log", &["saga", "shared"]),
    ("telemetry", &["saga", "shared"]),
    ("contract", &["saga", "shared"]),
    ("intake", &["saga", "shared", "telemetry"]),
    ("worker", &["saga", "shared", "telemetry"]),
    ("api", &["contract", "intake", "saga", "shared", "telemetry"]),
];

/// What reaches outside, with the crates whose product code may use it.
const OUTSIDE: &[(&str, &[&str])] = &[
    ("sqlx", &["store/sqlite", "providers/sandbox", "testkit", "bench"]),
    ("tokio-postgres", &["store/postgres", "testkit", "bench"]),
    ("redis", &["worker", "testkit", "bench"]),
    ("apalis", &["worker"]),
    ("axum", &["api", "cli", "providers/sandbox", "testkit", "testkit/bank", "bench"]),
    ("reqwest", &["providers/sandbox", "cli", "testkit", "testkit/bank"]),
    ("clap", &["cli", "bench"]),
    ("jsonwebtoken", &["api"]),
    ("prometheus", &["telemetry", "api", "worker"]),
];

/// The names under `[dependencies]` of a manifest; what only tests use does not count.
fn dependencies(manifest: &str) -> Vec<&str> {
    let section = manifest.split_once("\n[dependencies]\n").map_or("", |(_, rest)| rest);
    let section = section.split_once("\n[").map_or(section, |(section, _)| section);
    let name = |line: &'_ str| line.split(['.', ' ', '=']).next().map(str::len);
    let lines = section.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.filter_map(|line| line.get(..name(line)?)).collect()
}

/// Every crate: its folder, and its manifest.
fn manifests() -> Vec<(String, String)> {
    let folder = |file: &str| file.strip_suffix("/Cargo.toml").map(str::to_owned);
    ending("/Cargo.toml").iter().filter_map(|file| Some((folder(file)?, read(file)))).collect()
}

#[test]
fn a_room_uses_only_the_rooms_it_may() {
    let manifests = manifests();
    for (room, may) in ROOMS {
        let (_, manifest) =
            manifests.iter().find(|(folder, _)| folder == room).unwrap_or_else(|| panic!("{room} exists"));
        let own = dependencies(manifest);
        let inside: Vec<_> = own.iter().filter_map(|name| name.strip_prefix("holdfast-")).collect();
        assert!(!inside.is_empty() || may.is_empty(), "{room} uses {own:?}");
        let wrong: Vec<_> = inside.iter().filter(|name| !may.contains(name)).collect();
        assert!(wrong.is_empty(), "{room} must not use {wrong:?}");
    }
}

#[test]
fn what_reaches_outside_has_its_rooms() {
    let manifests = manifests();
    for (library, rooms) in OUTSIDE {
        let users = manifests.iter().filter(|(_, manifest)| dependencies(manifest).contains(library));
        let users: Vec<&str> = users.map(|(folder, _)| folder.as_str()).collect();
        assert!(!users.is_empty(), "nobody uses {library}: take it off this list");
        let wrong: Vec<_> = users.iter().filter(|user| !rooms.contains(user)).collect();
        assert!(wrong.is_empty(), "{library} is used by {wrong:?}");
    }
}

/// Crates whose code is compiled once and at their own level: they run on every order, and the binary is compiled in a hurry.
const COMPILED_AT_HOME: &[&str] =
    &["api/src/", "providers/sandbox/src/", "store/postgres/src/", "store/sqlite/src/", "worker/src/"];

/// The body of an `async fn` is compiled in the crate that awaits it; see "What a build costs" in `CONTRIBUTING.md`.
#[test]
fn entry_points_are_boxed() {
    let sources =
        ending(".rs").into_iter().filter(|file| COMPILED_AT_HOME.iter().any(|at| file.starts_with(at)));
    let awaited_elsewhere: Vec<String> = sources
        .flat_map(|file| {
            let text = read(&file);
            let found = text.lines().filter(|line| line.trim_start().starts_with("pub async fn "));
            found.map(|line| format!("{file}: {}", line.trim())).collect::<Vec<_>>()
        })
        .collect();
    assert!(
        awaited_elsewhere.is_empty(),
        "compiled in every binary again; return a BoxFuture: {awaited_elsewhere:#?}"
    );
}
