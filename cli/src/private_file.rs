//! Files that hold a shop's secrets: nobody else on the machine may read them.

use std::path::{Path, PathBuf};

/// What SQLite keeps beside a file.
#[cfg(unix)]
const BESIDE: [&str; 3] = ["", "-wal", "-shm"];

/// The rights of everybody but the owner and the group.
#[cfg(unix)]
const OTHERS: u32 = 0o007;

/// Creates the file of a database for its owner alone if it is missing, and removes the rights of others if it exists. The
/// rights of a group are somebody's decision, and stay.
#[cfg(unix)]
pub(crate) fn make_private(path: &Path) {
    use std::fs::{OpenOptions, Permissions};
    use std::io::ErrorKind;
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};

    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    // Opening it reports why it cannot be created.
    if created.is_ok() || created.is_err_and(|error| error.kind() != ErrorKind::AlreadyExists) {
        return;
    }
    // A file that is no database was named by mistake, and is left alone.
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
