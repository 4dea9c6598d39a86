//! Stub.
use std::path::Path;
use anyhow::Result;
use super::Report;
use crate::conditions::Conditions;
pub(crate) fn draw(_: &Path, _: &str, _: &Report, _: &Conditions) -> Result<()> { Ok(()) }
