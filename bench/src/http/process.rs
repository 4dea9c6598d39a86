//! Child processes: the measured servers, what they cost, and the commands asked beside them.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use holdfast_shared::Queue;
use rustix::process::{Pid, Signal, kill_process};
use strum::IntoEnumIterator as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::task::JoinHandle;

use super::target_database::TargetDatabase;

/// Room for what a server logs: at `info`, two lines an order.
const STDERR_BUFFER: usize = 64 * 1024;
/// A server says where it listens within this time, or never.
const UP_WITHIN: Duration = Duration::from_secs(30);
/// And ends within this time after SIGTERM.
const DOWN_WITHIN: Duration = Duration::from_secs(30);
/// The kernel counts CPU time in hundredths of a second, on every architecture that matters here.
const TICK: Duration = Duration::from_millis(10);
/// Known to both sides, secret from nobody.
const JWT_SECRET: &str = "a bench has no secrets, but 32 bytes it must be";

/// What is measured over HTTP, and on what.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Subject {
    /// A superuser's URL of the Postgres to measure on; databases of its own are made there
    #[arg(long, env = "HOLDFAST_TEST_POSTGRES_URL")]
    pub(crate) postgres_url: String,
    /// The measured binary; unless named, the one beside this one
    #[arg(long)]
    holdfast: Option<PathBuf>,
}

impl Subject {
    pub(crate) fn holdfast(&self) -> Result<Holdfast> {
        Holdfast::find(self.holdfast.as_deref())
    }
}

/// The measured binary.
#[derive(Debug, Clone)]
pub(crate) struct Holdfast(PathBuf);

/// A server that listens somewhere. It runs until [`Server::stop`], or until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    process: Process,
}

/// A child that runs until [`Process::stop`], or until it is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    gauge: Gauge,
    /// Reads what it says on stdout, so that it never waits for a reader.
    said: JoinHandle<String>,
}

/// Reads what a process costs, as long as it runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gauge(Pid);

/// Where hints are kept: a Redis, and what all keys of a shop begin with there.
#[derive(Debug, Clone)]
pub(crate) struct Hints {
    pub(crate) redis_url: String,
    pub(crate) prefix: String,
}

impl Holdfast {
    /// The binary at `path`, or the one beside this binary.
    pub(crate) fn find(path: Option<&Path>) -> Result<Self> {
        let beside = || Ok::<_, std::io::Error>(std::env::current_exe()?.with_file_name("holdfast"));
        let path = path.map_or_else(beside, |path| Ok(path.to_owned()))?;
        ensure!(
            path.is_file(),
            "{} does not exist; build it with `cargo build --release`, or name it with --holdfast",
            path.display()
        );
        Ok(Self(path))
    }

    /// `holdfast up`: the submitter and the workers in one process.
    pub(crate) async fn up(&self, target: &TargetDatabase) -> Result<Server> {
        let mut command = self.command("up", &target.url);
        command.arg("--sandbox-ledger").arg(target.ledger());
        Server::start(submitter(command)).await
    }

    /// `holdfast api`: the submitter alone. Without hints its workers, if there are any, look for what is due.
    pub(crate) async fn api(&self, database_url: &str, hints: Option<&Hints>) -> Result<Server> {
        let mut command = self.command("api", database_url);
        if let Some(hints) = hints {
            hints.configure(&mut command);
        }
        Server::start(submitter(command)).await
    }

    /// `holdfast worker`: takes the money at the sandbox that listens at `sandbox`.
    pub(crate) async fn worker(
        &self,
        database_url: &str,
        hints: &Hints,
        sandbox: SocketAddr,
        calls: usize,
    ) -> Result<Server> {
        let mut command = self.command("worker", database_url);
        hints.configure(&mut command);
        command.args(["--worker-addr", "127.0.0.1:0", "--sandbox-url", &format!("http://{sandbox}")]);
        for queue in Queue::iter() {
            command.arg("--queue").arg(format!("{queue}={calls}"));
        }
        Server::start(command).await
    }

