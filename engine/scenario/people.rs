//! The people of a scenario: who they are, what the database knows of them, what they do.

use serde_json::{Map, Value};

use super::world::{Chat, Trouble, World};
use crate::clock::Timestamp;
use crate::store::partner::{Partner, Profile, Role, Salon, Status};
use crate::telegram::{ChatId, File, Person, UserId};
use crate::text::nearest;

/// The office's chat.
pub(super) const OFFICE: ChatId = ChatId(-1_001_000_000_001);
/// The office's chat, by its place among the chats.
pub(super) const OFFICE_AT: usize = 0;

/// The first guest; those after them count on. The office's people have other numbers.
const FIRST_PERSON: i64 = 501;
const FIRST_OF_OFFICE: i64 = 901;
/// How long ago a partner registered, unless a scenario says otherwise, and how long the office took.
const REGISTERED_AGO: std::time::Duration = std::time::Duration::from_hours(30 * 24);
const DECIDED_AFTER: std::time::Duration = std::time::Duration::from_hours(1);

/// Somebody who talks with the bot.
#[derive(Clone, Debug)]
pub(super) struct Somebody {
    pub person: Person,
    pub phone: String,
    /// The chat in which they talk, by its place.
    pub chat: usize,
}

/// What somebody does.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Words(String),
    /// By what is written on the button.
    Press(String),
    Contact {
        phone: String,
        name: String,
        user: Option<UserId>,
    },
    File(File),
    /// A sticker, a voice: something the bot has no use for.
    Other,
}

impl Deed {
    /// As the transcript tells it.
    pub fn words(&self) -> String {
        match self {
            Deed::Words(text) => text.clone(),
            Deed::Press(label) => format!("[{label}]"),
            Deed::Contact { phone, name, .. } => format!("(номер {phone}, {name})"),
            Deed::File(file) => format!("({})", file.name),
            Deed::Other => "(стикер)".to_owned(),
        }
    }
}

impl Somebody {
    /// Their own card, as the key under the field shares it.
    pub fn own_contact(&self) -> Deed {
        Deed::Contact {
            phone: self.phone.clone(),
            name: self.person.name.clone(),
            user: Some(self.person.id),
        }
    }
}

const GUEST: &[&str] = &["name", "phone", "username", "id"];
const KNOWN: &[&str] =
    &["name", "phone", "username", "id", "role", "position", "shops", "registered", "reason"];

impl World {
    /// Somebody who has not registered. Returns their number.
    pub fn guest(&mut self, card: &Map<String, Value>) -> Result<usize, Trouble> {
        only("guest", card, GUEST)?;
        let id = match card.get("id") {
            None => FIRST_PERSON + i64::try_from(self.people.len()).unwrap_or(0),
            Some(id) => id.as_i64().filter(|id| *id > 0).ok_or("id — число больше нуля")?,
        };
        let name = text(card, "name")?.unwrap_or_else(|| "Гость".to_owned());
        let phone = text(card, "phone")?.unwrap_or_else(|| format!("+7999{id:07}"));
        if self.people.iter().any(|known| known.person.id.0 == id) {
            return Err(format!("id {id} уже есть у другого"));
        }
        self.chats.push(Chat::new(ChatId(id), &name));
        let person = Person { id: UserId(id), name, username: text(card, "username")? };
        self.people.push(Somebody { person, phone, chat: self.chats.len() - 1 });
        Ok(self.people.len() - 1)
    }

