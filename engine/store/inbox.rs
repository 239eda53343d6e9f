//! Updates accepted once, in order per lane: Telegram's, Bitrix24's, timers, panel actions and events.

use std::collections::HashSet;

use serde::Serialize;
use sqlx::FromRow;

use super::database::{Pool, Rows, Tx};
use super::{Error, Json, LaneId};
use crate::clock::Timestamp;

/// The number of an entry; it grows in the order of acceptance within a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct EntryId(pub i64);

/// Something to accept. A second one with the same `source` and `key` vanishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct New {
    /// Where it comes from: `telegram`, `bitrix24`, `timer`, `event`, `panel`.
    pub source: String,
    /// Its name there, such as an update id; unique within the source.
    pub key: String,
    /// Whose turn it asks for.
    pub lane: LaneId,
    /// What happened, in the source's own words.
    pub body: Json,
}

/// Something accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: EntryId,
    /// Where it comes from.
    pub source: String,
    /// Its name there.
    pub key: String,
    /// Whose turn it asks for.
    pub lane: LaneId,
    /// What happened, in the source's own words.
    pub body: Json,
    /// When it was accepted.
    pub received_at: Timestamp,
}

/// A new entry as it is written.
#[derive(Serialize)]
struct Accepted<'a> {
    source: &'a str,
    key: &'a str,
    lane: LaneId,
    body: &'a Json,
    received_at: Timestamp,
}

/// An entry as it is read.
#[derive(FromRow)]
struct Stored {
    id: i64,
    source: String,
    key: String,
    lane_id: i64,
    body: String,
    received_at: i64,
}

impl From<Stored> for Entry {
    fn from(stored: Stored) -> Entry {
        Entry {
            id: EntryId(stored.id),
            source: stored.source,
            key: stored.key,
            lane: LaneId(stored.lane_id),
            body: Json::stored(stored.body),
            received_at: Timestamp(stored.received_at),
        }
    }
}

/// Entries as rows of [`accept`].
pub(super) fn rows(entries: &[New], received_at: Timestamp) -> Rows {
    Rows::of(entries.iter().map(|entry| Accepted {
        source: &entry.source,
        key: &entry.key,
        lane: entry.lane,
        body: &entry.body,
        received_at,
    }))
}

/// Writes entries and returns the new ones.
pub(super) async fn accept(tx: &mut Tx, entries: &Rows) -> Result<Vec<Entry>, Error> {
    const SQL: &str = "\
        insert into inbox (source, key, lane_id, body, received_at)
        select cast(value ->> 'source' as text), cast(value ->> 'key' as text),
               cast(value ->> 'lane' as bigint), cast(value ->> 'body' as text),
               cast(value ->> 'received_at' as bigint)
        from json_each($1)
        where true -- or SQLite takes `on conflict` for a join's condition
        on conflict (source, key) do nothing
        returning id, source, key, lane_id, body, received_at";
    let mut accepted: Vec<Stored> = tx.rows_each("accept entries", SQL, entries).await?;
    accepted.sort_unstable_by_key(|entry| entry.id);
    Ok(accepted.into_iter().map(Entry::from).collect())
}

/// Marks entries as done with, and returns those that were not yet.
pub(super) async fn finish(tx: &mut Tx, ids: &Rows, now: Timestamp) -> Result<HashSet<EntryId>, Error> {
    const SQL: &str = "\
        update inbox set done_at = $2
        where id in (select cast(value as bigint) from json_each($1)) and done_at is null
        returning id";
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let done: Vec<(i64,)> = tx.rows("finish entries", SQL, &[ids.into(), now.0.into()]).await?;
    Ok(done.into_iter().map(|(id,)| EntryId(id)).collect())
}

/// Those of the entries that are not done with.
pub(super) async fn undone(tx: &mut Tx, ids: &Rows) -> Result<HashSet<EntryId>, Error> {
    const SQL: &str = "\
        select id from inbox
        where done_at is null and id in (select cast(value as bigint) from json_each($1))";
    let undone: Vec<(i64,)> = tx.rows_each("look for open entries", SQL, ids).await?;
    Ok(undone.into_iter().map(|(id,)| EntryId(id)).collect())
}

/// The entries of a lane that are not done with, in order.
pub(super) async fn open(pool: &Pool, lane: LaneId) -> Result<Vec<Entry>, Error> {
    const SQL: &str = "\
        select id, source, key, lane_id, body, received_at
        from inbox
        where lane_id = $1 and done_at is null
        order by id";
    let open: Vec<Stored> = pool.rows("read the inbox", SQL, &[lane.0.into()]).await?;
    Ok(open.into_iter().map(Entry::from).collect())
}
