//! Queries are checked and embedded by macros that cargo does not see through: a changed file must rebuild the crate.

fn main() {
    println!("cargo::rerun-if-changed=queries");
    println!("cargo::rerun-if-changed=.sqlx");
    println!("cargo::rerun-if-changed=../../migrations/postgres");
}
