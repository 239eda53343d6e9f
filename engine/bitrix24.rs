//! Bitrix24 in its own words: tasks with their stages and comments, the disk, the people of a portal.
//!
//! [`Client`] makes the calls through the one road to the outside, [`crate::http`]; [`event`] reads what the portal
//! tells of its own accord. Two generations of the API run side by side and answer differently: the old one at
//! `/rest/`, and REST 3.0 at `/rest/api/`. REST 3.0 is used where it alone can promise something: a write that may be
//! repeated ([`Means::Keyed`]). All else goes by the old one, which every portal has.
//!
//! What a portal answers is tolerated in form and checked in meaning: a number may come as text and an empty map as
//! `[]`, but a task without an id is an error that names the field. Nobody outside of this module sees JSON.

mod address;
mod batch;
mod client;
mod code;
mod comment;
mod disk;
mod doubt;
mod error;
mod form;
mod keyed;
mod page;
mod probe;
mod stage;
mod task;
mod user;
mod wire;

pub mod event;

use serde::{Deserialize, Serialize};

pub use address::{Address, AddressError};
pub use client::Client;
pub use code::Refusal;
pub use comment::Comment;
pub use disk::{Content, Storage};
pub use error::Error;
pub use keyed::{Look, Means, WriteKey};
pub use probe::{Capabilities, Proof};
pub use stage::Stage;
pub use task::{Deadline, Deed, NewTask, Priority, Status, Task, TaskChanges, TaskFilter};
pub use user::User;

macro_rules! ids {
    ($($(#[$about:meta])+ $name:ident)+) => {$(
        $(#[$about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

ids! {
    /// A task.
    TaskId
    /// A project, which Bitrix24 also calls a group or a workgroup.
    GroupId
    /// A column of a project's board.
    StageId
    /// A person on the portal. Not a person in Telegram: that is [`crate::telegram::UserId`].
    PortalUserId
    /// A file on the disk: the `ID` of an object there, never its `FILE_ID`, which may be a stranger's.
    FileId
    /// A folder on the disk.
    FolderId
    /// A file's tie to a task.
    AttachmentId
    /// The chat of a task on the new card.
    ChatId
}
