//! How often one address may call: two windows that slide.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use super::refusal::Refusal;
use crate::clock::Timestamp;
use crate::sandbox::lock;

/// What the service allows, and how it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls in any second; `None`: any number.
    pub per_second: Option<usize>,
    /// Calls in any minute; `None`: any number.
    pub per_minute: Option<usize>,
    /// How it says so.
    pub form: Form,
    /// The seconds in its words. They are 0 however long the wait.
    pub says_seconds: u64,
    /// The seconds in the header `Retry-After`, if there is one.
    pub retry_after: Option<u64>,
}

/// How a refusal for too many calls looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// 429 in JSON.
    Status,
    /// 200 in JSON, with `success: false`.
    Success,
    /// 403 with a page of the guard before the service.
    Page,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            per_second: Some(5),
            per_minute: Some(200),
            form: Form::Status,
            says_seconds: 0,
            retry_after: None,
        }
    }
}

impl Limits {
    /// No limits at all.
    pub const OFF: Limits =
        Limits { per_second: None, per_minute: None, form: Form::Status, says_seconds: 0, retry_after: None };
}

#[derive(Default)]
pub(super) struct Limiter {
    limits: Mutex<Limits>,
    calls: Mutex<HashMap<IpAddr, VecDeque<Timestamp>>>,
    refused: AtomicU64,
}

impl Limiter {
    pub fn set(&self, limits: Limits) {
        *lock(&self.limits) = limits;
    }

    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// The refusal of a call for which there is no room; else it is let in, and counts.
    pub fn refuse(&self, caller: IpAddr, now: Timestamp) -> Option<Response> {
        let limits = *lock(&self.limits);
        let mut calls = lock(&self.calls);
        let calls = calls.entry(caller).or_default();
        while calls.front().is_some_and(|call| now.since(*call) >= Duration::from_mins(1)) {
            calls.pop_front();
        }
        let lately = calls.iter().rev().take_while(|call| now.since(**call) < Duration::from_secs(1)).count();
        let is_full = |limit: Option<usize>, count: usize| limit.is_some_and(|limit| count >= limit);
        if is_full(limits.per_second, lately) || is_full(limits.per_minute, calls.len()) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Some(limits.refusal());
        }
        calls.push_back(now);
        None
    }
}

impl Limits {
    fn refusal(self) -> Response {
        let mut answer = match self.form {
            Form::Status => Refusal::too_many(self.says_seconds).into_response(),
            Form::Success => Refusal::too_many(self.says_seconds).disguised(),
            Form::Page => Refusal::page(403, "Attention Required!"),
        };
        if let Some(seconds) = self.retry_after {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}
