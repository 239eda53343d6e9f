//! Lanes: the entries of one chat are taken strictly in order, one turn at a time; chats go on side by side.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, broadcast};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::conversation::{self, Advanced, Host};
use crate::outbox::Outbox;
use crate::store::inbox::{Entry, EntryId};
use crate::store::{self, LaneId, Lease, Verdict, Wakeup};

/// Hands the inbox to the conversations.
#[derive(Debug)]
pub struct Lanes {
    host: Arc<Host>,
    outbox: Arc<Outbox>,
    by_chat: Mutex<HashMap<LaneId, Lane>>,
    timers: Notify,
    /// Woken when a write may have been made that nobody in memory knows of.
    doubts: Notify,
    tasks: TaskTracker,
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<Entry>,
    /// The entry in work: known to be open, and not to be queued again.
    current: Option<EntryId>,
    is_served: bool,
    lease: Option<Lease>,
}

/// Lanes remembered with their leases while nothing happens in them; beyond that, quiet ones are forgotten.
const REMEMBERED: usize = 4_000;
/// How often a turn is repeated when the store asks to look again.
const LOOKS: usize = 3;
/// How often to look for the lanes of instances that died.
const GLANCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Lanes {
    /// Lanes with nothing in them.
    pub fn new(host: Arc<Host>, outbox: Arc<Outbox>) -> Arc<Lanes> {
        Arc::new(Lanes {
            host,
            outbox,
            by_chat: Mutex::default(),
            timers: Notify::new(),
            doubts: Notify::new(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    /// What the conversations work with.
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// Woken whenever a turn promised a moment.
    pub fn timers(&self) -> &Notify {
        &self.timers
    }

    /// Writes entries down and has them taken. Errors: the store's; then nothing is accepted.
    pub async fn accept(self: &Arc<Self>, entries: Vec<store::inbox::New>) -> Result<usize, store::Error> {
        let accepted = self.host.store().accept(entries).await.inspect_err(|error| self.doubt(error))?;
        let count = accepted.len();
        self.offer(accepted);
        Ok(count)
    }

    /// Takes entries that are on disk.
    pub fn offer(self: &Arc<Self>, entries: Vec<Entry>) {
        if entries.is_empty() || self.stop.is_cancelled() {
            return;
        }
        let mut lanes = self.lanes();
        for entry in entries {
            let id = entry.lane;
            let lane = lanes.entry(id).or_default();
            lane.queue.push_back(entry);
            self.serve(id, lane);
        }
    }

    /// Takes over every lane that has something to do and nobody to do it: what a process that died left behind.
    pub async fn recover(self: &Arc<Self>) -> Result<(), store::Error> {
        loop {
            let orphans = self.host.store().orphans(500).await?;
            let mut taken = 0;
            for id in &orphans {
                taken += usize::from(self.take_over(*id).await?);
            }
            // What is left has found a holder meanwhile, or the last portion was not full.
            if taken == 0 || orphans.len() < 500 {
                return Ok(());
            }
        }
    }

    /// Looks at what is on disk and in nobody's memory: what other instances accepted for our lanes, and what a
    /// write in doubt has left. Where others may die, their lanes are looked for now and then.
    pub async fn follow(self: Arc<Self>) {
        let store = self.host.store();
        let (mut wakeups, mut pause) = (store.wakeups(), PAUSE);
        // However many wake-ups there are, it comes.
        let mut glance = tokio::time::interval(GLANCE);
        glance.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let result = tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.doubts.notified() => self.look_everywhere().await,
                _ = glance.tick(), if store.is_shared() => self.look_for_entries().await,
                wakeup = wakeups.recv() => match wakeup {
                    Ok(Wakeup::Lane(id)) => self.look_again(id).await,
                    Ok(Wakeup::All) | Err(broadcast::error::RecvError::Lagged(_)) => self.look_everywhere().await,
                    Err(broadcast::error::RecvError::Closed) => return,
                },
            };
            match result {
                Ok(()) => pause = PAUSE,
                Err(error) => {
                    tracing::warn!("cannot look for what is left undone yet: {error}");
                    if self.paused(&mut pause).await {
                        return;
                    }
                    self.doubts.notify_one();
                }
            }
        }
    }

    /// Lets the turns in progress come to their ends, and takes no more; what waits stays on disk.
    pub async fn drain(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// How many lanes are at work.
    pub fn busy(&self) -> usize {
        self.lanes().values().filter(|lane| lane.is_served).count()
    }

    async fn look_everywhere(self: &Arc<Self>) -> Result<(), store::Error> {
        let store = self.host.store();
        for id in store.busy_lanes().await? {
            self.outbox.recover(store.open_messages(id.chat()).await?);
        }
        self.look_for_entries().await
    }

    async fn look_for_entries(self: &Arc<Self>) -> Result<(), store::Error> {
        for id in self.host.store().busy_lanes().await? {
            self.look_again(id).await?;
        }
        self.recover().await
    }

    /// Another instance accepted something for a lane: whatever is open in it is queued.
    async fn look_again(self: &Arc<Self>, id: LaneId) -> Result<(), store::Error> {
        let open = self.host.store().open_entries(id).await?;
        let mut lanes = self.lanes();
        let lane = lanes.entry(id).or_default();
        lane.queue_open(open);
        if !lane.queue.is_empty() {
            self.serve(id, lane);
        }
        Ok(())
    }

    /// Takes an orphan's lease, and queues its open entries and messages. False when another instance was faster.
    async fn take_over(self: &Arc<Self>, id: LaneId) -> Result<bool, store::Error> {
        {
            let mut lanes = self.lanes();
            let lane = lanes.entry(id).or_default();
            if lane.is_served || lane.lease.is_some() {
                return Ok(false); // It has found us meanwhile.
            }
            lane.is_served = true; // By ourselves, until its lease is taken.
        }
        let taken = self.try_lease(id).await;
        let mut lanes = self.lanes();
        if let Some(lane) = lanes.get_mut(&id) {
            lane.is_served = false;
            if matches!(taken, Ok(Some(_))) && !lane.queue.is_empty() {
                self.serve(id, lane);
            }
        }
        if !matches!(taken, Ok(Some(_))) {
            lanes.remove(&id);
        }
        Ok(taken?.is_some())
    }

    fn lanes(&self) -> std::sync::MutexGuard<'_, HashMap<LaneId, Lane>> {
        self.by_chat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(self: &Arc<Self>, id: LaneId, lane: &mut Lane) {
        if !lane.is_served {
            lane.is_served = true;
            let lanes = Arc::clone(self);
            self.tasks.spawn(async move { lanes.work(id).await });
        }
    }

    /// Takes a lane's entries until there are none. The lease comes first: with it comes what the lane held before,
    /// which goes before what has just come.
    async fn work(self: Arc<Self>, id: LaneId) {
        while let Some(lease) = self.held(id).await {
            let Some(entry) = self.next(id) else { return };
            if !self.turn(id, lease, &entry).await {
                break;
            }
        }
        self.let_go(id);
    }

    /// The lane's lease, taken if it is not ours yet.
    async fn held(self: &Arc<Self>, id: LaneId) -> Option<Lease> {
        let held = self.lanes().get(&id)?.lease;
        if held.is_some() { held } else { self.lease(id).await }
    }

    fn next(&self, id: LaneId) -> Option<Entry> {
        let mut lanes = self.lanes();
        let lane = lanes.get_mut(&id)?;
        let next = if self.stop.is_cancelled() { None } else { lane.queue.pop_front() };
        lane.current = next.as_ref().map(|entry| entry.id);
        lane.is_served = next.is_some();
        if next.is_none() {
            lane.queue = VecDeque::new(); // Most lanes are quiet, and an empty queue keeps its room.
            if lanes.len() > REMEMBERED {
                lanes.remove(&id);
            }
        }
        next
    }

    /// Takes the lane's lease. With other instances about, the lane may hold more than we were told of.
    async fn lease(self: &Arc<Self>, id: LaneId) -> Option<Lease> {
        let mut pause = PAUSE;
        loop {
            match self.try_lease(id).await {
                Ok(lease) => return lease,
                Err(error) if error.verdict() == Verdict::Retry => {
                    tracing::warn!("cannot take lane {}: {error}", id.0);
                }
                Err(error) => {
                    tracing::error!(chat.id = id.0, "cannot take lane {}: {error}", id.0);
                    return None;
                }
            }
            if self.paused(&mut pause).await {
                return None;
            }
        }
    }

    async fn try_lease(&self, id: LaneId) -> Result<Option<Lease>, store::Error> {
        let store = self.host.store();
        let Some(lease) = store.lease(id).await? else { return Ok(None) };
        self.outbox.recover(store.open_messages(id.chat()).await?);
        let open = store.open_entries(id).await?;
        if let Some(lane) = self.lanes().get_mut(&id) {
            lane.queue_open(open);
            lane.lease = Some(lease);
        }
        Ok(Some(lease))
    }

    /// One turn, repeated until it is on disk. False when the lane is not ours any more, or the process stops.
    async fn turn(self: &Arc<Self>, id: LaneId, mut lease: Lease, entry: &Entry) -> bool {
        let (mut pause, mut looks) = (PAUSE, 0);
        loop {
            let started = std::time::Instant::now();
            let span = tracing::info_span!(
                "turn", chat.id = id.0, entry.source = %entry.source, entry.key = %entry.key,
            );
            let hand_on = |advanced| self.hand_on(advanced);
            let error = match conversation::advance(&self.host, lease, entry, &hand_on).instrument(span).await
            {
                Ok(advanced) => {
                    metrics::histogram!("turn_duration_seconds").record(started.elapsed().as_secs_f64());
                    self.hand_on(advanced);
                    return true;
                }
                Err(error) => error,
            };
            self.doubt(&error);
            match error.verdict() {
                Verdict::LetGo => {
                    tracing::info!(chat.id = id.0, "lane {} has another holder: {error}", id.0);
                    // Perhaps it is this very instance, which took the lane anew.
                    let Some(newer) = self.lease(id).await else { return false };
                    lease = newer;
                    continue;
                }
                Verdict::Reload if matches!(error, store::Error::AlreadyDone) => return true,
                Verdict::Reload if looks < LOOKS => looks += 1,
                Verdict::Retry => tracing::warn!(chat.id = id.0, "a turn waits for the database: {error}"),
                Verdict::Reload | Verdict::GiveUp => {
                    // The entry stays open and is tried again at the next start.
                    tracing::error!(
                        chat.id = id.0,
                        entry.id = entry.id.0,
                        "entry {} left for later: {error}",
                        entry.id.0
                    );
                    return !matches!(error, store::Error::Closed | store::Error::Crashed);
                }
            }
            if self.paused(&mut pause).await {
                return false;
            }
        }
    }

    /// Hands on what a turn committed.
    fn hand_on(self: &Arc<Self>, advanced: Advanced) {
        if advanced.has_timers {
            self.timers.notify_one();
        }
        if advanced.is_in_doubt {
            self.doubts.notify_one();
        }
        self.outbox.offer(advanced.messages);
        self.outbox.decorate(advanced.effects);
        self.offer(advanced.entries);
    }

    /// Has somebody look at the disk when a write may be there that we were not told of.
    fn doubt(&self, error: &store::Error) {
        if matches!(error, store::Error::InDoubt { .. } | store::Error::AlreadyDone) {
            self.doubts.notify_one();
        }
    }

    /// Waits a little longer each time; true when the process stops meanwhile.
    async fn paused(&self, pause: &mut Duration) -> bool {
        let span = *pause;
        *pause = (span * 2).min(LONGEST_PAUSE);
        tokio::select! {
            () = self.stop.cancelled() => true,
            () = tokio::time::sleep(span) => false,
        }
    }

    fn let_go(&self, id: LaneId) {
        self.lanes().remove(&id);
    }
}

impl Lane {
    /// Queues what is open in the store and neither queued nor in work.
    fn queue_open(&mut self, open: Vec<Entry>) {
        let known: Vec<EntryId> = self.queue.iter().map(|entry| entry.id).chain(self.current).collect();
        self.queue.extend(open.into_iter().filter(|entry| !known.contains(&entry.id)));
        self.queue.make_contiguous().sort_by_key(|entry| entry.id);
    }
}
