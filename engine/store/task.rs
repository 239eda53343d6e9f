//! The portal's tasks that partners made here: whose each is, and what it was like when we looked last.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::FromRow;

use super::change::Effect;
use super::database::{Arg, Pool};
use super::tx::Tx;
use super::{Error, Json, Store, inbox};
use crate::clock::Timestamp;
use crate::telegram::{ChatId, UserId};

/// The portal's number of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TaskId(pub i64);

/// The portal's code of a task that is completed.
pub const COMPLETED: i64 = 5;

/// A task that was made here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct New {
    /// The portal's number.
    pub id: TaskId,
    /// Whose it is.
    pub user: UserId,
    /// Where they are told of it.
    pub chat: ChatId,
    /// The barbershop it is about.
    pub salon: Option<i64>,
    /// The department's name in `config.yaml`.
    pub department: String,
    /// What is to be done.
    pub title: String,
    /// The key of the write that made it.
    pub key: String,
    /// Why it went where it went.
    pub explanation: Json,
    /// What it is like.
    pub seen: Seen,
}

/// What a task is like in the portal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its stage; none while it is in the first column of a board and was never moved.
    pub stage_id: Option<i64>,
    /// The stage's title, when it is known.
    pub stage: Option<String>,
    /// The portal's code: 2 waits, 3 is worked on, 4 waits for control, 5 is completed, 6 is put off.
    pub status: Option<i64>,
    /// How many comments it has; `None` when the portal did not say.
    pub comments: Option<i64>,
    /// When it was changed last, by the portal's word.
    pub changed_at: Option<Timestamp>,
    /// The latest comment, to be told; our table does not keep it.
    #[serde(default)]
    pub words: Option<String>,
}

/// Who changed a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Its owner, here: they need not be told.
    Owner,
    /// Somebody else.
    Others,
}

/// A task as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The portal's number.
    pub id: TaskId,
    /// Whose it is.
    pub user: UserId,
    /// Where they are told of it.
    pub chat: ChatId,
    /// The barbershop it is about.
    pub salon: Option<i64>,
    /// The department's name in `config.yaml`.
    pub department: String,
    /// What is to be done.
    pub title: String,
    /// The key of the write that made it.
    pub key: String,
    /// Why it went where it went.
    pub explanation: Json,
    /// What it was like when we looked last.
    pub seen: Seen,
    /// When we looked last.
    pub seen_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A task as it is read.
#[derive(FromRow)]
struct Stored {
    id: i64,
    user_id: i64,
    chat_id: i64,
    salon_id: Option<i64>,
    department: String,
    title: String,
    key: String,
    explanation: String,
    stage_id: Option<i64>,
    stage: Option<String>,
    status: Option<i64>,
    comments: i64,
    changed_at: Option<i64>,
    seen_at: Option<i64>,
    created_at: i64,
}

impl From<Stored> for Task {
    fn from(stored: Stored) -> Task {
        Task {
            id: TaskId(stored.id),
            user: UserId(stored.user_id),
            chat: ChatId(stored.chat_id),
            salon: stored.salon_id,
            department: stored.department,
            title: stored.title,
            key: stored.key,
            explanation: Json::stored(stored.explanation),
            seen: Seen {
                stage_id: stored.stage_id,
                stage: stored.stage,
                status: stored.status,
                comments: Some(stored.comments),
                changed_at: stored.changed_at.map(Timestamp),
                words: None,
            },
            seen_at: stored.seen_at.map(Timestamp),
            created_at: Timestamp(stored.created_at),
        }
    }
}

impl Store {
    /// A task of the portal that was made here, by its number.
    pub async fn task(&self, id: TaskId) -> Result<Option<Task>, Error> {
        by_id(self.readers()?, id).await
    }

    /// A task by the key of the write that made it.
    pub async fn task_by_key(&self, key: &str) -> Result<Option<Task>, Error> {
        by_key(self.readers()?, key).await
    }

    /// Puts a task into the table as it is: for a demo, whose people asked before the talk begins.
    pub async fn introduce_task(&self, task: &New) -> Result<(), Error> {
        let (task, now) = (task.clone(), self.0.clock.now());
        self.job(move |tx| Box::pin(async move { add(tx, &task, now).await.map(drop) })).await
    }

    /// A person's tasks, the latest first.
    pub async fn tasks_of(&self, user: UserId) -> Result<Vec<Task>, Error> {
        of_user(self.readers()?, user).await
    }
}

/// Notes a task that was made here; one that is known stays as it is.
pub(super) async fn add(tx: &mut Tx, new: &New, now: Timestamp) -> Result<Effect, Error> {
    const SQL: &str = "\
        insert into task
            (id, user_id, chat_id, salon_id, department, title, key, explanation, stage_id, stage, status,
             comments, changed_at, seen_at, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14)
        on conflict do nothing";
    let args = [
        new.id.0.into(),
        new.user.0.into(),
        new.chat.0.into(),
        new.salon.into(),
        new.department.as_str().into(),
        new.title.as_str().into(),
        new.key.as_str().into(),
        new.explanation.as_str().into(),
        new.seen.stage_id.into(),
        new.seen.stage.as_deref().into(),
        new.seen.status.into(),
        new.seen.comments.unwrap_or(0).into(),
        new.seen.changed_at.map(|at| at.0).into(),
        now.0.into(),
    ];
    tx.run("note a task", SQL, &args).await?;
    Ok(Effect { answer: json!({ "id": new.id }).into(), events: Vec::new() })
}

