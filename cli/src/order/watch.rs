//! `holdfast order watch`: what happens to an order, as it happens.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_saga::ports::Store;
use holdfast_saga::records::saga::Saga;
use holdfast_saga::timeline::Line;
use holdfast_shared::{SagaState, Time};

use super::body::ExplainedBody;
use super::explained;
use crate::exit::Exit;
use crate::output::{Format, print};
use crate::reference::OrderRef;
use crate::shutdown::Shutdown;

/// Fast enough for a person, and nothing to a database.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(super) async fn run(store: &dyn Store, order: OrderRef, output: Format) -> anyhow::Result<Exit> {
    let mut shutdown = Shutdown::listen()?;
    let mut shown: BTreeSet<(Time, String)> = BTreeSet::new();
    loop {
        let seen = order.story(store).await?;
        let page = explained(store, &seen).await?;
        let is_new = |line: &&Line| !shown.contains(&(line.at, line.text.clone()));
        let new: Vec<Line> = page.happened().iter().filter(is_new).cloned().collect();
        if !new.is_empty() {
            tell(&page, &new, output)?;
        }
        shown.extend(new.into_iter().map(|line| (line.at, line.text)));
        if seen.sagas.iter().all(is_at_rest) {
            if output == Format::Table {
                print(&format!("\n{}", page.outlook()))?;
            }
            let stuck = seen.sagas.iter().any(|saga| saga.state == SagaState::Dead);
            return Ok(if stuck { Exit::Partly } else { Exit::Ok });
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = shutdown.signalled() => return Ok(Exit::Ok),
        }
    }
}

/// Whether it does not move by itself any more.
fn is_at_rest(saga: &Saga) -> bool {
    saga.wake_at.is_none()
}

fn tell(page: &ExplainedBody, lines: &[Line], output: Format) -> anyhow::Result<()> {
    if output == Format::Table {
        return print(&page.lines(lines));
    }
    lines.iter().try_for_each(|line| Format::Jsonl.one(line, String::new))
}
