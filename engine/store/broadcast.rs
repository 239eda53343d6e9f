//! One message to many people: who gets it, and what became of that.
//!
//! A recipient is claimed before the message leaves and settled after: whoever is found claimed when a broadcast is
//! taken up again may have got it, and nobody else.

use serde_json::json;
use sqlx::FromRow;

use super::change::Effect;
use super::database::{Pool, Rows, words};
use super::tx::Tx;
use super::{Error, Json, Store, inbox, lane, partner, poll};
use crate::clock::Timestamp;
use crate::telegram::{ChatId, UserId};

/// The number of a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BroadcastId(pub i64);

words! {
    /// Where a broadcast stands.
    pub enum Status {
        /// It is being sent.
        Running = "running",
        /// Somebody stopped it.
        Stopped = "stopped",
        /// Everybody has it who can have it.
        Done = "done",
    }
}

words! {
    /// What became of one person's message.
    pub enum Fate {
        /// Delivered.
        Sent = "sent",
        /// The person has stopped the bot.
        Blocked = "blocked",
        /// Telegram did not take it.
        Failed = "failed",
    }
}

/// Whom a broadcast is for; partners always, and each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// All.
    Everybody,
    /// Those with a barbershop in one of these cities.
    Cities(Vec<String>),
    /// These.
    People(Vec<UserId>),
}

/// A broadcast to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct New {
    /// The message, as the outbox keeps its own.
    pub call: Json,
    /// What is asked in it.
    pub poll: Option<poll::New>,
    /// Whom it is for.
    pub audience: Audience,
    /// The same in words for the office.
    pub audience_words: String,
    /// The chat of the office that hears of its progress, and the key of the message there that shows it.
    pub staff: Option<ChatId>,
    /// See `staff`.
    pub progress: Option<String>,
    /// Who begins it.
    pub by_name: String,
}

/// A broadcast as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// Its number.
    pub id: BroadcastId,
    /// The message.
    pub call: Json,
    /// Whom it is for, in words.
    pub audience: String,
    /// Where it stands.
    pub status: Status,
    /// The chat that hears of its progress.
    pub staff: Option<ChatId>,
    /// The key of the message that shows it.
    pub progress: Option<String>,
    /// Who began it.
    pub begun_by: String,
    /// Who stopped it.
    pub ended_by: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The poll it carries.
    pub poll: Option<poll::PollId>,
    /// How many people it is for.
    pub count: Count,
}

/// How many people a broadcast has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// All it is for.
    pub total: i64,
    /// Those who have it.
    pub sent: i64,
    /// Those who have stopped the bot.
    pub blocked: i64,
    /// Those whose message Telegram did not take.
    pub failed: i64,
}

/// Somebody whose message is to leave now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The person.
    pub user: UserId,
    /// Where they are written to.
    pub chat: ChatId,
}

/// What became of one person's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Whose.
    pub to: Recipient,
    /// What became of it.
    pub fate: Fate,
    /// Telegram's number of the message.
    pub message_id: Option<i64>,
    /// Telegram's name of the person's copy of the poll.
    pub telegram_poll: Option<String>,
}

/// Which broadcasts are read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    One(BroadcastId),
    Running,
    Latest(u32),
}

#[derive(FromRow)]
struct Stored {
    id: i64,
    call: String,
    audience: String,
    status: String,
    staff_chat: Option<i64>,
    progress: Option<String>,
    begun_by_name: String,
    ended_by_name: Option<String>,
    created_at: i64,
    ended_at: Option<i64>,
    poll_id: Option<i64>,
    total: i64,
    sent: i64,
    blocked: i64,
    failed: i64,
}

impl TryFrom<Stored> for Broadcast {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Broadcast, Error> {
        Ok(Broadcast {
            id: BroadcastId(stored.id),
            call: Json::stored(stored.call),
            audience: stored.audience,
            status: Status::parse("broadcast.status", &stored.status)?,
            staff: stored.staff_chat.map(ChatId),
            progress: stored.progress,
            begun_by: stored.begun_by_name,
            ended_by: stored.ended_by_name,
            created_at: Timestamp(stored.created_at),
            ended_at: stored.ended_at.map(Timestamp),
            poll: stored.poll_id.map(poll::PollId),
            count: Count {
                total: stored.total,
                sent: stored.sent,
                blocked: stored.blocked,
                failed: stored.failed,
            },
        })
    }
}

