//! Moments promised: a question's time limit and its reminder.

use super::LaneId;
use super::conversation::ConversationId;
use super::database::words;
use super::journal::StepNo;
use crate::clock::Timestamp;
use crate::telegram::UserId;

words! {
    /// What a timer is for.
    pub enum Kind {
        /// The time to answer is over.
        Limit = "limit",
        /// The person is reminded of the question.
        Remind = "remind",
    }
}

/// A moment to promise. A step has at most one timer of a kind: a second one replaces the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct New {
    /// Whose it is; it disappears with the conversation.
    pub conversation: ConversationId,
    /// The step that waits.
    pub step: StepNo,
    /// What it is for.
    pub kind: Kind,
    /// The lane it enters when it fires.
    pub lane: LaneId,
    /// The person who is awaited.
    pub user: UserId,
    /// When it fires.
    pub fire_at: Timestamp,
}
