//! One word for each incident: what Redis does not do is said once, and not at every attempt.

/// What was said of a failing Redis since it last worked.
#[derive(Debug, Default)]
pub(crate) struct Incident {
    said: Option<String>,
}

impl Incident {
    /// It works.
    pub(crate) fn ended(&mut self) {
        self.said = None;
    }

    /// Whether a failure has to be said: it is the first one, or Redis now refuses, or for another reason.
    pub(crate) fn is_news(&mut self, refusal: Option<&str>) -> bool {
        let reason = refusal.unwrap_or_default();
        let is_news = self.said.as_ref().is_none_or(|said| !reason.is_empty() && said != reason);
        if is_news {
            self.said = Some(reason.to_owned());
        }
        is_news
    }

    /// Whether one lasts.
    pub(crate) const fn lasts(&self) -> bool {
        self.said.is_some()
    }

    /// The command that started this process has already said that Redis is silent.
    pub(crate) const fn of_silence() -> Self {
        Self { said: Some(String::new()) }
    }
}
