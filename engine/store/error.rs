//! What can go wrong with the store, and what to do then.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::LaneId;

/// Why the store did not do what was asked. Cheap to clone: one failure may concern a whole group.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The database did not answer or was busy for too long; nothing is written.
    #[error("the database is out of reach; check that it runs and that DATABASE_URL leads to it")]
    Unavailable {
        /// What the driver said.
        source: Arc<sqlx::Error>,
    },
    /// The connection was lost while a transaction was being committed.
    #[error("the connection broke during a commit; the work may or may not be written, repeat it")]
    InDoubt {
        /// What the driver said.
        source: Arc<sqlx::Error>,
    },
    /// The database refused a statement.
    #[error("the database refused to {doing}")]
    Refused {
        /// The statement's intent.
        doing: &'static str,
        /// What the driver said.
        source: Arc<sqlx::Error>,
    },
    /// The lane was taken over by another instance.
    #[error("the lease of lane {} is stale; leave the lane to its new holder", .lane.0)]
    StaleLease {
        /// The lane.
        lane: LaneId,
    },
    /// This turn is written already.
    #[error("the turn is written already; go on with what the store holds")]
    AlreadyDone,
    /// The person is in another conversation of the same chat.
    #[error("another conversation of this person awaits an answer here; end it in the same turn")]
    AlreadyAwaiting,
    /// A value does not fit its limit.
    #[error("{what} takes {size_bytes} bytes, the limit is {limit_bytes}; make it smaller")]
    TooLarge {
        /// The value.
        what: String,
        /// Its size.
        size_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// A row holds something this version does not know.
    #[error("the database holds `{value}` as {what}; was it written by a newer version of the bot?")]
    Unknown {
        /// The column.
        what: &'static str,
        /// Its content.
        value: String,
    },
    /// Another process has the database file.
    #[error("{} is in use by another process; stop it, or give each its own database", .path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The database file's folder, or its lock, cannot be made.
    #[error("cannot write {}; check the folder's rights and the free space", .path.display())]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// A migration cannot be applied.
    #[error("the database cannot be brought to this version; restore the migrations it was made with")]
    Migration {
        /// What the migrator said.
        source: Arc<sqlx::migrate::MigrateError>,
    },
    /// The store was closed.
    #[error("the store is closed; the process is stopping")]
    Closed,
    /// The crash hook killed the store.
    #[error("the store was crashed by its test")]
    Crashed,
}

/// What the caller may do after an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Repeat the very same call, a little later.
    Retry,
    /// Forget what is held in memory and go on from what the store holds.
    Reload,
    /// Leave the lane: it has another holder.
    LetGo,
    /// Repeating is of no use: the cause must be mended.
    GiveUp,
}

impl Error {
    /// What the caller may do next.
    pub fn verdict(&self) -> Verdict {
        match self {
            Error::Unavailable { .. } | Error::InDoubt { .. } => Verdict::Retry,
            Error::AlreadyDone | Error::AlreadyAwaiting => Verdict::Reload,
            Error::StaleLease { .. } => Verdict::LetGo,
            Error::Refused { .. }
            | Error::TooLarge { .. }
            | Error::Unknown { .. }
            | Error::InUse { .. }
            | Error::Folder { .. }
            | Error::Migration { .. }
            | Error::Closed
            | Error::Crashed => Verdict::GiveUp,
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        self.verdict() == Verdict::Retry
    }

    /// Sorts a failure of the driver: the database is away, or it refused what it was told.
    pub(super) fn of(doing: &'static str, source: sqlx::Error) -> Error {
        let source = Arc::new(source);
        if is_outage(&source) { Error::Unavailable { source } } else { Error::Refused { doing, source } }
    }
}

/// Whether the database, not the statement, is to blame.
fn is_outage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(refusal) => refusal.code().is_some_and(|code| is_outage_code(&code)),
        // The enum is open: whatever else the driver reports is a fault of the statement or of the row.
        _ => false,
    }
}

/// `PostgreSQL` says it in five characters, SQLite in a shorter number with the primary code in its low byte.
fn is_outage_code(code: &str) -> bool {
    if code.len() == 5 {
        // Connection, rollback (deadlock), resources, shutdown, input and output, lock timeout.
        return ["08", "40", "53", "57", "58", "55P03"].iter().any(|class| code.starts_with(class));
    }
    // BUSY, LOCKED, NOMEM, IOERR, FULL, CANTOPEN.
    code.parse::<u32>().is_ok_and(|number| matches!(number & 0xff, 5 | 6 | 7 | 10 | 13 | 14))
}
