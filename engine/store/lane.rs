//! One chat, one lane: whoever holds its lease is the only one to advance what concerns the chat.

use serde::Serialize;

use crate::telegram::ChatId;

/// A lane; its number is the chat's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct LaneId(pub i64);

impl From<ChatId> for LaneId {
    fn from(chat: ChatId) -> LaneId {
        LaneId(chat.0)
    }
}

impl LaneId {
    /// The chat whose lane it is.
    pub fn chat(self) -> ChatId {
        ChatId(self.0)
    }
}

/// The right to advance a lane. Each taking of the lane has a higher token, and a commit under an older
/// one is refused, so a holder that was thought dead cannot do harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub(super) lane: LaneId,
    pub(super) token: i64,
}

impl Lease {
    /// The lane it is for.
    pub fn lane(self) -> LaneId {
        self.lane
    }
}

/// Another instance accepted something that is ours to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wakeup {
    /// In this lane.
    Lane(LaneId),
    /// Anywhere: wake-ups may have been missed while the connection was away.
    All,
}
