//! What can go wrong with a call, and what may be done then.

use std::time::Duration;

use super::TaskId;
use super::code::Refusal;
use crate::http::{Failure, Kind, NotSent, Scope, Verdict};

/// Why a call did not succeed. No variant holds the webhook's key: addresses are cut off, texts are masked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was sent: the portal is not answering anybody, or our turn did not come.
    #[error("nothing was sent to Bitrix24: {0}")]
    NotSent(NotSent),
    /// Nothing reached the portal.
    #[error("cannot reach Bitrix24 for `{method}`: {source}")]
    Unreachable {
        /// The method called.
        method: &'static str,
        /// What happened on the way.
        source: reqwest::Error,
    },
    /// The request was sent, the answer was lost: it may or may not be done.
    #[error("no answer to Bitrix24's `{method}`: {reason}; it may or may not be done")]
    InDoubt {
        /// The method called.
        method: &'static str,
        /// What came instead of an answer.
        reason: String,
    },
    /// The portal answered with something that cannot be so.
    #[error("unreadable answer to Bitrix24's `{method}`: `{path}`: {reason}; it may or may not be done")]
    Malformed {
        /// The method called.
        method: &'static str,
        /// The field, as `result.task.id`.
        path: String,
        /// Why it cannot be so.
        reason: String,
    },
    /// Too many calls, or too long ones: nothing is done until the time is over.
    #[error("Bitrix24 asks to wait {} s before `{method}` ({code})", retry_after.as_secs())]
    Limit {
        /// The method called.
        method: &'static str,
        /// The portal's code.
        code: String,
        /// How long to wait.
        retry_after: Duration,
        /// Who has to.
        scope: Scope,
    },
    /// A write in doubt may still be running at the portal: what is seen there now proves nothing.
    #[error("`{key}` may still be running at Bitrix24; look for it in {} s", retry_after.as_secs())]
    TooEarly {
        /// The write.
        key: String,
        /// When a look is of use.
        retry_after: Duration,
    },
    /// The portal understood and refused.
    #[error("Bitrix24 refused `{method}`: {status} `{code}` {description}{}", advice(*refusal))]
    Refused {
        /// The method called.
        method: &'static str,
        /// What it means.
        refusal: Refusal,
        /// The portal's code, perhaps empty.
        code: String,
        /// Of HTTP.
        status: u16,
        /// The portal's words, in its language.
        description: String,
    },
}

impl Error {
    /// What may be done next.
    pub fn verdict(&self) -> Verdict {
        match self {
            Error::NotSent(why) => match why.retry_after() {
                Some(span) => Verdict::WaitFor(span, Scope::Service),
                None => Verdict::Again,
            },
            Error::Unreachable { .. } => Verdict::Again,
            Error::InDoubt { .. } | Error::Malformed { .. } => Verdict::LookFirst,
            Error::Limit { retry_after, scope, .. } => Verdict::WaitFor(*retry_after, *scope),
            Error::TooEarly { retry_after, .. } => Verdict::WaitFor(*retry_after, Scope::Endpoint),
            Error::Refused { refusal, .. } => refusal.verdict(),
        }
    }

    /// What scripts are told.
    pub fn kind(&self) -> Kind {
        match self {
            Error::NotSent(_)
            | Error::Unreachable { .. }
            | Error::InDoubt { .. }
            | Error::Malformed { .. }
            | Error::TooEarly { .. } => Kind::Unavailable,
            Error::Limit { .. } => Kind::Limit,
            Error::Refused { refusal, .. } => refusal.kind(),
        }
    }

    /// How long to wait before another try is of use, when somebody said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.verdict() {
            Verdict::WaitFor(span, _) => Some(span),
            Verdict::Again | Verdict::LookFirst | Verdict::GiveUp | Verdict::AskPerson => None,
        }
    }

    /// Why the portal refused, if it did.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Error::Refused { refusal, .. } => Some(*refusal),
            Error::NotSent(_)
            | Error::Unreachable { .. }
            | Error::InDoubt { .. }
            | Error::Malformed { .. }
            | Error::Limit { .. }
            | Error::TooEarly { .. } => None,
        }
    }

    /// The same refusal, when it is known by now that there is no such thing.
    pub(super) fn into_not_found(self) -> Error {
        match self {
            Error::Refused { method, code, status, description, .. } => {
                Error::Refused { method, refusal: Refusal::NotFound, code, status, description }
            }
            other => other,
        }
    }

    /// There is no such task, which the portal says by an empty answer.
    pub(super) fn no_task(method: &'static str, task: TaskId) -> Error {
        let description = format!("there is no task {task}, or it is not for the webhook's owner to see");
        Error::Refused { method, refusal: Refusal::NotFound, code: String::new(), status: 200, description }
    }

    /// An answer that cannot be so.
    pub(super) fn malformed(
        method: &'static str,
        path: impl Into<String>,
        reason: impl Into<String>,
    ) -> Error {
        Error::Malformed { method, path: path.into(), reason: reason.into() }
    }
}

