//! Every metric is documented and shown, so that nobody has to read the code to find one.

use holdfast_tidy::files::read;

/// The names in the list that the metrics are registered from.
fn names() -> Vec<String> {
    let list = read("telemetry/src/list.rs");
    let entries = list.split_once("metrics! {\n").map_or("", |(_, entries)| entries);
    let entries = entries.split_once("\n}").map_or("", |(entries, _)| entries);
    let quoted = entries.split('"').skip(1).step_by(2);
    quoted.filter(|text| text.starts_with("holdfast_")).map(str::to_owned).collect()
}

#[test]
fn every_metric_is_in_the_table_of_the_documents() {
    let (names, table) = (names(), read("docs/operating.md"));
    assert!(names.len() > 10, "{names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !table.contains(&format!("| `{name}` |"))).collect();
    assert!(missing.is_empty(), "not in docs/operating.md: {missing:?}");
}

#[test]
fn every_metric_is_on_the_dashboard_or_in_an_alert() {
    let shown = read("grafana/dashboards/holdfast.json") + &read("grafana/rules.yml");
    let missing: Vec<_> = names().into_iter().filter(|name| !shown.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "neither on the dashboard nor in an alert: {missing:?}");
}
