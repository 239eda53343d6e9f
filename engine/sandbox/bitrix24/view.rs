//! What is seen of the portal from outside: for tests and for the page.

use std::time::Duration;

use serde_json::Value;

use crate::clock::Timestamp;

use super::events::Sent;
use super::method::Method;
use super::office::{File, Group, Message, Stage, Task, User};
use super::{Bitrix24, lock};

/// Generous: it is only spent when a test fails.
const PATIENCE: Duration = Duration::from_mins(1);
/// How many calls are remembered.
const CALLS_KEPT: usize = 1000;

/// A call that reached the portal's methods.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Which.
    pub method: Method,
    /// What it was told.
    pub params: Value,
    /// The HTTP status of its outcome, which a fault may have hidden.
    pub status: u16,
    /// When.
    pub at: Timestamp,
}

/// What was waited for did not happen.
#[derive(Debug, thiserror::Error)]
#[error("it did not happen within {PATIENCE:?}; the tasks are:\n{tasks}\nand the events: {events}")]
pub struct NotSeen {
    /// A line a task.
    pub tasks: String,
    /// What was sent.
    pub events: String,
}

impl Bitrix24 {
    /// The departments' projects.
    pub fn groups(&self) -> Vec<Group> {
        lock(&self.0.office).groups.values().cloned().collect()
    }

    /// A board's columns from left to right; none for an unknown project.
    pub fn board(&self, group: i64) -> Vec<Stage> {
        lock(&self.0.office).board(group).into_iter().cloned().collect()
    }

    /// The column with this title on a project's board.
    pub fn stage(&self, group: i64, title: &str) -> Option<Stage> {
        self.board(group).into_iter().find(|stage| stage.title == title)
    }

    /// Everybody who works here.
    pub fn employees(&self) -> Vec<User> {
        lock(&self.0.office).users.values().cloned().collect()
    }

    /// Every task, in order of ids.
    pub fn tasks(&self) -> Vec<Task> {
        lock(&self.0.office).tasks.values().cloned().collect()
    }

    /// A task.
    pub fn task(&self, id: i64) -> Option<Task> {
        lock(&self.0.office).task(id).cloned()
    }

    /// The tasks in a column, in order of ids.
    pub fn cards(&self, stage: i64) -> Vec<Task> {
        let office = lock(&self.0.office);
        let is_here = |task: &&Task| office.column(task).is_some_and(|column| column.id == stage);
        office.tasks.values().filter(is_here).cloned().collect()
    }

    /// The column where a task's card is seen; none for a task of no project.
    pub fn column(&self, task: i64) -> Option<Stage> {
        let office = lock(&self.0.office);
        office.task(task).and_then(|task| office.column(task)).cloned()
    }

    /// What people and the portal said in a task's chat; the portal is the author 0.
    pub fn chat(&self, task: i64) -> Vec<Message> {
        lock(&self.0.office).messages.get(&task).cloned().unwrap_or_default()
    }

    /// The files at a task with their content, in the order of attaching.
    pub fn files(&self, task: i64) -> Vec<File> {
        let office = lock(&self.0.office);
        let attachments = office.task(task).map(|task| task.attachments.clone()).unwrap_or_default();
        let file = |id: &i64| office.files.get(&office.attachments.get(id)?.file).cloned();
        attachments.iter().filter_map(file).collect()
    }

    /// Every file on the disks.
    pub fn disk(&self) -> Vec<File> {
        lock(&self.0.office).files.values().cloned().collect()
    }

    /// How many tasks were ever made, deleted ones included.
    pub fn made(&self) -> u64 {
        lock(&self.0.office).made
    }

    /// Tasks that bear one mark, `XML_ID`, as (first, second) ids: what must not be there.
    pub fn twins(&self) -> Vec<(i64, i64)> {
        let office = lock(&self.0.office);
        let mut firsts = std::collections::HashMap::new();
        let marked = office.tasks.values().filter_map(|task| Some((task.xml_id.clone()?, task.id)));
        marked
            .filter_map(|(mark, id)| {
                let first = *firsts.entry(mark).or_insert(id);
                (first != id).then_some((first, id))
            })
            .collect()
    }

    /// The latest calls, oldest first; at most 1,000.
    pub fn log_of_calls(&self) -> Vec<Call> {
        lock(&self.0.log).iter().cloned().collect()
    }

    /// Events that left or were lost, in that order.
    pub fn sent_events(&self) -> Vec<Sent> {
        lock(&self.0.courier).sent.clone()
    }

    /// How many events wait to be sent or answered.
    pub fn waiting_events(&self) -> usize {
        lock(&self.0.courier).waiting()
    }

    /// Returns as soon as `seen` is true; it is asked again after every event.
    pub async fn wait_for(&self, seen: impl Fn(&Bitrix24) -> bool) -> Result<(), NotSeen> {
        let mut version = self.0.version.subscribe();
        let happens = async {
            while !seen(self) {
                if version.changed().await.is_err() {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, happens).await.map_err(|_| self.not_seen())
    }

    pub(super) fn log(&self, call: Call) {
        let mut log = lock(&self.0.log);
        if log.len() == CALLS_KEPT {
            log.pop_front();
        }
        log.push_back(call);
        drop(log);
        self.touch();
    }

    fn not_seen(&self) -> NotSeen {
        let line = |task: &Task| format!("{} {:?} {} stage {}", task.id, task.status, task.title, task.stage);
        NotSeen {
            tasks: self.tasks().iter().map(line).collect::<Vec<_>>().join("\n"),
            events: format!("{:?}", self.sent_events()),
        }
    }
}
