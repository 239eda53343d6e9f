//! A conversation in memory: its row, its detail understood, and its journal.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::question::{Progress, Question, Tap};
use crate::clock::Timestamp;
use crate::script::{Site, Step};
use crate::store::conversation::{Row, Status};
use crate::store::doubt::Decision;
use crate::store::journal::{self, StepNo};
use crate::store::{self, Conversation, ConversationId, Json};
use crate::telegram::{ChatId, Outgoing, Person, UserId};

/// One run of a flow.
#[derive(Clone, Debug)]
pub(super) struct Talk {
    pub id: ConversationId,
    pub chat: ChatId,
    /// Whose conversation it is: the person's, or nobody's when an event began it.
    pub user: UserId,
    pub flow: String,
    pub set_hash: String,
    pub epoch: u32,
    pub status: Status,
    pub detail: Detail,
    pub journal: Arc<Vec<Step>>,
    /// The step after the journal's last: a write to the outside that was decided, and of which nobody knows yet
    /// what became of it.
    pub intent: Option<Step>,
}

/// What a conversation's row keeps beside its columns.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Detail {
    /// With whom the flow talks.
    pub person: Person,
    /// The inbox entry that a turn is in the middle of: a repeated turn goes on instead of taking it twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_on: Option<i64>,
    /// The question that waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaiting: Option<Awaiting>,
    /// Why it is parked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What is known of the write that is intended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writing: Option<Writing>,
    /// The person is in another talk meanwhile: this one goes on beside it, and asks nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_beside: bool,
}

/// A write to the outside on its way, or in doubt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Writing {
    /// When it was sent for the first time.
    pub since: Timestamp,
    /// When it was sent last.
    pub sent_at: Timestamp,
    /// How the service keeps it from being done twice.
    #[serde(default)]
    pub means: Value,
    /// How often the conversation was set aside for it.
    #[serde(default)]
    pub waits: u32,
    /// What is not known of it, as long as that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<Doubt>,
    /// Whether it was surely not done: the service was away, and it is sent again when it is back.
    #[serde(default)]
    pub is_put_off: bool,
    /// Whether the office is asked.
    #[serde(default)]
    pub is_asked: bool,
    /// What the office said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

impl Writing {
    /// One that is sent now.
    pub fn sent(now: Timestamp, means: Value) -> Writing {
        Writing {
            since: now,
            sent_at: now,
            means,
            waits: 0,
            doubt: None,
            is_put_off: false,
            is_asked: false,
            decision: None,
        }
    }

    /// The answer to what was sent last is lost; `was_put_off` when all that was sent before it was surely not done, or
    /// was found out.
    pub fn begin_doubt(&mut self, was_put_off: bool) {
        let (sent_at, waits_before) = (self.sent_at, self.waits);
        let first = Doubt { since: sent_at, looked_for_since: sent_at, waits_before };
        match &mut self.doubt {
            Some(doubt) if was_put_off => *doubt = Doubt { since: doubt.since, ..first },
            Some(_) => {}
            none => *none = Some(first),
        }
    }

    /// When the service may have heard of it first.
    pub fn known_since(&self) -> Timestamp {
        self.doubt.map_or(self.sent_at, |doubt| doubt.since)
    }
}

/// Since when nobody knows what became of a write. What was surely not done before does not count: a task may have
/// waited for days for its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Doubt {
    /// When the first attempt was sent whose answer was lost: the service may know the write since then.
    pub since: Timestamp,
    /// When it was sent that is looked for now.
    pub looked_for_since: Timestamp,
    /// How often the conversation had been set aside until then.
    pub waits_before: u32,
}

/// A question put and not yet answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Awaiting {
    pub step: usize,
    pub name: String,
    pub site: String,
    pub question: Question,
    #[serde(default)]
    pub progress: Progress,
    pub can_go_back: bool,
    /// The outbox key of the message that put it.
    pub key: String,
    /// The outbox key of the message that said of an album how much of it has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<String>,
    /// When its time limit and its reminder come, if it has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moments: Vec<Timestamp>,
}

/// Why a conversation is parked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Failure {
    /// The number that the person was told.
    pub number: i64,
    /// What staff see.
    pub report: String,
}

impl Talk {
    /// A conversation that begins; `given` is what the flow gets at its start, the journal's first entry.
    pub fn begin(
        id: ConversationId,
        chat: ChatId,
        user: UserId,
        flow: &str,
        set_hash: &str,
        person: Person,
        given: Value,
    ) -> Talk {
        let start = Step { name: "start".to_owned(), site: Site::default(), request: None, answer: given };
        Talk {
            id,
            chat,
            user,
            flow: flow.to_owned(),
            set_hash: set_hash.to_owned(),
            epoch: 0,
            status: Status::Awaiting,
            detail: Detail {
                person,
                working_on: None,
                awaiting: None,
                failure: None,
                writing: None,
                is_beside: false,
            },
            journal: Arc::new(vec![start]),
            intent: None,
        }
    }

