//! The job that keeps the numbers of the network: this month's, and those of the twelve before it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeZone as _};
use chrono_tz::Tz;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::month::Month;
use super::roll::{self, Roll};
use super::{Known, Line, gather};
use crate::clock::Timestamp;
use crate::conversation::Host;
use crate::http::Kind;
use crate::jobs::{Came, Told, Work};
use crate::store::job::Run;
use crate::store::rating::{Gathered, Loaded, Numbers, Row};
use crate::store::salon::{Kept, Salon};
use crate::store::{self, Store};
use crate::yclients::{Client, CompanyId, Error, Overall, Period};

/// Closed months that are kept.
const KEPT: u32 = 12;
/// A day is over when it is over in the westernmost salon, an hour behind Moscow.
const WEST: Duration = Duration::from_hours(1);
/// Salons of one step, by how many are asked at a time: what a step brought is on disk.
const WAVES: usize = 4;

/// Keeps the numbers of the network up to date.
#[derive(Debug)]
pub struct Gathering {
    host: Arc<Host>,
    client: Client,
    roll: Roll,
    at_once: NonZeroU32,
    zone: Tz,
}

/// What holds a gathering up.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{month}: {left} salons did not tell; {why}")]
    Left { month: Month, left: usize, why: Error },
    #[error("the formula of the rating fails: {0}")]
    Formula(String),
    #[error("the list of salons did not come: {0}")]
    Roll(#[from] roll::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// A month to be gathered.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    month: Month,
    /// The last day that counts.
    upto: NaiveDate,
    /// Numbers told before this are not good.
    since: Timestamp,
    /// Whether the month is over.
    is_over: bool,
}

impl Gathering {
    /// Of the salons that `client` sees, `at_once` of them at a time, by the calendar of `zone`.
    pub fn new(host: Arc<Host>, client: &Client, at_once: NonZeroU32, zone: Tz) -> Gathering {
        let roll = Roll::new(Arc::clone(&host), client);
        Gathering { host, client: client.clone(), roll, at_once, zone }
    }

    fn store(&self) -> &Store {
        self.host.store()
    }

    /// Gathers whatever is not complete. Errors: what is left, when something is; the rest is done all the same.
    async fn gather(&self, run: &Run, told: &Told) -> Result<String, Trouble> {
        let salons = self.salons().await?;
        let wanted = self.wanted(run).await?;
        let (mut trouble, mut count) = (None, Count::default());
        count.total = wanted.len() * salons.len();
        for wanted in &wanted {
            match self.month(*wanted, &salons, told, &mut count).await {
                Ok(()) => {}
                // The others would hear the same.
                Err(error @ (Trouble::Store(_) | Trouble::Formula(_) | Trouble::Roll(_))) => {
                    return Err(error);
                }
                Err(error @ Trouble::Left { .. }) => {
                    trouble.get_or_insert(error);
                }
            }
        }
        let today = self.today(self.host.clock().now());
        self.store().forget_ratings(Month::of(today).back(KEPT)).await?;
        match trouble {
            Some(trouble) => Err(trouble),
            None => Ok(format!("{} months of {} salons", wanted.len(), salons.len())),
        }
    }

    /// The salons that are asked: those the list tells of. It is asked for when it never was.
    async fn salons(&self) -> Result<Vec<Salon>, Trouble> {
        let known = self.listed().await?;
        if !known.is_empty() {
            return Ok(known);
        }
        self.roll.call().await?;
        Ok(self.listed().await?)
    }

    /// What the list told of when it came last; who is not on it any more is nobody to ask.
    async fn listed(&self) -> Result<Vec<Salon>, store::Error> {
        let all = self.store().salons().await?;
        let latest = all.iter().filter_map(|kept| kept.seen_at).max();
        let is_listed = |kept: &Kept| latest.is_some() && kept.seen_at == latest;
        Ok(all.into_iter().filter(is_listed).map(|kept| kept.salon).collect())
    }

