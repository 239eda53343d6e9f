//! `Idempotency-Key` of REST 3.0: successes are remembered for a day and given again.

use std::collections::HashMap;
use std::time::Duration;

use axum::body::Bytes;

use crate::clock::Timestamp;

use super::method::Method;
use super::refusal::Refusal;

const LIFE: Duration = Duration::from_hours(24);

/// What was answered, under the key and the method. There is one webhook, so it is no part of the key here.
#[derive(Debug, Default)]
pub(super) struct Keys(HashMap<(Method, String), Kept>);

#[derive(Debug)]
struct Kept {
    request: Bytes,
    answer: String,
    until: Timestamp,
}

impl Keys {
    /// The answer given before; `None` is a new key. Two calls at the same time both find it new: no lock is held between
    /// looking and keeping, at the real portal neither.
    pub fn look(
        &self,
        method: Method,
        key: &str,
        request: &Bytes,
        now: Timestamp,
    ) -> Result<Option<String>, Refusal> {
        let printable = key.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        if !(1..=255).contains(&key.len()) || !printable {
            return Err(Refusal::v3(400, "INVALIDIDEMPOTENCYKEY", "Idempotency-Key is not valid"));
        }
        match self.0.get(&(method, key.to_owned())).filter(|kept| kept.until > now) {
            None => Ok(None),
            Some(kept) if kept.request == request => Ok(Some(kept.answer.clone())),
            Some(_) => Err(Refusal::v3(
                422,
                "IDEMPOTENCYKEYREUSED",
                "Idempotency-Key was used with a different request",
            )),
        }
    }

    /// Remembers a success.
    pub fn keep(&mut self, method: Method, key: String, request: Bytes, answer: String, now: Timestamp) {
        self.0.insert((method, key), Kept { request, answer, until: now + LIFE });
    }
}
