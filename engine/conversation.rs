//! Conversations: one inbox entry advances one of them by one turn, and what it decides is committed whole.

mod deed;
mod hurry;
mod memory;
mod outside;
mod portal;
pub mod question;
mod route;
mod talk;
mod turn;
mod versions;
pub mod words;
mod world;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono_tz::Tz;
use futures::FutureExt as _;

use crate::cache::Cache;
use crate::clock::{SharedClock, Timestamp};
use crate::script::host::StandIn;
use crate::script::{Access, Scripts, Standing};
use crate::store::partner::{Partner, Status};
use crate::store::{self, LaneId, Lease, Store, inbox, outbox};
use crate::telegram::{ChatId, UserId};

pub use talk::trigger_data;
pub use turn::notice;
pub use world::{Kept, World};

/// What conversations need of the rest of the engine.
#[derive(Debug)]
pub struct Host {
    store: Store,
    scripts: Arc<Scripts>,
    clock: SharedClock,
    cache: Cache,
    settings: Settings,
    world: World,
    memory: memory::Memory,
    hurry: hurry::Hurry,
    stand_in: Option<Arc<dyn StandIn>>,
}

/// What the configuration says to conversations.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The office's chat.
    pub staff_chat: Option<ChatId>,
    /// Who acts for the office outside of its chat.
    pub staff: Vec<UserId>,
    /// The calendar by which it is night.
    pub zone: Tz,
    /// A turn that takes longer is given up and its conversation parked. Calls to other services are not counted:
    /// each has its own time.
    pub turn_deadline: Duration,
    /// A write whose answer is lost counts as not done when it is not to be found after so long.
    pub doubt_settles: Duration,
    /// How long a person waits for fresh answers when older ones are at hand.
    pub wait_for_fresh: Duration,
    /// The same when there are none.
    pub wait_for_first: Duration,
    /// How long to try to find out what became of a write before the office is asked.
    pub doubt_asks: Duration,
}

/// When a turn is given up; calls to other services put it off.
#[derive(Clone, Debug, Default)]
struct Deadline(Arc<Mutex<Option<Instant>>>);

impl Deadline {
    /// One so far from now; never, when that is beyond reckoning.
    fn within(span: Duration) -> Deadline {
        Deadline(Arc::new(Mutex::new(Instant::now().checked_add(span))))
    }

    /// Puts it off.
    fn put_off(&self, span: Duration) {
        let mut at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *at = at.and_then(|at| at.checked_add(span));
    }

    /// Returns when it has passed.
    async fn passed(&self) {
        loop {
            let at = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match at {
                Some(at) if at <= Instant::now() => return,
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        }
    }
}

/// What a turn brought about, beyond what is on disk.
#[derive(Debug, Default)]
pub struct Advanced {
    /// To be delivered in this chat.
    pub messages: Vec<outbox::Message>,
    /// Entries for other lanes.
    pub entries: Vec<inbox::Entry>,
    /// Whether moments were promised.
    pub has_timers: bool,
    /// Niceties that need no promise.
    pub effects: Vec<Effect>,
    /// Whether more may be on disk than is told here.
    pub is_in_doubt: bool,
}

/// Takes what a turn committed before its end: that stands, whatever becomes of the rest.
pub type HandOn<'a> = &'a (dyn Fn(Advanced) + Send + Sync);

/// Something nice to do that is not missed when a crash eats it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Show "typing…".
    Typing(ChatId),
    /// Take the buttons off a question that is answered.
    Tidy {
        /// Where.
        chat: ChatId,
        /// Which message.
        target: crate::telegram::Target,
        /// Its text from now on; `None` leaves the text alone.
        html: Option<String>,
    },
}

impl Host {
    /// The parts that conversations work with.
    pub fn new(
        store: Store,
        scripts: Arc<Scripts>,
        clock: SharedClock,
        cache: Cache,
        settings: Settings,
    ) -> Host {
        let (world, memory, hurry) = (World::default(), memory::Memory::default(), hurry::Hurry::default());
        Host { store, scripts, clock, cache, settings, world, memory, hurry, stand_in: None }
    }

