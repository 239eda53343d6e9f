//! A task: what it is, how it is made, found and changed.

mod rows;
mod sent;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::code::Refusal;
use super::wire::{self, Maybe};
use super::{ChatId, Client, Error, GroupId, PortalUserId, StageId, TaskId, WriteKey};
use crate::clock::Timestamp;

pub(super) use rows::{Done, Rest3Row, Wrapped};
use rows::{Rows, TaskRow};
use sent::{ChangedFields, One, Order, Page};
pub(super) use sent::{OldFields, Rest3Fields};

const GET: &str = "tasks.task.get";
const LIST: &str = "tasks.task.list";
const UPDATE: &str = "tasks.task.update";
const MOVE: &str = "task.stages.movetask";

/// What is asked of a task in a list. Always said: what comes by default may change.
const BRIEF: [&str; 13] = [
    "ID",
    "TITLE",
    "STATUS",
    "GROUP_ID",
    "STAGE_ID",
    "RESPONSIBLE_ID",
    "CREATED_BY",
    "DEADLINE",
    "PRIORITY",
    "CREATED_DATE",
    "CHANGED_DATE",
    "CLOSED_DATE",
    "XML_ID",
];

/// What is asked of a single task besides.
const REST: [&str; 3] = ["DESCRIPTION", "CHAT_ID", "UF_TASK_WEBDAV_FILES"];

/// A task to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    /// At most 250 characters: the portal cuts the rest without a word.
    pub title: String,
    /// With `BBCode` in it; may be empty.
    pub description: String,
    /// The project it goes to.
    pub group: Option<GroupId>,
    /// Whose it is.
    pub responsible: PortalUserId,
    /// Who asks for it; the owner of the webhook when `None`.
    pub creator: Option<PortalUserId>,
    /// By when; `None` for no hurry.
    pub deadline: Option<Timestamp>,
    /// How urgent.
    pub priority: Priority,
    /// Words by which people look tasks up.
    pub tags: Vec<String>,
}

/// How urgent a task is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    /// It can wait.
    Low,
    /// As all others.
    #[default]
    Medium,
    /// Marked with a flame.
    High,
}

/// A task as the portal shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// What stands on its card.
    pub title: String,
    /// With `BBCode` in it; empty in lists, which leave it out.
    pub description: String,
    /// Where it stands.
    pub status: Status,
    /// The project it is in.
    pub group: Option<GroupId>,
    /// The column it is in; `None`: the first one, it was never moved.
    pub stage: Option<StageId>,
    /// Whose it is.
    pub responsible: Option<PortalUserId>,
    /// Who asked for it.
    pub creator: Option<PortalUserId>,
    /// By when.
    pub deadline: Option<Timestamp>,
    /// How urgent.
    pub priority: Priority,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub changed_at: Option<Timestamp>,
    /// When it was completed.
    pub closed_at: Option<Timestamp>,
    /// The mark it was made with: the text of its [`WriteKey`] if it is ours.
    pub mark: Option<String>,
    /// Its chat, on the new card.
    pub chat: Option<ChatId>,
}

/// Where a task stands. Not its column: moving a card does not promise a change of status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nobody began it.
    Pending,
    /// Somebody is at it.
    InProgress,
    /// Done, and to be approved by whoever asked.
    AwaitingControl,
    /// Done.
    Completed,
    /// Put off.
    Deferred,
    /// Refused; only old tasks have it.
    Declined,
}

/// What can be done with a task as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Say that it is done; where the asker controls, it then waits for their approval.
    Complete,
    /// Open it again.
    Renew,
    /// Begin it.
    Start,
    /// Stop it for a while.
    Pause,
    /// Put it off.
    Defer,
    /// Accept what was done.
    Approve,
    /// Give it back.
    Disapprove,
}

/// What to change in a task; `None` leaves as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskChanges {
    /// A new title.
    pub title: Option<String>,
    /// A new description.
    pub description: Option<String>,
    /// Somebody else's now.
    pub responsible: Option<PortalUserId>,
    /// Another deadline, or none at all from now on.
    pub deadline: Option<Deadline>,
    /// Another urgency.
    pub priority: Option<Priority>,
    /// Another project; the card goes to its first column.
    pub group: Option<GroupId>,
    /// Other tags, instead of those it has.
    pub tags: Option<Vec<String>>,
}

/// What becomes of a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// It is this moment.
    At(Timestamp),
    /// There is no hurry.
    Never,
}

/// Which tasks are wanted; every condition must hold, and an empty one holds for all.
///
/// The portal ignores a condition it does not know and answers with everything, so each is tested again on every row
/// that comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// Any of these.
    pub ids: Vec<TaskId>,
    /// In any of these projects.
    pub groups: Vec<GroupId>,
    /// Whose they are.
    pub responsible: Option<PortalUserId>,
    /// In any of these states.
    pub statuses: Vec<Status>,
    /// Made with any of these keys, exactly.
    pub keys: Vec<WriteKey>,
    /// Changed at this moment or later.
    pub changed_since: Option<Timestamp>,
}

