//! Updates accepted once, in order per lane: Telegram's, Bitrix24's, timers, panel actions and events.

use std::collections::HashMap;

use serde::Serialize;
use sqlx::FromRow;

use super::database::{Pool, Rows};
use super::tx::{Insert, Ticket, Tx, all_touched, insert};
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

/// The numbers of entries that were just accepted, by what names them.
#[derive(Debug)]
pub(super) struct Numbers(HashMap<(String, String), EntryId>);

impl Numbers {
    /// Takes out those of `wanted` that are there, in the order of acceptance.
    pub fn take<'a>(
        &mut self,
        wanted: impl IntoIterator<Item = &'a New>,
        received_at: Timestamp,
    ) -> Vec<Entry> {
        let number = |new: &'a New| {
            let id = self.0.remove(&(new.source.clone(), new.key.clone()))?;
            let New { source, key, lane, body } = new.clone();
            Some(Entry { id, source, key, lane, body, received_at })
        };
        let mut taken: Vec<Entry> = wanted.into_iter().filter_map(number).collect();
        taken.sort_unstable_by_key(|entry| entry.id);
        taken
    }
}

/// Writes entries and returns the numbers of the new ones.
pub(super) async fn accept(tx: &mut Tx, entries: Rows) -> Result<Numbers, Error> {
    let ticket = put(tx, entries);
    numbers(tx, ticket).await
}

/// Writes entries.
pub(super) fn put(tx: &mut Tx, entries: Rows) -> Ticket {
    const INSERT: Insert = insert!(
        "accept entries",
        "inbox",
        "id, source, key",
        "\
        insert into inbox (source, key, lane_id, body, received_at)
        select cast(value ->> 'source' as text), cast(value ->> 'key' as text),
               cast(value ->> 'lane' as bigint), cast(value ->> 'body' as text),
               cast(value ->> 'received_at' as bigint)
        from jsonb_each($1)
        where true -- or SQLite takes `on conflict` for a join's condition
        on conflict (source, key) do nothing"
    );
    tx.insert(&INSERT, entries)
}

/// The numbers of entries that were written, as far as they are new.
pub(super) async fn numbers(tx: &mut Tx, entries: Ticket) -> Result<Numbers, Error> {
    let accepted: Vec<(i64, String, String)> = tx.told(entries).await?;
    Ok(Numbers(accepted.into_iter().map(|(id, source, key)| ((source, key), EntryId(id))).collect()))
}

/// Marks entries as done with. [`Error::AlreadyDone`] when one was before, or is named twice.
pub(super) fn finish(tx: &mut Tx, ids: Rows, now: Timestamp) {
    const SQL: &str = "\
        update inbox set done_at = $2
        where id in (select cast(value as bigint) from jsonb_each($1)) and done_at is null";
    tx.later("finish entries", SQL, ids, Some(now.0), all_touched);
}

/// Sees that entries are not done with, or it is [`Error::AlreadyDone`].
pub(super) fn expect_open(tx: &mut Tx, ids: Rows) {
    const SQL: &str = "\
        select cast(value as bigint) from jsonb_each($1)
        where not exists (
            select 1 from inbox where inbox.id = cast(value as bigint) and inbox.done_at is null)";
    tx.later("look for open entries", SQL, ids, None, |_, done| match done?.found {
        Some(_) => Err(Error::AlreadyDone),
        None => Ok(()),
    });
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
