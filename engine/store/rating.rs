//! The numbers of the network: a row for each barbershop and month, and how the gathering of a month stands.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::database::{Pool, Rows};
use super::salon::Salon;
use super::tx::Tx;
use super::{Error, Store};
use crate::clock::Timestamp;
use crate::money::Kopecks;
use crate::ratings::Month;

/// The numbers of a barbershop over the days of a month up to one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// What was earned.
    pub revenue: Kopecks,
    /// For services.
    pub services: Kopecks,
    /// For goods.
    pub goods: Kopecks,
    /// A receipt on average; `None`: the service did not tell.
    pub average_check: Option<Kopecks>,
    /// Visits of those who came.
    pub completed: u64,
    /// All visits.
    pub visits: u64,
    /// People who came for the first time.
    pub new_clients: u64,
    /// People who had been before; `None`: not told.
    pub returning_clients: Option<u64>,
    /// Everybody who has ever come.
    pub base: u64,
    /// Of those who came, the share of those who had been before, in percent; `None`: not told.
    pub return_share: Option<u64>,
}

/// Numbers that were just told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Whose.
    pub salon: i64,
    /// The last day that is counted.
    pub upto: NaiveDate,
    /// The numbers.
    pub numbers: Numbers,
    /// When they were told.
    pub loaded_at: Timestamp,
}

/// Numbers as they are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Of which month.
    pub month: Month,
    /// Whose.
    pub salon: i64,
    /// The last day that is counted.
    pub upto: NaiveDate,
    /// The numbers.
    pub numbers: Numbers,
    /// The place in the rating; `None` for one that is left out.
    pub place: Option<u32>,
    /// Whether the latest attempt to ask failed: the numbers are older.
    pub is_stale: bool,
    /// When they were told.
    pub loaded_at: Timestamp,
}

/// How the gathering of a month stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gathered {
    /// Of which month.
    pub month: Month,
    /// When it was gathered last.
    pub loaded_at: Timestamp,
    /// Barbershops asked.
    pub salons: u64,
    /// Those that did not tell.
    pub failed: u64,
    /// When the month was closed: nothing changes any more.
    pub closed_at: Option<Timestamp>,
}

/// What salons of one kind earned in a month, on average. Only those in the rating count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Average {
    /// Of which month.
    pub month: Month,
    /// How many salons.
    pub salons: u64,
    /// What was earned.
    pub revenue: Kopecks,
    /// A receipt.
    pub average_check: Option<Kopecks>,
    /// People who came for the first time.
    pub new_clients: u64,
    /// People who had been before.
    pub returning_clients: Option<u64>,
}

/// Whose average.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Of all.
    Network,
    /// Of those in cities of a million, or of those in smaller towns.
    Size {
        /// Whether in cities of a million.
        is_million: bool,
    },
    /// Of those in a city.
    City(String),
}

#[derive(FromRow)]
struct Stored {
    month: String,
    salon_id: i64,
    upto: String,
    revenue: i64,
    services: i64,
    goods: i64,
    average_check: Option<i64>,
    completed: i64,
    visits: i64,
    new_clients: i64,
    returning_clients: Option<i64>,
    base: i64,
    return_share: Option<i64>,
    place: Option<i64>,
    is_stale: i64,
    loaded_at: i64,
}

/// An average as it is read: the month, how many, what was earned, a receipt, new people, those who came again.
type StoredAverage = (String, i64, i64, Option<i64>, i64, Option<i64>);

impl Stored {
    fn row(self) -> Result<Row, Error> {
        let upto = self.upto.parse().map_err(|_| unknown("rating.upto", &self.upto))?;
        Ok(Row {
            month: month(&self.month)?,
            salon: self.salon_id,
            upto,
            numbers: Numbers {
                revenue: Kopecks(self.revenue),
                services: Kopecks(self.services),
                goods: Kopecks(self.goods),
                average_check: self.average_check.map(Kopecks),
                completed: self.completed.unsigned_abs(),
                visits: self.visits.unsigned_abs(),
                new_clients: self.new_clients.unsigned_abs(),
                returning_clients: self.returning_clients.map(i64::unsigned_abs),
                base: self.base.unsigned_abs(),
                return_share: self.return_share.map(i64::unsigned_abs),
            },
            place: self.place.and_then(|place| u32::try_from(place).ok()),
            is_stale: self.is_stale != 0,
            loaded_at: Timestamp(self.loaded_at),
        })
    }
}

impl Store {
    /// Writes the numbers of a month down, and marks those as stale that could not be asked.
    pub async fn rate(&self, month: Month, loaded: Vec<Loaded>, failed: Vec<i64>) -> Result<(), Error> {
        self.job(move |tx| Box::pin(async move { write(tx, month, &loaded, &failed).await })).await
    }

    /// Gives the barbershops of a month their places and notes how the gathering came out, at once.
    pub async fn place(&self, order: Vec<i64>, gathered: Gathered) -> Result<(), Error> {
        self.job(move |tx| {
            Box::pin(async move {
                place(tx, gathered.month, &order).await?;
                note(tx, &gathered).await
            })
        })
        .await
    }

