//! Messages decided and not yet delivered, in order per chat.

use serde::Serialize;
use sqlx::FromRow;

use super::Json;
use crate::clock::Timestamp;
use crate::telegram::ChatId;

/// The number of a message; a chat's messages are delivered in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct MessageId(pub i64);

/// A message to keep until it is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct New {
    /// Names the message for ever: the same key is never kept twice.
    pub key: String,
    /// Where it goes.
    pub chat: ChatId,
    /// The call to make, in the words of the delivery.
    pub call: Json,
}

/// A message not yet delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its number.
    pub id: MessageId,
    /// Its name.
    pub key: String,
    /// Where it goes.
    pub chat: ChatId,
    /// The call to make.
    pub call: Json,
    /// When it was decided.
    pub created_at: Timestamp,
    /// How often it was tried in vain.
    pub attempt_count: u32,
    /// It must not be tried before this instant; zero when it may go at once.
    pub not_before: Timestamp,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The message.
    pub message: MessageId,
    /// Its chat.
    pub chat: ChatId,
    /// What the delivery learned.
    pub outcome: Outcome,
}

/// How an attempt to deliver ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Delivered; Telegram's number of it, when it gave one. The partner is reachable again.
    Sent {
        /// The number within the chat.
        message_id: Option<i64>,
    },
    /// The call was wrong and is not repeated.
    Refused,
    /// The person blocked the bot: the partner is marked and everything queued for the chat is dropped.
    Unreachable,
    /// Not delivered; to be tried again.
    Later {
        /// Not before this instant.
        not_before: Timestamp,
    },
}
