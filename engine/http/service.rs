//! A service outside, and the one way to call it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{Attempt, BreakerSettings, Call, Failure, Policy, Throttle};
use crate::clock::SharedClock;

/// A service outside; clones are handles to the same.
#[derive(Clone, Debug)]
pub struct Service(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: &'static str,
}

impl Service {
    /// A service that nobody has called yet. `name` is its label everywhere: `telegram`.
    pub fn new(
        name: &'static str,
        policy: Policy,
        throttle: Throttle,
        breaker: BreakerSettings,
        clock: SharedClock,
    ) -> Service {
        let _ = (policy, throttle, breaker, clock);
        Service(Arc::new(Inner { name }))
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// Makes a call: attempts by the policy, each after its turn in the throttle and past the breaker.
    ///
    /// `attempt` sends the request once, with a deadline of at most [`Attempt::time_left`]; it may run several times.
    /// Its future borrows what it needs from outside of the closure: `|attempt| self.exchange(&request, attempt)`.
    /// Errors: that of the last attempt, or [`Failure::not_sent`].
    pub async fn call<T, E, F, Fut>(&self, call: Call, attempt: F) -> Result<T, E>
    where
        E: Failure,
        F: Fn(Attempt) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        T: Send,
    {
        let _ = (call, attempt);
        unimplemented!("until the next commit")
    }

    /// A budget is used up: everybody of the scope (`None`: of the whole service) waits this long.
    pub fn hold(&self, endpoint: Option<&'static str>, span: Duration) {
        let _ = (endpoint, span);
        unimplemented!("until the next commit")
    }

    /// What `/health` tells: `status` (`ok`, or `degraded` while the breaker is not closed), `breaker` (`closed`,
    /// `open`, `half_open`), `retry_after_seconds`, `waiting`, `last_error`, `last_error_at`, `last_success_at`.
    pub fn report(&self) -> Value {
        unimplemented!("until the next commit")
    }
}
