//! The one who writes: takes what waits, makes it one transaction, tells everybody.

use std::fmt;
use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::group::{Group, Intake, Pending, Results};
use super::outbox::Receipt;
use super::settings::{CrashHook, CrashPoint};
use super::turn::Prepared;
use super::tx::{Connection, Tx};
use super::{Committed, Error, LaneId, Lease, inbox};
use crate::clock::SharedClock;

/// Writes of one transaction at most: with fewer the way to the disk costs more than it need, with more everybody waits
/// for it at once and then nobody does. A value has 1 MiB at most, so a statement stays within what both
/// databases take as one argument.
const GROUP: usize = 100;

/// How long a writer waits before it asks again about a transaction in doubt.
const DOUBT_PAUSE: Duration = Duration::from_millis(50);

/// A change that is rare enough for a transaction of its own.
pub(super) type Job = Box<dyn for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<(), Error>> + Send>;

/// Something to write.
pub(super) enum Write {
    Accept(Pending<Intake, Vec<inbox::Entry>>),
    Commit(Pending<Box<Prepared>, Committed>),
    Settle(Pending<Receipt, ()>),
    Lease(Pending<LaneId, Option<Lease>>),
    Job(Job, oneshot::Sender<Result<(), Error>>),
}

/// How to connect.
#[derive(Clone, Debug)]
pub(super) enum Server {
    Sqlite(SqliteConnectOptions),
    Postgres(PgConnectOptions),
}

impl Server {
    /// The same for connections that change nothing.
    pub fn for_reading(self) -> Server {
        match self {
            Server::Sqlite(options) => Server::Sqlite(options.create_if_missing(false).read_only(true)),
            Server::Postgres(options) => {
                Server::Postgres(options.options([("default_transaction_read_only", "on")]))
            }
        }
    }
}

/// Whether the store lives; shared by its parts.
#[derive(Debug)]
pub(super) struct Life {
    /// Asks every part to come to its end.
    pub stop: CancellationToken,
    /// The instance holds no lane any more.
    pub gone: CancellationToken,
    /// Woken by every commit.
    pub written: Notify,
    crashed: AtomicBool,
    commits: AtomicU64,
    /// The lock that keeps other processes from a SQLite file.
    lock: Mutex<Option<File>>,
}

impl Life {
    pub fn new(lock: Option<File>) -> Life {
        Life {
            stop: CancellationToken::new(),
            gone: CancellationToken::new(),
            written: Notify::new(),
            crashed: AtomicBool::new(false),
            commits: AtomicU64::new(0),
            lock: Mutex::new(lock),
        }
    }

    pub fn is_crashed(&self) -> bool {
        self.crashed.load(Ordering::Acquire)
    }

    /// Lets another process have the database.
    pub fn unlock(&self) {
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Behaves from now on as if the process had died.
    fn crash(&self) {
        self.crashed.store(true, Ordering::Release);
        self.unlock();
        self.stop.cancel();
    }
}

/// Writes, one transaction after another, over a connection of its own.
pub(super) struct Writer {
    pub server: Server,
    pub me: i64,
    pub clock: SharedClock,
    pub crash: Option<CrashHook>,
    pub patience: Duration,
    pub life: Arc<Life>,
    /// Where those who wait for the writes live.
    pub waiting: Handle,
    pub connection: Option<Tx>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("me", &self.me).finish_non_exhaustive()
    }
}

impl Writer {
    /// Writes until the store is closed or crashes; what waits when it is closed is still written.
    pub async fn run(mut self, mut queue: mpsc::Receiver<Write>) {
        let mut waiting = Vec::with_capacity(GROUP);
        let life = self.life.clone();
        loop {
            tokio::select! {
                biased;
                count = queue.recv_many(&mut waiting, GROUP) => {
                    if count == 0 {
                        break;
                    }
                    self.write(&mut waiting).await;
                    // Those who were just answered hand in what follows, so that it goes together.
                    tokio::task::yield_now().await;
                }
                () = life.stop.cancelled(), if !queue.is_closed() => queue.close(),
            }
            if life.is_crashed() {
                break;
            }
        }
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
    }

    /// Writes what waited: the group at once, then the jobs.
    async fn write(&mut self, waiting: &mut Vec<Write>) {
        let mut group = Group::default();
        let mut jobs = Vec::new();
        for write in waiting.drain(..) {
            match write {
                Write::Accept(pending) => group.intakes.push(pending),
                Write::Commit(pending) => group.turns.push(pending),
                Write::Settle(pending) => group.receipts.push(pending),
                Write::Lease(pending) => group.leases.push(pending),
                Write::Job(job, reply) => jobs.push((job, reply)),
            }
        }
        if group.len() > 0 {
            self.write_group(group).await;
        }
        for (job, reply) in jobs {
            // Whoever does not wait any more does not need the answer.
            let _ = reply.send(self.write_job(job).await);
        }
    }

