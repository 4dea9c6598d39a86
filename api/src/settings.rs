//! The settings of the API.

use std::num::{NonZeroU32, NonZeroUsize};

use axum::http::HeaderValue;

use crate::proxies::{ForwardedHeader, TrustedProxies};

/// The settings of the API.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Requests of one caller a second; `None`: no limit.
    pub requests_per_second: Option<NonZeroU32>,
    /// The proxies that are believed when they name the address of a caller.
    pub trusted_proxies: TrustedProxies,
    /// The header in which they do.
    pub forwarded_header: ForwardedHeader,
    /// Origins whose pages may call the API.
    pub cors_origins: Vec<HeaderValue>,
    /// Event streams of one caller at once; `None`: no limit.
    pub streams_per_caller: Option<NonZeroUsize>,
    /// Checkouts are refused while this many orders are undecided.
    pub pending_max: u64,
    /// The store's connections for reads; it has as many for transactions.
    pub connections: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            requests_per_second: NonZeroU32::new(100),
            trusted_proxies: TrustedProxies::default(),
            forwarded_header: ForwardedHeader::default(),
            cors_origins: Vec::new(),
            streams_per_caller: NonZeroUsize::new(256),
            // No shop decides this many orders in a day: a fault or an attack.
            pending_max: 200_000,
            connections: 6,
        }
    }
}
