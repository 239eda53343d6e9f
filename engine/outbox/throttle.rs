//! Telegram's limits, kept before Telegram has to remind us.

use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::config::DeliveryLimits;
use crate::telegram::ChatId;

/// Quotas over all chats, in one chat and in one group.
#[derive(Debug)]
pub(super) struct Throttle {
    overall: Option<DefaultDirectRateLimiter>,
    per_chat: Option<DefaultKeyedRateLimiter<ChatId>>,
    per_group: Option<DefaultKeyedRateLimiter<ChatId>>,
}

impl Throttle {
    pub fn new(limits: &DeliveryLimits) -> Throttle {
        let per_chat = limits.chat_per_second.get().map(|rate| {
            let burst = limits.chat_burst.get().unwrap_or(NonZeroU32::MIN);
            RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst))
        });
        Throttle {
            overall: limits.overall_per_second.get().map(|rate| RateLimiter::direct(Quota::per_second(rate))),
            per_chat,
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
    }

    /// Whether a nicety may go right now without making messages wait.
    pub fn has_room(&self) -> bool {
        self.overall.as_ref().is_none_or(|limiter| limiter.check().is_ok())
    }

    /// Forgets chats that have been quiet; called now and then, or the keys would stay for ever.
    pub fn forget_quiet(&self) {
        for limiter in [&self.per_chat, &self.per_group].into_iter().flatten() {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}
