//! Calls to the world outside: what a declaration says of them, how a write is known again, why one fails.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Args, Param, Shape};
use crate::clock::Timestamp;
use crate::conversation::Host;
use crate::http::Kind;
use crate::store::{self, change::Change};

/// What a declaration says of a call to another service.
#[derive(Clone, Copy, Debug)]
pub struct Outside {
    /// The service: `bitrix24`, `yclients`, `telegram`.
    pub service: &'static str,
    /// The right our token needs there, in the service's own word; empty when any token will do.
    pub scope: &'static str,
    /// How long one call may take, with everything the service's client does to get through.
    pub timeout: Duration,
    /// How old an answer may be, for one that is kept; `None` asks anew each time.
    pub fresh: Option<Duration>,
    /// What a scenario is answered that says nothing of the call.
    pub stand_in: fn(&Args) -> Value,
    /// What a write returns when a person says that it is done.
    pub done: Done,
    /// How the service keeps a write begun now from being done twice, in the client's own words: chosen once, with
    /// the intent, and kept with it. `null` where there is nothing to choose.
    pub means: fn(&Host) -> Value,
}

/// The options of a write that may be done later: while the service is away, its talk is set aside and the person is
/// free; when it is back, the talk goes on from here.
pub(super) const LATER: &[Param] = &[
    Param {
        name: "patience",
        shape: Shape::Span,
        help: "сколько ждать, пока сервис вернётся: бот пробует снова сам, человек свободен; потом — ошибка",
    },
    Param {
        name: "accepted", shape: Shape::Text, help: "что сказать человеку, если придётся ждать"
    },
];

/// What a write returns when a person, and not the service, says that it is done.
#[derive(Clone, Copy, Debug)]
pub enum Done {
    /// `true`.
    Plain,
    /// Something that needs the number it has there.
    Number {
        /// What the number is of, as the person is asked for it.
        what: &'static str,
        /// The result.
        result: fn(&Args, i64) -> Value,
    },
}

/// A write decided and written down: whoever repeats it has the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The name of the write for ever: `installation-conversation-epoch-step`.
    pub key: String,
    /// When the service may have heard of it first: what was surely not done before does not count.
    pub since: Timestamp,
    /// When it had left at the latest, whoever sent it: none of us sends it later without writing that down first.
    pub gone_by: Timestamp,
    /// What [`Outside::means`] said when it was sent for the first time.
    pub means: Value,
}

/// What came of a write.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// What the script is given.
    pub value: Value,
    /// A change of our own tables that belongs to it: both are written in one transaction.
    pub change: Option<Change>,
}

impl From<Value> for Written {
    fn from(value: Value) -> Written {
        Written { value, change: None }
    }
}

/// What was found of a write that may have been done.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one for a moment, never many")]
pub enum Look {
    /// It is done, and this is what it would have returned.
    Done(Written),
    /// It is not there. The host believes it once the service cannot be at work on it any more.
    NotDone,
    /// Nothing can be found out.
    Unknown,
}

/// Why the host did not do what a script asked; the script may catch it as a map.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The caller may not do this.
    #[error("{0}")]
    Denied(String),
    /// The arguments make no sense together.
    #[error("{0}")]
    Invalid(String),
    /// A service did not do it, and surely so.
    #[error("{message}")]
    Failed {
        /// What went wrong.
        kind: Kind,
        /// Whose word it is.
        service: &'static str,
        /// What happened, for the log and for staff.
        message: String,
        /// When it makes sense to ask again, if the service said so.
        retry_after: Option<Duration>,
    },
    /// A service is not set up here, so nothing was done and waiting does not help.
    #[error("{message}")]
    NotSetUp {
        /// Which.
        service: &'static str,
        /// What is missing.
        message: String,
    },
    /// A service may or may not have done it. For a read that is as good as no answer.
    #[error("{message}")]
    InDoubt {
        /// Whose answer is lost.
        service: &'static str,
        /// What happened.
        message: String,
    },
    /// The store did not answer; the turn is repeated, the script never sees it.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl CallError {
    /// A service that is not set up here.
    pub fn not_configured(service: &'static str) -> CallError {
        CallError::NotSetUp {
            service, message: format!("сервис {service} в этом боте не настроен")
        }
    }

    /// A call that took longer than its declaration allows.
    pub fn overdue(outside: &Outside) -> CallError {
        let message = format!("{} не ответил за {} с", outside.service, outside.timeout.as_secs());
        CallError::InDoubt { service: outside.service, message }
    }

    /// Nobody waits for the answer any more.
    pub fn abandoned(outside: &Outside) -> CallError {
        let (kind, service) = (Kind::Unavailable, outside.service);
        let message = format!("человек не стал ждать, пока ответит {service}");
        CallError::Failed { kind, service, message, retry_after: None }
    }

    /// An answer that will come, but not while a person waits for it.
    pub fn late(service: &'static str) -> CallError {
        let message = format!("{service} ещё не ответил: бот спросит дальше сам, через минуту ответ будет");
        let retry_after = Some(Duration::from_mins(1));
        CallError::Failed { kind: Kind::Limit, service, message, retry_after }
    }

    /// Whether the service surely did nothing and may do it when it is asked later.
    pub fn is_passing(&self) -> bool {
        match self {
            CallError::Failed { kind, .. } => matches!(kind, Kind::Unavailable | Kind::Limit),
            CallError::Denied(_)
            | CallError::Invalid(_)
            | CallError::NotSetUp { .. }
            | CallError::InDoubt { .. }
            | CallError::Store(_) => false,
        }
    }

    /// When the service said that there is room again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            CallError::Failed { retry_after, .. } => *retry_after,
            CallError::Denied(_)
            | CallError::Invalid(_)
            | CallError::NotSetUp { .. }
            | CallError::InDoubt { .. }
            | CallError::Store(_) => None,
        }
    }

    /// What it is to a script.
    pub fn kind(&self) -> Kind {
        match self {
            CallError::Denied(_) => Kind::Denied,
            CallError::Invalid(_) => Kind::Invalid,
            CallError::Failed { kind, .. } => *kind,
            CallError::NotSetUp { .. } | CallError::InDoubt { .. } | CallError::Store(_) => Kind::Unavailable,
        }
    }

    /// What a `catch` receives: `#{ kind, service, message, retry_after }`, the last in seconds or `()`.
    pub fn for_script(&self) -> Value {
        let (service, retry_after) = match self {
            CallError::Denied(_) | CallError::Invalid(_) | CallError::Store(_) => ("host", None),
            CallError::Failed { service, retry_after, .. } => (*service, *retry_after),
            CallError::NotSetUp { service, .. } | CallError::InDoubt { service, .. } => (*service, None),
        };
        json!({
            "kind": self.kind().word(),
            "service": service,
            "message": self.to_string(),
            "retry_after": retry_after.map(|span| span.as_secs().max(1)),
        })
    }
}
