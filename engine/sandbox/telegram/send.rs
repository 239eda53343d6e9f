//! What the bot sends: text, pictures, files, albums, polls.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::call::Reply;
use crate::clock::Timestamp;

use super::chat::{self, Chat};
use super::files::Given;
use super::html::{self, Entity, Rich};
use super::markup::Markup;
use super::message::{Author, Content, Message, Place};
use super::params::Params;
use super::poll::{Poll, PollOption};
use super::refusal::Refusal;
use super::{Event, Telegram, lock};

const MAX_TEXT: usize = 4096;
const MAX_CAPTION: usize = 1024;
const MAX_RAW_BYTES: usize = 32 << 10;
const TYPING: Duration = Duration::from_secs(5);

impl Telegram {
    pub(super) fn send_message(&self, params: &Params) -> Result<Reply, Refusal> {
        let chat = self.addressee(params)?;
        let body = text(params)?;
        self.send(&chat, params, Message::new(Author::Bot, body, Content::Text))
    }

    pub(super) fn send_photo(&self, params: &Params) -> Result<Reply, Refusal> {
        let chat = self.addressee(params)?;
        let photo = self.0.files.sent_photo(params, &Given::Parameter("photo"))?;
        self.send(&chat, params, Message::new(Author::Bot, caption(params)?, Content::Photo(photo)))
    }

    pub(super) fn send_document(&self, params: &Params) -> Result<Reply, Refusal> {
        let chat = self.addressee(params)?;
        let document = self.0.files.sent_document(params, &Given::Parameter("document"))?;
        self.send(&chat, params, Message::new(Author::Bot, caption(params)?, Content::Document(document)))
    }

    pub(super) fn send_media_group(&self, params: &Params) -> Result<Reply, Refusal> {
        let chat = self.addressee(params)?;
        let complaint = "can't parse media JSON object";
        let items: Vec<Item> = params.json("media", complaint)?.unwrap_or_default();
        if !(2..=10).contains(&items.len()) {
            return Err(Refusal::bad_request("album must contain from 2 to 10 items"));
        }
        if items.iter().any(|item| item.kind != items[0].kind) {
            return Err(Refusal::bad_request("document can't be mixed with other media types"));
        }
        let album = self.next_number().to_string();
        let mut messages = Vec::with_capacity(items.len());
        for item in items {
            let given = Given::Media(&item.media);
            let content = match item.kind {
                ItemKind::Photo => Content::Photo(self.0.files.sent_photo(params, &given)?),
                ItemKind::Document => Content::Document(self.0.files.sent_document(params, &given)?),
            };
            let body = limited(
                formatted(&item.caption, item.parse_mode.as_deref(), item.caption_entities)?,
                MAX_CAPTION,
                "message caption is too long",
            )?;
            messages.push(Message { album: Some(album.clone()), ..Message::new(Author::Bot, body, content) });
        }
        let sent = self.put_all(&chat, params, messages, Markup::Absent)?;
        Ok(Reply::value(&Value::Array(sent)))
    }

    pub(super) fn send_poll(&self, params: &Params) -> Result<Reply, Refusal> {
        let chat = self.addressee(params)?;
        let poll = poll(params, self.next_number())?;
        let closes = closes_at(params, self.now())?;
        let sent =
            self.put_one(&chat, params, Message::new(Author::Bot, Rich::default(), Content::Poll(poll)))?;
        if let (Some(at), Some(message)) = (closes, sent["message_id"].as_i64()) {
            self.0.runtime.spawn(self.clone().close_poll_at(at, chat, message));
        }
        Ok(Reply::value(&sent))
    }

    pub(super) fn send_chat_action(&self, params: &Params) -> Result<Reply, Refusal> {
        let chat = self.addressee(params)?;
        if params.text("action").is_none_or(|action| action.is_empty()) {
            return Err(Refusal::bad_request("wrong parameter action in request"));
        }
        let mut chat = lock(&chat);
        chat.typing_until = self.now() + TYPING;
        self.announce(Event::Chat(chat.card.id));
        Ok(Reply::yes())
    }

