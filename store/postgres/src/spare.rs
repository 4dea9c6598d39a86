//! Connections that wait for their next transaction, the last used on top.
//!
//! A pool hands its connections out in turn. Behind each is a process of Postgres with caches of its own: used in
//! turn, all of them are cold, and a lone order costs half as much again. So transactions use the same one, as long
//! as one is enough.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_saga::ports::StoreError;
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};
use tokio::runtime::Handle;

use crate::error::{commit_error, store_error};

/// The pool for everybody, and what transactions keep for each other.
#[derive(Debug, Clone)]
pub(crate) struct Spare {
    pool: PgPool,
    /// As many as batches run at once; the rest of the pool is there for whoever reads.
    room: usize,
    kept: Arc<Mutex<Vec<PoolConnection<Postgres>>>>,
}

/// A connection in a transaction. Dropped without [`Lent::commit`], the transaction is rolled back.
#[derive(Debug)]
pub(crate) struct Lent {
    /// `None` once it is given back.
    connection: Option<PoolConnection<Postgres>>,
    spare: Spare,
}

impl Spare {
    pub(crate) fn of(pool: PgPool) -> Self {
        let half = usize::try_from(pool.options().get_max_connections() / 2).unwrap_or(usize::MAX);
        Self { pool, room: half.min(2), kept: Arc::default() }
    }

    /// Begins a transaction with `statement`.
    pub(crate) async fn begin(&self, statement: &'static str) -> Result<Lent, StoreError> {
        let kept = self.kept().pop();
        let connection = match kept {
            Some(kept) => kept,
            None => self.pool.acquire().await.map_err(store_error)?,
        };
        let mut lent = Lent { connection: Some(connection), spare: self.clone() };
        let begun = sqlx::raw_sql(statement).execute(lent.get()?).await.map_err(store_error);
        if begun.is_err() {
            // What broke this one broke the others.
            lent.discard();
            self.clear();
        }
        begun.map(|_| lent)
    }

    /// Gives back what is kept, so that the pool can be closed.
    pub(crate) fn clear(&self) {
        self.kept().clear();
    }

    fn keep(&self, connection: PoolConnection<Postgres>) {
        let mut kept = self.kept();
        if kept.len() < self.room && !self.pool.is_closed() {
            kept.push(connection);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<PoolConnection<Postgres>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent {
    /// The connection, as long as the transaction lives.
    pub(crate) fn get(&mut self) -> Result<&mut PgConnection, StoreError> {
        let gone = || StoreError::Unavailable("the transaction has ended".to_owned());
        self.connection.as_deref_mut().ok_or_else(gone)
    }

    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        let committed = sqlx::raw_sql("commit").execute(self.get()?).await.map_err(commit_error);
        match (committed, self.connection.take()) {
            (Ok(_), Some(connection)) => {
                self.spare.keep(connection);
                Ok(())
            }
            (Ok(_), None) => Ok(()),
            (Err(error), connection) => {
                self.connection = connection;
                self.discard();
                Err(error)
            }
        }
    }

    /// Nobody uses this connection again.
    fn discard(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.close_on_drop();
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let spare = self.spare.clone();
        let Ok(runtime) = Handle::try_current() else {
            connection.close_on_drop();
            return;
        };
        runtime.spawn(async move {
            if sqlx::raw_sql("rollback").execute(&mut *connection).await.is_ok() {
                spare.keep(connection);
            } else {
                connection.close_on_drop();
            }
        });
    }
}
