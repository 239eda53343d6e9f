//! What the portal tells of tasks, and what it did not tell: both end as the same look at a task in its owner's lane.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::bitrix24::event::{self, Event, What};
use crate::bitrix24::{Client, GroupId, TaskFilter};
use crate::clock::Timestamp;
use crate::config::Bitrix24;
use crate::http::Priority;
use crate::lanes::Lanes;
use crate::script::host::{portal_seen, stage_title};
use crate::store::task::TaskId;
use crate::store::{self, LaneId, inbox};

/// The lane that no chat has, which belongs to the instance that asks the portal for changes.
const ASKER: LaneId = LaneId(-1);
/// How far the first look goes back: the portal may have been busy while nobody ran.
const FIRST_LOOK: Duration = Duration::from_hours(7 * 24);
/// Looks overlap by so much: the portal's clock is not ours.
const OVERLAP: Duration = Duration::from_mins(10);

/// What became of an event's body.
#[derive(Debug)]
pub enum Heard {
    /// Written down, or none of our business.
    Taken,
    /// Not from our portal.
    Forged,
}

/// Takes the body of an outgoing webhook: the owner's lane gets it, unless the task is none of ours.
///
/// Errors: the store's; then nothing is accepted, and the next look for changes finds it.
pub async fn hear(lanes: &Arc<Lanes>, settings: &Bitrix24, body: &[u8]) -> Result<Heard, store::Error> {
    let event = match event::parse(body, settings.application_token.as_ref()) {
        Ok(event) => event,
        Err(error @ (event::Error::NoToken | event::Error::Forged)) => {
            tracing::warn!("an event of the portal is not believed: {error}");
            return Ok(Heard::Forged);
        }
        Err(error) => {
            tracing::debug!("an event of the portal is left aside: {error}");
            return Ok(Heard::Taken);
        }
    };
    let Some(task) = lanes.host().store().task(TaskId(event.task.0)).await? else { return Ok(Heard::Taken) };
    lanes.accept(vec![entry(task.chat.into(), &event)]).await?;
    Ok(Heard::Taken)
}

fn entry(lane: LaneId, event: &Event) -> inbox::New {
    let is_comment = matches!(event.what, What::Commented { .. });
    inbox::New {
        source: "bitrix24".to_owned(),
        key: event.dedupe_key.clone(),
        lane,
        body: json!({ "task": event.task, "is_comment": is_comment }).into(),
    }
}

/// Asks the portal now and then for what has changed, until told to stop: events may be lost. One instance at a time.
pub async fn keep_up(lanes: Arc<Lanes>, client: Client, every: Duration, stop: CancellationToken) {
    let client = client.at(Priority::Report);
    let mut since = lanes.host().clock().now() - FIRST_LOOK;
    loop {
        let began = lanes.host().clock().now();
        match look(&lanes, &client, since).await {
            Ok(Some(found)) => {
                tracing::debug!(tasks.count = found, "{found} tasks have changed unnoticed");
                since = began - OVERLAP;
            }
            Ok(None) => {} // Another instance asks.
            Err(error) => tracing::warn!("cannot ask the portal for changes: {error}"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = lanes.host().clock().sleep_until(began + every) => {}
        }
    }
}

/// Why a look came to nothing.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Portal(#[from] crate::bitrix24::Error),
}

/// One look: an entry for each task that is not as our row of it. `None` when another instance does this.
async fn look(lanes: &Arc<Lanes>, client: &Client, since: Timestamp) -> Result<Option<usize>, LookError> {
    let (host, store) = (lanes.host(), lanes.host().store());
    if store.lease(ASKER).await?.is_none() {
        return Ok(None);
    }
    let groups: Vec<GroupId> =
        host.world().departments.iter().filter_map(|department| department.group).map(GroupId).collect();
    if groups.is_empty() {
        return Ok(Some(0));
    }
    let filter = TaskFilter { groups, changed_since: Some(since), ..TaskFilter::default() };
    let mut entries = Vec::new();
    for task in client.tasks(&filter).await? {
        let Some(own) = store.task(TaskId(task.id.0)).await? else { continue };
        let stage = stage_title(host, task.group, task.stage).await;
        let seen = portal_seen(&task, stage);
        let is_news = (seen.stage_id, seen.status) != (own.seen.stage_id, own.seen.status);
        if is_news {
            let at = seen.changed_at.map_or(0, |at| at.0);
            entries.push(inbox::New {
                source: "bitrix24".to_owned(),
                key: format!("look:{}:{at}:{:?}:{:?}", task.id, seen.stage_id, seen.status),
                lane: own.chat.into(),
                body: json!({ "task": task.id, "seen": seen }).into(),
            });
        }
    }
    Ok(Some(lanes.accept(entries).await?))
}
