//! How fast one person may write.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::config::Spam;
use crate::telegram::{Incoming, UserId, What};

/// Counts what people write; presses of buttons are not counted.
#[derive(Debug)]
pub(super) struct SpamGuard {
    limiter: Option<DefaultKeyedRateLimiter<UserId>>,
    /// Who has been warned and has not cooled since.
    warned: Mutex<HashSet<UserId>>,
    /// The album each person is sending: its photos are one deed.
    albums: Mutex<HashSet<(UserId, String)>>,
}

/// What to do with something written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Take it.
    Fine,
    /// Leave it, and say so once.
    TooFast,
    /// Leave it in silence.
    StillTooFast,
}

/// Albums remembered at a time.
const ALBUMS: usize = 1_000;

impl SpamGuard {
    pub fn new(limits: &Spam) -> SpamGuard {
        let limiter = limits.per_second.get().map(|rate| {
            let burst = limits.burst.get().unwrap_or(NonZeroU32::MIN);
            RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst))
        });
        SpamGuard { limiter, warned: Mutex::default(), albums: Mutex::default() }
    }

    pub fn pace(&self, deed: &Incoming) -> Pace {
        let Some(limiter) = &self.limiter else { return Pace::Fine };
        let person = deed.from.id;
        if let What::File(file) = &deed.what
            && let Some(album) = &file.album
        {
            let mut albums = self.albums.lock().unwrap_or_else(PoisonError::into_inner);
            if albums.len() >= ALBUMS {
                albums.clear();
            }
            if !albums.insert((person, album.clone())) {
                return Pace::Fine;
            }
        }
        let is_fine = limiter.check_key(&person).is_ok();
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if is_fine {
            warned.remove(&person);
            return Pace::Fine;
        }
        metrics::counter!("updates_too_fast_total").increment(1);
        if warned.insert(person) { Pace::TooFast } else { Pace::StillTooFast }
    }

    pub fn forget_quiet(&self) {
        if let Some(limiter) = &self.limiter {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}
