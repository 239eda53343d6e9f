//! Polls that the office sends, and what people vote in them.

use std::collections::BTreeMap;

use serde_json::json;
use sqlx::FromRow;

use super::broadcast::BroadcastId;
use super::change::Effect;
use super::database::{Pool, Rows};
use super::tx::Tx;
use super::{Error, Store};
use crate::clock::Timestamp;
use crate::telegram::{ChatId, UserId};

/// The number of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PollId(pub i64);

/// A poll to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct New {
    /// What is asked.
    pub question: String,
    /// What can be chosen, in order.
    pub options: Vec<String>,
}

/// A poll with its votes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    /// Its number.
    pub id: PollId,
    /// The broadcast that carries it.
    pub broadcast: BroadcastId,
    /// What is asked.
    pub question: String,
    /// What can be chosen, and how many have.
    pub options: Vec<(String, i64)>,
    /// How many people have chosen something.
    pub voters: i64,
    /// Who closed it.
    pub closed_by: Option<String>,
    /// When.
    pub closed_at: Option<Timestamp>,
}

/// A person's copy of a poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Telegram's name of it.
    pub telegram: String,
    /// The chat.
    pub chat: ChatId,
    /// Telegram's number of the message.
    pub message_id: i64,
}

#[derive(FromRow)]
struct Stored {
    broadcast_id: i64,
    question: String,
    closed_by_name: Option<String>,
    closed_at: Option<i64>,
    voters: i64,
}

impl Store {
    /// A poll with its votes.
    pub async fn poll(&self, id: PollId) -> Result<Option<Poll>, Error> {
        by_id(self.readers()?, id).await
    }

    /// People's copies of closed polls that still take votes in Telegram, `limit` at most.
    pub async fn open_copies(&self, limit: u32) -> Result<Vec<Copy>, Error> {
        left_open(self.readers()?, limit).await
    }

    /// Notes that a person's copy of a poll takes no more votes.
    pub async fn shut_copy(&self, copy: Copy) -> Result<(), Error> {
        self.job(move |tx| Box::pin(async move { shut(tx, &copy.telegram).await })).await
    }
}

/// A poll with its votes as they are now.
async fn by_id(pool: &Pool, id: PollId) -> Result<Option<Poll>, Error> {
    const POLL: &str = "\
        select broadcast_id, question, closed_by_name, closed_at,
               (select count(distinct user_id) from poll_vote where poll_id = $1) as voters
        from poll
        where id = $1";
    const OPTIONS: &str = "\
        select title, (select count(*) from poll_vote
                       where poll_vote.poll_id = poll_option.poll_id and poll_vote.number = poll_option.number)
        from poll_option
        where poll_id = $1
        order by number";
    let found: Vec<Stored> = pool.rows("read a poll", POLL, &[id.0.into()]).await?;
    let Some(stored) = found.into_iter().next() else { return Ok(None) };
    Ok(Some(Poll {
        id,
        broadcast: BroadcastId(stored.broadcast_id),
        question: stored.question,
        options: pool.rows("read a poll's options", OPTIONS, &[id.0.into()]).await?,
        voters: stored.voters,
        closed_by: stored.closed_by_name,
        closed_at: stored.closed_at.map(Timestamp),
    }))
}

/// Copies that still take votes although their poll is closed, `limit` at most.
async fn left_open(pool: &Pool, limit: u32) -> Result<Vec<Copy>, Error> {
    const SQL: &str = "\
        select telegram_id, chat_id, message_id
        from poll_copy
        where is_open = 1 and poll_id in (select id from poll where closed_at is not null)
        limit $1";
    let copies: Vec<(String, i64, i64)> =
        pool.rows("read open copies of polls", SQL, &[i64::from(limit).into()]).await?;
    let copy = |(telegram, chat, message_id)| Copy { telegram, chat: ChatId(chat), message_id };
    Ok(copies.into_iter().map(copy).collect())
}

/// Keeps a poll that a broadcast carries.
pub(super) async fn add(tx: &mut Tx, broadcast: BroadcastId, new: &New) -> Result<PollId, Error> {
    const POLL: &str = "insert into poll (broadcast_id, question) values ($1, $2) returning id";
    const OPTION: &str = "insert into poll_option (poll_id, number, title) values ($1, $2, $3)";
    let args = [broadcast.0.into(), new.question.as_str().into()];
    let added: Vec<(i64,)> = tx.rows("keep a poll", POLL, &args).await?;
    let &(id,) = added.first().expect("an insert without a conflict returns its row");
    for (number, title) in (0_i64..).zip(&new.options) {
        tx.run("keep an option", OPTION, &[id.into(), number.into(), title.as_str().into()]).await?;
    }
    Ok(PollId(id))
}

