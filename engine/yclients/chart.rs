//! Numbers by day, and by kind.

use chrono::{DateTime, NaiveDate};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::wire::{self, Fraction, Scalar};

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

/// A line of a chart by what it means: its label is in a language of the service's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Of [`Chart::IncomeDaily`].
    IncomeTotal,
    /// Of [`Chart::IncomeDaily`].
    IncomeServices,
    /// Of [`Chart::IncomeDaily`].
    IncomeGoods,
    /// Of [`Chart::RecordsDaily`].
    Records,
    /// Of [`Chart::RecordsDaily`].
    RecordsOnline,
    /// Of [`Chart::RecordsDaily`].
    RecordsOfNewClients,
    /// Of [`Chart::FullnessDaily`].
    Fullness,
    /// Of [`Chart::FullnessDaily`]: taken by those who did not come.
    NoShow,
    /// Of [`Chart::ClientsDaily`].
    Clients,
    /// Of [`Chart::ClientsDaily`].
    NewClients,
    /// Of [`Chart::ClientsDaily`].
    ReturnedClients,
}

impl Line {
    /// The line among those of its chart: by its slug, or by its place when no line has one.
    pub fn of(self, lines: &[Series]) -> Option<&Series> {
        let (slug, place) = match self {
            Line::IncomeTotal => ("income_total", 0),
            Line::IncomeServices => ("income_services", 1),
            Line::IncomeGoods => ("income_goods", 2),
            Line::Records => ("records_total", 0),
            Line::RecordsOnline => ("records_online", 1),
            Line::RecordsOfNewClients => ("records_new_clients", 2),
            Line::Fullness => ("fullness_spent", 0),
            Line::NoShow => ("fullness_no_show", 1),
            Line::Clients => ("clients_total", 0),
            Line::NewClients => ("clients_new", 1),
            Line::ReturnedClients => ("clients_returned", 2),
        };
        if lines.iter().all(|line| line.slug.is_none()) {
            return lines.get(place);
        }
        lines.iter().find(|line| line.slug.as_deref() == Some(slug))
    }
}

impl Chart {
    /// As the service calls it.
    pub fn name(self) -> &'static str {
        match self {
            Chart::IncomeDaily => "income_daily",
            Chart::RecordsDaily => "records_daily",
            Chart::FullnessDaily => "fullness_daily",
            Chart::ClientsDaily => "clients_daily",
            Chart::RecordSource => "record_source",
            Chart::RecordStatus => "record_status",
        }
    }
}

#[derive(Deserialize)]
pub(super) struct SeriesWire {
    #[serde(default, deserialize_with = "wire::text")]
    label: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    slug: Option<String>,
    data: Vec<(Day, Option<Fraction>)>,
}

#[derive(Deserialize)]
pub(super) struct SliceWire {
    #[serde(default, deserialize_with = "wire::text")]
    label: Option<String>,
    data: Fraction,
}

impl From<SeriesWire> for Series {
    fn from(wire: SeriesWire) -> Series {
        let point = |(day, value): (Day, Option<Fraction>)| Some(Point { day: day.0, value: value?.0 });
        Series {
            label: wire.label.unwrap_or_default(),
            slug: wire.slug,
            points: wire.data.into_iter().filter_map(point).collect(),
        }
    }
}

impl From<SliceWire> for Slice {
    fn from(wire: SliceWire) -> Slice {
        Slice { label: wire.label.unwrap_or_default(), value: wire.data.0 }
    }
}

/// A day of the salon's calendar: milliseconds of its midnight **in UTC**, wherever the salon is, or a date.
struct Day(NaiveDate);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Day, D::Error> {
        let scalar = Scalar::deserialize(deserializer)?;
        let day = match &scalar {
            Scalar::Text(text) if text.contains('-') => text.get(..10).and_then(|day| day.parse().ok()),
            _ => scalar.int().and_then(DateTime::from_timestamp_millis).map(|instant| instant.date_naive()),
        };
        day.map(Day).ok_or_else(|| D::Error::custom("is no day"))
    }
}
