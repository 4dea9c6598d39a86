//! The tokens the sandbox knows: how a buyer's card behaves is written on it.

/// How all of them begin.
pub const TOKEN_PREFIX: &str = "tok_";

/// A card of the sandbox. Its text is matched exactly; any other text is a card that is declined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// Captured.
    Ok,
    /// Declined, for good.
    Declined,
    /// Captured, but the answer is lost.
    Timeout,
    /// Fails twice for an order, then captures.
    Flaky,
    /// Waits for the buyer.
    RequiresAction,
    /// Captured, but refunds fail until an operator allows them.
    RefundFails,
    /// The provider is not available.
    Down,
}

impl Token {
    /// Every token.
    pub const ALL: [Self; 7] = [
        Self::Ok,
        Self::Declined,
        Self::Timeout,
        Self::Flaky,
        Self::RequiresAction,
        Self::RefundFails,
        Self::Down,
    ];

    /// The token as a buyer sends it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "tok_ok",
            Self::Declined => "tok_declined",
            Self::Timeout => "tok_timeout",
            Self::Flaky => "tok_flaky",
            Self::RequiresAction => "tok_requires_action",
            Self::RefundFails => "tok_refund_fails",
            Self::Down => "tok_down",
        }
    }

    /// The token of exactly this text.
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|token| token.as_str() == text)
    }
}
