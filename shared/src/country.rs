//! Countries, by their code of two letters.

use iso_country::Country;

/// What post and customs call Kosovo, which ISO 3166-1 has no code for.
const KOSOVO: &str = "XK";

/// Whether this is the code of a country: of ISO 3166-1, alpha-2, in capitals.
pub fn is_country(code: &str) -> bool {
    code == KOSOVO || (code.len() == 2 && code.parse::<Country>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_has_a_code_that_post_and_customs_know() {
        for known in ["US", "DE", "HK", "GB", "CW", "SS", "XK"] {
            assert!(is_country(known), "{known}");
        }
        for unknown in ["UK", "XX", "EU", "SU", "AN", "de", "D", "DEU", "", "ZZ"] {
            assert!(!is_country(unknown), "{unknown}");
        }
    }
}
