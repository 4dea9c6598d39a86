//! What it would mean to take the call that a dead or parked saga stopped at off its hands.

use super::definition::{Definition, Discard, Event};
use crate::records::saga::Saga;

/// What discarding a dead or parked saga would mean, or why it cannot be discarded and what to do instead.
pub fn discardable(saga: &Saga, definition: &Definition) -> Result<Discard, String> {
    let id = saga.id;
    if !saga.is_stuck() {
        return Err(format!("saga {id} is {}, only a dead or parked one is discarded", saga.state));
    }
    // One that never got beyond its pivot stopped at what comes next.
    let mut trial = Saga { progress: definition.past_pivot(&saga.progress), ..saga.clone() };
    let position = definition.position(&trial.progress);
    let Some(spec) = position.call else {
        return Err(format!(
            "saga {id} stopped at {}, where nothing is asked of the outside: there is nothing that anybody could \
             settle by hand; remove the cause, then `holdfast saga retry {id}`",
            position.step
        ));
    };
    if let Discard::Never(instead) = spec.discard {
        return Err(format!("saga {id} stopped at {} and cannot be discarded: {instead}", position.step));
    }
    let key = saga.key_at(position.step);
    match (spec.record)(&mut trial, &key, Event::Discarded) {
        Ok(_) => Ok(spec.discard),
        Err(refusal) => Err(format!(
            "saga {id} has nothing at {} that could be settled by hand ({}); `holdfast saga retry {id}` instead",
            position.step, refusal.message
        )),
    }
}
