//! One transaction: claim, load, save.

use async_trait::async_trait;
use holdfast_saga::ports::{Claim, Claimed, StoreError, Tx};
use holdfast_saga::records::batch_rows::{Footprint, World, Writes};
use holdfast_shared::Time;

use crate::clock::ClockSource;
use crate::pool::{Pool, PooledConnection};
use crate::{claim, load, save};

pub(crate) struct PostgresTx {
    transaction: PooledConnection,
    /// The present, once it is known: the first statement reads it, so that it costs none of its own.
    now: Option<Time>,
}

impl PostgresTx {
    pub(crate) async fn begin(pool: &Pool, clock: &ClockSource) -> Result<Self, StoreError> {
        let transaction = pool.acquire().await?;
        Ok(Self { transaction, now: clock.known() })
    }

    /// A transaction that has failed is rolled back before its error is returned: a caller who tries again at once finds
    /// its rows free.
    async fn or_roll_back<T>(&mut self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if answer.is_err() {
            self.transaction.rollback().await;
        }
        answer
    }
}

#[async_trait]
impl Tx for PostgresTx {
    async fn claim(&mut self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        let claimed = claim::claim(&mut self.transaction, claim, self.now).await;
        let claimed = self.or_roll_back(claimed).await?;
        self.now = Some(claimed.now);
        Ok(claimed)
    }

    async fn load(&mut self, footprint: &Footprint, world: &mut World) -> Result<(), StoreError> {
        let loaded = Box::pin(load::load(&mut self.transaction, footprint, self.now, world)).await;
        self.or_roll_back(loaded).await?;
        self.now = Some(world.now);
        Ok(())
    }

    async fn save(mut self: Box<Self>, writes: &Writes) -> Result<(), StoreError> {
        let saved = Box::pin(save::save(&mut self.transaction, writes)).await;
        self.or_roll_back(saved).await?;
        self.transaction.commit().await
    }
}
