//! What goes to the bank and back.

use serde_json::Value;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Such as `POST`.
    pub method: &'static str,
    /// Such as `/payments/po_1/attempts`.
    pub path: String,
    /// The credentials.
    pub api_key: String,
    /// The key that it is repeated under.
    pub key: Option<String>,
    /// Null where there is none.
    pub body: Value,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The HTTP status.
    pub status: u16,
    /// The document.
    pub body: Value,
}