    /// Writes a group; when one of its members spoils it, each for itself.
    async fn write_group(&mut self, group: Group) {
        match self.try_group(&group).await {
            // There: woken from here, each would be handed over on its own.
            Ok(results) => drop(self.waiting.spawn(async move { group.answer(results) })),
            Err(error) if group.len() == 1 || error.is_transient() || self.life.is_crashed() => {
                group.fail(&error);
            }
            Err(_) => {
                for one in group.split() {
                    match self.try_group(&one).await {
                        Ok(results) => one.answer(results),
                        Err(error) => one.fail(&error),
                    }
                }
            }
        }
    }

    /// Writes a group in one transaction.
    async fn try_group(&mut self, group: &Group) -> Result<Results, Error> {
        let (me, now) = (self.me, self.clock.now());
        let mut tx = self.begin().await?;
        let written = group.write(&mut tx, me, now).await;
        self.end(tx, written).await
    }

    /// Runs a job in one transaction.
    async fn write_job(&mut self, job: Job) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let written = job(&mut tx).await;
        self.end(tx, written).await
    }

    /// Opens a transaction, over a new connection when the old one is lost.
    async fn begin(&mut self) -> Result<Tx, Error> {
        if self.life.is_crashed() {
            return Err(Error::Crashed);
        }
        if let Some(mut tx) = self.connection.take()
            && tx.begin().await.is_ok()
        {
            return Ok(tx);
        }
        let mut tx = self.server.connect().await?;
        tx.begin().await?;
        Ok(tx)
    }

    /// Commits what was written, or gives it up, and keeps the connection if it is still good.
    async fn end<T>(&mut self, mut tx: Tx, written: Result<T, Error>) -> Result<T, Error> {
        let written = match written {
            Ok(value) => tx.flush().await.map(|()| value),
            Err(error) => Err(error),
        };
        let number = self.life.commits.fetch_add(u64::from(written.is_ok()), Ordering::Relaxed) + 1;
        if written.is_ok() && self.dies(CrashPoint::Before(number)) {
            return Err(self.die(tx).await);
        }
        let ended = match written {
            Ok(value) => self.commit(&mut tx).await.map(|()| value),
            Err(error) => Err(error),
        };
        self.life.written.notify_one();
        if ended.is_ok() && self.dies(CrashPoint::After(number)) {
            return Err(self.die(tx).await);
        }
        if ended.is_ok() || tx.roll_back().await.is_ok() {
            self.connection = Some(tx);
        }
        ended
    }

    /// Commits. When the connection breaks meanwhile, the server is asked what became of the transaction.
    async fn commit(&self, tx: &mut Tx) -> Result<(), Error> {
        let name = transaction_name(tx).await?;
        let Err(source) = tx.commit().await else { return Ok(()) };
        let error = Error::of("commit", source);
        match (&self.server, name, error) {
            (Server::Postgres(options), Some(name), Error::Unavailable { source }) => {
                let asked = tokio::time::timeout(self.patience, outcome(options, &name)).await;
                match asked {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(Error::Unavailable { source }),
                    Err(_) => Err(Error::InDoubt { source }),
                }
            }
            // SQLite says itself whether it committed; a refusal leaves nothing written.
            (Server::Postgres(_) | Server::Sqlite(_), _, error) => Err(error),
        }
    }

    fn dies(&self, point: CrashPoint) -> bool {
        self.crash.as_ref().is_some_and(|CrashHook(dies)| dies(point))
    }

    /// Ends the store with the transaction as it is.
    async fn die(&self, tx: Tx) -> Error {
        tx.close().await; // Which rolls back whatever is open.
        self.life.crash();
        Error::Crashed
    }
}

impl Server {
    /// Opens a connection for writing.
    pub async fn connect(&self) -> Result<Tx, Error> {
        match self {
            Server::Sqlite(options) => options.connect().await.map(Connection::Sqlite),
            Server::Postgres(options) => options.connect().await.map(Connection::Postgres),
        }
        .map(Tx::over)
        .map_err(|source| Error::of("connect", source))
    }
}

/// What the server calls the open transaction, if it is one that writes.
async fn transaction_name(tx: &mut Tx) -> Result<Option<String>, Error> {
    const SQL: &str = "select cast(pg_current_xact_id_if_assigned() as text) as name";
    if tx.locks_all() {
        return Ok(None); // Whether it was committed is never in doubt.
    }
    let names: Vec<(Option<String>,)> = tx.rows("name the transaction", SQL, &[]).await?;
    Ok(names.into_iter().find_map(|(name,)| name))
}

/// Asks until it is known whether a transaction was committed.
async fn outcome(options: &PgConnectOptions, name: &str) -> bool {
    const SQL: &str = "select pg_xact_status(cast($1 as xid8))";
    loop {
        let asked: Result<Option<String>, sqlx::Error> = async {
            let mut connection: PgConnection = options.connect().await?;
            sqlx::query_scalar(SQL).bind(name).fetch_one(&mut connection).await
        }
        .await;
        match asked.as_ref().map(Option::as_deref) {
            Ok(Some("committed")) => return true,
            Ok(Some("aborted")) => return false,
            // The server is away, or is still about it.
            Ok(_) | Err(_) => tokio::time::sleep(DOUBT_PAUSE).await,
        }
    }
}
