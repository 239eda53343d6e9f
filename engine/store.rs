//! Everything durable: what came in, where each talk stands, what must go out.
//!
//! All writes go through a writer that takes whatever waits at the moment and puts it into one transaction
//! with a constant number of statements. A call returns once that transaction is on disk, so "accepted" and
//! "committed" mean written. SQLite has one writer; PostgreSQL has a few, each with its own lanes.
//!
//! Here is the road of a turn; what else the store can do stands in the file of its table, as methods of [`Store`].

mod archive;
mod checkpoint;
mod connect;
mod database;
mod error;
mod group;
mod helper;
mod json;
mod presence;
mod settings;
mod turn;
mod tx;
mod writer;

pub mod broadcast;
pub mod change;
pub mod content;
pub mod conversation;
pub mod doubt;
pub mod housekeeping;
pub mod inbox;
pub mod job;
pub mod journal;
pub mod lane;
pub mod notification;
pub mod outbox;
pub mod partner;
pub mod poll;
pub mod rating;
pub mod request;
pub mod salon;
pub mod script_set;
pub mod task;
pub mod timer;
pub mod town;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::{broadcast as channel, mpsc, oneshot};
use tokio_util::sync::DropGuard;
use tokio_util::task::TaskTracker;

use crate::clock::{SharedClock, Timestamp};
use crate::telegram::{ChatId, UserId};

pub use archive::Archive;
pub use connect::Memory;
pub use conversation::{Conversation, ConversationId};
pub use error::{Error, Verdict};
pub use json::Json;
pub use lane::{LaneId, Lease, Wakeup};
pub use settings::{CrashHook, CrashPoint, DatabaseUrl, Settings};
pub use turn::{Committed, Local, Reach, Turn};

use database::Pool;
use group::{Intake, Pending};
use housekeeping::{Health, Litter, Retention, Swept};
use presence::Presence;
use script_set::SetHash;
use turn::Prepared;
use tx::Tx;
use writer::{Job, Life, Server, Write, Writer};

/// Writers of a server: their waits for its disk overlap. A SQLite file takes one at a time.
const SERVER_WRITERS: usize = 3;

/// Writes that may wait for a writer; more wait outside.
const QUEUE: usize = 1024;

/// Wake-ups that a slow listener may have before it.
const WAKEUPS: usize = 1024;

/// Numbers of conversations set aside at a time.
const NUMBERS: i64 = 100;

/// How long runs of jobs are remembered; the latest of each for ever.
const RUN_SPAN: Duration = Duration::from_hours(90 * 24);

/// A dead instance is remembered this long, in case that it only lost its connection.
const INSTANCE_SPAN: Duration = Duration::from_hours(24);

/// The store; a clone is another handle of the same one.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    me: i64,
    /// Who we are to other services.
    installation: String,
    clock: SharedClock,
    readers: Pool,
    writers: Vec<mpsc::Sender<Write>>,
    limits: journal::Limits,
    wakeups: channel::Sender<Wakeup>,
    numbers: Mutex<Range<i64>>,
    life: Arc<Life>,
    tasks: TaskTracker,
    /// Ends the parts when the last handle is dropped.
    _stop: DropGuard,
}

impl Store {
    /// Connects, makes the SQLite file and its folder, applies migrations, and registers this process.
    pub async fn open(settings: &Settings, clock: SharedClock) -> Result<Store, Error> {
        let lock = connect::lock(settings)?;
        let server = connect::server(settings)?;
        match &settings.url {
            DatabaseUrl::Memory(_) => {} // Made of this version.
            DatabaseUrl::Sqlite(_) | DatabaseUrl::Postgres(_) => drop(connect::migrate(&server).await?),
        }
        let readers = connect::readers(settings, &server).await?;
        let me = lane::register(&readers, clock.now()).await?;
        let installation = connect::installation(&readers).await?;
        let life = Arc::new(Life::new(lock));
        let (wakeups, _) = channel::channel(WAKEUPS);
        let tasks = TaskTracker::new();
        match &server {
            Server::Sqlite(options) => {
                life.gone.cancel(); // Whoever has the file next is the only live instance.
                if let DatabaseUrl::Sqlite(_) = &settings.url {
                    tasks.spawn(checkpoint::keep_short(options.clone(), life.clone()));
                }
            }
            Server::Postgres(options) => {
                let presence = Presence::show(options, me, wakeups.clone()).await?;
                tasks.spawn(presence.keep(life.stop.clone(), life.gone.clone()));
            }
        }
        let writers = start_writers(settings, &server, me, &clock, &life, &tasks);
        tasks.close();
        Ok(Store(Arc::new(Inner {
            me,
            installation,
            clock,
            readers,
            writers,
            limits: journal::Limits { value_bytes: settings.value_bytes, blob_bytes: settings.blob_bytes },
            wakeups,
            numbers: Mutex::new(0..0),
            _stop: life.stop.clone().drop_guard(),
            life,
            tasks,
        })))
    }

