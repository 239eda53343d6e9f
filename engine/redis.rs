//! Redis, which several instances share: a few values and the budgets of outside services.
//!
//! It may be away at any moment, and nobody waits for it: a task of its own connects and connects again, a command has
//! a short deadline, and while Redis is away a command is not even tried. What is lost with it costs time only.

mod budget;
mod line;

use std::sync::Arc;
use std::time::Duration;

use governor::Quota;
use redis::{IntoConnectionInfo as _, RedisError};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use line::Line;

/// Where Redis is and how long it may take.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `redis://…` or `rediss://…`, with the password if there is one.
    pub url: SecretString,
    /// What every key begins with, `borodach:production`; instances that share have the same.
    pub prefix: String,
    /// A command that takes longer is given up, and Redis is away until it answers again.
    pub timeout: Duration,
}

/// Why Redis cannot be used, ever.
#[derive(Debug, thiserror::Error)]
#[error("REDIS_URL is no address of a Redis server; write redis://HOST:6379/0 or rediss://HOST:6379/0")]
pub struct NoAddress {
    /// What is wrong with it; the address itself is not shown.
    source: RedisError,
}

/// A handle to Redis; clones share one connection, which is closed with the last of them.
#[derive(Clone, Debug)]
pub struct Redis {
    line: Arc<Line>,
    prefix: Arc<str>,
    _connecting: Arc<AbortOnDropHandle<()>>,
}

impl Redis {
    /// Begins to connect and returns at once; must be called within a tokio runtime.
    pub fn connect(settings: &Settings) -> Result<Redis, NoAddress> {
        let wrong = |source| NoAddress { source };
        let address = settings.url.expose_secret().into_connection_info().map_err(wrong)?;
        let client = redis::Client::open(address).map_err(wrong)?;
        let line = Arc::new(Line::new(settings.timeout));
        let connecting = tokio::spawn(line::keep(Arc::clone(&line), client));
        Ok(Redis {
            line,
            prefix: settings.prefix.as_str().into(),
            _connecting: Arc::new(AbortOnDropHandle::new(connecting)),
        })
    }

    /// The text under `key`; `None` when there is none, and when Redis is away.
    pub async fn get(&self, key: &str) -> Option<String> {
        let mut get = redis::cmd("GET");
        get.arg(self.key(key));
        let found = self.line.ask(async |mut connection| get.query_async(&mut connection).await).await;
        found.flatten()
    }

    /// Keeps `text` under `key` for as long as `life`; `false` when Redis is away and nothing is kept.
    pub async fn set(&self, key: &str, text: &str, life: Duration) -> bool {
        let mut set = redis::cmd("SET");
        let millis = u64::try_from(life.as_millis()).unwrap_or(u64::MAX).clamp(1, LONGEST_LIFE);
        set.arg(self.key(key)).arg(text).arg("PX").arg(millis);
        let kept = self.line.ask(async |mut connection| set.query_async::<()>(&mut connection).await).await;
        kept.is_some()
    }

    /// Takes one call from each of the quotas of a budget that all instances share, or from none of them.
    ///
    /// `Some(Err(wait))`: one of them is used up, ask again after `wait`. `None`: Redis is away, keep to a budget of
    /// your own. The time is Redis's, so the clocks of instances may differ.
    pub async fn take(&self, budget: &str, quotas: &[Quota]) -> Option<Result<(), Duration>> {
        let keys = (0..quotas.len()).map(|n| self.key(&format!("budget:{budget}:{n}")));
        let take = budget::take(keys, quotas);
        let wait = self.line.ask(async |mut connection| take.invoke_async(&mut connection).await).await?;
        Some(if wait == 0 { Ok(()) } else { Err(Duration::from_micros(wait)) })
    }

    /// Whether commands are tried at present.
    pub fn is_up(&self) -> bool {
        self.line.is_up()
    }

    /// For `/health`: `status`, for how many `seconds` it has been so, and the last `error`.
    pub fn report(&self) -> Value {
        self.line.report()
    }

    fn key(&self, key: &str) -> String {
        format!("{}:{key}", self.prefix)
    }
}

/// A hundred years: Redis refuses what goes over the end of its clock.
const LONGEST_LIFE: u64 = 100 * 365 * 86_400_000;
