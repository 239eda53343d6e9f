//! What a portal tells of its own accord: the bodies of its outgoing webhooks.

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq as _;

use super::TaskId;
use crate::clock::Timestamp;

/// Something has happened to a task. Not what exactly, and not by whom: read the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What kind of thing.
    pub what: What,
    /// To which task.
    pub task: TaskId,
    /// When the portal sent it, to the second.
    pub sent_at: Timestamp,
    /// Equal for two deliveries of the same event, and for two changes of a task that were told within one second.
    pub dedupe_key: String,
}

/// What happened to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It was made.
    Added,
    /// It was changed, moved, completed, given a file; our own changes are told too.
    Updated,
    /// It is gone.
    Deleted,
    /// Somebody commented on it, perhaps we.
    Commented {
        /// The comment on the old card, or the message on the new one.
        comment: Option<i64>,
    },
}

/// Why a body is no event for us.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `BITRIX_APPLICATION_TOKEN` is not set: nobody can be believed.
    #[error(
        "BITRIX_APPLICATION_TOKEN is not set, so no event can be believed; copy it from the outgoing webhook's page"
    )]
    NoToken,
    /// It is not from our portal.
    #[error(
        "the event's application token is not ours; compare BITRIX_APPLICATION_TOKEN with the outgoing webhook's page"
    )]
    Forged,
    /// An event we have no use for. It is ours: answer it like the others.
    #[error("events of the kind `{kind}` are not for us; take the tick off in the outgoing webhook")]
    Unknown {
        /// As the portal names it, cut to 64 characters.
        kind: String,
    },
    /// It does not say which task it is about.
    #[error("the event does not say `{field}`")]
    Incomplete {
        /// The field that is missing or holds something else.
        field: &'static str,
    },
}

/// Reads the body of an outgoing webhook: a form with PHP's brackets, where every value is text.
///
/// It is believed only with the right token, compared in constant time: there is no other signature. Nothing of it is
/// sent twice by the portal, nothing is promised about its order, and it may be late: whoever relies on it also asks.
pub fn parse(body: &[u8], token: Option<&SecretString>) -> Result<Event, Error> {
    let token =
        token.map(ExposeSecret::expose_secret).filter(|token| !token.is_empty()).ok_or(Error::NoToken)?;
    let form = Form(url::form_urlencoded::parse(body).into_owned().collect());
    let claimed = form.value("auth[application_token]").unwrap_or_default();
    if !bool::from(claimed.as_bytes().ct_eq(token.as_bytes())) {
        return Err(Error::Forged);
    }
    let kind = form.value("event").ok_or(Error::Incomplete { field: "event" })?.to_ascii_uppercase();
    let (what, task) = match kind.as_str() {
        "ONTASKADD" => (What::Added, form.id("data[FIELDS_AFTER][ID]")?),
        "ONTASKUPDATE" => (What::Updated, form.id("data[FIELDS_AFTER][ID]")?),
        "ONTASKDELETE" => (What::Deleted, form.id("data[FIELDS_BEFORE][ID]")?),
        "ONTASKCOMMENTADD" => {
            let comment =
                form.id("data[FIELDS_AFTER][ID]").or_else(|_| form.id("data[FIELDS_AFTER][MESSAGE_ID]"));
            (What::Commented { comment: comment.ok() }, form.id("data[FIELDS_AFTER][TASK_ID]")?)
        }
        other => return Err(Error::Unknown { kind: other.chars().take(64).collect() }),
    };
    let seconds = form.id("ts")?;
    let sent_at = seconds.checked_mul(1000).map(Timestamp).ok_or(Error::Incomplete { field: "ts" })?;
    let detail = match what {
        What::Commented { comment: Some(comment) } => comment,
        What::Added | What::Updated | What::Deleted | What::Commented { comment: None } => 0,
    };
    let dedupe_key = format!("{}:{task}:{detail}:{seconds}", kind.to_ascii_lowercase());
    Ok(Event { what, task: TaskId(task), sent_at, dedupe_key })
}

struct Form(Vec<(String, String)>);

impl Form {
    /// The value of a field; of several the last, as in PHP. `undefined` is how a portal writes that there is none.
    fn value(&self, name: &'static str) -> Option<&str> {
        let value = self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.trim())?;
        (!value.is_empty() && value != "undefined").then_some(value)
    }

    /// A number from 1.
    fn id(&self, field: &'static str) -> Result<i64, Error> {
        let id = self.value(field).and_then(|value| value.parse().ok()).filter(|id| *id > 0);
        id.ok_or(Error::Incomplete { field })
    }
}
