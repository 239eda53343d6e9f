//! The world of one scenario: the engine itself over a store in memory, and the chats in which people read and press.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::calls::Calls;
use super::hardship::Hardship;
use super::people::{Deed, OFFICE, Somebody};
use super::talk::{Line, Talk};
use super::wanted::Wanted;
use crate::cache::Cache;
use crate::clock::{Clock as _, ManualClock, SharedClock, Timestamp};
use crate::config;
use crate::conversation::{self, Advanced, Effect, Host, words};
use crate::jobs::{Coming, coming};
use crate::script::value::plain;
use crate::script::{Files, RHAI_VERSION, Scripts, Set};
use crate::store::job::Due;
use crate::store::script_set::{ScriptSet, SetHash};
use crate::store::{self, CrashHook, CrashPoint, DatabaseUrl, LaneId, Lease, Memory, Store, inbox, outbox};
use crate::telegram::{Button, ChatId, Content, Incoming, Key, Keyboard, Outgoing, Press, Target, What};

/// Why a scenario cannot go on: a sentence for whoever wrote it.
pub(super) type Trouble = String;

/// Where one scenario happens.
#[derive(Debug)]
pub(super) struct World {
    set: Arc<Set>,
    memory: Memory,
    clock: Arc<ManualClock>,
    host: Host,
    pub calls: Arc<Calls>,
    hardship: Option<Hardship>,
    crash: Arc<Crash>,
    pub people: Vec<Somebody>,
    pub chats: Vec<Chat>,
    pub talk: Talk,
    queue: VecDeque<inbox::Entry>,
    leases: HashMap<LaneId, Lease>,
    delivered: HashSet<outbox::MessageId>,
    /// Updates and events so far: each has a number of its own.
    happened: u64,
    /// What is done now belongs to a hardship and not to the talk.
    is_aside: bool,
    /// What each person did since they were asked what they are asked now.
    answers: HashMap<usize, Vec<Deed>>,
}

/// A chat as its people see it.
#[derive(Debug)]
pub(super) struct Chat {
    pub id: ChatId,
    pub title: String,
    messages: Vec<Shown>,
    /// The keys under the input field.
    keys: Vec<Vec<Key>>,
    /// What was said, in order; a message that changed is there again.
    pub said: Vec<Said>,
    /// How much of it has been looked at: up to here it is not new.
    pub looked: usize,
    numbers: i64,
}

/// A message in a chat.
#[derive(Debug)]
struct Shown {
    number: i64,
    key: String,
    buttons: Vec<Vec<Button>>,
}

/// Something the bot said.
#[derive(Debug)]
pub(super) struct Said {
    pub text: String,
    /// The line of the transcript.
    pub line: usize,
}

/// A question that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Waiting {
    conversation: i64,
    step: u64,
    leads_back: bool,
}

/// What a press of a button sends.
enum Pressed {
    Data { data: String, message: i64 },
    Words(String),
    Contact,
}

/// When the store dies next.
#[derive(Debug, Default)]
struct Crash {
    is_armed: AtomicBool,
    comes_after: AtomicBool,
}

/// A Monday noon in Moscow, unless a scenario says otherwise.
const BEGINNING: Timestamp = Timestamp(1_768_208_400_000);
/// The calendar of scenarios.
pub(super) const ZONE: chrono_tz::Tz = chrono_tz::Europe::Moscow;
/// Timers that come due at once, and people that a flow comes to.
const PORTION: u32 = 500;
/// A scenario that moves the clock past more moments than this has a timer that promises itself anew.
const MOST_MOMENTS: usize = 10_000;
/// A turn makes a few commits; one that is not done after so many crashes makes no headway.
const MOST_CRASHES: usize = 200;

fn of_store(error: &store::Error) -> Trouble {
    format!("хранилище сценария отказало: {error}")
}

