//! Runs of flows: where each stands.

use super::database::words;
use super::journal;
use super::script_set::SetHash;
use super::{Json, LaneId};
use crate::clock::Timestamp;
use crate::telegram::{ChatId, UserId};

/// The number of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct ConversationId(pub i64);

words! {
    /// Where a conversation stands.
    pub enum Status {
        /// It waits for an answer; a person has at most one such conversation in a chat.
        Awaiting = "awaiting",
        /// Its flow came to the end.
        Finished = "finished",
        /// The person left it, or another one took its place.
        Cancelled = "cancelled",
        /// Its script failed: it is parked until the script is mended.
        Failed = "failed",
    }
}

/// A conversation without its journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number, from [`Store::new_conversation`](super::Store::new_conversation).
    pub id: ConversationId,
    /// Where it is held.
    pub chat: ChatId,
    /// With whom.
    pub user: UserId,
    /// The flow it runs.
    pub flow: String,
    /// The script set it runs on.
    pub set: SetHash,
    /// How often it was turned back.
    pub epoch: u32,
    /// Where it stands.
    pub status: Status,
    /// What it waits for, or why it failed; the conversation's own words.
    pub detail: Json,
    /// When it was last advanced.
    pub updated_at: Timestamp,
}

impl Row {
    /// The lane that advances it.
    pub fn lane(&self) -> LaneId {
        self.chat.into()
    }
}

/// A conversation with its whole journal, in the order of steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Where it stands.
    pub row: Row,
    /// What it did.
    pub journal: Vec<journal::Row>,
}
