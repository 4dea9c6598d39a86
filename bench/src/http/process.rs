//! Child processes: the measured server, what it costs, and the commands asked beside it.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use super::home::Home;

/// A server says where it listens within this time, or never.
const UP_WITHIN: Duration = Duration::from_secs(30);
/// And ends within this time after it was told to.
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

/// A server that runs until [`Server::stop`], or until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
    pid: Pid,
}

impl Holdfast {
    /// The binary at `path`, or the one beside this binary.
    fn find(path: Option<&Path>) -> Result<Self> {
        let beside = || Ok::<_, std::io::Error>(std::env::current_exe()?.with_file_name("holdfast"));
        let path = path.map_or_else(beside, |path| Ok(path.to_owned()))?;
        ensure!(
            path.is_file(),
            "{} does not exist; build it with `cargo build --release`, or name it with --holdfast",
            path.display()
        );
        Ok(Self(path))
    }

    /// `holdfast up`: the door and the workers in one process.
    pub(crate) async fn up(&self, home: &Home) -> Result<Server> {
        let mut command = self.command("up", &home.url);
        command.arg("--sandbox-ledger").arg(home.ledger());
        Server::start(door(command)).await
    }

    /// `holdfast api`: the door alone.
    pub(crate) async fn api(&self, database_url: &str) -> Result<Server> {
        Server::start(door(self.command("api", database_url))).await
    }

    /// Recomputes every promise; an error names what is broken.
    pub(crate) async fn audit(&self, home: &Home) -> Result<()> {
        let mut command = self.command("audit", &home.url);
        command.arg("--sandbox-ledger").arg(home.ledger());
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

/// No limit on one caller: all buyers of a bench come from one address.
fn door(mut command: Command) -> Command {
    command.args(["--http-addr", "127.0.0.1:0", "--rate-limit", "0", "--pending-max", "10000000"]);
    command.env("HOLDFAST_JWT_SECRET", JWT_SECRET);
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
    pub(crate) async fn start(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let name = command.as_std().get_program().to_owned();
        let mut child = command.spawn().with_context(|| format!("starting {}", shown(&name)))?;
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let pid = pid.context("the server has no process id")?;
        let mut lines = BufReader::new(child.stderr.take().context("no stderr")?).lines();
        let address = tokio::time::timeout(UP_WITHIN, address(&mut lines))
            .await
            .with_context(|| format!("{} did not say where it listens", shown(&name)))??;
        // Whatever it still has to say is for the reader of the run.
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                // That it stops when it is told to is no news.
                if !line.starts_with("stopping:") {
                    eprintln!("  server: {line}");
                }
            }
        });
        Ok(Self { address, child, pid })
    }

    /// The memory it holds in RAM, in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        Ok(kib.context("no VmRSS in /proc")? * 1024)
    }

    /// The CPU time it has used, in user space and in the kernel.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        let stat = self.proc("stat")?;
        // The name in brackets may hold anything; behind it come the state and numbers.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let ticks =
            fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>).sum::<Result<u32, _>>()?;
        Ok(TICK * ticks)
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<()> {
        kill_process(self.pid, Signal::TERM)?;
        let ended = tokio::time::timeout(DOWN_WITHIN, self.child.wait()).await;
        let status = ended.context("the server did not stop")??;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }

    fn proc(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.pid);
        std::fs::read_to_string(&path).with_context(|| format!("{path}: has the server died?"))
    }
}

async fn address(lines: &mut Lines<BufReader<ChildStderr>>) -> Result<SocketAddr> {
    let mut said = String::new();
    while let Some(line) = lines.next_line().await? {
        if let Some((_, rest)) = line.split_once("http://") {
            let end = rest.find([';', ' ']).unwrap_or(rest.len());
            return rest[..end].parse().with_context(|| format!("no address in {line:?}"));
        }
        said.push_str(&line);
        said.push('\n');
    }
    bail!("the server ended:\n{said}")
}

fn shown(program: &OsStr) -> String {
    Path::new(program).display().to_string()
}
