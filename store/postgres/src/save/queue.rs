//! Queues that are paused, and queues that go on.

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::batch_rows::Writes;
use time::OffsetDateTime;

use crate::params::word;
use crate::pipeline::PipelinedConnection;
use crate::statement::Sql;

pub(super) async fn resume(connection: &PipelinedConnection, writes: &Writes) -> Result<(), StoreError> {
    let resumed = writes.pauses.iter().filter(|(_, pause)| pause.is_none());
    let resumed: Vec<&str> = resumed.map(|(queue, _)| word(*queue)).collect();
    if resumed.is_empty() {
        return Ok(());
    }
    connection.execute(Sql::QueuesResume, &[&resumed]).await?;
    Ok(())
}

pub(super) async fn pause(connection: &PipelinedConnection, writes: &Writes) -> Result<(), StoreError> {
    let paused: Vec<_> =
        writes.pauses.iter().filter_map(|(queue, pause)| Some((queue, pause.as_ref()?))).collect();
    if paused.is_empty() {
        return Ok(());
    }
    let column = || paused.iter().map(|(_, pause)| *pause);
    connection
        .execute(
            Sql::QueuesPause,
            &[
                &paused.iter().map(|(queue, _)| word(**queue)).collect::<Vec<_>>(),
                &column().map(|pause| OffsetDateTime::from(pause.at)).collect::<Vec<_>>(),
                &column().map(|pause| pause.by.as_str()).collect::<Vec<_>>(),
                &column().map(|pause| pause.reason.as_deref()).collect::<Vec<_>>(),
            ],
        )
        .await?;
    Ok(())
}
