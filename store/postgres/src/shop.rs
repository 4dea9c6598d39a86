//! The shop's own row, and where its database is.

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::Shop;
use holdfast_shared::{SagaId, ShopId};
use holdfast_store_rows as rows;
use tokio::try_join;

use crate::pool::Pool;
use crate::statement::Sql;

pub(crate) async fn id(pool: &Pool) -> Result<ShopId, StoreError> {
    Ok(pool.read_one(Sql::ShopRead, &[], rows::shop).await?.id)
}

pub(crate) async fn shop(pool: &Pool) -> Result<Shop, StoreError> {
    let mut acquired = pool.acquire().await?;
    loop {
        let connection = acquired.statements()?;
        let read = try_join!(
            biased;
            connection.read_one(Sql::ShopRead, &[], rows::shop),
            connection.read_one(Sql::ShopHere, &[], |row| row.value(0)),
            connection.read_one(Sql::OrderNumbersLast, &[], |row| row.value(0)),
        );
        if let Some((shop, here, last_number)) = acquired.settle(read).await? {
            return Ok(Shop { here, last_number, ..shop });
        }
    }
}

/// A new database is at home where it is. One that has a home is left alone.
pub(crate) async fn adopt(pool: &Pool) -> Result<(), StoreError> {
    if pool.read_one(Sql::ShopRead, &[], rows::shop).await?.home.is_some() {
        return Ok(());
    }
    let here: String = pool.read_one(Sql::ShopHere, &[], |row| row.value(0)).await?;
    pool.execute(Sql::ShopAdopt, &[&here]).await?;
    Ok(())
}

pub(crate) async fn parked(
    pool: &Pool,
    after: Option<SagaId>,
    limit: u32,
) -> Result<Vec<SagaId>, StoreError> {
    let after = after.map_or(0, SagaId::key);
    pool.read(Sql::SagasParked, &[&"true", &after, &i64::from(limit)], rows::saga_id).await
}