impl Status {
    /// As the old API numbers them.
    fn number(self) -> i64 {
        match self {
            Status::Pending => 2,
            Status::InProgress => 3,
            Status::AwaitingControl => 4,
            Status::Completed => 5,
            Status::Deferred => 6,
            Status::Declined => 7,
        }
    }

    fn of(number: i64) -> Option<Status> {
        match number {
            // 1, "new", is history: the portal itself makes 2 of it.
            1 | 2 => Some(Status::Pending),
            3 => Some(Status::InProgress),
            4 => Some(Status::AwaitingControl),
            5 => Some(Status::Completed),
            6 => Some(Status::Deferred),
            7 => Some(Status::Declined),
            _ => None,
        }
    }

    /// As REST 3.0 names them.
    fn named(name: &str) -> Option<Status> {
        match name {
            "pending" => Some(Status::Pending),
            "in_progress" => Some(Status::InProgress),
            "supposedly_completed" => Some(Status::AwaitingControl),
            "completed" => Some(Status::Completed),
            "deferred" => Some(Status::Deferred),
            "declined" => Some(Status::Declined),
            _ => None,
        }
    }
}

impl Priority {
    /// As the old API numbers them.
    fn number(self) -> i64 {
        match self {
            Priority::Low => 0,
            Priority::Medium => 1,
            Priority::High => 2,
        }
    }

    /// As REST 3.0 names them.
    fn name(self) -> &'static str {
        match self {
            Priority::Low => "low",
            Priority::Medium => "average",
            Priority::High => "high",
        }
    }
}

impl Deed {
    fn method(self) -> &'static str {
        match self {
            Deed::Complete => "tasks.task.complete",
            Deed::Renew => "tasks.task.renew",
            Deed::Start => "tasks.task.start",
            Deed::Pause => "tasks.task.pause",
            Deed::Defer => "tasks.task.defer",
            Deed::Approve => "tasks.task.approve",
            Deed::Disapprove => "tasks.task.disapprove",
        }
    }

    /// Whether a task that stands so needs the deed no more.
    fn is_reached(self, status: Status) -> bool {
        match self {
            Deed::Complete => matches!(status, Status::Completed | Status::AwaitingControl),
            Deed::Renew | Deed::Disapprove => matches!(status, Status::Pending | Status::InProgress),
            Deed::Start => status == Status::InProgress,
            Deed::Pause => status == Status::Pending,
            Deed::Defer => status == Status::Deferred,
            Deed::Approve => status == Status::Completed,
        }
    }
}

impl Deadline {
    fn word(self) -> String {
        match self {
            Deadline::At(moment) => wire::instant(moment),
            Deadline::Never => String::new(),
        }
    }
}

impl TaskFilter {
    /// The filter as the portal reads it: the keys are documented, but for `XML_ID`.
    fn conditions(&self) -> Map<String, Value> {
        let mut conditions = Map::new();
        let mut add = |key: &str, value: Value| _ = conditions.insert(key.to_owned(), value);
        if !self.ids.is_empty() {
            add("ID", json!(self.ids));
        }
        if !self.groups.is_empty() {
            add("GROUP_ID", json!(self.groups));
        }
        if let Some(responsible) = self.responsible {
            add("RESPONSIBLE_ID", json!(responsible));
        }
        if !self.statuses.is_empty() {
            add("REAL_STATUS", self.statuses.iter().map(|status| status.number()).collect());
        }
        if !self.keys.is_empty() {
            add("XML_ID", self.keys.iter().map(WriteKey::as_str).collect());
        }
        if let Some(since) = self.changed_since {
            add(">=CHANGED_DATE", wire::instant(since).into());
        }
        conditions
    }

    /// Whether a row is one of those asked for: an unknown condition is ignored by the portal without a word.
    fn admits(&self, task: &Task) -> bool {
        let has = |wanted: &[GroupId]| task.group.is_some_and(|group| wanted.contains(&group));
        let is_own = |key: &WriteKey| task.mark.as_deref() == Some(key.as_str());
        let is_recent = |since: Timestamp| {
            // Asked to the second, so compared to the second; a row that does not say is left to the portal.
            task.changed_at.is_none_or(|changed| changed.0.div_euclid(1000) >= since.0.div_euclid(1000))
        };
        (self.ids.is_empty() || self.ids.contains(&task.id))
            && (self.groups.is_empty() || has(&self.groups))
            && self.responsible.is_none_or(|responsible| task.responsible == Some(responsible))
            && (self.statuses.is_empty() || self.statuses.contains(&task.status))
            && (self.keys.is_empty() || self.keys.iter().any(is_own))
            && self.changed_since.is_none_or(is_recent)
    }
}