impl Store {
    /// A broadcast by its number.
    pub async fn broadcast(&self, id: BroadcastId) -> Result<Option<Broadcast>, Error> {
        Ok(read(self.readers()?, Which::One(id)).await?.pop())
    }

    /// The broadcasts that are being sent, as they began.
    pub async fn running_broadcasts(&self) -> Result<Vec<Broadcast>, Error> {
        read(self.readers()?, Which::Running).await
    }

    /// The latest broadcasts, the newest first.
    pub async fn broadcasts(&self, limit: u32) -> Result<Vec<Broadcast>, Error> {
        read(self.readers()?, Which::Latest(limit)).await
    }

    /// How many partners an audience has, and how many of them have stopped the bot.
    pub async fn reach(&self, audience: &Audience) -> Result<(i64, i64), Error> {
        reach(self.readers()?, audience).await
    }

    /// The cities in which partners have barbershops, with how many partners.
    pub async fn cities(&self) -> Result<Vec<(String, i64)>, Error> {
        cities(self.readers()?).await
    }

    /// The next person whose message of a broadcast may leave; it is theirs alone until it is settled.
    pub async fn claim(&self, id: BroadcastId) -> Result<Option<Recipient>, Error> {
        self.job(move |tx| Box::pin(claim(tx, id))).await
    }

    /// Has those who were claimed by an earlier life wait again, and tells how many: each may have got the message.
    pub async fn take_back(&self, id: BroadcastId) -> Result<u64, Error> {
        self.job(move |tx| Box::pin(take_back(tx, id))).await
    }

    /// Writes what became of one person's message of a broadcast.
    pub async fn settle_broadcast(&self, id: BroadcastId, receipt: Receipt) -> Result<(), Error> {
        self.job(move |tx| Box::pin(async move { settle(tx, id, &receipt).await })).await
    }

    /// Ends a broadcast that has come to everybody; returns the entry by which the office hears of it.
    pub async fn finish_broadcast(&self, id: BroadcastId) -> Result<Vec<inbox::Entry>, Error> {
        let (now, me) = (self.0.clock.now(), self.0.me);
        self.job(move |tx| {
            Box::pin(async move {
                let told = finish(tx, id, now).await?;
                let entries = inbox::accept(tx, inbox::rows(&told, now)).await?.take(&told, now);
                lane::wake_holders(tx, &entries.iter().map(|entry| entry.lane).collect(), me);
                Ok(entries)
            })
        })
        .await
    }
}

/// Broadcasts with their counts; the latest first, the running ones as they began.
async fn read(pool: &Pool, which: Which) -> Result<Vec<Broadcast>, Error> {
    macro_rules! broadcasts {
        ($rest:literal) => {
            concat!(
                "select broadcast.id, call, audience, broadcast.status, staff_chat, progress, begun_by_name,
                        ended_by_name, created_at, ended_at,
                        (select poll.id from poll where poll.broadcast_id = broadcast.id) as poll_id,
                        count(broadcast_recipient.user_id) as total,
                        count(case when broadcast_recipient.status = 'sent' then 1 end) as sent,
                        count(case when broadcast_recipient.status = 'blocked' then 1 end) as blocked,
                        count(case when broadcast_recipient.status = 'failed' then 1 end) as failed
                 from broadcast
                 left join broadcast_recipient on broadcast_recipient.broadcast_id = broadcast.id ",
                $rest
            )
        };
    }
    const ONE: &str = broadcasts!("where broadcast.id = $1 group by broadcast.id");
    const RUNNING: &str =
        broadcasts!("where broadcast.status = 'running' group by broadcast.id order by broadcast.id");
    const LATEST: &str = broadcasts!("group by broadcast.id order by broadcast.id desc limit $1");
    let doing = "read broadcasts";
    let found: Vec<Stored> = match which {
        Which::One(id) => pool.rows(doing, ONE, &[id.0.into()]).await?,
        Which::Running => pool.rows(doing, RUNNING, &[]).await?,
        Which::Latest(limit) => pool.rows(doing, LATEST, &[i64::from(limit).into()]).await?,
    };
    found.into_iter().map(Broadcast::try_from).collect()
}