    /// The months to be gathered: this one, then those that are not closed, the latest first.
    async fn wanted(&self, run: &Run) -> Result<Vec<Wanted>, store::Error> {
        let today = self.today(self.host.clock().now());
        let this = Month::of(today);
        let closed: Vec<Month> = self
            .store()
            .gathered()
            .await?
            .iter()
            .filter(|g| g.closed_at.is_some())
            .map(|g| g.month)
            .collect();
        // On the first nothing of this month is over yet.
        let yesterday = today.pred_opt().filter(|day| *day >= this.first());
        let current =
            yesterday.map(|upto| Wanted { month: this, upto, since: run.planned_at, is_over: false });
        let earlier = (1..=KEPT).map(|back| this.back(back)).filter(|month| !closed.contains(month));
        let earlier = earlier.map(|month| Wanted {
            month,
            upto: month.last(),
            since: self.midnight(month.forward(1).first()) + WEST,
            is_over: true,
        });
        Ok(current.into_iter().chain(earlier).collect())
    }

    /// Gathers a month, gives its places, and closes it when it is over and complete.
    async fn month(
        &self,
        wanted: Wanted,
        salons: &[Salon],
        told: &Told,
        count: &mut Count,
    ) -> Result<(), Trouble> {
        let Wanted { month, upto, since, is_over } = wanted;
        let known: BTreeMap<i64, Row> =
            self.store().rating(month).await?.into_iter().map(|(row, _)| (row.salon, row)).collect();
        let is_good = |row: &&Row| !row.is_stale && row.upto == upto && row.loaded_at >= since;
        let asked: Vec<CompanyId> = salons
            .iter()
            .filter(|salon| known.get(&salon.id).filter(is_good).is_none())
            .map(|salon| CompanyId(salon.id))
            .collect();
        count.done += salons.len() - asked.len();
        let period = Period::new(month.first(), upto).expect("a month has begun before its last day");
        let (mut left, mut failed) = (None, 0);
        for step in asked.chunks(self.at_once.get() as usize * WAVES) {
            let clock = self.host.clock();
            let lines = gather(&self.client, clock, step, period, &BTreeMap::new(), self.at_once).await;
            let stale: Vec<&Line> = lines.iter().filter(|line| line.is_stale()).collect();
            let passing = || stale.iter().filter_map(|line| line.failure.clone()).filter(is_passing);
            if let Some(why) = passing().next() {
                let before = left.map_or(0, |(before, _)| before);
                left = Some((before + passing().count(), why));
            }
            let is_hopeless = stale.len() == step.len() && left.is_some();
            failed += stale.len();
            let stale = stale.iter().map(|line| line.salon.0).collect();
            let loaded = lines.iter().filter_map(|line| loaded(line, upto)).collect();
            self.store().rate(month, loaded, stale).await?;
            count.done += step.len();
            count.tell(told, month).await;
            // When nobody answers, nobody else is asked.
            if is_hopeless {
                break;
            }
        }
        let now = self.host.clock().now();
        let is_closed = is_over && left.is_none();
        let gathered = Gathered {
            month,
            loaded_at: now,
            salons: salons.len() as u64,
            failed: failed as u64,
            closed_at: is_closed.then_some(now),
        };
        self.place(gathered).await?;
        match left {
            Some((left, why)) => Err(Trouble::Left { month, left, why }),
            None => Ok(()),
        }
    }

