//! Updates accepted once, in order per lane: Telegram's, Bitrix24's, timers, panel actions and events.

use serde::Serialize;
use sqlx::FromRow;

use super::database::{Rows, Tx};
use super::{Json, LaneId};
use crate::clock::Timestamp;

/// The number of an entry; it grows in the order of acceptance within a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct EntryId(pub i64);

/// Something to accept. A second one with the same `source` and `key` vanishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct New {
    /// Where it comes from: `telegram`, `bitrix24`, `timer`, `event`, `panel`.
    pub source: String,
    /// Its name there, such as an update id; unique within the source.
    pub key: String,
    /// Whose turn it asks for.
    pub lane: LaneId,
    /// What happened, in the source's own words.
    pub body: Json,
}

/// Something accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: EntryId,
    /// Where it comes from.
    pub source: String,
    /// Its name there.
    pub key: String,
    /// Whose turn it asks for.
    pub lane: LaneId,
    /// What happened, in the source's own words.
    pub body: Json,
    /// When it was accepted.
    pub received_at: Timestamp,
}
