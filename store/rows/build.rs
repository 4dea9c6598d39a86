//! Lists the files of `migrations/postgres` and `migrations/sqlite`, so that a new one is part of the binary by being there.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    for dialect in ["postgres", "sqlite"] {
        list(dialect)?;
    }
    Ok(())
}

fn list(dialect: &str) -> Result<(), Box<dyn Error>> {
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let folder = migrations.join(dialect).canonicalize()?;
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            names.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    let mut list = String::from("&[");
    for name in names {
        writeln!(list, "({name:?}, include_str!({:?})),", folder.join(&name).display().to_string())?;
    }
    list.push(']');
    std::fs::write(Path::new(&std::env::var("OUT_DIR")?).join(format!("{dialect}.rs")), list)?;
    Ok(())
}
