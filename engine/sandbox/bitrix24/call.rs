//! A call of the client: rights, limits, and which function does it.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::clock::Timestamp;

use super::conduct::{Charge, Conduct, Rest3};
use super::method::{Generation, Method, Scope};
use super::params::Params;
use super::refusal::Refusal;
use super::{Bitrix24, lock};

/// Rows of a page of the second generation, whatever is asked for.
pub(super) const PAGE: usize = 50;

/// A success.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Answer {
    pub result: Value,
    pub total: Option<usize>,
    /// Where the next page begins.
    pub next: Option<usize>,
}

pub(super) type Outcome = Result<Answer, Refusal>;

impl Answer {
    pub fn of(result: Value) -> Answer {
        Answer { result, ..Answer::default() }
    }

    pub fn page(result: Value, page: Page) -> Answer {
        Answer { result, total: page.total, next: page.next }
    }
}

/// A page of the second generation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    pub from: usize,
    total: Option<usize>,
    next: Option<usize>,
}

impl Page {
    /// The page that `start` falls on; `start=-1` is the first one, and nothing is counted.
    pub fn of(params: &Params, rows: usize) -> Page {
        let start = params.int("start").unwrap_or(0);
        if start == -1 {
            return Page { from: 0, total: None, next: None };
        }
        let from = usize::try_from(start).unwrap_or(0) / PAGE * PAGE;
        let next = Some(from + PAGE).filter(|next| *next < rows);
        Page { from, total: Some(rows), next }
    }
}

/// Who calls, when, and what the portal is like at the moment.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub user: i64,
    /// To the second.
    pub now: Timestamp,
    pub conduct: Conduct,
}

impl Bitrix24 {
    pub(super) fn caller(&self, user: i64) -> Caller {
        let now = self.now();
        Caller { user, now: Timestamp(now.0 - now.0.rem_euclid(1000)), conduct: self.conduct() }
    }

    /// Does a call that has passed the door: rights first, then the method's own limit, then the work, which is charged.
    pub(super) fn run(&self, caller: &Caller, method: Method, params: &Params) -> Outcome {
        check_scope(caller, method)?;
        let charged = match (method, caller.conduct.charge) {
            (Method::Batch | Method::Batch3, Charge::Inner) => None,
            _ => Some(method),
        };
        if let Some(method) = charged
            && lock(&self.0.meter).is_spent(method, caller.now)
        {
            return Err(Refusal::operating(method.generation()));
        }
        let outcome = self.perform(caller, method, params);
        if let Some(method) = charged {
            let mut meter = lock(&self.0.meter);
            let took = meter.limits.run_time(method);
            meter.charge(method, caller.now, took);
        }
        outcome
    }

    /// Does a command of a batch. When the batch itself is charged, its commands are neither charged nor limited.
    pub(super) fn run_inside(&self, caller: &Caller, method: Method, params: &Params) -> Outcome {
        self.0.calls[method as usize].fetch_add(1, Ordering::Relaxed);
        match caller.conduct.charge {
            Charge::Inner => self.run(caller, method, params),
            Charge::Outer => {
                check_scope(caller, method)?;
                self.perform(caller, method, params)
            }
        }
    }

    fn perform(&self, caller: &Caller, method: Method, params: &Params) -> Outcome {
        match method {
            Method::TaskAdd => self.task_add(caller, params),
            Method::TaskGet => self.task_get(caller, params),
            Method::TaskList => self.task_list(caller, params),
            Method::TaskUpdate => self.task_update(caller, params),
            Method::TaskDelete => self.task_delete(caller, params),
            Method::TaskComplete
            | Method::TaskRenew
            | Method::TaskStart
            | Method::TaskPause
            | Method::TaskDefer => self.task_action(caller, method, params),
            Method::TaskAttach => self.task_attach(caller, params),
            Method::StagesGet => self.stages_get(params),
            Method::StagesMove => self.stages_move(caller, params),
            Method::CommentAdd => self.comment_add(caller, params),
            Method::CommentList => self.comment_list(caller, params),
            Method::MessagesGet => self.messages_get(caller, params),
            Method::StorageList => Ok(self.storage_list(params)),
            Method::FolderChildren => self.folder_children(caller, params),
            Method::StorageUpload => self.storage_upload(caller, params),
            Method::FolderUpload => self.folder_upload(caller, params),
            Method::Upload => self.upload(caller, params),
            Method::AttachedGet => self.attached_get(caller, params),
            Method::UserGet => Ok(self.user_get(caller, params)),
            Method::UserCurrent => Ok(self.user_current(caller)),
            Method::Batch => Ok(self.batch(caller, params)),
            Method::Scopes => Ok(scopes(caller)),
            Method::Methods => Ok(Answer::of(names(Generation::V2))),
            Method::MethodGet => Ok(method_get(caller, params)),
            Method::Task3Add => self.task3_add(caller, params),
            Method::Task3Get => self.task3_get(caller, params),
            Method::Task3List => self.task3_list(caller, params),
            Method::Task3Update => self.task3_update(caller, params),
            Method::Task3Delete => self.task3_delete(caller, params),
            Method::Task3Attach => self.task3_attach(caller, params),
            Method::Task3Say => self.task3_say(caller, params),
            Method::Batch3 => self.batch3(caller, params),
            Method::OpenApi => Ok(open_api()),
        }
    }
}

pub(super) fn check_scope(caller: &Caller, method: Method) -> Result<(), Refusal> {
    let has = |scope: Scope| caller.conduct.scopes.contains(&scope);
    let is_allowed = match method.scope() {
        Scope::Basic => true,
        Scope::User => has(Scope::User) || has(Scope::UserBrief),
        scope => has(scope),
    };
    is_allowed.then_some(()).ok_or_else(|| Refusal::scope(method.generation(), caller.conduct.scope_status))
}

fn scopes(caller: &Caller) -> Answer {
    let ticked = Scope::ALL.iter().filter(|scope| caller.conduct.scopes.contains(scope));
    Answer::of(ticked.map(|scope| scope.name()).collect())
}

fn names(generation: Generation) -> Value {
    let all =
        Method::ALL.iter().filter(|method| method.generation() == generation && **method != Method::Upload);
    all.map(|method| method.name()).collect()
}

fn method_get(caller: &Caller, params: &Params) -> Answer {
    let name = params.get("name").map(super::params::text).unwrap_or_default();
    let found = Method::parse(&name).filter(|method| method.generation() == Generation::V2);
    let is_available = found.is_some_and(|method| check_scope(caller, method).is_ok());
    Answer::of(json!({"isExisting": found.is_some(), "isAvailable": is_available}))
}

fn open_api() -> Answer {
    let path = |name: &str| (name.replacen("api", "", 1), json!({"post": {"responses": {}}}));
    let all = Method::ALL.iter().filter(|method| method.generation() == Generation::V3);
    let paths: Value = Value::Object(all.map(|method| path(method.name())).collect());
    Answer::of(
        json!({"openapi": "3.0.0", "info": {"title": "Bitrix24 REST V3 API", "version": "1.0.0"}, "paths": paths}),
    )
}

/// Whether the portal has this generation at all.
pub(super) fn is_there(conduct: &Conduct, generation: Generation) -> bool {
    generation == Generation::V2 || conduct.rest3 != Rest3::Absent
}
