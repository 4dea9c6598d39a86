//! The sandbox in a file of its own, shared by every process that opens it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use holdfast_saga::ports::{ChargeState, Fault, NamedRefund, PaymentProvider, StatementLine};
use holdfast_shared::{Clock, Money, StepKey};
use tokio::sync::{mpsc, oneshot};

use crate::ledger_file::{BATCH_MAX, LedgerFile};
use crate::writer::{Job, Writer};
use crate::{KEY_TTL, NAME, Operation, Reply, SandboxControl};

/// One batch in the making while another is being written; more would only hide how busy the disk is.
const QUEUE_DEPTH: usize = 2 * BATCH_MAX;

/// More than there are.
const ALL: u32 = u32::MAX;

/// Part of a list, and the key after which it goes on.
pub(crate) type Page<T> = (Vec<T>, Option<StepKey>);

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
        self.jobs.send(Job { operation, answer }).await.map_err(|_| Fault::Unavailable(closed()))?;
        answered.await.map_err(|_| Fault::Unclear(closed()))?
    }

    /// The statement on the next `limit` charges after the key `after`, and the last of them if there may be more.
    pub(crate) async fn statement_after(
        &self,
        after: &str,
        limit: u32,
    ) -> Result<Page<StatementLine>, Fault> {
        let charges = self.reader().await?.charges(after, limit).await.map_err(|error| unreadable(&error))?;
        let next = last_of_full(&charges, limit).map(|(key, _)| key.clone());
        Ok((charges.iter().filter_map(|(key, charge)| charge.line(key)).collect(), next))
    }

    /// The same for charges that wait for their buyer.
    pub(crate) async fn waiting_after(&self, after: &str, limit: u32) -> Result<Page<StepKey>, Fault> {
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
    Fault::Unavailable(format!("the sandbox provider's ledger cannot be read: {error}"))
}

#[async_trait]
impl PaymentProvider for DurableSandbox {
    fn name(&self) -> &str {
        NAME
    }

    fn key_ttl(&self) -> Duration {
        self.key_ttl
    }

    async fn charge(&self, key: &StepKey, amount: Money, token: &str) -> Result<ChargeState, Fault> {
        let charge = Operation::Charge { key: key.clone(), amount, token: token.to_owned() };
        match self.ask(charge).await? {
            Reply::AnswerLost => std::future::pending().await,
            reply @ (Reply::Stands(_)
            | Reply::NotKnown
            | Reply::Done
            | Reply::Refused(_)
            | Reply::Unavailable(_)) => reply.into_state(),
        }
    }

    async fn look_up(&self, charge: &StepKey) -> Result<Option<ChargeState>, Fault> {
        self.ask(Operation::LookUp { key: charge.clone() }).await?.into_found()
    }

    async fn void(&self, charge: &StepKey) -> Result<ChargeState, Fault> {
        self.ask(Operation::Void { key: charge.clone() }).await?.into_state()
    }

    async fn refund(&self, key: &StepKey, charge: &StepKey, amount_minor: i64) -> Result<(), Fault> {
        let (key, charge) = (key.clone(), charge.clone());
        self.ask(Operation::Refund { key, charge, amount_minor }).await?.into_done()
    }

    async fn refunds(&self, charge: &StepKey) -> Result<Vec<NamedRefund>, Fault> {
        let refunds = self.reader().await?.refunds(charge).await.map_err(|error| unreadable(&error))?;
        Ok(refunds.iter().map(|(key, refund)| refund.named(key)).collect())
    }

    async fn statement(&self) -> Result<Option<Vec<StatementLine>>, Fault> {
        Ok(Some(self.statement_after("", ALL).await?.0))
    }
}

#[async_trait]
impl SandboxControl for DurableSandbox {
    async fn complete_action(&self, charge: &StepKey, approved: bool) -> Result<ChargeState, Fault> {
        self.ask(Operation::CompleteAction { key: charge.clone(), approved }).await?.into_state()
    }

    async fn waiting_actions(&self) -> Result<Vec<StepKey>, Fault> {
        Ok(self.waiting_after("", ALL).await?.0)
    }

    async fn allow_refunds(&self, charge: &StepKey) -> Result<(), Fault> {
        self.ask(Operation::AllowRefunds { charge: charge.clone() }).await?.into_done()
    }
}
