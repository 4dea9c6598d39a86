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

/// As many as batches run at once in a process.
const KEPT_MAX: usize = 2;

/// The pool for everybody, and what transactions keep for each other beside it.
#[derive(Debug, Clone)]
pub(crate) struct Spare {
    pool: PgPool,
    kept: Arc<Mutex<Vec<PgConnection>>>,
}

/// A connection in a transaction. Dropped without [`Lent::commit`], the transaction is rolled back.
#[derive(Debug)]
pub(crate) struct Lent {
    /// `None` once it is given back.
    connection: Option<Connection>,
    spare: Spare,
}

#[derive(Debug)]
enum Connection {
    Kept(PgConnection),
    Pooled(PoolConnection<Postgres>),
}

impl Spare {
    pub(crate) fn of(pool: PgPool) -> Self {
        Self { pool, kept: Arc::default() }
    }

    /// Begins a transaction.
    pub(crate) async fn begin(&self) -> Result<Lent, StoreError> {
        let kept = self.kept().pop();
        let connection = match kept {
            Some(kept) => Connection::Kept(kept),
            None => Connection::Pooled(self.pool.acquire().await.map_err(store_error)?),
        };
        let mut lent = Lent { connection: Some(connection), spare: self.clone() };
        match sqlx::raw_sql("begin").execute(lent.get()?).await {
            Ok(_) => Ok(lent),
            Err(error) => {
                // What broke this one broke the others.
                self.clear();
                lent.discard();
                Err(store_error(error))
            }
        }
    }

    /// Closes what is kept.
    pub(crate) fn clear(&self) {
        self.kept().clear();
    }

    fn keep(&self, connection: Connection) {
        let mut kept = self.kept();
        // Where there is no room, a pool's goes back to it, and another one is closed.
        if kept.len() < KEPT_MAX && !self.pool.is_closed() {
            kept.push(connection.detached());
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<PgConnection>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent {
    /// The connection, as long as the transaction lives.
    pub(crate) fn get(&mut self) -> Result<&mut PgConnection, StoreError> {
        match &mut self.connection {
            Some(connection) => Ok(connection.get()),
            None => Err(StoreError::Unavailable("the transaction has ended".to_owned())),
        }
    }

    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        if let Err(error) = sqlx::raw_sql("commit").execute(self.get()?).await {
            self.discard();
            return Err(commit_error(error));
        }
        if let Some(connection) = self.connection.take() {
            self.spare.keep(connection);
        }
        Ok(())
    }

    /// Nobody uses this connection again.
    fn discard(&mut self) {
        drop(self.connection.take().map(Connection::detached));
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let spare = self.spare.clone();
        let Ok(runtime) = Handle::try_current() else {
            drop(connection.detached());
            return;
        };
        runtime.spawn(async move {
            if sqlx::raw_sql("rollback").execute(connection.get()).await.is_ok() {
                spare.keep(connection);
            } else {
                drop(connection.detached());
            }
        });
    }
}

impl Connection {
    fn get(&mut self) -> &mut PgConnection {
        match self {
            Self::Kept(connection) => connection,
            Self::Pooled(connection) => connection,
        }
    }

    /// Nobody's but ours: dropping it closes it, wherever that happens.
    fn detached(self) -> PgConnection {
        match self {
            Self::Kept(connection) => connection,
            Self::Pooled(connection) => connection.detach(),
        }
    }
}
