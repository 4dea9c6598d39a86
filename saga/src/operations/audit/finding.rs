//! Noting what is broken.

use super::report::{Invariant, Violation};

/// What is found wrong with one subject.
pub(super) struct Findings<'a> {
    subject: String,
    violations: &'a mut Vec<Violation>,
}

impl<'a> Findings<'a> {
    pub(super) fn about(subject: String, violations: &'a mut Vec<Violation>) -> Self {
        Self { subject, violations }
    }

    pub(super) fn broken(&mut self, invariant: Invariant, detail: impl Into<String>) {
        let (subject, detail) = (self.subject.clone(), detail.into());
        self.violations.push(Violation { invariant, subject, detail });
    }

    /// Notes it unless it holds. The sentence is made only where it is needed.
    pub(super) fn check(&mut self, invariant: Invariant, holds: bool, detail: impl FnOnce() -> String) {
        if !holds {
            self.broken(invariant, detail());
        }
    }
}
