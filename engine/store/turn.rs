//! What one turn of a conversation writes, whole or not at all.

use super::change::Change;
use super::conversation::{self, ConversationId};
use super::database::Rows;
use super::journal::{self, StepNo};
use super::{Error, Json, Lease, inbox, outbox, timer};
use crate::clock::Timestamp;

/// Everything a turn, or a part of it, decided. It is committed whole, and only under a valid lease.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The right to advance the lane.
    pub lease: Lease,
    /// The entry that is done with; none for a commit in the middle of a turn.
    pub finish: Option<inbox::EntryId>,
    /// The entry that a commit in the middle of a turn is made for: nothing is written when it is done with.
    pub amid: Option<inbox::EntryId>,
    /// Conversations begun or advanced; each at most once.
    pub conversations: Vec<conversation::Row>,
    /// Back: journal rows from this step on are forgotten, before `journal` is written.
    pub forget: Vec<(ConversationId, StepNo)>,
    /// Steps taken; each at most once.
    pub journal: Vec<journal::Row>,
    /// Messages decided, in the order of delivery.
    pub messages: Vec<outbox::New>,
    /// Conversations whose timers no longer matter, before `timers` is written.
    pub stop_timers: Vec<ConversationId>,
    /// Moments promised.
    pub timers: Vec<timer::New>,
    /// Entries for other lanes.
    pub events: Vec<inbox::New>,
    /// Whether the chat's person has stopped the bot or come back to it.
    pub reach: Option<Reach>,
    /// A change of our own tables.
    pub local: Option<Local>,
}

impl Turn {
    /// A turn that decided nothing yet.
    pub fn new(lease: Lease) -> Turn {
        Turn {
            lease,
            finish: None,
            amid: None,
            conversations: Vec::new(),
            forget: Vec::new(),
            journal: Vec::new(),
            messages: Vec::new(),
            stop_timers: Vec::new(),
            timers: Vec::new(),
            events: Vec::new(),
            reach: None,
            local: None,
        }
    }
}

/// Whether messages arrive at a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// They came back to the bot.
    Back,
    /// They stopped it.
    Gone,
}

/// A change of our own tables and the journal row that tells of it: one transaction.
#[derive(Clone, Debug)]
pub struct Local {
    /// The step; whatever answer it has is replaced by the change's. None for a change that no script asked for.
    pub row: Option<journal::Row>,
    /// The change.
    pub change: Change,
}

/// What a committed turn brought about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Its messages, in order.
    pub messages: Vec<outbox::Message>,
    /// The answer of its local change.
    pub answer: Option<Json>,
    /// Entries accepted for other lanes, those of the local change included.
    pub entries: Vec<inbox::Entry>,
}

/// A turn as its rows: written by whoever commits it, so that the writer has only to join texts.
#[derive(Debug)]
pub(super) struct Prepared {
    pub lease: Lease,
    pub finish: Option<inbox::EntryId>,
    pub amid: Option<inbox::EntryId>,
    pub conversations: conversation::Records,
    pub forget: Rows,
    pub journal: journal::Records,
    pub messages: Vec<outbox::New>,
    pub message_rows: Rows,
    pub stop_timers: Rows,
    pub timers: Rows,
    pub events: Vec<inbox::New>,
    pub event_rows: Rows,
    pub reached: Rows,
    pub lost: Rows,
    pub local: Option<Local>,
    pub limits: journal::Limits,
    pub at: Timestamp,
}

impl Prepared {
    /// Writes the rows. Errors: [`Error::TooLarge`].
    pub fn of(turn: Turn, limits: journal::Limits, at: Timestamp) -> Result<Prepared, Error> {
        let mut conversations = conversation::Records::default();
        for row in &turn.conversations {
            conversations.push(row);
        }
        let mut journal = journal::Records::default();
        for row in &turn.journal {
            journal.push(row, limits)?;
        }
        Ok(Prepared {
            lease: turn.lease,
            finish: turn.finish,
            amid: turn.amid,
            conversations,
            forget: Rows::of(turn.forget),
            journal,
            message_rows: outbox::rows(&turn.messages, at),
            messages: turn.messages,
            stop_timers: Rows::of(turn.stop_timers),
            timers: Rows::of(turn.timers),
            event_rows: inbox::rows(&turn.events, at),
            events: turn.events,
            reached: Rows::of((turn.reach == Some(Reach::Back)).then_some(turn.lease.lane())),
            lost: Rows::of((turn.reach == Some(Reach::Gone)).then_some(turn.lease.lane())),
            local: turn.local,
            limits,
            at,
        })
    }
}