    /// Gives the places of a month by the formula that is live, and writes down how it was gathered.
    async fn place(&self, gathered: Gathered) -> Result<(), Trouble> {
        let rows = self.store().rating(gathered.month).await?;
        let set = self.host.scripts().live();
        let work = move || {
            let shown: Vec<Value> = rows.iter().map(|(row, salon)| shown(row, salon)).collect();
            set.points(&shown).map(|points| order(&rows, &points))
        };
        let order = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()));
        self.store().place(order.map_err(Trouble::Formula)?, gathered).await?;
        // The month after compares its places with these.
        let (cache, query) = (self.host.cache(), &self.host.cache().queries().rating);
        for month in [gathered.month, gathered.month.forward(1)] {
            cache.forget(query, &month.to_string()).await;
        }
        Ok(())
    }

    /// The day it is where the day ends last.
    fn today(&self, now: Timestamp) -> NaiveDate {
        let moment = DateTime::from_timestamp_millis((now - WEST).0).unwrap_or_default();
        moment.with_timezone(&self.zone).date_naive()
    }

    fn midnight(&self, day: NaiveDate) -> Timestamp {
        let there = self.zone.from_local_datetime(&day.and_time(chrono::NaiveTime::MIN)).earliest();
        there.map_or(Timestamp(i64::MAX), |there| Timestamp(there.timestamp_millis()))
    }
}

impl Work for Gathering {
    fn attempt<'a>(&'a self, run: &'a Run, told: &'a Told) -> BoxFuture<'a, Came> {
        async move {
            match self.gather(run, told).await {
                Ok(report) => Came::Done(report),
                Err(trouble) => Came::NotYet(trouble.to_string()),
            }
        }
        .boxed()
    }
}

/// How far a gathering has come.
#[derive(Debug, Default)]
struct Count {
    done: usize,
    total: usize,
}

impl Count {
    async fn tell(&self, told: &Told, month: Month) {
        told.progress(self.done as u64, self.total as u64, &format!("gathers {month}")).await;
    }
}

/// Whether the same question may be answered later. A salon that is closed to us stays so until somebody acts: no
/// month waits for it.
fn is_passing(error: &Error) -> bool {
    let is_closed = match error.kind() {
        Kind::Denied | Kind::NotFound | Kind::Rejected | Kind::Invalid => true,
        Kind::Unavailable | Kind::Limit => false,
    };
    error.is_about_tokens() || !is_closed
}

fn loaded(line: &Line, upto: NaiveDate) -> Option<Loaded> {
    let Known { overall, loaded_at } = line.numbers.as_ref()?;
    Some(Loaded { salon: line.salon.0, upto, numbers: numbers(overall), loaded_at: *loaded_at })
}

fn numbers(overall: &Overall) -> Numbers {
    let Overall { income, records, clients, .. } = overall;
    Numbers {
        revenue: income.total.current,
        services: income.services.current,
        goods: income.goods.current,
        average_check: income.average.map(|average| average.current),
        completed: records.completed.count,
        visits: records.total.current,
        new_clients: clients.new.count,
        returning_clients: clients.returned.map(|returned| returned.count),
        base: clients.total,
        return_share: clients.returned.and_then(|returned| returned.percent),
    }
}

/// A barbershop with its numbers, as the formula sees it.
pub(crate) fn shown(row: &Row, salon: &Salon) -> Value {
    let numbers = &row.numbers;
    json!({
        "id": salon.id, "label": salon.title, "city": salon.city, "region": salon.region,
        "is_million": salon.is_million, "is_active": salon.is_active, "is_stale": row.is_stale,
        "revenue": numbers.revenue, "services": numbers.services, "goods": numbers.goods,
        "average": numbers.average_check, "completed": numbers.completed, "visits": numbers.visits,
        "new_clients": numbers.new_clients, "returning_clients": numbers.returning_clients, "base": numbers.base,
        "return_share": numbers.return_share,
    })
}

/// Who comes before whom: more points first, then more revenue.
pub(crate) fn order(rows: &[(Row, Salon)], points: &[Option<f64>]) -> Vec<i64> {
    let rated = rows.iter().zip(points).filter_map(|((row, _), points)| Some((row, (*points)?)));
    let mut rated: Vec<(&Row, f64)> = rated.collect();
    rated.sort_by(|(one, a), (other, b)| {
        let by_revenue = other.numbers.revenue.cmp(&one.numbers.revenue);
        b.total_cmp(a).then(by_revenue).then(one.salon.cmp(&other.salon))
    });
    rated.into_iter().map(|(row, _)| row.salon).collect()
}
