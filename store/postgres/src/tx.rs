//! One transaction: claim, load, save.

use async_trait::async_trait;
use holdfast_saga::ports::{Claim, Claimed, StoreError, Tx};
use holdfast_saga::world::{Footprint, World, Writes};
use holdfast_shared::Time;
use sqlx::PgExecutor;

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
        let lent = spare.begin().await?;
        let now = match present {
            Present::Database => None,
            Present::Owned(clock) => Some(clock.now()),
        };
        Ok(Self { lent, now })
    }
}

/// The present, by the clock this store goes by.
pub(crate) async fn now(executor: impl PgExecutor<'_>, present: &Present) -> Result<Time, StoreError> {
    match present {
        Present::Database => database_now(executor).await,
        Present::Owned(clock) => Ok(clock.now()),
    }
}

/// The database's present, where no other statement tells it.
pub(crate) async fn database_now(executor: impl PgExecutor<'_>) -> Result<Time, StoreError> {
    let row = sqlx::query_file!("queries/now.sql").fetch_one(executor).await.map_err(store_error)?;
    Ok(row.now.into())
}

#[async_trait]
impl Tx for PostgresTx {
    async fn claim(&mut self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        let claimed = claim::claim(self.lent.get()?, claim, self.now).await?;
        self.now = Some(claimed.now);
        Ok(claimed)
    }

    async fn load(&mut self, footprint: &Footprint, world: &mut World) -> Result<(), StoreError> {
        load::load(self.lent.get()?, footprint, self.now, world).await?;
        self.now = Some(world.now);
        Ok(())
    }

    async fn save(mut self: Box<Self>, writes: &Writes) -> Result<(), StoreError> {
        save::save(self.lent.get()?, writes).await?;
        self.lent.commit().await
    }
}
