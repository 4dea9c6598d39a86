//! What a server costs while nothing is asked of it.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use crate::http::process::{Server, busy};

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
        let (cpu, before, since) = (server.cpu_time()?, busy()?, Instant::now());
        tokio::time::sleep(over).await;
        let percent = |spent: Duration| 100.0 * spent.as_secs_f64() / since.elapsed().as_secs_f64();
        Ok(Self {
            cpu_percent: percent(server.cpu_time()?.saturating_sub(cpu)),
            machine_cpu_percent: percent(busy()?.saturating_sub(before)),
            resident_bytes: server.resident_bytes()?,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "memory of a process is far below 2^52 bytes")]
    pub(super) fn resident_mib(&self) -> f64 {
        self.resident_bytes as f64 / f64::from(1 << 20)
    }
}
