//! Niceties: "typing…", buttons taken off an answered question, an answer to a press. They promise nothing, go
//! beside the messages, and only while nobody waits for those.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use cached::{Cached as _, LruCache};
use nonzero_ext::nonzero;
use serde::de::IgnoredAny;
use teloxide::payloads::{
    AnswerCallbackQuery, EditMessageReplyMarkup, EditMessageText, EditMessageTextSetters as _, SendChatAction,
};
use teloxide::types::{self, CallbackQueryId, ChatAction, MessageId, ParseMode};

use super::Outbox;
use crate::conversation::Effect;
use crate::telegram::{ChatId, Request, Target};

/// With more messages than this waiting, niceties are left out.
const BUSY: usize = 32;

/// Telegram's numbers of the messages delivered lately, by their keys.
#[derive(Debug)]
pub(super) struct Recent(Mutex<LruCache<String, i64>>);

const RECENT: NonZeroUsize = nonzero!(10_000_usize);

impl Default for Recent {
    fn default() -> Recent {
        Recent(Mutex::new(LruCache::new(RECENT.get())))
    }
}

impl Recent {
    pub fn note(&self, key: &str, message_id: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).cache_set(key.to_owned(), message_id);
    }

    pub fn find(&self, key: &str) -> Option<i64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).cache_get(key).copied()
    }
}

impl Outbox {
    /// Does what is nice to do, if there is room for it.
    pub fn decorate(self: &Arc<Self>, effects: Vec<Effect>) {
        for effect in effects {
            if self.queued() > BUSY || !self.throttle.has_room() {
                metrics::counter!("outbox_niceties_skipped_total").increment(1);
                continue;
            }
            if !self.tidies && matches!(effect, Effect::Tidy { .. }) {
                continue;
            }
            if let Some(request) = self.nicety(effect) {
                self.send_aside(request);
            }
        }
    }

    /// Answers a press, so that the person's client stops waiting.
    pub fn answer_press(self: &Arc<Self>, callback_id: String) {
        self.send_aside(Request::of(&AnswerCallbackQuery::new(CallbackQueryId(callback_id))));
    }

    /// Forgets the limits of chats that have been quiet.
    pub fn forget_quiet(&self) {
        self.throttle.forget_quiet();
    }

    fn nicety(&self, effect: Effect) -> Option<Request> {
        match effect {
            Effect::Typing(chat) => Some(Request::of(&SendChatAction::new(wire(chat), ChatAction::Typing))),
            Effect::Tidy { chat, target, html } => {
                let id = match target {
                    Target::Message(id) => id,
                    Target::Key(key) => self.recent.find(&key)?,
                };
                let id = MessageId(i32::try_from(id).ok()?);
                Some(match html {
                    Some(html) => {
                        Request::of(&EditMessageText::new(wire(chat), id, html).parse_mode(ParseMode::Html))
                    }
                    None => Request::of(&EditMessageReplyMarkup::new(wire(chat), id)),
                })
            }
        }
    }

    fn send_aside(self: &Arc<Self>, request: Request) {
        let outbox = Arc::clone(self);
        self.tasks.spawn(async move {
            let method = request.method;
            tokio::select! {
                () = outbox.stop.cancelled() => {}
                result = outbox.client.call::<IgnoredAny>(request) => {
                    if let Err(error) = result {
                        tracing::debug!("{method} was a nicety and failed: {error}");
                    }
                }
            }
        });
    }
}

fn wire(chat: ChatId) -> types::ChatId {
    types::ChatId(chat.0)
}
