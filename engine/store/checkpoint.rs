//! Carrying SQLite's log over into the database file, beside the writer.
//!
//! Left to SQLite, the commit that makes the log long enough does it, and everybody who waits for that commit waits for
//! the disk to write the whole database file.

use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, SqliteConnection};

use super::writer::Life;

/// How long what was written gathers before it is carried over.
const GATHERS: Duration = Duration::from_millis(500);

/// Pages of the log at which the writer carries it over itself after all: under a load without a pause the log is never
/// carried over whole, and does not begin anew. 64 MiB.
pub(super) const WRITERS_OWN: &str = "16000";

/// Carries the log over whenever something was written, until the store is closed.
pub(super) async fn keep_short(options: SqliteConnectOptions, life: Arc<Life>) {
    let mut connection = None;
    loop {
        tokio::select! {
            () = life.stop.cancelled() => return,
            () = life.written.notified() => {}
        }
        tokio::select! {
            () = life.stop.cancelled() => return,
            () = tokio::time::sleep(GATHERS) => {}
        }
        // What fails here is done with the next commit, or by the writer when it comes to that.
        match carry(connection.take(), &options).await {
            Ok(kept) => connection = Some(kept),
            Err(error) => tracing::debug!("the log of the database is not carried over yet: {error}"),
        }
    }
}

async fn carry(
    connection: Option<SqliteConnection>,
    options: &SqliteConnectOptions,
) -> Result<SqliteConnection, sqlx::Error> {
    let mut connection = match connection {
        Some(connection) => connection,
        None => options.connect().await?,
    };
    sqlx::query("pragma wal_checkpoint(passive)").execute(&mut connection).await?;
    Ok(connection)
}