/// How many partners an audience has, and how many of them have stopped the bot.
async fn reach(pool: &Pool, audience: &Audience) -> Result<(i64, i64), Error> {
    const COUNT: &str = "\
        select count(*), count(case when reachable = 0 then 1 end)
        from partner
        where status = 'verified' and ($1 = 'everybody'
           or $1 = 'cities' and user_id in (
                select partner_salon.user_id
                from partner_salon
                join salon on salon.id = partner_salon.salon_id
                where salon.city in (select cast(value ->> 'city' as text) from jsonb_each($2)))
           or $1 = 'people' and user_id in (select cast(value ->> 'user' as bigint) from jsonb_each($2)))";
    let (kind, rows) = audience.rows();
    let counts: Vec<(i64, i64)> =
        pool.rows("count an audience", COUNT, &[kind.into(), (&rows).into()]).await?;
    Ok(counts.first().copied().unwrap_or_default())
}

/// The cities in which partners have barbershops, with how many partners.
async fn cities(pool: &Pool) -> Result<Vec<(String, i64)>, Error> {
    const SQL: &str = "\
        select salon.city, count(distinct partner.user_id)
        from partner
        join partner_salon on partner_salon.user_id = partner.user_id
        join salon on salon.id = partner_salon.salon_id
        where partner.status = 'verified' and salon.city is not null
        group by salon.city
        order by salon.city";
    pool.rows("read the cities", SQL, &[]).await
}

/// Begins a broadcast. Answers `{"id":…,"poll":…}`.
pub(super) async fn begin(tx: &mut Tx, new: &New, now: Timestamp) -> Result<Effect, Error> {
    const BEGIN: &str = "\
        insert into broadcast (call, audience, status, staff_chat, progress, begun_by_name, created_at)
        values ($1, $2, 'running', $3, $4, $5, $6)
        returning id";
    const CHOOSE: &str = "\
        insert into broadcast_recipient (broadcast_id, user_id, chat_id, status)
        select $3, user_id, chat_id, case when reachable = 1 then 'waiting' else 'blocked' end
        from partner
        where status = 'verified' and ($1 = 'everybody'
           or $1 = 'cities' and user_id in (
                select partner_salon.user_id
                from partner_salon
                join salon on salon.id = partner_salon.salon_id
                where salon.city in (select cast(value ->> 'city' as text) from jsonb_each($2)))
           or $1 = 'people' and user_id in (select cast(value ->> 'user' as bigint) from jsonb_each($2)))";
    let args = [
        new.call.as_str().into(),
        new.audience_words.as_str().into(),
        new.staff.map(|chat| chat.0).into(),
        new.progress.as_deref().into(),
        new.by_name.as_str().into(),
        now.0.into(),
    ];
    let begun: Vec<(i64,)> = tx.rows("begin a broadcast", BEGIN, &args).await?;
    let &(id,) = begun.first().expect("an insert without a conflict returns its row");
    let (kind, rows) = new.audience.rows();
    tx.run("choose who gets a broadcast", CHOOSE, &[kind.into(), (&rows).into(), id.into()]).await?;
    let poll = match &new.poll {
        Some(poll) => Some(poll::add(tx, BroadcastId(id), poll).await?.0),
        None => None,
    };
    Ok(Effect { answer: json!({ "id": id, "poll": poll }).into(), events: Vec::new() })
}

