//! What the bot says, in our own words; [`Outgoing::request`] puts it into Telegram's.

use serde::{Deserialize, Serialize};
use teloxide::payloads::{
    EditMessageText, EditMessageTextSetters as _, SendDocument, SendDocumentSetters as _, SendMessage,
    SendMessageSetters as _, SendPhoto, SendPhotoSetters as _, SendPoll, SendPollSetters as _,
};
use teloxide::types::{
    self, ButtonRequest, ForceReply, InlineKeyboardButton, InlineKeyboardMarkup, InputFile, InputPollOption,
    KeyboardButton, KeyboardMarkup, MessageId, ParseMode, ReplyMarkup, ReplyParameters,
};

use super::{ChatId, Request, Upload};

/// What Telegram takes in one text, and in one caption; letters that are seen.
const MOST_TEXT: usize = 4096;
const MOST_CAPTION: usize = 1024;

/// A message decided, as the outbox keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// What is said.
    pub content: Content,
    /// Rows of buttons under the message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<Vec<Button>>,
    /// What happens to the keyboard under the input field; Telegram takes it only without `buttons`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyboard: Option<Keyboard>,
    /// Delivered without a sound.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_silent: bool,
    /// The message of the person that this one answers; in groups their client then opens a reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<i64>,
}

/// The body of a message. Texts and captions are Telegram's HTML.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// A text of any length: the outbox splits it.
    Text {
        /// Telegram's HTML.
        html: String,
    },
    /// A picture Telegram already keeps.
    Photo {
        /// Telegram's id of the file.
        file_id: String,
        /// Telegram's HTML.
        caption: String,
    },
    /// A picture that is drawn when it leaves.
    Chart {
        /// As [`crate::chart::Chart`] is written.
        chart: serde_json::Value,
        /// Telegram's HTML.
        caption: String,
    },
    /// A file Telegram already keeps.
    Document {
        /// Telegram's id of the file.
        file_id: String,
        /// Telegram's HTML.
        caption: String,
    },
    /// A question that Telegram counts the answers to; who chose what is known.
    Poll {
        /// Plain text.
        question: String,
        /// What can be chosen, plain texts.
        options: Vec<String>,
        /// Whether several may be.
        is_many: bool,
    },
    /// A change of a message said before.
    Edit {
        /// Which message.
        target: Target,
        /// The new text, Telegram's HTML.
        html: String,
    },
}

impl Content {
    /// What it says, without markup; of a poll the question.
    pub fn words(&self) -> String {
        match self {
            Content::Text { html } | Content::Edit { html, .. } => super::html::plain(html),
            Content::Photo { caption, .. }
            | Content::Chart { caption, .. }
            | Content::Document { caption, .. } => super::html::plain(caption),
            Content::Poll { question, .. } => question.clone(),
        }
    }

    /// The same with the words of a text.
    fn with_words(&self, words: &Content) -> Content {
        let Content::Text { html } = words else { return self.clone() };
        let (html, caption) = (html.clone(), html.clone());
        match self {
            Content::Text { .. } => Content::Text { html },
            Content::Photo { file_id, .. } => Content::Photo { file_id: file_id.clone(), caption },
            Content::Chart { chart, .. } => Content::Chart { chart: chart.clone(), caption },
            Content::Document { file_id, .. } => Content::Document { file_id: file_id.clone(), caption },
            Content::Poll { .. } => self.clone(),
            Content::Edit { target, .. } => Content::Edit { target: target.clone(), html },
        }
    }
}

/// A message said before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// By its key in the outbox.
    Key(String),
    /// By Telegram's number of it.
    Message(i64),
}

/// A button under a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// What is written on it.
    pub label: String,
    /// What a press does.
    pub press: Press,
}

/// What a press of a button does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Press {
    /// Comes back to the bot, 1–64 bytes.
    Data(String),
    /// Opens a page.
    Url(String),
}

/// The keyboard under the input field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keyboard {
    /// Shows these keys.
    Reply {
        /// Rows of keys.
        rows: Vec<Vec<Key>>,
        /// Hides after a press.
        is_one_time: bool,
    },
    /// Takes the keys away.
    Remove,
    /// Opens a reply for whoever the message names: in groups a bot sees only what answers it.
    ForceReply,
}

/// A key of the keyboard under the input field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// Sends its label.
    Text(String),
    /// Shares the person's own number.
    Contact(String),
}

impl Outgoing {
    /// A plain message of this HTML.
    pub fn text(html: impl Into<String>) -> Outgoing {
        let content = Content::Text { html: html.into() };
        Outgoing { content, buttons: Vec::new(), keyboard: None, is_silent: false, reply_to: None }
    }