impl World {
    /// An empty world in which the office's chat is the only one.
    pub async fn new(set: &Arc<Set>, hardship: Option<Hardship>) -> Result<World, Trouble> {
        let memory = Memory::new().await.map_err(|error| of_store(&error))?;
        let (clock, calls, crash) = (ManualClock::new(BEGINNING), Arc::<Calls>::default(), Arc::default());
        if hardship == Some(Hardship::Doubts) {
            Calls::lose_answers(&calls);
        }
        let host = open(set, &memory, &clock, &calls, &crash).await.map_err(|error| of_store(&error))?;
        // Conversations refer to their set; its texts are in memory already.
        let kept = ScriptSet {
            hash: SetHash(set.hash().to_owned()),
            rhai_version: RHAI_VERSION.to_owned(),
            files: Files::new(),
        };
        host.store().put_set(&kept).await.map_err(|error| of_store(&error))?;
        Ok(World {
            set: Arc::clone(set),
            memory,
            clock,
            host,
            calls,
            hardship,
            crash,
            people: Vec::new(),
            chats: vec![Chat::new(OFFICE, "офис")],
            talk: Talk::default(),
            queue: VecDeque::new(),
            leases: HashMap::new(),
            delivered: HashSet::new(),
            happened: 0,
            is_aside: false,
            answers: HashMap::new(),
        })
    }

    /// Closes what is open.
    pub async fn end(self) {
        self.store().clone().close().await;
    }

    /// The database, for people who registered before.
    pub fn store(&self) -> &Store {
        self.host.store()
    }

    /// The scripts it plays.
    pub fn set(&self) -> &Set {
        &self.set
    }

    /// The moment it is.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether anything has happened yet.
    pub fn has_begun(&self) -> bool {
        self.happened > 0
    }

    /// Puts the clock to a moment, before anything has happened.
    pub fn set_clock(&mut self, moment: Timestamp) {
        self.clock.set(moment);
    }

    /// Lets time pass; what was promised or planned for a moment on the way comes at its moment.
    pub async fn pass(&mut self, span: Duration) -> Result<(), Trouble> {
        let until = self.now() + span;
        for chat in &mut self.chats {
            chat.looked = chat.said.len();
        }
        let plan = coming(&self.set, Some(OFFICE));
        // What was planned before the beginning is nothing to make up for.
        self.come(&plan, Due::Skip).await?;
        for _ in 0..MOST_MOMENTS {
            let promised = self.store().next_fire().await.map_err(|error| of_store(&error))?;
            let comes = plan.iter().filter_map(|flow| flow.schedule.next(self.now(), ZONE)).min();
            let next = promised.into_iter().chain(comes).min();
            let Some(moment) = next.filter(|&moment| moment <= until) else {
                self.clock.set(until);
                return Ok(());
            };
            self.clock.set(moment.max(self.now()));
            let fired = self.store().fire(self.now(), PORTION).await.map_err(|error| of_store(&error))?;
            self.queue.extend(fired);
            self.come(&plan, Due::Run).await?;
            self.settle().await?;
            self.only_expected_calls()?;
        }
        Err(format!(
            "за это время наступает больше {MOST_MOMENTS} моментов: похоже, напоминание заводит само себя"
        ))
    }

    /// Brings the flows whose moment it is to their people.
    async fn come(&mut self, plan: &[Coming], due: Due) -> Result<(), Trouble> {
        for flow in plan {
            let Some(moment) = flow.schedule.latest(self.now(), ZONE) else { continue };
            let run = self.store().claim_run(&flow.job, moment, due).await;
            let Some(run) = run.map_err(|error| of_store(&error))? else { continue };
            let step = self.store().feed_run(&run, &flow.audience, PORTION).await;
            self.queue.extend(step.map_err(|error| of_store(&error))?.entries);
        }
        Ok(())
    }

