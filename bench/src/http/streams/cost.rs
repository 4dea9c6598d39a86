//! What a server costs while nothing is asked of it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::http::process::Server;

/// Memory, and CPU time over a while.
#[derive(Debug, Serialize)]
pub(super) struct Cost {
    pub(super) resident_bytes: u64,
    /// Of one core, the server's process alone.
    pub(super) cpu_percent: f64,
    /// Of one core, everything on the machine: the database, the streams' readers, whatever else ran.
    pub(super) machine_cpu_percent: f64,
}

impl Cost {
    /// Looks on for a while.
    pub(super) async fn of(server: &Server, over: Duration) -> Result<Self> {
        let (cpu, busy, since) = (server.cpu_time()?, busy()?, Instant::now());
        tokio::time::sleep(over).await;
        let percent = |spent: Duration| 100.0 * spent.as_secs_f64() / since.elapsed().as_secs_f64();
        Ok(Self {
            cpu_percent: percent(server.cpu_time()?.saturating_sub(cpu)),
            machine_cpu_percent: percent(self::busy()?.saturating_sub(busy)),
            resident_bytes: server.resident_bytes()?,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "memory of a process is far below 2^52 bytes")]
    pub(super) fn resident_mib(&self) -> f64 {
        self.resident_bytes as f64 / f64::from(1 << 20)
    }
}

/// The CPU time that all cores have spent on anything but idling.
fn busy() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("/proc/stat is empty")?;
    let ticks = line.split_whitespace().skip(1).map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    // user, nice, system, idle, iowait, irq, softirq, steal; guests' time is in user already.
    let busy = [0, 1, 2, 5, 6, 7].iter().filter_map(|field| ticks.get(*field)).sum::<u64>();
    Ok(Duration::from_millis(busy * 10))
}
