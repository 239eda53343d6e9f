//! What is old goes; what stands still is counted.

use std::time::Duration;

use crate::clock::Timestamp;

/// How long finished things are kept; none keeps them for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Entries done with. Within this span a repeated update is known as such.
    pub inbox: Option<Duration>,
    /// Messages delivered or given up.
    pub outbox: Option<Duration>,
    /// Conversations finished or cancelled, with their journals. Parked ones are never swept.
    pub conversations: Option<Duration>,
}

/// How many rows went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Entries.
    pub entries: u64,
    /// Messages.
    pub messages: u64,
    /// Conversations.
    pub conversations: u64,
    /// Large answers nobody refers to.
    pub blobs: u64,
}

/// How the queues stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Entries not done with.
    pub open_entries: u64,
    /// When the oldest undelivered message was decided.
    pub oldest_message: Option<Timestamp>,
    /// Conversations parked as failed.
    pub parked: u64,
}
