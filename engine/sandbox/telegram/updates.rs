//! What waits for the bot: updates with their ids, their lives and their order; long polling.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Bytes;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::clock::Timestamp;

use super::call::Reply;
use super::params::Params;
use super::refusal::Refusal;
use super::webhook::Webhook;
use super::{Telegram, lock};

const DAY: Duration = Duration::from_hours(24);
/// How long a press waits to be fetched, and to be answered.
pub(super) const CALLBACK_LIFE: Duration = Duration::from_secs(150);
const MAX_PENDING: usize = 100_000;
const MAX_ANSWER_BYTES: usize = 4 << 20;
/// Late-comers of the same instant share an answer.
const GATHER: Duration = Duration::from_millis(2);
const SPIN: Duration = Duration::from_secs(3);
const FAST_SPIN: Duration = Duration::from_millis(500);

const BY_OTHER: &str =
    "terminated by other getUpdates request; make sure that only one bot instance is running";
const BY_WEBHOOK: &str = "terminated by setWebhook request";
const WHILE_WEBHOOK: &str =
    "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";

/// Every kind that may be named in `allowed_updates`.
const KINDS: [&str; 23] = [
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "inline_query",
    "chosen_inline_result",
    "callback_query",
    "shipping_query",
    "pre_checkout_query",
    "purchased_paid_media",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
    "chat_member",
    "message_reaction",
    "message_reaction_count",
];
const OFF_BY_DEFAULT: [&str; 3] = ["chat_member", "message_reaction", "message_reaction_count"];

/// Within a queue updates are delivered one by one; different queues overtake each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Queue {
    Chat(i64),
    Presses(i64),
    Membership(i64),
    Poll(String),
}

/// An update that was not confirmed.
pub(super) struct Pending {
    pub queue: Queue,
    pub expires: Timestamp,
    pub json: Bytes,
}

/// What waits for the bot.
pub(super) struct Updates {
    pub pending: BTreeMap<i64, Pending>,
    pub webhook: Option<Webhook>,
    pub webhooks_set: u64,
    next_id: i64,
    /// `None` is the default subscription.
    allowed: Option<Vec<&'static str>>,
    waiting: Option<oneshot::Sender<Wake>>,
    last_poll: Option<(i64, Instant)>,
    next_conflict: Option<Instant>,
}

enum Wake {
    News,
    Conflict(&'static str),
}

/// How a poll begins.
enum Polled {
    Answer(Reply),
    Conflict(&'static str),
    Hold(Hold),
}

struct Hold {
    first: i64,
    limit: usize,
    time: Duration,
    waiter: oneshot::Receiver<Wake>,
}

impl Updates {
    pub fn new(first_id: i64) -> Updates {
        Updates {
            pending: BTreeMap::new(),
            webhook: None,
            webhooks_set: 0,
            next_id: first_id,
            allowed: None,
            waiting: None,
            last_poll: None,
            next_conflict: None,
        }
    }

    /// The subscription, unless it is the default one.
    pub fn allowed(&self) -> Option<&[&'static str]> {
        self.allowed.as_deref()
    }

    /// Remembers `allowed_updates`: a list replaces, nothing or nonsense keeps, an empty list resets.
    pub fn subscribe(&mut self, params: &Params) {
        let Ok(Some(names)) = params.json::<Vec<String>>("allowed_updates", "") else { return };
        let known = |name: &String| KINDS.into_iter().find(|kind| kind == name);
        self.allowed = if names.is_empty() { None } else { Some(names.iter().filter_map(known).collect()) };
    }

    /// Drops what nobody fetched in time.
    pub fn expire(&mut self, now: Timestamp) {
        self.pending.retain(|_, update| update.expires > now);
    }

    /// Ends a waiting poll because a webhook is being set.
    pub fn interrupt_poll(&mut self) {
        self.wake(Wake::Conflict(BY_WEBHOOK));
    }

    fn wake(&mut self, wake: Wake) {
        if let Some(waiting) = self.waiting.take() {
            // A client that hung up is past caring.
            let _ = waiting.send(wake);
        }
    }

    fn wants(&self, kind: &str) -> bool {
        match &self.allowed {
            Some(allowed) => allowed.contains(&kind),
            None => !OFF_BY_DEFAULT.contains(&kind),
        }
    }

    /// Forgets what `offset` confirms and returns the id to begin with.
    fn confirm(&mut self, offset: i64) -> i64 {
        let first = match offset {
            0 => return i64::MIN,
            1.. => offset,
            ..0 => {
                let newest = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
                let first = self.pending.keys().rev().take(newest).last();
                first.copied().unwrap_or(i64::MIN)
            }
        };
        while self.pending.first_key_value().is_some_and(|(id, _)| *id < first) {
            self.pending.pop_first();
        }
        first
    }