/// Notes what a task is like now, and makes an event of each thing that is not as it was.
///
/// What a task was like before is read in the same transaction, so a change is told once, whoever brings the news.
pub(super) async fn see(
    tx: &mut Tx,
    id: TaskId,
    seen: &Seen,
    by: By,
    now: Timestamp,
) -> Result<Effect, Error> {
    const BEFORE: &str = "\
        select id, user_id, chat_id, salon_id, department, title, key, explanation, stage_id, stage, status,
               comments, changed_at, seen_at, created_at
        from task
        where id = $1";
    const NOTE: &str = "\
        update task
        set stage_id = $2, stage = $3, status = $4, comments = $5, changed_at = $6, seen_at = $7
        where id = $1";
    let nothing = || Effect { answer: json!(null).into(), events: Vec::new() };
    let before: Vec<Stored> = tx.rows("look a task up", BEFORE, &[id.0.into()]).await?;
    let Some(before) = before.into_iter().next().map(Task::from) else { return Ok(nothing()) };
    // An answer that was long on its way tells of a former state.
    if seen.changed_at.is_some() && seen.changed_at < before.seen.changed_at {
        return Ok(nothing());
    }
    let comments = seen.comments.or(before.seen.comments).unwrap_or(0);
    let args = [
        id.0.into(),
        seen.stage_id.into(),
        seen.stage.as_deref().into(),
        seen.status.into(),
        comments.into(),
        seen.changed_at.or(before.seen.changed_at).map(|at| at.0).into(),
        now.0.into(),
    ];
    tx.run("note what a task is like", NOTE, &args).await?;
    let events = match by {
        By::Owner => Vec::new(),
        By::Others => news(&before, seen, comments),
    };
    Ok(Effect { answer: json!(null).into(), events })
}

/// What a partner may want to hear of.
fn news(before: &Task, seen: &Seen, comments: i64) -> Vec<inbox::New> {
    let mut news = Vec::new();
    let mut tell = |event: &str, what: String, more: serde_json::Value| {
        let mut data = json!({ "task": before.id, "title": before.title, "department": before.department });
        if let (Some(data), serde_json::Value::Object(more)) = (data.as_object_mut(), more) {
            data.extend(more);
        }
        news.push(inbox::New {
            source: String::from("event"),
            key: format!("{event}:{}:{what}", before.id.0),
            lane: before.chat.into(),
            body: json!({ "event": event, "data": data }).into(),
        });
    };
    // The moment is part of the names: a card may go back and forth.
    let at = seen.changed_at.map_or(0, |at| at.0);
    let is_completed = |status: Option<i64>| status == Some(COMPLETED);
    if is_completed(seen.status) && !is_completed(before.seen.status) {
        tell("task.completed", at.to_string(), json!({ "stage": seen.stage }));
    } else if seen.stage_id != before.seen.stage_id && seen.stage_id.is_some() {
        let more = json!({ "stage": seen.stage, "stage_before": before.seen.stage });
        tell("task.stage_changed", format!("{:?}-{at}", seen.stage_id), more);
    }
    let known = before.seen.comments.unwrap_or(0);
    if comments > known {
        tell(
            "task.commented",
            comments.to_string(),
            json!({ "count": comments - known, "text": seen.words }),
        );
    }
    news
}

/// A task by the portal's number.
pub(super) async fn by_id(pool: &Pool, id: TaskId) -> Result<Option<Task>, Error> {
    const SQL: &str = "\
        select id, user_id, chat_id, salon_id, department, title, key, explanation, stage_id, stage, status,
               comments, changed_at, seen_at, created_at
        from task
        where id = $1";
    Ok(many(pool, SQL, &[id.0.into()]).await?.pop())
}

/// A task by the key of the write that made it.
async fn by_key(pool: &Pool, key: &str) -> Result<Option<Task>, Error> {
    const SQL: &str = "\
        select id, user_id, chat_id, salon_id, department, title, key, explanation, stage_id, stage, status,
               comments, changed_at, seen_at, created_at
        from task
        where key = $1";
    Ok(many(pool, SQL, &[key.into()]).await?.pop())
}

/// A person's tasks, the latest first.
async fn of_user(pool: &Pool, user: UserId) -> Result<Vec<Task>, Error> {
    const SQL: &str = "\
        select id, user_id, chat_id, salon_id, department, title, key, explanation, stage_id, stage, status,
               comments, changed_at, seen_at, created_at
        from task
        where user_id = $1
        order by id desc";
    many(pool, SQL, &[user.0.into()]).await
}

/// The tasks made at this moment or later, the earliest first.
pub(super) async fn since(pool: &Pool, since: Timestamp) -> Result<Vec<Task>, Error> {
    const SQL: &str = "\
        select id, user_id, chat_id, salon_id, department, title, key, explanation, stage_id, stage, status,
               comments, changed_at, seen_at, created_at
        from task
        where created_at >= $1
        order by id";
    many(pool, SQL, &[since.0.into()]).await
}

async fn many(pool: &Pool, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<Task>, Error> {
    let tasks: Vec<Stored> = pool.rows("read tasks", sql, args).await?;
    Ok(tasks.into_iter().map(Task::from).collect())
}
