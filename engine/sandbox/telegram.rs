//! The desk's Telegram: a Bot API server that is as strict as the real one, people who talk to the bot, and switches
//! for what goes wrong on the way.
//!
//! [`Telegram`] is the server itself; what people do is in [`people`], what is seen of it in [`view`]. A call of the
//! bot comes in at `server`, is read by [`params`] and done by `call` and its neighbours; what people did goes to
//! the bot through `updates` and `webhook`.

mod call;
mod chat;
mod control;
mod edit;
pub mod faults;
pub mod files;
pub mod html;
pub mod limits;
mod markup;
pub mod message;
pub mod method;
pub mod params;
pub mod people;
pub mod poll;
pub mod refusal;
mod send;
mod server;
mod updates;
pub mod view;
mod webhook;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{broadcast, watch};
use url::Url;

use crate::clock::{SharedClock, SystemClock, Timestamp};
use crate::sandbox::{lock, read, write};

pub use faults::{Faults, Kind as Fault, Often, Rule};
pub use limits::{Limits, Quota};
pub use message::{Action, Author, Button, Content, Key, KeyKind, Message, ReplyKeyboard, Toast};
pub use method::Method;
pub use people::{Attachment, Unable, Whose};
pub use view::NotSeen;

use call::Callbacks;
use chat::Chat;
use files::Files;
use limits::Flood;
use message::{BotCard, Card};
use updates::Updates;

/// How many events a slow subscriber may fall behind.
const EVENTS_KEPT: usize = 4096;

/// A Telegram of one bot and as many people as were introduced. Cloning gives another handle to the same desk.
#[derive(Clone)]
pub struct Telegram(Arc<Desk>);

/// Something changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// In this chat.
    Chat(i64),
    /// Among people, groups or faults.
    State,
    /// A person was shown a notice for a press.
    Toast {
        /// Where the button is.
        chat: i64,
        /// What was shown, and to whom.
        toast: Toast,
    },
}

/// Locks are taken in the order chat, then updates or callbacks; none is held across an await.
struct Desk {
    addr: SocketAddr,
    token: String,
    bot: BotCard,
    clock: SharedClock,
    runtime: Handle,
    client: reqwest::Client,
    people: RwLock<HashMap<i64, Arc<Person>>>,
    chats: RwLock<HashMap<i64, Arc<Mutex<Chat>>>>,
    updates: Mutex<Updates>,
    callbacks: Mutex<Callbacks>,
    files: Files,
    faults: Faults,
    flood: Flood,
    calls: Vec<AtomicU64>,
    numbers: AtomicU64,
    events: broadcast::Sender<Event>,
    version: watch::Sender<u64>,
}

/// A person and where they stand with the bot.
struct Person {
    card: Arc<Card>,
    blocked: bool,
    /// Wrote to the bot at least once: before that the bot may not begin.
    started: bool,
}

impl Telegram {
    /// Starts the server on `addr` (port 0 for any free one) for the bot with `token`, `<id>:<secret>`.
    ///
    /// It serves until the runtime ends. Errors: the address is taken, or the process has no TLS provider installed.
    pub async fn start(addr: SocketAddr, token: &str) -> io::Result<Telegram> {
        Telegram::start_with_clock(addr, token, Arc::new(SystemClock)).await
    }

