//! Comments of a task, which are messages in its chat on the new card.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::code::Refusal;
use super::task::Done;
use super::wire;
use super::{ChatId, Client, Error, Look, Means, PortalUserId, TaskId, WriteKey};
use crate::clock::Timestamp;

const ADD: &str = "task.commentitem.add";
const LIST: &str = "task.commentitem.getlist";
const SEND: &str = "api/tasks.task.chat.message.send";
const MESSAGES: &str = "im.dialog.messages.get";

/// Messages asked for at once, the most there are.
const MESSAGES_AT_ONCE: usize = 50;

/// A comment of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Its id, among the comments of the old card or the messages of the new one.
    pub id: i64,
    /// Who wrote it; `None` for what the portal itself says.
    pub author: Option<PortalUserId>,
    /// Their words, with `BBCode` in them.
    pub text: String,
    /// When; `None` when the portal does not say.
    pub posted_at: Option<Timestamp>,
}

impl Client {
    /// Adds a comment in the name of the webhook's owner.
    ///
    /// By REST 3.0 it is a message in the task's chat. By the old API, which works on both cards, it ends with a line
    /// that holds the key, by which [`Client::find_comment`] knows it. Errors: [`Refusal::Other`] for an empty text or
    /// without rights. Sources: `tasks.task.chat.message.send`, which names no id; `task.commentitem.add`, whose
    /// parameters are bound by their places and not by names.
    pub async fn add_comment(&self, key: &WriteKey, task: TaskId, text: &str) -> Result<(), Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        struct Fields<'a> {
            post_message: &'a str,
        }
        #[derive(Deserialize)]
        struct CommentId(#[serde(deserialize_with = "wire::id")] i64);
        if key.means() == Means::Keyed {
            return self.send_message(key, task, text).await;
        }
        let marked = format!("{text}\n\n{}", mark(key));
        let parameters = (task, Fields { post_message: &marked });
        match self.write::<CommentId>(ADD, &parameters, key).await {
            Ok(answer) => {
                tracing::debug!(task.id = %task, comment.id = answer.value.0, "commented on task {task}");
                Ok(())
            }
            // The method is on its way out; where it is gone there is the chat.
            Err(error) if error.refusal() == Some(Refusal::NoMethod) => {
                self.send_message(key, task, &marked).await
            }
            Err(error) => Err(error),
        }
    }

    async fn send_message(&self, key: &WriteKey, task: TaskId, text: &str) -> Result<(), Error> {
        #[derive(Serialize)]
        struct Send<'a> {
            fields: Fields<'a>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields<'a> {
            task_id: TaskId,
            text: &'a str,
        }
        #[derive(Deserialize)]
        struct Sent {
            result: Done,
        }
        let answer = self.write::<Sent>(SEND, &Send { fields: Fields { task_id: task, text } }, key).await?;
        answer.value.result.confirmed(SEND)
    }

    /// Looks whether the comment of a write in doubt was added. To be asked in doubt only, like [`Client::find_by_key`].
    ///
    /// Errors: [`Error::TooEarly`] while the write may still be running.
    pub async fn find_comment(&self, key: &WriteKey, task: TaskId) -> Result<Look<()>, Error> {
        self.wait_out(key)?;
        if self.is_safe_to_repeat(key) {
            return Ok(Look::NotDone);
        }
        if key.means() == Means::Keyed {
            return Ok(Look::Unknown); // Its text bears no mark.
        }
        let mark = mark(key);
        match self.written(task).await {
            Ok(comments) if comments.iter().any(|comment| comment.text.contains(&mark)) => Ok(Look::Done(())),
            Ok(_) => Ok(Look::NotDone),
            // Neither the old list nor the chat may be read.
            Err(error) if error.refusal().is_some() => Ok(Look::Unknown),
            Err(error) => Err(error),
        }
    }

    /// The comments of a task, the oldest first, without the marks of ours.
    ///
    /// On the new card they are the messages of the task's chat, of which the webhook's owner must be a member; the old
    /// list does not know them. Errors: [`Refusal::NotFound`] when there is no such task. Sources:
    /// `im.dialog.messages.get`, `task.commentitem.getlist`.
    pub async fn comments(&self, task: TaskId) -> Result<Vec<Comment>, Error> {
        let written = self.written(task).await?;
        let unmarked = |comment: Comment| Comment { text: without_mark(&comment.text).to_owned(), ..comment };
        Ok(written.into_iter().map(unmarked).collect())
    }

    /// The comments as they were written.
    async fn written(&self, task: TaskId) -> Result<Vec<Comment>, Error> {
        let found = self.task(task).await?.ok_or_else(|| Error::no_task(LIST, task))?;
        if let Some(chat) = found.chat {
            return self.messages(chat).await;
        }
        let rows: Vec<CommentRow> = self.ask(LIST, &(task, json!({ "ID": "asc" }))).await?;
        let mut comments: Vec<Comment> = rows.into_iter().map(CommentRow::into_comment).collect();
        comments.sort_by_key(|comment| comment.id);
        Ok(comments)
    }

    /// All messages of a chat, from the newest page back: there is no counting and no paging by number here.
    async fn messages(&self, chat: ChatId) -> Result<Vec<Comment>, Error> {
        #[derive(Deserialize)]
        struct Messages {
            messages: Vec<MessageRow>,
        }
        let mut all: Vec<Comment> = Vec::new();
        loop {
            let mut parameters = Map::new();
            parameters.insert("DIALOG_ID".to_owned(), Value::from(format!("chat{chat}")));
            parameters.insert("LIMIT".to_owned(), Value::from(MESSAGES_AT_ONCE));
            let oldest = all.iter().map(|comment| comment.id).min();
            if let Some(oldest) = oldest {
                parameters.insert("LAST_ID".to_owned(), Value::from(oldest));
            }
            let page: Messages = self.ask(MESSAGES, &parameters).await?;
            let is_last = page.messages.len() < MESSAGES_AT_ONCE;
            let known = all.len();
            let older = |row: &MessageRow| oldest.is_none_or(|oldest| row.id < oldest);
            all.extend(page.messages.into_iter().filter(older).map(MessageRow::into_comment));
            if is_last || all.len() == known {
                all.sort_by_key(|comment| comment.id);
                all.dedup_by_key(|comment| comment.id);
                return Ok(all);
            }
        }
    }
}