    /// The chat that a call is about, if the bot may write there.
    pub(super) fn addressee(&self, params: &Params) -> Result<Arc<Mutex<Chat>>, Refusal> {
        let id = params.text("chat_id").unwrap_or_default();
        if id.is_empty() {
            return Err(Refusal::bad_request("chat_id is empty"));
        }
        let known = id.trim().parse().ok().and_then(|id| self.find_chat(id));
        let chat = known.ok_or_else(|| Refusal::bad_request("chat not found"))?;
        self.may_write(&lock(&chat))?;
        Ok(chat)
    }

    fn may_write(&self, chat: &Chat) -> Result<(), Refusal> {
        if let Some(to) = chat.migrated_to {
            return Err(Refusal::migrated(to));
        }
        match &chat.card.place {
            Place::Group { .. } if chat.bot_is_out => {
                Err(Refusal::forbidden("bot was kicked from the supergroup chat"))
            }
            Place::Group { .. } => Ok(()),
            Place::Private(card) => match self.find_person(card.id) {
                Some(person) if person.blocked => Err(Refusal::forbidden("bot was blocked by the user")),
                Some(person) if person.started => Ok(()),
                Some(_) | None => Err(Refusal::forbidden("bot can't initiate conversation with a user")),
            },
        }
    }

    fn send(&self, chat: &Mutex<Chat>, params: &Params, message: Message) -> Result<Reply, Refusal> {
        self.put_one(chat, params, message).map(|sent| Reply::value(&sent))
    }

    fn put_one(&self, chat: &Mutex<Chat>, params: &Params, message: Message) -> Result<Value, Refusal> {
        let markup = Markup::read(params, lock(chat).is_private())?;
        self.put_all(chat, params, vec![message], markup).map(|mut sent| sent.remove(0))
    }

    /// Puts messages into the chat together, once everything about them is known to be right.
    fn put_all(
        &self,
        chat: &Mutex<Chat>,
        params: &Params,
        messages: Vec<Message>,
        mut markup: Markup,
    ) -> Result<Vec<Value>, Refusal> {
        let now = self.now();
        let mut chat = lock(chat);
        let reply_to = answered(&chat, params)?;
        let count = u32::try_from(messages.len()).unwrap_or(u32::MAX);
        self.0.flood.pass(chat.card.id, count, now).map_err(Refusal::too_many_requests)?;
        let card = Arc::clone(&chat.card);
        let mut sent = Vec::with_capacity(messages.len());
        for mut message in messages {
            message.reply_to = reply_to;
            if let Markup::Inline(rows) = &mut markup {
                message.buttons = std::mem::take(rows);
            }
            let line = chat::line(&message, &markup);
            sent.push(chat.put(message, now).json(&self.0.bot, &card));
            chat.record(Author::Bot, line);
        }
        chat.apply(markup, reply_to);
        drop(chat);
        self.announce(Event::Chat(card.id));
        Ok(sent)
    }
}

/// `text` of a call, parsed, trimmed and measured.
pub(super) fn text(params: &Params) -> Result<Rich, Refusal> {
    let source = params.text("text").unwrap_or_default();
    if source.is_empty() {
        return Err(Refusal::bad_request("message text is empty"));
    }
    let entities = params.json("entities", "can't parse entities JSON object")?;
    let mut rich = limited(
        formatted(&source, params.text("parse_mode").as_deref(), entities.unwrap_or_default())?,
        MAX_TEXT,
        "message is too long",
    )?;
    if rich.text.is_empty() {
        return Err(Refusal::bad_request("text must be non-empty"));
    }
    if rich.entities.is_empty() {
        rich.entities = html::detect(&rich.text);
    }
    Ok(rich)
}

/// `caption` of a call, parsed, trimmed and measured; it may be empty.
pub(super) fn caption(params: &Params) -> Result<Rich, Refusal> {
    let source = params.text("caption").unwrap_or_default();
    let entities = params.json("caption_entities", "can't parse caption entities JSON object")?;
    let rich = formatted(&source, params.text("parse_mode").as_deref(), entities.unwrap_or_default())?;
    limited(rich, MAX_CAPTION, "message caption is too long")
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "type")]
    kind: ItemKind,
    media: String,
    #[serde(default)]
    caption: String,
    parse_mode: Option<String>,
    #[serde(default)]
    caption_entities: Vec<Entity>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ItemKind {
    Photo,
    Document,
}

