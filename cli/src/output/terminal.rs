//! Stdout, and the terminal that reads it, if one does: its width, and the colours of states.

use std::borrow::Cow;
use std::io::{ErrorKind, Write};

use anyhow::Context as _;
use console::{Style, Term};

/// Prints to stdout. A reader that closes the pipe, such as `head`, is not an error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("stdout cannot be written"),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// How wide a table may be; `None`: nobody sees it, and no line is broken.
pub(super) fn width() -> Option<u16> {
    let (_, columns) = Term::stdout().size_checked()?;
    Term::stdout().is_term().then_some(columns)
}

/// What empties the screen; nothing where there is none.
pub(super) fn cleared() -> &'static str {
    if Term::stdout().is_term() { "\u{1b}[H\u{1b}[2J\u{1b}[3J" } else { "" }
}

/// `text` with its states in colour, where stdout shows colours. `NO_COLOR` turns them off.
pub(super) fn in_colour(text: &str) -> Cow<'_, str> {
    if console::colors_enabled() { Cow::Owned(painted(text)) } else { Cow::Borrowed(text) }
}

/// Every word that is a state, in the colour that it has everywhere.
fn painted(text: &str) -> String {
    let mut painted = String::with_capacity(text.len() * 2);
    for word in text.split_inclusive(|c: char| !c.is_ascii_uppercase() && c != '_') {
        let end = word.trim_end_matches(|c: char| !c.is_ascii_uppercase() && c != '_').len();
        let (name, rest) = word.split_at(end);
        match style(name) {
            Some(style) => painted += &style.force_styling(true).apply_to(name).to_string(),
            None => painted += name,
        }
        painted += rest;
    }
    painted
}

/// The states of orders, sagas, payments, refunds and messages: what needs a person, what moves, what is done or undone.
fn style(state: &str) -> Option<Style> {
    let plain = Style::new();
    Some(match state {
        "DEAD" | "FAILED" | "UNKNOWN" => plain.red().bold(),
        "RETRYING" | "COMPENSATING" | "CANCELLING" => plain.yellow(),
        "RUNNING" | "WAITING" | "PENDING" | "PROCESSING" | "PENDING_PAYMENT" | "PENDING_CONFIRMATION" => {
            plain.cyan()
        }
        "COMPLETED" | "CONFIRMED" | "SHIPPED" | "DELIVERED" | "CAPTURED" | "SENT" | "SUCCEEDED" => {
            plain.green()
        }
        "COMPENSATED" | "CANCELLED" | "REFUNDED" | "RELEASED" | "SKIPPED" => plain.dim(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_coloured_and_nothing_else() {
        let red = |text: &str| format!("\u{1b}[31m\u{1b}[1m{text}\u{1b}[0m");
        let cases = [
            ("", String::new()),
            ("DEADLINE DEADLY dead", "DEADLINE DEADLY dead".to_owned()),
            ("1042.0  DEAD  no", format!("1042.0  {}  no", red("DEAD"))),
            ("DEAD\nFAILED", format!("{}\n{}", red("DEAD"), red("FAILED"))),
            ("PENDING_PAYMENT", "\u{1b}[36mPENDING_PAYMENT\u{1b}[0m".to_owned()),
        ];
        for (text, expected) in cases {
            assert_eq!(painted(text), expected, "{text:?}");
        }
    }
}
