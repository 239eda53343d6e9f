//! Days in a row.

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

/// The most days the service counts at once.
pub const LONGEST_DAYS: u64 = 365;

/// Days of a salon's own calendar, both ends included, so never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Period {
    from: NaiveDate,
    to: NaiveDate,
}

impl Period {
    /// From one day to another; `None` when the first is the later one.
    pub fn new(from: NaiveDate, to: NaiveDate) -> Option<Period> {
        (from <= to).then_some(Period { from, to })
    }

    /// One day.
    pub fn day(day: NaiveDate) -> Period {
        Period { from: day, to: day }
    }

    /// A month of the calendar; `None` when there is none of this number.
    pub fn month(year: i32, month: u32) -> Option<Period> {
        let from = NaiveDate::from_ymd_opt(year, month, 1)?;
        let to = from.checked_add_months(chrono::Months::new(1))?.pred_opt()?;
        Some(Period { from, to })
    }

    /// The first day.
    pub fn from(self) -> NaiveDate {
        self.from
    }

    /// The last day.
    pub fn to(self) -> NaiveDate {
        self.to
    }

    /// How many days, at least 1.
    pub fn days(self) -> u64 {
        self.to.signed_duration_since(self.from).num_days().unsigned_abs() + 1
    }

    /// Whether the day is one of these.
    pub fn contains(self, day: NaiveDate) -> bool {
        self.from <= day && day <= self.to
    }

    /// As many days right before these: what the service compares with. `None` before the calendar begins.
    pub fn previous(self) -> Option<Period> {
        let to = self.from.pred_opt()?;
        Some(Period { from: to.checked_sub_days(Days::new(self.days() - 1))?, to })
    }

    /// The same days in parts the service takes, in order: all of [`LONGEST_DAYS`] but the last.
    pub fn parts(self) -> Vec<Period> {
        let mut parts = Vec::new();
        let mut from = self.from;
        loop {
            let last = from.checked_add_days(Days::new(LONGEST_DAYS - 1)).filter(|to| *to < self.to);
            parts.push(Period { from, to: last.unwrap_or(self.to) });
            match last.and_then(|to| to.succ_opt()) {
                Some(next) => from = next,
                None => return parts,
            }
        }
    }
}
