//! A circuit breaker: a service that fails again and again is left alone for a while.

use std::num::NonZeroU32;
use std::time::Duration;

/// When a breaker opens and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// It opens after so many failures in a row; `None`: never.
    pub failures: Option<NonZeroU32>,
    /// How long nobody calls; then one call goes as a probe, and its outcome decides for all.
    pub open_for: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { failures: NonZeroU32::new(8), open_for: Duration::from_secs(10) }
    }
}
