//! What goes to stdout: data, as a table for people or as JSON for programs.

use std::io::{ErrorKind, Write};

use anyhow::Context as _;
use clap::ValueEnum;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;

use crate::exit::say;

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// Columns, for people
    #[default]
    Table,
    /// One JSON document
    Json,
    /// One JSON object a line
    Jsonl,
}

/// One page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct Page<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// All there is.
    pub(crate) fn whole(items: Vec<T>) -> Self {
        Self { items, next_cursor: None }
    }

    /// The first `limit` of `items`, which were asked for with one more, to know whether there are more.
    pub(crate) fn of(mut items: Vec<T>, limit: u32, cursor: impl FnOnce(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items.last().filter(|_| more).map(cursor);
        Self { items, next_cursor }
    }
}

impl Format {
    /// Prints one thing.
    pub(crate) fn one<T: Serialize>(self, body: &T, table: impl FnOnce() -> String) -> anyhow::Result<()> {
        match self {
            Self::Table => print(&table()),
            Self::Json => print(&(serde_json::to_string_pretty(body)? + "\n")),
            Self::Jsonl => print(&(serde_json::to_string(body)? + "\n")),
        }
    }

    /// Prints a list: in JSON as `{"items": [..], "next_cursor": ..}`, in JSONL one object a line.
    pub(crate) fn list<T: Serialize>(
        self,
        page: &Page<T>,
        header: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> anyhow::Result<()> {
        match self {
            Self::Json => return self.one(page, String::new),
            Self::Table if page.items.is_empty() => say("there are none"),
            Self::Table => print(&table(header, page.items.iter().map(row)))?,
            Self::Jsonl => {
                let mut lines = String::new();
                for item in &page.items {
                    lines += &serde_json::to_string(item)?;
                    lines.push('\n');
                }
                print(&lines)?;
            }
        }
        if let Some(cursor) = &page.next_cursor {
            say(&format!("there are more: `--cursor {cursor}` shows the next ones"));
        }
        Ok(())
    }
}

/// Columns under headers.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header.to_vec());
    table.add_rows(rows.into_iter().map(|row| row.iter().map(|cell| plain(cell)).collect::<Vec<_>>()));
    aligned(&mut table)
}

/// Names and what they stand for.
pub(crate) fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.add_rows(pairs.into_iter().map(|(name, value)| vec![name.to_owned(), plain(&value)]));
    aligned(&mut table)
}

fn aligned(table: &mut Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt() + "\n"
}

/// What customers typed in never steers a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Prints to stdout. A reader that has seen enough, such as `head`, is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("stdout cannot be written"),
        Ok(()) | Err(_) => Ok(()),
    }
}
