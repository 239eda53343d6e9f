//! Whoever writes a command does not wait for a slow service: the reads of their chat's turn are given up at once.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::store::LaneId;

/// The chats with a turn at work here, and whether it must hurry.
#[derive(Debug, Default)]
pub(super) struct Hurry {
    lanes: Mutex<HashMap<LaneId, bool>>,
    changed: Notify,
}

/// A chat's turn at work; at its end nobody hurries any more.
#[derive(Debug)]
pub(super) struct AtWork<'a> {
    hurry: &'a Hurry,
    lane: LaneId,
}

impl Hurry {
    /// Has the turn of a chat hurry, if one is at work here.
    pub fn up(&self, lane: LaneId) {
        if let Some(hurries) = self.lanes().get_mut(&lane) {
            *hurries = true;
            self.changed.notify_waiters();
        }
    }

    pub fn at_work(&self, lane: LaneId) -> AtWork<'_> {
        self.lanes().insert(lane, false);
        AtWork { hurry: self, lane }
    }

    fn lanes(&self) -> std::sync::MutexGuard<'_, HashMap<LaneId, bool>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AtWork<'_> {
    /// Returns when the turn must hurry.
    pub async fn hurries(&self) {
        loop {
            let mut changed = pin!(self.hurry.changed.notified());
            changed.as_mut().enable();
            if self.hurry.lanes().get(&self.lane).copied().unwrap_or_default() {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.hurry.lanes().remove(&self.lane);
    }
}
