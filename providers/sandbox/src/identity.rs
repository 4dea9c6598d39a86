//! What the sandbox is called, and how long it remembers.

use std::time::Duration;

/// The name stored with the payments the sandbox takes.
pub const NAME: &str = "sandbox";

/// How long the sandbox recognises a key, by default: as long as Stripe does.
pub const KEY_TTL: Duration = Duration::from_hours(24);
