//! A task of the portal has changed: what it is like now is noted, and its owner hears of what others did.

use std::time::Duration;

use super::deed::Portal;
use super::turn::Turn;
use crate::bitrix24::{self, Client, TaskId};
use crate::script::host::{portal_seen, stage_title};
use crate::store::change::Change;
use crate::store::task::{self, By, Seen};
use crate::store::{self, Local};

/// How long the look may take; what it misses the next look for changes finds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Looks at the task as it is now: events tell that something changed, not what, and come in any order.
pub(super) async fn look(turn: &mut Turn<'_>, portal: Portal) -> Result<(), store::Error> {
    let id = task::TaskId(portal.task);
    let Some(own) = turn.host.store().task(id).await? else { return Ok(()) };
    let seen = match (portal.seen, &turn.host.world().bitrix24) {
        (Some(seen), _) => Some(seen),
        (None, Some(client)) => {
            turn.deadline.put_off(PATIENCE);
            let looked = tokio::time::timeout(PATIENCE, ask(turn, client, portal.is_comment, own.id)).await;
            looked.unwrap_or_else(|_elapsed| {
                tracing::warn!(task.id = id.0, "task {} of the portal could not be looked at in time", id.0);
                None
            })
        }
        (None, None) => None,
    };
    if let Some(seen) = seen {
        let change = Change::SeeTask { task: id, seen, by: By::Others };
        turn.writes.local = Some(Local { row: None, change });
    }
    Ok(())
}

async fn ask(turn: &Turn<'_>, client: &Client, is_comment: bool, id: task::TaskId) -> Option<Seen> {
    let unlucky = |error: &bitrix24::Error| {
        tracing::warn!(task.id = id.0, "task {} of the portal cannot be looked at: {error}", id.0);
    };
    let task = client.task(TaskId(id.0)).await.inspect_err(unlucky).ok()??;
    let stage = stage_title(turn.host, task.group, task.stage).await;
    let mut seen = portal_seen(&task, stage);
    if is_comment {
        // Our own comments are those of the webhook's owner: they are not news.
        let comments = client.comments(TaskId(id.0)).await.inspect_err(unlucky).ok()?;
        let others: Vec<_> = comments
            .iter()
            .filter(|comment| comment.author.is_some_and(|author| author != client.owner()))
            .collect();
        seen.comments = i64::try_from(others.len()).ok();
        seen.words = others.last().map(|comment| comment.text.clone());
    }
    Some(seen)
}
