//! Telegram's limits, kept before Telegram has to remind us.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use nonzero_ext::nonzero;

use crate::config::DeliveryLimits;
use crate::telegram::ChatId;

/// Quotas over all chats, in one chat and in one group.
#[derive(Debug)]
pub(super) struct Throttle {
    overall: Option<DefaultDirectRateLimiter>,
    per_chat: Option<DefaultKeyedRateLimiter<ChatId>>,
    per_group: Option<DefaultKeyedRateLimiter<ChatId>>,
    spare: Option<Spare>,
}

/// What talks leave of the quota over all chats. Broadcasts take it evenly, so that the bucket from which talks take
/// theirs stays full: a talk waits for no broadcast, and each of its messages costs the broadcasts one turn.
#[derive(Debug)]
struct Spare {
    pace: DefaultDirectRateLimiter,
    /// Turns that talks have taken.
    owed: AtomicU32,
    /// What is owed at most: talks of an hour ago are no reason to wait.
    most: u32,
}

/// Turns that a broadcast may take at once: a third of a second in which a disk or a scheduler was slow is caught up
/// with. Telegram bears it, for nothing was sent meanwhile, and two thirds of its second are still the talks'.
const CATCH_UP: NonZeroU32 = nonzero!(10_u32);

impl Throttle {
    pub fn new(limits: &DeliveryLimits) -> Throttle {
        let per_chat = limits.chat_per_second.get().map(|rate| {
            let burst = limits.chat_burst.get().unwrap_or(NonZeroU32::MIN);
            RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst))
        });
        Throttle {
            overall: limits.overall_per_second.get().map(|rate| RateLimiter::direct(Quota::per_second(rate))),
            per_chat,
            spare: limits.overall_per_second.get().map(|rate| Spare {
                pace: RateLimiter::direct(Quota::per_second(rate).allow_burst(CATCH_UP.min(rate))),
                owed: AtomicU32::new(0),
                most: rate.get(),
            }),
            per_group: limits.group_per_minute.get().map(|rate| RateLimiter::keyed(Quota::per_minute(rate))),
        }
    }

    /// Waits until a message to this chat may go.
    pub async fn until_ready(&self, chat: ChatId) {
        if let Some(limiter) = self.per_group.as_ref().filter(|_| chat.is_group()) {
            limiter.until_key_ready(&chat).await;
        }
        if let Some(limiter) = &self.per_chat {
            limiter.until_key_ready(&chat).await;
        }
        if let Some(limiter) = &self.overall {
            limiter.until_ready().await;
        }
        self.owe();
    }

    /// Waits until a message of a broadcast may go.
    pub async fn until_spare(&self) {
        let Some(spare) = &self.spare else { return };
        loop {
            spare.pace.until_ready().await;
            let paid =
                spare.owed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |owed| owed.checked_sub(1));
            if paid.is_err() {
                return;
            }
        }
    }

    /// A talk has taken a turn.
    fn owe(&self) {
        if let Some(Spare { owed, most, .. }) = &self.spare {
            let more = |owed: u32| (owed < *most).then_some(owed + 1);
            // What is over the bound is forgotten.
            let _ = owed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        }
    }

    /// Whether a nicety may go right now without making messages wait.
    pub fn has_room(&self) -> bool {
        let has_room = self.overall.as_ref().is_none_or(|limiter| limiter.check().is_ok());
        if has_room {
            self.owe();
        }
        has_room
    }

    /// Forgets chats that have been quiet; called now and then, or the keys would stay for ever.
    pub fn forget_quiet(&self) {
        for limiter in [&self.per_chat, &self.per_group].into_iter().flatten() {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}
