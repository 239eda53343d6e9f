//! What the people of the office do on the board, by hand.

use serde_json::json;

use super::call::Caller;
use super::events::Happened;
use super::method::Method;
use super::params::Params;
use super::tasks::{make_task, put_on};
use super::{Bitrix24, lock};

/// It cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unable {
    /// Nobody and nothing has this id.
    #[error("there is no {what} {id}")]
    Missing {
        /// `task`, `stage`, `employee`, `project`.
        what: &'static str,
        /// The id.
        id: i64,
    },
    /// The portal does not allow it: the column is another board's, the task is completed already.
    #[error("the portal does not allow it: {0}")]
    NotAllowed(String),
}

impl Bitrix24 {
    /// Drags a card to a column of its board. Its status stays.
    pub fn moves(&self, user: i64, task: i64, stage: i64) -> Result<(), Unable> {
        self.check(user, task)?;
        let mut office = lock(&self.0.office);
        let column = office.stages.get(&stage).ok_or(Unable::Missing { what: "stage", id: stage })?;
        if office.tasks.get(&task).is_none_or(|task| task.group != column.group) {
            return Err(Unable::NotAllowed("the column is another board's".to_owned()));
        }
        put_on(&mut office, task, stage, user, self.caller(user).now);
        drop(office);
        self.happened(Happened::TaskChanged(task));
        Ok(())
    }

    /// Completes a task.
    pub fn completes(&self, user: i64, task: i64) -> Result<(), Unable> {
        self.acts(user, task, Method::TaskComplete)
    }

    /// Takes a completed task up again.
    pub fn renews(&self, user: i64, task: i64) -> Result<(), Unable> {
        self.acts(user, task, Method::TaskRenew)
    }

    /// Says something in a task's chat; returns the message's id.
    pub fn comments(&self, user: i64, task: i64, text: &str) -> Result<i64, Unable> {
        self.check(user, task)?;
        let message = lock(&self.0.office).say(task, user, text, self.caller(user).now);
        self.happened(Happened::Commented { task, message });
        Ok(message)
    }

    /// Gives a task to another employee.
    pub fn assigns(&self, user: i64, task: i64, to: i64) -> Result<(), Unable> {
        self.check(to, task)?;
        self.changes(user, task, &json!({"RESPONSIBLE_ID": to}))
    }

    /// Changes fields of a task, by their names of the second generation.
    pub fn changes(&self, user: i64, task: i64, fields: &serde_json::Value) -> Result<(), Unable> {
        self.check(user, task)?;
        let params = Params::of_json(&json!({"taskId": task, "fields": fields}));
        self.task_update(&self.person(user), &params).map(drop).map_err(|why| Unable::NotAllowed(why.text))
    }

    /// Makes a task by hand, for oneself; returns its id.
    pub fn adds(&self, user: i64, group: i64, title: &str) -> Result<i64, Unable> {
        let mut office = lock(&self.0.office);
        if !office.users.contains_key(&user) {
            return Err(Unable::Missing { what: "employee", id: user });
        }
        let fields = json!({"TITLE": title, "GROUP_ID": group, "RESPONSIBLE_ID": user});
        let fields = fields.as_object().cloned().unwrap_or_default();
        let made = make_task(&mut office, &self.person(user), &fields, None);
        let task = made.map_err(|why| Unable::NotAllowed(why.text))?;
        drop(office);
        self.happened(Happened::TaskAdded(task));
        Ok(task)
    }

    /// Deletes a task.
    pub fn removes(&self, user: i64, task: i64) -> Result<(), Unable> {
        self.check(user, task)?;
        self.remove_task(&self.person(user), task).ok_or(Unable::Missing { what: "task", id: task })
    }

    /// Takes a column off its board: cards that were there are in the first one now.
    pub fn removes_column(&self, stage: i64) -> Result<(), Unable> {
        let removed = lock(&self.0.office).stages.remove(&stage);
        removed.ok_or(Unable::Missing { what: "stage", id: stage })?;
        self.announce(super::Event::Board);
        Ok(())
    }

    /// Dismisses an employee: they stay in the portal, not active.
    pub fn dismisses(&self, user: i64) -> Result<(), Unable> {
        let mut office = lock(&self.0.office);
        let employee = office.users.get_mut(&user).ok_or(Unable::Missing { what: "employee", id: user })?;
        employee.is_active = false;
        Ok(())
    }

    fn acts(&self, user: i64, task: i64, method: Method) -> Result<(), Unable> {
        self.check(user, task)?;
        let params = Params::of_json(&json!({"taskId": task}));
        self.task_action(&self.person(user), method, &params)
            .map(drop)
            .map_err(|why| Unable::NotAllowed(why.text))
    }

    /// In the portal itself people see everything: only the webhook is short-sighted.
    fn person(&self, user: i64) -> Caller {
        let mut caller = self.caller(user);
        caller.conduct.sees = super::Sees::Everything;
        caller
    }

    fn check(&self, user: i64, task: i64) -> Result<(), Unable> {
        let office = lock(&self.0.office);
        let has_user = office.users.contains_key(&user);
        has_user.then_some(()).ok_or(Unable::Missing { what: "employee", id: user })?;
        office.task(task).map(drop).ok_or(Unable::Missing { what: "task", id: task })
    }
}
