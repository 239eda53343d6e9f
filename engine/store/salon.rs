//! The barbershops of the network, as the chain's list tells of them.

use serde::Serialize;
use sqlx::FromRow;

use super::database::{Pool, Rows};
use super::tx::Tx;
use super::{Error, Store};
use crate::clock::Timestamp;

/// A barbershop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Salon {
    /// Its number in `YClients`.
    pub id: i64,
    /// As the list calls it.
    pub title: String,
    /// Street and house.
    pub address: Option<String>,
    /// The town.
    pub city: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// Whether more than a million people live in its town.
    pub is_million: bool,
    /// Whether it is open.
    pub is_active: bool,
}

/// A barbershop as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The barbershop.
    pub salon: Salon,
    /// When the list told of it last; `None`: it never did.
    pub seen_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct Stored {
    id: i64,
    title: String,
    address: Option<String>,
    city: Option<String>,
    region: Option<String>,
    is_million: i64,
    is_active: i64,
    seen_at: Option<i64>,
}

impl Store {
    /// Writes down what the chain's list tells of its barbershops; those it does not tell of any more are closed.
    pub async fn sync_salons(&self, listed: Vec<Salon>) -> Result<(), Error> {
        let now = self.0.clock.now();
        self.job(move |tx| Box::pin(async move { sync(tx, &listed, now).await })).await
    }

    /// Writes barbershops down, and nothing of others.
    pub async fn put_salons(&self, salons: Vec<Salon>) -> Result<(), Error> {
        let now = self.0.clock.now();
        self.job(move |tx| Box::pin(async move { write(tx, &salons, now).await })).await
    }

    /// All barbershops of the network, by number.
    pub async fn salons(&self) -> Result<Vec<Kept>, Error> {
        all(self.readers()?).await
    }
}

/// All barbershops, by number.
pub(super) async fn all(pool: &Pool) -> Result<Vec<Kept>, Error> {
    const SQL: &str = "\
        select id, title, address, city, region, is_million, is_active, seen_at from salon order by id";
    let all: Vec<Stored> = pool.rows("read the barbershops", SQL, &[]).await?;
    let kept = |stored: Stored| Kept {
        salon: Salon {
            id: stored.id,
            title: stored.title,
            address: stored.address,
            city: stored.city,
            region: stored.region,
            is_million: stored.is_million != 0,
            is_active: stored.is_active != 0,
        },
        seen_at: stored.seen_at.map(Timestamp),
    };
    Ok(all.into_iter().map(kept).collect())
}

/// Writes down what the list tells. A barbershop that it told of once and does no more is closed; none is deleted.
async fn sync(tx: &mut Tx, listed: &[Salon], now: Timestamp) -> Result<(), Error> {
    const CLOSE: &str = "\
        update salon set is_active = 0
        where seen_at is not null and id not in (select cast(value as bigint) from jsonb_each($1))";
    write(tx, listed, now).await?;
    let ids = Rows::of(listed.iter().map(|salon| salon.id));
    tx.run("close barbershops", CLOSE, &[(&ids).into()]).await.map(drop)
}

/// Writes barbershops down as they are told.
async fn write(tx: &mut Tx, listed: &[Salon], now: Timestamp) -> Result<(), Error> {
    const SQL: &str = "\
        insert into salon (id, title, title_folded, address, city, region, is_million, is_active, seen_at)
        select cast(value ->> 'id' as bigint), value ->> 'title', value ->> 'folded', value ->> 'address',
               value ->> 'city', value ->> 'region', cast(value ->> 'million' as bigint),
               cast(value ->> 'active' as bigint), $2
        from jsonb_each($1)
        where true -- or SQLite takes `on conflict` for a join's condition
        on conflict (id) do update
        set title = excluded.title, title_folded = excluded.title_folded, address = excluded.address,
            city = excluded.city, region = excluded.region, is_million = excluded.is_million,
            is_active = excluded.is_active, seen_at = excluded.seen_at";
    let rows = Rows::of(listed.iter().map(|salon| {
        serde_json::json!({
            "id": salon.id, "title": salon.title, "folded": salon.title.to_lowercase(), "address": salon.address,
            "city": salon.city, "region": salon.region, "million": i64::from(salon.is_million),
            "active": i64::from(salon.is_active),
        })
    }));
    if rows.is_empty() {
        return Ok(());
    }
    tx.run("write the barbershops", SQL, &[(&rows).into(), now.0.into()]).await.map(drop)
}
