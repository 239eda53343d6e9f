//! What the bot changes afterwards: texts, captions, buttons; what it deletes and closes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::clock::Timestamp;

use super::call::Reply;
use super::chat::{self, Chat};
use super::markup::Markup;
use super::message::{Author, Content, Message};
use super::params::Params;
use super::poll::Poll;
use super::refusal::Refusal;
use super::send::{caption, text};
use super::updates::Queue;
use super::{Event, Telegram, lock};

/// Nothing older is deleted.
const DELETABLE: Duration = Duration::from_hours(48);

const NOT_MODIFIED: &str = "message is not modified: specified new message content and reply markup are exactly \
                            the same as a current content and reply markup of the message";

impl Telegram {
    pub(super) fn edit_text(&self, params: &Params) -> Result<Reply, Refusal> {
        self.edit(params, |message| {
            if message.content != Content::Text {
                return Err(Refusal::bad_request("there is no text in the message to edit"));
            }
            message.body = text(params)?;
            Ok(())
        })
    }

    pub(super) fn edit_caption(&self, params: &Params) -> Result<Reply, Refusal> {
        self.edit(params, |message| match message.content {
            Content::Photo(_) | Content::Document(_) => {
                message.body = caption(params)?;
                Ok(())
            }
            Content::Text | Content::Contact { .. } | Content::Poll(_) => {
                Err(Refusal::bad_request("there is no caption in the message to edit"))
            }
        })
    }

    pub(super) fn edit_markup(&self, params: &Params) -> Result<Reply, Refusal> {
        self.edit(params, |_| Ok(()))
    }

    pub(super) fn delete_message(&self, params: &Params) -> Result<Reply, Refusal> {
        let chat = self.addressee(params)?;
        let now = self.now();
        let mut chat = lock(&chat);
        let is_private = chat.is_private();
        let message = chat
            .message_mut(message_id(params))
            .ok_or_else(|| Refusal::bad_request("message to delete not found"))?;
        let is_young = now.0 / 1000 - message.at < i64::try_from(DELETABLE.as_secs()).unwrap_or(i64::MAX);
        if !is_young || !(message.is_from_bot() || is_private) {
            return Err(Refusal::bad_request("message can't be deleted for everyone"));
        }
        message.deleted = true;
        let line = format!("✗ {}", chat::line(message, &Markup::Absent));
        chat.record(Author::Bot, line);
        self.announce(Event::Chat(chat.card.id));
        Ok(Reply::yes())
    }

    pub(super) fn stop_poll(&self, params: &Params) -> Result<Reply, Refusal> {
        let chat = self.addressee(params)?;
        let buttons = Markup::for_edit(params)?;
        let mut chat = lock(&chat);
        let message = own(&mut chat, params, "message with poll to stop not found")?;
        let Content::Poll(poll) = &mut message.content else {
            return Err(Refusal::bad_request("message with poll to stop not found"));
        };
        if poll.closed {
            return Err(Refusal::bad_request("poll has already been closed"));
        }
        let json = self.close_poll(poll);
        message.buttons = buttons;
        self.announce(Event::Chat(chat.card.id));
        Ok(Reply::value(&json))
    }

    /// Closes a poll when its time is over, unless the bot did before.
    pub(super) async fn close_poll_at(self, at: Timestamp, chat: Arc<Mutex<Chat>>, message: i64) {
        self.0.clock.sleep_until(at).await;
        let mut chat = lock(&chat);
        let Some(Content::Poll(poll)) = chat.message_mut(message).map(|message| &mut message.content) else {
            return;
        };
        if !poll.closed {
            self.close_poll(poll);
            self.announce(Event::Chat(chat.card.id));
        }
    }

    /// Closes a poll, tells the bot its last state and returns it.
    fn close_poll(&self, poll: &mut Poll) -> Value {
        poll.closed = true;
        let json = poll.json();
        self.push_update("poll", Queue::Poll(poll.id.clone()), &json);
        json
    }

    /// Changes one of the bot's messages; without `reply_markup` its buttons are gone.
    fn edit(
        &self,
        params: &Params,
        change: impl FnOnce(&mut Message) -> Result<(), Refusal>,
    ) -> Result<Reply, Refusal> {
        let chat = self.addressee(params)?;
        let buttons = Markup::for_edit(params)?;
        let now = self.now();
        let mut chat = lock(&chat);
        let card = chat.card.clone();
        let message = own(&mut chat, params, "message to edit not found")?;
        let mut edited = message.clone();
        change(&mut edited)?;
        edited.buttons = buttons;
        if edited.body == message.body && edited.buttons == message.buttons {
            return Err(Refusal::bad_request(NOT_MODIFIED));
        }
        edited.edited_at = Some(now.0 / 1000);
        *message = edited;
        let json = message.json(&self.0.bot, &card);
        let line = format!("✎ {}", chat::line(message, &Markup::Absent));
        chat.record(Author::Bot, line);
        self.announce(Event::Chat(card.id));
        Ok(Reply::value(&json))
    }
}

fn own<'a>(chat: &'a mut Chat, params: &Params, missing: &str) -> Result<&'a mut Message, Refusal> {
    let message = chat.message_mut(message_id(params)).ok_or_else(|| Refusal::bad_request(missing))?;
    if message.is_from_bot() { Ok(message) } else { Err(Refusal::bad_request("message can't be edited")) }
}

fn message_id(params: &Params) -> i64 {
    params.int("message_id").unwrap_or(0)
}
