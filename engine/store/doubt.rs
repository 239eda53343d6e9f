//! Writes to the outside of which nobody knows whether they were done, and what the office decided.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::FromRow;

use super::change::Effect;
use super::database::{Arg, Pool};
use super::tx::Tx;
use super::{ConversationId, Error, Json, LaneId, Store, inbox};
use crate::clock::Timestamp;
use crate::telegram::{ChatId, UserId};

/// The number of a doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct DoubtId(pub i64);

/// A write that a person must decide about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct New {
    /// The conversation that waits.
    pub conversation: ConversationId,
    /// Its lane, which gets the decision.
    pub lane: LaneId,
    /// The host function.
    pub name: String,
    /// The number that goes with "done", in words for the office; none when no number is needed.
    pub wants: Option<String>,
    /// Its arguments.
    pub request: Json,
    /// The case, as the person was told.
    pub number: i64,
    /// The person's name.
    pub person: String,
    /// The office's chat: its lane gets the event `write.in_doubt`.
    pub staff: ChatId,
}

/// What the office says of a write in doubt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// It is done.
    Done {
        /// The number it has there, if one is needed.
        number: Option<i64>,
    },
    /// It is not done: once more.
    Again,
    /// It is not to be done any more.
    GiveUp,
}

impl Decision {
    fn word(&self) -> &'static str {
        match self {
            Decision::Done { .. } => "done",
            Decision::Again => "again",
            Decision::GiveUp => "give_up",
        }
    }
}

/// A doubt as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Its number.
    pub id: DoubtId,
    /// The conversation that waits.
    pub conversation: ConversationId,
    /// The host function.
    pub name: String,
    /// The number that goes with "done", in words for the office.
    pub wants: Option<String>,
    /// Its arguments.
    pub request: Json,
    /// The case, as the person was told.
    pub number: i64,
    /// The person's name.
    pub person: String,
    /// When the office was asked.
    pub opened_at: Timestamp,
    /// `done`, `again`, `give_up`, or `found` when it came out by itself; none while it is open.
    pub decision: Option<String>,
    /// Who decided.
    pub decided_by: Option<String>,
}

/// A doubt as it is read.
#[derive(FromRow)]
struct Stored {
    id: i64,
    conversation_id: i64,
    name: String,
    wants: Option<String>,
    request: String,
    number: i64,
    person: String,
    opened_at: i64,
    decision: Option<String>,
    decided_by_name: Option<String>,
}

impl From<Stored> for Doubt {
    fn from(stored: Stored) -> Doubt {
        Doubt {
            id: DoubtId(stored.id),
            conversation: ConversationId(stored.conversation_id),
            name: stored.name,
            wants: stored.wants,
            request: Json::stored(stored.request),
            number: stored.number,
            person: stored.person,
            opened_at: Timestamp(stored.opened_at),
            decision: stored.decision,
            decided_by: stored.decided_by_name,
        }
    }
}

impl Store {
    /// A doubt by its number.
    pub async fn doubt(&self, id: DoubtId) -> Result<Option<Doubt>, Error> {
        by_id(self.readers()?, id).await
    }

    /// The writes in doubt that the office did not decide yet, the oldest first.
    pub async fn open_doubts(&self) -> Result<Vec<Doubt>, Error> {
        open(self.readers()?).await
    }
}

