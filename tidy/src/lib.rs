//! What the tree is held to, as functions over its files. The tests apply them.

pub mod documents;
pub mod files;
pub mod imports;
