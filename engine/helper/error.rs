//! What can go wrong with a question to the model.

use std::error::Error as _;
use std::time::Duration;

use crate::http::{Failure, NotSent, Scope, Verdict};

/// Longer words of the server are cut.
pub(super) const LONGEST: usize = 300;
/// How long nobody asks when the server has had enough and does not say for how long.
const ENOUGH: Duration = Duration::from_secs(10);

/// Why there is no answer. No variant holds the key: addresses are cut off, texts are masked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing was sent.
    #[error("nothing was sent to the helper's model: {0}")]
    NotSent(NotSent),
    /// Nothing reached the server.
    #[error("cannot reach the helper's model: {0}")]
    Unreachable(String),
    /// The answer did not come whole.
    #[error("no whole answer from the helper's model: {0}")]
    Lost(String),
    /// The server is in trouble of its own.
    #[error("the helper's model cannot answer now: {0}")]
    Unavailable(u16),
    /// Too many questions.
    #[error("the helper's model answers nobody for {} s", retry_after.as_secs())]
    TooMany {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The key or the right to the model is missing.
    #[error("the helper's model lets us not in: {status} {message}; check HELPER_API_KEY and helper.model")]
    Denied {
        /// Of HTTP.
        status: u16,
        /// The server's words.
        message: String,
    },
    /// The server understood and refused.
    #[error(
        "the helper's model refused the question: {status} {message}; check helper.endpoint and helper.model"
    )]
    Refused {
        /// Of HTTP.
        status: u16,
        /// The server's words.
        message: String,
    },
    /// The answer is whole and is none.
    #[error("the helper's model answered what cannot be read: {0}")]
    Malformed(String),
}

impl Error {
    pub(super) fn of(error: reqwest::Error) -> Error {
        let error = error.without_url();
        let is_unreachable = error.is_connect() || error.is_builder();
        let mut reason = error.to_string();
        let mut cause = error.source();
        while let Some(next) = cause {
            reason = format!("{reason}: {next}");
            cause = next.source();
        }
        if is_unreachable { Error::Unreachable(reason) } else { Error::Lost(reason) }
    }

    pub(super) fn refused(status: u16, retry_after: Option<u64>, message: String) -> Error {
        match status {
            429 => Error::TooMany { retry_after: retry_after.map_or(ENOUGH, Duration::from_secs) },
            401 | 403 => Error::Denied { status, message },
            408 | 500.. => Error::Unavailable(status),
            _ => Error::Refused { status, message },
        }
    }

    /// How long to wait before another try is of use, when somebody said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.verdict() {
            Verdict::WaitFor(span, _) => Some(span),
            Verdict::Again | Verdict::LookFirst | Verdict::GiveUp | Verdict::AskPerson => None,
        }
    }
}

impl Failure for Error {
    fn verdict(&self) -> Verdict {
        match self {
            Error::NotSent(why) => match why.retry_after() {
                Some(span) => Verdict::WaitFor(span, Scope::Service),
                None => Verdict::Again,
            },
            Error::Unreachable(_) | Error::Unavailable(_) => Verdict::Again,
            // A question changes nothing: it is simply asked again.
            Error::Lost(_) => Verdict::LookFirst,
            Error::TooMany { retry_after } => Verdict::WaitFor(*retry_after, Scope::Service),
            Error::Denied { .. } => Verdict::AskPerson,
            Error::Refused { .. } | Error::Malformed(_) => Verdict::GiveUp,
        }
    }

    fn outcome(&self) -> &'static str {
        match self {
            Error::NotSent(why) => why.outcome(),
            Error::Unreachable(_) => "unreachable",
            Error::Lost(_) => "lost",
            Error::Unavailable(_) => "unavailable",
            Error::TooMany { .. } => "too_many",
            Error::Denied { .. } | Error::Refused { .. } => "refused",
            Error::Malformed(_) => "malformed",
        }
    }

    fn not_sent(_service: &'static str, why: NotSent) -> Error {
        Error::NotSent(why)
    }
}
