//! The database for whoever only looks, beside the bot that writes it.

use super::script_set::{self, ScriptSet};
use super::settings::Settings;
use super::task::{self, Task, TaskId};
use super::{Error, connect, database::Pool};
use crate::clock::Timestamp;

/// Reads what is kept without taking anybody's place: no lock, no instance, no migration.
#[derive(Debug)]
pub struct Archive(Pool);

impl Archive {
    /// Connects. Errors: there is no database yet.
    pub async fn open(settings: &Settings) -> Result<Archive, Error> {
        let server = connect::server(settings)?.for_reading();
        Ok(Archive(connect::readers(&Settings { most: 1, ..settings.clone() }, &server).await?))
    }

    /// A task by the portal's number.
    pub async fn task(&self, id: TaskId) -> Result<Option<Task>, Error> {
        task::by_id(&self.0, id).await
    }

    /// The tasks made at this moment or later, the earliest first.
    pub async fn tasks_since(&self, since: Timestamp) -> Result<Vec<Task>, Error> {
        task::since(&self.0, since).await
    }

    /// The scripts that went live last; `None` when none ever did.
    pub async fn live_set(&self) -> Result<Option<ScriptSet>, Error> {
        match script_set::last_live(&self.0).await? {
            Some(hash) => script_set::load(&self.0, &hash).await,
            None => Ok(None),
        }
    }

    /// Disconnects.
    pub async fn close(self) {
        self.0.close().await;
    }
}
