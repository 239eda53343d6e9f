//! One kept answer, and the store of the process.

use std::sync::{Arc, Mutex, PoisonError};

use cached::{Cached as _, LruCache};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::{Cached, Query};
use crate::clock::Timestamp;

/// An answer as it is kept, or the note that there is none any more.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    version: u32,
    /// When it was asked for; when it was forgotten, if there is no answer.
    loaded_at: Timestamp,
    /// JSON. An answer of `null` is an answer, too.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    answer: Option<Box<RawValue>>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::deserialize(deserializer).map(Some)
}

impl Entry {
    /// An answer. Errors: its type has no form in JSON.
    pub fn of<T: Serialize>(query: &Query, loaded_at: Timestamp, value: &T) -> serde_json::Result<Entry> {
        let answer = Some(serde_json::value::to_raw_value(value)?);
        Ok(Entry { version: query.version, loaded_at, answer })
    }

    /// The note that what was there is wrong. It is kept like an answer, so that an older copy does not come back.
    pub fn forgotten(query: &Query, at: Timestamp) -> Entry {
        Entry { version: query.version, loaded_at: at, answer: None }
    }

    /// Reads what [`Entry::text`] wrote for this version of the query; `None` for anything else.
    pub fn read(query: &Query, text: &str) -> Option<Entry> {
        serde_json::from_str(text).ok().filter(|entry: &Entry| entry.version == query.version)
    }

    /// As it is kept in Redis.
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("an entry has string keys and JSON that was checked")
    }

    /// The answer at this moment; `None` when it is too old, does not fit its type or is forgotten.
    pub fn open<T: DeserializeOwned>(&self, query: &Query, now: Timestamp) -> Option<Cached<T>> {
        let age = now.since(self.loaded_at);
        let answer = self.answer.as_ref().filter(|_| age < query.life())?;
        let value = serde_json::from_str(answer.get()).ok()?;
        Some(Cached { value, loaded_at: self.loaded_at, is_stale: age >= query.fresh })
    }
}

/// Answers kept in the process at most; those not asked for longest go first.
const ENTRIES: usize = 10_000;

/// The store of the process.
#[derive(Debug)]
pub(super) struct Near(Mutex<LruCache<String, Arc<Entry>>>);

impl Near {
    pub fn new() -> Near {
        Near(Mutex::new(LruCache::new(ENTRIES)))
    }

    pub fn get(&self, key: &str) -> Option<Arc<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).cache_get(key).map(Arc::clone)
    }

    /// Keeps an entry unless a later one is there; returns the one that counts.
    pub fn keep(&self, key: &str, entry: Arc<Entry>) -> Arc<Entry> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match entries.cache_get(key) {
            Some(later) if later.loaded_at > entry.loaded_at => Arc::clone(later),
            _ => {
                entries.cache_set(key.to_owned(), Arc::clone(&entry));
                entry
            }
        }
    }

    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).cache_size()
    }
}
