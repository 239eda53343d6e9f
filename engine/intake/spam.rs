//! How fast one person may write.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::config::Spam;
use crate::telegram::{Incoming, UserId, What};

/// Counts what people write; presses of buttons are not counted.
#[derive(Debug)]
pub(super) struct SpamGuard {
    limiter: Option<DefaultKeyedRateLimiter<UserId>>,
    /// Who has been warned, and when they last wrote too fast.
    warned: Mutex<HashMap<UserId, Instant>>,
    /// The albums people are sending: the photos of one are one deed, taken or left together.
    albums: Mutex<HashMap<(UserId, String), Pace>>,
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

/// Somebody who has not written too fast for so long is warned anew.
const COOL: Duration = Duration::from_secs(10);
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
        let album = match &deed.what {
            What::File(file) => file.album.clone().map(|album| (person, album)),
            _ => None,
        };
        let Some(album) = album else { return self.count(limiter, person) };
        let mut albums = self.albums.lock().unwrap_or_else(PoisonError::into_inner);
        if albums.len() >= ALBUMS {
            albums.clear();
        }
        match albums.get(&album) {
            Some(Pace::Fine) => Pace::Fine,
            Some(Pace::TooFast | Pace::StillTooFast) => Pace::StillTooFast,
            None => {
                let pace = self.count(limiter, person);
                albums.insert(album, pace);
                pace
            }
        }
    }

    fn count(&self, limiter: &DefaultKeyedRateLimiter<UserId>, person: UserId) -> Pace {
        if limiter.check_key(&person).is_ok() {
            return Pace::Fine;
        }
        metrics::counter!("updates_too_fast_total").increment(1);
        let now = Instant::now();
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        match warned.insert(person, now) {
            Some(last) if now.duration_since(last) < COOL => Pace::StillTooFast,
            _ => Pace::TooFast,
        }
    }

    pub fn forget_quiet(&self) {
        if let Some(limiter) = &self.limiter {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        let now = Instant::now();
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        warned.retain(|_, last| now.duration_since(*last) < COOL);
    }
}
