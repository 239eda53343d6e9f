//! Long polling: the next offset goes out only after the last portion is written down.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use teloxide::payloads::{DeleteWebhook, GetUpdates, GetUpdatesSetters as _};
use teloxide::types::AllowedUpdate;
use tokio_util::sync::CancellationToken;

use super::Intake;
use crate::store::LaneId;
use crate::telegram::{Client, Error, Request, Verdict};

/// The kinds of updates the bot acts upon.
pub const ALLOWED: [AllowedUpdate; 4] = [
    AllowedUpdate::Message,
    AllowedUpdate::CallbackQuery,
    AllowedUpdate::PollAnswer,
    AllowedUpdate::MyChatMember,
];

/// No chat has this number: its lane belongs to whichever instance polls.
const POLLER: LaneId = LaneId(0);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Polls until told to stop. With several instances one polls; the others stand by.
pub async fn poll(intake: Arc<Intake>, client: Client, hold: Duration, stop: CancellationToken) {
    let work = async {
        loop {
            stand_by(&intake).await;
            let mut pause = FIRST_PAUSE;
            while let Err(error) = client.call::<bool>(Request::of(&DeleteWebhook::new())).await {
                tracing::warn!("cannot switch to polling yet: {error}");
                wait(&mut pause).await;
            }
            fetch(&intake, &client, hold).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

async fn stand_by(intake: &Intake) {
    loop {
        match intake.lanes.host().store().lease(POLLER).await {
            Ok(Some(_)) => return,
            Ok(None) => {}
            Err(error) => tracing::warn!("cannot tell who polls: {error}"),
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// Fetches updates until somebody else does.
async fn fetch(intake: &Intake, client: &Client, hold: Duration) {
    let (mut offset, mut pause) = (None, FIRST_PAUSE);
    loop {
        let mut request = GetUpdates::new()
            .limit(100)
            .timeout(u32::try_from(hold.as_secs()).unwrap_or(50))
            .allowed_updates(ALLOWED);
        request.offset = offset;
        let request = Request::of(&request);
        let method = request.method;
        let updates: Vec<Box<RawValue>> =
            match client.call_within(request, hold + Duration::from_secs(15)).await {
                Ok(updates) => updates,
                Err(Error::Refused { code: 409, description, .. }) => {
                    tracing::warn!("somebody else polls this bot: {description}");
                    return wait(&mut pause).await;
                }
                Err(error) => {
                    if error.verdict() == Verdict::Wait {
                        client.until_free(method).await;
                    } else {
                        tracing::warn!("cannot fetch updates: {error}");
                        wait(&mut pause).await;
                    }
                    continue;
                }
            };
        pause = FIRST_PAUSE;
        // An empty portion means that everything below the offset is confirmed. Without an offset the next call
        // confirms nothing more, and Telegram is free to start its numbers anew, even below ours.
        offset = updates
            .iter()
            .filter_map(|update| crate::telegram::update_id(update))
            .max()
            .and_then(|id| i32::try_from(id + 1).ok());
        while let Err(error) = intake.accept(updates.clone()).await {
            tracing::warn!("updates wait for the database: {error}");
            wait(&mut pause).await;
        }
    }
}

async fn wait(pause: &mut Duration) {
    tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
    *pause = (*pause * 2).min(LONGEST_PAUSE);
}
