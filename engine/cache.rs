//! Answers of outside services that are asked for again and again: kept for a while, and for longer in need.
//!
//! A **query** has a name, a version of its answer's shape and two spans. While its answer is `fresh`, nobody asks
//! the service. After that the first caller asks, for everybody; when the service cannot be asked, the last good
//! answer is given with its age, for as long as `keep`.
//!
//! Answers are kept in the process and, when there is one, in Redis, where all instances find them. Of two copies the
//! later counts. Without Redis the copies of the process serve; no caller ever sees an error of Redis.

mod entry;
mod flight;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::clock::{SharedClock, Timestamp};
use crate::config;
use crate::redis::Redis;
use entry::{Entry, Near};
use flight::{Boarded, Flight, Flights};

/// A question to an outside service and how long its answer is good.
#[derive(Clone, Debug)]
pub struct Query {
    /// Part of the key and the label of `cache_requests_total`.
    pub name: &'static str,
    /// The version of the answer's shape: raise it when the type changes, and old answers are not found.
    pub version: u32,
    /// While an answer is younger, the service is not asked.
    pub fresh: Duration,
    /// How long after that it is still given when the service cannot be asked.
    pub keep: Duration,
}

impl Query {
    /// How long an answer may be of use at all.
    fn life(&self) -> Duration {
        self.fresh.saturating_add(self.keep)
    }

    fn key(&self, key: &str) -> String {
        format!("{}:v{}:{key}", self.name, self.version)
    }
}

/// The queries of this bot.
#[derive(Clone, Debug)]
pub struct Queries {
    /// The rating of the network.
    pub rating: Query,
    /// The salons of the network.
    pub salons: Query,
    /// The numbers of one partner's salons.
    pub statistics: Query,
    /// The stages of a department's project.
    pub stages: Query,
}

impl Queries {
    fn new(settings: &config::Cache) -> Queries {
        let query = |name, version, fresh| Query { name, version, fresh, keep: settings.keep };
        Queries {
            rating: query("rating", 1, settings.rating),
            salons: query("salons", 1, settings.salons),
            statistics: query("statistics", 1, settings.statistics),
            stages: query("stages", 1, settings.stages),
        }
    }
}

/// An answer with its age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached<T> {
    /// The answer.
    pub value: T,
    /// When it was asked for.
    pub loaded_at: Timestamp,
    /// Whether it is older than it should be: the service cannot be asked, or is being asked by somebody else.
    pub is_stale: bool,
}

/// Until when somebody waits for a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// When an older answer is at hand.
    pub for_fresh: Timestamp,
    /// When there is none.
    pub for_first: Timestamp,
}

/// Loads that may go on at once after their callers have left; the callers of others take them along.
const LEFT_BEHIND: usize = 2000;

