//! How a customer is known outside.

/// How a customer is known outside: the one place where this and our id for them meet is the table `customers`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// Who vouches for them: the claim `iss` of their tokens.
    pub issuer: String,
    /// Their name there: the claim `sub`.
    pub sub: String,
}
