//! The tokens of buyers at the bank.

/// What a buyer's token does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// The money is taken.
    Pays,
    /// This attempt is declined.
    Declines,
    /// The money is on its way until the bank settles it.
    Debits,
    /// By a mistake of the bank's, a unit less is taken.
    TakesLess,
    /// A unit more.
    TakesMore,
    /// The right number, of dollars.
    TakesDollars,
}

const TOKENS: [Token; 6] =
    [Token::Pays, Token::Declines, Token::Debits, Token::TakesLess, Token::TakesMore, Token::TakesDollars];

impl Token {
    /// The token as a buyer sends it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pays => "bank_pays",
            Self::Declines => "bank_declines",
            Self::Debits => "bank_debits",
            Self::TakesLess => "bank_takes_less",
            Self::TakesMore => "bank_takes_more",
            Self::TakesDollars => "bank_takes_dollars",
        }
    }

    pub(crate) fn named(text: &str) -> Option<Self> {
        TOKENS.into_iter().find(|token| token.as_str() == text)
    }
}