    /// Reads a conversation from its rows. Errors: they were written by another version of the engine.
    pub fn load(kept: Conversation) -> Result<Talk, serde_json::Error> {
        let row = kept.row;
        let (mut steps, mut intent) = (Vec::with_capacity(kept.journal.len()), None);
        for row in kept.journal {
            let request = row.request.as_ref().map(Json::read).transpose()?;
            let step = |answer| Step { name: row.name, site: Site::parse(&row.site), request, answer };
            match &row.answer {
                Some(answer) => steps.push(step(answer.read()?)),
                None => intent = Some(step(Value::Null)), // Nothing is done after it, so it is the last.
            }
        }
        Ok(Talk {
            id: row.id,
            chat: row.chat,
            user: row.user,
            flow: row.flow,
            set_hash: row.set.0,
            epoch: row.epoch,
            status: row.status,
            detail: row.detail.read()?,
            journal: Arc::new(steps),
            intent,
        })
    }

    /// The row to keep.
    pub fn row(&self, now: Timestamp) -> Row {
        Row {
            id: self.id,
            chat: self.chat,
            user: self.user,
            flow: self.flow.clone(),
            set: store::script_set::SetHash(self.set_hash.clone()),
            epoch: self.epoch,
            status: self.status,
            detail: Json::of(&self.detail).expect("a detail is a plain structure with string keys"),
            updated_at: now,
        }
    }

    /// The journal's entry `number`, to keep.
    pub fn step_row(&self, number: usize, now: Timestamp) -> journal::Row {
        let step = &self.journal[number];
        journal::Row { answer: Some(written(&step.answer)), ..self.row_of(number, step, now) }
    }

    /// The intent, to keep: a row without an answer.
    pub fn intent_row(&self, now: Timestamp) -> Option<journal::Row> {
        self.intent.as_ref().map(|step| self.row_of(self.journal.len(), step, now))
    }

    fn row_of(&self, number: usize, step: &Step, now: Timestamp) -> journal::Row {
        journal::Row {
            conversation: self.id,
            step: step_no(number),
            name: step.name.clone(),
            site: step.site.to_string(),
            request: step.request.as_ref().map(written),
            answer: None,
            recorded_at: now,
        }
    }

    /// The beginning of the keys of this conversation's messages in this epoch.
    pub fn key_prefix(&self) -> String {
        format!("{}-{}-", base36(self.id.0), self.epoch)
    }

    /// Where Back leads: the latest question answered with nothing written to the outside since.
    pub fn step_back(&self) -> Option<usize> {
        for (number, step) in self.journal.iter().enumerate().skip(1).rev() {
            if step.name.starts_with("chat.ask_") {
                return Some(number);
            }
            if step.request.is_some() {
                return None;
            }
        }
        None
    }

    /// The message that puts the question which waits.
    pub fn prompt(&self, awaiting: &Awaiting) -> Outgoing {
        awaiting.question.prompt(&awaiting.progress, awaiting.can_go_back, self.address(awaiting.step))
    }

    /// How a tap on a question of this conversation is written into a button.
    pub fn address(&self, step: usize) -> impl Fn(Tap) -> String {
        let (id, epoch) = (base36(self.id.0), self.epoch);
        move |tap| format!("?{id}.{epoch}.{step}.{}", tap.code())
    }
}

/// What the data of a pressed button says.
#[derive(Debug, PartialEq)]
pub(super) enum Pressed {
    /// A tap on a question.
    Question { conversation: i64, epoch: u32, step: usize, tap: Tap },
    /// A flow to begin.
    Flow { name: String, args: Value },
    /// Nothing we ever wrote.
    Unknown,
}

impl Pressed {
    pub fn read(data: &str) -> Pressed {
        let question = || {
            let mut parts = data.strip_prefix('?')?.splitn(4, '.');
            let conversation = i64::from_str_radix(parts.next()?, 36).ok()?;
            let (epoch, step) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            Some(Pressed::Question { conversation, epoch, step, tap: Tap::from_code(parts.next()?)? })
        };
        let flow = || {
            let mut parts = data.strip_prefix('>')?.split(':');
            let name = parts.next()?.to_owned();
            let arg = |part: &str| part.parse::<i64>().map_or_else(|_| json!(part), |number| json!(number));
            Some(Pressed::Flow { name, args: parts.map(arg).collect() })
        };
        question().or_else(flow).unwrap_or(Pressed::Unknown)
    }
}

/// The data of a button that begins a flow; `None` when it does not fit into Telegram's 64 bytes.
pub fn trigger_data(flow: &str, with: &[Value]) -> Option<String> {
    let mut data = format!(">{flow}");
    for value in with {
        data.push(':');
        match value {
            Value::Number(number) => data.push_str(&number.to_string()),
            Value::String(text) if !text.contains(':') => data.push_str(text),
            _ => return None,
        }
    }
    (data.len() <= 64).then_some(data)
}

fn written(value: &Value) -> Json {
    Json::of(value).expect("a JSON value has text for keys")
}

pub(super) fn step_no(number: usize) -> StepNo {
    StepNo(u32::try_from(number).expect("a journal is limited to thousands of steps"))
}

fn base36(number: i64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let (mut rest, mut text) = (number.unsigned_abs(), Vec::new());
    loop {
        text.push(DIGITS[usize::try_from(rest % 36).expect("below 36")]);
        rest /= 36;
        if rest == 0 {
            break;
        }
    }
    text.reverse();
    String::from_utf8(text).expect("digits and letters are ASCII")
}
