//! Removing secrets from everything that is printed.

pub(crate) use holdfast_shared::redact;
