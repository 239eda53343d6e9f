//! Changes of our own tables that a turn makes: each is one transaction with the journal entry that tells of it.

use super::broadcast::{self, BroadcastId};
use super::content;
use super::doubt::{self, DoubtId};
use super::notification::{self, Notification};
use super::poll::{self, PollId};
use super::request::{self, Decision, RequestId, Submission};
use super::task::{self, TaskId};
use super::tx::Tx;
use super::{ConversationId, Error, Json, inbox};
use crate::clock::Timestamp;
use crate::telegram::UserId;

/// A change of our own tables. The answers below are what the step's journal row keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Makes a request. A registration also makes the person a pending partner.
    ///
    /// Answers `{"id":…}`; `{"id":…,"already":true}` with the one that is pending when there is one.
    Submit(Submission),
    /// Decides a request; the first decision stands. A registration also makes the partner verified or
    /// rejected; an approval gives the barbershops chosen with it. The person's lane gets the event
    /// `request.approved` or `request.rejected`.
    ///
    /// Answers `{"done":true,"decision":"approved","user_id":…}`; `{"done":false,"decision":…,"by":name}`
    /// to the second; `{"done":false,"unknown":true}` when there is no such request.
    Decide {
        /// The request.
        request: RequestId,
        /// How it is decided.
        decision: Decision,
        /// By whom.
        by: UserId,
        /// Their name, told to whoever decides second.
        by_name: String,
    },
    /// Changes what the office says of itself. Answers `{"id":…}` to a new button, else `{"done":…}`.
    Content(content::Edit),
    /// Switches what a person is told of. Answers `null`.
    Notify {
        /// The person.
        user: UserId,
        /// What.
        notification: Notification,
        /// Whether they are told.
        is_on: bool,
    },
    /// Begins a broadcast. Answers `{"id":…,"poll":…}`.
    Broadcast(broadcast::New),
    /// Stops a broadcast; the office's lane gets the event `broadcast.ended`. Answers `{"done":…}`.
    StopBroadcast {
        /// The broadcast.
        broadcast: BroadcastId,
        /// Who stops it.
        by_name: String,
    },
    /// Counts a person's choice in a poll in place of the one before. Answers `{"counted":…}`.
    Vote {
        /// The person.
        user: UserId,
        /// Telegram's name of their copy of the poll.
        telegram_poll: String,
        /// The options; none take the vote back.
        options: Vec<u8>,
    },
    /// Closes a poll. Answers `{"done":true}`, or `{"done":false,"by":name}` to the second.
    ClosePoll {
        /// The poll.
        poll: PollId,
        /// Who closes it.
        by_name: String,
    },
    /// Asks the office what became of a write; its lane gets the event `write.in_doubt`.
    ///
    /// Answers `{"id":…}`, of the doubt that is open already when there is one.
    Ask(doubt::New),
    /// Closes a doubt that came to its end by itself.
    Close(ConversationId),
    /// Decides a doubt; the first decision stands, and the conversation's lane gets it.
    ///
    /// Answers as [`Change::Decide`] does.
    Resolve {
        /// The doubt.
        doubt: DoubtId,
        /// What is so.
        decision: doubt::Decision,
        /// By whom.
        by: UserId,
        /// Their name.
        by_name: String,
    },
    /// Notes a task of the portal as a partner's. One that is known stays as it is. Answers `{"id":…}`.
    AddTask(task::New),
    /// Notes what a task is like now; its owner's lane gets an event for each thing that somebody else changed.
    /// Answers `null`.
    SeeTask {
        /// The task.
        task: TaskId,
        /// What it is like.
        seen: task::Seen,
        /// Who made it so.
        by: task::By,
    },
}

/// What a change answers, and the entries it brings about.
#[derive(Debug)]
pub(super) struct Effect {
    pub answer: Json,
    pub events: Vec<inbox::New>,
}

/// Makes a change within a turn's transaction.
pub(super) async fn apply(tx: &mut Tx, change: &Change, now: Timestamp) -> Result<Effect, Error> {
    match change {
        Change::Submit(submission) => request::submit(tx, submission, now).await,
        Change::Decide { request, decision, by, by_name } => {
            request::decide(tx, *request, decision, (*by, by_name), now).await
        }
        Change::Content(edit) => content::edit(tx, edit).await,
        Change::Notify { user, notification, is_on } => {
            notification::switch(tx, *user, *notification, *is_on).await
        }
        Change::Broadcast(new) => broadcast::begin(tx, new, now).await,
        Change::StopBroadcast { broadcast, by_name } => broadcast::stop(tx, *broadcast, by_name, now).await,
        Change::Vote { user, telegram_poll, options } => poll::vote(tx, *user, telegram_poll, options).await,
        Change::ClosePoll { poll, by_name } => poll::close(tx, *poll, by_name, now).await,
        Change::Ask(new) => doubt::ask(tx, new, now).await,
        Change::Close(conversation) => doubt::close(tx, *conversation, now).await,
        Change::Resolve { doubt, decision, by, by_name } => {
            doubt::resolve(tx, *doubt, decision, (*by, by_name), now).await
        }
        Change::AddTask(new) => task::add(tx, new, now).await,
        Change::SeeTask { task, seen, by } => task::see(tx, *task, seen, *by, now).await,
    }
}
