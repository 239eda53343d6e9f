//! Runs of flows: where each stands.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::FromRow;

use super::database::{Arg, Pool, Rows, words};
use super::journal;
use super::script_set::SetHash;
use super::tx::Tx;
use super::{Error, Json, LaneId};
use crate::clock::Timestamp;
use crate::telegram::{ChatId, UserId};

/// The number of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ConversationId(pub i64);

words! {
    /// Where a conversation stands.
    pub enum Status {
        /// It waits for an answer; a person has at most one such conversation in a chat.
        Awaiting = "awaiting",
        /// Its flow came to the end.
        Finished = "finished",
        /// The person left it, or another one took its place.
        Cancelled = "cancelled",
        /// Its script failed: it is parked until the script is mended.
        Failed = "failed",
    }
}

/// A conversation without its journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number, from [`Store::new_conversation`](super::Store::new_conversation).
    pub id: ConversationId,
    /// Where it is held.
    pub chat: ChatId,
    /// With whom.
    pub user: UserId,
    /// The flow it runs.
    pub flow: String,
    /// The script set it runs on.
    pub set: SetHash,
    /// How often it was turned back.
    pub epoch: u32,
    /// Where it stands.
    pub status: Status,
    /// What it waits for, or why it failed; the conversation's own words.
    pub detail: Json,
    /// When it was last advanced.
    pub updated_at: Timestamp,
}

impl Row {
    /// The lane that advances it.
    pub fn lane(&self) -> LaneId {
        self.chat.into()
    }
}

/// A conversation with its whole journal, in the order of steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Where it stands.
    pub row: Row,
    /// What it did.
    pub journal: Vec<journal::Row>,
}

/// A conversation as it is written.
#[derive(Serialize)]
struct Advanced<'a> {
    id: ConversationId,
    chat: ChatId,
    user: UserId,
    flow: &'a str,
    set: &'a SetHash,
    epoch: u32,
    status: Status,
    detail: &'a Json,
    updated_at: Timestamp,
}

/// A conversation as it is read.
#[derive(FromRow)]
struct Stored {
    id: i64,
    chat_id: i64,
    user_id: i64,
    flow: String,
    set_hash: String,
    epoch: i64,
    status: String,
    detail: String,
    updated_at: i64,
}

impl TryFrom<Stored> for Row {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Row, Error> {
        Ok(Row {
            id: ConversationId(stored.id),
            chat: ChatId(stored.chat_id),
            user: UserId(stored.user_id),
            flow: stored.flow,
            set: SetHash(stored.set_hash),
            epoch: u32::try_from(stored.epoch).map_err(|_| Error::Unknown {
                what: "conversation.epoch",
                value: stored.epoch.to_string(),
            })?,
            status: Status::parse("conversation.status", &stored.status)?,
            detail: Json::stored(stored.detail),
            updated_at: Timestamp(stored.updated_at),
        })
    }
}

/// Conversations as rows of [`write`]: those that end make room for those that begin, so they go first.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    ended: Rows,
    awaiting: Rows,
}

impl Records {
    /// Adds a conversation.
    pub fn push(&mut self, row: &Row) {
        let rows = match row.status {
            Status::Awaiting => &mut self.awaiting,
            Status::Finished | Status::Cancelled | Status::Failed => &mut self.ended,
        };
        rows.push(&Advanced {
            id: row.id,
            chat: row.chat,
            user: row.user,
            flow: &row.flow,
            set: &row.set,
            epoch: row.epoch,
            status: row.status,
            detail: &row.detail,
            updated_at: row.updated_at,
        });
    }

    /// Adds the conversations of another.
    pub fn extend(&mut self, other: &Records) {
        self.ended.extend(&other.ended);
        self.awaiting.extend(&other.awaiting);
    }
}

