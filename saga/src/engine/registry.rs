//! The definitions that a binary knows.

use super::definition::{CallSpec, Definition, Kind, Stage, Undo};
use crate::records::saga::DefinitionId;

/// The definitions a binary knows. Sagas of any other stay due for a binary that does.
#[derive(Debug, Clone, Copy)]
pub struct Registry(&'static [&'static Definition]);

impl Registry {
    /// A registry of exactly these.
    pub const fn new(definitions: &'static [&'static Definition]) -> Self {
        Self(definitions)
    }

    /// The definition a saga runs, if this binary knows it.
    pub fn find(&self, id: &DefinitionId) -> Option<&'static Definition> {
        self.0.iter().copied().find(|known| known.name == id.name && known.version == id.version)
    }

    /// The same definitions with every backoff divided by `divisor`, for demonstrations that must not
    /// take an hour to show what an hour of outage does. Made once and kept for the life of the process.
    #[must_use]
    pub fn with_backoff_divided_by(&self, divisor: u32) -> Self {
        let definitions = self.all().map(|definition| {
            let stages = |stages: &[Stage]| -> &'static [Stage] {
                let with_backoff_divided_by: Vec<Stage> =
                    stages.iter().map(|stage| stage.with_backoff_divided_by(divisor)).collect();
                Vec::leak(with_backoff_divided_by)
            };
            let (forward, after_undo) = (stages(definition.forward), stages(definition.after_undo));
            &*Box::leak(Box::new(Definition { forward, after_undo, ..*definition }))
        });
        Self(Vec::leak(definitions.collect()))
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &'static Definition> {
        self.0.iter().copied()
    }
}

impl Stage {
    fn with_backoff_divided_by(mut self, divisor: u32) -> Self {
        let hurry = |call: CallSpec| {
            let mut retry = call.retry;
            retry.backoff /= divisor;
            retry.backoff_max /= divisor;
            CallSpec { retry, ..call }
        };
        if let Kind::Call(call) = self.kind {
            self.kind = Kind::Call(hurry(call));
        }
        if let Some(Undo::Call { name, phrases, call }) = self.undo {
            self.undo = Some(Undo::Call { name, phrases, call: hurry(call) });
        }
        self
    }
}