    /// `holdfast sandbox`: a payment provider with ledger on disk, that answers a charge after `delay`.
    pub(crate) async fn sandbox(&self, ledger: &Path, delay: Duration) -> Result<Server> {
        let mut command = Command::new(&self.0);
        command.args(["sandbox", "--sandbox-addr", "127.0.0.1:0", "--sandbox-ledger"]).arg(ledger);
        command.args(["--delay", &format!("{}ms", delay.as_millis())]);
        Server::start(command).await
    }

    /// Recomputes every promise; an error names what is broken.
    pub(crate) async fn audit(&self, target: &TargetDatabase) -> Result<()> {
        let mut command = self.command("audit", &target.url);
        command.arg("--sandbox-ledger").arg(target.ledger());
        output(command).await.map(drop)
    }

    /// A token that lets its bearer do what admins do.
    pub(crate) async fn admin_token(&self) -> Result<String> {
        let mut command = Command::new(&self.0);
        command.args(["token", "--role", "admin", "--sub", "bench"]).env("HOLDFAST_JWT_SECRET", JWT_SECRET);
        Ok(output(command).await?.trim().to_owned())
    }

    fn command(&self, name: &str, database_url: &str) -> Command {
        let mut command = Command::new(&self.0);
        command.args([name, "--database-url", database_url]);
        command
    }
}

impl Hints {
    fn configure(&self, command: &mut Command) {
        command.args(["--redis-url", &self.redis_url, "--redis-prefix", &self.prefix]);
    }
}

/// No limit on one caller: all buyers of a bench come from one address.
fn submitter(mut command: Command) -> Command {
    command.args(["--http-addr", "127.0.0.1:0", "--rate-limit", "0", "--pending-max", "10000000"]);
    command.env("HOLDFAST_JWT_SECRET", JWT_SECRET).env("HOLDFAST_STREAMS_PER_CALLER", "0");
    command
}

/// What a command prints; an error if it fails.
async fn output(mut command: Command) -> Result<String> {
    let done = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    let stdout = String::from_utf8_lossy(&done.stdout).into_owned();
    if !done.status.success() {
        bail!("{:?}: {}\n{stdout}{}", command.as_std(), done.status, String::from_utf8_lossy(&done.stderr));
    }
    Ok(stdout)
}

impl Server {
    /// Starts a server and waits until it says on stderr where it listens.
    pub(crate) async fn start(command: Command) -> Result<Self> {
        let (process, address) = Process::start(command, |line| {
            let Some((_, rest)) = line.split_once("http://") else { return Ok(None) };
            let end = rest.find([';', ' ']).unwrap_or(rest.len());
            rest[..end].parse().map(Some).with_context(|| format!("no address in {line:?}"))
        })
        .await?;
        Ok(Self { address, process })
    }

    pub(crate) const fn gauge(&self) -> Gauge {
        self.process.gauge()
    }

    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        self.gauge().resident_bytes()
    }

    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        self.gauge().cpu_time()
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) async fn stop(self) -> Result<()> {
        self.process.stop().await.map(drop)
    }
}

impl Process {
    /// Starts a child and waits until a line on its stderr says what is waited for.
    pub(crate) async fn start<T>(
        mut command: Command,
        ready: impl Fn(&str) -> Result<Option<T>>,
    ) -> Result<(Self, T)> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let name = command.as_std().get_program().to_owned();
        let mut child = command.spawn().with_context(|| format!("starting {}", shown(&name)))?;
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let gauge = Gauge(pid.context("the process has no id")?);
        let said = tokio::spawn(all(child.stdout.take().context("no stdout")?));
        let stderr = child.stderr.take().context("no stderr")?;
        let mut lines = BufReader::with_capacity(STDERR_BUFFER, stderr).lines();
        let ready_line = tokio::time::timeout(UP_WITHIN, wait_for(&mut lines, ready))
            .await
            .with_context(|| format!("{} did not say that it is ready", shown(&name)))??;
        // Whatever it still has to say is for the reader of the run.
        tokio::spawn(async move {
            let (mut stderr, mut line) = (lines.into_inner(), Vec::new());
            while stderr.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
                // What it logs is measured, not read; neither what it says once it is ready nor that it stops is news.
                let is_logged = line.first().is_some_and(|first| first.is_ascii_digit() || *first == b'{');
                let is_news = !is_logged
                    && !["stopping:", "hints come through", "health and metrics"]
                        .iter()
                        .any(|known| line.starts_with(known.as_bytes()));
                if is_news {
                    eprint!("  server: {}", String::from_utf8_lossy(&line));
                }
                line.clear();
            }
        });
        Ok((Self { child, gauge, said }, ready_line))
    }

    pub(crate) const fn gauge(&self) -> Gauge {
        self.gauge
    }

    /// Tells it to stop, waits until it has, and returns what it said on stdout.
    pub(crate) async fn stop(mut self) -> Result<String> {
        kill_process(self.gauge.0, Signal::TERM)?;
        let ended = tokio::time::timeout(DOWN_WITHIN, self.child.wait()).await;
        let status = ended.context("the server did not stop")??;
        ensure!(status.success(), "the server ended with {status}");
        Ok(self.said.await?)
    }
}

