//! Files that the command line names, and the secrets they hold.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::exit::usage;

/// A file that is named. An empty variable names none.
#[derive(Debug, Clone)]
pub(crate) struct NamedFile(Option<PathBuf>);

impl NamedFile {
    /// Its path, if it is named.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.0.as_deref()
    }

    /// The secret in the file: its text without the end of the line. Each call reads the file again.
    pub(crate) fn secret(&self) -> anyhow::Result<Option<String>> {
        let Some(path) = self.path() else { return Ok(None) };
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(usage(format!("{} is empty; expected one line with the secret", path.display())));
        }
        Ok(Some(text.to_owned()))
    }
}

/// The path of a file, or nothing.
pub(crate) fn named_file() -> impl TypedValueParser<Value = NamedFile> {
    OsStringValueParser::new()
        .map(|path: OsString| NamedFile((!path.is_empty()).then(|| PathBuf::from(path))))
}

/// The secret of the option `--flag`, given as it is or in the file of `--flag-file`. An empty variable counts as unset.
pub(crate) fn secret_of(
    flag: &str,
    value: Option<&str>,
    file: Option<&NamedFile>,
) -> anyhow::Result<Option<String>> {
    let value = value.filter(|value| !value.is_empty());
    let from_file = file.filter(|file| file.path().is_some());
    match (value, from_file) {
        (Some(_), Some(_)) => Err(usage(format!(
            "--{flag} cannot be used with --{flag}-file; keep one of them (or of their variables)"
        ))),
        (Some(value), None) => Ok(Some(value.to_owned())),
        (None, Some(file)) => file.secret(),
        (None, None) => Ok(None),
    }
}
