//! Everything durable: what came in, where each talk stands, what must go out.
//!
//! All writes go through a writer that takes whatever waits at the moment and puts it into one transaction
//! with a constant number of statements. A call returns once that transaction is on disk, so "accepted" and
//! "committed" mean written. SQLite has one writer; PostgreSQL has a few, each with its own lanes.

mod database;
mod error;
mod json;
mod settings;
mod turn;

pub mod conversation;
pub mod housekeeping;
pub mod inbox;
pub mod journal;
pub mod lane;
pub mod outbox;
pub mod partner;
pub mod request;
pub mod script_set;
pub mod timer;

use std::collections::BTreeMap;

use tokio::sync::broadcast;

use crate::clock::{SharedClock, Timestamp};
use crate::telegram::{ChatId, UserId};

pub use conversation::{Conversation, ConversationId};
pub use error::{Error, Verdict};
pub use json::Json;
pub use lane::{LaneId, Lease, Wakeup};
pub use settings::{CrashHook, CrashPoint, DatabaseUrl, Settings};
pub use turn::{Committed, Local, Turn};

use housekeeping::{Health, Retention, Swept};
use partner::Partner;
use request::{Request, RequestId};
use script_set::{Publication, ScriptSet, SetHash};

/// The store; a clone is another handle of the same one.
#[derive(Clone, Debug)]
pub struct Store;

impl Store {
    /// Connects, makes the SQLite file and its folder, applies migrations, and registers this process.
    pub async fn open(settings: &Settings, clock: SharedClock) -> Result<Store, Error> {
        todo!()
    }

    /// Applies the migrations that are missing and names them, in order.
    pub async fn migrate(settings: &Settings) -> Result<Vec<String>, Error> {
        todo!()
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<(), Error> {
        todo!()
    }

    /// Whether other instances may work on the same database: true with PostgreSQL.
    pub fn is_shared(&self) -> bool {
        todo!()
    }

    /// Finishes the writes that wait, gives the lanes back and disconnects.
    pub async fn close(self) {
        todo!()
    }

    /// Writes what came in and returns what is new of it, in order: an entry whose source and key are
    /// known vanishes. Another instance that holds an entry's lane is woken.
    pub async fn accept(&self, entries: Vec<inbox::New>) -> Result<Vec<inbox::Entry>, Error> {
        todo!()
    }

    /// Writes a turn whole or not at all.
    ///
    /// Errors: [`Error::StaleLease`] when the lane has another holder, [`Error::AlreadyDone`] when this very
    /// turn is written already, so that a turn in doubt can be repeated, [`Error::AlreadyAwaiting`],
    /// [`Error::TooLarge`].
    pub async fn commit(&self, turn: Turn) -> Result<Committed, Error> {
        todo!()
    }

    /// Writes what became of a message. A second receipt for the same message changes nothing.
    pub async fn settle(&self, receipt: outbox::Receipt) -> Result<(), Error> {
        todo!()
    }

    /// Takes a lane that is free, whose holder is dead, or that is ours (an older lease of ours ends). None
    /// when another live instance holds it; that one is then woken.
    pub async fn lease(&self, lane: LaneId) -> Result<Option<Lease>, Error> {
        todo!()
    }

    /// Lanes with something to do that no live instance holds. A process that starts holds none, so its
    /// former self's are among them.
    pub async fn orphans(&self, limit: u32) -> Result<Vec<LaneId>, Error> {
        todo!()
    }

    /// Lanes of ours with something to do: where to look after wake-ups were missed.
    pub async fn busy_lanes(&self) -> Result<Vec<LaneId>, Error> {
        todo!()
    }

    /// The entries of a lane that are not done with, in order.
    pub async fn open_entries(&self, lane: LaneId) -> Result<Vec<inbox::Entry>, Error> {
        todo!()
    }

    /// The messages of a chat that are not delivered, in order.
    pub async fn open_messages(&self, chat: ChatId) -> Result<Vec<outbox::Message>, Error> {
        todo!()
    }

    /// Tells when another instance accepted something for a lane of ours. Never fires with SQLite. A
    /// receiver that lagged has missed some: treat it as [`Wakeup::All`].
    pub fn wakeups(&self) -> broadcast::Receiver<Wakeup> {
        todo!()
    }

    /// A number for a new conversation.
    pub async fn new_conversation(&self) -> Result<ConversationId, Error> {
        todo!()
    }

    /// The conversation in which this person's answer is awaited.
    pub async fn conversation(&self, chat: ChatId, user: UserId) -> Result<Option<Conversation>, Error> {
        todo!()
    }

    /// A conversation by its number.
    pub async fn conversation_by_id(&self, id: ConversationId) -> Result<Option<Conversation>, Error> {
        todo!()
    }

    /// The conversations parked as failed, the latest first.
    pub async fn parked(&self) -> Result<Vec<conversation::Row>, Error> {
        todo!()
    }

    /// The conversations that await an answer, by number: those after `after`, `limit` at most.
    pub async fn awaiting(&self, after: ConversationId, limit: u32) -> Result<Vec<conversation::Row>, Error> {
        todo!()
    }

    /// How many conversations await an answer on each script set.
    pub async fn running_by_set(&self) -> Result<BTreeMap<SetHash, u64>, Error> {
        todo!()
    }

    /// When the next timer fires.
    pub async fn next_fire(&self) -> Result<Option<Timestamp>, Error> {
        todo!()
    }

    /// Turns the timers that are due into inbox entries, `limit` at most, the earliest first. Each timer
    /// fires once, however many instances ask.
    ///
    /// An entry's source is `timer`; its body is
    /// `{"conversation":…,"step":…,"kind":"limit"|"remind","user":…,"fire_at":…}`.
    pub async fn fire(&self, now: Timestamp, limit: u32) -> Result<Vec<inbox::Entry>, Error> {
        todo!()
    }

    /// Keeps a script set; one that is kept already stays as it is.
    pub async fn put_set(&self, set: &ScriptSet) -> Result<(), Error> {
        todo!()
    }

    /// Reads a script set.
    pub async fn load_set(&self, hash: &SetHash) -> Result<Option<ScriptSet>, Error> {
        todo!()
    }

    /// Notes an attempt to publish.
    pub async fn publish(&self, publication: &Publication) -> Result<(), Error> {
        todo!()
    }

    /// The latest attempts to publish, the newest first.
    pub async fn publications(&self, limit: u32) -> Result<Vec<Publication>, Error> {
        todo!()
    }

    /// A person of the network with their barbershops; none for a guest who never registered.
    pub async fn partner(&self, user: UserId) -> Result<Option<Partner>, Error> {
        todo!()
    }

    /// A request by its number.
    pub async fn request(&self, id: RequestId) -> Result<Option<Request>, Error> {
        todo!()
    }

    /// A person's latest request.
    pub async fn latest_request(&self, user: UserId) -> Result<Option<Request>, Error> {
        todo!()
    }

    /// The requests nobody decided yet, the oldest first.
    pub async fn pending_requests(&self, limit: u32) -> Result<Vec<Request>, Error> {
        todo!()
    }

    /// Deletes what is older than it need be, in small transactions.
    pub async fn sweep(&self, retention: Retention) -> Result<Swept, Error> {
        todo!()
    }

    /// How the queues stand.
    pub async fn health(&self) -> Result<Health, Error> {
        todo!()
    }
}
