//! The people of the network and their barbershops.

use sqlx::FromRow;

use super::database::{Pool, Rows, words};
use super::tx::{Tx, whatever};
use super::{Error, Store, request, town};
use crate::clock::Timestamp;
use crate::telegram::{ChatId, UserId};
use crate::text::folded;

words! {
    /// How far a person is known.
    pub enum Status {
        /// Wrote to the bot, did not register.
        Guest = "guest",
        /// Waits for a decision.
        Pending = "pending",
        /// Was not let in.
        Rejected = "rejected",
        /// Is a partner.
        Verified = "verified",
    }
}

words! {
    /// What a person is in their barbershop.
    pub enum Role {
        /// Owns it.
        Owner = "owner",
        /// Works in it.
        Employee = "employee",
    }
}

/// What a person tells of themselves when they register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The whole name.
    pub name: String,
    /// The phone, as `+7…`.
    pub phone: String,
    /// The name in Telegram, without `@`.
    pub username: Option<String>,
    /// Owner or employee.
    pub role: Option<Role>,
    /// The employee's position.
    pub position: Option<String>,
}

/// A person of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partner {
    /// The person.
    pub user: UserId,
    /// Where they are written to.
    pub chat: ChatId,
    /// How far they are known.
    pub status: Status,
    /// What they told of themselves.
    pub profile: Profile,
    /// Whether messages arrive: false after the person blocked the bot.
    pub reachable: bool,
    /// Why they were rejected.
    pub reason: Option<String>,
    /// When they registered.
    pub created_at: Timestamp,
    /// When they were let in.
    pub verified_at: Option<Timestamp>,
    /// Their barbershops, by title.
    pub salons: Vec<Salon>,
}

/// A barbershop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salon {
    /// Its number in `YClients`.
    pub id: i64,
    /// Its name.
    pub title: String,
    /// Its city.
    pub city: Option<String>,
    /// Street and house.
    pub address: Option<String>,
}

/// A person as they are read.
#[derive(FromRow)]
struct Stored {
    chat_id: i64,
    status: String,
    name: String,
    phone: String,
    username: Option<String>,
    role: Option<String>,
    position: Option<String>,
    reachable: i64,
    reason: Option<String>,
    created_at: i64,
    verified_at: Option<i64>,
}

impl Store {
    /// A person of the network with their barbershops; none for a guest who never registered.
    pub async fn partner(&self, user: UserId) -> Result<Option<Partner>, Error> {
        by_user(self.readers()?, user).await
    }

    /// Puts a person into the tables as they are, with their barbershops and the request that made them so: for
    /// scenarios, whose people registered before the talk begins. `decided_by` is who decided the request.
    pub async fn introduce(&self, partner: &Partner, decided_by: &str) -> Result<(), Error> {
        let (partner, decided_by) = (partner.clone(), decided_by.to_owned());
        self.job(move |tx| {
            Box::pin(async move {
                introduce(tx, &partner).await?;
                request::introduce(tx, &partner, &decided_by).await
            })
        })
        .await
    }

    /// The partners whose names have all these words, by name, `limit` at most.
    pub async fn partners_named(&self, words: &str, limit: usize) -> Result<Vec<(UserId, String)>, Error> {
        named(self.readers()?, words, limit).await
    }
}

/// Marks whoever is written to in these chats as reachable again.
pub(super) fn mark_reached(tx: &mut Tx, chats: Rows) {
    const SQL: &str = "\
        update partner set reachable = 1
        where reachable = 0 and chat_id in (select cast(value as bigint) from jsonb_each($1))";
    tx.later("mark partners as reachable", SQL, chats, None, whatever);
}

/// Marks whoever is written to in these chats as out of reach.
pub(super) fn mark_lost(tx: &mut Tx, chats: Rows) {
    const SQL: &str = "\
        update partner set reachable = 0
        where chat_id in (select cast(value as bigint) from jsonb_each($1))";
    tx.later("mark partners as unreachable", SQL, chats, None, whatever);
}

/// A person of the network with their barbershops.
async fn by_user(pool: &Pool, user: UserId) -> Result<Option<Partner>, Error> {
    const SQL: &str = "\
        select chat_id, status, name, phone, username, role, position, reachable, reason, created_at,
               verified_at
        from partner
        where user_id = $1";
    let mut found: Vec<Stored> = pool.rows("read a partner", SQL, &[user.0.into()]).await?;
    let Some(stored) = found.pop() else { return Ok(None) };
    Ok(Some(Partner {
        user,
        chat: ChatId(stored.chat_id),
        status: Status::parse("partner.status", &stored.status)?,
        profile: Profile {
            name: stored.name,
            phone: stored.phone,
            username: stored.username,
            role: stored.role.map(|role| Role::parse("partner.role", &role)).transpose()?,
            position: stored.position,
        },
        reachable: stored.reachable != 0,
        reason: stored.reason,
        created_at: Timestamp(stored.created_at),
        verified_at: stored.verified_at.map(Timestamp),
        salons: salons(pool, user).await?,
    }))
}

