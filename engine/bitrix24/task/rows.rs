//! The forms in which a task comes.

use serde::{Deserialize, Deserializer};

use super::{NewTask, Priority, Status, Task};
use crate::bitrix24::page::Row;
use crate::bitrix24::wire::{self, Maybe};
use crate::bitrix24::{ChatId, Error, GroupId, PortalUserId, StageId, TaskId, WriteKey};
use crate::clock::Timestamp;

/// `{"task": {…}}`, or nothing.
#[derive(Deserialize)]
pub struct Wrapped {
    #[serde(default)]
    pub task: Maybe<TaskRow>,
}

/// `{"tasks": […]}`, or nothing.
#[derive(Deserialize)]
pub struct Rows {
    tasks: Vec<TaskRow>,
}

impl From<Rows> for Vec<TaskRow> {
    fn from(rows: Rows) -> Vec<TaskRow> {
        rows.tasks
    }
}

/// A task as the old API shows it: nearly everything is text, and unset is `null`, `""` or `"0"`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskRow {
    #[serde(deserialize_with = "wire::id")]
    pub id: i64,
    #[serde(deserialize_with = "wire::text")]
    title: String,
    #[serde(default, deserialize_with = "wire::text")]
    description: String,
    #[serde(deserialize_with = "status")]
    status: Status,
    #[serde(default, deserialize_with = "wire::optional_id")]
    group_id: Option<i64>,
    #[serde(default, deserialize_with = "wire::optional_id")]
    stage_id: Option<i64>,
    #[serde(default, deserialize_with = "wire::optional_id")]
    responsible_id: Option<i64>,
    #[serde(default, deserialize_with = "wire::optional_id")]
    created_by: Option<i64>,
    #[serde(default, deserialize_with = "wire::optional_instant")]
    deadline: Option<Timestamp>,
    #[serde(default, deserialize_with = "priority")]
    priority: Priority,
    #[serde(default, deserialize_with = "wire::optional_instant")]
    created_date: Option<Timestamp>,
    #[serde(default, deserialize_with = "wire::optional_instant")]
    changed_date: Option<Timestamp>,
    #[serde(default, deserialize_with = "wire::optional_instant")]
    closed_date: Option<Timestamp>,
    #[serde(default, deserialize_with = "wire::optional_text")]
    xml_id: Option<String>,
    #[serde(default, deserialize_with = "wire::optional_id")]
    chat_id: Option<i64>,
    #[serde(default, deserialize_with = "wire::ids")]
    pub uf_task_webdav_files: Vec<i64>,
}

impl Row for TaskRow {
    fn id(&self) -> i64 {
        self.id
    }
}

impl TaskRow {
    pub fn into_task(self) -> Task {
        Task {
            id: TaskId(self.id),
            title: self.title,
            description: self.description,
            status: self.status,
            group: self.group_id.map(GroupId),
            stage: self.stage_id.map(StageId),
            responsible: self.responsible_id.map(PortalUserId),
            creator: self.created_by.map(PortalUserId),
            deadline: self.deadline,
            priority: self.priority,
            created_at: self.created_date,
            changed_at: self.changed_date,
            closed_at: self.closed_date,
            mark: self.xml_id,
            chat: self.chat_id.map(ChatId),
        }
    }

    /// The task, if it is the one asked for.
    pub fn checked(self, method: &'static str, id: TaskId) -> Result<Task, Error> {
        if self.id == id.0 {
            return Ok(self.into_task());
        }
        Err(Error::malformed(method, "result.task.id", format!("another task than {id} came")))
    }
}

/// A task as REST 3.0 shows it after it was made: what it leaves out is as it was sent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rest3Row {
    #[serde(deserialize_with = "wire::id")]
    id: i64,
    #[serde(default, deserialize_with = "optional_status_name")]
    status: Option<Status>,
    #[serde(default, deserialize_with = "wire::optional_id")]
    stage_id: Option<i64>,
    #[serde(default, deserialize_with = "wire::optional_id")]
    chat_id: Option<i64>,
    #[serde(default, deserialize_with = "wire::optional_instant")]
    created: Option<Timestamp>,
    #[serde(default, deserialize_with = "wire::optional_instant")]
    changed: Option<Timestamp>,
}

impl Rest3Row {
    pub fn into_task(self, sent: &NewTask, key: &WriteKey, owner: PortalUserId) -> Task {
        Task {
            id: TaskId(self.id),
            title: sent.title.clone(),
            description: sent.description.clone(),
            status: self.status.unwrap_or(Status::Pending),
            group: sent.group,
            stage: self.stage_id.map(StageId),
            responsible: Some(sent.responsible),
            creator: Some(sent.creator.unwrap_or(owner)),
            deadline: sent.deadline,
            priority: sent.priority,
            created_at: self.created,
            changed_at: self.changed,
            closed_at: None,
            mark: Some(key.as_str().to_owned()),
            chat: self.chat_id.map(ChatId),
        }
    }
}

/// `true`, which alone says that something was done.
#[derive(Deserialize)]
pub struct Done(#[serde(deserialize_with = "wire::flag")] bool);

impl Done {
    pub fn confirmed(&self, method: &'static str) -> Result<(), Error> {
        if self.0 {
            Ok(())
        } else {
            Err(Error::malformed(method, "result", "the portal does not say that it was done"))
        }
    }
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Status, D::Error> {
    let number = wire::number(deserializer)?;
    Status::of(number).ok_or_else(|| serde::de::Error::custom(format!("there is no status {number}")))
}

fn optional_status_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Status>, D::Error> {
    let Some(name) = wire::optional_text(deserializer)? else { return Ok(None) };
    Status::named(&name).map(Some).ok_or_else(|| serde::de::Error::custom("there is no such status"))
}

fn priority<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Priority, D::Error> {
    match wire::optional_number(deserializer)? {
        Some(0) => Ok(Priority::Low),
        Some(1) | None => Ok(Priority::Medium),
        Some(2) => Ok(Priority::High),
        Some(number) => Err(serde::de::Error::custom(format!("there is no priority {number}"))),
    }
}