/// Writes conversations, new and advanced. [`Error::AlreadyAwaiting`] when one would be a person's second.
pub(super) fn write(tx: &mut Tx, records: Records) {
    const SQL: &str = "\
        insert into conversation
            (id, chat_id, user_id, flow, set_hash, epoch, status, detail, updated_at)
        select cast(value ->> 'id' as bigint), cast(value ->> 'chat' as bigint),
               cast(value ->> 'user' as bigint), cast(value ->> 'flow' as text),
               cast(value ->> 'set' as text), cast(value ->> 'epoch' as bigint),
               cast(value ->> 'status' as text), cast(value ->> 'detail' as text),
               cast(value ->> 'updated_at' as bigint)
        from jsonb_each($1)
        where true -- or SQLite takes `on conflict` for a join's condition
        on conflict (id) do update
        set flow = excluded.flow, set_hash = excluded.set_hash, epoch = excluded.epoch,
            status = excluded.status, detail = excluded.detail, updated_at = excluded.updated_at";
    let Records { ended: mut rows, awaiting } = records;
    rows.extend(&awaiting);
    tx.later("write conversations", SQL, rows, None, |_, written| match written {
        Err(Error::Refused { source, .. }) if is_second(&source) => Err(Error::AlreadyAwaiting),
        written => written.map(drop),
    });
}

/// The conversation in which a person's answer is awaited, with its journal.
pub(super) async fn awaited(pool: &Pool, chat: ChatId, user: UserId) -> Result<Option<Conversation>, Error> {
    const SQL: &str = "\
        select id, chat_id, user_id, flow, set_hash, epoch, status, detail, updated_at
        from conversation
        where chat_id = $1 and user_id = $2 and status = 'awaiting'";
    one(pool, SQL, &[chat.0.into(), user.0.into()]).await
}

/// A conversation by its number, with its journal.
pub(super) async fn by_id(pool: &Pool, id: ConversationId) -> Result<Option<Conversation>, Error> {
    const SQL: &str = "\
        select id, chat_id, user_id, flow, set_hash, epoch, status, detail, updated_at
        from conversation
        where id = $1";
    one(pool, SQL, &[id.0.into()]).await
}

/// The conversations parked as failed, the latest first.
pub(super) async fn parked(pool: &Pool) -> Result<Vec<Row>, Error> {
    const SQL: &str = "\
        select id, chat_id, user_id, flow, set_hash, epoch, status, detail, updated_at
        from conversation
        where status = 'failed'
        order by updated_at desc, id desc";
    many(pool, SQL, &[]).await
}

/// The conversations that await an answer, by number.
pub(super) async fn awaiting(pool: &Pool, after: ConversationId, limit: u32) -> Result<Vec<Row>, Error> {
    const SQL: &str = "\
        select id, chat_id, user_id, flow, set_hash, epoch, status, detail, updated_at
        from conversation
        where id > $1 and status = 'awaiting'
        order by id
        limit $2";
    many(pool, SQL, &[after.0.into(), i64::from(limit).into()]).await
}

/// How many conversations await an answer on each script set.
pub(super) async fn running_by_set(pool: &Pool) -> Result<BTreeMap<SetHash, u64>, Error> {
    const SQL: &str = "\
        select set_hash, count(*) as running
        from conversation
        where status = 'awaiting'
        group by set_hash";
    let sets: Vec<(String, i64)> = pool.rows("count conversations", SQL, &[]).await?;
    Ok(sets.into_iter().map(|(hash, running)| (SetHash(hash), running.unsigned_abs())).collect())
}

/// Sets `size` numbers aside and returns the first.
pub(super) async fn reserve_numbers(tx: &mut Tx, size: i64) -> Result<i64, Error> {
    const SQL: &str = "update sequence set next = next + $1 where name = 'conversation' returning next";
    let next: Vec<(i64,)> = tx.rows("reserve numbers", SQL, &[size.into()]).await?;
    match next.as_slice() {
        [(next,)] => Ok(next - size),
        rows => Err(Error::Unknown { what: "sequence", value: format!("{} rows", rows.len()) }),
    }
}

/// Reads one conversation and its journal.
async fn one(pool: &Pool, sql: &'static str, args: &[Arg<'_>]) -> Result<Option<Conversation>, Error> {
    let Some(row) = many(pool, sql, args).await?.pop() else { return Ok(None) };
    let journal = journal::read(pool, row.id).await?;
    Ok(Some(Conversation { row, journal }))
}

/// Reads conversations without their journals.
async fn many(pool: &Pool, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<Row>, Error> {
    let rows: Vec<Stored> = pool.rows("read conversations", sql, args).await?;
    rows.into_iter().map(Row::try_from).collect()
}

/// Whether a conversation was refused for being a person's second.
fn is_second(error: &sqlx::Error) -> bool {
    // The row's own key is in the statement's conflict clause, so this index is the only one left.
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}
