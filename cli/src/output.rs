//! What goes to stdout: data, as a table for people or as JSON for programs.

mod terminal;
mod watch;

use clap::ValueEnum;
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use holdfast_contract::List;
use holdfast_contract::text::is_unseen;
use holdfast_saga::timeline::{moment, span};
use holdfast_shared::Time;
use serde::Serialize;

use crate::exit::say;

pub(crate) use self::terminal::print;
pub(crate) use self::watch::Watch;

/// The format of data.
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

/// How many items to list.
#[derive(clap::Args)]
pub(crate) struct Limit {
    /// The most items to list
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) limit: u32,
}

impl Format {
    pub(crate) fn one<T: Serialize>(self, body: &T, table: impl FnOnce() -> String) -> anyhow::Result<()> {
        match self {
            Self::Table => print(&terminal::in_colour(&table())),
            Self::Json => print(&(serde_json::to_string_pretty(body)? + "\n")),
            Self::Jsonl => print(&(serde_json::to_string(body)? + "\n")),
        }
    }

    /// Prints a list: as JSON `{"items": [..], "next_cursor": ..}`, as JSONL one object a line. `empty` says what was
    /// not found.
    pub(crate) fn list<T: Serialize>(
        self,
        list: &List<T>,
        empty: &str,
        header: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> anyhow::Result<()> {
        match self {
            Self::Json => return self.one(list, String::new),
            Self::Table if list.items.is_empty() => say(empty),
            Self::Table => print(&terminal::in_colour(&table(header, list.items.iter().map(row))))?,
            Self::Jsonl => {
                let mut lines = String::new();
                for item in &list.items {
                    lines += &serde_json::to_string(item)?;
                    lines.push('\n');
                }
                print(&lines)?;
            }
        }
        if let Some(cursor) = &list.next_cursor {
            say(&format!("there are more: `--cursor {cursor}` lists the next ones"));
        }
        Ok(())
    }
}

pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header.to_vec());
    if let Some(width) = terminal::width() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table.add_rows(rows.into_iter().map(|row| row.iter().map(|cell| plain(cell)).collect::<Vec<_>>()));
    aligned(&mut table)
}

/// Names with their values.
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

/// How long ago an instant was, or how far off it is: `3 min ago`, `in 12 s`.
pub(crate) fn age(at: Time, now: Time) -> String {
    if at > now { format!("in {}", span(at.since(now))) } else { format!("{} ago", span(now.since(at))) }
}

/// An instant by the second, with its age.
pub(crate) fn dated(at: Time, now: Time) -> String {
    format!("{} ({})", moment(at), age(at, now))
}

/// Removes control characters: text of customers must not control a terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if is_unseen(c) { ' ' } else { c }).collect()
}
