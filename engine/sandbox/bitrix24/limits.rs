//! The limits of the cloud, as switches: off by default, so that a test meets them only where it wants to.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::Timestamp;

use super::method::Method;

/// How many one-minute buckets `operating` is summed over.
const BUCKETS: i64 = 10;
const MINUTE_MS: i64 = 60_000;

/// A bucket that leaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// So much leaves it a second.
    pub per_second: u32,
    /// So much it holds.
    pub burst: u32,
}

/// What is limited; `None` is no limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Requests of one address.
    pub rate: Option<Rate>,
    /// Run time of one method within ten minutes. Without it, answers do not tell `operating`, as at home.
    pub operating: Option<Duration>,
    /// What a call is said to have taken.
    pub run_time: Duration,
    /// Methods that are said to take another time.
    pub run_times: HashMap<Method, Duration>,
}

impl Default for Limits {
    fn default() -> Limits {
        let run_time = Duration::from_millis(150);
        Limits { rate: None, operating: None, run_time, run_times: HashMap::new() }
    }
}

impl Limits {
    /// The common plan: 2 a second with 50 at once, 480 s of a method in ten minutes.
    pub fn cloud() -> Limits {
        Limits {
            rate: Some(Rate { per_second: 2, burst: 50 }),
            operating: Some(Duration::from_mins(8)),
            ..Limits::default()
        }
    }

    /// The largest plan: 5 a second with 250 at once.
    pub fn enterprise() -> Limits {
        Limits { rate: Some(Rate { per_second: 5, burst: 250 }), ..Limits::cloud() }
    }

    pub(super) fn run_time(&self, method: Method) -> Duration {
        self.run_times.get(&method).copied().unwrap_or(self.run_time)
    }
}

/// Counts requests and run time against the limits.
#[derive(Debug, Default)]
pub(super) struct Meter {
    pub limits: Limits,
    /// What is in each bucket, in thousandths of a request, and when that was looked at.
    buckets: HashMap<IpAddr, (u64, Timestamp)>,
    operating: HashMap<Method, VecDeque<Minute>>,
}

#[derive(Debug)]
struct Minute {
    number: i64,
    first_call: Timestamp,
    used: Duration,
}

impl Meter {
    /// Nothing is counted yet.
    pub fn new(limits: Limits) -> Meter {
        Meter { limits, ..Meter::default() }
    }

    /// Counts a request, or refuses it; a refused one is not counted.
    pub fn admits(&mut self, from: IpAddr, now: Timestamp) -> bool {
        let Some(rate) = self.limits.rate else { return true };
        let (level, seen) = self.buckets.entry(from).or_insert((0, now));
        let leaked = u64::try_from(now.since(*seen).as_millis()).unwrap_or(u64::MAX);
        *level = level.saturating_sub(leaked.saturating_mul(rate.per_second.into()));
        *seen = now;
        let is_room = *level + 1000 <= u64::from(rate.burst) * 1000;
        if is_room {
            *level += 1000;
        }
        is_room
    }

    /// Whether the method has run longer than it may: asked before a call, so that the one that crosses the line is done.
    pub fn is_spent(&mut self, method: Method, now: Timestamp) -> bool {
        let Some(limit) = self.limits.operating else { return false };
        self.used(method, now) >= limit
    }

    /// Counts a call's run time.
    pub fn charge(&mut self, method: Method, now: Timestamp, took: Duration) {
        let number = now.0.div_euclid(MINUTE_MS);
        let minutes = self.operating.entry(method).or_default();
        match minutes.back_mut() {
            Some(minute) if minute.number == number => minute.used += took,
            _ => minutes.push_back(Minute { number, first_call: now, used: took }),
        }
    }

    /// `operating` and `operating_reset_at`, when there is such a limit.
    pub fn report(&mut self, method: Method, now: Timestamp) -> Option<(f64, Value)> {
        self.limits.operating?;
        let used = self.used(method, now).as_secs_f64();
        let oldest = self.operating.get(&method).and_then(VecDeque::front);
        let reset_at = oldest.map_or(now, |minute| minute.first_call) + Duration::from_mins(10);
        Some((used, json!(reset_at.0 / 1000)))
    }

    fn used(&mut self, method: Method, now: Timestamp) -> Duration {
        let current = now.0.div_euclid(MINUTE_MS);
        let Some(minutes) = self.operating.get_mut(&method) else { return Duration::ZERO };
        minutes.retain(|minute| current - minute.number < BUCKETS);
        minutes.iter().map(|minute| minute.used).sum()
    }
}
