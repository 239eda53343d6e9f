//! The numbers of a salon over a period.

use serde::{Deserialize, Serialize};

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
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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
