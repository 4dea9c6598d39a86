//! Money that goes back.

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::Refund;
use holdfast_saga::records::batch_rows::Writes;
use time::OffsetDateTime;

use crate::params::{all_moved, word};
use crate::pipeline::PipelinedConnection;
use crate::statement::Sql;

pub(super) async fn update(
    connection: &PipelinedConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let refunds: Vec<_> = writes.refunds.values().filter_map(|(from, row)| Some(((*from)?, row))).collect();
    if refunds.is_empty() {
        return Ok(());
    }
    let found = connection
        .execute(
            Sql::RefundsMove,
            &[
                &refunds.iter().map(|(_, row)| row.saga.key()).collect::<Vec<_>>(),
                &refunds.iter().map(|(from, _)| word(*from)).collect::<Vec<_>>(),
                &refunds.iter().map(|(_, row)| word(row.status)).collect::<Vec<_>>(),
                &refunds.iter().map(|(_, row)| row.amount.amount_minor).collect::<Vec<_>>(),
                &refunds.iter().map(|(_, row)| row.settled_manually).collect::<Vec<_>>(),
                &at,
            ],
        )
        .await?;
    all_moved("refunds", refunds.len(), found)
}

pub(super) async fn insert(
    connection: &PipelinedConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let refunds: Vec<&Refund> =
        writes.refunds.values().filter(|(from, _)| from.is_none()).map(|(_, row)| row).collect();
    if refunds.is_empty() {
        return Ok(());
    }
    let column = || refunds.iter().copied();
    connection
        .execute(
            Sql::RefundsInsert,
            &[
                &column().map(|row| row.saga.key()).collect::<Vec<_>>(),
                &column().map(|row| word(row.status)).collect::<Vec<_>>(),
                &column().map(|row| row.amount.amount_minor).collect::<Vec<_>>(),
                &column().map(|row| row.amount.currency.to_string()).collect::<Vec<_>>(),
                &column().map(|row| row.charge.to_string()).collect::<Vec<_>>(),
                &column().map(|row| row.late).collect::<Vec<_>>(),
                &column().map(|row| row.settled_manually).collect::<Vec<_>>(),
                &at,
            ],
        )
        .await?;
    Ok(())
}
