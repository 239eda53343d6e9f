//! People who send one task after another, and remember what they were told of each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::bail;
use borodach::sandbox::bitrix24::Bitrix24;
use borodach::sandbox::telegram::{Event, Telegram};
use futures::future::{join_all, try_join_all};
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;

/// What became of a task, as its sender was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is on the board under this number.
    Done(i64),
    /// It was not made.
    Refused,
    /// Nobody knows; the office was asked.
    InDoubt,
}

/// Everybody who sends tasks.
#[derive(Debug)]
pub struct People {
    all: Vec<Person>,
}

struct Person {
    id: i64,
    share: u32,
    telegram: Telegram,
    heard: Arc<Notify>,
    fates: Mutex<Vec<(String, Fate)>>,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Person").field("id", &self.id).finish_non_exhaustive()
    }
}

/// How long somebody waits for a word before the run is given up.
const PATIENCE: Duration = Duration::from_mins(3);
/// How long somebody waits after "it is not clear": the bot may find out by itself.
const HOPE: Duration = Duration::from_mins(2);
const CALM: &str = "пока неясно";

impl People {
    /// Lets `count` people know of the bot; together they have `tasks` to send.
    pub fn introduce(telegram: &Telegram, count: u32, tasks: u32) -> People {
        let mut bells = HashMap::new();
        let person = |number: u32| {
            let id = 500_000 + i64::from(number);
            telegram.person(id, &format!("Партнёр {number}"), None, "+79990000000");
            let heard = Arc::new(Notify::new());
            bells.insert(id, Arc::clone(&heard));
            let share = tasks / count + u32::from(number < tasks % count);
            Person { id, share, telegram: telegram.clone(), heard, fates: Mutex::default() }
        };
        let all = (0..count).map(person).collect();
        tokio::spawn(ring(telegram.clone(), bells));
        People { all }
    }

    /// Their ids.
    pub fn ids(&self) -> impl Iterator<Item = i64> {
        self.all.iter().map(|person| person.id)
    }

    /// The first of them sends a task and must get it.
    pub async fn send_one(&self, bitrix24: &Bitrix24) -> anyhow::Result<()> {
        let Some(first) = self.all.first() else { return Ok(()) };
        match first.send("проба").await? {
            Fate::Done(id) if bitrix24.task(id).is_some() => Ok(()),
            other => bail!("a first task without any failure came to {other:?}"),
        }
    }

    /// All send what they have.
    pub async fn send_all(&self) -> anyhow::Result<()> {
        try_join_all(self.all.iter().map(Person::send_share)).await.map(drop)
    }

    /// Of how many tasks the senders know something.
    pub fn told(&self) -> usize {
        self.all.iter().map(|person| person.fates().len()).sum()
    }

    /// What everybody was told, a word that came late included.
    pub fn fates(&self) -> Vec<(String, Fate)> {
        let latest = |person: &Person| {
            let texts: Vec<_> = person.fates().clone();
            texts
                .into_iter()
                .map(|(text, fate)| (person.told_of(&text).unwrap_or(fate), text))
                .map(|(fate, text)| (text, fate))
                .collect::<Vec<_>>()
        };
        self.all.iter().flat_map(latest).collect()
    }

    /// Waits until the bot has nothing to answer any more.
    pub async fn rest(&self, telegram: &Telegram) {
        let doubtful =
            self.all.iter().filter(|person| person.fates().iter().any(|(_, fate)| *fate == Fate::InDoubt));
        join_all(doubtful.map(|person| tokio::time::timeout(HOPE, person.waits_for_late_words()))).await;
        while telegram.pending_updates() > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Person {
    async fn send_share(&self) -> anyhow::Result<()> {
        for number in 0..self.share {
            let text = format!("задача {}-{number}", self.id);
            let fate = self.send(&text).await?;
            self.fates().push((text, fate));
        }
        Ok(())
    }

    /// Sends one task and hears what became of it.
    async fn send(&self, text: &str) -> anyhow::Result<Fate> {
        let before = self.telegram.messages(self.id).len();
        self.telegram.writes(self.id, self.id, "/task");
        self.hears(before, |words| words.contains("Что сделать?").then_some(())).await?;
        let before = self.telegram.messages(self.id).len();
        self.telegram.writes(self.id, self.id, text);
        let first = self.hears(before, |words| fate(words, text)).await?;
        if first != Fate::InDoubt {
            return Ok(first);
        }
        let cleared = self.hears(before, |words| fate(words, text).filter(|fate| *fate != Fate::InDoubt));
        match tokio::time::timeout(HOPE, cleared).await {
            Ok(fate) => fate,
            Err(_elapsed) => Ok(Fate::InDoubt),
        }
    }

    /// Waits for a word of the bot's after the first `before` messages.
    async fn hears<T>(&self, before: usize, sense: impl Fn(&str) -> Option<T>) -> anyhow::Result<T> {
        let heard = async {
            loop {
                let bell = self.heard.notified();
                let messages = self.telegram.messages(self.id);
                let mut new = messages.iter().skip(before).filter(|message| message.is_from_bot());
                if let Some(found) = new.find_map(|message| sense(message.text())) {
                    return found;
                }
                bell.await;
            }
        };
        match tokio::time::timeout(PATIENCE, heard).await {
            Ok(found) => Ok(found),
            Err(_elapsed) => bail!("nothing heard for {PATIENCE:?}:\n{}", self.telegram.transcript(self.id)),
        }
    }

    /// The last word about a task, wherever it stands.
    fn told_of(&self, text: &str) -> Option<Fate> {
        let messages = self.telegram.messages(self.id);
        let told = messages.iter().filter(|message| message.is_from_bot());
        told.filter_map(|message| fate(message.text(), text)).find(|fate| *fate != Fate::InDoubt)
    }

    async fn waits_for_late_words(&self) {
        loop {
            let bell = self.heard.notified();
            let doubtful: Vec<_> =
                self.fates().iter().filter(|(_, fate)| *fate == Fate::InDoubt).cloned().collect();
            if doubtful.iter().all(|(text, _)| self.told_of(text).is_some()) {
                return;
            }
            bell.await;
        }
    }

    fn fates(&self) -> std::sync::MutexGuard<'_, Vec<(String, Fate)>> {
        self.fates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a message tells of a task.
fn fate(words: &str, text: &str) -> Option<Fate> {
    let told = |start: &str| words.strip_prefix(start)?.strip_prefix(text)?.strip_prefix(": ");
    if let Some(number) = told("Готово: ") {
        return number.strip_prefix('№')?.parse().ok().map(Fate::Done);
    }
    if told("Не вышло: ").is_some() {
        return Some(Fate::Refused);
    }
    words.contains(CALM).then_some(Fate::InDoubt)
}

/// Rings for whoever has got a message; for all when some rings were missed.
async fn ring(telegram: Telegram, bells: HashMap<i64, Arc<Notify>>) {
    let mut events = telegram.subscribe();
    loop {
        match events.recv().await {
            Ok(Event::Chat(id)) => {
                if let Some(bell) = bells.get(&id) {
                    bell.notify_one();
                }
            }
            Ok(Event::State | Event::Toast { .. }) => {}
            Err(RecvError::Lagged(_)) => bells.values().for_each(|bell| bell.notify_one()),
            Err(RecvError::Closed) => return,
        }
    }
}
