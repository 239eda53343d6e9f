//! The people: each says the next thing as soon as the last one is answered, and remembers how long that took.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// What every person says, and a part of the answer each time.
#[derive(Clone, Debug)]
pub struct Talk(Vec<(String, String)>);

/// The registration of `flows/registration.rhai`.
pub const REGISTRATION: &str = "/start=>зовут|Петрова Анна=>барбершоп|Казань, ТЦ Кольцо=>владелец|\
    Да=>Отправить?|Отправить=>отправлена";

impl std::str::FromStr for Talk {
    type Err = String;

    fn from_str(text: &str) -> Result<Talk, String> {
        let parts = text.split('|').map(|part| {
            let (says, hears) = part.split_once("=>").ok_or_else(|| format!("`{part}` has no `=>`"))?;
            Ok((says.trim().to_owned(), hears.trim().to_owned()))
        });
        parts.collect::<Result<_, String>>().map(Talk)
    }
}

/// What a person does once they are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Goes on at once.
    Eager,
    /// Waits to be asked to go on.
    Patient,
    /// Goes on at once up to this many answers, then leaves the bot waiting and sends the next person.
    Leaving(usize),
}

/// Everybody, and what they said that the bot has not fetched yet.
#[derive(Debug)]
pub struct Crowd {
    talk: Talk,
    manner: Manner,
    people: Vec<Person>,
    /// People that have not come yet are those from here on.
    next_newcomer: usize,
    idle: VecDeque<usize>,
    updates: VecDeque<String>,
    next_update: i64,
    tally: Tally,
}

#[derive(Clone, Debug, Default)]
struct Person {
    step: usize,
    asked_at: Option<Instant>,
}

/// What was counted since the last count.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How long each answer took.
    pub answers: Vec<Duration>,
    /// Talks that came to their end.
    pub dialogues: usize,
    /// Answers with other words than the talk expects.
    pub wrong: usize,
    /// Messages to somebody who had said nothing.
    pub unasked: usize,
    /// Updates that the bot's webhook did not take.
    pub refused: usize,
}

/// The first person's number in Telegram.
const FIRST: i64 = 1_000_000;

impl Crowd {
    /// So many people, none of whom has come yet.
    pub fn new(people: usize, talk: Talk, manner: Manner) -> Crowd {
        Crowd {
            talk,
            manner,
            people: vec![Person::default(); people],
            next_newcomer: 0,
            idle: VecDeque::new(),
            updates: VecDeque::new(),
            // A database used before would take numbers used before for repetitions.
            next_update: rand::random_range(1..1_000_000_000),
            tally: Tally::default(),
        }
    }

    /// The next `count` people come and speak.
    pub fn come(&mut self, count: usize) {
        for _ in 0..count.min(self.people.len() - self.next_newcomer) {
            self.next_newcomer += 1;
            self.speak(self.next_newcomer - 1);
        }
    }

    /// Changes what people do from their next answer on.
    pub fn behave(&mut self, manner: Manner) {
        self.manner = manner;
    }

    /// Somebody who waits to be asked goes on; `false` when nobody does.
    pub fn go_on(&mut self) -> bool {
        let Some(person) = self.idle.pop_front() else { return false };
        self.speak(person);
        true
    }

    /// How many have said something and have no answer yet.
    pub fn unanswered(&self) -> usize {
        self.people.iter().filter(|person| person.asked_at.is_some()).count()
    }

    /// How many have been answered at least `count` times in their talk.
    pub fn have_reached(&self, count: usize) -> usize {
        self.people.iter().filter(|person| person.asked_at.is_none() && person.step >= count).count()
    }

    /// What was counted, which begins anew.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// What was counted so far.
    pub fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    /// The oldest update that the bot has not fetched.
    pub fn next_update(&mut self) -> Option<String> {
        self.updates.pop_front()
    }

    /// The bot says something in a person's chat.
    pub fn hear(&mut self, chat: i64, words: &str) {
        let index = usize::try_from(chat - FIRST).unwrap_or(usize::MAX);
        let Some(person) = self.people.get_mut(index) else {
            self.tally.unasked += 1;
            return;
        };
        let Some(asked_at) = person.asked_at.take() else {
            self.tally.unasked += 1;
            return;
        };
        self.tally.answers.push(asked_at.elapsed());
        if words.contains(&self.talk.0[person.step].1) {
            person.step += 1;
        } else {
            self.tally.wrong += 1;
            person.step = 0;
        }
        let reached = person.step;
        if reached == self.talk.0.len() {
            person.step = 0;
            self.tally.dialogues += 1;
        }
        match self.manner {
            Manner::Eager => self.speak(index),
            Manner::Patient => self.idle.push_back(index),
            Manner::Leaving(enough) if reached < enough => self.speak(index),
            Manner::Leaving(_) => self.come(1),
        }
    }

    fn speak(&mut self, index: usize) {
        let person = &mut self.people[index];
        person.asked_at = Some(Instant::now());
        let id = FIRST + i64::try_from(index).expect("a crowd is far smaller");
        let (number, text) = (self.next_update, serde_json::json!(self.talk.0[person.step].0));
        self.next_update += 1;
        self.updates.push_back(format!(
            r#"{{"update_id":{number},"message":{{"message_id":{number},"date":1700000000,"from":{{"id":{id},"is_bot":false,"first_name":"Анна","language_code":"ru"}},"chat":{{"id":{id},"type":"private","first_name":"Анна"}},"text":{text}}}}}"#
        ));
    }
}

/// Woken when people have said something.
#[derive(Debug, Default)]
pub struct Bell(Notify);

impl Bell {
    /// There are updates to fetch.
    pub fn ring(&self) {
        self.0.notify_one();
    }

    /// Waits until there may be updates.
    pub async fn heard(&self) {
        self.0.notified().await;
    }
}
