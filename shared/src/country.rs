//! Countries, by their code of two letters.

use iso_country::Country;

/// What post and customs call Kosovo, which ISO 3166-1 has no code for.
const KOSOVO: &str = "XK";

/// Whether this is the code of a country: of ISO 3166-1, alpha-2, in capitals.
pub fn is_country(code: &str) -> bool {
    code == KOSOVO || (code.len() == 2 && code.parse::<Country>().is_ok())
}

/// Where the post uses no postal code, or many addresses do without one.
const WITHOUT_POSTAL_CODE: &[&str] = &[
    "AE", "AG", "AI", "AO", "AQ", "AW", "AX", "BB", "BF", "BI", "BJ", "BM", "BO", "BQ", "BS", "BT", "BV",
    "BW", "BZ", "CD", "CF", "CG", "CI", "CK", "CL", "CM", "CO", "CR", "CV", "CW", "DJ", "DM", "DO", "EC",
    "EG", "ER", "ET", "FJ", "GA", "GD", "GH", "GM", "GN", "GQ", "GT", "GW", "GY", "HK", "HM", "HN", "HT",
    "IE", "IQ", "IR", "JM", "JO", "KE", "KI", "KM", "KN", "KP", "KW", "LA", "LB", "LC", "LR", "LS", "LY",
    "MA", "MG", "ML", "MM", "MN", "MO", "MR", "MS", "MU", "MW", "MZ", "NA", "NE", "NG", "NI", "NP", "NR",
    "NU", "OM", "PA", "PE", "PG", "PK", "PS", "PY", "QA", "RW", "SA", "SB", "SC", "SD", "SL", "SN", "SO",
    "SR", "SS", "ST", "SV", "SX", "SY", "SZ", "TC", "TD", "TF", "TG", "TK", "TL", "TO", "TT", "TV", "TZ",
    "UG", "UY", "VC", "VE", "VG", "VN", "VU", "WS", "XK", "YE", "ZM", "ZW",
];

/// Whether addresses in this country always have a postal code.
pub fn needs_postal_code(country: &str) -> bool {
    WITHOUT_POSTAL_CODE.binary_search(&country).is_err()
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

    #[test]
    fn f20_a_postal_code_is_asked_for_where_every_address_has_one() {
        assert!(WITHOUT_POSTAL_CODE.is_sorted());
        assert!(WITHOUT_POSTAL_CODE.iter().all(|code| is_country(code)));
        for without in ["HK", "AE", "IE", "PA", "QA", "JM", "MO"] {
            assert!(!needs_postal_code(without), "{without}");
        }
        for with in ["US", "DE", "GB", "JP", "BR", "IN", "FR"] {
            assert!(needs_postal_code(with), "{with}");
        }
    }
}
