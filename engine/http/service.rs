//! A service outside, and the one way to call it.

use std::future::Future;
use std::iter::Peekable;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_retry::RetryIf;
use tokio_retry::strategy::{ExponentialBackoff, jitter};
use tracing::Instrument as _;
use tracing::field::Empty;

use super::breaker::{Breaker, Permit, State};
use super::gate::{Gate, left};
use super::{
    Attempt, BreakerSettings, Call, Effect, Failure, NotSent, Policy, Priority, Scope, Throttle, Verdict,
};
use crate::clock::{SharedClock, Timestamp};

/// A service outside; clones are handles to the same.
#[derive(Clone, Debug)]
pub struct Service(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: &'static str,
    policy: Policy,
    gate: Gate,
    breaker: Breaker,
    clock: SharedClock,
    seen: Mutex<Seen>,
}

/// What became of the latest calls.
#[derive(Clone, Debug, Default)]
struct Seen {
    success_at: Option<Timestamp>,
    error: Option<(Timestamp, String)>,
}

/// Longer errors are cut in `/health`.
const LONGEST_ERROR: usize = 500;

impl Service {
    /// A service that nobody has called yet. `name` is its label everywhere: `telegram`.
    pub fn new(
        name: &'static str,
        policy: Policy,
        throttle: Throttle,
        breaker: BreakerSettings,
        clock: SharedClock,
    ) -> Service {
        let gate = Gate::new(throttle, clock.clone());
        let breaker = Breaker::new(name, breaker, clock.clone());
        Service(Arc::new(Inner { name, policy, gate, breaker, clock, seen: Mutex::default() }))
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
        let Inner { policy, gate, .. } = &*self.0;
        let trip = Trip {
            service: self,
            call,
            place: gate.number(),
            deadline: Instant::now() + policy.deadline_of(call.priority),
            number: AtomicU32::new(0),
            is_sent: AtomicBool::new(false),
            is_held: AtomicBool::new(false),
        };
        let pauses = Mutex::new(pauses(policy).peekable());
        let (trip, attempt) = (&trip, &attempt);
        // A service's own word is waited for at the gate, by everybody and by the clock.
        let next_pause = || {
            let pause = lock(&pauses).next();
            if trip.is_held.swap(false, Ordering::Relaxed) { pause.and(Some(Duration::ZERO)) } else { pause }
        };
        RetryIf::start(
            std::iter::from_fn(next_pause),
            || trip.once(attempt),
            |error: &E| trip.goes_on(error, &mut lock(&pauses)),
        )
        .await
    }

    /// A budget is used up: everybody of the scope (`None`: of the whole service) waits this long.
    pub fn hold(&self, endpoint: Option<&'static str>, span: Duration) {
        self.0.gate.hold(endpoint, span);
    }

    /// Waits until the service may be called: it told nobody to wait, and its breaker lets somebody through. For
    /// callers that keep their own order, as the outbox does.
    pub async fn until_free(&self, endpoint: &'static str) {
        let Inner { gate, breaker, clock, .. } = &*self.0;
        loop {
            let mut changed = pin!(breaker.changed());
            changed.as_mut().enable();
            if let Some(until) = gate.held_until(endpoint) {
                clock.sleep_until(until).await;
            } else if let Some(span) = breaker.blocked_for() {
                tokio::select! {
                    () = clock.sleep_until(clock.now() + span) => {}
                    () = changed => {}
                }
            } else {
                return;
            }
        }
    }

    /// Sets the gauges anew, for a recorder that was installed after the service.
    pub fn measure(&self) {
        let Inner { name, gate, breaker, .. } = &*self.0;
        breaker.measure(breaker.state());
        metrics::gauge!("api_waiting", "service" => *name)
            .set(u32::try_from(gate.waiting()).unwrap_or(u32::MAX));
    }

    /// What `/health` tells: `status` (`ok`, or `degraded` while the breaker is not closed), `breaker` (`closed`,
    /// `open`, `half_open`), `retry_after_seconds`, `waiting`, `last_error`, `last_error_at`, `last_success_at`.
    pub fn report(&self) -> Value {
        let Inner { gate, breaker, clock, seen, .. } = &*self.0;
        let (state, seen) = (breaker.state(), lock(seen).clone());
        let held = gate.service_held_until().map(|until| until.since(clock.now()));
        let retry_after = breaker.blocked_for().max(held);
        let (error_at, error) = seen.error.unzip();
        json!({
            "status": if matches!(state, State::Closed { .. }) { "ok" } else { "degraded" },
            "breaker": state.name(),
            "retry_after_seconds": retry_after.map(|span| span.as_millis().div_ceil(1000)),
            "waiting": gate.waiting(),
            "last_error": error,
            "last_error_at": error_at.map(|at| at.to_string()),
            "last_success_at": seen.success_at.map(|at| at.to_string()),
        })
    }
}

/// One call on its way through the layer.
struct Trip<'a> {
    service: &'a Service,
    call: Call,
    place: u64,
    deadline: Instant,
    number: AtomicU32,
    /// Whether the latest attempt left at all.
    is_sent: AtomicBool,
    /// Whether the service said itself how long to wait.
    is_held: AtomicBool,
}

