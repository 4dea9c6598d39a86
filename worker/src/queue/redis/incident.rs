//! One word for each incident: what Redis does not do is said once, and not at every attempt.

use redis::{ErrorKind, RedisError};

/// What was said of a failing Redis since it last worked.
#[derive(Debug, Default)]
pub(super) struct Incident {
    said: Option<String>,
}

impl Incident {
    /// It works.
    pub(super) fn ended(&mut self) {
        self.said = None;
    }

    /// Whether a failure has to be said: it is the first one, or Redis now refuses, or for another reason.
    pub(super) fn is_news(&mut self, refusal: Option<&str>) -> bool {
        let reason = refusal.unwrap_or_default();
        let is_news = self.said.as_ref().is_none_or(|said| !reason.is_empty() && said != reason);
        if is_news {
            self.said = Some(reason.to_owned());
        }
        is_news
    }

    /// Whether one lasts.
    pub(super) const fn lasts(&self) -> bool {
        self.said.is_some()
    }

    /// The command that started this process has already said that Redis is silent.
    pub(super) const fn of_silence() -> Self {
        Self { said: Some(String::new()) }
    }
}

/// What Redis answered instead of doing it; `None`: it did not answer.
pub(super) fn refusal(error: &RedisError) -> Option<String> {
    let is_answer =
        matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::AuthenticationFailed);
    is_answer.then(|| match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    })
}