    /// Forgets the numbers of the months before `month`.
    pub async fn forget_ratings(&self, month: Month) -> Result<(), Error> {
        self.job(move |tx| Box::pin(forget(tx, month))).await
    }

    /// How the gatherings of the months stand, the latest first.
    pub async fn gathered(&self) -> Result<Vec<Gathered>, Error> {
        gathered(self.readers()?).await
    }

    /// The numbers of a month with their barbershops, by place; those left out come last.
    pub async fn rating(&self, month: Month) -> Result<Vec<(Row, Salon)>, Error> {
        of_month(self.readers()?, month).await
    }

    /// The numbers of a barbershop, the earliest month first.
    pub async fn ratings_of(&self, salon: i64) -> Result<Vec<Row>, Error> {
        of_salon(self.readers()?, salon).await
    }

    /// How many barbershops have a place, by month.
    pub async fn placed(&self) -> Result<BTreeMap<Month, u64>, Error> {
        Ok(placed(self.readers()?).await?.into_iter().collect())
    }

    /// What barbershops of a scope earned on average, the earliest month first.
    pub async fn averages(&self, scope: &Scope) -> Result<Vec<Average>, Error> {
        averages(self.readers()?, scope).await
    }
}

fn month(text: &str) -> Result<Month, Error> {
    text.parse().map_err(|_| unknown("rating.month", text))
}

fn unknown(what: &'static str, value: &str) -> Error {
    Error::Unknown { what, value: value.to_owned() }
}

/// Writes numbers down, and marks those as stale that could not be asked: what was known of them stays.
async fn write(tx: &mut Tx, month: Month, loaded: &[Loaded], failed: &[i64]) -> Result<(), Error> {
    const WRITE: &str = "\
        insert into rating (month, salon_id, upto, revenue, services, goods, average_check, completed, visits,
                            new_clients, returning_clients, base, return_share, is_stale, loaded_at)
        select $2, cast(value ->> 'salon' as bigint), value ->> 'upto', cast(value ->> 'revenue' as bigint),
               cast(value ->> 'services' as bigint), cast(value ->> 'goods' as bigint),
               cast(value ->> 'average_check' as bigint), cast(value ->> 'completed' as bigint),
               cast(value ->> 'visits' as bigint), cast(value ->> 'new_clients' as bigint),
               cast(value ->> 'returning_clients' as bigint), cast(value ->> 'base' as bigint),
               cast(value ->> 'return_share' as bigint), 0, cast(value ->> 'loaded_at' as bigint)
        from jsonb_each($1)
        where true -- or SQLite takes `on conflict` for a join's condition
        on conflict (month, salon_id) do update
        set upto = excluded.upto, revenue = excluded.revenue, services = excluded.services,
            goods = excluded.goods, average_check = excluded.average_check, completed = excluded.completed,
            visits = excluded.visits, new_clients = excluded.new_clients,
            returning_clients = excluded.returning_clients, base = excluded.base,
            return_share = excluded.return_share, is_stale = 0, loaded_at = excluded.loaded_at";
    const MARK: &str = "\
        update rating set is_stale = 1
        where month = $2 and salon_id in (select cast(value as bigint) from jsonb_each($1))";
    let month = month.to_string();
    let rows = Rows::of(loaded.iter().map(|loaded| {
        let mut row = serde_json::to_value(&loaded.numbers).expect("numbers are plain");
        row["salon"] = loaded.salon.into();
        row["upto"] = loaded.upto.to_string().into();
        row["loaded_at"] = loaded.loaded_at.0.into();
        row
    }));
    if !rows.is_empty() {
        tx.run("write numbers", WRITE, &[(&rows).into(), month.as_str().into()]).await?;
    }
    let failed = Rows::of(failed);
    if !failed.is_empty() {
        tx.run("mark numbers as stale", MARK, &[(&failed).into(), month.as_str().into()]).await?;
    }
    Ok(())
}

/// Gives the barbershops of a month their places, the first first; whoever is not among them is left out.
async fn place(tx: &mut Tx, month: Month, order: &[i64]) -> Result<(), Error> {
    const CLEAR: &str = "update rating set place = null where month = $1 and place is not null";
    const PLACE: &str = "\
        update rating set place = cast(given.value ->> 1 as bigint)
        from jsonb_each($1) as given
        where rating.month = $2 and rating.salon_id = cast(given.value ->> 0 as bigint)";
    let month = month.to_string();
    tx.run("clear places", CLEAR, &[month.as_str().into()]).await?;
    let rows = Rows::of(order.iter().zip(1_i64..));
    if rows.is_empty() {
        return Ok(());
    }
    tx.run("give places", PLACE, &[(&rows).into(), month.as_str().into()]).await.map(drop)
}

