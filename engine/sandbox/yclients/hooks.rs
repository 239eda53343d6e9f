//! Webhooks: told once, after a while, in any order, perhaps twice, and never again.

use std::sync::Mutex;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::sync::Notify;
use url::Url;

use super::YClients;
use crate::clock::Timestamp;
use crate::sandbox::lock;

/// How long a subscriber may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// How events are delivered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delivery {
    /// From the event to its telling.
    pub delay: Duration,
    /// Whether some are told later than those that came after them.
    pub is_shuffled: bool,
    /// How many times each is told.
    pub copies: u32,
}

impl Default for Delivery {
    fn default() -> Delivery {
        Delivery { delay: Duration::from_secs(5), is_shuffled: false, copies: 1 }
    }
}

/// Something that happened in a salon.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Where.
    pub company: i64,
    /// To what: `record`, `client`, `finances_operation`…
    pub resource: &'static str,
    /// Its number.
    pub id: i64,
    /// `create`, `update` or `delete`.
    pub status: &'static str,
    /// As the API would show it.
    pub data: Value,
}

/// What became of the events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Answered with 2xx.
    pub heard: u64,
    /// Answered with something else, or not at all: they are not told again.
    pub lost: u64,
    /// Not told yet.
    pub waiting: usize,
}

pub(super) struct Hooks {
    state: Mutex<State>,
    wake: Notify,
}

struct State {
    subscriber: Option<Url>,
    delivery: Delivery,
    dice: StdRng,
    waiting: Vec<(Timestamp, Value)>,
    heard: u64,
    lost: u64,
}

impl Default for Hooks {
    fn default() -> Hooks {
        let state = State {
            subscriber: None,
            delivery: Delivery::default(),
            dice: StdRng::seed_from_u64(0),
            waiting: Vec::new(),
            heard: 0,
            lost: 0,
        };
        Hooks { state: Mutex::new(state), wake: Notify::new() }
    }
}

impl YClients {
    /// Tells `subscriber` what happens from now on.
    pub fn subscribe(&self, subscriber: Url, delivery: Delivery) {
        let mut state = lock(&self.0.hooks.state);
        state.subscriber = Some(subscriber);
        state.delivery = delivery;
    }

    /// Something happened. Without a subscriber nobody hears of it.
    pub fn happen(&self, event: &Event) {
        let mut state = lock(&self.0.hooks.state);
        if state.subscriber.is_none() {
            return;
        }
        let body = json!({
            "company_id": event.company, "resource": event.resource, "resource_id": event.id,
            "status": event.status, "data": event.data,
        });
        let Delivery { delay, is_shuffled, copies } = state.delivery;
        for _ in 0..copies {
            let later = if is_shuffled { delay.mul_f64(state.dice.random::<f64>()) } else { Duration::ZERO };
            state.waiting.push((self.0.clock.now() + delay + later, body.clone()));
        }
        drop(state);
        self.0.hooks.wake.notify_one();
    }

    /// What became of the events so far.
    pub fn told(&self) -> Told {
        let state = lock(&self.0.hooks.state);
        Told { heard: state.heard, lost: state.lost, waiting: state.waiting.len() }
    }

    /// Tells what is due, one after another, until the runtime ends.
    pub(super) async fn deliver_hooks(self) {
        loop {
            let wake = self.0.hooks.wake.notified();
            let next = lock(&self.0.hooks.state).waiting.iter().map(|(due, _)| *due).min();
            match next {
                None => wake.await,
                Some(due) if due > self.0.clock.now() => {
                    tokio::select! {
                        () = wake => {}
                        () = self.0.clock.sleep_until(due) => {}
                    }
                }
                Some(due) => self.tell_next(due).await,
            }
        }
    }

    async fn tell_next(&self, due: Timestamp) {
        let (subscriber, body) = {
            let mut state = lock(&self.0.hooks.state);
            let at = state.waiting.iter().position(|(moment, _)| *moment == due);
            (state.subscriber.clone(), at.map(|at| state.waiting.remove(at).1))
        };
        let (Some(subscriber), Some(body)) = (subscriber, body) else { return };
        let answer = self.0.client.post(subscriber).json(&body).send().await;
        let is_heard = answer.is_ok_and(|answer| answer.status().is_success());
        let mut state = lock(&self.0.hooks.state);
        state.heard += u64::from(is_heard);
        state.lost += u64::from(!is_heard);
        drop(state);
        self.touch();
    }
}
