//! How the databases are opened, and brought to this version.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::Error;
use super::checkpoint;
use super::database::Pool;
use super::settings::{DatabaseUrl, Settings};
use super::town;
use super::writer::Server;
use crate::geography;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// Readers of a SQLite file: more would wait for the same disk.
const SQLITE_READERS: u32 = 4;

/// What a reader of a SQLite file keeps of it in memory, in the pragma's words: 256 KiB. It looks up single rows.
const READER_CACHE: &str = "-256";

/// Rows of an answer that may wait for whoever reads it: with fewer, SQLite's thread waits in the middle.
const ROWS: usize = 1024;

/// An idle connection to a server is closed after this long.
const IDLE: Duration = Duration::from_mins(10);

/// Takes the lock that keeps other processes from a SQLite file, and makes its folder. None for a server.
pub(super) fn lock(settings: &Settings) -> Result<Option<File>, Error> {
    let DatabaseUrl::Sqlite(database) = &settings.url else { return Ok(None) };
    let path = beside(database, ".lock");
    let failed = |source: io::Error| Error::Folder { path: path.clone(), source: Arc::new(source) };
    if let Some(folder) = database.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { path: database.clone() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// A SQLite database in this process's memory, gone with the last handle and the last store on it.
#[derive(Clone, Debug)]
pub struct Memory {
    options: Arc<SqliteConnectOptions>,
    /// Keeps the database when no store is open on it.
    _anchor: Arc<Mutex<SqliteConnection>>,
}

impl Memory {
    /// A new database of this version's shape, with nothing in it.
    pub async fn new() -> Result<Memory, Error> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let name = format!("/borodach-{}", MADE.fetch_add(1, Ordering::Relaxed));
        let options = SqliteConnectOptions::new()
            .filename(name)
            .vfs("memdb")
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Memory)
            .synchronous(SqliteSynchronous::Off)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5));
        let mut anchor = options.connect().await.map_err(|source| Error::of("connect", source))?;
        SQLITE.run_direct(None, &mut anchor, false).await.map_err(migration)?;
        Ok(Memory { options: Arc::new(options), _anchor: Arc::new(Mutex::new(anchor)) })
    }
}

/// Where the database is, in the driver's words.
pub(super) fn server(settings: &Settings) -> Result<Server, Error> {
    match &settings.url {
        DatabaseUrl::Memory(memory) => Ok(Server::Sqlite(SqliteConnectOptions::clone(&memory.options))),
        DatabaseUrl::Sqlite(path) => Ok(Server::Sqlite(
            SqliteConnectOptions::new()
                .filename(path)
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(settings.busy_timeout)
                .row_buffer_size(ROWS)
                .pragma("wal_autocheckpoint", checkpoint::WRITERS_OWN)
                .optimize_on_close(true, None),
        )),
        DatabaseUrl::Postgres(url) => PgConnectOptions::from_str(url.expose_secret())
            .map(|options| Server::Postgres(options.application_name("borodach")))
            .map_err(|source| Error::of("be reached as DATABASE_URL says", source)),
    }
}

/// Opens the connections for reading.
pub(super) async fn readers(settings: &Settings, server: &Server) -> Result<Pool, Error> {
    let kept = usize::try_from(settings.kept).unwrap_or(usize::MAX);
    match server {
        Server::Sqlite(options) => SqlitePoolOptions::new()
            .max_connections(settings.most.min(SQLITE_READERS))
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(settings.acquire_timeout)
            .test_before_acquire(false) // A file does not hang up.
            .connect_with(options.clone().pragma("cache_size", READER_CACHE))
            .await
            .map(Pool::Sqlite),
        Server::Postgres(options) => {
            // The pool is known to its own hook only after it is made.
            let made: Arc<std::sync::OnceLock<sqlx::PgPool>> = Arc::default();
            let known = made.clone();
            let pool = PgPoolOptions::new()
                .max_connections(settings.most)
                .max_lifetime(settings.lifetime)
                .idle_timeout(IDLE)
                .test_before_acquire(true)
                .acquire_timeout(settings.acquire_timeout)
                .after_release(move |_, _| {
                    let keep = known.get().is_none_or(|pool| pool.num_idle() < kept);
                    Box::pin(async move { Ok(keep) })
                })
                .connect_with(options.clone())
                .await;
            pool.map(|pool| Pool::Postgres(made.get_or_init(|| pool).clone()))
        }
    }
    .map_err(|source| Error::of("connect", source))
}

/// Applies the migrations that are missing and names them, in order; what is known of towns comes with them.
pub(super) async fn migrate(server: &Server) -> Result<Vec<String>, Error> {
    let added = match server {
        Server::Sqlite(options) => apply(&SQLITE, options).await?,
        Server::Postgres(options) => apply(&POSTGRES, options).await?,
    };
    let mut tx = server.connect().await?;
    tx.begin().await?;
    town::fill(&mut tx, geography::shipped()).await?;
    tx.commit().await.map_err(|source| Error::of("commit the towns", source))?;
    tx.close().await;
    Ok(added)
}

/// Who we are to other services; chosen by chance when a database is used for the first time.
pub(super) async fn installation(pool: &Pool) -> Result<String, Error> {
    const CHOOSE: &str = "\
        insert into installation (one, id) values (1, $1) on conflict do nothing returning id";
    const FIND: &str = "select id from installation";
    let chosen = format!("{:08x}", rand::random::<u32>());
    let made: Vec<(String,)> = pool.rows("choose a name", CHOOSE, &[chosen.as_str().into()]).await?;
    drop(made);
    let found: Vec<(String,)> = pool.rows("look for our name", FIND, &[]).await?;
    Ok(found.into_iter().next().map_or(chosen, |(id,)| id))
}

async fn apply<O>(migrator: &Migrator, options: &O) -> Result<Vec<String>, Error>
where
    O: ConnectOptions,
    O::Connection: Migrate + Sized,
{
    let mut connection = options.connect().await.map_err(|source| Error::of("connect", source))?;
    // Of instances that start at once on a new server each would make the table of migrations. The lock ends with the
    // connection, whatever happens here.
    connection.lock().await.map_err(migration)?;
    let before = applied(migrator, &mut connection).await.map_err(migration)?;
    migrator.run_direct(None, &mut connection, false).await.map_err(migration)?;
    connection.unlock().await.map_err(migration)?;
    // The migrations are written; a connection that does not close in order changes nothing.
    let _ = connection.close().await;
    let added = migrator.iter().filter(|known| !before.contains(&known.version));
    Ok(added.map(|known| format!("{:04} {}", known.version, known.description)).collect())
}

/// The versions that are applied already.
async fn applied<C: Migrate>(migrator: &Migrator, connection: &mut C) -> Result<Vec<i64>, MigrateError> {
    connection.ensure_migrations_table(&migrator.table_name).await?;
    let applied = connection.list_applied_migrations(&migrator.table_name).await?;
    Ok(applied.into_iter().map(|migration| migration.version).collect())
}

fn migration(source: MigrateError) -> Error {
    Error::Migration { source: Arc::new(source) }
}

/// The path with something added to its last name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
