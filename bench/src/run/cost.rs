//! What a round costs: the CPU time of everybody who takes part, and the memory of our own processes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use redis::aio::MultiplexedConnection;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::database::Database;
use crate::http::process::{Gauge, ProcStat};

/// Between two looks at the memory.
pub(crate) const EVERY: Duration = Duration::from_millis(250);

/// Reads the CPU time of everybody who takes part.
#[derive(Debug)]
pub(crate) struct Meter {
    gauges: Vec<(String, Gauge)>,
    /// `None` where Postgres runs elsewhere, or out of sight.
    postmaster: Option<i32>,
    redis: Option<MultiplexedConnection>,
}

/// CPU time by participant.
pub(crate) type CpuTime = BTreeMap<String, Duration>;

impl Meter {
    pub(crate) async fn new(
        gauges: Vec<(String, Gauge)>,
        database: Option<&Database>,
        redis_url: Option<&str>,
    ) -> Result<Self> {
        let postmaster = match database {
            Some(database) => postmaster(database).await?,
            None => None,
        };
        let redis = match redis_url {
            Some(url) => Some(redis::Client::open(url)?.get_multiplexed_async_connection().await?),
            None => None,
        };
        Ok(Self { gauges, postmaster, redis })
    }

    pub(crate) async fn read(&mut self) -> Result<CpuTime> {
        let mut read = CpuTime::new();
        for (name, gauge) in &self.gauges {
            // All workers are one participant.
            let name = name.split(' ').next().unwrap_or(name);
            *read.entry(name.to_owned()).or_default() += gauge.cpu_time()?;
        }
        if let Some(postmaster) = self.postmaster {
            read.insert("postgres".to_owned(), family(postmaster)?);
        }
        if let Some(redis) = &mut self.redis {
            let info: String = redis::cmd("INFO").arg("cpu").query_async(redis).await?;
            let seconds = |name: &str| -> Result<f64> {
                let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                Ok(value.context("Redis does not tell its CPU time")?.trim().parse()?)
            };
            let used = seconds("used_cpu_sys")? + seconds("used_cpu_user")?;
            read.insert("redis".to_owned(), Duration::from_secs_f64(used));
        }
        Ok(read)
    }
}

/// The process whose children serve this database, if it runs where we can see it.
async fn postmaster(database: &Database) -> Result<Option<i32>> {
    let backend: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&database.shell).await?;
    // Another machine's process ids mean somebody else here.
    let is_postgres = |pid: i32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("postgres"))
    };
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{backend}/stat")) else { return Ok(None) };
    let parent = ProcStat::parse(&stat)?.parent;
    Ok((is_postgres(backend) && is_postgres(parent)).then_some(parent))
}

/// CPU time of a process and all its children, those that have ended included.
fn family(parent: i32) -> Result<Duration> {
    let own = ProcStat::parse(&std::fs::read_to_string(format!("/proc/{parent}/stat"))?)?;
    let mut total = own.own + own.ended_children;
    for entry in std::fs::read_dir("/proc")? {
        let path = entry?.path();
        let is_process = path.file_name().is_some_and(|name| name.as_encoded_bytes()[0].is_ascii_digit());
        // A process may be gone by the time it is read: then it is among those that have ended.
        let stat = if is_process { std::fs::read_to_string(path.join("stat")).ok() } else { None };
        if let Some(stat) = stat.and_then(|stat| ProcStat::parse(&stat).ok())
            && stat.parent == parent
        {
            total += stat.own + stat.ended_children;
        }
    }
    Ok(total)
}

/// The memory of some processes at an instant, in the order of their names.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) at: Duration,
    pub(crate) resident_bytes: Vec<u64>,
}

/// Looks at the memory of some processes again and again.
#[derive(Debug)]
pub(crate) struct Sampler {
    names: Vec<String>,
    stop: oneshot::Sender<()>,
    sampling: JoinHandle<Vec<Sample>>,
}

impl Sampler {
    pub(crate) fn start(gauges: Vec<(String, Gauge)>, started: Instant) -> Self {
        let names = gauges.iter().map(|(name, _)| name.clone()).collect();
        let (stop, mut stopped) = oneshot::channel();
        let sampling = tokio::spawn(async move {
            let mut samples = Vec::new();
            let mut ticks = tokio::time::interval(EVERY);
            loop {
                let is_last = tokio::select! {
                    _ = ticks.tick() => false,
                    _ = &mut stopped => true,
                };
                // One that has died shows elsewhere.
                let resident: Result<Vec<u64>> =
                    gauges.iter().map(|(_, gauge)| gauge.resident_bytes()).collect();
                if let Ok(resident_bytes) = resident {
                    samples.push(Sample { at: started.elapsed(), resident_bytes });
                }
                if is_last {
                    return samples;
                }
            }
        });
        Self { names, stop, sampling }
    }

    /// The processes' names, and what was seen of them, the last look included.
    pub(crate) async fn stop(self) -> Result<(Vec<String>, Vec<Sample>)> {
        let _ = self.stop.send(());
        Ok((self.names, self.sampling.await?))
    }
}
