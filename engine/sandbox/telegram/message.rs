//! What lies in a chat: messages with their buttons and media, and the Bot API's JSON of each.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::files::{Document, Photo};
use super::html::{Entity, Rich};
use super::poll::Poll;

/// A person as other people see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// The person's id, also the id of their private chat.
    pub id: i64,
    /// The whole name: first and last.
    pub name: String,
    /// Without `@`.
    pub username: Option<String>,
    /// As Telegram gives it: with or without `+`.
    pub phone: String,
}

impl Card {
    /// The first word of the name.
    pub fn first_name(&self) -> &str {
        self.name.split_whitespace().next().unwrap_or("Гость")
    }

    /// What follows the first word, if anything.
    pub fn last_name(&self) -> Option<&str> {
        self.name.trim().split_once(char::is_whitespace).map(|(_, last)| last.trim())
    }

    pub(super) fn json(&self) -> Value {
        let mut user =
            json!({"id": self.id, "is_bot": false, "first_name": self.first_name(), "language_code": "ru"});
        self.add_names(&mut user);
        user
    }

    fn add_names(&self, object: &mut Value) {
        if let Some(last) = self.last_name() {
            object["last_name"] = last.into();
        }
        if let Some(username) = &self.username {
            object["username"] = username.as_str().into();
        }
    }
}

/// The bot itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BotCard {
    /// The number before the colon of the token.
    pub id: i64,
    /// The name people see.
    pub name: String,
    /// Without `@`.
    pub username: String,
}

impl BotCard {
    pub(super) fn json(&self) -> Value {
        json!({"id": self.id, "is_bot": true, "first_name": self.name, "username": self.username})
    }
}

/// What kind of chat it is.
#[derive(Clone, Debug)]
pub enum Place {
    /// A private chat with this person.
    Private(Arc<Card>),
    /// A supergroup with a title.
    Group {
        /// The title people see.
        title: String,
    },
}

/// A chat as messages name it.
#[derive(Clone, Debug)]
pub struct ChatCard {
    /// The person's id, or a negative number.
    pub id: i64,
    /// Private or a group.
    pub place: Place,
}

impl ChatCard {
    /// The title of a group, or the person's name.
    pub fn title(&self) -> &str {
        match &self.place {
            Place::Private(card) => &card.name,
            Place::Group { title } => title,
        }
    }

    pub(super) fn json(&self) -> Value {
        match &self.place {
            Place::Private(card) => {
                let mut chat = json!({"id": self.id, "type": "private", "first_name": card.first_name()});
                card.add_names(&mut chat);
                chat
            }
            Place::Group { title } => json!({"id": self.id, "type": "supergroup", "title": title}),
        }
    }
}

/// Who wrote a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// The bot.
    Bot,
    /// A person.
    Person(Arc<Card>),
}

/// What a message is besides its text or caption.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Only text.
    Text,
    /// A picture; the text is its caption.
    Photo(Photo),
    /// A file; the text is its caption.
    Document(Document),
    /// A card of a person.
    Contact {
        /// As Telegram gives it.
        phone: String,
        /// The whole name on the card.
        name: String,
        /// Whose card, when that is a user of Telegram.
        user: Option<i64>,
    },
    /// A poll.
    Poll(Poll),
}

/// An inline button.
#[derive(Clone, Debug, PartialEq)]
pub struct Button {
    /// What is written on it.
    pub label: String,
    /// What it does.
    pub action: Action,
}

/// What an inline button does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Sends this data to the bot: 1–64 bytes.
    Callback(String),
    /// Opens a page.
    Url(String),
    /// Anything else, as the bot gave it.
    Other(Value),
}

impl Button {
    fn json(&self) -> Value {
        match &self.action {
            Action::Callback(data) => json!({"text": self.label, "callback_data": data}),
            Action::Url(url) => json!({"text": self.label, "url": url}),
            Action::Other(raw) => raw.clone(),
        }
    }
}

/// A key of a reply keyboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// What is written on it.
    pub label: String,
    /// What a press does.
    pub kind: KeyKind,
}

/// What a press of a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Writes the label into the chat.
    Text,
    /// Sends the presser's own contact.
    Contact,
    /// Asks for something the sandbox does not play: a place, a poll, a page.
    Other,
}

/// The keyboard under the input field. It belongs to the person's side and is never echoed to the bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyKeyboard {
    /// The keys, row by row.
    pub rows: Vec<Vec<Key>>,
    /// Folds away after a press.
    pub one_time: bool,
    /// A one-time keyboard that was pressed: out of the way, but a tap brings it back.
    pub folded: bool,
    /// The hint in the empty input field.
    pub placeholder: Option<String>,
}

impl ReplyKeyboard {
    /// The labels, row by row.
    pub fn labels(&self) -> Vec<Vec<&str>> {
        self.rows.iter().map(|row| row.iter().map(|key| key.label.as_str()).collect()).collect()
    }

