//! Damages: other values that a column can have, and rows that are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use holdfast_testkit::database::Database;
use serde_json::Value;

/// The tables to damage, and what a row of each is known by.
pub(super) const KEYS: [(&str, &[&str]); 15] = [
    ("admin_actions", &["id"]),
    ("carts", &["id"]),
    ("customers", &["id"]),
    ("idempotency_keys", &["key"]),
    ("notifications", &["saga_id"]),
    ("order_lines", &["order_id", "sku"]),
    ("orders", &["id"]),
    ("payments", &["order_id"]),
    ("refunds", &["saga_id"]),
    ("reservations", &["order_id"]),
    ("saga_log", &["saga_id", "fence"]),
    ("sagas", &["id"]),
    ("signals", &["saga_id", "dedupe"]),
    ("stock", &["sku"]),
    ("stock_adjustments", &["id"]),
];

/// One change to one row.
pub(super) struct Damage {
    pub(super) table: &'static str,
    /// `None`: the row is gone.
    pub(super) column: Option<String>,
    /// Inside a document, the way to what is changed.
    pub(super) path: String,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    /// The row before.
    pub(super) was: BTreeMap<String, Option<String>>,
    row: String,
    pub(super) sql: String,
}

impl Damage {
    /// What is damaged, whatever the row and the value.
    pub(super) fn kind(&self) -> String {
        match &self.column {
            Some(column) => format!("{}.{column}{}", self.table, self.path),
            None => format!("a row of {}", self.table),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |value: &Option<String>| {
            value.as_ref().map_or("null".to_owned(), |value| value.chars().take(160).collect())
        };
        write!(f, "{} where {}: {} -> {}", self.kind(), self.row, short(&self.from), short(&self.to))
    }
}

pub(super) struct Table {
    name: &'static str,
    keys: &'static [&'static str],
    columns: Vec<Column>,
    is_on_postgres: bool,
}

struct Column {
    name: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Time,
    Text,
    Truth,
    Id,
    Document,
}

type Row = BTreeMap<String, Option<String>>;

/// The column, the way into its document, what it says and what it is made to say.
type Change<'a> = (Option<&'a Column>, String, Option<&'a str>, Option<String>);

pub(super) async fn tables(database: &Database) -> Vec<Table> {
    let is_on_postgres = database.is_on_postgres();
    let mut tables = Vec::new();
    for (name, keys) in KEYS {
        let listed = if is_on_postgres {
            database
                .texts(&format!(
                    "select column_name::text, data_type::text from information_schema.columns
                     where table_name = '{name}' and table_schema = current_schema() order by ordinal_position"
                ))
                .await
        } else {
            database.texts(&format!("select name, lower(type) from pragma_table_info('{name}')")).await
        };
        let columns = listed.into_iter().map(|row| column(row, name)).collect();
        tables.push(Table { name, keys, columns, is_on_postgres });
    }
    tables
}

fn column(mut row: Vec<Option<String>>, table: &str) -> Column {
    let declared = row.remove(1).unwrap_or_default();
    let name = row.remove(0).expect("has a name");
    let is_time = name == "at" || name.ends_with("_at") || name == "leased_until";
    let documents =
        ["items", "contact", "shipping_address", "details", "progress", "context", "entries", "body"];
    let is_id = ["cart_id", "owner", "customer", "key"].contains(&name.as_str())
        || (name == "id" && ["carts", "customers"].contains(&table))
        || (name == "body" && table == "idempotency_keys");
    let kind = match declared.as_str() {
        _ if is_time => Kind::Time,
        _ if is_id => Kind::Id,
        _ if documents.contains(&name.as_str()) => Kind::Document,
        "boolean" => Kind::Truth,
        _ if ["late", "settled_manually", "active"].contains(&name.as_str()) => Kind::Truth,
        "bigint" | "integer" => Kind::Number,
        _ => Kind::Text,
    };
    Column { name, kind }
}

impl Table {
    /// Keeps the rows, to restore them after each damage.
    pub(super) async fn save(&self, database: &Database) {
        database.execute(&format!("create table kept_{0} as select * from {0}", self.name)).await;
    }

    pub(super) async fn restore(&self, database: &Database) {
        let (name, columns) = (self.name, self.names());
        let overriding = if self.is_on_postgres { "overriding system value" } else { "" };
        database
            .execute(&format!(
                "begin; delete from {name}; insert into {name} ({columns}) {overriding} select {columns} from kept_{name};
                 commit"
            ))
            .await;
    }

