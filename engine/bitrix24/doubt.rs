//! Writes that may still be running at the portal.
//!
//! When an answer is lost, the request may go on at the portal for a while, up to the minute after which its cloud cuts
//! requests off. A look sees nothing of it until it is done, and a repetition with the same key may run beside it: both
//! would make a second task. So a write that was sent and not heard of is neither looked for nor repeated before the
//! time is over. A write that this process never sent may have been sent by another one just before it died: its time
//! begins when it had left at the latest, or, when nobody knows that, when it is first asked about.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{SharedClock, Timestamp};

/// More of them are never remembered for long: those whose time is over make room.
const MANY: usize = 10_000;

pub(super) struct Doubts {
    clock: SharedClock,
    longest_request: Duration,
    begun: Mutex<HashMap<String, Timestamp>>,
}

impl Doubts {
    pub fn new(clock: SharedClock, longest_request: Duration) -> Doubts {
        Doubts { clock, longest_request, begun: Mutex::default() }
    }

    /// The write leaves now.
    pub fn sent(&self, write: &str) {
        let now = self.clock.now();
        let mut begun = self.lock();
        if begun.len() >= MANY {
            begun.retain(|_, since| now.since(*since) < self.longest_request);
        }
        begun.insert(write.to_owned(), now);
    }

    /// It is known what became of the write.
    pub fn settled(&self, write: &str) {
        self.lock().remove(write);
    }

    /// How long a write that was sent from here may still run; `None` when it cannot.
    pub fn left(&self, write: &str) -> Option<Duration> {
        let since = self.lock().get(write).copied()?;
        self.remaining(since)
    }

    /// The same for a write that somebody else may have sent, `gone_by` at the latest if that is known.
    pub fn left_of_any(&self, write: &str, gone_by: Option<Timestamp>) -> Option<Duration> {
        let now = self.clock.now();
        let latest = gone_by.map_or(now, |moment| moment.min(now));
        let since = *self.lock().entry(write.to_owned()).or_insert(latest);
        self.remaining(since)
    }

    fn remaining(&self, since: Timestamp) -> Option<Duration> {
        let left = self.longest_request.checked_sub(self.clock.now().since(since))?;
        Some(left).filter(|left| !left.is_zero())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Timestamp>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
