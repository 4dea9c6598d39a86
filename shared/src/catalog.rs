//! The name of a thing that can be bought.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longer names do not come from shops; the bound keeps index rows small.
pub const MAX_SKU_LEN: usize = 64;

/// A stock-keeping unit: 1 to 64 printable ASCII characters without blanks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[!-~]{1,64}$", example = "mug-01"))]
#[serde(try_from = "String", into = "String")]
pub struct Sku(String);

/// Text that is no SKU.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a SKU: 1 to {MAX_SKU_LEN} printable ASCII characters without blanks are expected")]
pub struct InvalidSku(String);

impl Sku {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Sku {
    type Error = InvalidSku;

    fn try_from(text: String) -> Result<Self, InvalidSku> {
        let fits = (1..=MAX_SKU_LEN).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Self(text)) } else { Err(InvalidSku(text.chars().take(80).collect())) }
    }
}

impl FromStr for Sku {
    type Err = InvalidSku;

    fn from_str(text: &str) -> Result<Self, InvalidSku> {
        Self::try_from(text.to_owned())
    }
}

impl From<Sku> for String {
    fn from(sku: Sku) -> Self {
        sku.0
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sku_is_short_and_printable() {
        assert!("cd-1466".parse::<Sku>().is_ok());
        assert!("x".repeat(64).parse::<Sku>().is_ok());
        for bad in ["", "a b", "ü", "tab\t", &"x".repeat(65)] {
            assert!(bad.parse::<Sku>().is_err(), "{bad:?}");
        }
    }
}
