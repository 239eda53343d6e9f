//! What can go wrong with a call, and what may be done then.

use std::time::Duration;

use super::{ChainId, CompanyId};
use crate::http::{Failure, Kind, NotSent, Scope, Verdict};

/// Why a call did not succeed. No variant holds a token: addresses are cut off, texts are masked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing was sent: the service is not answering anybody, or our turn did not come.
    #[error("nothing was sent to YClients: {0}")]
    NotSent(NotSent),
    /// Nothing reached the service.
    #[error("cannot reach YClients for `{endpoint}`: {reason}")]
    Unreachable {
        /// What was asked.
        endpoint: &'static str,
        /// What happened on the way.
        reason: String,
    },
    /// The answer did not come whole: a deadline, a broken connection, half of the JSON, a page instead of it.
    #[error("no whole answer from YClients to `{endpoint}`: {reason}")]
    Lost {
        /// What was asked.
        endpoint: &'static str,
        /// What came instead.
        reason: String,
    },
    /// The service is in trouble of its own: 408 and 5xx.
    #[error("YClients cannot answer `{endpoint}` now: {status}")]
    Unavailable {
        /// What was asked.
        endpoint: &'static str,
        /// Of HTTP.
        status: u16,
    },
    /// Too many calls from this address; whatever it says, the service counts by the minute.
    #[error("YClients lets nobody call from this address for {} s (asked for `{endpoint}`)", retry_after.as_secs())]
    TooMany {
        /// What was asked.
        endpoint: &'static str,
        /// How long to wait.
        retry_after: Duration,
    },
    /// The service understood and refused.
    #[error("YClients refused `{endpoint}`: {status} {message}{}", advice(*refusal))]
    Refused {
        /// What was asked.
        endpoint: &'static str,
        /// Of which salon, if of one.
        company: Option<CompanyId>,
        /// What it means.
        refusal: Refusal,
        /// Of HTTP.
        status: u16,
        /// The service's words, in its language, with the fields that did not pass.
        message: String,
    },
    /// The answer is whole and cannot be so.
    #[error("YClients answered `{endpoint}` with what cannot be so: `{path}`: {reason}")]
    Malformed {
        /// What was asked.
        endpoint: &'static str,
        /// The field, as `data.record_stats.current_total_count`.
        path: String,
        /// Why it cannot be so.
        reason: String,
    },
    /// The chain of the settings is not among those the tokens see. Another one is never taken for it.
    #[error(
        "the chain {chain} is not among those the YClients user sees ({}); correct YCLIENTS_CHAIN_ID, or give the user rights in it",
        listed(seen)
    )]
    NoSuchChain {
        /// Of the settings.
        chain: ChainId,
        /// Those the tokens see.
        seen: Vec<ChainId>,
    },
    /// The chain is not in the settings.
    #[error(
        "YCLIENTS_CHAIN_ID is not set, so the network's salons are not known; it is the number in the network's address"
    )]
    NoChain,
}

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// One of the tokens is no longer good: the user's dies with their password.
    Token,
    /// The user lacks a right in this salon, or for this figure.
    Right,
    /// The salon's licence has run out.
    Licence,
    /// There is no such thing, or the user may not know of it.
    NotFound,
    /// What was asked makes no sense to the service.
    Invalid,
    /// An error under the status of a success, with no other sign of what it is.
    Unclear,
    /// The address of the API has moved, or is not the API's.
    Moved,
}

impl Error {
    /// What may be done next.
    pub fn verdict(&self) -> Verdict {
        match self {
            Error::NotSent(why) => match why.retry_after() {
                Some(span) => Verdict::WaitFor(span, Scope::Service),
                None => Verdict::Again,
            },
            Error::Unreachable { .. } | Error::Unavailable { .. } => Verdict::Again,
            // Everything asked here is a read: it is simply asked again.
            Error::Lost { .. } => Verdict::LookFirst,
            Error::TooMany { retry_after, .. } => Verdict::WaitFor(*retry_after, Scope::Service),
            Error::Refused { refusal, .. } => match refusal {
                Refusal::Token | Refusal::Right | Refusal::Licence | Refusal::Moved => Verdict::AskPerson,
                Refusal::NotFound | Refusal::Invalid | Refusal::Unclear => Verdict::GiveUp,
            },
            Error::Malformed { .. } => Verdict::GiveUp,
            Error::NoSuchChain { .. } | Error::NoChain => Verdict::AskPerson,
        }
    }

    /// What scripts are told.
    pub fn kind(&self) -> Kind {
        match self {
            Error::NotSent(_)
            | Error::Unreachable { .. }
            | Error::Lost { .. }
            | Error::Unavailable { .. }
            | Error::Malformed { .. } => Kind::Unavailable,
            Error::TooMany { .. } => Kind::Limit,
            Error::Refused { refusal, .. } => match refusal {
                Refusal::Token | Refusal::Right | Refusal::Licence => Kind::Denied,
                Refusal::NotFound => Kind::NotFound,
                Refusal::Invalid => Kind::Invalid,
                Refusal::Unclear => Kind::Rejected,
                Refusal::Moved => Kind::Unavailable,
            },
            Error::NoSuchChain { .. } => Kind::NotFound,
            Error::NoChain => Kind::Invalid,
        }
    }

    /// How long to wait before another try is of use, when somebody said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.verdict() {
            Verdict::WaitFor(span, _) => Some(span),
            Verdict::Again | Verdict::LookFirst | Verdict::GiveUp | Verdict::AskPerson => None,
        }
    }

    /// Whether the tokens themselves are refused: then every other salon would say the same.
    pub fn is_about_tokens(&self) -> bool {
        matches!(self, Error::Refused { refusal: Refusal::Token, .. })
    }
}

impl Failure for Error {
    fn verdict(&self) -> Verdict {
        Error::verdict(self)
    }

    fn outcome(&self) -> &'static str {
        match self {
            Error::NotSent(why) => why.outcome(),
            Error::Unreachable { .. } => "unreachable",
            Error::Lost { .. } => "lost",
            Error::Unavailable { .. } => "unavailable",
            Error::TooMany { .. } => "too_many",
            Error::Refused { .. } | Error::NoSuchChain { .. } | Error::NoChain => "refused",
            Error::Malformed { .. } => "malformed",
        }
    }

    fn not_sent(_service: &'static str, why: NotSent) -> Error {
        Error::NotSent(why)
    }
}

/// What people can do about it.
fn advice(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Token => {
            "; get a new user token (it dies with the user's password) and set YCLIENTS_USER_TOKEN"
        }
        Refusal::Right => "; give the user of YCLIENTS_USER_TOKEN the right to see the reports of this salon",
        Refusal::Licence => "; the salon's licence must be paid for",
        Refusal::Moved => "; correct YCLIENTS_API_URL",
        Refusal::NotFound | Refusal::Invalid | Refusal::Unclear => "",
    }
}

fn listed(chains: &[ChainId]) -> String {
    if chains.is_empty() {
        return "it sees none".to_owned();
    }
    chains.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
