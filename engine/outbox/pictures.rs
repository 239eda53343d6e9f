//! Charts as pictures: drawn when they leave, and kept for whoever is sent the same.

use std::sync::{Mutex, PoisonError};

use axum::body::Bytes;
use cached::{Cached as _, LruCache};
use serde_json::Value;

use crate::chart::{self, Chart};
use crate::telegram::{Content, Upload};

/// Pictures kept at a time, of some tens of kilobytes each.
const KEPT: usize = 32;

/// The pictures drawn lately, by what is on them.
#[derive(Debug)]
pub(super) struct Pictures(Mutex<LruCache<String, Bytes>>);

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
        Pictures(Mutex::new(LruCache::new(KEPT)))
    }
}

impl Pictures {
    /// The picture that a message brings along, if it does.
    pub async fn of(&self, content: &Content) -> Result<Option<Upload>, Error> {
        let Content::Chart { chart, .. } = content else { return Ok(None) };
        let name = chart.to_string();
        let known = self.kept().cache_get(&name).cloned();
        let bytes = if let Some(bytes) = known {
            bytes
        } else {
            let bytes = draw(chart).await?;
            self.kept().cache_set(name, bytes.clone());
            bytes
        };
        Ok(Some(Upload { name: "chart.png", bytes }))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, LruCache<String, Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Draws on a thread that may block.
async fn draw(chart: &Value) -> Result<Bytes, Error> {
    let chart: Chart = serde_json::from_value(chart.clone())?;
    let drawn = tokio::task::spawn_blocking(move || chart::draw(&chart)).await;
    Ok(drawn.expect("drawing does not panic, nor is it cancelled")?.into())
}
