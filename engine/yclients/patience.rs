//! How long to wait after a refusal for too many calls.
//!
//! The service says how many seconds, often 0, and means the minute: who believes it never gets through. So it is
//! believed once, and when that did not help everybody waits the minute.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;

/// The window the service counts in.
pub(super) const MINUTE: Duration = Duration::from_mins(1);

const SHORTEST: Duration = Duration::from_secs(1);
/// Nobody waits longer because of a slip in an answer.
const LONGEST: Duration = Duration::from_hours(1);

#[derive(Debug, Default)]
pub(super) struct Patience(Mutex<Option<Timestamp>>);

impl Patience {
    /// The wait after a refusal of a call sent at `sent_at`, for which the service asked to wait `asked`.
    ///
    /// Calls that were on their way together are refused together: they count as one refusal.
    pub fn after(&self, sent_at: Timestamp, now: Timestamp, asked: Duration) -> Duration {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let in_vain = last.is_some_and(|last| last < sent_at && now.since(last) < 2 * MINUTE);
        *last = Some(now);
        let floor = if in_vain { MINUTE } else { SHORTEST };
        asked.clamp(floor, LONGEST)
    }
}

/// The number of seconds in the service's words: «… повторить запрос через N секунд.»
pub(super) fn seconds_in(message: &str) -> Option<u64> {
    let digits = message.find(|c: char| c.is_ascii_digit())?;
    let number: String = message[digits..].chars().take_while(char::is_ascii_digit).collect();
    number.parse().ok()
}

/// Whether the words are those of a refusal for too many calls. For answers that have no status to go by.
pub(super) fn is_about_limits(message: &str) -> bool {
    let message = message.to_lowercase();
    message.contains("лимит запросов")
        || message.contains("limit of requests")
        || message.contains("too many requests")
}
