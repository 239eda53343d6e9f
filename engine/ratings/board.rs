//! A month of the network as people look at it: who is where, and where they were the month before.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::month::Month;
use crate::clock::Timestamp;
use crate::money::Kopecks;
use crate::store::{self, Store};

/// The rating of a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Board {
    /// Which.
    pub month: Month,
    /// The last day that is counted.
    pub upto: NaiveDate,
    /// Whether the month is closed: nothing changes any more.
    pub is_closed: bool,
    /// Whether somebody's numbers are older than the others'.
    pub is_stale: bool,
    /// When it was gathered.
    pub loaded_at: Timestamp,
    /// Whether there is a month before to compare with.
    pub has_before: bool,
    /// From the first place down.
    pub lines: Vec<Line>,
}

/// A barbershop in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Which.
    pub salon: i64,
    /// Its name.
    pub title: String,
    /// Its town.
    pub city: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// From 1.
    pub place: u32,
    /// Places gained against the month before, lost when negative; `None` for one that had no place.
    pub change: Option<i64>,
    /// What it earned.
    pub revenue: Kopecks,
    /// Whether its numbers are older than the others'.
    pub is_stale: bool,
}

impl Board {
    /// The rating of a month; `None` when nobody has a place in it.
    pub async fn of(store: &Store, month: Month) -> Result<Option<Board>, store::Error> {
        let gathered = store.gathered().await?;
        let Some(gathered) = gathered.into_iter().find(|gathered| gathered.month == month) else {
            return Ok(None);
        };
        let before: BTreeMap<i64, u32> = store
            .rating(month.back(1))
            .await?
            .into_iter()
            .filter_map(|(row, _)| Some((row.salon, row.place?)))
            .collect();
        let rows = store.rating(month).await?;
        let Some(upto) = rows.iter().map(|(row, _)| row.upto).max() else { return Ok(None) };
        let line = |(row, salon): (store::rating::Row, store::salon::Salon)| {
            let place = row.place?;
            let change = before.get(&row.salon).map(|before| i64::from(*before) - i64::from(place));
            Some(Line {
                salon: row.salon,
                title: salon.title,
                city: salon.city,
                region: salon.region,
                place,
                change,
                revenue: row.numbers.revenue,
                // One that was loaded for fewer days than the others is no better than one that failed.
                is_stale: row.is_stale || row.upto < upto,
            })
        };
        let lines: Vec<Line> = rows.into_iter().filter_map(line).collect();
        if lines.is_empty() {
            return Ok(None);
        }
        Ok(Some(Board {
            month,
            upto,
            is_closed: gathered.closed_at.is_some(),
            is_stale: lines.iter().any(|line| line.is_stale),
            loaded_at: gathered.loaded_at,
            has_before: !before.is_empty(),
            lines,
        }))
    }

    /// The first `top` places, and those that `is_own` with `around` neighbours on each side; what is left out between
    /// two of them is a gap, `None`.
    pub fn around(&self, is_own: impl Fn(&Line) -> bool, top: usize, around: usize) -> Vec<Option<&Line>> {
        let own: Vec<usize> = (0..self.lines.len()).filter(|&at| is_own(&self.lines[at])).collect();
        let is_shown = |at: usize| at < top || own.iter().any(|own| own.abs_diff(at) <= around);
        let mut shown = Vec::new();
        let mut last = None;
        for at in (0..self.lines.len()).filter(|&at| is_shown(at)) {
            if last.map_or(at > 0, |last| at > last + 1) {
                shown.push(None);
            }
            shown.push(Some(&self.lines[at]));
            last = Some(at);
        }
        if last.is_some_and(|last| last + 1 < self.lines.len()) {
            shown.push(None);
        }
        shown
    }
}
