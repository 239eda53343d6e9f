//! Messages decided and not yet delivered, in order per chat.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use sqlx::FromRow;

use super::database::{Pool, Rows};
use super::tx::{Insert, Ticket, Tx, insert, whatever};
use super::{Error, Json, partner};
use crate::clock::Timestamp;
use crate::telegram::ChatId;

/// The number of a message; a chat's messages are delivered in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct MessageId(pub i64);

/// A message to keep until it is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct New {
    /// Names the message for ever: the same key is never kept twice.
    pub key: String,
    /// Where it goes.
    pub chat: ChatId,
    /// The call to make, in the words of the delivery.
    pub call: Json,
}

/// A message not yet delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its number.
    pub id: MessageId,
    /// Its name.
    pub key: String,
    /// Where it goes.
    pub chat: ChatId,
    /// The call to make.
    pub call: Json,
    /// When it was decided.
    pub created_at: Timestamp,
    /// How often it was tried in vain.
    pub attempt_count: u32,
    /// It must not be tried before this instant; zero when it may go at once.
    pub not_before: Timestamp,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The message.
    pub message: MessageId,
    /// Its chat.
    pub chat: ChatId,
    /// What the delivery learned.
    pub outcome: Outcome,
}

/// How an attempt to deliver ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Delivered; Telegram's number of it, when it gave one. The partner is reachable again.
    Sent {
        /// The number within the chat.
        message_id: Option<i64>,
    },
    /// The call was wrong and is not repeated.
    Refused,
    /// The person blocked the bot: the partner is marked and everything queued for the chat is dropped.
    Unreachable,
    /// Not delivered; to be tried again.
    Later {
        /// Not before this instant.
        not_before: Timestamp,
    },
}

/// A new message as it is written.
#[derive(Serialize)]
struct Decided<'a> {
    key: &'a str,
    chat: ChatId,
    call: &'a Json,
    created_at: Timestamp,
}

/// A receipt as it is written; what is none stays as it was.
#[derive(Serialize)]
struct Settled {
    id: MessageId,
    outcome: Option<&'static str>,
    done_at: Option<Timestamp>,
    message_id: Option<i64>,
    not_before: Option<Timestamp>,
}

/// A message as it is read.
#[derive(FromRow)]
struct Stored {
    id: i64,
    key: String,
    chat_id: i64,
    call: String,
    created_at: i64,
    attempt_count: i64,
    not_before: i64,
}

impl From<Stored> for Message {
    fn from(stored: Stored) -> Message {
        Message {
            id: MessageId(stored.id),
            key: stored.key,
            chat: ChatId(stored.chat_id),
            call: Json::stored(stored.call),
            created_at: Timestamp(stored.created_at),
            attempt_count: u32::try_from(stored.attempt_count).unwrap_or(u32::MAX),
            not_before: Timestamp(stored.not_before),
        }
    }
}

/// Messages as rows of [`put`].
pub(super) fn rows(messages: &[New], created_at: Timestamp) -> Rows {
    Rows::of(messages.iter().map(|message| Decided {
        key: &message.key,
        chat: message.chat,
        call: &message.call,
        created_at,
    }))
}

/// Messages that are being kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    ticket: Ticket,
    count: usize,
}

/// Keeps messages.
pub(super) fn put(tx: &mut Tx, messages: Rows) -> Kept {
    const INSERT: Insert = insert!(
        "keep messages",
        "outbox",
        "id, key",
        "\
        insert into outbox (key, chat_id, call, created_at)
        select cast(value ->> 'key' as text), cast(value ->> 'chat' as bigint),
               cast(value ->> 'call' as text), cast(value ->> 'created_at' as bigint)
        from jsonb_each($1)
        where true -- or SQLite takes `on conflict` for a join's condition
        on conflict (key) do nothing"
    );
    Kept { count: messages.len(), ticket: tx.insert(&INSERT, messages) }
}

/// The numbers of messages that were kept, by key. [`Error::AlreadyDone`] when a key was taken.
pub(super) async fn numbers(tx: &mut Tx, kept: Kept) -> Result<HashMap<String, MessageId>, Error> {
    let numbers: Vec<(i64, String)> = tx.told(kept.ticket).await?;
    if numbers.len() < kept.count {
        return Err(Error::AlreadyDone);
    }
    Ok(numbers.into_iter().map(|(id, key)| (key, MessageId(id))).collect())
}

/// Writes what became of messages.
pub(super) fn settle(tx: &mut Tx, receipts: &[&Receipt], now: Timestamp) {
    const SETTLE: &str = "\
        update outbox
        set outcome = cast(receipt.value ->> 'outcome' as text),
            done_at = cast(receipt.value ->> 'done_at' as bigint),
            message_id = cast(receipt.value ->> 'message_id' as bigint),
            not_before = coalesce(cast(receipt.value ->> 'not_before' as bigint), outbox.not_before),
            attempt_count = outbox.attempt_count + 1
        from jsonb_each($1) as receipt
        where outbox.id = cast(receipt.value ->> 'id' as bigint) and outbox.done_at is null";
    const DROP: &str = "\
        update outbox set done_at = $2, outcome = 'unreachable'
        where chat_id in (select cast(value as bigint) from jsonb_each($1)) and done_at is null";

    let settled = Rows::of(receipts.iter().map(|receipt| settled(receipt, now)));
    tx.later("settle messages", SETTLE, settled, None, whatever);
    partner::mark_reached(tx, chats(receipts, |outcome| matches!(outcome, Outcome::Sent { .. })));
    let lost = chats(receipts, |outcome| matches!(outcome, Outcome::Unreachable));
    partner::mark_lost(tx, lost.clone());
    tx.later("drop messages", DROP, lost, Some(now.0), whatever);
}

/// The messages of a chat that are not delivered, in order.
pub(super) async fn open(pool: &Pool, chat: ChatId) -> Result<Vec<Message>, Error> {
    const SQL: &str = "\
        select id, key, chat_id, call, created_at, attempt_count, not_before
        from outbox
        where chat_id = $1 and done_at is null
        order by id";
    let open: Vec<Stored> = pool.rows("read the outbox", SQL, &[chat.0.into()]).await?;
    Ok(open.into_iter().map(Message::from).collect())
}

/// Telegram's number of the message kept under `key`.
pub(super) async fn delivered_as(pool: &Pool, key: &str) -> Result<Option<i64>, Error> {
    const SQL: &str = "select message_id from outbox where key = $1 and message_id is not null";
    let found: Vec<(i64,)> = pool.rows("find a delivered message", SQL, &[key.into()]).await?;
    Ok(found.first().map(|&(id,)| id))
}

/// A receipt as its row.
fn settled(receipt: &Receipt, now: Timestamp) -> Settled {
    let open =
        Settled { id: receipt.message, outcome: None, done_at: None, message_id: None, not_before: None };
    match receipt.outcome {
        Outcome::Sent { message_id } => {
            Settled { outcome: Some("sent"), done_at: Some(now), message_id, ..open }
        }
        Outcome::Refused => Settled { outcome: Some("refused"), done_at: Some(now), ..open },
        Outcome::Unreachable => Settled { outcome: Some("unreachable"), done_at: Some(now), ..open },
        Outcome::Later { not_before } => Settled { not_before: Some(not_before), ..open },
    }
}

/// The chats whose receipts have such an outcome, each once.
fn chats(receipts: &[&Receipt], such: fn(Outcome) -> bool) -> Rows {
    let chats: BTreeSet<ChatId> =
        receipts.iter().filter(|receipt| such(receipt.outcome)).map(|receipt| receipt.chat).collect();
    Rows::of(chats)
}
