//! What is old goes; what stands still is counted.

use std::time::Duration;

use sqlx::FromRow;

use super::Error;
use super::database::Pool;
use super::tx::Tx;
use crate::clock::Timestamp;

/// How long finished things are kept; none keeps them for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Entries done with. Within this span a repeated update is known as such.
    pub inbox: Option<Duration>,
    /// Messages delivered or given up.
    pub outbox: Option<Duration>,
    /// Conversations finished or cancelled, with their journals. Parked ones are never swept.
    pub conversations: Option<Duration>,
}

/// How many rows went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Entries.
    pub entries: u64,
    /// Messages.
    pub messages: u64,
    /// Conversations.
    pub conversations: u64,
    /// Large answers nobody refers to.
    pub blobs: u64,
}

/// How the queues stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Entries not done with.
    pub open_entries: u64,
    /// When the oldest undelivered message was decided.
    pub oldest_message: Option<Timestamp>,
    /// Conversations parked as failed.
    pub parked: u64,
}

/// Rows of one transaction: small enough for nobody to wait.
pub(super) const BATCH: i64 = 500;

/// What can be swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Litter {
    /// Entries done with before the instant.
    Entries(Timestamp),
    /// Messages settled before the instant.
    Messages(Timestamp),
    /// Conversations that ended before the instant.
    Conversations(Timestamp),
    /// Large answers nobody refers to.
    Blobs,
    /// Dead instances not seen since the instant that hold nothing.
    Instances(Timestamp),
}

/// Deletes one batch and tells how many rows went.
pub(super) async fn sweep(tx: &mut Tx, litter: Litter) -> Result<u64, Error> {
    const ENTRIES: &str = "\
        delete from inbox
        where id in (select id from inbox where done_at < $1 order by done_at limit $2)";
    const MESSAGES: &str = "\
        delete from outbox
        where id in (select id from outbox where done_at < $1 order by done_at limit $2)";
    const CONVERSATIONS: &str = "\
        delete from conversation
        where id in (select id from conversation
                     where status in ('finished', 'cancelled') and updated_at < $1
                     order by updated_at limit $2)";
    const BLOBS: &str = "\
        delete from blob
        where hash in (select hash from blob
                       where not exists (select 1 from journal where journal.blob_hash = blob.hash)
                       limit $1)";
    const INSTANCES: &str = "\
        delete from instance
        where seen_at < $1
          and id not in (select id from live_instance)
          and not exists (select 1 from lane where lane.owner = instance.id)";
    match litter {
        Litter::Entries(before) => tx.run("sweep the inbox", ENTRIES, &[before.0.into(), BATCH.into()]).await,
        Litter::Messages(before) => {
            tx.run("sweep the outbox", MESSAGES, &[before.0.into(), BATCH.into()]).await
        }
        Litter::Conversations(before) => {
            tx.run("sweep conversations", CONVERSATIONS, &[before.0.into(), BATCH.into()]).await
        }
        Litter::Blobs => tx.run("sweep large answers", BLOBS, &[BATCH.into()]).await,
        Litter::Instances(before) => tx.run("sweep dead instances", INSTANCES, &[before.0.into()]).await,
    }
}

/// Counts as they are read.
#[derive(FromRow)]
struct Counts {
    open_entries: i64,
    oldest_message: Option<i64>,
    parked: i64,
}

/// How the queues stand.
pub(super) async fn health(pool: &Pool) -> Result<Health, Error> {
    const SQL: &str = "\
        select (select count(*) from inbox where done_at is null) as open_entries,
               (select min(created_at) from outbox where done_at is null) as oldest_message,
               (select count(*) from conversation where status = 'failed') as parked";
    let counts: Vec<Counts> = pool.rows("count what waits", SQL, &[]).await?;
    let counts = counts.first().expect("a select without a table gives one row");
    Ok(Health {
        open_entries: counts.open_entries.unsigned_abs(),
        oldest_message: counts.oldest_message.map(Timestamp),
        parked: counts.parked.unsigned_abs(),
    })
}
