//! Waits until others leave the machine to us: beside a compiler, an fsync takes many times as long.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Of one core, in a second. More is work; less is a clock, a shell, the servers' own housekeeping.
const IDLE: f64 = 0.10;
/// How long the machine is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// The kernel counts CPU time in hundredths of a second, on every architecture that matters here.
const TICKS_PER_S: f64 = 100.0;

/// Waits for an idle machine, `at_most` so long; whether it is.
pub(crate) async fn wait_until_idle(at_most: Duration) -> Result<bool> {
    let since = Instant::now();
    let mut said = false;
    loop {
        let before = busy()?;
        tokio::time::sleep(LOOK).await;
        let others = (busy()? - before) / LOOK.as_secs_f64();
        if others <= IDLE {
            return Ok(true);
        }
        if since.elapsed() >= at_most {
            eprintln!("peers: others still use {others:.2} cores after {at_most:?}; measuring beside them");
            return Ok(false);
        }
        if !said {
            eprintln!("peers: others use {others:.2} cores; waiting until they are done");
            said = true;
        }
    }
}

/// CPU time that all of the machine has used, in seconds.
fn busy() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/stat").context("/proc/stat")?;
    busy_of(&stat).context("/proc/stat has another form")
}

fn busy_of(stat: &str) -> Option<f64> {
    let fields = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    // user nice system idle iowait irq softirq steal; what guests used is in user already.
    let ticks: Vec<f64> = fields.split_whitespace().take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
    let [user, nice, system, _idle, _iowait, irq, softirq, steal] = ticks[..] else { return None };
    Some((user + nice + system + irq + softirq + steal) / TICKS_PER_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_not_work() {
        let stat = "cpu  100 10 50 9000 700 5 15 20 33 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(busy_of(stat), Some(2.0));
    }

    #[test]
    fn another_form_is_noticed() {
        assert_eq!(busy_of("cpu  1 2 3\n"), None);
        assert_eq!(busy_of("intr 1 2 3\n"), None);
    }
}