    /// The parts of a text or a caption over Telegram's limit, to go as messages of their own; none for a message
    /// that fits. The buttons stand under the last part; an edit can only be its last part, where the buttons are.
    pub fn parts(&self) -> Vec<Outgoing> {
        let (html, limit) = match &self.content {
            Content::Text { html } | Content::Edit { html, .. } => (html, MOST_TEXT),
            Content::Photo { caption, .. }
            | Content::Chart { caption, .. }
            | Content::Document { caption, .. } => (caption, MOST_CAPTION),
            Content::Poll { .. } => return Vec::new(),
        };
        if html.len() <= limit {
            return Vec::new(); // What is not longer in bytes is not longer in letters: nearly every message.
        }
        let mut texts = super::html::split(html, limit);
        let Some(last) = texts.pop().filter(|_| !texts.is_empty()) else { return Vec::new() };
        if let Content::Edit { target, .. } = &self.content {
            let content = Content::Edit { target: target.clone(), html: last };
            return vec![Outgoing { content, ..self.clone() }];
        }
        let bare = |content, reply_to| Outgoing {
            content,
            buttons: Vec::new(),
            keyboard: None,
            is_silent: self.is_silent,
            reply_to,
        };
        let mut parts: Vec<Outgoing> =
            texts.into_iter().map(|html| bare(Content::Text { html }, None)).collect();
        parts[0] = bare(self.content.with_words(&parts[0].content), self.reply_to);
        parts.push(Outgoing { content: Content::Text { html: last }, reply_to: None, ..self.clone() });
        parts
    }

    /// The Bot API request. `edited` is the id of the message that an edit concerns; without markup the texts
    /// go out plain, for HTML that Telegram refused. A chart is to be brought with the request: [`Request::with`].
    pub fn request(&self, chat: ChatId, edited: Option<i64>, markup: Markup) -> Request {
        let chat = types::ChatId(chat.0);
        let words = |html: &str| match markup {
            Markup::Html => html.to_owned(),
            Markup::Plain => super::html::plain(html),
        };
        // Each kind of request is a type of its own in teloxide, though all of these share their setters' names.
        macro_rules! dressed {
            ($request:expr) => {{
                let mut request = $request;
                if markup == Markup::Html {
                    request = request.parse_mode(ParseMode::Html);
                }
                if self.is_silent {
                    request = request.disable_notification(true);
                }
                if let Some(message) = self.reply_to {
                    request = request.reply_parameters(reply_to(message));
                }
                if let Some(markup) = self.reply_markup() {
                    request = request.reply_markup(markup);
                }
                Request::of(&request)
            }};
        }
        match &self.content {
            Content::Text { html } => dressed!(SendMessage::new(chat, words(html))),
            Content::Photo { file_id, caption } => {
                dressed!(
                    SendPhoto::new(chat, InputFile::file_id(file_id.clone().into())).caption(words(caption))
                )
            }
            Content::Chart { caption, .. } => {
                let drawn = InputFile::file_id(Upload::reference().into());
                dressed!(SendPhoto::new(chat, drawn).caption(words(caption)))
            }
            Content::Document { file_id, caption } => {
                dressed!(
                    SendDocument::new(chat, InputFile::file_id(file_id.clone().into()))
                        .caption(words(caption))
                )
            }
            Content::Poll { question, options, is_many } => {
                let options = options.iter().map(InputPollOption::new);
                let mut poll = SendPoll::new(chat, question, options)
                    .is_anonymous(false)
                    .allows_multiple_answers(*is_many)
                    .disable_notification(self.is_silent);
                poll.reply_markup = self.reply_markup();
                Request::of(&poll)
            }
            Content::Edit { html, .. } => {
                let mut edit =
                    EditMessageText::new(chat, message_id(edited.unwrap_or_default()), words(html));
                if markup == Markup::Html {
                    edit = edit.parse_mode(ParseMode::Html);
                }
                if !self.buttons.is_empty() {
                    edit = edit.reply_markup(self.inline_keyboard());
                }
                Request::of(&edit)
            }
        }
    }

    fn inline_keyboard(&self) -> InlineKeyboardMarkup {
        InlineKeyboardMarkup::new(self.buttons.iter().map(|row| row.iter().filter_map(inline_button)))
    }

    fn reply_markup(&self) -> Option<ReplyMarkup> {
        if !self.buttons.is_empty() {
            return Some(ReplyMarkup::InlineKeyboard(self.inline_keyboard()));
        }
        Some(match self.keyboard.as_ref()? {
            Keyboard::Remove => ReplyMarkup::kb_remove(),
            Keyboard::ForceReply => ReplyMarkup::ForceReply(ForceReply::new().selective()),
            Keyboard::Reply { rows, is_one_time } => {
                let mut markup =
                    KeyboardMarkup::new(rows.iter().map(|row| row.iter().map(key))).resize_keyboard();
                markup.one_time_keyboard = *is_one_time;
                markup.is_persistent = !is_one_time;
                ReplyMarkup::Keyboard(markup)
            }
        })
    }
}

/// Whether texts go out with their markup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Markup {
    /// As Telegram's HTML.
    Html,
    /// Stripped to plain text.
    Plain,
}

/// A button whose address Telegram would refuse is left out: the message matters more.
fn inline_button(button: &Button) -> Option<InlineKeyboardButton> {
    Some(match &button.press {
        Press::Data(data) => InlineKeyboardButton::callback(&button.label, data),
        Press::Url(url) => InlineKeyboardButton::url(&button.label, url.parse().ok()?),
    })
}

fn key(key: &Key) -> KeyboardButton {
    match key {
        Key::Text(label) => KeyboardButton::new(label),
        Key::Contact(label) => KeyboardButton::new(label).request(ButtonRequest::Contact),
    }
}

fn reply_to(message: i64) -> ReplyParameters {
    ReplyParameters::new(message_id(message)).allow_sending_without_reply()
}

fn message_id(id: i64) -> MessageId {
    MessageId(i32::try_from(id).unwrap_or_default())
}
