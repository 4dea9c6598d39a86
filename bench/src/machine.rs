//! Whether the machine is ours: a figure that was shared with a compiler says nothing.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use crate::http::process::{Gauge, busy};

/// Other work than this, of one core, is none: a clock, a shell, the kernel.
pub(crate) const IDLE_PERCENT: f64 = 10.0;
/// How long the machine is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How the machine was before a round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Machine {
    /// CPU that others used in the second before, of one core.
    pub(crate) other_work_percent: f64,
    /// How long others were waited for.
    pub(crate) waited_s: f64,
}

impl Machine {
    /// Waits until the machine is idle, `at_most` so long.
    pub(crate) async fn wait_for_idle(at_most: Duration) -> Result<Self> {
        let since = Instant::now();
        loop {
            let other_work_percent = other_work().await?;
            let waited = since.elapsed();
            if other_work_percent <= IDLE_PERCENT || waited >= at_most {
                return Ok(Self { other_work_percent, waited_s: waited.as_secs_f64() });
            }
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.other_work_percent <= IDLE_PERCENT
    }
}

/// What everybody but this process uses, of one core.
async fn other_work() -> Result<f64> {
    let read = || Ok::<_, anyhow::Error>(busy()?.saturating_sub(Gauge::own().cpu_time()?));
    let (before, since) = (read()?, Instant::now());
    tokio::time::sleep(LOOK).await;
    Ok(100.0 * read()?.saturating_sub(before).as_secs_f64() / since.elapsed().as_secs_f64())
}
