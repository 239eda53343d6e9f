//! Moments promised: a question's time limit and its reminder.

use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;

use super::conversation::ConversationId;
use super::database::{Pool, Rows, words};
use super::inbox;
use super::journal::StepNo;
use super::tx::{Tx, whatever};
use super::{Error, LaneId};
use crate::clock::Timestamp;
use crate::telegram::UserId;

words! {
    /// What a timer is for.
    pub enum Kind {
        /// The time to answer is over.
        Limit = "limit",
        /// The person is reminded of the question.
        Remind = "remind",
    }
}

/// A moment to promise. A step has at most one timer of a kind: a second one replaces the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct New {
    /// Whose it is; it disappears with the conversation.
    pub conversation: ConversationId,
    /// The step that waits.
    pub step: StepNo,
    /// What it is for.
    pub kind: Kind,
    /// The lane it enters when it fires.
    pub lane: LaneId,
    /// The person who is awaited.
    pub user: UserId,
    /// When it fires.
    pub fire_at: Timestamp,
}

/// A timer as it is read.
#[derive(FromRow)]
struct Stored {
    conversation_id: i64,
    step_no: i64,
    kind: String,
    lane_id: i64,
    user_id: i64,
    fire_at: i64,
}

/// Stops all timers of conversations.
pub(super) fn stop(tx: &mut Tx, conversations: Rows) {
    const SQL: &str = "\
        delete from timer where conversation_id in (select cast(value as bigint) from jsonb_each($1))";
    tx.later("stop timers", SQL, conversations, None, whatever);
}

/// Promises moments.
pub(super) fn put(tx: &mut Tx, timers: Rows) {
    const SQL: &str = "\
        insert into timer (conversation_id, step_no, kind, lane_id, user_id, fire_at)
        select cast(value ->> 'conversation' as bigint), cast(value ->> 'step' as bigint),
               cast(value ->> 'kind' as text), cast(value ->> 'lane' as bigint),
               cast(value ->> 'user' as bigint), cast(value ->> 'fire_at' as bigint)
        from jsonb_each($1)
        where true -- or SQLite takes `on conflict` for a join's condition
        on conflict (conversation_id, step_no, kind) do update
        set lane_id = excluded.lane_id, user_id = excluded.user_id, fire_at = excluded.fire_at";
    tx.later("promise timers", SQL, timers, None, whatever);
}

/// When the next timer fires.
pub(super) async fn next_fire(pool: &Pool) -> Result<Option<Timestamp>, Error> {
    const SQL: &str = "select fire_at from timer order by fire_at limit 1";
    let next: Vec<(i64,)> = pool.rows("look for the next timer", SQL, &[]).await?;
    Ok(next.first().map(|(fire_at,)| Timestamp(*fire_at)))
}

/// Takes the timers that are due, `limit` at most, and returns the entries they become, the earliest first.
pub(super) async fn fire(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<Vec<inbox::New>, Error> {
    const SQL: &str = "\
        delete from timer
        where (conversation_id, step_no, kind) in (
            select conversation_id, step_no, kind from timer
            where fire_at <= $1
            order by fire_at
            limit $2)
        returning conversation_id, step_no, kind, lane_id, user_id, fire_at";
    let mut due: Vec<Stored> = tx.rows("fire timers", SQL, &[now.0.into(), i64::from(limit).into()]).await?;
    due.sort_unstable_by_key(|timer| (timer.fire_at, timer.conversation_id, timer.step_no));
    Ok(due.into_iter().map(entry).collect())
}

/// The entry a timer becomes. The instant is part of the key: after Back the same step may be timed anew.
fn entry(timer: Stored) -> inbox::New {
    let Stored { conversation_id, step_no, kind, lane_id, user_id, fire_at } = timer;
    inbox::New {
        source: String::from("timer"),
        key: format!("{conversation_id}-{step_no}-{kind}-{fire_at}"),
        lane: LaneId(lane_id),
        body: json!({
            "conversation": conversation_id,
            "step": step_no,
            "kind": kind,
            "user": user_id,
            "fire_at": fire_at,
        })
        .into(),
    }
}
