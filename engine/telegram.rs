//! Telegram's Bot API in its own words: what people do comes in as [`Incoming`], what the bot says goes out as
//! [`Outgoing`], and [`Client`] carries both. Requests and updates are teloxide's types; the sending is ours,
//! because the outbox must know the truth about every call.

mod client;
mod file;
mod incoming;
mod outgoing;

pub mod html;

use serde::{Deserialize, Serialize};

pub use client::{Client, Error, Request, Sent, Upload, Verdict};
pub use file::Source;
pub use incoming::{File, Incoming, Parsed, Person, What, parse, update_id};
pub use outgoing::{Button, Content, Key, Keyboard, Markup, Outgoing, Press, Target};

/// A chat: a person's id in a private chat, a negative number for a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChatId(pub i64);

impl ChatId {
    /// Whether several people talk here.
    pub fn is_group(self) -> bool {
        self.0 < 0
    }
}

/// A person, or a bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub i64);
