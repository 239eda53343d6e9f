//! Flood control as a switch: off by default, so that a test meets 429 only where it wants to.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::clock::Timestamp;

use super::lock;

/// So many messages within so long. A burst up to the count passes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many.
    pub count: u32,
    /// Within this time.
    pub per: Duration,
}

impl Quota {
    /// So many a second.
    pub fn per_second(count: u32) -> Quota {
        Quota { count, per: Duration::from_secs(1) }
    }

    /// So many a minute.
    pub fn per_minute(count: u32) -> Quota {
        Quota { count, per: Duration::from_mins(1) }
    }
}

/// Flood limits on `send…`; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// In one private chat.
    pub per_chat: Option<Quota>,
    /// Over all chats.
    pub overall: Option<Quota>,
    /// In one group.
    pub group: Option<Quota>,
}

impl Limits {
    /// What the cloud is known for: 30 a second, one a second in a chat with a short burst, 20 a minute in a group.
    pub fn telegram() -> Limits {
        Limits {
            per_chat: Some(Quota { count: 3, per: Duration::from_secs(3) }),
            overall: Some(Quota::per_second(30)),
            group: Some(Quota::per_minute(20)),
        }
    }
}

/// Counts messages against the limits.
#[derive(Debug, Default)]
pub(super) struct Flood(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    limits: Limits,
    /// When each bucket will be empty again, in milliseconds; `None` is the one over all chats.
    full_until: HashMap<Option<i64>, i64>,
}

impl Flood {
    pub fn set(&self, limits: Limits) {
        *lock(&self.0) = State { limits, full_until: HashMap::new() };
    }

    /// Counts `messages` to `chat`, or says after how many seconds they may be sent; then nothing is counted.
    pub fn pass(&self, chat: i64, messages: u32, now: Timestamp) -> Result<(), u64> {
        let mut state = lock(&self.0);
        let limits = state.limits;
        if limits == Limits::default() {
            return Ok(());
        }
        let own = if chat < 0 { limits.group } else { limits.per_chat };
        let buckets = [(Some(chat), own), (None, limits.overall)];
        let wanted = buckets.into_iter().filter_map(|(key, quota)| Some((key, quota?)));
        let mut granted = Vec::with_capacity(2);
        for (key, quota) in wanted {
            let per = i64::try_from(quota.per.as_millis()).unwrap_or(i64::MAX);
            let each = per / i64::from(quota.count.max(1));
            let full_until =
                state.full_until.get(&key).copied().unwrap_or(0).max(now.0) + each * i64::from(messages);
            let over = full_until - now.0 - per.max(each * i64::from(messages));
            if over > 0 {
                return Err(over.unsigned_abs().div_ceil(1000));
            }
            granted.push((key, full_until));
        }
        state.full_until.extend(granted);
        Ok(())
    }
}
