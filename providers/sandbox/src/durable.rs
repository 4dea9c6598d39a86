//! The sandbox in a file of its own, shared by every process that opens it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use holdfast_saga::ports::{Fault, Movement, NamedRefund};
use holdfast_shared::{Clock, StepKey};
use tokio::sync::{mpsc, oneshot};

use crate::ledger_file::{BATCH_MAX, LedgerFile};
use crate::writer::{Job, Writer};
use crate::{KEY_TTL, Operation, Part, Reply, SandboxControl};

/// One batch in the making while another is being written; more would only hide how busy the disk is.
const QUEUE_DEPTH: usize = 2 * BATCH_MAX;

/// Lines in one part of a statement: half a megabyte, and some milliseconds beside the writer.
pub(crate) const PAGE: u32 = 5_000;

/// More than there are.
const ALL: u32 = u32::MAX;

/// A provider whose ledger is a file, safe against the death of any process at any instant.
///
/// What it answered is on disk. A call whose future is dropped may still be carried out. Dropping the
/// sandbox carries out what was asked before, as long as the runtime lives.
///
/// `tok_timeout` never answers: its caller must bring the timeout.
#[derive(Debug)]
pub struct DurableSandbox {
    path: PathBuf,
    key_ttl: Duration,
    jobs: mpsc::Sender<Job>,
}

/// The ledger could not be opened: their folder must exist and be writable, the ledger must be ours.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox provider's ledger {} cannot be opened: {reason}", path.display())]
pub struct OpenError {
    path: PathBuf,
    reason: String,
}

impl DurableSandbox {
    /// Opens the ledger at `path`, or begins them. Needs a tokio runtime, where its writer then lives.
    pub fn open(
        path: impl AsRef<Path>,
        clock: Arc<dyn Clock>,
    ) -> BoxFuture<'static, Result<Self, OpenError>> {
        Self::open_with(path, clock, KEY_TTL)
    }

    /// Opens the ledger, recognising a key for `key_ttl`. All who share them should agree on it.
    pub fn open_with(
        path: impl AsRef<Path>,
        clock: Arc<dyn Clock>,
        key_ttl: Duration,
    ) -> BoxFuture<'static, Result<Self, OpenError>> {
        let path = path.as_ref().to_owned();
        Box::pin(Self::open_at(path, clock, key_ttl))
    }

    async fn open_at(path: PathBuf, clock: Arc<dyn Clock>, key_ttl: Duration) -> Result<Self, OpenError> {
        let file = LedgerFile::open_to_write(&path)
            .await
            .map_err(|error| OpenError { path: path.clone(), reason: error.to_string() })?;
        let (jobs, queue) = mpsc::channel(QUEUE_DEPTH);
        tokio::spawn(Writer::new(path.clone(), file, clock, key_ttl).run(queue));
        Ok(Self { path, key_ttl, jobs })
    }

    /// What the ledger says. Operations that are asked at the same time share a commit.
    pub(crate) async fn ask(&self, operation: Operation) -> Result<Reply, Fault> {
        let (answer, answered) = oneshot::channel();
        let closed = || "the sandbox provider's writer has ended".to_owned();
        self.jobs.send(Job { operation, answer }).await.map_err(|_| Fault::NotReached(closed()))?;
        answered.await.map_err(|_| Fault::Unclear(closed()))?
    }

    /// The next `limit` charges after the key `after` that wait for their buyer, and the last of them if there may be more.
    pub(crate) async fn waiting_after(&self, after: &str, limit: u32) -> Result<Part<StepKey>, Fault> {
        let mut file = self.reader().await?;
        let keys = file.waiting_actions(after, limit).await.map_err(|error| unreadable(&error))?;
        let next = last_of_full(&keys, limit).cloned();
        Ok((keys, next))
    }

    /// A connection to read on beside the writer: for what is rare, and long on large ledgers.
    async fn reader(&self) -> Result<LedgerFile, Fault> {
        LedgerFile::open_to_read(&self.path).await.map_err(|error| unreadable(&error))
    }
}

fn last_of_full<T>(rows: &[T], limit: u32) -> Option<&T> {
    rows.last().filter(|_| u32::try_from(rows.len()).is_ok_and(|rows| rows == limit))
}

fn unreadable(error: &sqlx::Error) -> Fault {
    let why = format!("the sandbox provider's ledger cannot be read: {error}");
    Fault::NotNow { retry_in: None, why }
}

crate::port::payment_provider!(DurableSandbox);

#[async_trait]
impl SandboxControl for DurableSandbox {
    fn key_ttl(&self) -> Duration {
        self.key_ttl
    }

    async fn request(&self, operation: Operation) -> Result<Reply, Fault> {
        match self.ask(operation).await? {
            Reply::AnswerLost => std::future::pending().await,
            reply @ (Reply::Stands(_)
            | Reply::NotKnown
            | Reply::Done
            | Reply::Refused(_)
            | Reply::NotDone(_)) => Ok(reply),
        }
    }

    async fn refunds_of(&self, charge: &StepKey) -> Result<Vec<NamedRefund>, Fault> {
        let refunds = self.reader().await?.refunds(charge).await.map_err(|error| unreadable(&error))?;
        Ok(refunds.iter().map(|(key, refund)| refund.named(key)).collect())
    }

    async fn statement_after(&self, after: &str) -> Result<Part<Movement>, Fault> {
        let charges = self.reader().await?.charges(after, PAGE).await.map_err(|error| unreadable(&error))?;
        let next = last_of_full(&charges, PAGE).map(|(key, _)| key.clone());
        Ok((charges.iter().filter_map(|(key, charge)| charge.line(key)).collect(), next))
    }

    async fn waiting_actions(&self) -> Result<Vec<StepKey>, Fault> {
        Ok(self.waiting_after("", ALL).await?.0)
    }
}
