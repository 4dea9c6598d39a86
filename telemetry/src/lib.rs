//! What Holdfast counts, and under which names. Dashboards and alerts depend on the names: [`METRICS`] lists them.
//!
//! One [`Metrics`] holds the metrics of one process. API, workers and intake each count into it.

mod http;
mod list;
mod metrics;

pub use http::HttpMetrics;
pub use list::{Kind, METRICS, Metric};
pub use metrics::{HintCounters, Metrics};