    /// Something happens outside that concerns a person.
    pub async fn event(&mut self, name: &str, who: usize, data: Value) -> Result<(), Trouble> {
        let chat = self.people[who].chat;
        self.chats[chat].looked = self.chats[chat].said.len();
        let lane = self.chats[chat].id.into();
        self.happened += 1;
        self.line(
            chat,
            format!("событие {name}"),
            if data.is_null() { String::new() } else { data.to_string() },
        );
        let key = format!("scenario-{}", self.happened);
        let body = json!({ "event": name, "data": data }).into();
        self.accept(inbox::New { source: "event".to_owned(), key, lane, body }).await
    }

    /// A person does something, and the bot does all that follows.
    pub async fn does(&mut self, who: usize, deed: Deed) -> Result<(), Trouble> {
        let chat = self.people[who].chat;
        self.chats[chat].looked = self.chats[chat].said.len();
        self.line(chat, self.people[who].person.name.clone(), deed.words());
        let before = self.waiting(who).await?;
        let pressed = self.perform(who, &deed).await?;
        self.only_expected_calls()?;
        match self.hardship {
            Some(Hardship::OldButtons) => match pressed {
                Some(Pressed::Data { data, message }) if data.starts_with('?') => {
                    self.is_aside = true;
                    let again = self.press(who, data, message).await;
                    self.is_aside = false;
                    again
                }
                _ => Ok(()),
            },
            Some(Hardship::Back) => self.back_and_again(who, deed, before).await,
            Some(Hardship::Crashes | Hardship::Repeats | Hardship::Doubts) | None => Ok(()),
        }
    }

    fn only_expected_calls(&self) -> Result<(), Trouble> {
        match self.calls.unexpected() {
            Some(call) => Err(format!("бот обратился наружу, а сценарий этого не ждёт: {call}")),
            None => Ok(()),
        }
    }

    /// Whether a button can be pressed in the chat.
    pub fn has_button(&self, chat: usize, label: &str) -> bool {
        self.chats[chat].find(label).is_some()
    }

    /// Whether buttons that were taken off may still be seen: a crash eats such niceties.
    pub fn loses_niceties(&self) -> bool {
        self.hardship == Some(Hardship::Crashes)
    }

    /// What was said in a chat since its people last did something.
    pub fn news(&self, chat: usize) -> &[Said] {
        let chat = &self.chats[chat];
        &chat.said[chat.looked..]
    }

    /// Looks for a message among the news; those before it are not new any more.
    pub fn look_for(&mut self, chat: usize, wanted: &Wanted) -> bool {
        let found = self.news(chat).iter().position(|said| wanted.fits(&said.text));
        if let Some(at) = found {
            self.chats[chat].looked += at;
        }
        found.is_some()
    }

    /// The talk so far, with the news of a chat marked.
    pub fn drawn(&self, chat: Option<usize>) -> String {
        let new: HashSet<usize> =
            chat.map(|chat| self.news(chat).iter().map(|said| said.line).collect()).unwrap_or_default();
        self.talk.draw(|line| new.contains(&line))
    }

    fn line(&mut self, chat: usize, speaker: String, text: String) {
        if !self.is_aside {
            let chat = self.chats[chat].id;
            self.talk.lines.push(Line { chat, speaker, text });
        }
    }

    /// Does a deed as Telegram would tell of it. Returns what was pressed, if a button was.
    async fn perform(&mut self, who: usize, deed: &Deed) -> Result<Option<Pressed>, Trouble> {
        let what = match deed {
            Deed::Words(text) => What::Text { text: text.clone() },
            Deed::Other => What::Other,
            Deed::File(file) => What::File(file.clone()),
            Deed::Contact { phone, name, user } => What::Contact {
                phone: phone.clone(),
                first_name: name.clone(),
                last_name: String::new(),
                user: *user,
                is_forwarded: false,
            },
            Deed::Press(label) => match self.chats[self.people[who].chat].find(label) {
                Some(Pressed::Data { data, message }) => {
                    self.press(who, data.clone(), message).await?;
                    return Ok(Some(Pressed::Data { data, message }));
                }
                Some(Pressed::Words(text)) => What::Text { text },
                Some(Pressed::Contact) => {
                    return Box::pin(self.perform(who, &self.people[who].own_contact())).await;
                }
                None => {
                    let labels = self.chats[self.people[who].chat].labels();
                    let there = if labels.is_empty() {
                        "кнопок нет никаких".to_owned()
                    } else {
                        labels
                    };
                    return Err(format!("{}: нет кнопки «{label}»; {there}", self.people[who].person.name));
                }
            },
        };
        let number = self.chats[self.people[who].chat].number();
        self.update(who, Some(number), what).await?;
        Ok(None)
    }

