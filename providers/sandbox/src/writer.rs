//! The one task of a process that writes the ledger: many operations, one commit, then the answers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::ports::Fault;
use holdfast_shared::Clock;
use tokio::sync::{mpsc, oneshot};

use crate::ledger_file::{BATCH_MAX, LedgerFile};
use crate::{Ledger, Operation, Reply};

/// An operation, and who waits for its answer.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) operation: Operation,
    pub(crate) answer: oneshot::Sender<Result<Reply, Fault>>,
}

#[derive(Debug)]
pub(crate) struct Writer {
    path: PathBuf,
    /// None after a failure: its connection went, and with it whatever it had begun.
    file: Option<LedgerFile>,
    clock: Arc<dyn Clock>,
    key_ttl: Duration,
}

impl Writer {
    pub(crate) fn new(path: PathBuf, file: LedgerFile, clock: Arc<dyn Clock>, key_ttl: Duration) -> Self {
        Self { path, file: Some(file), clock, key_ttl }
    }

    /// Works until nobody can ask any more and everything asked is answered.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while queue.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let (operations, waiting): (Vec<_>, Vec<_>) =
                batch.drain(..).map(|job| (job.operation, job.answer)).unzip();
            let answers: Vec<Result<Reply, Fault>> = match self.carry_out(&operations).await {
                Ok(replies) => replies.into_iter().map(Ok).collect(),
                Err(fault) => {
                    tracing::warn!(%fault, operations = operations.len(), "the sandbox provider answered nothing");
                    vec![Err(fault); operations.len()]
                }
            };
            for (waiting, answer) in waiting.into_iter().zip(answers) {
                // Whoever stopped waiting finds the answer in the ledger.
                let _gone = waiting.send(answer);
            }
        }
    }

    async fn carry_out(&mut self, operations: &[Operation]) -> Result<Vec<Reply>, Fault> {
        let (mut file, replies) = self.up_to_commit(operations).await.map_err(|error| {
            // The file is as it was, whatever becomes of the connection.
            let why = format!("the sandbox provider's ledger cannot be written: {error}");
            Fault::NotNow { retry_in: None, why }
        })?;
        file.commit().await.map_err(|error| {
            Fault::Unclear(format!("the sandbox provider's ledger may have been written: {error}"))
        })?;
        self.file = Some(file);
        Ok(replies)
    }

    async fn up_to_commit(
        &mut self,
        operations: &[Operation],
    ) -> Result<(LedgerFile, Vec<Reply>), sqlx::Error> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => LedgerFile::open_to_write(&self.path).await?,
        };
        file.begin().await?;
        let mut ledger = Ledger::new(self.key_ttl);
        file.load(operations, &mut ledger).await?;
        // Read under the lock: for all who share the ledger, time runs in the order of their commits.
        let now = self.clock.now();
        let mut replies = Vec::with_capacity(operations.len());
        let mut entries = Vec::new();
        for operation in operations {
            let (reply, made) = ledger.handle(operation, now);
            replies.push(reply);
            entries.extend(made);
        }
        file.save(entries).await?;
        Ok((file, replies))
    }
}
