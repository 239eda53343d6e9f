//! What people do: write, press, share, send files, vote, block the bot. Each act returns the ids of the updates it
//! made, none where the bot did not subscribe to such.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use serde_json::{Value, json};

use super::chat::{self, Chat};
use super::files;
use super::html::{self, Rich};
use super::markup::Markup;
use super::message::{Action, Author, Card, Content, KeyKind, Message};
use super::updates::Queue;
use super::{Event, Person, Telegram, lock, read, write};

/// Why a person could not do that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unable {
    /// The chat has no such message, or it was deleted.
    #[error("there is no message {message} in chat {chat}")]
    NoMessage {
        /// The chat looked into.
        chat: i64,
        /// The message looked for.
        message: i64,
    },
    /// Nothing with this label is before the person.
    #[error("nothing is labelled `{label}` in chat {chat}; there is: {seen}")]
    NoButton {
        /// The chat looked into.
        chat: i64,
        /// The label looked for.
        label: String,
        /// The labels that are there.
        seen: String,
    },
    /// The button opens something that is not played here.
    #[error("`{label}` opens something the sandbox does not play")]
    NotPlayed {
        /// The label.
        label: String,
    },
    /// The message is no open poll with such options.
    #[error("message {message} takes no such vote: it is no poll, it is closed, or it lacks the option")]
    NoVote {
        /// The message.
        message: i64,
    },
}

/// Whose card a person shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Their own: `user_id` is theirs.
    Own,
    /// Another person's, known or not.
    Of(i64),
    /// Their own card in a message forwarded from elsewhere.
    Forwarded,
}

/// A file that a person sends.
#[derive(Clone, Debug)]
pub enum Attachment {
    /// As a picture.
    Photo(Bytes),
    /// As it is.
    Document {
        /// The file's name.
        name: String,
        /// Its content.
        bytes: Bytes,
    },
}

impl Telegram {
    /// The person writes into the chat; their own id is their private chat. Whoever or whatever is not known yet is
    /// introduced on the spot, and a person who had blocked the bot unblocks it first.
    pub fn writes(&self, chat: i64, person: i64, text: &str) -> Vec<i64> {
        self.says(chat, person, &|card| {
            let rich = Rich::new(text, html::detect(text));
            Message::new(Author::Person(card), rich, Content::Text)
        })
    }

    /// The person presses what is labelled so: a button of the newest message of the bot, a key of their keyboard,
    /// or a button of an older message, in this order.
    pub fn presses(&self, chat: i64, person: i64, label: &str) -> Result<Vec<i64>, Unable> {
        let (newest, has_key, older) = {
            let desk = self.chat_for(chat, person);
            let desk = lock(&desk);
            let mut own =
                desk.messages.iter().rev().filter(|message| message.is_from_bot() && !message.deleted);
            let labelled = |message: &&Message| message.button(label).is_some();
            let newest = own.next().filter(labelled).map(|message| message.id);
            let key = desk.keyboards.get(&person).and_then(|keyboard| keyboard.key(label)).cloned();
            (newest, key, own.find(labelled).map(|message| message.id))
        };
        match (newest, has_key, older) {
            (Some(message), _, _) | (None, None, Some(message)) => {
                self.presses_on(chat, person, message, label)
            }
            (None, Some(key), _) => self.presses_key(chat, person, &key.label, key.kind),
            (None, None, None) => Err(self.no_button(chat, person, label)),
        }
    }

    /// The person presses the button with this label on this message, however old.
    pub fn presses_on(&self, chat: i64, person: i64, message: i64, label: &str) -> Result<Vec<i64>, Unable> {
        let desk = self.chat_for(chat, person);
        let button = {
            let mut desk = lock(&desk);
            let found = desk.message_mut(message).ok_or(Unable::NoMessage { chat, message })?;
            found.button(label).cloned()
        };
        let button = button.ok_or_else(|| self.no_button(chat, person, label))?;
        match button.action {
            Action::Callback(data) => self.press(chat, person, message, &data, &button.label),
            Action::Url(_) => Ok(Vec::new()),
            Action::Other(_) => Err(Unable::NotPlayed { label: button.label }),
        }
    }

