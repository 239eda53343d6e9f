//! Delivery: nothing else sends messages. Each chat's messages go in order, one at a time, within Telegram's limits.
//!
//! A message leaves at least once: Telegram has no idempotency key, so an answer lost on the way means a second
//! try, and every such case is counted in `outbox_ambiguous_total`.

mod broadcasts;
mod effects;
mod pictures;
mod throttle;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::SharedClock;
use crate::config;
use crate::store::outbox::{Message, Outcome, Receipt};
use crate::store::{self, Json, Store, inbox};
use crate::telegram::{ChatId, Client, Content, Error, Markup, Outgoing, Sent, Target, Verdict, html};

use throttle::Throttle;

/// Delivers messages; shared by everybody who has some.
#[derive(Debug)]
pub struct Outbox {
    store: Store,
    client: Client,
    clock: SharedClock,
    staff_chat: Option<ChatId>,
    tidies: bool,
    throttle: Throttle,
    chats: Mutex<HashMap<ChatId, VecDeque<Message>>>,
    queued: AtomicUsize,
    recent: effects::Recent,
    pictures: pictures::Pictures,
    reports: mpsc::Sender<inbox::New>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// How long to wait after a failure before the same message is tried again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

impl Outbox {
    /// An outbox with nothing in it. What it has to tell the office comes out of the receiver, as inbox entries.
    pub fn new(
        store: Store,
        client: Client,
        clock: SharedClock,
        settings: &config::Telegram,
    ) -> (Arc<Outbox>, mpsc::Receiver<inbox::New>) {
        let (reports, received) = mpsc::channel(64);
        let outbox = Outbox {
            store,
            client,
            clock,
            staff_chat: settings.staff_chat,
            tidies: settings.tidy,
            throttle: Throttle::new(&settings.limits),
            chats: Mutex::default(),
            queued: AtomicUsize::new(0),
            recent: effects::Recent::default(),
            pictures: pictures::Pictures::default(),
            reports,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        (Arc::new(outbox), received)
    }

    /// Takes messages that are on disk, all of one chat and in order. Those that are here already, because somebody
    /// found them on disk before, stay where they are.
    pub fn offer(self: &Arc<Self>, mut messages: Vec<Message>) {
        let Some(chat) = messages.first().map(|message| message.chat) else { return };
        let mut chats = self.chats.lock().unwrap_or_else(PoisonError::into_inner);
        let is_served = chats.contains_key(&chat);
        let queue = chats.entry(chat).or_default();
        messages.retain(|message| queue.iter().all(|queued| queued.id != message.id));
        self.queued.fetch_add(messages.len(), Ordering::Relaxed);
        queue.extend(messages);
        queue.make_contiguous().sort_by_key(|message| message.id);
        if !is_served {
            let outbox = Arc::clone(self);
            self.tasks.spawn(async move { outbox.serve(chat).await });
        }
    }

    /// Takes a chat's messages as they are found on disk. The first of those that a process left when it died may
    /// have been delivered already.
    pub fn recover(self: &Arc<Self>, messages: Vec<Message>) {
        let Some(first) = messages.first() else { return };
        let is_ours = self.recent.find(&first.key).is_some() || self.waits(first);
        if !is_ours {
            metrics::counter!("outbox_ambiguous_total").increment(1);
        }
        self.offer(messages);
    }

    fn waits(&self, message: &Message) -> bool {
        let chats = self.chats.lock().unwrap_or_else(PoisonError::into_inner);
        chats.get(&message.chat).is_some_and(|queue| queue.iter().any(|queued| queued.id == message.id))
    }

    /// How many messages wait.
    pub fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Waits until everything offered is delivered, at most so long; the rest stays on disk for the next start.
    pub async fn drain(&self, at_most: Duration) {
        self.tasks.close();
        if tokio::time::timeout(at_most, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                messages.count = self.queued(),
                "{} messages stay for the next start",
                self.queued()
            );
            self.stop.cancel();
            self.tasks.wait().await;
        }
    }

