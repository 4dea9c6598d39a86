//! Certificates of servers that are met over TLS.

use std::path::Path;
use std::process::{Command, Stdio};

/// Makes in `folder` an authority (`ca.pem`), a certificate for `localhost` signed by it (`server.pem`, `server.key`), and
/// an authority that signed nothing (`other.pem`).
pub fn certify(folder: &Path) {
    let script = "
        set -e
        openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=authority
        openssl req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.pem -days 2 -subj /CN=other
        openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost
        printf 'subjectAltName=DNS:localhost' > names
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem
    ";
    let made = Command::new("sh").args(["-c", script]).current_dir(folder).stdin(Stdio::null()).output();
    let made = made.expect("a shell");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
