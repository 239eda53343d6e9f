//! What a portal can do, found out without leaving anything there.
//!
//! - **Keys.** Sending a task twice would prove them and leave a task behind. Instead a call is made that no portal can
//!   execute, a task without title and assignee, with a key longer than any portal takes: one that heeds keys refuses
//!   the key, one that does not know the field names or the method says so, and one that complains of the fields leaves
//!   it open until the first task, whose answer repeats the key or does not.
//! - **Marks.** The list is asked for a mark nobody made: rows prove that the filter is ignored. None prove little, so a
//!   mark that is there must also be found, if any task has one.

use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::client::Request;
use super::code::Refusal;
use super::{Client, Error};
use crate::http::Effect;

const ADD_KEYED: &str = "api/tasks.task.add";

/// Longer than the 255 characters a portal takes.
const UNFIT_KEY_LENGTH: usize = 300;

/// How sure we are of something a portal may or may not do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// Nobody asked yet.
    #[default]
    Unasked,
    /// Nothing speaks against it, nothing proves it.
    Plausible,
    /// Seen to work.
    Proven,
    /// Seen not to work.
    Absent,
}

/// What a portal can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// REST 3.0 with the header `Idempotency-Key`: a write may be repeated within a day.
    pub keys: Proof,
    /// A filter by `XML_ID` that is heeded: a write can be looked for by its mark.
    pub marks: Proof,
}

impl Client {
    /// Finds out what the portal can do and remembers it; to be asked at start, and again when the portal was away.
    ///
    /// Errors: those of any call; what was found out before stays.
    pub async fn probe(&self) -> Result<Capabilities, Error> {
        self.probe_marks().await?;
        self.probe_keys().await?;
        Ok(self.capabilities())
    }

    async fn probe_keys(&self) -> Result<(), Error> {
        /// The fields of a real task but two that no task can do without.
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields {
            description: &'static str,
            creator_id: i64,
            priority: &'static str,
            xml_id: &'static str,
        }
        #[derive(Serialize)]
        struct Add {
            fields: Fields,
        }
        let fields = Fields { description: "", creator_id: 0, priority: "average", xml_id: "probe" };
        let body = serde_json::to_vec(&Add { fields }).expect("the fields are plain");
        let key = "x".repeat(UNFIT_KEY_LENGTH);
        let request =
            Request { method: ADD_KEYED, body, effect: Effect::Read, write: None, header: Some(&key) };
        let seen = match self.perform::<IgnoredAny>(&request).await {
            Err(error) => match error.refusal() {
                Some(Refusal::KeyUnfit) => Proof::Proven,
                Some(Refusal::Invalid) if !is_unknown_field(&error) => Proof::Plausible,
                Some(_) => Proof::Absent,
                None => return Err(error),
            },
            Ok(_) => Proof::Absent,
        };
        let mut known = self.inner.known();
        known.keys = known.keys.after(seen);
        Ok(())
    }

    pub(super) async fn probe_marks(&self) -> Result<(), Error> {
        let nobodys = format!("probe-{:032x}", rand::random::<u128>());
        let seen = if self.newest_tasks(&by_mark(&nobodys)).await?.is_empty() {
            self.find_any_mark().await?
        } else {
            Proof::Absent
        };
        let mut known = self.inner.known();
        known.marks = known.marks.after(seen);
        Ok(())
    }

    async fn find_any_mark(&self) -> Result<Proof, Error> {
        let mut marks = self.newest_tasks(&Map::new()).await?.into_iter().filter_map(|task| task.mark);
        let Some(mark) = marks.next_back() else { return Ok(Proof::Plausible) };
        let found = self.newest_tasks(&by_mark(&mark)).await?;
        let is_found = !found.is_empty() && found.iter().all(|task| task.mark.as_deref() == Some(&mark));
        Ok(if is_found { Proof::Proven } else { Proof::Absent })
    }
}

impl Proof {
    /// What is known after something was seen: what nothing speaks against does not unprove.
    fn after(self, seen: Proof) -> Proof {
        match (self, seen) {
            (Proof::Proven, Proof::Plausible | Proof::Unasked) => Proof::Proven,
            (_, seen) => seen,
        }
    }
}

fn by_mark(mark: &str) -> Map<String, Value> {
    Map::from_iter([("XML_ID".to_owned(), Value::from(mark))])
}

fn is_unknown_field(error: &Error) -> bool {
    matches!(error, Error::Refused { code, .. } if code.to_ascii_lowercase().contains("unknowndtoproperty"))
}