    /// Delivers a chat's messages until there are none. The one on its way stays first in the queue.
    async fn serve(self: Arc<Self>, chat: ChatId) {
        while let Some(message) = self.first(chat) {
            let receipt = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                receipt = self.deliver(&message) => receipt,
            };
            let is_lost = receipt.outcome == Outcome::Unreachable;
            // The next message must not leave before this one is known to be gone: it would be sent twice.
            if !self.settle(receipt).await {
                return;
            }
            if is_lost {
                return self.forget(chat).await;
            }
            self.done_with(&message);
        }
    }

    /// The message to deliver next; a chat that has none is not served any more.
    fn first(&self, chat: ChatId) -> Option<Message> {
        let mut chats = self.chats.lock().unwrap_or_else(PoisonError::into_inner);
        let first = chats.get(&chat).and_then(VecDeque::front).cloned();
        if first.is_none() {
            chats.remove(&chat);
        }
        first
    }

    fn done_with(&self, message: &Message) {
        let mut chats = self.chats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = chats.get_mut(&message.chat) {
            queue.retain(|queued| queued.id != message.id);
            self.queued.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Delivers one message of a talk.
    async fn deliver(&self, message: &Message) -> Receipt {
        let receipt = |outcome| Receipt { message: message.id, chat: message.chat, outcome };
        // Found on disk when it had just left, and its receipt was not written yet.
        if let Some(id) = self.recent.find(&message.key) {
            return receipt(Outcome::Sent { message_id: Some(id) });
        }
        let errand = Errand { key: &message.key, chat: message.chat, call: &message.call, pace: Pace::Talk };
        receipt(match self.send(&errand).await {
            Fate::Sent { message_id, .. } => {
                if let Some(id) = message_id {
                    self.recent.note(&message.key, id);
                }
                metrics::histogram!("outbox_delay_seconds")
                    .record(self.clock.now().since(message.created_at).as_secs_f64());
                Outcome::Sent { message_id }
            }
            Fate::Refused => Outcome::Refused,
            Fate::Unreachable => Outcome::Unreachable,
        })
    }

    /// Sends until the fate of a message is certain.
    async fn send(&self, errand: &Errand<'_>) -> Fate {
        let outgoing: Outgoing = match errand.call.read() {
            Ok(outgoing) => outgoing,
            Err(error) => {
                tracing::error!(message.key = %errand.key, "message {} is unreadable: {error}", errand.key);
                return Fate::Refused;
            }
        };
        let picture = match self.pictures.of(&outgoing.content).await {
            Ok(picture) => picture,
            Err(error) => {
                self.report(errand, &error);
                return Fate::Refused;
            }
        };
        let (mut chat, mut markup, mut pause) = (errand.chat, Markup::Html, FIRST_PAUSE);
        let mut has_turn = errand.pace == Pace::Spare;
        loop {
            let edited = match self.edited(&outgoing).await {
                Ok(edited) => edited,
                Err(Nowhere) => return Fate::Refused,
            };
            let request = outgoing.request(chat, edited, markup).with(picture.clone());
            let method = request.method;
            // Telegram's own word first: what waited for it leaves at our pace, not all at once.
            self.client.until_free(method).await;
            match errand.pace {
                Pace::Talk => self.throttle.until_ready(chat).await,
                Pace::Spare if has_turn => has_turn = false,
                Pace::Spare => self.throttle.until_spare().await,
            }
            let error = match self.client.call::<Sent>(request).await {
                Ok(Sent { message_id, poll }) => {
                    return Fate::Sent { message_id: Some(message_id), poll: poll.map(|poll| poll.id) };
                }
                Err(error) => error,
            };
            match error.verdict() {
                Verdict::Done => return Fate::Sent { message_id: edited, poll: None },
                Verdict::Unreachable => {
                    tracing::info!(chat.id = chat.0, "chat {} cannot be reached: {error}", chat.0);
                    return Fate::Unreachable;
                }
                Verdict::WithoutMarkup if markup == Markup::Html => {
                    markup = Markup::Plain;
                    self.report(errand, &error);
                    continue;
                }
                Verdict::GiveUp | Verdict::WithoutMarkup => {
                    if let Error::Refused { moved_to: Some(new), .. } = &error
                        && chat == errand.chat
                    {
                        tracing::error!(
                            chat.id = chat.0,
                            "chat {} has become {new}; put the new id into config.yaml",
                            chat.0
                        );
                        chat = ChatId(*new);
                        continue;
                    }
                    self.report(errand, &error);
                    return Fate::Refused;
                }
                Verdict::Wait => {
                    tracing::debug!(chat.id = chat.0, "message {} waits: {error}", errand.key);
                    continue;
                }
                Verdict::InDoubt => metrics::counter!("outbox_ambiguous_total").increment(1),
                Verdict::Again => {}
            }
            tracing::warn!(chat.id = chat.0, message.key = %errand.key, "message {} not delivered yet: {error}", errand.key);
            metrics::counter!("api_retries_total", "service" => "telegram", "endpoint" => method)
                .increment(1);
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Telegram's number of the message that an edit concerns.
    async fn edited(&self, outgoing: &Outgoing) -> Result<Option<i64>, Nowhere> {
        let Content::Edit { target, .. } = &outgoing.content else { return Ok(None) };
        match target {
            Target::Message(id) => Ok(Some(*id)),
            Target::Key(key) => match self.recent.find(key) {
                Some(id) => Ok(Some(id)),
                None => self.store.delivered_as(key).await.ok().flatten().map(Some).ok_or(Nowhere),
            },
        }
    }

    /// Writes down what became of a message; `false` when the store is gone for good.
    async fn settle(&self, receipt: Receipt) -> bool {
        loop {
            match self.store.settle(receipt.clone()).await {
                Ok(()) => return true,
                Err(error) if error.verdict() == store::Verdict::Retry => {
                    tracing::warn!("cannot note a delivery yet: {error}");
                    tokio::select! {
                        () = self.stop.cancelled() => return false,
                        () = tokio::time::sleep(FIRST_PAUSE) => {}
                    }
                }
                Err(error) => {
                    tracing::error!(chat.id = receipt.chat.0, "cannot note a delivery: {error}");
                    // It will come twice after the next start; the chat must not fall silent until then.
                    return !matches!(error, store::Error::Closed | store::Error::Crashed);
                }
            }
        }
    }

    /// Forgets the messages that the store has dropped with the chat; what was decided since is kept.
    async fn forget(self: &Arc<Self>, chat: ChatId) {
        let dropped = {
            let mut chats = self.chats.lock().unwrap_or_else(PoisonError::into_inner);
            chats.remove(&chat).map_or(0, |queue| queue.len())
        };
        self.queued.fetch_sub(dropped, Ordering::Relaxed);
        match self.store.open_messages(chat).await {
            Ok(messages) => self.recover(messages),
            Err(error) => tracing::warn!(chat.id = chat.0, "cannot look for messages: {error}"),
        }
    }

    /// Tells the office about a message that Telegram did not take as it was. Of a broadcast it hears how many those
    /// were.
    fn report(&self, errand: &Errand<'_>, error: &dyn std::fmt::Display) {
        let (key, chat) = (errand.key, errand.chat);
        tracing::error!(chat.id = chat.0, message.key = %key, "message {key}: {error}");
        let is_told = errand.pace == Pace::Talk;
        let Some(staff) = self.staff_chat.filter(|staff| is_told && *staff != chat) else { return };
        let words = format!(
            "⚠️ Сообщение в чат <code>{}</code> Telegram не принял как есть.\n<pre>{}</pre>",
            chat.0,
            html::escape(&error.to_string())
        );
        let body = json!({ "html": words }).into();
        let key = format!("refused-{key}");
        let entry = inbox::New { source: "notice".to_owned(), key, lane: staff.into(), body };
        if self.reports.try_send(entry).is_err() {
            tracing::warn!("too many reports at once; see the log");
        }
    }
}

/// One message to send.
struct Errand<'a> {
    /// Its name.
    key: &'a str,
    chat: ChatId,
    call: &'a Json,
    pace: Pace,
}

/// When a message may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// As soon as the chat's own limits allow: somebody waits for it.
    Talk,
    /// When no talk needs the moment: the first attempt has its turn already.
    Spare,
}

/// What became of a message, for certain.
#[derive(Debug)]
pub enum Fate {
    /// Delivered.
    Sent {
        /// Telegram's number of it.
        message_id: Option<i64>,
        /// Telegram's name of the poll in it.
        poll: Option<String>,
    },
    /// Telegram will not have it.
    Refused,
    /// The person has stopped the bot.
    Unreachable,
}

/// The message to edit was never delivered, or so long ago that nobody knows.
struct Nowhere;
