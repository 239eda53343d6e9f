//! Of callers who want the same at once, one loads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::entry::Entry;

/// How a load ended: with an answer for everybody, or without one.
type Landing = Option<Arc<Entry>>;

/// The loads under way, by key.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<String, watch::Receiver<Landing>>>);

/// A load under way, in the hands of whoever loads. However it ends, the key is free again.
#[derive(Debug)]
pub(super) struct Flight<'a> {
    flights: &'a Flights,
    key: String,
    landing: watch::Sender<Landing>,
}

/// What became of somebody who wanted to load.
#[derive(Debug)]
pub(super) enum Boarded<'a> {
    /// It is theirs to do.
    Alone(Flight<'a>),
    /// Somebody else did it meanwhile, well or not.
    Landed(Landing),
}

impl Flights {
    /// Begins to load, unless somebody loads already.
    pub fn begin(&self, key: &str) -> Result<Flight<'_>, watch::Receiver<Landing>> {
        let mut flights = self.lock();
        if let Some(other) = flights.get(key) {
            return Err(other.clone());
        }
        let (landing, passengers) = watch::channel(None);
        flights.insert(key.to_owned(), passengers);
        Ok(Flight { flights: self, key: key.to_owned(), landing })
    }

    /// Begins to load, or waits for whoever loads already. When that one vanishes, another begins.
    pub async fn board(&self, key: &str) -> Boarded<'_> {
        loop {
            match self.begin(key) {
                Ok(flight) => return Boarded::Alone(flight),
                Err(mut other) => {
                    if other.changed().await.is_ok() {
                        return Boarded::Landed(other.borrow_and_update().clone());
                    }
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Receiver<Landing>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight<'_> {
    /// Tells those who wait; the key is free from now on.
    pub fn land(self, landing: Landing) {
        // Before the key is free: nobody may find neither a flight nor a landing.
        self.landing.send_replace(landing);
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
    }
}
