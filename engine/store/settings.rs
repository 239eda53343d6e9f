//! Where the database is and how it is used.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

/// Settings of the store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the database is.
    pub url: DatabaseUrl,
    /// Idle connections that are kept (PostgreSQL).
    pub kept: u32,
    /// Connections at most.
    pub most: u32,
    /// A connection is replaced after this long (PostgreSQL).
    pub lifetime: Duration,
    /// How long a query waits for a connection.
    pub acquire_timeout: Duration,
    /// How long a statement waits for another one's lock (SQLite).
    pub busy_timeout: Duration,
    /// The largest journal answer kept in its row; a larger one is kept once, by its hash.
    pub value_bytes: usize,
    /// The largest journal answer altogether.
    pub blob_bytes: usize,
    /// Kills the store at a chosen commit; for tests.
    pub crash: Option<CrashHook>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            url: DatabaseUrl::Sqlite(PathBuf::from("data/borodach.db")),
            kept: 10,
            most: 30,
            lifetime: Duration::from_hours(1),
            acquire_timeout: Duration::from_secs(30),
            busy_timeout: Duration::from_secs(5),
            value_bytes: 64 * 1024,
            blob_bytes: 1024 * 1024,
            crash: None,
        }
    }
}

/// Where the database is.
#[derive(Clone, Debug)]
pub enum DatabaseUrl {
    /// A file; it and its folder are made when they are missing.
    Sqlite(PathBuf),
    /// A server, as `postgres://user:password@host/database`.
    Postgres(SecretString),
    /// A SQLite database that is nowhere but in memory.
    Memory(super::Memory),
}

/// Decides at each commit whether the process dies there.
#[derive(Clone)]
pub struct CrashHook(pub Arc<dyn Fn(CrashPoint) -> bool + Send + Sync>);

impl fmt::Debug for CrashHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CrashHook")
    }
}

/// A place where a process may die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashPoint {
    /// The commit of this number, from 1, is about to be made: dying here loses the transaction.
    Before(u64),
    /// It is made, and nobody was told: dying here leaves the caller in doubt.
    After(u64),
}
