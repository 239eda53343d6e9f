//! Writes that come out once: by a key the portal remembers, or by a mark we can look for.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::code::Refusal;
use super::probe::Proof;
use super::task::{OldFields, Rest3Fields, Rest3Row, Task, Wrapped};
use super::{Client, Error, GroupId, NewTask, TaskChanges, TaskId};
use crate::clock::Timestamp;

const ADD: &str = "tasks.task.add";
const ADD_KEYED: &str = "api/tasks.task.add";

/// How a write is kept from being done twice. Chosen once, with the write's intent, and kept with it: a repetition by
/// other means would not be known as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// By REST 3.0 with the header `Idempotency-Key`: the portal itself knows a repetition, for a day. The mark goes
    /// with it, so that it can also be looked for.
    Keyed,
    /// By the old API with a mark in the task's `XML_ID`, by which it can be looked for if the portal's filter heeds it.
    Marked,
}

/// The name of one write, the same in each of its attempts: `conversation-epoch-step`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WriteKey {
    text: String,
    means: Means,
    intended_at: Timestamp,
    gone_by: Option<Timestamp>,
}

impl WriteKey {
    /// The longest key in bytes.
    pub const LONGEST: usize = 200;

    /// A key of 1–200 visible ASCII characters for a write first intended at `intended_at`; `None` when the text is
    /// something else. The text must be unique among all that ever write to the portal, other installations of the
    /// bot included; `means` is what [`super::Client::means`] said when the intent was written down.
    pub fn new(text: impl Into<String>, means: Means, intended_at: Timestamp) -> Option<WriteKey> {
        let text = text.into();
        let fits =
            (1..=WriteKey::LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then_some(WriteKey { text, means, intended_at, gone_by: None })
    }

    /// The same, when it is known that nobody sent the write later than this: a process that never sent it then need
    /// not wait for it anew.
    #[must_use]
    pub fn gone_by(self, moment: Timestamp) -> WriteKey {
        WriteKey { gone_by: Some(moment), ..self }
    }

    /// The key as the portal sees it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How the write is kept from being done twice.
    pub fn means(&self) -> Means {
        self.means
    }

    /// Whether the portal still remembers a write by this key: it does for a day, of which the last hour is not
    /// trusted, for its clock is not ours.
    pub(super) fn is_remembered(&self, now: Timestamp) -> bool {
        self.means == Means::Keyed && now.since(self.intended_at) < Duration::from_hours(23)
    }
}

/// What came of looking for a write in doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look<T = Task> {
    /// It was done, and this is what it made; of two tasks with the mark, the one with the lowest id.
    Done(T),
    /// It was not done, or may be repeated as if it was not: repeat it with the same key and the same contents.
    NotDone,
    /// Nothing can be checked on this portal: a person must decide.
    Unknown,
}

impl Client {
    /// How a write begun now is kept from being done twice; to be written down with its intent.
    pub fn means(&self) -> Means {
        match self.capabilities().keys {
            Proof::Proven | Proof::Plausible => Means::Keyed,
            Proof::Unasked | Proof::Absent => Means::Marked,
        }
    }

    /// Makes a task, marked with the key, and returns it as it is now.
    ///
    /// The same key and the same contents make the same bytes, which REST 3.0 insists on. In doubt nothing is repeated:
    /// the verdict is to look first, with [`Client::find_by_key`]. The portal itself checks nothing, so a key belongs to
    /// one writer at a time. Errors: [`Error::TooEarly`] for a key whose write may still be running;
    /// [`Refusal::KeyReused`] when the key has served for other contents. Sources: `tasks.task.add` of both
    /// generations, with the task in `result.task` and in `result.item`.
    pub async fn add_task(&self, key: &WriteKey, task: &NewTask) -> Result<Task, Error> {
        match key.means {
            Means::Keyed => self.add_keyed(key, task).await,
            Means::Marked => self.add_marked(key, task).await,
        }
    }

