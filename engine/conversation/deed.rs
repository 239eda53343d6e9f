//! What an inbox entry asks a chat's lane to do.

use serde::Deserialize;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::store::ConversationId;
use crate::store::doubt::Decision;
use crate::store::inbox::Entry;
use crate::store::task::Seen;
use crate::telegram::{Incoming, UserId};

/// An inbox entry, understood.
#[derive(Debug)]
pub(super) enum Deed {
    /// A person did something.
    Person(Incoming),
    /// Something happened that a flow may tell of.
    Event(Event),
    /// A flow comes by its schedule.
    Cron(Cron),
    /// A moment promised has come.
    Timer(Timer),
    /// The host has something to say to the office.
    Notice(Notice),
    /// A parked conversation may go on: the scripts have changed.
    Resume(Resume),
    /// Something has changed in a task of the portal.
    Portal(Portal),
    /// The office has said what became of a write in doubt.
    Decided(Decided),
}

#[derive(Debug, Deserialize)]
pub(super) struct Event {
    pub event: String,
    #[serde(default)]
    pub data: Value,
}

#[derive(Debug, Deserialize)]
pub(super) struct Cron {
    pub flow: String,
    pub planned_at: Timestamp,
}

#[derive(Debug, Deserialize)]
pub(super) struct Timer {
    pub conversation: i64,
    pub step: u32,
    pub kind: TimerKind,
    pub user: UserId,
    pub fire_at: Timestamp,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum TimerKind {
    Limit,
    Remind,
}

#[derive(Debug, Deserialize)]
pub(super) struct Notice {
    pub html: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Resume {
    pub conversation: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Portal {
    pub task: i64,
    /// Whether it is about a comment.
    #[serde(default)]
    pub is_comment: bool,
    /// What the task is like, when whoever noticed has looked.
    #[serde(default)]
    pub seen: Option<Seen>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Decided {
    pub conversation: i64,
    pub decision: Decision,
}

/// The conversations that events begin belong to nobody: a person's talk goes on beside them.
pub(super) const NOBODY: UserId = UserId(0);

impl Deed {
    /// Reads an entry by its source. Errors: the body is not what that source writes.
    pub fn read(entry: &Entry) -> Result<Deed, serde_json::Error> {
        Ok(match entry.source.as_str() {
            "telegram" => Deed::Person(entry.body.read()?),
            "cron" => Deed::Cron(entry.body.read()?),
            "timer" => Deed::Timer(entry.body.read()?),
            "notice" => Deed::Notice(entry.body.read()?),
            "resume" => Deed::Resume(entry.body.read()?),
            "decision" => Deed::Decided(entry.body.read()?),
            "bitrix24" => Deed::Portal(entry.body.read()?),
            _ => Deed::Event(entry.body.read()?),
        })
    }

    /// Whose talk it concerns.
    pub fn user(&self) -> UserId {
        match self {
            Deed::Person(incoming) => incoming.from.id,
            Deed::Timer(timer) => timer.user,
            Deed::Event(_)
            | Deed::Cron(_)
            | Deed::Notice(_)
            | Deed::Resume(_)
            | Deed::Decided(_)
            | Deed::Portal(_) => NOBODY,
        }
    }

    /// The conversation it names, if it names one.
    pub fn conversation(&self) -> Option<ConversationId> {
        match self {
            Deed::Timer(timer) => Some(ConversationId(timer.conversation)),
            Deed::Resume(resume) => Some(ConversationId(resume.conversation)),
            Deed::Decided(decided) => Some(ConversationId(decided.conversation)),
            Deed::Person(_) | Deed::Event(_) | Deed::Cron(_) | Deed::Notice(_) | Deed::Portal(_) => None,
        }
    }
}
