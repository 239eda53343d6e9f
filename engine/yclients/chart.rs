//! Numbers by day, and by kind.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// Which chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chart {
    /// What was earned: `income_total`, `income_services`, `income_goods`; or one series without a name.
    IncomeDaily,
    /// Visits in three series without names: all, made online, of new clients.
    RecordsDaily,
    /// Working hours taken, in percent: `fullness_spent`, `fullness_no_show`; or one series without a name.
    FullnessDaily,
    /// People: `clients_total`, `clients_new`, `clients_returned`. Not documented by the service.
    ClientsDaily,
    /// Where visits come from.
    RecordSource,
    /// What became of visits.
    RecordStatus,
}

/// A line of a chart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What it is of, in a language of the service's choice: to show, never to search by.
    pub label: String,
    /// Its name, when the service gave one.
    pub slug: Option<String>,
    /// By day, in order.
    pub points: Vec<Point>,
}

/// A day of a line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// In the salon's own calendar.
    pub day: NaiveDate,
    /// Of roubles, visits, people or percent.
    pub value: f64,
}

/// A piece of a pie.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// What it is of, in a language of the service's choice.
    pub label: String,
    /// How many.
    pub value: f64,
}
