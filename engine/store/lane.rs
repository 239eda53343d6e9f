//! One chat, one lane: whoever holds its lease is the only one to advance what concerns the chat.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::Serialize;
use sqlx::FromRow;

use super::Error;
use super::database::{Pool, Rows, Tx};
use crate::clock::Timestamp;
use crate::telegram::ChatId;

/// A lane; its number is the chat's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct LaneId(pub i64);

impl From<ChatId> for LaneId {
    fn from(chat: ChatId) -> LaneId {
        LaneId(chat.0)
    }
}

impl LaneId {
    /// The chat whose lane it is.
    pub fn chat(self) -> ChatId {
        ChatId(self.0)
    }
}

/// The right to advance a lane. Each taking of the lane has a higher token, and a commit under an older
/// one is refused, so a holder that was thought dead cannot do harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub(super) lane: LaneId,
    pub(super) token: i64,
}

impl Lease {
    /// The lane it is for.
    pub fn lane(self) -> LaneId {
        self.lane
    }
}

/// Another instance accepted something that is ours to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wakeup {
    /// In this lane.
    Lane(LaneId),
    /// Anywhere: wake-ups may have been missed while the connection was away.
    All,
}

/// Who holds a lane.
#[derive(Clone, Copy, Debug, FromRow)]
pub(super) struct Holder {
    pub id: i64,
    pub owner: Option<i64>,
    pub token: i64,
}

/// Registers a process and returns its number.
pub(super) async fn register(pool: &Pool, now: Timestamp) -> Result<i64, Error> {
    const SQL: &str = "insert into instance (seen_at) values ($1) returning id";
    let ids: Vec<(i64,)> = pool.rows("register the instance", SQL, &[now.0.into()]).await?;
    Ok(ids.first().expect("an insert without a condition returns its row").0)
}

/// Locks lanes until the transaction ends, and tells who holds them. The order of locking is the lanes'
/// own, so two writers cannot wait for each other.
pub(super) async fn lock(tx: &mut Tx, lanes: &BTreeSet<LaneId>) -> Result<HashMap<LaneId, Holder>, Error> {
    const SQLITE: &str = "\
        select id, owner, token from lane
        where id in (select cast(value as bigint) from json_each($1))";
    const POSTGRES: &str = "\
        select id, owner, token from lane
        where id in (select cast(value as bigint) from json_each($1))
        order by id for update";
    let sql = match tx {
        Tx::Sqlite(_) => SQLITE, // `begin immediate` has locked everything.
        Tx::Postgres(_) => POSTGRES,
    };
    let holders: Vec<Holder> = tx.rows_each("lock lanes", sql, &Rows::of(lanes)).await?;
    Ok(holders.into_iter().map(|holder| (LaneId(holder.id), holder)).collect())
}

/// Makes the rows of lanes nobody had yet.
pub(super) async fn ensure(tx: &mut Tx, lanes: &BTreeSet<LaneId>) -> Result<(), Error> {
    const SQL: &str = "\
        insert into lane (id)
        select cast(value as bigint) from json_each($1)
        where true -- or SQLite takes `on conflict` for a join's condition
        on conflict (id) do nothing";
    tx.run_each("make lanes", SQL, &Rows::of(lanes)).await.map(drop)
}

/// The instances that may hold lanes.
pub(super) async fn live_instances(tx: &mut Tx) -> Result<HashSet<i64>, Error> {
    const SQL: &str = "select id from live_instance";
    let live: Vec<(i64,)> = tx.rows("see which instances live", SQL, &[]).await?;
    Ok(live.into_iter().map(|(id,)| id).collect())
}

/// Makes `owner` the holder of locked lanes.
pub(super) async fn take(tx: &mut Tx, lanes: &BTreeSet<LaneId>, owner: i64) -> Result<Vec<Lease>, Error> {
    const SQL: &str = "\
        update lane set owner = $2, token = token + 1
        where id in (select cast(value as bigint) from json_each($1))
        returning id, token";
    if lanes.is_empty() {
        return Ok(Vec::new());
    }
    let taken: Vec<(i64, i64)> =
        tx.rows("take lanes", SQL, &[(&Rows::of(lanes)).into(), owner.into()]).await?;
    Ok(taken.into_iter().map(|(id, token)| Lease { lane: LaneId(id), token }).collect())
}

/// Gives all lanes of `owner` back.
pub(super) async fn release(tx: &mut Tx, owner: i64) -> Result<(), Error> {
    const SQL: &str = "update lane set owner = null where owner = $1";
    tx.run("give the lanes back", SQL, &[owner.into()]).await.map(drop)
}

/// Wakes the instances other than `me` that hold these lanes, once the transaction is committed.
pub(super) async fn wake_holders(tx: &mut Tx, lanes: &BTreeSet<LaneId>, me: i64) -> Result<(), Error> {
    const SQL: &str = "\
        select cast(pg_notify('borodach_lane_' || owner, cast(id as text)) as text) as sent
        from lane
        where id in (select cast(value as bigint) from json_each($1)) and owner <> $2";
    if lanes.is_empty() || matches!(tx, Tx::Sqlite(_)) {
        return Ok(());
    }
    let _sent: Vec<(String,)> =
        tx.rows("wake other instances", SQL, &[(&Rows::of(lanes)).into(), me.into()]).await?;
    Ok(())
}

/// Lanes with open entries or messages that no live instance holds.
pub(super) async fn orphans(pool: &Pool, limit: u32) -> Result<Vec<LaneId>, Error> {
    const SQL: &str = "\
        select busy.id
        from (select lane_id as id from inbox where done_at is null
              union select chat_id from outbox where done_at is null) as busy
        left join lane on lane.id = busy.id
        where lane.owner is null or lane.owner not in (select id from live_instance)
        order by busy.id
        limit $1";
    let lanes: Vec<(i64,)> = pool.rows("look for orphaned lanes", SQL, &[i64::from(limit).into()]).await?;
    Ok(lanes.into_iter().map(|(id,)| LaneId(id)).collect())
}

/// Lanes of `owner` with open entries or messages.
pub(super) async fn busy(pool: &Pool, owner: i64) -> Result<Vec<LaneId>, Error> {
    const SQL: &str = "\
        select busy.id
        from (select lane_id as id from inbox where done_at is null
              union select chat_id from outbox where done_at is null) as busy
        join lane on lane.id = busy.id
        where lane.owner = $1
        order by busy.id";
    let lanes: Vec<(i64,)> = pool.rows("look for busy lanes", SQL, &[owner.into()]).await?;
    Ok(lanes.into_iter().map(|(id,)| LaneId(id)).collect())
}