    /// The key with this label.
    pub fn key(&self, label: &str) -> Option<&Key> {
        self.rows.iter().flatten().find(|key| key.label == label)
    }
}

/// The notice that a person got for a press.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    /// Who pressed.
    pub person: i64,
    /// What was shown; empty when the answer only stopped the clock on the button.
    pub text: String,
    /// Shown as a window to be closed.
    pub alert: bool,
}

/// A message in a chat.
#[derive(Clone, Debug)]
pub struct Message {
    /// Grows within a chat.
    pub id: i64,
    /// Who wrote it.
    pub author: Author,
    /// When, in seconds since 1970.
    pub at: i64,
    /// When it was last edited, in seconds since 1970.
    pub edited_at: Option<i64>,
    /// The text or the caption.
    pub body: Rich,
    /// What it is besides.
    pub content: Content,
    /// The inline keyboard, row by row; empty for none.
    pub buttons: Vec<Vec<Button>>,
    /// The album it belongs to: the same for all its items.
    pub album: Option<String>,
    /// The message it answers.
    pub reply_to: Option<i64>,
    /// Forwarded from somewhere else.
    pub forwarded: bool,
    /// Gone from the chat: kept here so that a test can see that it was.
    pub deleted: bool,
    /// The answers to presses of its buttons, oldest first.
    pub toasts: Vec<Toast>,
}

impl Message {
    pub(super) fn new(author: Author, body: Rich, content: Content) -> Message {
        Message {
            id: 0,
            author,
            at: 0,
            edited_at: None,
            body,
            content,
            buttons: Vec::new(),
            album: None,
            reply_to: None,
            forwarded: false,
            deleted: false,
            toasts: Vec::new(),
        }
    }

    /// The text or the caption, without formatting.
    pub fn text(&self) -> &str {
        &self.body.text
    }

    /// The text or the caption as HTML safe for a page.
    pub fn html(&self) -> String {
        self.body.to_html()
    }

    /// The formatting.
    pub fn entities(&self) -> &[Entity] {
        &self.body.entities
    }

    /// Whether the bot sent it.
    pub fn is_from_bot(&self) -> bool {
        self.author == Author::Bot
    }

    /// The labels of the inline buttons, row by row.
    pub fn labels(&self) -> Vec<Vec<&str>> {
        self.buttons.iter().map(|row| row.iter().map(|button| button.label.as_str()).collect()).collect()
    }

    /// The inline button with this label.
    pub fn button(&self, label: &str) -> Option<&Button> {
        self.buttons.iter().flatten().find(|button| button.label == label)
    }

    pub(super) fn json(&self, bot: &BotCard, chat: &ChatCard) -> Value {
        let from = match &self.author {
            Author::Bot => bot.json(),
            Author::Person(card) => card.json(),
        };
        let mut message = Map::new();
        message.insert("message_id".into(), self.id.into());
        message.insert("from".into(), from);
        message.insert("chat".into(), chat.json());
        message.insert("date".into(), self.at.into());
        self.add_content(&mut message);
        if let Some(at) = self.edited_at {
            message.insert("edit_date".into(), at.into());
        }
        if let Some(album) = &self.album {
            message.insert("media_group_id".into(), album.as_str().into());
        }
        if self.forwarded {
            let origin = json!({"type": "hidden_user", "sender_user_name": "Кто-то", "date": self.at});
            message.insert("forward_origin".into(), origin);
        }
        if !self.buttons.is_empty() {
            let row = |row: &Vec<Button>| row.iter().map(Button::json).collect::<Value>();
            let rows: Value = self.buttons.iter().map(row).collect();
            message.insert("reply_markup".into(), json!({"inline_keyboard": rows}));
        }
        Value::Object(message)
    }

    fn add_content(&self, message: &mut Map<String, Value>) {
        let (text, entities) = match &self.content {
            Content::Text => ("text", "entities"),
            Content::Photo(_) | Content::Document(_) | Content::Contact { .. } | Content::Poll(_) => {
                ("caption", "caption_entities")
            }
        };
        if !self.body.text.is_empty() {
            message.insert(text.into(), self.body.text.as_str().into());
        }
        if !self.body.entities.is_empty() {
            message.insert(entities.into(), json!(self.body.entities));
        }
        match &self.content {
            Content::Text => {}
            Content::Photo(photo) => drop(message.insert("photo".into(), photo.json())),
            Content::Document(document) => drop(message.insert("document".into(), document.json())),
            Content::Poll(poll) => drop(message.insert("poll".into(), poll.json())),
            Content::Contact { phone, name, user } => {
                let (first, last) = name.split_once(' ').unwrap_or((name, ""));
                let mut contact = json!({"phone_number": phone, "first_name": first});
                if !last.is_empty() {
                    contact["last_name"] = last.into();
                }
                if let Some(user) = user {
                    contact["user_id"] = (*user).into();
                }
                message.insert("contact".into(), contact);
            }
        }
    }
}
