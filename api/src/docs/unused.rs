//! Schemas and examples that nothing refers to: the description of a type names all types within, and some of them are shown otherwise.

use std::collections::BTreeSet;

use serde_json::Value;
use utoipa::openapi::OpenApi as Document;

/// Where a reference to a schema points to.
const SCHEMAS: &str = "#/components/schemas/";
/// Where a reference to an example points to.
const EXAMPLES: &str = "#/components/examples/";

/// Removes every schema and every example that nothing refers to.
pub(super) fn remove(document: &mut Document) {
    let Ok(whole) = serde_json::to_value(&*document) else { return };
    let mut used = BTreeSet::new();
    let mut to_read: Vec<String> = names(&whole["paths"]);
    to_read.extend(names(&whole["components"]["responses"]));
    while let Some(name) = to_read.pop() {
        to_read.extend(
            names(&whole["components"]["schemas"][&name]).into_iter().filter(|name| !used.contains(name)),
        );
        used.insert(name);
    }
    let examples = references(&whole["paths"], EXAMPLES);
    if let Some(components) = document.components.as_mut() {
        components.schemas.retain(|name, _| used.contains(name));
        components.examples.retain(|name, _| examples.contains(name));
    }
}

/// The names of the schemas that a part of the document refers to.
fn names(part: &Value) -> Vec<String> {
    references(part, SCHEMAS)
}

/// The names of the components of one kind that a part of the document refers to.
fn references(part: &Value, kind: &str) -> Vec<String> {
    match part {
        Value::String(text) => text.strip_prefix(kind).map(str::to_owned).into_iter().collect(),
        Value::Array(parts) => parts.iter().flat_map(|part| references(part, kind)).collect(),
        Value::Object(parts) => parts.values().flat_map(|part| references(part, kind)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}