    /// Somebody whom the database knows as `status`. Returns their number.
    pub async fn known(&mut self, status: Status, card: &Map<String, Value>) -> Result<usize, Trouble> {
        only(status.as_str(), card, KNOWN)?;
        let known = |key: &&str| GUEST.contains(key);
        let who = card.iter().filter(|(key, _)| known(&key.as_str())).map(|(k, v)| (k.clone(), v.clone()));
        let number = self.guest(&who.collect())?;
        let Somebody { person, phone, .. } = self.people[number].clone();
        let role = match text(card, "role")?.as_deref() {
            None | Some("owner") => Role::Owner,
            Some("employee") => Role::Employee,
            Some(other) => return Err(format!("role бывает owner и employee, а не «{other}»")),
        };
        let created_at = match text(card, "registered")? {
            None => self.now() - REGISTERED_AGO,
            Some(day) => moment(&day)?,
        };
        let partner = Partner {
            user: person.id,
            chat: ChatId(person.id.0),
            status,
            profile: Profile {
                name: person.name,
                phone,
                username: person.username,
                role: Some(role),
                position: text(card, "position")?,
            },
            reachable: true,
            reason: text(card, "reason")?,
            created_at,
            verified_at: (status == Status::Verified).then_some(created_at + DECIDED_AFTER),
            salons: salons(card.get("shops"), person.id)?,
        };
        self.store().introduce(&partner, "Офис").await.map_err(|error| error.to_string())?;
        Ok(number)
    }

    /// Somebody of the office, in its chat. Returns their number.
    pub fn staff(&mut self, name: &str) -> usize {
        let of_office = |somebody: &Somebody| somebody.chat == OFFICE_AT;
        if let Some(known) =
            self.people.iter().position(|somebody| of_office(somebody) && somebody.person.name == name)
        {
            return known;
        }
        let count = self.people.iter().filter(|somebody| of_office(somebody)).count();
        let id = UserId(FIRST_OF_OFFICE + i64::try_from(count).unwrap_or(0));
        let person = Person { id, name: name.to_owned(), username: None };
        self.people.push(Somebody { person, phone: format!("+7999{:07}", id.0), chat: OFFICE_AT });
        self.people.len() - 1
    }
}

/// A moment in Moscow as scenarios write it: `2026-11-25 10:00`, or a day, which begins at midnight.
pub(super) fn moment(words: &str) -> Result<Timestamp, Trouble> {
    let local = chrono::NaiveDateTime::parse_from_str(words, "%Y-%m-%d %H:%M")
        .or_else(|_| chrono::NaiveDateTime::parse_from_str(&format!("{words} 00:00"), "%Y-%m-%d %H:%M"));
    let local =
        local.map_err(|_| format!("«{words}» — не время: нужно \"2026-11-25 10:00\" или \"2026-11-25\""))?;
    let there = local.and_local_timezone(chrono_tz::Europe::Moscow).earliest();
    there
        .map(|there| Timestamp(there.timestamp_millis()))
        .ok_or_else(|| format!("времени «{words}» в Москве не было"))
}

/// Refuses keys that mean nothing.
pub(super) fn only(what: &str, card: &Map<String, Value>, known: &[&str]) -> Result<(), Trouble> {
    let Some(key) = card.keys().find(|key| !known.contains(&key.as_str())) else { return Ok(()) };
    let hint =
        nearest(key, known.iter().copied()).map(|near| format!("; может быть, {near}?")).unwrap_or_default();
    Err(format!("{what}: нет поля «{key}»{hint}"))
}

pub(super) fn text(card: &Map<String, Value>, key: &str) -> Result<Option<String>, Trouble> {
    match card.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("поле {key} — текст")),
    }
}

/// Barbershops as a scenario names them: a title, or a map with `id`, `title` and `city`.
fn salons(shops: Option<&Value>, owner: UserId) -> Result<Vec<Salon>, Trouble> {
    let wrong = || "shops — список: названия или #{ id, title, city }".to_owned();
    let shops = match shops {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(shops) => shops.as_array().ok_or_else(wrong)?,
    };
    let salon = |(number, shop): (usize, &Value)| {
        let id = owner.0 * 1_000 + i64::try_from(number).unwrap_or(0);
        match shop {
            Value::String(title) => {
                let city = title.split_once(',').map(|(city, _)| city.trim().to_owned());
                Ok(Salon { id, title: title.clone(), city, address: None })
            }
            Value::Object(card) => {
                only("shops", card, &["id", "title", "city"])?;
                let id = card.get("id").and_then(Value::as_i64).unwrap_or(id);
                let title = text(card, "title")?.ok_or_else(wrong)?;
                Ok(Salon { id, title, city: text(card, "city")?, address: None })
            }
            _ => Err(wrong()),
        }
    };
    shops.iter().enumerate().map(salon).collect()
}
