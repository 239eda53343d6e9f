//! Messages of broadcasts: one for each person, beside the talks and never before them.

use serde::de::IgnoredAny;
use teloxide::payloads::StopPoll;
use teloxide::types::{self, MessageId};

use super::{Errand, Fate, Outbox, Pace};
use crate::store::Json;
use crate::telegram::{ChatId, Request, Verdict};

impl Outbox {
    /// Waits for the turn of one message: Telegram lets us, and no talk needs the moment.
    pub async fn spare_turn(&self) {
        self.client.until_free("sendMessage").await;
        self.throttle.until_spare().await;
    }

    /// Sends one whose turn it is until its fate is certain. `key` names it in the log.
    pub async fn send_spare(&self, key: &str, chat: ChatId, call: &Json) -> Fate {
        self.send(&Errand { key, chat, call, pace: Pace::Spare }).await
    }

    /// Has a poll take no more votes in one chat. False when that is to be tried again.
    pub async fn stop_poll(&self, chat: ChatId, message_id: i64) -> bool {
        let Ok(message_id) = i32::try_from(message_id) else { return true };
        let request = Request::of(&StopPoll::new(types::ChatId(chat.0), MessageId(message_id)));
        self.spare_turn().await;
        match self.client.call::<IgnoredAny>(request).await {
            Ok(_) => true,
            Err(error) => match error.verdict() {
                // Closed before, deleted, or the person has stopped the bot: there is nothing to close.
                Verdict::Done | Verdict::Unreachable | Verdict::GiveUp | Verdict::WithoutMarkup => true,
                Verdict::Again | Verdict::Wait | Verdict::InDoubt => false,
            },
        }
    }
}
