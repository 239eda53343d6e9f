//! What the bot changes afterwards: texts, captions, buttons; what it deletes and closes.

use std::time::Duration;

use super::call::Reply;
use super::chat::{self, Chat};
use super::markup::Markup;
use super::message::{Author, Content, Message};
use super::params::Params;
use super::refusal::Refusal;
use super::send::{caption, text};
use super::updates::Queue;
use super::{Event, Sandbox, lock};

/// Nothing older is deleted.
const DELETABLE: Duration = Duration::from_hours(48);

const NOT_MODIFIED: &str = "message is not modified: specified new message content and reply markup are exactly \
                            the same as a current content and reply markup of the message";

impl Sandbox {
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
        poll.closed = true;
        let json = poll.json();
        let queue = Queue::Poll(poll.id.clone());
        message.buttons = buttons;
        self.push_update("poll", queue, &json);
        self.announce(Event::Chat(chat.card.id));
        Ok(Reply::value(&json))
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