/// The line by which a comment of ours is known.
fn mark(key: &WriteKey) -> String {
    format!("⟨{}⟩", key.as_str())
}

fn without_mark(text: &str) -> &str {
    match text.rsplit_once('\n') {
        Some((before, last)) if last.starts_with('⟨') && last.ends_with('⟩') && !last.contains(' ') => {
            before.trim_end()
        }
        Some(_) | None => text,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct CommentRow {
    #[serde(deserialize_with = "wire::id")]
    id: i64,
    #[serde(default, deserialize_with = "wire::optional_id")]
    author_id: Option<i64>,
    #[serde(default, deserialize_with = "wire::text")]
    post_message: String,
    #[serde(default, deserialize_with = "wire::optional_instant")]
    post_date: Option<Timestamp>,
}

impl CommentRow {
    fn into_comment(self) -> Comment {
        let author = self.author_id.map(PortalUserId);
        Comment { id: self.id, author, text: self.post_message, posted_at: self.post_date }
    }
}

#[derive(Deserialize)]
struct MessageRow {
    #[serde(deserialize_with = "wire::id")]
    id: i64,
    #[serde(default, deserialize_with = "wire::optional_id")]
    author_id: Option<i64>,
    #[serde(default, deserialize_with = "wire::text")]
    text: String,
    #[serde(default, deserialize_with = "wire::optional_instant")]
    date: Option<Timestamp>,
}

impl MessageRow {
    fn into_comment(self) -> Comment {
        let author = self.author_id.map(PortalUserId);
        Comment { id: self.id, author, text: self.text, posted_at: self.date }
    }
}