    /// The same with services outside.
    #[must_use]
    pub fn with(self, world: World) -> Host {
        Host { world, ..self }
    }

    /// The same host, whose calls `stand_in` may answer in its place.
    #[must_use]
    pub fn with_stand_in(self, stand_in: Arc<dyn StandIn>) -> Host {
        Host { stand_in: Some(stand_in), ..self }
    }

    /// Somebody has written a command: the turn of their chat need not wait for services any more.
    pub fn hurry(&self, lane: LaneId) {
        self.hurry.up(lane);
    }

    /// The services outside.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The scripts.
    pub fn scripts(&self) -> &Scripts {
        &self.scripts
    }

    /// The clock.
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// The answers of outside services that are kept.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The office's chat.
    pub fn staff_chat(&self) -> Option<ChatId> {
        self.settings.staff_chat
    }

    fn is_staff(&self, chat: ChatId, user: UserId) -> bool {
        self.settings.staff_chat == Some(chat) || self.settings.staff.contains(&user)
    }

    /// How somebody stands in a chat, and their row when they have one. In a group nobody is a partner.
    async fn standing(
        &self,
        chat: ChatId,
        user: UserId,
    ) -> Result<(Standing, Option<Partner>), store::Error> {
        let is_staff = self.is_staff(chat, user);
        if chat.is_group() {
            return Ok((Standing { partner: None, is_staff }, None));
        }
        let partner = self.store.partner(user).await?;
        let access = match partner.as_ref().map(|partner| partner.status) {
            None | Some(Status::Guest) => Access::Guest,
            Some(Status::Pending) => Access::Pending,
            Some(Status::Rejected) => Access::Rejected,
            Some(Status::Verified) => Access::Verified,
        };
        Ok((Standing { partner: Some(access), is_staff }, partner))
    }
}

/// Since when a parked conversation waits for a service that is away, and for which write; `None` when it is parked for
/// another reason.
pub fn put_off(row: &store::conversation::Row) -> Option<(Timestamp, String)> {
    let detail: talk::Detail = row.detail.read().ok()?;
    let writing = detail.writing.filter(|writing| writing.is_put_off)?;
    Some((writing.since, detail.failure.map_or_else(String::new, |failure| failure.report)))
}

/// Advances a lane by one inbox entry: the conversation it concerns goes on, and all it decides is committed.
///
/// A script that fails, runs over the deadline or panics parks its conversation; that is a turn like another.
/// Errors are the store's: the caller repeats the entry when the verdict says so, and nothing is done twice.
pub async fn advance(
    host: &Host,
    lease: Lease,
    entry: &inbox::Entry,
    hand_on: HandOn<'_>,
) -> Result<Advanced, store::Error> {
    // Boxed: a turn is a large state, and every lane at work would carry one.
    let deadline = Deadline::within(host.settings.turn_deadline);
    let turn =
        AssertUnwindSafe(Box::pin(route::take(host, lease, entry, deadline.clone(), hand_on))).catch_unwind();
    let ended = tokio::select! {
        biased;
        ended = turn => Some(ended),
        () = deadline.passed() => None,
    };
    let reason = match ended {
        Some(Ok(Ok(advanced))) => return Ok(advanced),
        // Repeating would not make it smaller: without this the person would hear nothing at all.
        Some(Ok(Err(error @ store::Error::TooLarge { .. }))) => error.to_string(),
        Some(Ok(Err(error))) => {
            host.memory.forget(entry.lane.chat());
            return Err(error);
        }
        Some(Err(_panic)) => {
            metrics::counter!("turn_panics_total").increment(1);
            "a turn panicked".to_owned()
        }
        None => format!("a turn took longer than {} s", host.settings.turn_deadline.as_secs()),
    };
    host.memory.forget(entry.lane.chat());
    // Whoever broke off did not hear what became of its last write.
    let advanced = route::give_up(host, lease, entry, reason).await?;
    Ok(Advanced { is_in_doubt: true, ..advanced })
}
