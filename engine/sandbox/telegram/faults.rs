//! Faults by switch: what a gateway, a flood limit or a lost answer do to a bot.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::lock;
use super::method::Method;

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 429 with `retry_after` in the body and in the header; nothing is done.
    TooManyRequests {
        /// Seconds to wait.
        retry_after: u64,
    },
    /// 500 `Internal Server Error: restart` as JSON; nothing is done.
    ServerError,
    /// 502 with a gateway's HTML page; nothing is done.
    BadGatewayHtml,
    /// The call is done after a pause, unless the client hangs up before.
    Slow(Duration),
    /// The call is done at once and answered after a pause.
    SlowAfterAccept(Duration),
    /// The connection is reset; nothing is done.
    Reset,
    /// The call is done and the connection is reset instead of an answer: the duplicate-send case.
    ResetAfterAccept,
    /// The call is done and 502 is answered: a gateway that lost the answer.
    BadGatewayAfterAccept,
}

impl Kind {
    /// The name used by the control API.
    pub fn name(self) -> &'static str {
        match self {
            Kind::TooManyRequests { .. } => "429",
            Kind::ServerError => "500",
            Kind::BadGatewayHtml => "502",
            Kind::Slow(_) => "slow",
            Kind::SlowAfterAccept(_) => "slow_after_accept",
            Kind::Reset => "reset",
            Kind::ResetAfterAccept => "reset_after_accept",
            Kind::BadGatewayAfterAccept => "502_after_accept",
        }
    }
}

/// How often a rule strikes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Often {
    /// The next so many matching calls.
    Times(u32),
    /// Each matching call with this probability, from 0 to 1.
    Chance(f64),
}

/// One switch: which calls, what happens, how often.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// The method, or `None` for any.
    pub method: Option<Method>,
    /// What goes wrong.
    pub kind: Kind,
    /// How often.
    pub often: Often,
}

/// A send that was done although the bot was not told so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguous {
    /// The method called.
    pub method: Method,
    /// The chat it concerned, if any.
    pub chat: Option<i64>,
    /// The text sent, empty where there is none.
    pub text: String,
}

/// The rules in force, and what they did. The first rule that matches a call strikes.
#[derive(Debug)]
pub struct Faults {
    armed: AtomicBool,
    state: Mutex<State>,
    struck: AtomicU64,
}

/// How many ambiguous calls are remembered.
const REMEMBERED: usize = 10_000;

#[derive(Debug)]
struct State {
    rules: Vec<Rule>,
    dice: StdRng,
    ambiguous: VecDeque<Ambiguous>,
}

impl Default for Faults {
    fn default() -> Faults {
        let state = State { rules: Vec::new(), dice: StdRng::seed_from_u64(0), ambiguous: VecDeque::new() };
        Faults { armed: AtomicBool::new(false), state: Mutex::new(state), struck: AtomicU64::new(0) }
    }
}

impl Faults {
    /// Adds a rule after those in force.
    pub fn add(&self, rule: Rule) {
        lock(&self.state).rules.push(rule);
        self.armed.store(true, Ordering::Release);
    }

    /// Adds a rule for the next `times` calls of `method` (`None`: of any).
    pub fn next(&self, method: impl Into<Option<Method>>, kind: Kind, times: u32) {
        self.add(Rule { method: method.into(), kind, often: Often::Times(times) });
    }

    /// Drops every rule; what they did stays counted.
    pub fn clear(&self) {
        self.armed.store(false, Ordering::Release);
        lock(&self.state).rules.clear();
    }

    /// Starts the dice of [`Often::Chance`] anew, so that a run can be repeated.
    pub fn seed(&self, seed: u64) {
        lock(&self.state).dice = StdRng::seed_from_u64(seed);
    }

    /// The rules in force, with the times left.
    pub fn rules(&self) -> Vec<Rule> {
        lock(&self.state).rules.clone()
    }

    /// How many calls met a fault.
    pub fn struck(&self) -> u64 {
        self.struck.load(Ordering::Relaxed)
    }

    /// The latest calls that were done although the bot was told otherwise, oldest first; at most 10,000.
    pub fn ambiguous(&self) -> Vec<Ambiguous> {
        lock(&self.state).ambiguous.iter().cloned().collect()
    }

    /// What happens to this call.
    pub(super) fn strike(&self, method: Method) -> Option<Kind> {
        if !self.armed.load(Ordering::Acquire) {
            return None;
        }
        let mut state = lock(&self.state);
        let State { rules, dice, .. } = &mut *state;
        let hit = rules.iter_mut().find_map(|rule| {
            let matches = rule.method.is_none_or(|only| only == method);
            (matches && falls(&mut rule.often, dice)).then_some(rule.kind)
        });
        rules.retain(|rule| rule.often != Often::Times(0));
        self.armed.store(!rules.is_empty(), Ordering::Release);
        self.struck.fetch_add(u64::from(hit.is_some()), Ordering::Relaxed);
        hit
    }

    pub(super) fn remember(&self, call: Ambiguous) {
        let mut state = lock(&self.state);
        if state.ambiguous.len() == REMEMBERED {
            state.ambiguous.pop_front();
        }
        state.ambiguous.push_back(call);
    }
}

fn falls(often: &mut Often, dice: &mut StdRng) -> bool {
    match often {
        Often::Times(0) => false,
        Often::Times(left) => {
            *left -= 1;
            true
        }
        Often::Chance(chance) => dice.random_bool(chance.clamp(0.0, 1.0)),
    }
}