/// The sandbox reads HTML and plain text; the other modes are refused rather than half understood.
fn formatted(source: &str, mode: Option<&str>, entities: Vec<Entity>) -> Result<Rich, Refusal> {
    if source.len() > MAX_RAW_BYTES {
        return Err(Refusal::bad_request("message is too long"));
    }
    match mode.map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "none") => Ok(Rich::new(source, entities)),
        Some("html") => html::parse(source)
            .map_err(|error| Refusal::bad_request(&format!("can't parse entities: {error}"))),
        Some(_) => Err(Refusal::bad_request("unsupported parse_mode")),
    }
}

fn limited(rich: Rich, limit: usize, complaint: &str) -> Result<Rich, Refusal> {
    if rich.text.chars().count() > limit { Err(Refusal::bad_request(complaint)) } else { Ok(rich) }
}

/// The message that this one answers.
fn answered(chat: &Chat, params: &Params) -> Result<Option<i64>, Refusal> {
    #[derive(Deserialize)]
    struct Reply {
        message_id: i64,
        #[serde(default)]
        allow_sending_without_reply: bool,
    }
    let reply: Option<Reply> = params.json("reply_parameters", "can't parse reply parameters JSON object")?;
    let reply = reply.or_else(|| {
        let message_id = params.int("reply_to_message_id").filter(|id| *id != 0)?;
        let allow_sending_without_reply = params.flag("allow_sending_without_reply");
        Some(Reply { message_id, allow_sending_without_reply })
    });
    let Some(reply) = reply else { return Ok(None) };
    let found = chat.message(reply.message_id).is_some_and(|message| !message.deleted);
    match (found, reply.allow_sending_without_reply) {
        (true, _) => Ok(Some(reply.message_id)),
        (false, true) => Ok(None),
        (false, false) => Err(Refusal::bad_request("message to be replied not found")),
    }
}

/// When a poll closes by itself: `open_period` in seconds from now, or `close_date`.
fn closes_at(params: &Params, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
    const PERIODS: std::ops::RangeInclusive<i64> = 5..=2_628_000;
    let date = params.int("close_date").filter(|date| *date > 0).map(|date| date - now.0 / 1000);
    match params.int("open_period").filter(|period| *period > 0).or(date) {
        None => Ok(None),
        Some(period) if PERIODS.contains(&period) => {
            Ok(Some(now + Duration::from_secs(period.unsigned_abs())))
        }
        Some(_) => Err(Refusal::bad_request("poll can't be open for the specified time")),
    }
}

fn poll(params: &Params, number: u64) -> Result<Poll, Refusal> {
    let refused = |text: &str| Err(Refusal::bad_request(text));
    let question = params.text("question").unwrap_or_default().trim().to_owned();
    let raw: Vec<Value> = params.json("options", "can't parse options JSON object")?.unwrap_or_default();
    let text_of =
        |option: &Value| option.as_str().or_else(|| option.get("text")?.as_str()).map(str::to_owned);
    let texts: Vec<String> = raw.iter().filter_map(text_of).collect();
    if question.is_empty() {
        return refused("poll question must be non-empty");
    }
    if question.chars().count() > 300 {
        return refused("poll question length must not exceed 300");
    }
    match texts.len() {
        0 => return refused("poll must have at least 1 option"),
        1..=12 => {}
        _ => return refused("poll can't have more than 12 options"),
    }
    if texts.iter().any(String::is_empty) {
        return refused("poll options must be non-empty");
    }
    if texts.iter().any(|text| text.chars().count() > 100) {
        return refused("poll options length must not exceed 100");
    }
    Ok(Poll {
        id: number.to_string(),
        question,
        options: texts.into_iter().map(|text| PollOption { text, voters: Vec::new() }).collect(),
        anonymous: params.value("is_anonymous").is_none() || params.flag("is_anonymous"),
        multiple: params.flag("allows_multiple_answers"),
        kind: params.text("type").map_or_else(|| "regular".to_owned(), String::from),
        closed: params.flag("is_closed"),
    })
}