    /// Applies the migrations that are missing and names them, in order.
    pub async fn migrate(settings: &Settings) -> Result<Vec<String>, Error> {
        let _lock = connect::lock(settings)?;
        connect::migrate(&connect::server(settings)?).await
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<(), Error> {
        let one: Vec<(i64,)> = self.readers()?.rows("answer", "select cast(1 as bigint)", &[]).await?;
        drop(one);
        Ok(())
    }

    /// Who we are to other services: eight letters and digits, chosen when the database was made.
    pub fn installation(&self) -> &str {
        &self.0.installation
    }

    /// Whether other instances may work on the same database: true with PostgreSQL.
    pub fn is_shared(&self) -> bool {
        match self.0.readers {
            Pool::Sqlite(_) => false,
            Pool::Postgres(_) => true,
        }
    }

    /// Finishes the writes that wait, gives the lanes back and disconnects.
    pub async fn close(self) {
        let me = self.0.me;
        // Lanes that are not given back are free as soon as this instance is seen to be dead.
        let _ = self.job(move |tx| Box::pin(lane::release(tx, me))).await;
        self.0.life.stop.cancel();
        self.0.tasks.wait().await;
        self.0.readers.close().await;
        self.0.life.unlock();
    }

    /// Writes what came in and returns what is new of it, in order: an entry whose source and key are
    /// known vanishes. Another instance that holds an entry's lane is woken.
    pub async fn accept(&self, entries: Vec<inbox::New>) -> Result<Vec<inbox::Entry>, Error> {
        let Some(first) = entries.first() else { return Ok(Vec::new()) };
        let lane = first.lane;
        let at = self.0.clock.now();
        let intake = Intake { rows: inbox::rows(&entries, at), entries, at };
        self.write(lane, |reply| Write::Accept(Pending { write: intake, reply })).await
    }

    /// Writes a turn whole or not at all.
    ///
    /// Errors: [`Error::StaleLease`] when the lane has another holder, [`Error::AlreadyDone`] when this very
    /// turn is written already, so that a turn in doubt can be repeated, [`Error::AlreadyAwaiting`],
    /// [`Error::TooLarge`].
    pub async fn commit(&self, turn: Turn) -> Result<Committed, Error> {
        let lane = turn.lease.lane();
        let prepared = Box::new(Prepared::of(turn, self.0.limits, self.0.clock.now())?);
        self.write(lane, |reply| Write::Commit(Pending { write: prepared, reply })).await
    }

    /// Writes what became of a message. A second receipt for the same message changes nothing.
    pub async fn settle(&self, receipt: outbox::Receipt) -> Result<(), Error> {
        let lane = receipt.chat.into();
        self.write(lane, |reply| Write::Settle(Pending { write: receipt, reply })).await
    }

    /// Takes a lane that is free, whose holder is dead, or that is ours (an older lease of ours ends). None
    /// when another live instance holds it; that one is then woken.
    pub async fn lease(&self, lane: LaneId) -> Result<Option<Lease>, Error> {
        self.write(lane, |reply| Write::Lease(Pending { write: lane, reply })).await
    }

    /// Lanes with something to do that no live instance holds. A process that starts holds none, so its
    /// former self's are among them.
    pub async fn orphans(&self, limit: u32) -> Result<Vec<LaneId>, Error> {
        lane::orphans(self.readers()?, limit).await
    }

    /// Lanes of ours with something to do: where to look after wake-ups were missed.
    pub async fn busy_lanes(&self) -> Result<Vec<LaneId>, Error> {
        lane::busy(self.readers()?, self.0.me).await
    }

    /// The entries of a lane that are not done with, in order.
    pub async fn open_entries(&self, lane: LaneId) -> Result<Vec<inbox::Entry>, Error> {
        inbox::open(self.readers()?, lane).await
    }

    /// The messages of a chat that are not delivered, in order.
    pub async fn open_messages(&self, chat: ChatId) -> Result<Vec<outbox::Message>, Error> {
        outbox::open(self.readers()?, chat).await
    }

    /// Telegram's number of a message delivered under this key; none when it is not, or no longer, known.
    pub async fn delivered_as(&self, key: &str) -> Result<Option<i64>, Error> {
        outbox::delivered_as(self.readers()?, key).await
    }

    /// Tells when another instance accepted something for a lane of ours. Never fires with SQLite. A
    /// receiver that lagged has missed some: treat it as [`Wakeup::All`].
    pub fn wakeups(&self) -> channel::Receiver<Wakeup> {
        self.0.wakeups.subscribe()
    }

    /// A number for a new conversation.
    pub async fn new_conversation(&self) -> Result<ConversationId, Error> {
        loop {
            if let Some(number) = self.numbers().next() {
                return Ok(ConversationId(number));
            }
            // Two that come here at once set two blocks aside, and one of them is not used.
            let first = self.job(|tx| Box::pin(conversation::reserve_numbers(tx, NUMBERS))).await?;
            *self.numbers() = first..first + NUMBERS;
        }
    }

    /// The conversation in which this person's answer is awaited.
    pub async fn conversation(&self, chat: ChatId, user: UserId) -> Result<Option<Conversation>, Error> {
        conversation::awaited(self.readers()?, chat, user).await
    }

    /// A conversation by its number.
    pub async fn conversation_by_id(&self, id: ConversationId) -> Result<Option<Conversation>, Error> {
        conversation::by_id(self.readers()?, id).await
    }

    /// The conversations parked as failed, the latest first.
    pub async fn parked(&self) -> Result<Vec<conversation::Row>, Error> {
        conversation::parked(self.readers()?).await
    }

    /// The conversations that await an answer, by number: those after `after`, `limit` at most.
    pub async fn awaiting(&self, after: ConversationId, limit: u32) -> Result<Vec<conversation::Row>, Error> {
        conversation::awaiting(self.readers()?, after, limit).await
    }

    /// How many conversations await an answer on each script set.
    pub async fn running_by_set(&self) -> Result<BTreeMap<SetHash, u64>, Error> {
        conversation::running_by_set(self.readers()?).await
    }

    /// When the next timer fires.
    pub async fn next_fire(&self) -> Result<Option<Timestamp>, Error> {
        timer::next_fire(self.readers()?).await
    }

    /// Turns the timers that are due into inbox entries, `limit` at most, the earliest first. Each timer
    /// fires once, however many instances ask.
    ///
    /// An entry's source is `timer`; its body is
    /// `{"conversation":…,"step":…,"kind":"limit"|"remind","user":…,"fire_at":…}`.
    pub async fn fire(&self, now: Timestamp, limit: u32) -> Result<Vec<inbox::Entry>, Error> {
        let me = self.0.me;
        self.job(move |tx| {
            Box::pin(async move {
                let due = timer::fire(tx, now, limit).await?;
                let entries = inbox::accept(tx, inbox::rows(&due, now)).await?.take(&due, now);
                lane::wake_holders(tx, &entries.iter().map(|entry| entry.lane).collect(), me);
                Ok(entries)
            })
        })
        .await
    }

    /// Deletes what is older than it need be, in small transactions.
    pub async fn sweep(&self, retention: Retention) -> Result<Swept, Error> {
        let now = self.0.clock.now();
        self.sweep_all(Litter::Instances(now - INSTANCE_SPAN)).await?;
        self.job(move |tx| Box::pin(job::sweep(tx, now - RUN_SPAN))).await?;
        Ok(Swept {
            entries: self.sweep_old(retention.inbox, Litter::Entries).await?,
            messages: self.sweep_old(retention.outbox, Litter::Messages).await?,
            conversations: self.sweep_old(retention.conversations, Litter::Conversations).await?,
            blobs: self.sweep_all(Litter::Blobs).await?,
        })
    }

    /// How the queues stand.
    pub async fn health(&self) -> Result<Health, Error> {
        housekeeping::health(self.readers()?).await
    }

    /// The connections for reading.
    fn readers(&self) -> Result<&Pool, Error> {
        if self.0.life.is_crashed() { Err(Error::Crashed) } else { Ok(&self.0.readers) }
    }

    /// The numbers set aside for conversations.
    fn numbers(&self) -> std::sync::MutexGuard<'_, Range<i64>> {
        self.0.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a write to the lane's writer and waits until it is on disk.
    async fn write<T>(
        &self,
        lane: LaneId,
        write: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Write,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let writers = &self.0.writers;
        let writer = &writers[usize::try_from(lane.0.unsigned_abs()).unwrap_or(0) % writers.len()];
        if writer.send(write(reply)).await.is_err() {
            return Err(self.why_silent().await);
        }
        match answer.await {
            Ok(Err(Error::Crashed)) | Err(_) => Err(self.why_silent().await),
            Ok(result) => result,
        }
    }

    /// Has a job done in a transaction of its own.
    async fn job<T: Send + 'static>(
        &self,
        job: impl for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let result = Arc::new(Mutex::new(None));
        let place = result.clone();
        let job: Job = Box::new(move |tx| {
            Box::pin(async move {
                let value = job(tx).await?;
                *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
                Ok(())
            })
        });
        self.write(LaneId(0), |reply| Write::Job(job, reply)).await?;
        let value = result.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(value.expect("a job that succeeded left its value"))
    }

