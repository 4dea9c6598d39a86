//! `sqlx::migrate!` watches the files it has embedded, not the folder: a new migration must rebuild the crate.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations/sqlite");
}
