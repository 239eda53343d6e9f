//! The forms in which a task is asked for, made and changed.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{BRIEF, Deadline, NewTask, Priority, TaskChanges};
use crate::bitrix24::wire;
use crate::bitrix24::{GroupId, PortalUserId, TaskId, WriteKey};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct One {
    pub task_id: TaskId,
}

/// A page of the list; the order of the fields is the documented order of the parameters.
#[derive(Serialize)]
pub struct Page {
    pub order: Order,
    pub filter: Map<String, Value>,
    pub select: [&'static str; BRIEF.len()],
    pub start: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct Order {
    pub id: &'static str,
}

impl Page {
    /// The first page is counted; the next ones begin after an id, which is quicker than an offset and misses nothing
    /// when rows come and go meanwhile.
    pub fn by_id(conditions: &Map<String, Value>, after: Option<i64>) -> Page {
        let mut filter = conditions.clone();
        if let Some(after) = after {
            filter.insert(">ID".to_owned(), after.into());
        }
        let start = if after.is_some() { -1 } else { 0 };
        Page { order: Order { id: "asc" }, filter, select: BRIEF, start }
    }
}

#[derive(Default, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub struct ChangedFields<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    responsible_id: Option<PortalUserId>,
    /// Empty takes the deadline away.
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<GroupId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a [String]>,
}

impl ChangedFields<'_> {
    pub fn of(changes: &TaskChanges) -> ChangedFields<'_> {
        ChangedFields {
            title: changes.title.as_deref(),
            description: changes.description.as_deref(),
            responsible_id: changes.responsible,
            deadline: changes.deadline.map(Deadline::word),
            priority: changes.priority.map(Priority::number),
            group_id: changes.group,
            tags: changes.tags.as_deref(),
        }
    }
}

/// A new task as the old API reads it.
#[derive(Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub struct OldFields<'a> {
    title: &'a str,
    description: &'a str,
    responsible_id: PortalUserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<PortalUserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<GroupId>,
    priority: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
    xml_id: &'a str,
}

impl<'a> OldFields<'a> {
    pub fn of(task: &'a NewTask, key: &'a WriteKey) -> OldFields<'a> {
        OldFields {
            title: &task.title,
            description: &task.description,
            responsible_id: task.responsible,
            created_by: task.creator,
            group_id: task.group,
            priority: task.priority.number(),
            deadline: task.deadline.map(wire::instant),
            tags: &task.tags,
            xml_id: key.as_str(),
        }
    }
}

/// A new task as REST 3.0 reads it; it knows no tags.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rest3Fields<'a> {
    title: &'a str,
    description: &'a str,
    creator_id: PortalUserId,
    responsible_id: PortalUserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<GroupId>,
    priority: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<String>,
    xml_id: &'a str,
}

impl<'a> Rest3Fields<'a> {
    pub fn of(task: &'a NewTask, key: &'a WriteKey, owner: PortalUserId) -> Rest3Fields<'a> {
        Rest3Fields {
            title: &task.title,
            description: &task.description,
            creator_id: task.creator.unwrap_or(owner),
            responsible_id: task.responsible,
            group_id: task.group,
            priority: task.priority.name(),
            deadline: task.deadline.map(wire::instant),
            xml_id: key.as_str(),
        }
    }
}