/// Notes how the gathering of a month came out. One that is closed stays so.
async fn note(tx: &mut Tx, gathered: &Gathered) -> Result<(), Error> {
    const SQL: &str = "\
        insert into rating_run (month, loaded_at, salons, failed, closed_at) values ($1, $2, $3, $4, $5)
        on conflict (month) do update
        set loaded_at = excluded.loaded_at, salons = excluded.salons, failed = excluded.failed,
            closed_at = excluded.closed_at
        where rating_run.closed_at is null";
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let month = gathered.month.to_string();
    let args = [
        month.as_str().into(),
        gathered.loaded_at.0.into(),
        count(gathered.salons).into(),
        count(gathered.failed).into(),
        gathered.closed_at.map(|at| at.0).into(),
    ];
    tx.run("note a gathering", SQL, &args).await.map(drop)
}

/// Forgets the months before `month`.
async fn forget(tx: &mut Tx, month: Month) -> Result<(), Error> {
    const ROWS: &str = "delete from rating where month < $1";
    const RUNS: &str = "delete from rating_run where month < $1";
    let month = month.to_string();
    tx.run("forget old numbers", ROWS, &[month.as_str().into()]).await?;
    tx.run("forget old gatherings", RUNS, &[month.as_str().into()]).await.map(drop)
}

/// How the gatherings stand, the latest month first.
async fn gathered(pool: &Pool) -> Result<Vec<Gathered>, Error> {
    const SQL: &str = "\
        select month, loaded_at, salons, failed, closed_at from rating_run order by month desc";
    let all: Vec<(String, i64, i64, i64, Option<i64>)> = pool.rows("read gatherings", SQL, &[]).await?;
    let gathered = |(name, loaded_at, salons, failed, closed_at): (String, i64, i64, i64, Option<i64>)| {
        Ok(Gathered {
            month: month(&name)?,
            loaded_at: Timestamp(loaded_at),
            salons: salons.unsigned_abs(),
            failed: failed.unsigned_abs(),
            closed_at: closed_at.map(Timestamp),
        })
    };
    all.into_iter().map(gathered).collect()
}

/// The numbers of a month with their barbershops, by place; those left out come last.
async fn of_month(pool: &Pool, month: Month) -> Result<Vec<(Row, Salon)>, Error> {
    const SQL: &str = "\
        select month, salon_id, upto, revenue, services, goods, average_check, completed, visits, new_clients,
               returning_clients, base, return_share, place, is_stale, loaded_at
        from rating where month = $1
        order by place is null, place, salon_id";
    let month = month.to_string();
    let rows: Vec<Stored> = pool.rows("read a month's numbers", SQL, &[month.as_str().into()]).await?;
    let salons = super::salon::all(pool).await?.into_iter().map(|kept| (kept.salon.id, kept.salon));
    let mut salons: BTreeMap<i64, Salon> = salons.collect();
    let with_salon = |stored: Stored| {
        let salon = salons.remove(&stored.salon_id)?;
        Some(stored.row().map(|row| (row, salon)))
    };
    rows.into_iter().filter_map(with_salon).collect()
}

/// The numbers of a barbershop, the earliest month first.
async fn of_salon(pool: &Pool, salon: i64) -> Result<Vec<Row>, Error> {
    const SQL: &str = "\
        select month, salon_id, upto, revenue, services, goods, average_check, completed, visits, new_clients,
               returning_clients, base, return_share, place, is_stale, loaded_at
        from rating where salon_id = $1
        order by month";
    let rows: Vec<Stored> = pool.rows("read a barbershop's numbers", SQL, &[salon.into()]).await?;
    rows.into_iter().map(Stored::row).collect()
}

/// How many barbershops have a place, by month.
async fn placed(pool: &Pool) -> Result<Vec<(Month, u64)>, Error> {
    const SQL: &str = "select month, count(*) from rating where place is not null group by month";
    let all: Vec<(String, i64)> = pool.rows("count places", SQL, &[]).await?;
    all.into_iter().map(|(name, count)| Ok((month(&name)?, count.unsigned_abs()))).collect()
}

/// The averages of a scope, the earliest month first.
async fn averages(pool: &Pool, scope: &Scope) -> Result<Vec<Average>, Error> {
    const SQL: &str = "\
        select rating.month, count(*), cast(round(avg(rating.revenue)) as bigint),
               cast(round(avg(rating.average_check)) as bigint), cast(round(avg(rating.new_clients)) as bigint),
               cast(round(avg(rating.returning_clients)) as bigint)
        from rating
        join salon on salon.id = rating.salon_id
        where rating.place is not null
          and ($1 < 0 or salon.is_million = $1)
          and ($2 = '' or salon.city = $2)
        group by rating.month
        order by rating.month";
    let (million, city) = match scope {
        Scope::Network => (-1, ""),
        Scope::Size { is_million } => (i64::from(*is_million), ""),
        Scope::City(city) => (-1, city.as_str()),
    };
    let all: Vec<StoredAverage> = pool.rows("read averages", SQL, &[million.into(), city.into()]).await?;
    let average = |(name, salons, revenue, check, new, returning): StoredAverage| {
        Ok(Average {
            month: month(&name)?,
            salons: salons.unsigned_abs(),
            revenue: Kopecks(revenue),
            average_check: check.map(Kopecks),
            new_clients: new.unsigned_abs(),
            returning_clients: returning.map(i64::unsigned_abs),
        })
    };
    all.into_iter().map(average).collect()
}
