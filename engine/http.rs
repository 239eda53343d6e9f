//! The one road to the outside: every call to Telegram, Bitrix24 and `YClients` goes through a [`Service`].
//!
//! A client of a service knows its words: it makes one attempt and says with a [`Verdict`] what may be done after
//! an error. The layer does the rest, once for all: it repeats ([`Policy`]), keeps to quotas and to the service's own
//! word to wait ([`Throttle`]), stops knocking at a dead door ([`BreakerSettings`]), counts and traces.
//! A writing call in doubt is never repeated here: its caller must look first.

mod breaker;
mod client;
mod gate;
mod mask;
mod service;
mod settings;
mod throttle;

use std::time::Duration;

pub use breaker::Settings as BreakerSettings;
pub use client::{ClientError, ClientSettings, client};
pub use mask::{HIDDEN, Mask};
pub use service::Service;
pub use throttle::{Throttle, sliding};

/// What a caller may do after an error; every client's error answers it without a `_` arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Surely not done: try again by the policy.
    Again,
    /// Surely not done, and the service said how long to wait: all callers of the scope do.
    WaitFor(Duration, Scope),
    /// Perhaps done: a read is simply repeated, a write must look before it repeats.
    LookFirst,
    /// Refused for good: a repetition would fail the same way.
    GiveUp,
    /// Refused until a person mends a token, a right or a licence.
    AskPerson,
}

impl Verdict {
    /// As logs name it.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Again => "again",
            Verdict::WaitFor(..) => "wait_for",
            Verdict::LookFirst => "look_first",
            Verdict::GiveUp => "give_up",
            Verdict::AskPerson => "ask_person",
        }
    }
}

/// What a failure is to a script: the words it may tell apart when it catches one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No answer, or none that can be used: later it may work.
    Unavailable,
    /// Understood and refused.
    Rejected,
    /// What was asked about is not there.
    NotFound,
    /// Somebody lacks a right: the caller here, or our token there.
    Denied,
    /// Too much at once: later it will work.
    Limit,
    /// What was asked makes no sense.
    Invalid,
}

impl Kind {
    /// The kind of this word.
    pub fn parse(word: &str) -> Option<Kind> {
        let all =
            [Kind::Unavailable, Kind::Rejected, Kind::NotFound, Kind::Denied, Kind::Limit, Kind::Invalid];
        all.into_iter().find(|kind| kind.word() == word)
    }

    /// As scripts read it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Unavailable => "unavailable",
            Kind::Rejected => "rejected",
            Kind::NotFound => "not_found",
            Kind::Denied => "denied",
            Kind::Limit => "limit",
            Kind::Invalid => "invalid",
        }
    }
}

/// Whom a service's word to wait concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everybody who calls the service.
    Service,
    /// Those who call the same endpoint.
    Endpoint,
}

/// Whose call goes first when calls must wait; the earlier in this list, the sooner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A person waits for the answer.
    Interactive,
    /// A report, which has minutes.
    Report,
    /// A broadcast, which has hours.
    Broadcast,
}

/// Whether a call changes anything outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It only asks: repeating it costs nothing.
    Read,
    /// It changes something: in doubt it is not repeated by the layer.
    Write,
}

/// What the layer must know of a call.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The method or the path without its numbers: a label of metrics, so of few values. Never a token.
    pub endpoint: &'static str,
    /// Whose turn it is.
    pub priority: Priority,
    /// Whether it changes anything outside.
    pub effect: Effect,
}

/// One attempt of a call, as the layer gives it to the client.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// What is left of the call's deadline; the attempt's own deadline must not be longer.
    pub time_left: Duration,
}

/// An error of a client, as the layer sees it.
pub trait Failure: std::error::Error + Send + Sized + 'static {
    /// What may be done next.
    fn verdict(&self) -> Verdict;
    /// The label in `api_requests_total`, of few values; `ok` is the layer's own.
    fn outcome(&self) -> &'static str;
    /// The error for a call of which nothing was sent.
    fn not_sent(service: &'static str, why: NotSent) -> Self;
}

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// The service has failed again and again: nobody calls it for a while.
    #[error("it has failed again and again, so nobody calls it for {} s more", retry_after.as_secs())]
    BreakerOpen {
        /// When somebody will try.
        retry_after: Duration,
    },
    /// The service told everybody to wait, longer than this call may.
    #[error("it asked to wait {} s more", retry_after.as_secs())]
    Held {
        /// How long.
        retry_after: Duration,
    },
    /// The call's turn did not come before its deadline.
    #[error("its turn did not come in time: too many calls wait")]
    Deadline,
}

impl NotSent {
    /// How long to wait before another try is of use; `None` when nobody knows.
    pub fn retry_after(self) -> Option<Duration> {
        match self {
            NotSent::BreakerOpen { retry_after } | NotSent::Held { retry_after } => Some(retry_after),
            NotSent::Deadline => None,
        }
    }

    /// The label in `api_requests_total`; the layer counts it itself.
    pub fn outcome(self) -> &'static str {
        match self {
            NotSent::BreakerOpen { .. } => "breaker_open",
            NotSent::Held { .. } => "held",
            NotSent::Deadline => "deadline",
        }
    }
}

/// When a call is repeated and when it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Attempts altogether; 1 leaves repeating to the caller.
    pub attempts: u32,
    /// The first pause; each next one is `factor` times longer.
    pub first: Duration,
    /// How much longer each pause is.
    pub factor: u32,
    /// No pause is shorter.
    pub floor: Duration,
    /// No pause is longer. What a service itself asks for is not cut.
    pub cap: Duration,
    /// From the call to the end of its last attempt, with every wait, while a person waits. A wait known to be longer
    /// is an error at once.
    pub deadline: Duration,
    /// The same for reports and broadcasts, which also wait for a service that is away.
    pub background_deadline: Duration,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            attempts: 3,
            first: Duration::from_secs(1),
            factor: 2,
            floor: Duration::from_secs(2),
            cap: Duration::from_secs(10),
            deadline: Duration::from_secs(20),
            background_deadline: Duration::from_mins(10),
        }
    }
}

impl Policy {
    /// The deadline of a call of this priority.
    pub fn deadline_of(&self, priority: Priority) -> Duration {
        match priority {
            Priority::Interactive => self.deadline,
            Priority::Report | Priority::Broadcast => self.background_deadline,
        }
    }
}
