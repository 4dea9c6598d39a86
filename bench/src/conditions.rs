//! Under what conditions a run measured: a figure without them says nothing.

use std::fmt;

use serde::Serialize;

/// The machine as the run began.
#[derive(Debug, Serialize)]
pub(crate) struct Conditions {
    cores: usize,
    /// Runnable tasks over the last minute: on an idle machine close to zero.
    load_average: Option<f64>,
}

impl Conditions {
    pub(crate) fn now() -> Self {
        let load = std::fs::read_to_string("/proc/loadavg").ok();
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            load_average: load.and_then(|load| load.split(' ').next()?.parse().ok()),
        }
    }

    /// Whether something else was running that the figures would have to share the machine with.
    fn is_noisy(&self) -> bool {
        self.load_average.is_some_and(|load| load > 0.5)
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cores for everything", self.cores)?;
        if let Some(load) = self.load_average {
            write!(f, ", load average {load} before")?;
        }
        if self.is_noisy() {
            write!(f, " (NOT IDLE: these figures are noisy)")?;
        }
        Ok(())
    }
}
