//! Which amounts the bank takes.

/// The least that it takes.
const LEAST: i64 = 50;

/// What stands against a payment of so many units of a currency. It writes all of them with two decimals, the krona too,
/// which has none, and the dinar with three, the last of which is zero.
pub(crate) fn unfit(amount: i64, currency: &str) -> Option<&'static str> {
    match currency {
        "HUF" => Some("HUF is not taken"),
        "ISK" if amount % 100 != 0 => Some("ISK has no decimals"),
        "KWD" if amount % 10 != 0 => Some("the last decimal of KWD must be zero"),
        _ if amount < LEAST => Some("the amount is too small"),
        _ => None,
    }
}
