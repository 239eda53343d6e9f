//! One chat, one lane: whoever holds its lease is the only one to advance what concerns the chat.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Error;
use super::database::{Pool, Rows};
use super::tx::{Tx, whatever};
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

/// Registers a process and returns its number.
pub(super) async fn register(pool: &Pool, now: Timestamp) -> Result<i64, Error> {
    const SQL: &str = "insert into instance (seen_at) values ($1) returning id";
    let ids: Vec<(i64,)> = pool.rows("register the instance", SQL, &[now.0.into()]).await?;
    Ok(ids.first().expect("an insert without a condition returns its row").0)
}

/// Makes the rows of lanes nobody had yet.
pub(super) fn ensure(tx: &mut Tx, lanes: &BTreeSet<LaneId>) {
    const SQL: &str = "\
        insert into lane (id)
        select cast(value as bigint) from jsonb_each($1)
        where true -- or SQLite takes `on conflict` for a join's condition
        on conflict (id) do nothing";
    tx.later("make lanes", SQL, Rows::of(lanes), None, whatever);
}

/// Locks lanes until the transaction ends. The order of locking is the lanes' own, so two writers cannot wait
/// for each other.
pub(super) fn lock(tx: &mut Tx, lanes: &BTreeSet<LaneId>) {
    const SQL: &str = "\
        select id from lane
        where id in (select cast(value as bigint) from jsonb_each($1))
        order by id for update";
    if !tx.locks_all() {
        tx.later("lock lanes", SQL, Rows::of(lanes), None, whatever);
    }
}

/// Makes `owner` the holder of those lanes that no other live instance holds.
pub(super) async fn take(tx: &mut Tx, lanes: &BTreeSet<LaneId>, owner: i64) -> Result<Vec<Lease>, Error> {
    const SQL: &str = "\
        update lane set owner = $2, token = token + 1
        where id in (select cast(value as bigint) from jsonb_each($1))
          and (owner is null or owner = $2 or owner not in (select id from live_instance))
        returning id, token";
    if lanes.is_empty() {
        return Ok(Vec::new());
    }
    let taken: Vec<(i64, i64)> =
        tx.rows("take lanes", SQL, &[(&Rows::of(lanes)).into(), owner.into()]).await?;
    Ok(taken.into_iter().map(|(id, token)| Lease { lane: LaneId(id), token }).collect())
}

/// Sees that `owner` holds every lane under the token of its lease, or it is [`Error::StaleLease`].
pub(super) fn fence(tx: &mut Tx, leases: impl Iterator<Item = Lease>, owner: i64) {
    const SQL: &str = "\
        select cast(value ->> 0 as bigint) from jsonb_each($1)
        where not exists (
            select 1 from lane
            where lane.id = cast(value ->> 0 as bigint) and lane.token = cast(value ->> 1 as bigint)
              and lane.owner = $2)";
    let leases = Rows::of(leases.map(|lease| (lease.lane, lease.token)));
    tx.later("see who holds the lanes", SQL, leases, Some(owner), |_, stale| match stale?.found {
        Some(lane) => Err(Error::StaleLease { lane: LaneId(lane) }),
        None => Ok(()),
    });
}

/// Gives all lanes of `owner` back.
pub(super) async fn release(tx: &mut Tx, owner: i64) -> Result<(), Error> {
    const SQL: &str = "update lane set owner = null where owner = $1";
    tx.run("give the lanes back", SQL, &[owner.into()]).await.map(drop)
}

/// Wakes the instances other than `me` that hold these lanes, once the transaction is committed.
pub(super) fn wake_holders(tx: &mut Tx, lanes: &BTreeSet<LaneId>, me: i64) {
    const SQL: &str = "\
        select pg_notify('borodach_lane_' || owner, cast(id as text))
        from lane
        where id in (select cast(value as bigint) from jsonb_each($1)) and owner <> $2";
    if !tx.locks_all() {
        tx.later("wake other instances", SQL, Rows::of(lanes), Some(me), whatever);
    }
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
