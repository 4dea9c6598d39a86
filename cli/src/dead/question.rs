//! What stands in the way of many dead sagas, and the question whether to go on.

use std::io::{IsTerminal, Write};

use holdfast_saga::operations::dead_letter::Totals;
use holdfast_saga::ports::{Store, StoreError};
use holdfast_saga::timeline::Conditions;

use crate::exit::usage;

/// What keeps the sagas of `totals` from moving.
pub(super) async fn warnings(store: &dyn Store, totals: &Totals) -> Result<Vec<String>, StoreError> {
    let conditions = Conditions::read(store).await?;
    let mut warnings = Vec::new();
    for queue in totals.queues() {
        if let Some(paused) = conditions.paused.get(&queue) {
            let by = &paused.by;
            warnings.push(format!(
                "queue {queue} is paused by {by}: nothing moves before `holdfast queue resume {queue}`"
            ));
        }
        if !conditions.serves(queue) {
            warnings.push(format!(
                "no worker that is alive serves queue {queue}: start one with `holdfast worker`"
            ));
        }
    }
    Ok(warnings)
}

/// Asks whether to `verb` that many sagas.
pub(super) fn ask(verb: &str, sagas: u64) -> anyhow::Result<bool> {
    let (input, mut screen) = (std::io::stdin(), std::io::stderr());
    if !input.is_terminal() || !screen.is_terminal() {
        return Err(usage(format!(
            "nobody is there to be asked whether to {verb} {sagas} sagas; add --yes, or --dry-run to see each of them"
        )));
    }
    write!(screen, "Go on? [y/N] ")?;
    screen.flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