/// The partners whose names have all these words, by name. The database's own search knows no Cyrillic capitals.
async fn named(pool: &Pool, words: &str, limit: usize) -> Result<Vec<(UserId, String)>, Error> {
    const SQL: &str = "select user_id, name from partner where status = 'verified' order by name, user_id";
    let words = folded(words);
    let all: Vec<(i64, String)> = pool.rows("look for partners", SQL, &[]).await?;
    let fits = |name: &str| {
        let name = folded(name);
        words.split_whitespace().all(|word| name.contains(word))
    };
    let found = all.into_iter().filter(|(_, name)| fits(name)).take(limit);
    Ok(found.map(|(user, name)| (UserId(user), name)).collect())
}

/// Makes a person a pending partner, known by what they told.
pub(super) async fn register(
    tx: &mut Tx,
    user: UserId,
    chat: ChatId,
    profile: &Profile,
    now: Timestamp,
) -> Result<(), Error> {
    const SQL: &str = "\
        insert into partner (user_id, chat_id, status, name, phone, username, role, position, created_at)
        values ($1, $2, 'pending', $3, $4, $5, $6, $7, $8)
        on conflict (user_id) do update
        set chat_id = excluded.chat_id, status = 'pending', name = excluded.name, phone = excluded.phone,
            username = excluded.username, role = excluded.role, position = excluded.position,
            reason = null, verified_at = null";
    let args = [
        user.0.into(),
        chat.0.into(),
        profile.name.as_str().into(),
        profile.phone.as_str().into(),
        profile.username.as_deref().into(),
        profile.role.map(Role::as_str).into(),
        profile.position.as_deref().into(),
        now.0.into(),
    ];
    tx.run("register a partner", SQL, &args).await.map(drop)
}

/// Lets a person in.
pub(super) async fn verify(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<(), Error> {
    const SQL: &str = "\
        update partner set status = 'verified', reason = null, verified_at = $2 where user_id = $1";
    tx.run("verify a partner", SQL, &[user.0.into(), now.0.into()]).await.map(drop)
}

/// Does not let a person in.
pub(super) async fn reject(tx: &mut Tx, user: UserId, reason: &str) -> Result<(), Error> {
    const SQL: &str = "\
        update partner set status = 'rejected', reason = $2, verified_at = null where user_id = $1";
    tx.run("reject a partner", SQL, &[user.0.into(), reason.into()]).await.map(drop)
}

/// Puts a person into the tables as they are.
async fn introduce(tx: &mut Tx, partner: &Partner) -> Result<(), Error> {
    const STANDING: &str = "\
        update partner set status = $2, reason = $3, verified_at = cast(nullif($4, '') as bigint)
        where user_id = $1";
    register(tx, partner.user, partner.chat, &partner.profile, partner.created_at).await?;
    let verified_at = partner.verified_at.map(|at| at.0.to_string()).unwrap_or_default();
    let args = [
        partner.user.0.into(),
        partner.status.as_str().into(),
        partner.reason.as_deref().into(),
        verified_at.as_str().into(),
    ];
    tx.run("introduce a partner", STANDING, &args).await?;
    link(tx, partner.user, &partner.salons).await
}

/// Gives a person barbershops beside those they have; what is told of a barbershop replaces what was known of it. Its
/// place is found out at once: the network's list comes hours later.
pub(super) async fn link(tx: &mut Tx, user: UserId, salons: &[Salon]) -> Result<(), Error> {
    const SALON: &str = "\
        insert into salon (id, title, title_folded, address, city, region, is_million)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (id) do update
        set title = excluded.title, title_folded = excluded.title_folded,
            address = coalesce(excluded.address, salon.address),
            -- A place is known or unknown as a whole.
            city = coalesce(excluded.city, salon.city),
            region = case when excluded.city is null then salon.region else excluded.region end,
            is_million = case when excluded.city is null then salon.is_million else excluded.is_million end";
    const OWNS: &str = "insert into partner_salon (user_id, salon_id) values ($1, $2) on conflict (user_id, salon_id) do nothing";
    if salons.is_empty() {
        return Ok(());
    }
    let towns = town::known(tx).await?;
    for salon in salons {
        let folded = salon.title.to_lowercase();
        let place = towns.place(&salon.title, salon.city.as_deref(), salon.address.as_deref());
        let args = [
            salon.id.into(),
            salon.title.as_str().into(),
            folded.as_str().into(),
            salon.address.as_deref().into(),
            place.as_ref().map(|place| place.city.as_str()).into(),
            place.as_ref().and_then(|place| place.region.as_deref()).into(),
            i64::from(place.as_ref().is_some_and(|place| place.is_million)).into(),
        ];
        tx.run("note a barbershop", SALON, &args).await?;
        tx.run("give a barbershop", OWNS, &[user.0.into(), salon.id.into()]).await?;
    }
    Ok(())
}

/// A person's barbershops, by title.
async fn salons(pool: &Pool, user: UserId) -> Result<Vec<Salon>, Error> {
    const SQL: &str = "\
        select salon.id, salon.title, salon.city, salon.address
        from partner_salon
        join salon on salon.id = partner_salon.salon_id
        where partner_salon.user_id = $1
        order by salon.title_folded, salon.id";
    let salons: Vec<(i64, String, Option<String>, Option<String>)> =
        pool.rows("read a partner's barbershops", SQL, &[user.0.into()]).await?;
    let salon = |(id, title, city, address)| Salon { id, title, city, address };
    Ok(salons.into_iter().map(salon).collect())
}