    /// The person presses the button in this row and column, counted from zero.
    pub fn presses_at(
        &self,
        chat: i64,
        person: i64,
        message: i64,
        row: usize,
        column: usize,
    ) -> Result<Vec<i64>, Unable> {
        let label = {
            let desk = self.chat_for(chat, person);
            let mut desk = lock(&desk);
            let found = desk.message_mut(message).ok_or(Unable::NoMessage { chat, message })?;
            found.buttons.get(row).and_then(|row| row.get(column)).map(|button| button.label.clone())
        };
        let label = label.ok_or_else(|| self.no_button(chat, person, &format!("{row}:{column}")))?;
        self.presses_on(chat, person, message, &label)
    }

    /// An old or dishonest client sends any callback data, whatever the message offers.
    pub fn forges_press(&self, chat: i64, person: i64, message: i64, data: &str) -> Result<Vec<i64>, Unable> {
        self.press(chat, person, message, data, data)
    }

    /// The person shares a contact.
    pub fn shares_contact(&self, chat: i64, person: i64, whose: Whose) -> Vec<i64> {
        let owner = match whose {
            Whose::Own | Whose::Forwarded => self.someone(person),
            Whose::Of(other) => self.someone(other),
        };
        self.says(chat, person, &|card| {
            let content = Content::Contact {
                phone: owner.card.phone.clone(),
                name: owner.card.name.clone(),
                user: Some(owner.card.id),
            };
            let message = Message::new(Author::Person(card), Rich::default(), content);
            Message { forwarded: whose == Whose::Forwarded, ..message }
        })
    }

    /// The person sends a picture with a caption, which may be empty.
    pub fn sends_photo(&self, chat: i64, person: i64, bytes: impl Into<Bytes>, caption: &str) -> Vec<i64> {
        self.sends(chat, person, &[Attachment::Photo(bytes.into())], caption)
    }

    /// The person sends a file as it is.
    pub fn sends_document(&self, chat: i64, person: i64, name: &str, bytes: impl Into<Bytes>) -> Vec<i64> {
        let document = Attachment::Document { name: name.to_owned(), bytes: bytes.into() };
        self.sends(chat, person, &[document], "")
    }

    /// The person sends an album: an update for each item, all with one `media_group_id`, the caption on the first.
    pub fn sends_album(&self, chat: i64, person: i64, items: &[Attachment], caption: &str) -> Vec<i64> {
        self.sends(chat, person, items, caption)
    }

    /// The person chooses these options of a poll, counted from zero; none takes the vote back.
    pub fn votes(&self, chat: i64, person: i64, message: i64, options: &[usize]) -> Result<Vec<i64>, Unable> {
        let desk = self.chat_for(chat, person);
        let voter = self.someone(person);
        let mut desk = lock(&desk);
        let found = desk.message_mut(message).ok_or(Unable::NoMessage { chat, message })?;
        let Content::Poll(poll) = &mut found.content else { return Err(Unable::NoVote { message }) };
        let is_fit = options.iter().all(|option| *option < poll.options.len());
        if poll.closed || !is_fit || options.len() > 1 && !poll.multiple {
            return Err(Unable::NoVote { message });
        }
        poll.vote(person, options);
        let queue = || Queue::Poll(poll.id.clone());
        let mut made = Vec::from_iter(self.push_update("poll", queue(), &poll.json()));
        if !poll.anonymous {
            let persistent: Vec<String> = options.iter().map(usize::to_string).collect();
            let answer = json!({
                "poll_id": poll.id, "user": voter.card.json(), "option_ids": options,
                "option_persistent_ids": persistent,
            });
            made.extend(self.push_update("poll_answer", queue(), &answer));
        }
        let chosen: Vec<String> =
            options.iter().map(|index| format!("[{}]", poll.options[*index].text)).collect();
        let line =
            if chosen.is_empty() { "(голос отозван)".to_owned() } else { chosen.join(" ") };
        desk.record(Author::Person(Arc::clone(&voter.card)), line);
        drop(desk);
        self.announce(Event::Chat(chat));
        Ok(made)
    }

    /// The person has started the bot long ago: it may write to them, and hears nothing of it now.
    pub fn has_started(&self, person: i64) {
        self.change(person, |person| person.started = true);
    }

    /// The person blocks the bot: `my_chat_member` says "kicked", and every send is 403 from now on.
    pub fn blocks(&self, person: i64) -> Vec<i64> {
        self.set_blocked(person, true)
    }

