//! The numbers of a salon over a period.

use serde::{Deserialize, Serialize};

use super::wire::{self, Count, Fraction, Money};
use super::{CompanyId, Period};
use crate::money::Kopecks;

/// Everything the service counts of a salon over some days.
///
/// A period above [`super::LONGEST_DAYS`] is asked for in parts and put together. What cannot be put together is
/// `None` then: averages, fullness, everything compared with the days before, and clients who came in several parts
/// (`returned`, `active`, `lost` and all shares of clients). Sums of money, counts of visits and new clients are
/// added up; `clients.total` is that of the last part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overall {
    /// Whose.
    pub company: CompanyId,
    /// Of which days.
    pub period: Period,
    /// The sign of the currency all money is in.
    pub currency: Option<String>,
    /// What was earned.
    pub income: Income,
    /// How much of the working hours was taken. `None` for a period of several parts.
    pub fullness: Option<Fullness>,
    /// The visits.
    pub records: Records,
    /// The people.
    pub clients: Clients,
}

/// A figure beside that of as many days before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change<T> {
    /// Of the period.
    pub current: T,
    /// Of the days before.
    pub previous: Option<T>,
    /// As the service counts it, cut to a whole number; `None` when there is nothing to compare with.
    pub percent: Option<i64>,
}

/// What was earned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Income {
    /// All together. Usually services and goods, but it may hold more.
    pub total: Change<Kopecks>,
    /// For services.
    pub services: Change<Kopecks>,
    /// For goods.
    pub goods: Change<Kopecks>,
    /// A receipt on average, as the service counts it: it is not the total by the visits.
    pub average: Option<Change<Kopecks>>,
    /// The same of services alone.
    pub average_services: Option<Change<Kopecks>>,
}

/// How much of the working hours was taken, in percent with a fraction.
pub type Fullness = Change<f64>;

/// A part of a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// How many.
    pub count: u64,
    /// Of the whole, rounded by the service; `None` when the whole is nothing.
    pub percent: Option<u64>,
}

/// The visits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// Those who came.
    pub completed: Share,
    /// Those still awaited.
    pub pending: Share,
    /// Those called off.
    pub canceled: Share,
    /// All.
    pub total: Change<u64>,
}

/// The people who came. One person is counted once, by the phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clients {
    /// All the salon has ever had.
    pub total: u64,
    /// Of [`Clients::active`], those who came for the first time.
    pub new: Share,
    /// Of [`Clients::active`], those who had been before: the share of repeated visits.
    pub returned: Option<Share>,
    /// Those who came at all.
    pub active: Option<u64>,
    /// Of all, those who have not come for long, 60 days unless the salon set another span.
    pub lost: Option<Share>,
}

impl Overall {
    /// Puts parts of a longer period together, in their order; `None` without parts.
    pub(super) fn joined(parts: Vec<Overall>, period: Period) -> Option<Overall> {
        let mut parts = parts.into_iter();
        let first = parts.next()?;
        let Some(second) = parts.next() else { return Some(Overall { period, ..first }) };
        let whole = first.and(&second);
        Some(Overall { period, ..parts.fold(whole, |whole, part| whole.and(&part)) })
    }

    /// What holds for both parts together.
    fn and(self, next: &Overall) -> Overall {
        let money = |a: Change<Kopecks>, b: Change<Kopecks>| Change::alone(a.current + b.current);
        let count = |a: Share, b: Share| Share { count: a.count.saturating_add(b.count), percent: None };
        let total = self.records.total.current.saturating_add(next.records.total.current);
        let visits = |a: Share, b: Share| count(a, b).of(total);
        Overall {
            company: self.company,
            period: self.period,
            currency: self.currency.or_else(|| next.currency.clone()),
            income: Income {
                total: money(self.income.total, next.income.total),
                services: money(self.income.services, next.income.services),
                goods: money(self.income.goods, next.income.goods),
                average: None,
                average_services: None,
            },
            fullness: None,
            records: Records {
                completed: visits(self.records.completed, next.records.completed),
                pending: visits(self.records.pending, next.records.pending),
                canceled: visits(self.records.canceled, next.records.canceled),
                total: Change::alone(total),
            },
            clients: Clients {
                total: next.clients.total,
                new: count(self.clients.new, next.clients.new),
                returned: None,
                active: None,
                lost: None,
            },
        }
    }
}

impl<T> Change<T> {
    /// A figure with nothing to compare it with.
    fn alone(current: T) -> Change<T> {
        Change { current, previous: None, percent: None }
    }
}

impl Share {
    /// The share of `whole`, rounded as the service does; none of nothing.
    fn of(self, whole: u64) -> Share {
        let percent = (u128::from(self.count) * 200 + u128::from(whole)).checked_div(u128::from(whole) * 2);
        Share { percent: percent.and_then(|percent| u64::try_from(percent).ok()), ..self }
    }
}