/// Stops a broadcast; the office's lane gets the event `broadcast.ended`. Answers `{"done":…}`.
pub(super) async fn stop(
    tx: &mut Tx,
    id: BroadcastId,
    by_name: &str,
    now: Timestamp,
) -> Result<Effect, Error> {
    const SQL: &str = "\
        update broadcast set status = 'stopped', ended_at = $2, ended_by_name = $3
        where id = $1 and status = 'running'
        returning staff_chat";
    let args = [id.0.into(), now.0.into(), by_name.into()];
    let stopped: Vec<(Option<i64>,)> = tx.rows("stop a broadcast", SQL, &args).await?;
    let events = stopped.iter().filter_map(|&(staff,)| staff.map(|staff| ended(id, ChatId(staff)))).collect();
    Ok(Effect { answer: json!({ "done": !stopped.is_empty() }).into(), events })
}

/// The next person whose message may leave; none when there is none, or the broadcast runs no more.
async fn claim(tx: &mut Tx, id: BroadcastId) -> Result<Option<Recipient>, Error> {
    const SQL: &str = "\
        update broadcast_recipient set status = 'sending'
        where broadcast_id = $1
          and user_id = (select min(user_id) from broadcast_recipient
                         where broadcast_id = $1 and status = 'waiting')
          and exists (select 1 from broadcast where id = $1 and status = 'running')
        returning user_id, chat_id";
    let claimed: Vec<(i64, i64)> = tx.rows("claim a recipient", SQL, &[id.0.into()]).await?;
    Ok(claimed.first().map(|&(user, chat)| Recipient { user: UserId(user), chat: ChatId(chat) }))
}

/// Has those who were claimed by an earlier life wait again, and tells how many: each may have got the message.
async fn take_back(tx: &mut Tx, id: BroadcastId) -> Result<u64, Error> {
    const SQL: &str = "\
        update broadcast_recipient set status = 'waiting' where broadcast_id = $1 and status = 'sending'";
    tx.run("take recipients back", SQL, &[id.0.into()]).await
}

/// Writes down what became of one person's message.
async fn settle(tx: &mut Tx, id: BroadcastId, receipt: &Receipt) -> Result<(), Error> {
    const SQL: &str = "\
        update broadcast_recipient set status = $3, message_id = $4
        where broadcast_id = $1 and user_id = $2 and status = 'sending'";
    let Receipt { to, fate, message_id, telegram_poll } = receipt;
    let args = [id.0.into(), to.user.0.into(), fate.as_str().into(), (*message_id).into()];
    tx.run("settle a recipient", SQL, &args).await?;
    if *fate == Fate::Blocked {
        partner::mark_lost(tx, Rows::of([to.chat]));
    }
    if let (Some(telegram), Some(message)) = (telegram_poll, message_id) {
        poll::note_copy(tx, id, telegram, to.chat, *message).await?;
    }
    Ok(())
}

/// Ends a broadcast that has come to everybody; returns what its office is told, if that is so.
async fn finish(tx: &mut Tx, id: BroadcastId, now: Timestamp) -> Result<Vec<inbox::New>, Error> {
    const SQL: &str = "\
        update broadcast set status = 'done', ended_at = $2
        where id = $1 and status = 'running'
          and not exists (select 1 from broadcast_recipient
                          where broadcast_id = $1 and status in ('waiting', 'sending'))
        returning staff_chat";
    let done: Vec<(Option<i64>,)> = tx.rows("end a broadcast", SQL, &[id.0.into(), now.0.into()]).await?;
    Ok(done.iter().filter_map(|&(staff,)| staff.map(|staff| ended(id, ChatId(staff)))).collect())
}

/// Tells the office's flows of the end of a broadcast.
fn ended(id: BroadcastId, staff: ChatId) -> inbox::New {
    inbox::New {
        source: "event".to_owned(),
        key: format!("broadcast.ended:{}", id.0),
        lane: staff.into(),
        body: json!({ "event": "broadcast.ended", "data": { "broadcast": id.0 } }).into(),
    }
}

impl Audience {
    /// Its kind and what it is made of, for a statement.
    fn rows(&self) -> (&'static str, Rows) {
        match self {
            Audience::Everybody => ("everybody", Rows::default()),
            Audience::Cities(cities) => {
                ("cities", Rows::of(cities.iter().map(|city| json!({ "city": city }))))
            }
            Audience::People(people) => {
                ("people", Rows::of(people.iter().map(|user| json!({ "user": user }))))
            }
        }
    }
}
