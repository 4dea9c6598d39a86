//! The connections of a pool that nobody uses, the last used on top.

use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::pipeline::PipelinedConnection;

/// How long a connection is kept that nobody uses: each is taken from all others on the server.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// How often those are looked for.
const GIVE_BACK_EVERY: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(crate) struct IdleConnections(Mutex<List>);

#[derive(Debug, Default)]
struct List {
    connections: Vec<(PipelinedConnection, Instant)>,
    is_closed: bool,
}

impl IdleConnections {
    /// The last used one that lives, as far as anybody has heard.
    pub(crate) fn pop(&self) -> Option<PipelinedConnection> {
        let mut list = self.lock();
        while let Some((connection, _)) = list.connections.pop() {
            if !connection.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection, unless it is of no use any more.
    pub(crate) fn push(&self, connection: PipelinedConnection) {
        let mut list = self.lock();
        if !list.is_closed && !connection.is_closed() {
            list.connections.push((connection, Instant::now()));
        }
    }

    /// Closes all, and those that come later.
    pub(crate) fn close(&self) {
        *self.lock() = List { connections: Vec::new(), is_closed: true };
    }

    /// Closes those that are idle for too long, until the list is gone or closed.
    pub(crate) async fn give_back(list: Weak<Self>) {
        loop {
            sleep(GIVE_BACK_EVERY).await;
            let Some(idle) = list.upgrade() else { return };
            let mut list = idle.lock();
            if list.is_closed {
                return;
            }
            list.connections
                .retain(|(connection, since)| since.elapsed() < IDLE_MAX && !connection.is_closed());
        }
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
