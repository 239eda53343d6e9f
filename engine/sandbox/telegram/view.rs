//! What is seen of the desk: messages, keyboards, transcripts, and waiting for a fact.

use std::time::Duration;

use super::message::{Message, ReplyKeyboard};
use super::{Telegram, chat, lock, read};

/// Generous: it is only spent when a test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// What was waited for did not happen.
#[derive(Debug, thiserror::Error)]
#[error("it did not happen within {PATIENCE:?}; the chats are:\n{transcripts}")]
pub struct NotSeen {
    /// Every chat as it is.
    pub transcripts: String,
}

impl Telegram {
    /// The messages of a chat, the latest 2,000, in order of ids, deleted ones included; none for an unknown chat.
    pub fn messages(&self, chat: i64) -> Vec<Message> {
        self.find_chat(chat).map(|chat| lock(&chat).messages.iter().cloned().collect()).unwrap_or_default()
    }

    /// The bot's latest message in a chat that was not deleted.
    pub fn last_from_bot(&self, chat: i64) -> Option<Message> {
        let chat = self.find_chat(chat)?;
        let chat = lock(&chat);
        chat.messages.iter().rev().find(|message| message.is_from_bot() && !message.deleted).cloned()
    }

    /// How many messages the bot sent to a chat.
    pub fn sent(&self, chat: i64) -> u64 {
        self.find_chat(chat).map_or(0, |chat| lock(&chat).sent)
    }

    /// The keyboard under the person's input field, folded or not.
    pub fn keyboard(&self, chat: i64, person: i64) -> Option<ReplyKeyboard> {
        lock(&*self.find_chat(chat)?).keyboards.get(&person).cloned()
    }

    /// The chat as a page of text: a line per act, `name  text  [button]`; `✎` is an edit, `✗` a deletion, `« »` the
    /// notice after a press. Names are padded to one column. Empty for an unknown chat.
    pub fn transcript(&self, chat: i64) -> String {
        self.find_chat(chat).map(|chat| lock(&chat).transcript()).unwrap_or_default()
    }

    /// Messages of the bot that repeat the one it sent just before, with nothing of a person in between: as
    /// (first, second) ids. After faults these are the sends that came twice.
    pub fn duplicates(&self, chat: i64) -> Vec<(i64, i64)> {
        let messages = self.messages(chat);
        let pairs = messages.windows(2).filter(|pair| {
            pair.iter().all(Message::is_from_bot) && pair[0].album.is_none() && chat::same(&pair[0], &pair[1])
        });
        pairs.map(|pair| (pair[0].id, pair[1].id)).collect()
    }

    /// Returns as soon as `seen` is true; it is asked again after every event. The error has all transcripts.
    pub async fn wait_for(&self, seen: impl Fn(&Telegram) -> bool) -> Result<(), NotSeen> {
        self.wait_within(PATIENCE, seen).await
    }

    /// The same, with as much patience as it needs.
    pub async fn wait_within(
        &self,
        patience: Duration,
        seen: impl Fn(&Telegram) -> bool,
    ) -> Result<(), NotSeen> {
        let mut version = self.0.version.subscribe();
        let happens = async {
            while !seen(self) {
                if version.changed().await.is_err() {
                    break;
                }
            }
        };
        tokio::time::timeout(patience, happens)
            .await
            .map_err(|_| NotSeen { transcripts: self.all_transcripts() })
    }

    fn all_transcripts(&self) -> String {
        let mut chats: Vec<i64> = read(&self.0.chats).keys().copied().collect();
        chats.sort_unstable();
        let pages: Vec<String> =
            chats.into_iter().map(|chat| format!("— {chat} —\n{}", self.transcript(chat))).collect();
        pages.concat()
    }
}
