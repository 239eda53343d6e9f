//! Moments promised, and the housekeeping.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Timestamp;
use crate::intake::Intake;
use crate::lanes::Lanes;
use crate::outbox::Outbox;
use crate::store::{self, housekeeping::Retention};

/// Timers fired in one transaction.
const PORTION: u32 = 500;
/// With other instances about, their promises are looked for so often.
const GLANCE: Duration = Duration::from_secs(10);
const TIDYING: Duration = Duration::from_mins(10);
const PAUSE: Duration = Duration::from_secs(1);

/// Fires timers as their moments come, until told to stop; a moment that passed while nobody ran comes at once.
pub async fn keep_promises(lanes: Arc<Lanes>, stop: CancellationToken) {
    let (store, clock) = (lanes.host().store(), Arc::clone(lanes.host().clock()));
    loop {
        // Registered before looking: a promise made in between is not missed.
        let promised = lanes.timers().notified();
        let next = match fire_due(&lanes).await.and(store.next_fire().await) {
            Ok(next) => next,
            Err(error) => {
                tracing::warn!("timers wait for the database: {error}");
                Some(clock.now() + PAUSE)
            }
        };
        let glance = store.is_shared().then(|| clock.now() + GLANCE);
        let until = [next, glance].into_iter().flatten().min().unwrap_or(Timestamp(i64::MAX));
        tokio::select! {
            () = stop.cancelled() => return,
            () = promised => {}
            () = clock.sleep_until(until) => {}
        }
    }
}

async fn fire_due(lanes: &Arc<Lanes>) -> Result<(), store::Error> {
    loop {
        let fired = lanes.host().store().fire(lanes.host().clock().now(), PORTION).await?;
        let is_last = fired.len() < PORTION as usize;
        lanes.offer(fired);
        if is_last {
            return Ok(());
        }
    }
}

/// Throws away what is older than it need be, until told to stop.
pub async fn tidy(
    lanes: Arc<Lanes>,
    outbox: Arc<Outbox>,
    intake: Arc<Intake>,
    retention: Retention,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TIDYING) => {}
        }
        outbox.forget_quiet();
        intake.forget_quiet();
        match lanes.host().store().sweep(retention).await {
            Ok(swept) => tracing::debug!("swept: {swept:?}"),
            Err(error) => tracing::warn!("cannot sweep: {error}"),
        }
    }
}
