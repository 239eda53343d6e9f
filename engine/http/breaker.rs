//! A circuit breaker: a service that fails again and again is left alone for a while.

use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::clock::{SharedClock, Timestamp};

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

/// Counts failures in a row and lets nobody through when there were too many.
#[derive(Debug)]
pub(super) struct Breaker {
    service: &'static str,
    settings: Settings,
    clock: SharedClock,
    state: Mutex<State>,
    changed: Notify,
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Everybody passes; so many failures in a row so far.
    Closed { failures: u32 },
    /// Nobody passes before `until`; whoever comes first after it is the probe.
    Open { until: Timestamp },
    /// A probe is on its way; at `next` another may go, for a long poll takes its time on purpose.
    HalfOpen { next: Timestamp },
}

/// How long the others wait for the outcome of a probe before another goes.
const PROBE_TAKES: Duration = Duration::from_secs(2);

impl Breaker {
    pub fn new(service: &'static str, settings: Settings, clock: SharedClock) -> Breaker {
        let state = Mutex::new(State::Closed { failures: 0 });
        Breaker { service, settings, clock, state, changed: Notify::new() }
    }

    pub fn state(&self) -> State {
        *self.lock()
    }

    /// How long nobody passes; `None` when somebody may.
    pub fn blocked_for(&self) -> Option<Duration> {
        match self.state() {
            State::Closed { .. } => None,
            State::Open { until: next } | State::HalfOpen { next } => {
                Some(next.since(self.clock.now())).filter(|left| !left.is_zero())
            }
        }
    }

    /// Lets one call through, perhaps as the probe. The permit must be told the outcome.
    pub fn admit(&self) -> Option<Permit<'_>> {
        let mut state = self.lock();
        let now = self.clock.now();
        let is_probe = match *state {
            State::Closed { .. } => false,
            State::Open { until: next } | State::HalfOpen { next } if next <= now => true,
            State::Open { .. } | State::HalfOpen { .. } => return None,
        };
        if is_probe {
            self.go(&mut state, State::HalfOpen { next: now + PROBE_TAKES });
        }
        drop(state);
        Some(Permit { breaker: self, is_probe, is_told: false })
    }

    /// Wakes when the breaker has moved. Taken before looking at the state, it misses nothing once it is enabled.
    pub fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    fn settle(&self, is_probe: bool, is_well: bool) {
        let mut state = self.lock();
        let next = match (*state, is_well) {
            (State::Open { .. } | State::HalfOpen { .. }, true) if is_probe => State::Closed { failures: 0 },
            (State::HalfOpen { .. }, false) if is_probe => self.opened(),
            // Calls that left before the breaker opened come back one by one: a probe decides, not they.
            (State::Open { .. } | State::HalfOpen { .. }, _) => return,
            (State::Closed { .. }, true) => State::Closed { failures: 0 },
            (State::Closed { failures }, false) => {
                let failures = failures.saturating_add(1);
                let is_enough = self.settings.failures.is_some_and(|most| failures >= most.get());
                if is_enough { self.opened() } else { State::Closed { failures } }
            }
        };
        self.go(&mut state, next);
    }

    fn opened(&self) -> State {
        State::Open { until: self.clock.now() + self.settings.open_for }
    }

    fn go(&self, state: &mut State, next: State) {
        let was = std::mem::replace(state, next);
        if was.name() == next.name() {
            return;
        }
        self.measure(next);
        self.changed.notify_waiters();
        let (service, seconds) = (self.service, self.settings.open_for.as_secs_f64());
        match next {
            State::Open { .. } => {
                tracing::warn!(service, "{service} fails again and again: nobody calls it for {seconds} s");
            }
            State::HalfOpen { .. } => tracing::debug!(service, "one call to {service} goes as a probe"),
            State::Closed { .. } => tracing::info!(service, "{service} is back"),
        }
    }

    /// Sets the gauge.
    pub fn measure(&self, state: State) {
        let level = match state {
            State::Closed { .. } => 0.0,
            State::HalfOpen { .. } => 1.0,
            State::Open { .. } => 2.0,
        };
        metrics::gauge!("api_breaker_state", "service" => self.service).set(level);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// As `/health` and logs name it.
    pub fn name(self) -> &'static str {
        match self {
            State::Closed { .. } => "closed",
            State::Open { .. } => "open",
            State::HalfOpen { .. } => "half_open",
        }
    }
}

/// A call on its way. Dropped without an outcome, a probe gives its place to the next call.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    breaker: &'a Breaker,
    is_probe: bool,
    is_told: bool,
}

impl Permit<'_> {
    /// Tells whether the service is well: it answered, be it with a refusal.
    pub fn tell(mut self, is_well: bool) {
        self.is_told = true;
        self.breaker.settle(self.is_probe, is_well);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.is_probe && !self.is_told {
            let mut state = self.breaker.lock();
            if matches!(*state, State::HalfOpen { .. }) {
                let until = self.breaker.clock.now();
                self.breaker.go(&mut state, State::Open { until });
            }
        }
    }
}
