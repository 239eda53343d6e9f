//! What people ask of the head office, and who decided how: registrations and further barbershops.

use super::Json;
use super::database::words;
use super::partner;
use crate::clock::Timestamp;
use crate::telegram::{ChatId, UserId};

/// The number of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct RequestId(pub i64);

words! {
    /// What is asked.
    pub enum Kind {
        /// To be let in.
        Registration = "registration",
        /// To be given one more barbershop.
        AddSalon = "add_salon",
    }
}

words! {
    /// Where a request stands.
    pub enum Status {
        /// Nobody decided yet.
        Pending = "pending",
        /// Granted.
        Approved = "approved",
        /// Refused.
        Rejected = "rejected",
    }
}

/// A request as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its number.
    pub id: RequestId,
    /// What is asked.
    pub kind: Kind,
    /// Who asks.
    pub user: UserId,
    /// Where they are answered.
    pub chat: ChatId,
    /// What they filled in.
    pub body: Json,
    /// Where it stands.
    pub status: Status,
    /// Why it was refused.
    pub reason: Option<String>,
    /// Who decided.
    pub decided_by: Option<UserId>,
    /// Their name.
    pub decided_by_name: Option<String>,
    /// When.
    pub decided_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A change of our own tables that a step makes. The answers below are what the step's journal row keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Makes a request. A registration also makes the person a pending partner.
    ///
    /// Answers `{"id":…}`; `{"id":…,"already":true}` with the one that is pending when there is one.
    Submit(Submission),
    /// Decides a request; the first decision stands. A registration also makes the partner verified or
    /// rejected, and the person's lane gets the event `request.approved` or `request.rejected`.
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
}

/// A request to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// What is asked.
    pub kind: Kind,
    /// Who asks.
    pub user: UserId,
    /// Where they are answered.
    pub chat: ChatId,
    /// What they filled in.
    pub body: Json,
    /// What they told of themselves; kept for a registration.
    pub profile: partner::Profile,
    /// The staff's chat: its lane gets the event `request.submitted`.
    pub staff: Option<ChatId>,
}

/// How a request is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Granted.
    Approve,
    /// Refused.
    Reject {
        /// What the person is told.
        reason: String,
    },
}
