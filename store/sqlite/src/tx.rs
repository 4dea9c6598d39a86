//! One transaction of the one writer: claim and load read, save writes everything and commits.

use async_trait::async_trait;
use holdfast_saga::ports::{Claim, Claimed, StoreError, Tx};
use holdfast_saga::records::batch_rows::{Footprint, World, Writes};
use holdfast_shared::{Clock, OrderId, Time};
use sqlx::{Sqlite, Transaction};

use crate::connections::Connections;
use crate::error::commit_error;
use crate::params::BatchWriter;
use crate::{claim, load, save};

/// A turn of the writer. While it lives no other transaction writes, so nothing it reads needs a lock of its own.
pub(crate) struct SqliteTx {
    tx: Transaction<'static, Sqlite>,
    now: Time,
}

impl SqliteTx {
    pub(crate) async fn begin(connections: &Connections, clock: &dyn Clock) -> Result<Self, StoreError> {
        let tx = connections.write().await?;
        // Read once the turn has come: waiting for it may have taken a while.
        Ok(Self { tx, now: clock.now() })
    }
}

#[async_trait]
impl Tx for SqliteTx {
    async fn claim(&mut self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        claim::claim(&mut self.tx, claim, self.now).await
    }

    async fn load(&mut self, footprint: &Footprint, world: &mut World) -> Result<(), StoreError> {
        world.now = self.now;
        load::load(&mut self.tx, footprint, world).await
    }

    async fn draw_order_numbers(&mut self, count: usize) -> Result<Vec<OrderId>, StoreError> {
        load::draw_order_numbers(&mut self.tx, count).await
    }

    async fn save(mut self: Box<Self>, writes: &Writes) -> Result<(), StoreError> {
        let mut batch = BatchWriter { connection: &mut self.tx, at: writes.at };
        save::save(&mut batch, writes).await?;
        self.tx.commit().await.map_err(commit_error)
    }
}
