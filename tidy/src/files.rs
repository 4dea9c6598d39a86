//! The tracked files of the workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The workspace's root.
///
/// # Panics
/// If this crate does not lie in a folder of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's folder").to_owned()
}

/// All files that git tracks or would track, by their path from the root. Without git: what lies in the folders.
///
/// # Panics
/// If a folder cannot be read.
pub fn all() -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .ok()
        .filter(|output| output.status.success());
    let mut files: Vec<String> = Vec::new();
    if let Some(output) = listed {
        files.extend(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned));
    } else {
        walk(&root(), &mut files);
    }
    files.retain(|file| root().join(file).is_file());
    files.sort();
    files.dedup();
    files
}

/// The files whose path ends with `suffix`.
pub fn ending(suffix: &str) -> Vec<String> {
    all().into_iter().filter(|file| file.ends_with(suffix)).collect()
}

/// The text of a file.
///
/// # Panics
/// If it cannot be read.
pub fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn walk(folder: &Path, found: &mut Vec<String>) {
    for entry in folder.read_dir().expect("a folder can be read").map(|entry| entry.expect("an entry")) {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            if name != "target" && name != ".git" && name != "node_modules" {
                walk(&path, found);
            }
        } else if let Ok(relative) = path.strip_prefix(root()) {
            found.push(relative.display().to_string());
        }
    }
}
