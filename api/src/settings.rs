//! The settings of the API.

use std::num::NonZeroU32;

use axum::http::HeaderValue;

/// The settings of the API.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Requests of one caller a second; `None`: no limit.
    pub requests_per_second: Option<NonZeroU32>,
    /// Whether a proxy of the shop sets `X-Forwarded-For`.
    pub behind_proxy: bool,
    /// Origins whose pages may call the API.
    pub cors_origins: Vec<HeaderValue>,
    /// Checkouts are refused while this many orders are undecided.
    pub pending_max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            requests_per_second: NonZeroU32::new(100),
            behind_proxy: false,
            cors_origins: Vec::new(),
            // No shop decides this many orders in a day: a fault or an attack.
            pending_max: 200_000,
        }
    }
}