/// Asks the office; a conversation has one open doubt at most.
pub(super) async fn ask(tx: &mut Tx, new: &New, now: Timestamp) -> Result<Effect, Error> {
    const OPEN: &str = "\
        insert into doubt (conversation_id, lane_id, name, wants, request, number, person, opened_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)
        on conflict (conversation_id) where decision is null do nothing
        returning id";
    const FIND: &str = "select id from doubt where conversation_id = $1 and decision is null";
    let args = [
        new.conversation.0.into(),
        new.lane.0.into(),
        new.name.as_str().into(),
        new.wants.as_deref().into(),
        new.request.as_str().into(),
        new.number.into(),
        new.person.as_str().into(),
        now.0.into(),
    ];
    let opened: Vec<(i64,)> = tx.rows("ask about a write", OPEN, &args).await?;
    let Some(&(id,)) = opened.first() else {
        let open: Vec<(i64,)> = tx.rows("find a doubt", FIND, &[new.conversation.0.into()]).await?;
        let id = open.first().map(|(id,)| id);
        return Ok(Effect { answer: json!({ "id": id }).into(), events: Vec::new() });
    };
    let event = inbox::New {
        source: String::from("event"),
        key: format!("write.in_doubt:{id}"),
        lane: new.staff.into(),
        body: json!({ "event": "write.in_doubt", "data": { "doubt": id } }).into(),
    };
    Ok(Effect { answer: json!({ "id": id }).into(), events: vec![event] })
}

/// Closes a conversation's open doubt, if it has one: it came out by itself.
pub(super) async fn close(
    tx: &mut Tx,
    conversation: ConversationId,
    now: Timestamp,
) -> Result<Effect, Error> {
    const SQL: &str = "\
        update doubt set decision = 'found', decided_at = $2
        where conversation_id = $1 and decision is null";
    tx.run("close a doubt", SQL, &[conversation.0.into(), now.0.into()]).await?;
    Ok(Effect { answer: json!(null).into(), events: Vec::new() })
}

/// Decides a doubt, if it is the first to.
pub(super) async fn resolve(
    tx: &mut Tx,
    id: DoubtId,
    decision: &Decision,
    (by, by_name): (UserId, &str),
    now: Timestamp,
) -> Result<Effect, Error> {
    const DECIDE: &str = "\
        update doubt set decision = $2, decided_by = $3, decided_by_name = $4, decided_at = $5
        where id = $1 and decision is null
        returning conversation_id, lane_id";
    const DECIDED: &str = "select decision, decided_by_name from doubt where id = $1";
    let args = [id.0.into(), decision.word().into(), by.0.into(), by_name.into(), now.0.into()];
    let decided: Vec<(i64, i64)> = tx.rows("decide a doubt", DECIDE, &args).await?;
    let Some(&(conversation, lane)) = decided.first() else {
        let found: Vec<(String, Option<String>)> =
            tx.rows("find a decision", DECIDED, &[id.0.into()]).await?;
        let answer = match found.first() {
            Some((decision, by)) => json!({ "done": false, "decision": decision, "by": by }),
            None => json!({ "done": false, "unknown": true }),
        };
        return Ok(Effect { answer: answer.into(), events: Vec::new() });
    };
    let told = inbox::New {
        source: String::from("decision"),
        key: format!("doubt:{}", id.0),
        lane: LaneId(lane),
        body: json!({ "conversation": conversation, "decision": decision }).into(),
    };
    Ok(Effect { answer: json!({ "done": true, "decision": decision.word() }).into(), events: vec![told] })
}

/// A doubt by its number.
async fn by_id(pool: &Pool, id: DoubtId) -> Result<Option<Doubt>, Error> {
    const SQL: &str = "\
        select id, conversation_id, name, wants, request, number, person, opened_at, decision, decided_by_name
        from doubt
        where id = $1";
    Ok(many(pool, SQL, &[id.0.into()]).await?.pop())
}

/// The doubts that nobody decided yet, the oldest first.
async fn open(pool: &Pool) -> Result<Vec<Doubt>, Error> {
    const SQL: &str = "\
        select id, conversation_id, name, wants, request, number, person, opened_at, decision, decided_by_name
        from doubt
        where decision is null
        order by id";
    many(pool, SQL, &[]).await
}

async fn many(pool: &Pool, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<Doubt>, Error> {
    let doubts: Vec<Stored> = pool.rows("read doubts", sql, args).await?;
    Ok(doubts.into_iter().map(Doubt::from).collect())
}
