//! A clock that can be set measures no duration.

use holdfast_tidy::files::{ending, read};

/// Who asks this machine's clock what time it is, and why that is right there.
const ASKED: &[(&str, &str)] = &[
    ("shared/src/time.rs", "it is the clock"),
    ("api/src/auth/token.rs", "tokens say until when they are valid, by everybody's clock"),
    ("api/src/routes/events.rs", "decides only how often an order is looked at"),
    ("cli/src/logging/json.rs", "the time of a line in the log"),
    ("telemetry/src/metrics.rs", "a metric that is a time, computed whenever it is read"),
];

/// F38: readiness that goes by it is wrong once somebody sets it.
#[test]
fn f38_no_duration_comes_from_a_clock_that_can_be_set() {
    let product = [
        "api/src",
        "cli/src",
        "intake/src",
        "saga/src",
        "shared/src",
        "store/",
        "telemetry/src",
        "worker/src",
    ];
    let asks = |file: &String| {
        let text = read(file);
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        code.contains("system_now(") || code.contains("SystemTime")
    };
    let sources =
        ending(".rs").into_iter().filter(|file| product.iter().any(|folder| file.starts_with(folder)));
    let asking: Vec<String> = sources.filter(|file| !file.contains("/tests") && asks(file)).collect();
    let excused: Vec<&str> = ASKED.iter().map(|(file, _)| *file).collect();
    let without: Vec<&String> = asking.iter().filter(|file| !excused.contains(&file.as_str())).collect();
    assert!(without.is_empty(), "use `Instant`, or the database's clock: {without:?}");
    let needless: Vec<&&str> =
        excused.iter().filter(|file| !asking.iter().any(|asks| asks == *file)).collect();
    assert!(needless.is_empty(), "they ask it no longer: {needless:?}");
}