impl Client {
    /// A task with everything; `None` when there is none, or it is not ours to see: the portal does not tell these apart.
    ///
    /// Source: `tasks.task.get`, which answers `[]` where nothing is.
    pub async fn task(&self, id: TaskId) -> Result<Option<Task>, Error> {
        Ok(self.whole_task(id).await?.map(|(task, _)| task))
    }

    /// The same with the ids of its attachments.
    pub(super) async fn whole_task(&self, id: TaskId) -> Result<Option<(Task, Vec<i64>)>, Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Get {
            task_id: TaskId,
            select: Vec<&'static str>,
        }
        let select = BRIEF.into_iter().chain(REST).collect();
        let found: Maybe<Wrapped> = self.ask(GET, &Get { task_id: id, select }).await?;
        let Some(row) = found.0.and_then(|wrapped| wrapped.task.0) else { return Ok(None) };
        let files = row.uf_task_webdav_files.clone();
        Ok(Some((row.checked(GET, id)?, files)))
    }

    /// All tasks that the filter admits, by id, with empty descriptions and without their chats.
    ///
    /// Complete or an error: pages go by id, and their rows are compared with the number the portal counted. Visible
    /// are those the webhook's owner may see. Source: `tasks.task.list`, rows in `result.tasks`.
    pub async fn tasks(&self, filter: &TaskFilter) -> Result<Vec<Task>, Error> {
        let conditions = filter.conditions();
        let rows = self.all_rows::<Rows, TaskRow, _>(LIST, |after| Page::by_id(&conditions, after)).await?;
        let tasks = rows.into_iter().map(TaskRow::into_task);
        Ok(tasks.filter(|task| filter.admits(task)).collect())
    }

    /// The newest tasks first, at most a page of them, that the conditions select, if they are heeded.
    pub(super) async fn newest_tasks(&self, conditions: &Map<String, Value>) -> Result<Vec<Task>, Error> {
        let page = Page { order: Order { id: "desc" }, filter: conditions.clone(), select: BRIEF, start: -1 };
        let rows: Rows = self.ask(LIST, &page).await?;
        Ok(Vec::from(rows).into_iter().map(TaskRow::into_task).collect())
    }

    /// Changes a task and returns it as it is now. Doing it twice comes to the same, so in doubt it is done again.
    ///
    /// Errors: [`Refusal::NotAllowed`] also where there is no such task. Source: `tasks.task.update`.
    pub async fn update_task(&self, id: TaskId, changes: &TaskChanges) -> Result<Task, Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Update<'a> {
            task_id: TaskId,
            fields: ChangedFields<'a>,
        }
        let update = Update { task_id: id, fields: ChangedFields::of(changes) };
        let answer: Maybe<Wrapped> = self.ask(UPDATE, &update).await?;
        self.answered(UPDATE, id, answer).await
    }

    /// Completes a task; one that is complete already is a success.
    pub async fn complete_task(&self, id: TaskId) -> Result<Task, Error> {
        self.act(id, Deed::Complete).await
    }

    /// Does something with a task as a whole; where it stands there already, that is a success.
    ///
    /// The portal refuses with one and the same words what is not allowed, what is so already and what does not exist,
    /// so after a refusal the task is read. Source: `tasks.task.complete` and its like.
    pub async fn act(&self, id: TaskId, deed: Deed) -> Result<Task, Error> {
        let method = deed.method();
        let outcome = self.ask::<Maybe<Wrapped>>(method, &One { task_id: id }).await;
        let error = match outcome {
            Ok(answer) => return self.answered(method, id, answer).await,
            Err(error) if error.refusal() == Some(Refusal::NotAllowed) => error,
            Err(error) => return Err(error),
        };
        match self.task(id).await? {
            Some(task) if deed.is_reached(task.status) => Ok(task),
            Some(_) => Err(error),
            None => Err(error.into_not_found()),
        }
    }

    /// Moves a task's card to a column. Its status may stay as it is. Doing it twice comes to the same.
    ///
    /// Errors: [`Refusal::Denied`], [`Refusal::NotFound`] for an unknown task or column. Source:
    /// `task.stages.movetask`.
    pub async fn move_task(&self, id: TaskId, stage: StageId) -> Result<(), Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Move {
            id: TaskId,
            stage_id: StageId,
        }
        self.ask::<Done>(MOVE, &Move { id, stage_id: stage }).await?.confirmed(MOVE)
    }

    /// The task in an answer; one that the answer leaves out is read.
    async fn answered(
        &self,
        method: &'static str,
        id: TaskId,
        answer: Maybe<Wrapped>,
    ) -> Result<Task, Error> {
        match answer.0.and_then(|wrapped| wrapped.task.0) {
            Some(row) => row.checked(method, id),
            None => self.task(id).await?.ok_or_else(|| {
                Error::malformed(method, "result.task", "it is missing, and the task cannot be read either")
            }),
        }
    }
}
