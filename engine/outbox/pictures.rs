//! Charts as pictures: drawn when they leave, and kept for whoever is sent the same.

use std::sync::{Mutex, PoisonError};
use std::thread;

use axum::body::Bytes;
use cached::{Cached as _, LruCache};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::chart::{self, Chart};
use crate::telegram::{Content, Upload};

/// Pictures kept at a time, of some tens of kilobytes each.
const KEPT: usize = 32;

/// Draws pictures, and keeps those drawn lately by what is on them.
#[derive(Debug)]
pub(super) struct Pictures {
    kept: Mutex<LruCache<String, Bytes>>,
    /// Half of the processor at most: a picture is a tenth of a second of hard work, and talks must go on beside it.
    desks: Semaphore,
}

/// Why a chart is not drawn: it got into the outbox although a script may not say it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the chart cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error(transparent)]
    Chart(#[from] chart::Error),
}

impl Default for Pictures {
    fn default() -> Pictures {
        let desks = thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
        Pictures { kept: Mutex::new(LruCache::new(KEPT)), desks: Semaphore::new(desks) }
    }
}

impl Pictures {
    /// The picture that a message brings along, if it does.
    pub async fn of(&self, content: &Content) -> Result<Option<Upload>, Error> {
        let Content::Chart { chart, .. } = content else { return Ok(None) };
        let name = chart.to_string();
        let bytes = match self.known(&name) {
            Some(bytes) => bytes,
            None => self.drawn(name, chart).await?,
        };
        Ok(Some(Upload { name: "chart.png", bytes }))
    }

    /// Draws when a desk is free, unless somebody has drawn the same meanwhile.
    async fn drawn(&self, name: String, chart: &Value) -> Result<Bytes, Error> {
        let _desk = self.desks.acquire().await.expect("it is never closed");
        if let Some(bytes) = self.known(&name) {
            return Ok(bytes);
        }
        let bytes = draw(chart).await?;
        self.kept().cache_set(name, bytes.clone());
        Ok(bytes)
    }

    fn known(&self, name: &str) -> Option<Bytes> {
        self.kept().cache_get(name).cloned()
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, LruCache<String, Bytes>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Draws on a thread that may block.
async fn draw(chart: &Value) -> Result<Bytes, Error> {
    let chart: Chart = serde_json::from_value(chart.clone())?;
    let drawn = tokio::task::spawn_blocking(move || chart::draw(&chart)).await;
    Ok(drawn.expect("drawing does not panic, nor is it cancelled")?.into())
}