/// Notes what Telegram calls a person's copy of the poll that a broadcast carries.
pub(super) async fn note_copy(
    tx: &mut Tx,
    broadcast: BroadcastId,
    telegram: &str,
    chat: ChatId,
    message_id: i64,
) -> Result<(), Error> {
    const SQL: &str = "\
        insert into poll_copy (telegram_id, poll_id, chat_id, message_id)
        select $2, id, $3, $4 from poll where broadcast_id = $1
        on conflict (telegram_id) do nothing";
    let args = [broadcast.0.into(), telegram.into(), chat.0.into(), message_id.into()];
    tx.run("note a copy of a poll", SQL, &args).await.map(drop)
}

/// Notes that a copy takes no more votes.
async fn shut(tx: &mut Tx, telegram: &str) -> Result<(), Error> {
    const SQL: &str = "update poll_copy set is_open = 0 where telegram_id = $1";
    tx.run("shut a copy of a poll", SQL, &[telegram.into()]).await.map(drop)
}

/// Counts a person's choice in place of what they chose before; no options take it back. A vote in a poll that is
/// closed, or none of ours, does not count. Answers `{"counted":…}`.
pub(super) async fn vote(tx: &mut Tx, user: UserId, telegram: &str, options: &[u8]) -> Result<Effect, Error> {
    const FORGET: &str = "delete from poll_vote where poll_id = $1 and user_id = $2";
    const COUNT: &str = "\
        insert into poll_vote (poll_id, user_id, number)
        select $2, $3, number from poll_option
        where poll_id = $2 and number in (select cast(value ->> 'number' as bigint) from jsonb_each($1))";
    let found = asked(tx, user, telegram).await?;
    if let Some(PollId(poll)) = found {
        tx.run("forget a vote", FORGET, &[poll.into(), user.0.into()]).await?;
        let chosen = Rows::of(options.iter().map(|number| BTreeMap::from([("number", number)])));
        tx.run("count a vote", COUNT, &[(&chosen).into(), poll.into(), user.0.into()]).await?;
    }
    Ok(Effect { answer: json!({ "counted": found.is_some() }).into(), events: Vec::new() })
}

/// The open poll that a person's copy belongs to. A copy whose receipt was lost is not known by name: then it is
/// the one open poll that the person was sent.
async fn asked(tx: &mut Tx, user: UserId, telegram: &str) -> Result<Option<PollId>, Error> {
    const KNOWN: &str = "\
        select poll.id, poll.closed_at
        from poll_copy
        join poll on poll.id = poll_copy.poll_id
        where poll_copy.telegram_id = $1";
    const SENT: &str = "\
        select poll.id
        from poll
        join broadcast_recipient on broadcast_recipient.broadcast_id = poll.broadcast_id
        where broadcast_recipient.user_id = $1 and broadcast_recipient.status in ('sending', 'sent')
          and poll.closed_at is null";
    let known: Vec<(i64, Option<i64>)> = tx.rows("find a poll", KNOWN, &[telegram.into()]).await?;
    if let Some(&(id, closed_at)) = known.first() {
        return Ok(closed_at.is_none().then_some(PollId(id)));
    }
    let sent: Vec<(i64,)> = tx.rows("find the poll of a lost copy", SENT, &[user.0.into()]).await?;
    Ok(if let [(id,)] = sent[..] { Some(PollId(id)) } else { None })
}

/// Closes a poll, if it is open. Answers `{"done":true}`, or `{"done":false,"by":name}` to the second.
pub(super) async fn close(tx: &mut Tx, id: PollId, by_name: &str, now: Timestamp) -> Result<Effect, Error> {
    const CLOSE: &str = "\
        update poll set closed_by_name = $2, closed_at = $3 where id = $1 and closed_at is null";
    const CLOSED: &str = "select closed_by_name from poll where id = $1";
    let closed = tx.run("close a poll", CLOSE, &[id.0.into(), by_name.into(), now.0.into()]).await?;
    let answer = if closed > 0 {
        json!({ "done": true })
    } else {
        let by: Vec<(Option<String>,)> = tx.rows("find who closed a poll", CLOSED, &[id.0.into()]).await?;
        json!({ "done": false, "by": by.first().and_then(|(by,)| by.clone()) })
    };
    Ok(Effect { answer: answer.into(), events: Vec::new() })
}
