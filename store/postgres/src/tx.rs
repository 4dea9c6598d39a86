//! One transaction: claim, load, save.

use async_trait::async_trait;
use holdfast_saga::ports::{Claim, Claimed, StoreError, Tx};
use holdfast_saga::records::batch_rows::{Footprint, World, Writes};
use holdfast_shared::Time;
use sqlx::PgPool;

use crate::error::store_error;
use crate::spare::{Lent, Spare};
use crate::{Present, claim, load, save};

pub(crate) struct PostgresTx {
    lent: Lent,
    /// The present, once it is known: the first statement tells it, so that it needs none of its own.
    now: Option<Time>,
}

impl PostgresTx {
    pub(crate) async fn begin(spare: &Spare, present: &Present) -> Result<Self, StoreError> {
        let lent = spare.lend().await?;
        let now = match present {
            Present::Database => None,
            Present::Owned(clock) => Some(clock.now()),
        };
        Ok(Self { lent, now })
    }
}

/// The present, by the clock this store goes by.
pub(crate) async fn now(pool: &PgPool, present: &Present) -> Result<Time, StoreError> {
    match present {
        Present::Database => {
            let row = sqlx::query_file!("queries/now.sql").fetch_one(pool).await.map_err(store_error)?;
            Ok(row.now.into())
        }
        Present::Owned(clock) => Ok(clock.now()),
    }
}

impl PostgresTx {
    /// What fails is over before anybody hears of it: whoever tries again at once finds its rows free.
    async fn over<T>(&mut self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if answer.is_err() {
            self.lent.rollback().await;
        }
        answer
    }
}

#[async_trait]
impl Tx for PostgresTx {
    async fn claim(&mut self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        let claimed = claim::claim(&mut self.lent, claim, self.now).await;
        let claimed = self.over(claimed).await?;
        self.now = Some(claimed.now);
        Ok(claimed)
    }

    async fn load(&mut self, footprint: &Footprint, world: &mut World) -> Result<(), StoreError> {
        let loaded = load::load(&mut self.lent, footprint, self.now, world).await;
        self.over(loaded).await?;
        self.now = Some(world.now);
        Ok(())
    }

    async fn save(mut self: Box<Self>, writes: &Writes) -> Result<(), StoreError> {
        let saved = Box::pin(save::save(&mut self.lent, writes)).await;
        self.over(saved).await?;
        self.lent.commit().await
    }
}