    async fn press(&mut self, who: usize, data: String, message: i64) -> Result<(), Trouble> {
        let callback_id = format!("{}", self.happened);
        self.update(who, Some(message), What::Press { callback_id, data }).await
    }

    async fn update(&mut self, who: usize, message_id: Option<i64>, what: What) -> Result<(), Trouble> {
        let Somebody { person, chat, .. } = &self.people[who];
        let chat = self.chats[*chat].id;
        let incoming = Incoming { chat, from: person.clone(), message_id, what };
        let body = store::Json::of(&incoming).expect("a deed is a plain structure with string keys");
        self.happened += 1;
        let key = self.happened.to_string();
        self.accept(inbox::New { source: "telegram".to_owned(), key, lane: chat.into(), body }).await
    }

    async fn accept(&mut self, entry: inbox::New) -> Result<(), Trouble> {
        let times = if self.hardship == Some(Hardship::Repeats) { 2 } else { 1 };
        for _ in 0..times {
            let accepted =
                self.store().accept(vec![entry.clone()]).await.map_err(|error| of_store(&error))?;
            self.queue.extend(accepted);
        }
        self.settle().await
    }

    /// Takes what waits, one entry after another, until nothing does.
    async fn settle(&mut self) -> Result<(), Trouble> {
        while let Some(entry) = self.queue.pop_front() {
            if entry.source == "notice" && entry.key.starts_with("turn-") {
                let notice: Value = entry.body.read().unwrap_or_default();
                return Err(plain(notice["html"].as_str().unwrap_or_default()));
            }
            self.turn(entry).await?;
        }
        Ok(())
    }

    async fn turn(&mut self, entry: inbox::Entry) -> Result<(), Trouble> {
        if self.hardship == Some(Hardship::Crashes) && self.happened == 1 {
            self.set_numbers_aside().await?;
        }
        for _ in 0..MOST_CRASHES {
            let lease = self.lease(entry.lane).await?;
            let handed = Mutex::new(Vec::new());
            let hand_on = |advanced| handed.lock().unwrap_or_else(PoisonError::into_inner).push(advanced);
            if self.hardship == Some(Hardship::Crashes) {
                self.crash.arm();
            }
            let result = conversation::advance(&self.host, lease, &entry, &hand_on).await;
            self.crash.disarm();
            for advanced in handed.into_inner().unwrap_or_else(PoisonError::into_inner) {
                self.take(advanced)?;
            }
            match result {
                Ok(advanced) => {
                    self.take(advanced)?;
                    return self.take_again(lease, &entry).await;
                }
                Err(store::Error::Crashed) => {
                    self.restart().await?;
                    // What is open is queued anew, this entry among it unless its turn was written.
                    match self.queue.iter().position(|open| open.id == entry.id) {
                        Some(at) => drop(self.queue.remove(at)),
                        None => return Ok(()),
                    }
                }
                Err(error) => return Err(of_store(&error)),
            }
        }
        Err(format!("после {MOST_CRASHES} падений ход так и не закончен"))
    }

    /// An entry that is taken a second time must change nothing.
    async fn take_again(&mut self, lease: Lease, entry: &inbox::Entry) -> Result<(), Trouble> {
        if self.hardship != Some(Hardship::Repeats) {
            return Ok(());
        }
        match conversation::advance(&self.host, lease, entry, &drop).await {
            Err(store::Error::AlreadyDone) => Ok(()),
            Err(error) => Err(of_store(&error)),
            Ok(_) => Err("одна и та же запись была принята дважды".to_owned()),
        }
    }

