//! The steps of a conversation, in order, with their answers.

use std::fmt::Write;

use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::FromRow;

use super::conversation::ConversationId;
use super::database::{Pool, Rows};
use super::tx::{Tx, all_touched, whatever};
use super::{Error, Json};
use crate::clock::Timestamp;

/// The place of a step in its conversation, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct StepNo(pub u32);

/// A step: what a flow asked of the world, and the answer.
///
/// A row without an answer is an **intent**: the step is about to be done. The same step with an answer
/// completes it; a step that has its answer is never written again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Whose step it is.
    pub conversation: ConversationId,
    /// Its place.
    pub step: StepNo,
    /// The host function, such as `bitrix24::add_task`.
    pub name: String,
    /// Where in the script it was asked: file and line.
    pub site: String,
    /// What was asked, for writes.
    pub request: Option<Json>,
    /// What came back; none while it is only intended.
    pub answer: Option<Json>,
    /// When the answer, or the intent, was recorded.
    pub recorded_at: Timestamp,
}

/// A step as it is written: a large answer goes by its hash.
#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the fields are named as the columns")]
struct Recorded<'a> {
    conversation: ConversationId,
    step: StepNo,
    name: &'a str,
    site: &'a str,
    request: Option<&'a Json>,
    answer: Option<&'a Json>,
    blob: Option<&'a str>,
    recorded_at: Timestamp,
}

/// A large answer as it is written.
#[derive(Serialize)]
struct Blob<'a> {
    hash: &'a str,
    body: &'a Json,
}

/// A step as it is read, its large answer joined to it.
#[derive(FromRow)]
struct Stored {
    step_no: i64,
    name: String,
    site: String,
    request: Option<String>,
    answer: Option<String>,
    recorded_at: i64,
}

/// How large an answer may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// In its row.
    pub value_bytes: usize,
    /// Altogether.
    pub blob_bytes: usize,
}

/// Steps as rows of [`write`], and their large answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    steps: Rows,
    blobs: Rows,
}

impl Records {
    /// Adds a step. Errors: [`Error::TooLarge`].
    pub fn push(&mut self, row: &Row, limits: Limits) -> Result<(), Error> {
        let large = row.answer.as_ref().filter(|answer| answer.size_bytes() > limits.value_bytes);
        let hash = large.map(|answer| hash(answer, row, limits)).transpose()?;
        if let (Some(body), Some(hash)) = (large, &hash) {
            self.blobs.push(&Blob { hash, body });
        }
        self.steps.push(&Recorded {
            conversation: row.conversation,
            step: row.step,
            name: &row.name,
            site: &row.site,
            request: row.request.as_ref(),
            answer: row.answer.as_ref().filter(|_| large.is_none()),
            blob: hash.as_deref(),
            recorded_at: row.recorded_at,
        });
        Ok(())
    }

    /// Adds the steps of another.
    pub fn extend(&mut self, other: &Records) {
        self.steps.extend(&other.steps);
        self.blobs.extend(&other.blobs);
    }
}

/// Forgets steps: each row names a conversation and the first step to go.
pub(super) fn forget(tx: &mut Tx, from: Rows) {
    // The pairs are listed first, or SQLite would look at every step of every conversation.
    const SQL: &str = "\
        delete from journal
        where (conversation_id, step_no) in (
            select step.conversation_id, step.step_no
            from jsonb_each($1) as back
            join journal as step
                on step.conversation_id = cast(back.value ->> 0 as bigint)
                and step.step_no >= cast(back.value ->> 1 as bigint))";
    tx.later("forget steps", SQL, from, None, whatever);
}

/// Writes steps. [`Error::AlreadyDone`] when one of them has its answer already.
pub(super) fn write(tx: &mut Tx, records: Records) {
    const BLOBS: &str = "\
        insert into blob (hash, body)
        select cast(value ->> 'hash' as text), cast(value ->> 'body' as text)
        from jsonb_each($1)
        where true -- or SQLite takes `on conflict` for a join's condition
        on conflict (hash) do nothing";
    const STEPS: &str = "\
        insert into journal
            (conversation_id, step_no, name, site, request, answer, blob_hash, recorded_at)
        select cast(value ->> 'conversation' as bigint), cast(value ->> 'step' as bigint),
               cast(value ->> 'name' as text), cast(value ->> 'site' as text),
               cast(value ->> 'request' as text), cast(value ->> 'answer' as text),
               cast(value ->> 'blob' as text), cast(value ->> 'recorded_at' as bigint)
        from jsonb_each($1)
        where true
        on conflict (conversation_id, step_no) do update
        set name = excluded.name, site = excluded.site, answer = excluded.answer,
            request = coalesce(excluded.request, journal.request),
            blob_hash = excluded.blob_hash, recorded_at = excluded.recorded_at
        where journal.answer is null and journal.blob_hash is null";
    tx.later("keep large answers", BLOBS, records.blobs, None, whatever);
    tx.later("write steps", STEPS, records.steps, None, all_touched);
}

/// The steps of a conversation, in order.
pub(super) async fn read(pool: &Pool, conversation: ConversationId) -> Result<Vec<Row>, Error> {
    const SQL: &str = "\
        select step.step_no, step.name, step.site, step.request, coalesce(step.answer, blob.body) as answer,
               step.recorded_at
        from journal as step
        left join blob on blob.hash = step.blob_hash
        where step.conversation_id = $1
        order by step.step_no";
    let steps: Vec<Stored> = pool.rows("read a journal", SQL, &[conversation.0.into()]).await?;
    Ok(steps.into_iter().map(|step| row(conversation, step)).collect())
}

/// A step as it was written.
fn row(conversation: ConversationId, step: Stored) -> Row {
    Row {
        conversation,
        step: StepNo(u32::try_from(step.step_no).expect("the table refuses negative steps")),
        name: step.name,
        site: step.site,
        request: step.request.map(Json::stored),
        answer: step.answer.map(Json::stored),
        recorded_at: Timestamp(step.recorded_at),
    }
}

/// The name a large answer is kept under: its SHA-256, in hex.
fn hash(answer: &Json, row: &Row, limits: Limits) -> Result<String, Error> {
    if answer.size_bytes() > limits.blob_bytes {
        return Err(Error::TooLarge {
            what: format!("the answer of `{}` at {}", row.name, row.site),
            size_bytes: answer.size_bytes(),
            limit_bytes: limits.blob_bytes,
        });
    }
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(answer.as_str()) {
        write!(hex, "{byte:02x}").expect("a string takes any text");
    }
    Ok(hex)
}