/// All of the eight blocks; a missing one is an error, for it would read as zeros.
#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names are the service's")]
pub(super) struct Wire {
    income_total_stats: MoneyWire,
    income_services_stats: MoneyWire,
    income_goods_stats: MoneyWire,
    income_average_stats: MoneyWire,
    income_average_services_stats: MoneyWire,
    fullness_stats: FullnessWire,
    record_stats: RecordsWire,
    client_stats: ClientsWire,
}

#[derive(Deserialize)]
struct MoneyWire {
    current_sum: Money,
    previous_sum: Money,
    #[serde(deserialize_with = "wire::percent")]
    change_percent: Option<i64>,
    #[serde(default, deserialize_with = "wire::map_if_any")]
    currency: Option<CurrencyWire>,
}

#[derive(Deserialize)]
struct CurrencyWire {
    #[serde(default, deserialize_with = "wire::text")]
    symbol: Option<String>,
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names are the service's")]
struct FullnessWire {
    current_percent: Fraction,
    previous_percent: Fraction,
    #[serde(deserialize_with = "wire::percent")]
    change_percent: Option<i64>,
}

/// `canceled` has one `l`.
#[derive(Deserialize)]
struct RecordsWire {
    current_completed_count: Count,
    #[serde(deserialize_with = "wire::share")]
    current_completed_percent: Option<u64>,
    current_pending_count: Count,
    #[serde(deserialize_with = "wire::share")]
    current_pending_percent: Option<u64>,
    current_canceled_count: Count,
    #[serde(deserialize_with = "wire::share")]
    current_canceled_percent: Option<u64>,
    current_total_count: Count,
    previous_total_count: Count,
    #[serde(deserialize_with = "wire::percent")]
    change_percent: Option<i64>,
}

#[derive(Deserialize)]
struct ClientsWire {
    total_count: Count,
    new_count: Count,
    #[serde(deserialize_with = "wire::share")]
    new_percent: Option<u64>,
    return_count: Count,
    #[serde(deserialize_with = "wire::share")]
    return_percent: Option<u64>,
    active_count: Count,
    lost_count: Count,
    #[serde(deserialize_with = "wire::share")]
    lost_percent: Option<u64>,
}

impl Wire {
    /// The numbers, if they can be so. The error is the field and why it cannot.
    pub fn check(self, company: CompanyId, period: Period) -> Result<Overall, (&'static str, &'static str)> {
        let fullness = Change {
            current: self.fullness_stats.current_percent.0,
            previous: Some(self.fullness_stats.previous_percent.0),
            percent: self.fullness_stats.change_percent,
        };
        if fullness.current < 0.0 {
            return Err(("fullness_stats.current_percent", "is below zero"));
        }
        Ok(Overall {
            company,
            period,
            currency: self.income_total_stats.currency.as_ref().and_then(|currency| currency.symbol.clone()),
            income: Income {
                total: self.income_total_stats.change(),
                services: self.income_services_stats.change(),
                goods: self.income_goods_stats.change(),
                average: Some(self.income_average_stats.change()),
                average_services: Some(self.income_average_services_stats.change()),
            },
            fullness: Some(fullness),
            records: self.record_stats.check()?,
            clients: self.client_stats.check()?,
        })
    }
}

impl MoneyWire {
    fn change(&self) -> Change<Kopecks> {
        Change {
            current: self.current_sum.0,
            previous: Some(self.previous_sum.0),
            percent: self.change_percent,
        }
    }
}

impl RecordsWire {
    fn check(self) -> Result<Records, (&'static str, &'static str)> {
        let parts = [self.current_completed_count, self.current_pending_count, self.current_canceled_count];
        let all: u128 = parts.iter().map(|part| u128::from(part.0)).sum();
        if all > u128::from(self.current_total_count.0) {
            return Err(("record_stats.current_total_count", "is less than its parts together"));
        }
        Ok(Records {
            completed: Share { count: parts[0].0, percent: self.current_completed_percent },
            pending: Share { count: parts[1].0, percent: self.current_pending_percent },
            canceled: Share { count: parts[2].0, percent: self.current_canceled_percent },
            total: Change {
                current: self.current_total_count.0,
                previous: Some(self.previous_total_count.0),
                percent: self.change_percent,
            },
        })
    }
}

impl ClientsWire {
    fn check(self) -> Result<Clients, (&'static str, &'static str)> {
        let active = self.active_count.0;
        if self.new_count.0 > active {
            return Err(("client_stats.new_count", "is more than all who came"));
        }
        if self.return_count.0 > active {
            return Err(("client_stats.return_count", "is more than all who came"));
        }
        Ok(Clients {
            total: self.total_count.0,
            new: Share { count: self.new_count.0, percent: self.new_percent },
            returned: Some(Share { count: self.return_count.0, percent: self.return_percent }),
            active: Some(active),
            lost: Some(Share { count: self.lost_count.0, percent: self.lost_percent }),
        })
    }
}
