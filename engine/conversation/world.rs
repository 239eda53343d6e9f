//! The services outside, as the host's functions reach them: each may be absent.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::Host;
use crate::cache::{Cached, Patience, Query};
use crate::clock::Timestamp;
use crate::config::Department;
use crate::http::{self, Kind};
use crate::script::host::{CallError, Caller};
use crate::{bitrix24, helper, telegram, yclients};

/// The services outside. What is not configured is `None`, and scripts are told so.
#[derive(Clone, Default)]
pub struct World {
    /// The portal.
    pub bitrix24: Option<bitrix24::Client>,
    /// The barbershops' numbers.
    pub yclients: Option<yclients::Client>,
    /// The model that the helper asks.
    pub helper: Option<helper::Client>,
    /// Where files come from.
    pub telegram: Option<telegram::Client>,
    /// The departments of the head office, in the order of the settings.
    pub departments: Vec<Department>,
}

impl World {
    /// The portal. Errors: it is not configured.
    pub fn portal(&self) -> Result<&bitrix24::Client, CallError> {
        self.bitrix24.as_ref().ok_or_else(|| CallError::not_configured("bitrix24"))
    }

    /// The barbershops' numbers. Errors: they are not configured.
    pub fn barbershops(&self) -> Result<&yclients::Client, CallError> {
        self.yclients.as_ref().ok_or_else(|| CallError::not_configured("yclients"))
    }

    /// A department by its name. Errors: there is none of this name.
    pub fn department(&self, name: &str) -> Result<&Department, CallError> {
        self.departments.iter().find(|department| department.name == name).ok_or_else(|| {
            let known: Vec<_> = self.departments.iter().map(|department| department.name.as_str()).collect();
            CallError::Invalid(format!("нет отдела «{name}»; есть {}", known.join(", ")))
        })
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("bitrix24", &self.bitrix24.is_some())
            .field("yclients", &self.yclients.is_some())
            .field("helper", &self.helper.is_some())
            .finish_non_exhaustive()
    }
}

impl Host {
    /// Asks through the cache.
    pub async fn cached<T, E>(
        &self,
        query: &Query,
        key: &str,
        load: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<Kept<T>, CallError>
    where
        T: Serialize + DeserializeOwned + Send,
        CallError: From<E>,
    {
        let Cached { value, loaded_at, is_stale } = self.cache().get(query, key, load).await?;
        Ok(Kept { value, loaded_at, is_stale })
    }

    /// Asks through the cache for somebody who waits: when they have waited long enough, for all that this turn asks
    /// together, they get what is kept, and the load goes on without them. Errors: also when nothing is kept by then,
    /// of the kind `limit`. Where nobody waits, it takes as long as it takes.
    pub async fn cached_in_time<T, E>(
        &self,
        caller: &Caller,
        query: &Query,
        key: &str,
        load: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<Kept<T>, CallError>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
        CallError: From<E>,
    {
        let Some(since) = caller.waits_since else { return self.cached(query, key, load).await };
        let (for_fresh, for_first) =
            (since + self.settings.wait_for_fresh, since + self.settings.wait_for_first);
        let patience = Patience { for_fresh, for_first };
        let kept = self.cache().get_in_time(query, key, patience, load).await?;
        let Cached { value, loaded_at, is_stale } = kept.ok_or_else(|| CallError::late("yclients"))?;
        Ok(Kept { value, loaded_at, is_stale })
    }
}

/// An answer that may be older than the question.
#[derive(Debug)]
pub struct Kept<T> {
    /// The answer.
    pub value: T,
    loaded_at: Timestamp,
    is_stale: bool,
}

impl<T> Kept<T> {
    /// The same with the age written beside: `loaded_at` in milliseconds and `is_stale`.
    pub fn aged(&self, mut card: Value) -> Value {
        card["loaded_at"] = json!(self.loaded_at);
        card["is_stale"] = json!(self.is_stale);
        card
    }
}

impl From<bitrix24::Error> for CallError {
    fn from(error: bitrix24::Error) -> CallError {
        const SERVICE: &str = "bitrix24";
        let message = error.to_string();
        // The task was made by an earlier call: what became of it must be looked for.
        let is_reused = error.refusal() == Some(bitrix24::Refusal::KeyReused);
        if is_reused || error.verdict() == http::Verdict::LookFirst {
            return CallError::InDoubt { service: SERVICE, message };
        }
        let (kind, retry_after) = (error.kind(), error.retry_after());
        CallError::Failed { kind, service: SERVICE, message, retry_after }
    }
}

impl From<telegram::Error> for CallError {
    fn from(error: telegram::Error) -> CallError {
        let message = error.to_string();
        // Only files are asked for: an answer that is lost is as good as none.
        let kind = match error.verdict() {
            telegram::Verdict::GiveUp | telegram::Verdict::WithoutMarkup => Kind::Rejected,
            telegram::Verdict::Wait => Kind::Limit,
            telegram::Verdict::Unreachable | telegram::Verdict::Done => Kind::NotFound,
            telegram::Verdict::InDoubt | telegram::Verdict::Again => Kind::Unavailable,
        };
        CallError::Failed { kind, service: "telegram", message, retry_after: None }
    }
}

impl From<helper::Error> for CallError {
    fn from(error: helper::Error) -> CallError {
        let kind = match &error {
            helper::Error::NotSent(_)
            | helper::Error::Unreachable(_)
            | helper::Error::Lost(_)
            | helper::Error::Unavailable(_)
            | helper::Error::Malformed(_) => Kind::Unavailable,
            helper::Error::TooMany { .. } => Kind::Limit,
            helper::Error::Denied { .. } => Kind::Denied,
            helper::Error::Refused { .. } => Kind::Rejected,
        };
        let (message, retry_after) = (error.to_string(), error.retry_after());
        CallError::Failed { kind, service: "helper", message, retry_after }
    }
}

impl From<yclients::Error> for CallError {
    fn from(error: yclients::Error) -> CallError {
        let (kind, message, retry_after) = (error.kind(), error.to_string(), error.retry_after());
        CallError::Failed { kind, service: "yclients", message, retry_after }
    }
}
