//! Connections that wait for their next transaction, the last used on top.
//!
//! Behind each is a process of Postgres with caches of its own: used in turn, all of them are cold, and a lone order
//! costs half as much again. So transactions use the same one, as long as one is enough.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_saga::ports::StoreError;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_postgres::error::Severity;

use crate::dial::Dial;
use crate::pipe::{Pipe, pipe_error, words};

/// How long a transaction waits for a connection that others use.
const FREE_WITHIN: Duration = Duration::from_secs(5);

/// The connections of transactions.
#[derive(Debug, Clone)]
pub(crate) struct Spare {
    dial: Arc<Dial>,
    kept: Arc<Mutex<Vec<Pipe>>>,
    /// One permit for each connection that may be in use.
    room: Arc<Semaphore>,
}

/// A connection in a transaction, or on its way into one. Dropped without [`Lent::commit`], it is rolled back.
#[derive(Debug)]
pub(crate) struct Lent {
    /// `None` once it is given back.
    pipe: Option<Pipe>,
    has_begun: bool,
    room: Option<OwnedSemaphorePermit>,
    spare: Spare,
}

impl Spare {
    /// At most `max` of them.
    pub(crate) fn of(dial: Dial, max: usize) -> Self {
        Self { dial: Arc::new(dial), kept: Arc::default(), room: Arc::new(Semaphore::new(max)) }
    }

    /// Lends a connection; its transaction begins with its first statement.
    pub(crate) async fn lend(&self) -> Result<Lent, StoreError> {
        let room = timeout(FREE_WITHIN, Arc::clone(&self.room).acquire_owned()).await;
        let room = room.map_err(|_| {
            StoreError::Unavailable(format!("no connection became free within {FREE_WITHIN:?}"))
        })?;
        let room = room.map_err(|_| StoreError::Unavailable("the store is closed".to_owned()))?;
        let pipe = match self.pop() {
            Some(kept) => kept,
            None => Pipe::open(&self.dial).await?,
        };
        Ok(Lent { pipe: Some(pipe), has_begun: false, room: Some(room), spare: self.clone() })
    }

    /// Closes what is kept; nothing is lent any more.
    pub(crate) fn close(&self) {
        self.room.close();
        self.kept().clear();
    }

    fn pop(&self) -> Option<Pipe> {
        let mut kept = self.kept();
        while let Some(pipe) = kept.pop() {
            if !pipe.is_closed() {
                return Some(pipe);
            }
        }
        None
    }

    fn keep(&self, pipe: Pipe) {
        let mut kept = self.kept();
        // Asked behind the lock: whoever closes clears afterwards.
        if !self.room.is_closed() {
            kept.push(pipe);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Pipe>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent {
    /// The connection, as long as the transaction lives.
    pub(crate) fn pipe(&self) -> Result<&Pipe, StoreError> {
        self.pipe.as_ref().ok_or_else(|| StoreError::Unavailable("the transaction has ended".to_owned()))
    }

    /// Begins the transaction, unless it has begun: to be polled before its first statement is.
    pub(crate) fn begin(
        &mut self,
    ) -> Result<(&Pipe, impl Future<Output = Result<(), StoreError>>), StoreError> {
        let begins = !std::mem::replace(&mut self.has_begun, true);
        let pipe = self.pipe()?;
        let begin = async move {
            if begins { pipe.say("begin read write").await.map_err(pipe_error) } else { Ok(()) }
        };
        Ok((pipe, begin))
    }

    /// Commits. Unless the server says no and lives on, nobody knows whether it happened.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        if let Err(error) = self.pipe()?.say("commit").await {
            drop(self.pipe.take());
            let refused = error.as_db_error().is_some_and(|said| {
                // What is fatal to the connection may have come after the commit, and before its answer.
                said.parsed_severity() == Some(Severity::Error)
            });
            return Err(if refused { pipe_error(error) } else { StoreError::CommitUnknown(words(&error)) });
        }
        if let Some(pipe) = self.pipe.take() {
            self.spare.keep(pipe);
        }
        Ok(())
    }

    /// Undoes what the transaction did, and ends it.
    pub(crate) async fn rollback(&mut self) {
        if let Some(pipe) = self.pipe.take() {
            end(pipe, self.has_begun, self.spare.clone(), self.room.take()).await;
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(pipe) = self.pipe.take() else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(end(pipe, self.has_begun, self.spare.clone(), self.room.take()));
    }
}

/// Ends a transaction without a commit; `room` is free once its connection is.
async fn end(pipe: Pipe, has_begun: bool, spare: Spare, room: Option<OwnedSemaphorePermit>) {
    if !has_begun || pipe.say("rollback").await.is_ok() {
        spare.keep(pipe);
    }
    drop(room);
}
