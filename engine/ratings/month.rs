//! A month of the calendar.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike as _, NaiveDate};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::yclients::Period;

/// A month: `2026-11`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(NaiveDate);

impl Month {
    /// The month in which a day lies.
    pub fn of(day: NaiveDate) -> Month {
        Month(day.with_day(1).expect("every month has a first day"))
    }

    /// Its first day.
    pub fn first(self) -> NaiveDate {
        self.0
    }

    /// Its last day.
    pub fn last(self) -> NaiveDate {
        self.forward(1).0.pred_opt().expect("the calendar goes on")
    }

    /// All its days.
    pub fn period(self) -> Period {
        Period::new(self.first(), self.last()).expect("a month begins before it ends")
    }

    /// The month so many months later.
    #[must_use]
    pub fn forward(self, months: u32) -> Month {
        Month(self.0.checked_add_months(chrono::Months::new(months)).unwrap_or(self.0))
    }

    /// The month so many months earlier.
    #[must_use]
    pub fn back(self, months: u32) -> Month {
        Month(self.0.checked_sub_months(chrono::Months::new(months)).unwrap_or(self.0))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m"))
    }
}

/// The text is no month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a month is written YYYY-MM")]
pub struct NoMonth;

impl FromStr for Month {
    type Err = NoMonth;

    fn from_str(text: &str) -> Result<Month, NoMonth> {
        NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").map(Month).map_err(|_| NoMonth)
    }
}

impl Serialize for Month {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Month {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Month, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
