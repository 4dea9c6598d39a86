//! The tree is what its documents say.

mod citations;
mod clocks;
mod crates;
mod documents;
mod files;
mod imports;
mod metrics;
