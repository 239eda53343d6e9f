//! What each person wants to be told of; who never chose is told of everything.

use std::collections::BTreeSet;

use serde_json::json;

use super::change::Effect;
use super::database::{Pool, words};
use super::tx::Tx;
use super::{Error, Store};
use crate::telegram::UserId;

words! {
    /// Something that a person may not want to be told of.
    pub enum Notification {
        /// A task's stage has changed.
        TaskMoved = "task_moved",
        /// A comment was added to a task.
        TaskCommented = "task_commented",
        /// A task was completed.
        TaskCompleted = "task_completed",
        /// The week's numbers.
        WeeklyReport = "weekly_report",
        /// A question waits for long.
        Reminders = "reminders",
    }
}

impl Notification {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Notification; 5] = [
        Notification::TaskMoved,
        Notification::TaskCommented,
        Notification::TaskCompleted,
        Notification::WeeklyReport,
        Notification::Reminders,
    ];
}

impl Store {
    /// What a person does not want to be told of.
    pub async fn switched_off(&self, user: UserId) -> Result<BTreeSet<Notification>, Error> {
        switched_off(self.readers()?, user).await
    }
}

/// What a person does not want to be told of.
async fn switched_off(pool: &Pool, user: UserId) -> Result<BTreeSet<Notification>, Error> {
    const SQL: &str = "select name from notification_off where user_id = $1";
    let names: Vec<(String,)> = pool.rows("read notifications", SQL, &[user.0.into()]).await?;
    names.iter().map(|(name,)| Notification::parse("notification_off.name", name)).collect()
}

/// Switches a notification on or off. Somebody who is not a partner has none. Answers `null`.
pub(super) async fn switch(
    tx: &mut Tx,
    user: UserId,
    notification: Notification,
    is_on: bool,
) -> Result<Effect, Error> {
    const ON: &str = "delete from notification_off where user_id = $1 and name = $2";
    const OFF: &str = "\
        insert into notification_off (user_id, name)
        select user_id, $2 from partner where user_id = $1
        on conflict (user_id, name) do nothing";
    let sql = if is_on { ON } else { OFF };
    tx.run("switch a notification", sql, &[user.0.into(), notification.as_str().into()]).await?;
    Ok(Effect { answer: json!(null).into(), events: Vec::new() })
}