    /// Why a write got no answer. A crashed store says so only when nothing is left of it, so that another
    /// may take its place.
    async fn why_silent(&self) -> Error {
        if self.0.life.is_crashed() {
            self.0.life.gone.cancelled().await;
            return Error::Crashed;
        }
        Error::Closed
    }

    /// Sweeps what is older than `span`.
    async fn sweep_old(&self, span: Option<Duration>, litter: fn(Timestamp) -> Litter) -> Result<u64, Error> {
        match span {
            Some(span) => self.sweep_all(litter(self.0.clock.now() - span)).await,
            None => Ok(0),
        }
    }

    /// Sweeps batch after batch, so that no other write waits for long.
    async fn sweep_all(&self, litter: Litter) -> Result<u64, Error> {
        let mut total = 0;
        loop {
            let swept = self.job(move |tx| Box::pin(housekeeping::sweep(tx, litter))).await?;
            total += swept;
            if swept < housekeeping::BATCH.unsigned_abs() {
                return Ok(total);
            }
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("instance", &self.0.me).finish_non_exhaustive()
    }
}

/// Has a writer work on a thread of its own, and comes to an end with it.
fn on_its_own_thread(writer: Writer, waiting: mpsc::Receiver<Write>) -> impl Future<Output = ()> + use<> {
    let (ending, ended) = oneshot::channel::<()>();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    match &writer.server {
        // It waits for SQLite's thread and nothing else: without sockets and timers the way back is shorter.
        Server::Sqlite(_) => {}
        Server::Postgres(_) => drop(runtime.enable_all()),
    }
    let runtime = runtime.build().expect("the system lets a process have timers and sockets");
    let run = move || {
        runtime.block_on(writer.run(waiting));
        drop(ending);
    };
    thread::Builder::new()
        .name("writer".to_owned())
        .spawn(run)
        .expect("the system lets a process have threads");
    async move { drop(ended.await) }
}

/// Starts the writers and returns their queues.
fn start_writers(
    settings: &Settings,
    server: &Server,
    me: i64,
    clock: &SharedClock,
    life: &Arc<Life>,
    tasks: &TaskTracker,
) -> Vec<mpsc::Sender<Write>> {
    let count = match server {
        Server::Sqlite(_) => 1,
        Server::Postgres(_) => SERVER_WRITERS,
    };
    let start = |_| {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let writer = Writer {
            server: server.clone(),
            me,
            clock: clock.clone(),
            crash: settings.crash.clone(),
            patience: settings.acquire_timeout,
            life: life.clone(),
            waiting: Handle::current(),
            connection: None,
        };
        // Each step of a transaction would wait there behind every turn that is ready to go on.
        tasks.spawn(on_its_own_thread(writer, waiting));
        queue
    };
    (0..count).map(start).collect()
}