    fn names(&self) -> String {
        self.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    pub(super) async fn damages(&self, database: &Database) -> Vec<Damage> {
        let as_text: Vec<_> =
            self.columns.iter().map(|column| format!("cast({} as text)", column.name)).collect();
        let rows = database.texts(&format!("select {} from {}", as_text.join(", "), self.name)).await;
        let mut damages = Vec::new();
        for row in &rows {
            let names = self.columns.iter().map(|column| column.name.clone());
            let was: BTreeMap<_, _> = names.zip(row.iter().cloned()).collect();
            let is_key = |column: &&(usize, &Column)| self.keys.contains(&column.1.name.as_str());
            let columns: Vec<_> = self.columns.iter().enumerate().collect();
            let known_by = columns.iter().filter(is_key).map(|(at, column)| {
                format!("{} = {}", column.name, self.literal(column, row[*at].as_deref()))
            });
            let known_by = known_by.collect::<Vec<_>>().join(" and ");
            let gone = format!("delete from {} where {known_by}", self.name);
            let change = (None, String::new(), None, None);
            damages.push(self.damage(&known_by, &was, change, gone));
            for (at, column) in columns {
                let from = row[at].as_deref();
                let others: BTreeSet<_> = rows.iter().map(|row| row[at].as_deref()).collect();
                for (path, to) in values(column.kind, from, &others) {
                    let value = self.literal(column, to.as_deref());
                    let sql = format!("update {} set {} = {value} where {known_by}", self.name, column.name);
                    let change = (Some(column), path, from, to);
                    damages.push(self.damage(&known_by, &was, change, sql));
                }
            }
        }
        damages
    }

    fn damage(&self, row: &str, was: &Row, change: Change<'_>, sql: String) -> Damage {
        let (column, path, from, to) = change;
        let column = column.map(|column| column.name.clone());
        let (from, row, was) = (from.map(str::to_owned), row.to_owned(), was.clone());
        Damage { table: self.name, column, path, from, to, was, row, sql }
    }

    fn literal(&self, column: &Column, value: Option<&str>) -> String {
        let Some(value) = value else { return "null".to_owned() };
        let quoted = format!("'{}'", value.replace('\'', "''"));
        match column.kind {
            Kind::Truth if self.is_on_postgres => quoted,
            Kind::Number | Kind::Truth => value.to_owned(),
            Kind::Time if self.is_on_postgres => match value.split_once('|') {
                Some((at, days)) => format!("'{at}'::timestamptz + interval '{days} day'"),
                None => format!("{quoted}::timestamptz"),
            },
            Kind::Time => match value.split_once('|') {
                Some((at, days)) => format!("{at} + 86400000000 * {days}"),
                None => value.to_owned(),
            },
            Kind::Text | Kind::Id | Kind::Document => quoted,
        }
    }
}

/// Other values for one of `kind`, each with the way to it inside a document.
fn values(kind: Kind, from: Option<&str>, others: &BTreeSet<Option<&str>>) -> Vec<(String, Option<String>)> {
    let mut values: BTreeSet<(String, Option<String>)> = BTreeSet::new();
    let mut add = |value: Option<String>| {
        values.insert((String::new(), value));
    };
    if from.is_some() {
        add(None);
    }
    match kind {
        Kind::Number => {
            let number: i64 = from.and_then(|from| from.parse().ok()).unwrap_or(7);
            for other in [number + 1, number - 1, 0, -1, 987_654_321] {
                add(Some(other.to_string()));
            }
        }
        Kind::Time => {
            let at = from.or_else(|| others.iter().flatten().next().copied());
            for days in ["1", "-1", "400"] {
                add(at.map(|at| format!("{at}|{days}")));
            }
        }
        Kind::Text => {
            others.iter().flatten().take(12).for_each(|other| add(Some((*other).to_owned())));
            add(Some(String::new()));
            add(Some("something else".to_owned()));
        }
        Kind::Truth => match from {
            Some("1" | "true") => add(Some("0".to_owned())),
            Some(_) | None => add(Some("1".to_owned())),
        },
        Kind::Id => {
            add(Some("0190a8e0-0000-7000-8000-000000000001".to_owned()));
            others.iter().flatten().take(3).for_each(|other| add(Some((*other).to_owned())));
        }
        Kind::Document => {
            add(Some("{}".to_owned()));
            add(Some("[]".to_owned()));
            let document: Value = from.and_then(|from| serde_json::from_str(from).ok()).unwrap_or_default();
            let mut changed = Vec::new();
            leaves(&document, &document, &mut Vec::new(), &mut changed);
            values.extend(changed.into_iter().map(|(path, changed)| (path, Some(changed.to_string()))));
        }
    }
    values.into_iter().filter(|(_, value)| value.as_deref() != from).collect()
}

/// The document with each of its leaves changed or left out, one after the other.
fn leaves(whole: &Value, at: &Value, path: &mut Vec<String>, changed: &mut Vec<(String, Value)>) {
    let replaced = |path: &[String], value: Option<Value>| {
        let mut copy = whole.clone();
        let (last, way) = path.split_last()?;
        let mut parent = &mut copy;
        for part in way {
            parent = match parent {
                Value::Object(fields) => fields.get_mut(part)?,
                Value::Array(items) => items.get_mut(part.parse::<usize>().ok()?)?,
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
            };
        }
        match (parent, value) {
            (Value::Object(fields), Some(value)) => drop(fields.insert(last.clone(), value)),
            (Value::Object(fields), None) => drop(fields.remove(last)),
            (Value::Array(items), Some(value)) => items[last.parse::<usize>().ok()?] = value,
            (Value::Array(items), None) => drop(items.remove(last.parse::<usize>().ok()?)),
            _ => return None,
        }
        Some(copy)
    };
    if !path.is_empty() {
        let name = path.iter().map(|part| if part.parse::<u32>().is_ok() { "[]" } else { part });
        let name = format!(":{}", name.collect::<Vec<_>>().join("."));
        let mut others: Vec<Option<Value>> = vec![None];
        match at {
            Value::Number(number) => {
                let number = number.as_i64().unwrap_or_default();
                others.extend([number + 1, number - 1, 0].map(|other| Some(Value::from(other))));
            }
            Value::String(_) => others.extend(["", "something else"].map(|other| Some(Value::from(other)))),
            Value::Bool(truth) => others.push(Some(Value::from(!truth))),
            Value::Null | Value::Array(_) | Value::Object(_) => {}
        }
        for other in others {
            if let Some(copy) = replaced(path, other).filter(|copy| copy != whole) {
                changed.push((name.clone(), copy));
            }
        }
    }
    let parts: Vec<(String, &Value)> = match at {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for (part, value) in parts {
        path.push(part);
        leaves(whole, value, path, changed);
        path.pop();
    }
}