impl Refusal {
    /// What may be done after it.
    pub fn verdict(self) -> Verdict {
        match self {
            // The client knows the span and makes an `Error::Limit` of these two; a second and a minute are what the
            // portal forgets at the latest.
            Refusal::TooFast => Verdict::WaitFor(TOO_FAST_PAUSE, Scope::Service),
            Refusal::MethodSpent => Verdict::WaitFor(METHOD_SPENT_PAUSE, Scope::Endpoint),
            Refusal::Broken => Verdict::LookFirst,
            Refusal::Blocked
            | Refusal::Credentials
            | Refusal::Scope
            | Refusal::Plan
            | Refusal::Gone
            | Refusal::Address
            | Refusal::NotSaved
            // It was done by an earlier call, and what came of it is not known.
            | Refusal::KeyReused => Verdict::AskPerson,
            Refusal::Denied
            | Refusal::NotAllowed
            | Refusal::NotFound
            | Refusal::NoMethod
            | Refusal::Invalid
            | Refusal::NameTaken
            | Refusal::KeyUnfit
            | Refusal::Other => Verdict::GiveUp,
        }
    }

    /// What scripts are told of it.
    pub fn kind(self) -> Kind {
        match self {
            Refusal::TooFast | Refusal::MethodSpent => Kind::Limit,
            Refusal::Blocked | Refusal::Broken | Refusal::Gone | Refusal::Address => Kind::Unavailable,
            Refusal::Credentials | Refusal::Scope | Refusal::Plan | Refusal::Denied => Kind::Denied,
            Refusal::NotFound => Kind::NotFound,
            Refusal::Invalid | Refusal::KeyUnfit => Kind::Invalid,
            Refusal::NotAllowed
            | Refusal::NoMethod
            | Refusal::NotSaved
            | Refusal::NameTaken
            | Refusal::KeyReused
            | Refusal::Other => Kind::Rejected,
        }
    }
}

/// After "too many requests": the bucket leaks two a second.
pub(super) const TOO_FAST_PAUSE: Duration = Duration::from_secs(1);

/// After "the method's time is used up", when the portal never said until when: the budget is counted in minutes.
pub(super) const METHOD_SPENT_PAUSE: Duration = Duration::from_mins(1);

impl Failure for Error {
    fn verdict(&self) -> Verdict {
        self.verdict()
    }

    fn outcome(&self) -> &'static str {
        match self {
            Error::NotSent(why) => why.outcome(),
            Error::Unreachable { .. } => "unreachable",
            Error::InDoubt { .. } => "in_doubt",
            Error::Malformed { .. } => "malformed",
            Error::Limit { .. } => "limit",
            Error::TooEarly { .. } => "too_early",
            Error::Refused { .. } => "refused",
        }
    }

    fn not_sent(_service: &'static str, why: NotSent) -> Error {
        Error::NotSent(why)
    }
}

fn advice(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Blocked => "; the portal's support has blocked the calls, write to it",
        Refusal::Credentials => {
            "; make the incoming webhook anew and put its address into BITRIX_WEBHOOK_URL"
        }
        Refusal::Scope => {
            "; tick the rights `task`, `tasks`, `disk`, `user` and `im` in the incoming webhook"
        }
        Refusal::Plan => "; the portal's plan does not include the API, renew it",
        Refusal::Gone => "; the portal is deleted or closed",
        Refusal::Address => "; correct BITRIX_WEBHOOK_URL",
        Refusal::NotSaved => "; look whether the portal's disk is full",
        Refusal::KeyReused => {
            "; the task was made by an earlier call with other contents, find it on the portal"
        }
        Refusal::TooFast
        | Refusal::MethodSpent
        | Refusal::Broken
        | Refusal::Denied
        | Refusal::NotAllowed
        | Refusal::NotFound
        | Refusal::NoMethod
        | Refusal::Invalid
        | Refusal::NameTaken
        | Refusal::KeyUnfit
        | Refusal::Other => "",
    }
}
