//! Whose turn it is: a queue by priority in front of the quotas, and the service's own word to wait.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::throttle::{Budget, Throttle};
use super::{Call, NotSent, Priority};
use crate::clock::{SharedClock, Timestamp};

/// Lets calls through one by one. The queue has no task of its own: whoever is first waits for the quotas, the others
/// wait to become first.
#[derive(Debug)]
pub(super) struct Gate {
    budget: Budget,
    clock: SharedClock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Until when the whole service told us to wait.
    held: Timestamp,
    /// The same for an endpoint.
    held_endpoints: HashMap<&'static str, Timestamp>,
    /// Who waits, by priority and then in order of coming.
    waiting: [BTreeMap<u64, Arc<Notify>>; 3],
    last_number: u64,
    passed: u64,
}

/// Each so many turns go to whoever has waited longest, whatever their priority: nobody waits for ever.
const FAIR_TURN: u64 = 8;

impl Gate {
    pub fn new(throttle: Throttle, clock: SharedClock) -> Gate {
        Gate { budget: throttle.budget(&clock), clock, state: Mutex::default() }
    }

    /// A place in the order of coming; a call keeps it through all its attempts.
    pub fn number(&self) -> u64 {
        let mut state = self.lock();
        state.last_number += 1;
        state.last_number
    }

    /// Everybody of the scope waits until then.
    pub fn hold(&self, endpoint: Option<&'static str>, span: Duration) {
        let until = self.clock.now() + span;
        let mut state = self.lock();
        let held = match endpoint {
            Some(endpoint) => state.held_endpoints.entry(endpoint).or_default(),
            None => &mut state.held,
        };
        *held = (*held).max(until);
        // Some of those who wait have less time than that, and should know now.
        state.waiting.iter().flat_map(BTreeMap::values).for_each(|place| place.notify_one());
    }

    /// Until when calls of the endpoint must wait; `None` when they need not.
    pub fn held_until(&self, endpoint: &'static str) -> Option<Timestamp> {
        let state = self.lock();
        let of_endpoint = state.held_endpoints.get(endpoint).copied().unwrap_or_default();
        Some(state.held.max(of_endpoint)).filter(|until| *until > self.clock.now())
    }

    /// How many wait for their turn.
    pub fn waiting(&self) -> usize {
        self.lock().waiting.iter().map(BTreeMap::len).sum()
    }

    /// Until when the service told everybody to wait; `None` when it did not.
    pub fn service_held_until(&self) -> Option<Timestamp> {
        Some(self.lock().held).filter(|until| *until > self.clock.now())
    }

    /// Waits for the turn of a call, at most until `deadline`.
    pub async fn enter(&self, call: Call, number: u64, deadline: Instant) -> Result<(), NotSent> {
        loop {
            // Outside of the queue: an endpoint that must wait is in nobody's way.
            while let Some(until) = self.held_until(call.endpoint) {
                self.bears(until, deadline)?;
                self.wait(until, deadline, std::future::pending()).await?;
            }
            self.turn(call.priority, number, deadline).await?;
            if self.held_until(call.endpoint).is_none() {
                return Ok(());
            }
        }
    }

    async fn turn(&self, priority: Priority, number: u64, deadline: Instant) -> Result<(), NotSent> {
        if self.budget.is_endless() {
            return Ok(());
        }
        let place = Place::take(self, priority, number);
        let mut taken = 0;
        loop {
            let held = self.service_held_until();
            if let Some(until) = held {
                self.bears(until, deadline)?;
            }
            if !place.is_first() {
                tokio::select! {
                    () = place.moved.notified() => continue,
                    () = tokio::time::sleep_until(deadline) => return Err(NotSent::Deadline),
                }
            }
            let until = match held {
                Some(until) => until,
                None => match self.budget.take(&mut taken).await {
                    Ok(()) => break,
                    Err(span) => self.clock.now() + span,
                },
            };
            self.wait(until, deadline, place.moved.notified()).await?;
        }
        self.lock().passed += 1;
        Ok(())
    }

    /// Whether a call may wait as long as the service asks.
    fn bears(&self, until: Timestamp, deadline: Instant) -> Result<(), NotSent> {
        let retry_after = until.since(self.clock.now());
        if retry_after > left(deadline) { Err(NotSent::Held { retry_after }) } else { Ok(()) }
    }

    /// Waits for a moment, or for something that happens before; known to be too long, not at all.
    async fn wait(
        &self,
        until: Timestamp,
        deadline: Instant,
        sooner: impl Future<Output = ()>,
    ) -> Result<(), NotSent> {
        if until.since(self.clock.now()) > left(deadline) {
            return Err(NotSent::Deadline);
        }
        tokio::select! {
            () = self.clock.sleep_until(until) => Ok(()),
            () = sooner => Ok(()),
            () = tokio::time::sleep_until(deadline) => Err(NotSent::Deadline),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is left of a deadline.
pub(super) fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

impl State {
    /// Whose turn it is, as priority and number.
    fn first(&self) -> Option<(usize, u64)> {
        let fronts = self.waiting.iter().enumerate();
        let mut fronts = fronts.filter_map(|(rank, queue)| Some((rank, *queue.keys().next()?)));
        if self.passed % FAIR_TURN == FAIR_TURN - 1 {
            fronts.min_by_key(|(_, number)| *number)
        } else {
            fronts.next()
        }
    }
}

/// A place in the queue; left by dropping it.
struct Place<'a> {
    gate: &'a Gate,
    rank: usize,
    number: u64,
    moved: Arc<Notify>,
}

impl Place<'_> {
    fn take(gate: &Gate, priority: Priority, number: u64) -> Place<'_> {
        let rank = match priority {
            Priority::Interactive => 0,
            Priority::Report => 1,
            Priority::Broadcast => 2,
        };
        let moved = Arc::new(Notify::new());
        gate.lock().waiting[rank].insert(number, Arc::clone(&moved));
        Place { gate, rank, number, moved }
    }

    fn is_first(&self) -> bool {
        self.gate.lock().first() == Some((self.rank, self.number))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.waiting[self.rank].remove(&self.number);
        if let Some((rank, number)) = state.first()
            && let Some(next) = state.waiting[rank].get(&number)
        {
            next.notify_one();
        }
    }
}