impl Gauge {
    /// This very process.
    pub(crate) fn own() -> Self {
        Self(rustix::process::getpid())
    }

    /// The memory it holds in RAM, in bytes.
    pub(crate) fn resident_bytes(self) -> Result<u64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        Ok(kib.context("no VmRSS in /proc")? * 1024)
    }

    /// The CPU time it has used, in user space and in the kernel.
    pub(crate) fn cpu_time(self) -> Result<Duration> {
        Ok(ProcStat::parse(&self.proc("stat")?)?.own)
    }

    fn proc(self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.0);
        std::fs::read_to_string(&path).with_context(|| format!("{path}: has the server died?"))
    }
}

/// What `/proc/PID/stat` says of a process, as far as it is used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcStat {
    pub(crate) parent: i32,
    /// CPU time it has used itself, in user space and in the kernel.
    pub(crate) own: Duration,
    /// The same of its children that have ended.
    pub(crate) ended_children: Duration,
}

impl ProcStat {
    pub(crate) fn parse(stat: &str) -> Result<Self> {
        // The name in brackets may hold anything; behind it come the state and numbers.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let number =
            |at: usize| -> Result<u32> { Ok(fields.get(at).context("/proc says too little")?.parse()?) };
        Ok(Self {
            parent: fields.get(1).context("/proc says too little")?.parse()?,
            own: TICK * (number(11)? + number(12)?),
            ended_children: TICK * (number(13)? + number(14)?),
        })
    }
}

/// The CPU time that all cores have spent on anything but idling.
pub(crate) fn busy() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("/proc/stat is empty")?;
    let ticks = line.split_whitespace().skip(1).map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    // user, nice, system, idle, iowait, irq, softirq, steal; guests' time is in user already.
    let busy = [0, 1, 2, 5, 6, 7].iter().filter_map(|field| ticks.get(*field)).sum::<u64>();
    Ok(Duration::from_millis(busy * 10))
}

async fn all(mut stdout: ChildStdout) -> String {
    let mut said = Vec::new();
    let _ = stdout.read_to_end(&mut said).await;
    String::from_utf8_lossy(&said).into_owned()
}

async fn wait_for<T>(
    lines: &mut Lines<BufReader<ChildStderr>>,
    ready: impl Fn(&str) -> Result<Option<T>>,
) -> Result<T> {
    let mut said = String::new();
    while let Some(line) = lines.next_line().await? {
        if let Some(ready_line) = ready(&line)? {
            return Ok(ready_line);
        }
        said.push_str(&line);
        said.push('\n');
    }
    bail!("the server ended:\n{said}")
}

fn shown(program: &OsStr) -> String {
    Path::new(program).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name_is() {
        let stat = "42 (a) b (c) S 7 42 42 0 -1 4194304 1 2 3 4 150 50 20 5 20 0 1 0 99 0 0";
        let read = ProcStat::parse(stat).expect("reads");
        let expected =
            ProcStat { parent: 7, own: Duration::from_secs(2), ended_children: Duration::from_millis(250) };
        assert_eq!(read, expected);
        assert!(ProcStat::parse("42 (short) S").is_err());
    }
}
