//! One transaction: claim, load, save.

use async_trait::async_trait;
use holdfast_saga::ports::{Claim, Claimed, StoreError, Tx};
use holdfast_saga::records::batch_rows::{Footprint, World, Writes};
use holdfast_shared::{OrderId, Time};

use crate::clock::ClockSource;
use crate::pool::{Pool, PooledConnection};
use crate::{claim, load, save};

pub(crate) struct PostgresTx {
    transaction: PooledConnection,
    /// The present, once it is known: the first statement reads it, so that it costs none of its own.
    now: Option<Time>,
    /// Whether no move has succeeded yet: then all of them can be made again on another connection.
    is_untouched: bool,
}

impl PostgresTx {
    /// `reads` is the pool that knows whether the database may be written.
    pub(crate) async fn begin(reads: &Pool, pool: &Pool, clock: &ClockSource) -> Result<Self, StoreError> {
        reads.may_write().await?;
        let transaction = pool.acquire().await?;
        Ok(Self { transaction, now: clock.known(), is_untouched: true })
    }

    /// What became of a move; `None`: the connection was dead, and the move may be made again.
    ///
    /// A transaction that has failed is rolled back before its error is returned: a caller who tries again at once finds
    /// its rows free.
    async fn moved<T>(&mut self, answer: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        let error = match answer {
            Ok(answer) => {
                self.is_untouched = false;
                return Ok(Some(answer));
            }
            Err(error) => error,
        };
        let revived = if self.is_untouched { self.transaction.revive(error).await } else { Err(error) };
        if revived.is_err() {
            self.transaction.rollback().await;
        }
        revived.map(|()| None)
    }
}

#[async_trait]
impl Tx for PostgresTx {
    async fn claim(&mut self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        loop {
            let claimed = claim::claim(&mut self.transaction, claim, self.now).await;
            if let Some(claimed) = self.moved(claimed).await? {
                self.now = Some(claimed.now);
                return Ok(claimed);
            }
        }
    }

    async fn load(&mut self, footprint: &Footprint, world: &mut World) -> Result<(), StoreError> {
        loop {
            let loaded = Box::pin(load::load(&mut self.transaction, footprint, self.now, world)).await;
            if self.moved(loaded).await?.is_some() {
                self.now = Some(world.now);
                return Ok(());
            }
        }
    }

    async fn draw_order_numbers(&mut self, count: usize) -> Result<Vec<OrderId>, StoreError> {
        loop {
            let drawn = load::draw_order_numbers(&mut self.transaction, count).await;
            if let Some(drawn) = self.moved(drawn).await? {
                return Ok(drawn);
            }
        }
    }

    async fn save(mut self: Box<Self>, writes: &Writes) -> Result<(), StoreError> {
        loop {
            let saved = Box::pin(save::save(&mut self.transaction, writes)).await;
            if self.moved(saved).await?.is_some() {
                return self.transaction.commit().await;
            }
        }
    }
}