    async fn add_marked(&self, key: &WriteKey, task: &NewTask) -> Result<Task, Error> {
        #[derive(Serialize)]
        struct Add<'a> {
            fields: OldFields<'a>,
        }
        let answer = self.write::<Wrapped>(ADD, &Add { fields: OldFields::of(task, key) }, key).await?;
        let row = answer.value.task.0.ok_or_else(|| Error::malformed(ADD, "result.task", "it is missing"))?;
        let mut made = row.into_task();
        made.mark.get_or_insert_with(|| key.text.clone());
        Ok(made)
    }

    async fn add_keyed(&self, key: &WriteKey, task: &NewTask) -> Result<Task, Error> {
        #[derive(Serialize)]
        struct Add<'a> {
            fields: Rest3Fields<'a>,
        }
        #[derive(Deserialize)]
        struct Made {
            item: Rest3Row,
        }
        let add = Add { fields: Rest3Fields::of(task, key, self.owner()) };
        let outcome = self.write::<Made>(ADD_KEYED, &add, key).await;
        match outcome {
            Ok(answer) => {
                // A portal that heeds the key repeats it in its answer, at the first call too.
                self.inner.known().keys = if answer.has_key { Proof::Proven } else { Proof::Absent };
                let made = answer.value.item.into_task(task, key, self.owner());
                self.tag(made.id, &task.tags).await;
                Ok(made)
            }
            // An earlier call with this key has made the task, with contents a little different.
            Err(error) if error.refusal() == Some(Refusal::KeyReused) => match self.marked(key, None).await {
                Ok(Some(made)) => Ok(made),
                Ok(None) | Err(_) => Err(error),
            },
            Err(error) => {
                if matches!(error.refusal(), Some(Refusal::NoMethod | Refusal::Scope)) {
                    self.inner.known().keys = Proof::Absent;
                }
                Err(error)
            }
        }
    }

    /// Puts tags on a task that REST 3.0 has made, which does not take them. A task without them is made all the same.
    async fn tag(&self, id: TaskId, tags: &[String]) {
        if tags.is_empty() {
            return;
        }
        let changes = TaskChanges { tags: Some(tags.to_vec()), ..TaskChanges::default() };
        if let Err(error) = self.update_task(id, &changes).await {
            tracing::warn!(task.id = id.0, "task {id} stays without its tags: {error}");
        }
    }

    /// Looks whether the task of a write in doubt was made. To be asked in doubt only: a key that this process has not
    /// sent counts as sent by another one just now.
    ///
    /// `group` narrows the look to a project, and so misses a task that was moved out of it. Seen are the tasks that the
    /// webhook's owner may see, so the webhook must be that of the write. Errors: [`Error::TooEarly`] while the write
    /// may still be running. Source: `tasks.task.list` by `XML_ID`, which is not documented there: a portal that does
    /// not know the filter ignores it, so every row is compared, and no rows mean something only where it was seen to
    /// work.
    pub async fn find_by_key(&self, key: &WriteKey, group: Option<GroupId>) -> Result<Look, Error> {
        self.wait_out(key)?;
        if matches!(self.capabilities().marks, Proof::Unasked | Proof::Plausible) {
            self.probe_marks().await?;
        }
        if let Some(made) = self.marked(key, group).await? {
            return Ok(Look::Done(made));
        }
        if self.capabilities().marks == Proof::Proven || self.is_safe_to_repeat(key) {
            return Ok(Look::NotDone);
        }
        Ok(Look::Unknown)
    }

    /// Whether the portal itself knows a repetition of this write.
    pub(super) fn is_safe_to_repeat(&self, key: &WriteKey) -> bool {
        self.capabilities().keys == Proof::Proven && key.is_remembered(self.inner.clock.now())
    }

    /// Refuses a look at a write that may still be running.
    pub(super) fn wait_out(&self, key: &WriteKey) -> Result<(), Error> {
        match self.inner.doubts.left_of_any(&key.text, key.gone_by) {
            Some(retry_after) => Err(Error::TooEarly { key: key.text.clone(), retry_after }),
            None => Ok(()),
        }
    }

    /// Asks for the tasks of a mark and compares every row; rows of another mark prove that the filter is ignored.
    async fn marked(&self, key: &WriteKey, group: Option<GroupId>) -> Result<Option<Task>, Error> {
        let mut conditions = Map::new();
        conditions.insert("XML_ID".to_owned(), Value::from(key.as_str()));
        if let Some(group) = group {
            conditions.insert("GROUP_ID".to_owned(), Value::from(group.0));
        }
        let rows = self.newest_tasks(&conditions).await?;
        let (own, strangers): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|task| task.mark.as_deref() == Some(key.as_str()));
        if !strangers.is_empty() {
            self.inner.known().marks = Proof::Absent;
        }
        // Nothing enforces one task a mark: of two, the older is ours.
        Ok(own.into_iter().min_by_key(|task| task.id))
    }
}