    async fn lease(&mut self, lane: LaneId) -> Result<Lease, Trouble> {
        if let Some(lease) = self.leases.get(&lane) {
            return Ok(*lease);
        }
        let lease = self.store().lease(lane).await.map_err(|error| of_store(&error))?;
        let lease = lease.ok_or("дорожка чата занята")?;
        self.leases.insert(lane, lease);
        Ok(lease)
    }

    /// Numbers of conversations are set aside by a commit that a crash makes void for ever: it is made beforehand.
    async fn set_numbers_aside(&self) -> Result<(), Trouble> {
        self.store().new_conversation().await.map(drop).map_err(|error| of_store(&error))
    }

    /// Another process takes over what the dead one has left.
    async fn restart(&mut self) -> Result<(), Trouble> {
        let opened = open(&self.set, &self.memory, &self.clock, &self.calls, &self.crash).await;
        self.host = opened.map_err(|error| of_store(&error))?;
        self.set_numbers_aside().await?;
        self.leases.clear();
        self.queue.clear();
        let mut open = Vec::new();
        for lane in self.store().orphans(PORTION).await.map_err(|error| of_store(&error))? {
            self.lease(lane).await?;
            for message in self.store().open_messages(lane.chat()).await.map_err(|error| of_store(&error))? {
                self.receive(&message)?;
            }
            open.extend(self.store().open_entries(lane).await.map_err(|error| of_store(&error))?);
        }
        open.sort_by_key(|entry| entry.id);
        self.queue.extend(open);
        Ok(())
    }

    fn take(&mut self, advanced: Advanced) -> Result<(), Trouble> {
        for message in &advanced.messages {
            self.receive(message)?;
        }
        for effect in advanced.effects {
            if let Effect::Tidy { chat, target, .. } = effect
                && let Some(message) = self.chat(chat).and_then(|chat| self.chats[chat].shown(&target))
            {
                message.buttons.clear();
            }
        }
        self.queue.extend(advanced.entries);
        Ok(())
    }

    fn chat(&self, id: ChatId) -> Option<usize> {
        self.chats.iter().position(|chat| chat.id == id)
    }

    /// A message arrives. What is not settled with the store comes again after a crash, and is known then.
    fn receive(&mut self, message: &outbox::Message) -> Result<(), Trouble> {
        if !self.delivered.insert(message.id) {
            return Ok(());
        }
        let Some(at) = self.chat(message.chat) else {
            return Err(format!("бот пишет в чат {}, которого в сценарии нет", message.chat.0));
        };
        let outgoing: Outgoing =
            message.call.read().map_err(|error| format!("сообщение не читается: {error}"))?;
        let (text, changed) = match &outgoing.content {
            Content::Text { html } => (plain(html), None),
            Content::Photo { caption, .. } => (format!("[фото] {}", plain(caption)), None),
            Content::Chart { chart, caption } => {
                let title = chart["title"].as_str().unwrap_or_default();
                (format!("[график: {title}] {}", plain(caption)), None)
            }
            Content::Document { caption, .. } => (format!("[файл] {}", plain(caption)), None),
            Content::Poll { question, options, .. } => {
                (format!("[опрос] {question}: {}", options.join(" / ")), None)
            }
            Content::Edit { target, html } => (plain(html), Some(target)),
        };
        let chat = &mut self.chats[at];
        if let Some(target) = changed {
            if let Some(shown) = chat.shown(target) {
                shown.buttons.clone_from(&outgoing.buttons);
            }
        } else {
            let (number, key) = (chat.number(), message.key.clone());
            chat.messages.push(Shown { number, key, buttons: outgoing.buttons.clone() });
        }
        match &outgoing.keyboard {
            Some(Keyboard::Reply { rows, .. }) => chat.keys.clone_from(rows),
            Some(Keyboard::Remove) => chat.keys.clear(),
            Some(Keyboard::ForceReply) | None => {}
        }
        if !self.is_aside {
            let speaker = format!("бот → {}", chat.title);
            let line = self.talk.lines.len();
            chat.said.push(Said { text: text.clone(), line });
            let change = if changed.is_some() { "(меняет) " } else { "" };
            self.line(at, speaker, format!("{change}{text}{}", drawn_buttons(&outgoing, &text)));
        }
        Ok(())
    }

