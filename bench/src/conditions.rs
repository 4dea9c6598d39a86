//! Under what conditions a run measured: a figure without them says nothing.

use std::fmt;

use serde::Serialize;

use crate::machine::{IDLE_PERCENT, Machine};

/// The machine as the run began.
#[derive(Debug, Serialize)]
pub(crate) struct Conditions {
    cores: usize,
    /// Runnable tasks over the last minute: on an idle machine close to zero.
    load_average: Option<f64>,
    /// What others used at most in the second before a round, of one core. `None`: nobody looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    other_work_percent: Option<f64>,
    /// How long rounds waited for an idle machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    waited_s: Option<f64>,
}

impl Conditions {
    pub(crate) fn now() -> Self {
        let load = std::fs::read_to_string("/proc/loadavg").ok();
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            load_average: load.and_then(|load| load.split(' ').next()?.parse().ok()),
            other_work_percent: None,
            waited_s: None,
        }
    }

    /// How the machine was just before a round. It says more than the load average does, which remembers a minute.
    pub(crate) fn saw(&mut self, machine: &Machine) {
        let most = self.other_work_percent.unwrap_or_default().max(machine.other_work_percent);
        self.other_work_percent = Some(most);
        self.waited_s = Some(self.waited_s.unwrap_or_default() + machine.waited_s);
    }

    /// Whether something else was running that the figures would have to share the machine with.
    fn is_noisy(&self) -> bool {
        match self.other_work_percent {
            Some(percent) => percent > IDLE_PERCENT,
            None => self.load_average.is_some_and(|load| load > 0.5),
        }
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cores for everything", self.cores)?;
        if let Some(load) = self.load_average {
            write!(f, ", load average {load} before")?;
        }
        if let Some(percent) = self.other_work_percent {
            write!(f, ", others used at most {percent:.0} % of a core just before a round")?;
        }
        if self.is_noisy() {
            write!(f, " (NOT IDLE: these figures are noisy)")?;
        }
        Ok(())
    }
}
