//! Stub.
use super::Report;
use crate::conditions::Conditions;
use anyhow::Result;
use std::path::Path;
pub(crate) fn draw(_: &Path, _: &str, _: &Report, _: &Conditions) -> Result<()> {
    Ok(())
}