    /// The person lets the bot write again.
    pub fn unblocks(&self, person: i64) -> Vec<i64> {
        self.set_blocked(person, false)
    }

    /// A member throws the bot out of the group.
    pub fn kicks_bot(&self, group: i64, person: i64) -> Vec<i64> {
        let desk = self.chat_for(group, person);
        let by = self.someone(person);
        lock(&desk).bot_is_out = true;
        self.announce(Event::Chat(group));
        self.membership(&desk, &by, "member", "kicked")
    }

    /// The group becomes a supergroup with another id: calls with the old one are told to migrate.
    pub fn migrates(&self, group: i64, to: i64) {
        let Some(old) = self.find_chat(group) else { return };
        let (title, members) = {
            let mut old = lock(&old);
            old.migrated_to = Some(to);
            (old.card.title().to_owned(), old.members.clone())
        };
        self.group(to, &title, &members);
    }

    /// Introduces whoever takes part and was not known.
    pub(super) fn chat_for(&self, chat: i64, person: i64) -> Arc<Mutex<Chat>> {
        drop(self.someone(person));
        if let Some(known) = self.find_chat(chat) {
            return known;
        }
        if chat > 0 {
            drop(self.someone(chat));
        } else {
            self.group(chat, "Группа", &[person]);
        }
        self.find_chat(chat).expect("a person and a group are introduced together with their chat")
    }

    fn someone(&self, id: i64) -> Arc<Person> {
        if let Some(known) = self.find_person(id) {
            return known;
        }
        self.person(
            id,
            &format!("Гость {id}"),
            None,
            &format!("+7{:010}", id.unsigned_abs() % 10_000_000_000),
        );
        self.find_person(id).expect("the person was just introduced")
    }

    /// Puts one message of a person into the chat and tells the bot.
    fn says(&self, chat: i64, person: i64, message: &dyn Fn(Arc<Card>) -> Message) -> Vec<i64> {
        let mut made = self.comes(chat, person);
        let desk = self.chat_for(chat, person);
        let card = Arc::clone(&self.someone(person).card);
        made.extend(self.put(&mut lock(&desk), message(card)));
        self.announce(Event::Chat(chat));
        made
    }

    fn sends(&self, chat: i64, person: i64, items: &[Attachment], caption: &str) -> Vec<i64> {
        let mut made = self.comes(chat, person);
        let desk = self.chat_for(chat, person);
        let card = Arc::clone(&self.someone(person).card);
        let album = (items.len() > 1).then(|| self.next_number().to_string());
        let messages: Vec<Message> = items.iter().map(|item| self.attached(item, &card)).collect();
        let mut desk = lock(&desk);
        for (index, mut message) in messages.into_iter().enumerate() {
            message.album.clone_from(&album);
            if index == 0 {
                message.body = Rich::new(caption, html::detect(caption));
            }
            made.extend(self.put(&mut desk, message));
        }
        drop(desk);
        self.announce(Event::Chat(chat));
        made
    }

    fn attached(&self, item: &Attachment, card: &Arc<Card>) -> Message {
        let content = match item {
            Attachment::Photo(bytes) => {
                // A person's phone makes a picture of anything.
                let measure = files::measure(bytes).unwrap_or((1280, 960));
                Content::Photo(self.0.files.photo(bytes, measure))
            }
            Attachment::Document { name, bytes } => {
                Content::Document(self.0.files.document(name, bytes.clone()))
            }
        };
        Message::new(Author::Person(Arc::clone(card)), Rich::default(), content)
    }

    /// Whoever writes to the bot has started it and does not block it.
    fn comes(&self, chat: i64, person: i64) -> Vec<i64> {
        let someone = self.someone(person);
        if chat != person || someone.started && !someone.blocked {
            return Vec::new();
        }
        let made = if someone.blocked { self.unblocks(person) } else { Vec::new() };
        self.change(person, |person| person.started = true);
        made
    }

    /// Adds the message; the update is created under the same lock, so both have one order.
    fn put(&self, desk: &mut Chat, message: Message) -> Option<i64> {
        if let Author::Person(card) = &message.author {
            desk.join(card.id);
        }
        let (author, line) = (message.author.clone(), chat::line(&message, &Markup::Absent));
        let card = Arc::clone(&desk.card);
        let json = desk.put(message, self.now()).json(&self.0.bot, &card);
        desk.record(author, line);
        if desk.bot_is_out || desk.migrated_to.is_some() {
            return None;
        }
        self.push_update("message", Queue::Chat(card.id), &json)
    }

