//! No secret gets into words, also not those of the command line.

pub(crate) use holdfast_shared::redact;