    /// [`Telegram::start`] with dates, expiries and webhook retries by `clock`. Holding a long poll, pauses between
    /// conflicts and the time given to a webhook are real time: a client's own patience is.
    pub async fn start_with_clock(addr: SocketAddr, token: &str, clock: SharedClock) -> io::Result<Telegram> {
        let listener = TcpListener::bind(addr).await?;
        let client = webhook::client().map_err(io::Error::other)?;
        let bot = BotCard {
            id: token.split(':').next().and_then(|id| id.parse().ok()).unwrap_or(1),
            name: "BORODACH".to_owned(),
            username: "borodach_sandbox_bot".to_owned(),
        };
        let sandbox = Telegram(Arc::new(Desk {
            addr: listener.local_addr()?,
            token: token.to_owned(),
            bot,
            clock,
            runtime: Handle::current(),
            client,
            people: RwLock::default(),
            chats: RwLock::default(),
            updates: Mutex::new(Updates::new(rand::random_range(100_000_000..900_000_000))),
            callbacks: Mutex::default(),
            files: Files::default(),
            faults: Faults::default(),
            flood: Flood::default(),
            calls: Method::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            numbers: AtomicU64::new(rand::random_range(1 << 40..1 << 41)),
            events: broadcast::Sender::new(EVENTS_KEPT),
            version: watch::Sender::new(0),
        }));
        server::serve(listener, &sandbox);
        Ok(sandbox)
    }

    /// Where the server listens: `http://127.0.0.1:PORT/`, the value for `TELEGRAM_API_URL`.
    pub fn url(&self) -> Url {
        Url::parse(&format!("http://{}", self.0.addr)).expect("a socket address makes a valid URL")
    }

    /// The control API with its event stream, to be nested under `/sandbox`; this server also serves it there.
    pub fn router(&self) -> axum::Router {
        control::router(self.clone())
    }

    /// Introduces a person, or renames one. They are known, yet the bot may not write before they do.
    pub fn person(&self, id: i64, name: &str, username: Option<&str>, phone: &str) {
        let card = Arc::new(Card {
            id,
            name: name.to_owned(),
            username: username.map(str::to_owned),
            phone: phone.to_owned(),
        });
        let mut people = write(&self.0.people);
        let (blocked, started) = people.get(&id).map_or((false, false), |old| (old.blocked, old.started));
        people.insert(id, Arc::new(Person { card: Arc::clone(&card), blocked, started }));
        drop(people);
        self.put_chat(id, message::Place::Private(card), &[id]);
        self.announce(Event::State);
    }

    /// Introduces a supergroup (a negative id, `-100…`) that the bot and `members` are in.
    pub fn group(&self, id: i64, title: &str, members: &[i64]) {
        self.put_chat(id, message::Place::Group { title: title.to_owned() }, members);
        self.announce(Event::State);
    }

    /// The switches for what goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// Sets flood control; [`Limits::default`] switches it off.
    pub fn set_limits(&self, limits: Limits) {
        self.0.flood.set(limits);
    }

    /// How often `method` was called, faults included.
    pub fn calls(&self, method: Method) -> u64 {
        self.0.calls[method as usize].load(Ordering::Relaxed)
    }

    /// The bot's token.
    pub fn token(&self) -> &str {
        &self.0.token
    }

    /// Events from now on. A subscriber that falls behind by 4,096 is told that it missed some.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }

    fn put_chat(&self, id: i64, place: message::Place, members: &[i64]) {
        let card = Arc::new(message::ChatCard { id, place });
        let mut chats = write(&self.0.chats);
        match chats.get(&id) {
            Some(chat) => lock(chat).rename(card, members),
            None => drop(chats.insert(id, Arc::new(Mutex::new(Chat::new(card, members))))),
        }
    }

    fn find_chat(&self, id: i64) -> Option<Arc<Mutex<Chat>>> {
        read(&self.0.chats).get(&id).cloned()
    }

    fn find_person(&self, id: i64) -> Option<Arc<Person>> {
        read(&self.0.people).get(&id).cloned()
    }

    /// Lets [`Telegram::wait_for`] look again.
    fn touch(&self) {
        self.0.version.send_modify(|version| *version = version.wrapping_add(1));
    }

    fn announce(&self, event: Event) {
        self.touch();
        // Nobody listens most of the time, and that is no failure.
        let _ = self.0.events.send(event);
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// A number that was not given out before: for callbacks, polls, albums.
    fn next_number(&self) -> u64 {
        self.0.numbers.fetch_add(1, Ordering::Relaxed)
    }
}
