//! One chat: its messages, the keyboards under people's input fields, and the record of who did what.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::clock::Timestamp;

use super::markup::Markup;
use super::message::{Author, ChatCard, Content, Message, Place, ReplyKeyboard};

/// How many messages and lines a chat remembers: a load test must not fill the memory.
const KEPT: usize = 2000;

/// A chat as it lies on the desk.
pub(super) struct Chat {
    pub card: Arc<ChatCard>,
    pub members: Vec<i64>,
    /// In order of ids.
    pub messages: VecDeque<Message>,
    pub keyboards: HashMap<i64, ReplyKeyboard>,
    pub typing_until: Timestamp,
    pub bot_is_out: bool,
    pub migrated_to: Option<i64>,
    /// How many messages the bot sent here, forgotten ones included.
    pub sent: u64,
    next_id: i64,
    lines: VecDeque<Line>,
}

/// A line of the transcript.
struct Line {
    author: Author,
    text: String,
}

impl Chat {
    pub fn new(card: Arc<ChatCard>, members: &[i64]) -> Chat {
        Chat {
            card,
            members: members.to_vec(),
            messages: VecDeque::new(),
            keyboards: HashMap::new(),
            typing_until: Timestamp::default(),
            bot_is_out: false,
            migrated_to: None,
            sent: 0,
            next_id: 1,
            lines: VecDeque::new(),
        }
    }

    pub fn rename(&mut self, card: Arc<ChatCard>, members: &[i64]) {
        self.card = card;
        for member in members {
            self.join(*member);
        }
    }

    pub fn join(&mut self, person: i64) {
        if !self.members.contains(&person) {
            self.members.push(person);
        }
    }

    pub fn is_private(&self) -> bool {
        matches!(self.card.place, Place::Private(_))
    }

    /// Adds a message, giving it its id and date.
    pub fn put(&mut self, mut message: Message, now: Timestamp) -> &mut Message {
        message.id = self.next_id;
        message.at = now.0 / 1000;
        self.next_id += 1;
        if message.is_from_bot() {
            self.typing_until = Timestamp::default();
            self.sent += 1;
        }
        if self.messages.len() == KEPT {
            self.messages.pop_front();
        }
        self.messages.push_back(message);
        self.messages.back_mut().expect("a message was just put there")
    }

    /// The message with this id, deleted ones included.
    pub fn message(&self, id: i64) -> Option<&Message> {
        let at = self.messages.binary_search_by_key(&id, |message| message.id).ok()?;
        self.messages.get(at)
    }

    /// The message with this id, unless it was deleted.
    pub fn message_mut(&mut self, id: i64) -> Option<&mut Message> {
        let at = self.messages.binary_search_by_key(&id, |message| message.id).ok()?;
        self.messages.get_mut(at).filter(|message| !message.deleted)
    }

    /// Writes a line into the transcript.
    pub fn record(&mut self, author: Author, text: String) {
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(Line { author, text });
    }

    /// Gives people the keyboard that came with a message.
    pub fn apply(&mut self, markup: Markup, reply_to: Option<i64>) {
        match markup {
            Markup::Absent | Markup::Inline(_) | Markup::ForceReply => {}
            Markup::Remove => self.keyboards.clear(),
            Markup::Reply { keyboard, selective } => {
                let answered = reply_to.and_then(|id| self.message(id)).map(|message| &message.author);
                let only = match answered {
                    Some(Author::Person(card)) if selective => Some(card.id),
                    Some(Author::Person(_) | Author::Bot) | None => None,
                };
                let people = self.members.iter().filter(|member| only.is_none_or(|only| only == **member));
                self.keyboards.extend(people.map(|person| (*person, keyboard.clone())));
            }
        }
    }

    pub fn transcript(&self) -> String {
        let names: Vec<&str> = self.lines.iter().map(|line| name(&line.author)).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let mut page = String::new();
        for (line, name) in self.lines.iter().zip(names) {
            for (index, text) in line.text.split('\n').enumerate() {
                let name = if index == 0 { name } else { "" };
                page.push_str(format!("{name:width$}  {text}").trim_end());
                page.push('\n');
            }
        }
        page
    }
}

/// How a message looks in the transcript, with the labels under it.
pub(super) fn line(message: &Message, markup: &Markup) -> String {
    let media = match &message.content {
        Content::Text => String::new(),
        Content::Photo(_) => "(фото)".to_owned(),
        Content::Document(document) => format!("(файл {})", document.0.name),
        Content::Contact { phone, .. } => format!("(контакт {phone})"),
        Content::Poll(poll) => format!("(опрос) {}", poll.question),
    };
    let keys = match markup {
        Markup::Reply { keyboard, .. } => keyboard.labels(),
        Markup::Absent | Markup::Inline(_) | Markup::Remove | Markup::ForceReply => message.labels(),
    };
    let options = match &message.content {
        Content::Poll(poll) => poll.options.iter().map(|option| option.text.as_str()).collect(),
        Content::Text | Content::Photo(_) | Content::Document(_) | Content::Contact { .. } => Vec::new(),
    };
    let labels: Vec<String> =
        keys.into_iter().flatten().chain(options).map(|label| format!("[{label}]")).collect();
    let parts = [media.as_str(), message.text()];
    let said = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    if labels.is_empty() { said } else { format!("{said}  {}", labels.join(" ")) }
}

/// Whether two messages of the bot are the same to whoever reads them.
pub(super) fn same(one: &Message, other: &Message) -> bool {
    let content = match (&one.content, &other.content) {
        (Content::Photo(one), Content::Photo(other)) => one.largest().unique_id == other.largest().unique_id,
        (Content::Document(one), Content::Document(other)) => one.0.unique_id == other.0.unique_id,
        (Content::Poll(one), Content::Poll(other)) => one.question == other.question,
        (one, other) => one == other,
    };
    content && one.body == other.body && one.buttons == other.buttons
}

fn name(author: &Author) -> &str {
    match author {
        Author::Bot => "бот",
        Author::Person(card) => card.first_name(),
    }
}