    fn press(
        &self,
        chat: i64,
        person: i64,
        message: i64,
        data: &str,
        label: &str,
    ) -> Result<Vec<i64>, Unable> {
        let desk = self.chat_for(chat, person);
        let card = Arc::clone(&self.someone(person).card);
        let mut desk = lock(&desk);
        let place = Arc::clone(&desk.card);
        let pressed = desk.message(message).ok_or(Unable::NoMessage { chat, message })?;
        let pressed = if pressed.deleted {
            json!({"chat": place.json(), "message_id": message, "date": 0})
        } else {
            pressed.json(&self.0.bot, &place)
        };
        let query = json!({
            "id": self.new_callback(chat, message, person),
            "from": card.json(),
            "message": pressed,
            "chat_instance": chat.to_string(),
            "data": data,
        });
        desk.record(Author::Person(card), format!("[{label}]"));
        let made = self.push_update("callback_query", Queue::Presses(person), &query);
        drop(desk);
        self.announce(Event::Chat(chat));
        Ok(Vec::from_iter(made))
    }

    pub(super) fn presses_key(
        &self,
        chat: i64,
        person: i64,
        label: &str,
        kind: KeyKind,
    ) -> Result<Vec<i64>, Unable> {
        let desk = self.chat_for(chat, person);
        if let Some(keyboard) = lock(&desk).keyboards.get_mut(&person) {
            keyboard.folded = keyboard.one_time;
        }
        match kind {
            KeyKind::Text => Ok(self.writes(chat, person, label)),
            KeyKind::Contact => Ok(self.shares_contact(chat, person, Whose::Own)),
            KeyKind::Other => Err(Unable::NotPlayed { label: label.to_owned() }),
        }
    }

    fn no_button(&self, chat: i64, person: i64, label: &str) -> Unable {
        let desk = self.chat_for(chat, person);
        let desk = lock(&desk);
        let keys = desk.keyboards.get(&person).map(super::ReplyKeyboard::labels).unwrap_or_default();
        let visible = desk.messages.iter().rev().filter(|message| !message.deleted);
        let buttons =
            visible.flat_map(Message::labels).chain(keys).flatten().map(|label| format!("[{label}]"));
        let seen: Vec<String> = buttons.take(30).collect();
        let seen = if seen.is_empty() { "nothing".to_owned() } else { seen.join(" ") };
        Unable::NoButton { chat, label: label.to_owned(), seen }
    }

    fn set_blocked(&self, id: i64, blocked: bool) -> Vec<i64> {
        let desk = self.chat_for(id, id);
        let person = self.someone(id);
        if person.blocked == blocked {
            return Vec::new();
        }
        self.change(id, |person| person.blocked = blocked);
        self.announce(Event::State);
        let (old, new) = if blocked { ("member", "kicked") } else { ("kicked", "member") };
        self.membership(&desk, &person, old, new)
    }

    fn change(&self, id: i64, change: impl FnOnce(&mut Person)) {
        if let Some(person) = write(&self.0.people).get_mut(&id) {
            let Person { blocked, started, .. } = **person;
            let mut changed = Person { card: Arc::clone(&person.card), blocked, started };
            change(&mut changed);
            *person = Arc::new(changed);
        }
    }

    fn membership(&self, desk: &Mutex<Chat>, by: &Person, old: &str, new: &str) -> Vec<i64> {
        let member = |status: &str| -> Value {
            let mut member = json!({"user": self.0.bot.json(), "status": status});
            if status == "kicked" {
                member["until_date"] = 0.into();
            }
            member
        };
        let desk = lock(desk);
        let body = json!({
            "chat": desk.card.json(), "from": by.card.json(), "date": self.now().0 / 1000,
            "old_chat_member": member(old), "new_chat_member": member(new),
        });
        Vec::from_iter(self.push_update("my_chat_member", Queue::Membership(desk.card.id), &body))
    }

    pub(super) fn everyone(&self) -> Vec<Arc<Person>> {
        let mut people: Vec<Arc<Person>> = read(&self.0.people).values().cloned().collect();
        people.sort_by_key(|person| person.card.id);
        people
    }
}