    /// The answer to a poll, or `None` when there is nothing to say.
    fn collect(&mut self, first: i64, limit: usize, now: Timestamp) -> Option<Reply> {
        let mut list = String::from("[");
        for (_, update) in self.pending.range(first..).filter(|(_, update)| update.expires > now).take(limit)
        {
            if list.len() > 1 {
                if list.len() + update.json.len() > MAX_ANSWER_BYTES {
                    break;
                }
                list.push(',');
            }
            list.push_str(std::str::from_utf8(&update.json).expect("updates are written from strings"));
        }
        let is_empty = list.len() == 1;
        list.push(']');
        (!is_empty).then(|| Reply::raw(list))
    }
}

impl Telegram {
    /// Creates an update if the bot subscribed to its kind, and returns its id.
    pub(super) fn push_update(&self, kind: &str, queue: Queue, body: &Value) -> Option<i64> {
        let life = if kind == "callback_query" { CALLBACK_LIFE } else { DAY };
        let expires = self.now() + life;
        let mut updates = lock(&self.0.updates);
        if !updates.wants(kind) || updates.pending.len() >= MAX_PENDING {
            return None;
        }
        let id = updates.next_id;
        updates.next_id += 1;
        let json = format!("{{\"update_id\":{id},\"{kind}\":{body}}}");
        self.enqueue(&mut updates, id, Pending { queue, expires, json: Bytes::from(json) });
        Some(id)
    }

    /// Hands the bot an update as it is. Without `update_id` it gets the next one; with an id that was used before
    /// it comes again, as Telegram may do.
    pub fn raw_update(&self, update: &Value) -> i64 {
        let mut update = update.clone();
        let number = |pointer: &str| update.pointer(pointer).and_then(Value::as_i64);
        let queue = number("/callback_query/from/id").map(Queue::Presses);
        let queue = queue.or_else(|| number("/my_chat_member/chat/id").map(Queue::Membership));
        let queue = queue.or_else(|| number("/message/chat/id").map(Queue::Chat)).unwrap_or(Queue::Chat(0));
        let expires = self.now() + DAY;
        let mut updates = lock(&self.0.updates);
        let id = update.get("update_id").and_then(Value::as_i64).unwrap_or(updates.next_id);
        update["update_id"] = id.into();
        updates.next_id = updates.next_id.max(id + 1);
        let json = Bytes::from(update.to_string());
        self.enqueue(&mut updates, id, Pending { queue, expires, json });
        id
    }

    /// How many updates the bot has not confirmed.
    pub fn pending_updates(&self) -> usize {
        let mut updates = lock(&self.0.updates);
        updates.expire(self.now());
        updates.pending.len()
    }

    /// Whether the bot is waiting in a long poll.
    pub fn is_polled(&self) -> bool {
        lock(&self.0.updates).waiting.as_ref().is_some_and(|waiting| !waiting.is_closed())
    }

    fn enqueue(&self, updates: &mut Updates, id: i64, update: Pending) {
        if let Some(webhook) = &mut updates.webhook {
            webhook.enqueue(update.queue.clone(), id);
        }
        updates.pending.insert(id, update);
        updates.wake(Wake::News);
        self.pump(updates);
    }

    pub(super) async fn get_updates(&self, params: &Params) -> Result<Reply, Refusal> {
        let hold = match self.poll(params) {
            Polled::Answer(reply) => return Ok(reply),
            Polled::Conflict(text) => return Err(self.conflict(text).await),
            Polled::Hold(hold) => hold,
        };
        self.touch();
        match tokio::time::timeout(hold.time, hold.waiter).await {
            Ok(Ok(Wake::Conflict(text))) => return Err(self.conflict(text).await),
            Ok(Ok(Wake::News)) => tokio::time::sleep(GATHER).await,
            // The time is up.
            Ok(Err(_)) | Err(_) => {}
        }
        let found = lock(&self.0.updates).collect(hold.first, hold.limit, self.now());
        Ok(found.unwrap_or_else(Reply::nothing))
    }

    fn poll(&self, params: &Params) -> Polled {
        let offset = params.int("offset").unwrap_or(0);
        let mut limit = usize::try_from(params.int("limit").unwrap_or(100).clamp(1, 100)).unwrap_or(100);
        let mut time = Duration::from_secs(params.int("timeout").unwrap_or(0).clamp(0, 50).unsigned_abs());
        let mut updates = lock(&self.0.updates);
        if updates.webhook.is_some() {
            return Polled::Conflict(WHILE_WEBHOOK);
        }
        updates.subscribe(params);
        updates.wake(Wake::Conflict(BY_OTHER));
        // A client that spins is slowed down.
        let same_since = updates.last_poll.filter(|(last, _)| *last == offset).map(|(_, at)| at.elapsed());
        if time < SPIN && same_since.is_some_and(|since| since < SPIN) {
            time = SPIN;
        }
        if same_since.is_some_and(|since| since < FAST_SPIN) {
            limit = 1;
        }
        updates.last_poll = Some((offset, Instant::now()));
        updates.expire(self.now());
        let first = updates.confirm(offset);
        if let Some(reply) = updates.collect(first, limit, self.now()) {
            return Polled::Answer(reply);
        }
        if time.is_zero() {
            return Polled::Answer(Reply::nothing());
        }
        let (sender, waiter) = oneshot::channel();
        updates.waiting = Some(sender);
        Polled::Hold(Hold { first, limit, time, waiter })
    }

    /// A 409; one that follows another within 3 seconds is held back so long.
    async fn conflict(&self, text: &str) -> Refusal {
        let is_repeated = {
            let mut updates = lock(&self.0.updates);
            let is_repeated = updates.next_conflict.is_some_and(|at| Instant::now() < at);
            if !is_repeated {
                updates.next_conflict = Some(Instant::now() + SPIN);
            }
            is_repeated
        };
        if is_repeated {
            tokio::time::sleep(SPIN).await;
        }
        Refusal::conflict(text)
    }
}