/// Keeps answers; clones share them.
#[derive(Clone, Debug)]
pub struct Cache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    near: Near,
    far: Option<Redis>,
    flights: Flights,
    clock: SharedClock,
    queries: Queries,
    /// Room for loads whose callers have left.
    room: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Cache {
    /// A cache in the process, and in `redis` when there is one.
    pub fn new(settings: &config::Cache, redis: Option<Redis>, clock: SharedClock) -> Cache {
        Cache(Arc::new(Inner {
            near: Near::new(),
            far: redis,
            flights: Flights::default(),
            clock,
            queries: Queries::new(settings),
            room: Arc::new(Semaphore::new(LEFT_BEHIND)),
            stop: CancellationToken::new(),
        }))
    }

    /// The queries of this bot, with the spans people have set.
    pub fn queries(&self) -> &Queries {
        &self.0.queries
    }

    /// The answer to `query` about `key`: the kept one while it is fresh, else what `load` brings.
    ///
    /// Of callers in this process who want the same at once, one loads; the others wait for it, or take the stale
    /// answer if there is one. `load` is dropped unused when it is not needed. When it fails, the last good answer is
    /// given as stale; without one its error is. A caller who waited for a load that failed loads for itself, for
    /// errors cannot be shared. A loader that panics or is dropped leaves the key to the next caller.
    /// `load` must not ask for its own key: it would wait for itself.
    pub async fn get<T, E>(
        &self,
        query: &Query,
        key: &str,
        load: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<Cached<T>, E>
    where
        T: Serialize + DeserializeOwned + Send,
    {
        let (answer, outcome) = self.0.answer(query, &query.key(key), load).await;
        metrics::counter!("cache_requests_total", "query" => query.name, "outcome" => outcome).increment(1);
        answer
    }

    /// The same for somebody who does not wait for ever: when their patience ends, they are given what is kept, or
    /// `None`, and the load goes on without them, so that whoever asks a little later finds its answer.
    ///
    /// A caller who is dropped before that takes the load along, as ever.
    pub async fn get_in_time<T, E>(
        &self,
        query: &Query,
        key: &str,
        patience: Patience,
        load: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<Option<Cached<T>>, E>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
    {
        let mut asked = Box::pin({
            let (cache, query, key) = (self.clone(), query.clone(), key.to_owned());
            async move { cache.get(&query, &key, load).await }
        });
        let mut kept = None;
        for until in [patience.for_fresh, patience.for_first] {
            tokio::select! {
                biased;
                answer = &mut asked => return answer.map(Some),
                () = self.0.clock.sleep_until(until) => {}
            }
            kept = self.0.look(query, &query.key(key)).await;
            if kept.is_some() {
                break;
            }
        }
        let outcome = if kept.is_some() { "stale" } else { "late" };
        metrics::counter!("cache_requests_total", "query" => query.name, "outcome" => outcome).increment(1);
        self.leave_behind(asked);
        Ok(kept)
    }

    /// Gives up the loads whose callers have left: the bot stops.
    pub fn stop(&self) {
        self.0.stop.cancel();
    }

    /// Forgets the answer, after a change that makes it wrong. A load that is under way will not be kept.
    pub async fn forget(&self, query: &Query, key: &str) {
        let (key, entry) = (query.key(key), Arc::new(Entry::forgotten(query, self.0.clock.now())));
        self.0.near.keep(&key, Arc::clone(&entry));
        self.0.share(query, &key, &entry).await;
    }

    /// Lets a load go on by itself, if there is room. Its error has nobody to hear it: the next caller asks anew.
    fn leave_behind(&self, load: impl Future<Output: Send> + Send + 'static) {
        let Ok(place) = Arc::clone(&self.0.room).try_acquire_owned() else { return };
        let stop = self.0.stop.clone();
        tokio::spawn(async move {
            stop.run_until_cancelled(load).await;
            drop(place);
        });
    }

    /// For `/health`: `status`, how many answers are kept in the process, and Redis.
    pub fn report(&self) -> Value {
        let redis = self.0.far.as_ref().map(Redis::report);
        json!({
            "status": redis.as_ref().map_or("ok", |redis| redis["status"].as_str().unwrap_or("degraded")),
            "store": if redis.is_some() { "redis" } else { "process" },
            "entries": self.0.near.len(),
            "redis": redis,
        })
    }
}

impl Inner {
    /// The answer, and what it is called in `cache_requests_total`.
    async fn answer<T, E>(
        &self,
        query: &Query,
        key: &str,
        load: impl Future<Output = Result<T, E>> + Send,
    ) -> (Result<Cached<T>, E>, &'static str)
    where
        T: Serialize + DeserializeOwned + Send,
    {
        let stale = match self.look(query, key).await {
            Some(kept) if !kept.is_stale => return (Ok(kept), "hit"),
            stale => stale,
        };
        let flight = if stale.is_some() {
            self.flights.begin(key).ok()
        } else {
            match self.flights.board(key).await {
                Boarded::Alone(flight) => Some(flight),
                Boarded::Landed(entry) => {
                    if let Some(shared) = entry.and_then(|entry| self.open(query, &entry)) {
                        return (Ok(shared), "shared");
                    }
                    None
                }
            }
        };
        match (flight, stale) {
            (None, Some(stale)) => (Ok(stale), "stale"),
            (flight, stale) => self.load(query, key, flight, stale, load).await,
        }
    }

    /// Loads, for everybody who waits for this `flight`. Without one, only for the caller.
    async fn load<T, E>(
        &self,
        query: &Query,
        key: &str,
        flight: Option<Flight<'_>>,
        stale: Option<Cached<T>>,
        load: impl Future<Output = Result<T, E>> + Send,
    ) -> (Result<Cached<T>, E>, &'static str)
    where
        T: Serialize + DeserializeOwned + Send,
    {
        // Another flight may have landed between the look and the start of this one.
        let kept = self.near.get(key);
        if let Some(fresh) = kept.as_deref().and_then(|entry| self.open(query, entry))
            && !fresh.is_stale
        {
            if let Some(flight) = flight {
                flight.land(kept);
            }
            return (Ok(fresh), "hit");
        }
        let loaded_at = self.clock.now();
        let loaded = load.await;
        let entry = loaded.as_ref().ok().and_then(|value| self.keep(query, key, loaded_at, value));
        if let Some(flight) = flight {
            flight.land(entry.clone());
        }
        if let Some(entry) = entry {
            self.share(query, key, &entry).await;
        }
        match (loaded, stale) {
            (Ok(value), _) => (Ok(Cached { value, loaded_at, is_stale: false }), "loaded"),
            (Err(_), Some(stale)) => (Ok(stale), "stale"),
            (Err(error), None) => (Err(error), "failed"),
        }
    }

    /// Of the copies here and in Redis, the later; `None` when it is of no use.
    async fn look<T: DeserializeOwned>(&self, query: &Query, key: &str) -> Option<Cached<T>> {
        let far = match &self.far {
            Some(redis) => redis.get(key).await.and_then(|text| Entry::read(query, &text)),
            None => None,
        };
        let entry = match far {
            Some(far) => self.near.keep(key, Arc::new(far)),
            None => self.near.get(key)?,
        };
        self.open(query, &entry)
    }

    fn open<T: DeserializeOwned>(&self, query: &Query, entry: &Entry) -> Option<Cached<T>> {
        entry.open(query, self.clock.now())
    }

    /// Keeps an answer in the process. `None` when it was forgotten while it was on its way.
    fn keep<T: Serialize>(
        &self,
        query: &Query,
        key: &str,
        loaded_at: Timestamp,
        value: &T,
    ) -> Option<Arc<Entry>> {
        let entry = Entry::of(query, loaded_at, value)
            .inspect_err(|error| tracing::error!("an answer to {} cannot be kept: {error}", query.name));
        let entry = Arc::new(entry.ok()?);
        let counts = self.near.keep(key, Arc::clone(&entry));
        Arc::ptr_eq(&counts, &entry).then_some(entry)
    }

    /// Gives a copy to the other instances.
    async fn share(&self, query: &Query, key: &str, entry: &Entry) {
        if let Some(redis) = &self.far {
            redis.set(key, &entry.text(), query.life()).await;
        }
    }
}
