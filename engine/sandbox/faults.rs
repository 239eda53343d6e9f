//! Faults by switch, for every service: what a gateway, a flood limit or a lost answer do to a client.
//!
//! A service keeps a [`Faults`] of its own endpoints, asks it at every call, and says the refusals in its own [`Words`].

mod befall;
mod switch;

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::lock;

pub(super) use befall::{Words, befall};
pub(super) use switch::{Switch, rule_json};

/// What can be called, and struck: a method of an API, or a path.
pub trait Endpoint: Copy + PartialEq + Debug + Send + Sync + 'static {
    /// As the service documents it.
    fn name(self) -> &'static str;
    /// The endpoint with this name.
    fn parse(name: &str) -> Option<Self>;
}

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 429 in the service's own words; nothing is done.
    TooManyRequests {
        /// Seconds to wait, where the service says them: Bitrix24 does not.
        retry_after: u64,
    },
    /// 503 in the service's own words, Bitrix24's `QUERY_LIMIT_EXCEEDED`; nothing is done.
    Unavailable,
    /// 500 in the service's own words; nothing is done.
    ServerError,
    /// 502 with a gateway's HTML page; nothing is done.
    BadGatewayHtml,
    /// This very answer; nothing is done.
    Canned {
        /// The HTTP status.
        status: u16,
        /// The body, with the type `application/json`.
        body: &'static str,
    },
    /// The call is done after a pause, unless the client hangs up before.
    Slow(Duration),
    /// The call is done at once and answered after a pause.
    SlowAfterAccept(Duration),
    /// The call is done after a pause even if the client has hung up before: a look in between finds nothing.
    Late(Duration),
    /// The connection is reset; nothing is done.
    Reset,
    /// The call is done and the connection is reset instead of an answer: the duplicate-send case.
    ResetAfterAccept,
    /// The call is done and 500 is answered in the service's own words.
    ServerErrorAfterAccept,
    /// The call is done and 502 is answered: a gateway that lost the answer.
    BadGatewayAfterAccept,
    /// The call is done and the answer is only the first half of its JSON.
    CutJson,
    /// The call is done and every value of the answer is of another type than it should be.
    WrongTypes,
    /// The call is done and its list of rows comes empty.
    EmptyPage,
    /// The call is done and answered by 200 without a body.
    EmptyBody,
}

impl Kind {
    /// The name used by the control API.
    pub fn name(self) -> &'static str {
        match self {
            Kind::TooManyRequests { .. } => "429",
            Kind::Unavailable => "503",
            Kind::ServerError => "500",
            Kind::BadGatewayHtml => "502",
            Kind::Canned { .. } => "canned",
            Kind::Slow(_) => "slow",
            Kind::SlowAfterAccept(_) => "slow_after_accept",
            Kind::Late(_) => "late",
            Kind::Reset => "reset",
            Kind::ResetAfterAccept => "reset_after_accept",
            Kind::ServerErrorAfterAccept => "500_after_accept",
            Kind::BadGatewayAfterAccept => "502_after_accept",
            Kind::CutJson => "cut",
            Kind::WrongTypes => "wrong_types",
            Kind::EmptyPage => "empty_page",
            Kind::EmptyBody => "empty",
        }
    }

    /// Whether a call may be done although the client is told otherwise, or nothing it can read. A client that hung up
    /// on a slow answer is not meant: nobody told it anything.
    pub fn hides_success(self) -> bool {
        match self {
            Kind::ResetAfterAccept
            | Kind::ServerErrorAfterAccept
            | Kind::BadGatewayAfterAccept
            | Kind::CutJson
            | Kind::WrongTypes
            | Kind::EmptyBody => true,
            Kind::TooManyRequests { .. }
            | Kind::Unavailable
            | Kind::ServerError
            | Kind::BadGatewayHtml
            | Kind::Canned { .. }
            | Kind::Slow(_)
            | Kind::SlowAfterAccept(_)
            | Kind::Late(_)
            | Kind::Reset
            | Kind::EmptyPage => false,
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
pub struct Rule<E> {
    /// Which, or `None` for any.
    pub endpoint: Option<E>,
    /// What goes wrong.
    pub kind: Kind,
    /// How often.
    pub often: Often,
}

/// The rules in force, and what they did. The first rule that matches a call strikes. `A` is what a service remembers
/// of a call that was done in silence.
#[derive(Debug)]
pub struct Faults<E, A> {
    armed: AtomicBool,
    state: Mutex<State<E, A>>,
    struck: AtomicU64,
}

/// How many ambiguous calls are remembered.
const REMEMBERED: usize = 10_000;

#[derive(Debug)]
struct State<E, A> {
    rules: Vec<Rule<E>>,
    dice: StdRng,
    ambiguous: VecDeque<A>,
}

impl<E, A> Default for Faults<E, A> {
    fn default() -> Faults<E, A> {
        let state = State { rules: Vec::new(), dice: StdRng::seed_from_u64(0), ambiguous: VecDeque::new() };
        Faults { armed: AtomicBool::new(false), state: Mutex::new(state), struck: AtomicU64::new(0) }
    }
}

impl<E: Endpoint, A: Clone> Faults<E, A> {
    /// Adds a rule after those in force.
    pub fn add(&self, rule: Rule<E>) {
        lock(&self.state).rules.push(rule);
        self.armed.store(true, Ordering::Release);
    }

    /// Adds a rule for the next `times` calls of `endpoint` (`None`: of any).
    pub fn next(&self, endpoint: impl Into<Option<E>>, kind: Kind, times: u32) {
        self.add(Rule { endpoint: endpoint.into(), kind, often: Often::Times(times) });
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
    pub fn rules(&self) -> Vec<Rule<E>> {
        lock(&self.state).rules.clone()
    }

    /// How many calls met a fault.
    pub fn struck(&self) -> u64 {
        self.struck.load(Ordering::Relaxed)
    }

    /// The latest calls that were done although the client was told otherwise, oldest first; at most 10,000.
    pub fn ambiguous(&self) -> Vec<A> {
        lock(&self.state).ambiguous.iter().cloned().collect()
    }

    /// What happens to this call.
    pub(super) fn strike(&self, endpoint: E) -> Option<Kind> {
        if !self.armed.load(Ordering::Acquire) {
            return None;
        }
        let mut state = lock(&self.state);
        let State { rules, dice, .. } = &mut *state;
        let hit = rules.iter_mut().find_map(|rule| {
            let matches = rule.endpoint.is_none_or(|only| only == endpoint);
            (matches && falls(&mut rule.often, dice)).then_some(rule.kind)
        });
        rules.retain(|rule| rule.often != Often::Times(0));
        self.armed.store(!rules.is_empty(), Ordering::Release);
        self.struck.fetch_add(u64::from(hit.is_some()), Ordering::Relaxed);
        hit
    }

    pub(super) fn remember(&self, call: A) {
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
