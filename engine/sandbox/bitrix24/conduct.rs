//! What a portal is like: what the documentation leaves open, what an administrator may switch, what an old version lacks.

use std::collections::HashSet;
use std::time::Duration;

use chrono::FixedOffset;

use super::method::Scope;

/// Which REST 3.0 the portal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest3 {
    /// None.
    Absent,
    /// One that ignores `Idempotency-Key`.
    WithoutKeys,
    /// One that obeys it.
    WithKeys,
}

/// Which tasks the webhook sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sees {
    /// All: its owner is an administrator.
    Everything,
    /// Those its owner has to do with.
    OwnTasks,
}

/// What a task looks like to people, and hence what a comment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    /// Comments are messages of a chat; their events have the id 0.
    Chat,
    /// Comments are posts of a forum.
    Forum,
}

/// To which method a batch is charged: the documentation and what was measured disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// To each method inside.
    Inner,
    /// To `batch`.
    Outer,
}

/// How a task without files says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoFiles {
    /// `null`, as documented.
    Null,
    /// `[]`.
    Empty,
    /// `false`.
    False,
}

/// The portal's ways.
#[derive(Clone, Debug, PartialEq)]
pub struct Conduct {
    /// Which REST 3.0 it has.
    pub rest3: Rest3,
    /// Whether the filter `XML_ID` of `tasks.task.list` is obeyed. If not, it is ignored like any unknown one, and
    /// everything comes back.
    pub filters_by_xml_id: bool,
    /// Whether `tasks.task.add` obeys `STAGE_ID`: nothing documents it.
    pub takes_stage_in_add: bool,
    /// How long a new task is not found by `tasks.task.list`.
    pub search_lag: Duration,
    /// In which zone dates are written.
    pub zone: FixedOffset,
    /// What is ticked on the webhook.
    pub scopes: HashSet<Scope>,
    /// With which status a missing scope is refused: 401 or 403.
    pub scope_status: u16,
    /// What the webhook sees.
    pub sees: Sees,
    /// What a comment is.
    pub card: Card,
    /// Own fields of tasks, `UF_…`, and which of them must not be empty.
    pub custom_fields: Vec<(String, Required)>,
    /// How much the disks hold together, in bytes.
    pub disk_quota: Option<usize>,
    /// Blocked by hand: `OVERLOAD_LIMIT`.
    pub is_blocked: bool,
    /// To what a batch is charged.
    pub charge: Charge,
    /// How a task without files says so.
    pub no_files: NoFiles,
    /// The new name of the portal; under any other, it answers 302.
    pub renamed_to: Option<String>,
}

/// Whether a field must not be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Required {
    /// It must not.
    Yes,
    /// It may be.
    No,
}

impl Default for Conduct {
    /// A portal of the day, as documented, with everything ticked.
    fn default() -> Conduct {
        Conduct {
            rest3: Rest3::WithKeys,
            filters_by_xml_id: true,
            takes_stage_in_add: false,
            search_lag: Duration::ZERO,
            zone: FixedOffset::east_opt(3 * 3600).expect("three hours are less than a day"),
            scopes: Scope::ALL.iter().copied().collect(),
            scope_status: 401,
            sees: Sees::Everything,
            card: Card::Chat,
            custom_fields: Vec::new(),
            disk_quota: None,
            is_blocked: false,
            charge: Charge::Inner,
            no_files: NoFiles::Null,
            renamed_to: None,
        }
    }
}