    /// Where the person's question stands.
    async fn waiting(&self, who: usize) -> Result<Option<Waiting>, Trouble> {
        if self.hardship != Some(Hardship::Back) {
            return Ok(None);
        }
        let Somebody { person, chat, .. } = &self.people[who];
        let found = self.store().conversation(self.chats[*chat].id, person.id).await;
        let Some(found) = found.map_err(|error| of_store(&error))? else { return Ok(None) };
        let detail: Value = found.row.detail.read().unwrap_or_default();
        let awaiting = &detail["awaiting"];
        Ok(awaiting["step"].as_u64().map(|step| Waiting {
            conversation: found.row.id.0,
            step,
            leads_back: awaiting["can_go_back"] == true && awaiting["question"]["offers_back"] == true,
        }))
    }

    /// After an answer that led to the next question: back, and the same answer again. The same question must come.
    async fn back_and_again(
        &mut self,
        who: usize,
        deed: Deed,
        before: Option<Waiting>,
    ) -> Result<(), Trouble> {
        let after = self.waiting(who).await?;
        self.answers.entry(who).or_default().push(deed);
        if after == before {
            return Ok(());
        }
        let deeds = self.answers.remove(&who).unwrap_or_default();
        let (Some(before), Some(after)) = (before, after) else { return Ok(()) };
        // In a group a question in words has no buttons, and a scenario may have gone back by itself.
        let is_next = before.conversation == after.conversation && before.step < after.step;
        if !is_next || !after.leads_back || !self.has_button(self.people[who].chat, words::BACK) {
            return Ok(());
        }
        self.is_aside = true;
        self.calls.set_repeats(true);
        let gone = self.go_back(who, &deeds, &before, &after).await;
        self.calls.set_repeats(false);
        self.is_aside = false;
        gone
    }

    async fn go_back(
        &mut self,
        who: usize,
        deeds: &[Deed],
        before: &Waiting,
        after: &Waiting,
    ) -> Result<(), Trouble> {
        self.perform(who, &Deed::Press(words::BACK.to_owned())).await?;
        if self.waiting(who).await?.map(|now| now.step) != Some(before.step) {
            return Err("«Назад» привело не к прежнему вопросу".to_owned());
        }
        for deed in deeds {
            self.perform(who, deed).await?;
        }
        if self.waiting(who).await?.map(|now| now.step) != Some(after.step) {
            return Err("после «Назад» тот же ответ привёл к другому вопросу".to_owned());
        }
        Ok(())
    }
}

impl Chat {
    pub fn new(id: ChatId, title: &str) -> Chat {
        Chat {
            id,
            title: title.to_owned(),
            messages: Vec::new(),
            keys: Vec::new(),
            said: Vec::new(),
            looked: 0,
            numbers: 0,
        }
    }

    /// The number of the next message, anybody's.
    fn number(&mut self) -> i64 {
        self.numbers += 1;
        self.numbers
    }

    fn shown(&mut self, target: &Target) -> Option<&mut Shown> {
        self.messages.iter_mut().rev().find(|shown| match target {
            Target::Key(key) => shown.key == *key,
            Target::Message(number) => shown.number == *number,
        })
    }

