//! Files that hold a shop's secrets: nobody else on the machine may read them.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// What SQLite keeps beside a file.
#[cfg(unix)]
const BESIDE: [&str; 3] = ["", "-wal", "-shm"];

/// What those may do with a file who are neither its owner nor of its group.
#[cfg(unix)]
const OTHERS: u32 = 0o007;

/// Creates the file of a database for its owner alone if it is missing, and takes what others may do with it away if it is
/// there. What a group may do is somebody's decision, and stays.
#[cfg(unix)]
pub(crate) fn make_private(path: &Path) {
    use std::fs::{OpenOptions, Permissions};
    use std::io::ErrorKind;
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};

    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    // Whoever opens it next says why it cannot be made.
    if created.is_ok() || created.is_err_and(|error| error.kind() != ErrorKind::AlreadyExists) {
        return;
    }
    // Whatever else somebody named by mistake is none of our business.
    if !is_database(path) {
        return;
    }
    for suffix in BESIDE {
        let file =
            PathBuf::from([path.as_os_str(), suffix.as_ref()].into_iter().collect::<std::ffi::OsString>());
        let Ok(found) = std::fs::metadata(&file) else { continue };
        let mode = found.permissions().mode() & 0o7777;
        let private = mode & !OTHERS;
        if mode == private {
            continue;
        }
        let shown = file.display();
        match std::fs::set_permissions(&file, Permissions::from_mode(private)) {
            Ok(()) => tracing::warn!(
                "{shown} could be read by everybody on this machine (mode {mode:o}), and holds the shop's secrets: it is \
                 private now"
            ),
            Err(error) => tracing::warn!(
                "{shown} can be read by everybody on this machine (mode {mode:o}), and holds the shop's secrets: run \
                 `chmod o= {shown}` as its owner ({error})"
            ),
        }
    }
}

/// Whether a file is one of SQLite's, or empty and about to be.
#[cfg(unix)]
fn is_database(path: &Path) -> bool {
    use std::io::Read as _;
    const MAGIC: &[u8] = b"SQLite format 3\0";
    let mut head = Vec::with_capacity(MAGIC.len());
    let read =
        std::fs::File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut head));
    read.is_ok_and(|_| head.is_empty() || head == MAGIC)
}

/// Where files have no mode.
#[cfg(not(unix))]
pub(crate) fn make_private(_: &Path) {}

/// The secret that a file holds: its text without the line's end.
pub(crate) fn secret_in(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
