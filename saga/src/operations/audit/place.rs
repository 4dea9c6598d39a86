//! Where a saga stands in its definition, and what it has done by then.

use super::report::Scope;
use crate::engine::definition::{Definition, Kind, Stage};
use crate::records::audit_fact::SagaFact;
use crate::records::saga::{Phase, Progress};

/// Where a saga stands in its definition.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) definition: &'static Definition,
    pub(super) progress: &'a Progress,
}

impl<'a> Place<'a> {
    /// `None`: this binary does not know the definition.
    pub(super) fn of(fact: &'a SagaFact, scope: &Scope) -> Option<Self> {
        let definition = scope.registry.find(&fact.saga.definition)?;
        Some(Self { definition, progress: &fact.saga.progress })
    }

    /// Whether `step` is done, and not undone.
    pub(super) fn has_done(self, step: &str) -> bool {
        let stage = self.stages().iter().position(|stage| stage.name == step);
        stage.is_some_and(|stage| stage < self.progress.stage)
    }

    pub(super) const fn is_forward(self) -> bool {
        matches!(self.progress.phase, Phase::Forward)
    }

    /// Whether all stages of its way are behind it.
    pub(super) fn is_at_end(self) -> bool {
        self.progress.phase != Phase::Undo && self.progress.stage == self.stages().len()
    }

    /// Whether there is such a place.
    pub(super) fn exists(self) -> bool {
        self.progress.stage <= self.stages().len()
    }

    /// Whether the point of no return is behind it.
    pub(super) fn is_past_pivot(self) -> bool {
        let pivot = self.definition.forward.iter().position(|stage| matches!(stage.kind, Kind::Pivot));
        self.is_forward() && pivot.is_some_and(|pivot| pivot < self.progress.stage)
    }

    /// While undoing, the stages that are still to be undone are the first ones of the way forward.
    const fn stages(self) -> &'static [Stage] {
        match self.progress.phase {
            Phase::Forward | Phase::Undo => self.definition.forward,
            Phase::AfterUndo => self.definition.after_undo,
        }
    }
}
