//! Broadcasts on their way: one message to many people, beside the talks and never before them.
//!
//! Each recipient is claimed on disk before their message leaves and settled after, one by one: a process that dies
//! leaves in doubt only what was under way, and the next goes on exactly there.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Timestamp;
use crate::lanes::Lanes;
use crate::outbox::{Fate, Outbox};
use crate::store::broadcast::{self, Broadcast, Recipient};
use crate::store::{self, LaneId, Store, inbox};

/// The lane that no chat has, which belongs to the instance that sends broadcasts.
const SENDER: LaneId = LaneId(-2);
/// How often somebody looks whether there is anything to send.
const GLANCE: Duration = Duration::from_secs(1);
/// How often the office is shown how far a broadcast is: its chat takes twenty messages a minute.
const PROGRESS: Duration = Duration::from_secs(10);
/// Messages under way at a time. Telegram's limit a second, so that a second's delay costs no pace.
const UNDER_WAY: usize = 32;
/// Copies of closed polls read at a time.
const COPIES: u32 = 100;
const PAUSE: Duration = Duration::from_secs(1);

/// Sends what is to be sent, until told to stop. One instance at a time does.
pub async fn deliver(lanes: Arc<Lanes>, outbox: Arc<Outbox>, stop: CancellationToken) {
    let sender = Sender { lanes, outbox, stop };
    loop {
        if let Err(error) = sender.look().await {
            tracing::warn!("broadcasts wait for the database: {error}");
        }
        tokio::select! {
            () = sender.stop.cancelled() => return,
            () = tokio::time::sleep(GLANCE) => {}
        }
    }
}

struct Sender {
    lanes: Arc<Lanes>,
    outbox: Arc<Outbox>,
    stop: CancellationToken,
}

impl Sender {
    fn store(&self) -> &Store {
        self.lanes.host().store()
    }

    /// Sends every broadcast that runs, the oldest first, then closes the copies of closed polls.
    async fn look(&self) -> Result<(), store::Error> {
        let running = self.store().running_broadcasts().await?;
        let closing = self.store().open_copies(COPIES).await?;
        if running.is_empty() && closing.is_empty() || self.store().lease(SENDER).await?.is_none() {
            return Ok(());
        }
        for broadcast in running {
            self.send(&broadcast).await?;
        }
        for copy in closing {
            if self.stop.is_cancelled() {
                break;
            }
            if self.outbox.stop_poll(copy.chat, copy.message_id).await {
                self.store().shut_copy(copy).await?;
            }
        }
        Ok(())
    }

    /// Sends one broadcast to everybody who still waits for it.
    async fn send(&self, broadcast: &Broadcast) -> Result<(), store::Error> {
        let id = broadcast.id;
        let in_doubt = self.store().take_back(id).await?;
        metrics::counter!("outbox_ambiguous_total").increment(in_doubt);
        tracing::info!(broadcast.id = id.0, broadcast.in_doubt = in_doubt, "broadcast {} goes on", id.0);
        let (under_way, tasks) = (Arc::new(Semaphore::new(UNDER_WAY)), TaskTracker::new());
        let mut shown_at = self.lanes.host().clock().now();
        let ended = loop {
            let permit = tokio::select! {
                () = self.stop.cancelled() => break Ok(()),
                permit = Arc::clone(&under_way).acquire_owned() => permit.expect("it is never closed"),
            };
            // Its turn first, so that whoever is claimed is written to at once.
            tokio::select! {
                () = self.stop.cancelled() => break Ok(()),
                () = self.outbox.spare_turn() => {}
            }
            let to = match self.store().claim(id).await {
                Ok(Some(to)) => to,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            let (store, outbox, call) =
                (self.store().clone(), Arc::clone(&self.outbox), broadcast.call.clone());
            tasks.spawn(async move {
                let key = format!("broadcast-{}-{}", id.0, to.user.0);
                let fate = outbox.send_spare(&key, to.chat, &call).await;
                settle(&store, id, receipt(to, fate)).await;
                drop(permit);
            });
            self.show(broadcast, &mut shown_at).await;
        };
        tasks.close();
        tasks.wait().await;
        ended?;
        self.lanes.offer(self.store().finish_broadcast(id).await?);
        Ok(())
    }

    /// Has the office shown how far a broadcast is, now and then.
    async fn show(&self, broadcast: &Broadcast, shown_at: &mut Timestamp) {
        let now = self.lanes.host().clock().now();
        let Some(staff) = broadcast.staff.filter(|_| *shown_at + PROGRESS <= now) else { return };
        *shown_at = now;
        let event = inbox::New {
            source: "event".to_owned(),
            key: format!("broadcast.progress:{}:{}", broadcast.id.0, now.0),
            lane: staff.into(),
            body: json!({ "event": "broadcast.progress", "data": { "broadcast": broadcast.id.0 } }).into(),
        };
        if let Err(error) = self.lanes.accept(vec![event]).await {
            tracing::debug!("the office does not see how far a broadcast is: {error}");
        }
    }
}

fn receipt(to: Recipient, fate: Fate) -> broadcast::Receipt {
    let (fate, message_id, telegram_poll) = match fate {
        Fate::Sent { message_id, poll } => (broadcast::Fate::Sent, message_id, poll),
        Fate::Refused => (broadcast::Fate::Failed, None, None),
        Fate::Unreachable => (broadcast::Fate::Blocked, None, None),
    };
    metrics::counter!("broadcast_messages_total", "outcome" => fate.as_str()).increment(1);
    broadcast::Receipt { to, fate, message_id, telegram_poll }
}

/// Writes down what became of a message, however long that takes: else it would be sent again.
async fn settle(store: &Store, id: broadcast::BroadcastId, receipt: broadcast::Receipt) {
    while let Err(error) = store.settle_broadcast(id, receipt.clone()).await {
        if error.verdict() != store::Verdict::Retry {
            return tracing::error!(broadcast.id = id.0, "cannot note a message of a broadcast: {error}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