impl Trip<'_> {
    /// One attempt, after its turn.
    async fn once<T, E, F, Fut>(&self, attempt: &F) -> Result<T, E>
    where
        E: Failure,
        F: Fn(Attempt) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let (service, endpoint) = (self.service.0.name, self.call.endpoint);
        self.is_sent.store(false, Ordering::Relaxed);
        let permit = match self.admitted().await {
            Ok(permit) => permit,
            Err(why) => {
                count(service, endpoint, why.outcome());
                return Err(E::not_sent(service, why));
            }
        };
        self.is_sent.store(true, Ordering::Relaxed);
        let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
        let span = tracing::info_span!("api_call", service, endpoint, attempt = number, verdict = Empty);
        let started = Instant::now();
        let outcome =
            attempt(Attempt { number, time_left: left(self.deadline) }).instrument(span.clone()).await;
        metrics::histogram!("api_duration_seconds", "service" => service, "endpoint" => endpoint)
            .record(started.elapsed().as_secs_f64());
        count(service, endpoint, outcome.as_ref().map_or_else(Failure::outcome, |_| "ok"));
        let verdict = outcome.as_ref().err().map(Failure::verdict);
        // Only then: adding to a span costs more than the span.
        if let Some(verdict) = verdict {
            span.record("verdict", verdict.name());
        }
        permit.tell(!matches!(verdict, Some(Verdict::Again | Verdict::LookFirst)));
        self.service.0.note(outcome.as_ref().err(), verdict);
        outcome
    }

    /// Waits for the breaker and for the turn.
    async fn admitted(&self) -> Result<Permit<'_>, NotSent> {
        let Inner { gate, breaker, .. } = &*self.service.0;
        loop {
            self.until_closed(breaker).await?;
            gate.enter(self.call, self.place, self.deadline).await?;
            if left(self.deadline).is_zero() {
                return Err(NotSent::Deadline);
            }
            // While the call waited for its turn, the breaker may have opened.
            if let Some(permit) = breaker.admit() {
                return Ok(permit);
            }
        }
    }

    /// A person hears at once that the service is away; reports and broadcasts wait for it.
    async fn until_closed(&self, breaker: &Breaker) -> Result<(), NotSent> {
        let clock = &self.service.0.clock;
        loop {
            let mut changed = pin!(breaker.changed());
            changed.as_mut().enable();
            let Some(retry_after) = breaker.blocked_for() else { return Ok(()) };
            if self.call.priority == Priority::Interactive || retry_after > left(self.deadline) {
                return Err(NotSent::BreakerOpen { retry_after });
            }
            tokio::select! {
                () = clock.sleep_until(clock.now() + retry_after) => {}
                () = changed => {}
                () = tokio::time::sleep_until(self.deadline) => return Err(NotSent::Deadline),
            }
        }
    }

    /// Whether to try again after this error; a service's word to wait is passed on to everybody on the way.
    fn goes_on<E: Failure>(&self, error: &E, pauses: &mut Peekable<impl Iterator<Item = Duration>>) -> bool {
        if !self.is_sent.load(Ordering::Relaxed) {
            return false;
        }
        let (service, endpoint) = (self.service.0.name, self.call.endpoint);
        let (attempt, verdict) = (self.number.load(Ordering::Relaxed), error.verdict());
        let asked = match verdict {
            Verdict::WaitFor(span, scope) if !span.is_zero() => {
                let endpoint = Some(endpoint).filter(|_| scope == Scope::Endpoint);
                self.service.0.gate.hold(endpoint, span);
                Some(span)
            }
            // "Wait no time at all" is no help: the schedule holds.
            Verdict::WaitFor(..)
            | Verdict::Again
            | Verdict::LookFirst
            | Verdict::GiveUp
            | Verdict::AskPerson => None,
        };
        let may = match verdict {
            Verdict::Again | Verdict::WaitFor(..) => true,
            Verdict::LookFirst => self.call.effect == Effect::Read,
            Verdict::GiveUp | Verdict::AskPerson => false,
        };
        let pause = pauses.peek().map(|pause| asked.unwrap_or(*pause));
        let fits = pause.is_some_and(|pause| pause < left(self.deadline));
        let verdict = verdict.name();
        if !may || !fits {
            tracing::debug!(service, endpoint, attempt, verdict, "{service} {endpoint} failed: {error}");
            return false;
        }
        metrics::counter!("api_retries_total", "service" => service, "endpoint" => endpoint).increment(1);
        tracing::warn!(service, endpoint, attempt, verdict, "{service} {endpoint} is tried again: {error}");
        self.is_held.store(asked.is_some(), Ordering::Relaxed);
        true
    }
}

impl Inner {
    fn note<E: Failure>(&self, error: Option<&E>, verdict: Option<Verdict>) {
        let now = self.clock.now();
        match (error, verdict) {
            // A refusal of one request says nothing of the service.
            (_, None | Some(Verdict::GiveUp)) => lock(&self.seen).success_at = Some(now),
            (None, Some(_)) => {}
            (Some(error), Some(_)) => {
                let text = error.to_string().chars().take(LONGEST_ERROR).collect();
                lock(&self.seen).error = Some((now, text));
            }
        }
    }
}

/// The pauses before the second attempt and those after it: exponential, within floor and cap, stretched by up to a
/// half so that callers who failed together do not come back together.
fn pauses(policy: &Policy) -> impl Iterator<Item = Duration> + use<> {
    let Policy { attempts, first, factor, floor, cap, .. } = *policy;
    let factor = factor.max(1);
    let first = u64::try_from(first.as_millis()).unwrap_or(u64::MAX);
    // The strategy begins with base × factor; ours begins with the first pause itself.
    let pauses =
        ExponentialBackoff::from_millis(u64::from(factor)).factor(first).map(move |pause| pause / factor);
    let within = move |pause: Duration| pause.max(floor).min(cap);
    pauses
        .map(move |pause| within(within(pause) + jitter(within(pause) / 2)))
        .take(attempts.max(1) as usize - 1)
}

fn count(service: &'static str, endpoint: &'static str, outcome: &'static str) {
    let labels = [("service", service), ("endpoint", endpoint), ("outcome", outcome)];
    metrics::counter!("api_requests_total", &labels).increment(1);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