    /// What a press of the button sends: the latest message that has it counts, then the keys under the field.
    fn find(&self, label: &str) -> Option<Pressed> {
        for shown in self.messages.iter().rev() {
            let button = shown.buttons.iter().flatten().find(|button| button.label == label);
            if let Some(Press::Data(data)) = button.map(|button| &button.press) {
                return Some(Pressed::Data { data: data.clone(), message: shown.number });
            }
        }
        self.keys.iter().flatten().find_map(|key| match key {
            Key::Text(text) if text == label => Some(Pressed::Words(text.clone())),
            Key::Contact(text) if text == label => Some(Pressed::Contact),
            Key::Text(_) | Key::Contact(_) => None,
        })
    }

    /// All that can be pressed, the latest message first.
    pub fn labels(&self) -> String {
        let keys = self.keys.iter().flatten().map(label_of);
        let buttons = self
            .messages
            .iter()
            .rev()
            .flat_map(|shown| shown.buttons.iter().flatten())
            .map(|b| b.label.as_str());
        let labels: Vec<String> = buttons.chain(keys).map(|label| format!("[{label}]")).collect();
        if labels.is_empty() { String::new() } else { format!("есть {}", labels.join(" ")) }
    }
}

impl Crash {
    fn arm(&self) {
        self.is_armed.store(true, Ordering::Release);
    }

    fn disarm(&self) {
        self.is_armed.store(false, Ordering::Release);
    }

    /// Each commit is crashed twice: before it is made and, when it is repeated, after.
    fn strikes(&self, point: CrashPoint) -> bool {
        let is_after = matches!(point, CrashPoint::After(_));
        if !self.is_armed.load(Ordering::Acquire) || self.comes_after.load(Ordering::Acquire) != is_after {
            return false;
        }
        self.comes_after.store(!is_after, Ordering::Release);
        self.disarm();
        true
    }
}

/// Opens the store in memory, and the host upon it.
async fn open(
    set: &Arc<Set>,
    memory: &Memory,
    clock: &Arc<ManualClock>,
    calls: &Arc<Calls>,
    crash: &Arc<Crash>,
) -> Result<Host, store::Error> {
    let striking = Arc::clone(crash);
    let settings = store::Settings {
        url: DatabaseUrl::Memory(memory.clone()),
        most: 1,
        crash: Some(CrashHook(Arc::new(move |point| striking.strikes(point)))),
        ..store::Settings::default()
    };
    let store = Store::open(&settings, Arc::<ManualClock>::clone(clock)).await?;
    let scripts = Arc::new(Scripts::fixed(Arc::clone(set), store.clone(), clock.now()));
    let settings = conversation::Settings {
        staff_chat: Some(OFFICE),
        staff: Vec::new(),
        zone: ZONE,
        turn_deadline: Duration::from_secs(30),
        doubt_settles: Duration::from_mins(1),
        wait_for_fresh: Duration::from_secs(3),
        wait_for_first: Duration::from_secs(10),
        doubt_asks: Duration::from_hours(1),
    };
    let clock: SharedClock = Arc::<ManualClock>::clone(clock);
    let cache = Cache::new(&config::Cache::default(), None, Arc::clone(&clock));
    let host = Host::new(store, scripts, clock, cache, settings);
    Ok(host.with_stand_in(Arc::<Calls>::clone(calls)))
}

fn label_of(key: &Key) -> &str {
    match key {
        Key::Text(label) | Key::Contact(label) => label,
    }
}

/// The buttons of a message, as the transcript shows them: beside a short text, under a long one.
fn drawn_buttons(outgoing: &Outgoing, text: &str) -> String {
    let mut labels: Vec<String> =
        outgoing.buttons.iter().flatten().map(|button| format!("[{}]", button.label)).collect();
    if let Some(Keyboard::Reply { rows, .. }) = &outgoing.keyboard {
        labels.extend(rows.iter().flatten().map(|key| format!("[{}]", label_of(key))));
    }
    if labels.is_empty() {
        return String::new();
    }
    let gap = if text.contains('\n') || text.chars().count() > 60 { "\n" } else { "  " };
    format!("{gap}{}", labels.join(" "))
}
