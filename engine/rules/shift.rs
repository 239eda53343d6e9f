//! Whose turn it is: people in the order in which they are asked, each with the hours in which they work.

use std::time::Duration;

use chrono::{Datelike as _, Days, NaiveDate, NaiveTime};
use serde::Deserialize;
use serde_json::Value;

use super::{instant, local};
use crate::clock::Timestamp;

/// How far ahead the next shift is looked for.
const AHEAD: u64 = 31;

/// One person's working hours by the office's clock.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shift {
    /// The portal's number of the person.
    id: i64,
    /// The days of the week, Monday is 1.
    #[serde(default = "every_day")]
    days: String,
    /// The first hour.
    #[serde(default)]
    from: u32,
    /// The hour after the last; one not after `from` is on the next day.
    #[serde(default = "midnight")]
    to: u32,
    /// Days on which they are away.
    #[serde(default)]
    away: Vec<NaiveDate>,
}

fn every_day() -> String {
    "1234567".to_owned()
}

fn midnight() -> u32 {
    24
}

/// The first of the people who works at the moment; while nobody does, the one who comes next. And why, for staff.
pub(super) fn whose(people: &[Value], at: Timestamp) -> Result<(i64, String), String> {
    let shifts: Vec<Shift> = people.iter().map(read).collect::<Result<_, _>>()?;
    let today = local(at).date_naive();
    let works = |shift: &&Shift| {
        // A night's shift has begun yesterday.
        [today - Days::new(1), today]
            .into_iter()
            .any(|day| shift.on(day).is_some_and(|(begins, ends)| begins <= at && at < ends))
    };
    if let Some(shift) = shifts.iter().find(works) {
        return Ok((shift.id, format!("на смене {}", shift.id)));
    }
    let next = |shift: &Shift| {
        let days = (0..AHEAD).map(|ahead| today + Days::new(ahead));
        days.filter_map(|day| shift.on(day)).map(|(begins, _)| begins).find(|&begins| begins > at)
    };
    let soonest =
        shifts.iter().filter_map(|shift| Some((next(shift)?, shift.id))).min_by_key(|&(begins, _)| begins);
    match (soonest, shifts.first()) {
        (Some((_, id)), _) => Ok((id, format!("на смене никого, следующим выйдет {id}"))),
        (None, Some(first)) => Ok((first.id, format!("на смене никого, первый в списке {}", first.id))),
        (None, None) => Err("responsible — номер или список смен, а список пуст".to_owned()),
    }
}

/// A person: a number, for somebody who always works, or a map of their hours.
fn read(person: &Value) -> Result<Shift, String> {
    let told = |why: String| format!("смена пишется #{{ id: 12, days: \"12345\", from: 9, to: 18 }}: {why}");
    if let Some(id) = person.as_i64() {
        return Ok(Shift { id, days: every_day(), from: 0, to: midnight(), away: Vec::new() });
    }
    let shift: Shift = serde_json::from_value(person.clone()).map_err(|error| told(error.to_string()))?;
    if shift.from > 23 || shift.to > 24 {
        return Err(told("часы бывают от 0 до 24".to_owned()));
    }
    Ok(shift)
}

impl Shift {
    /// From when until when the shift of this day lasts, if there is one.
    fn on(&self, day: NaiveDate) -> Option<(Timestamp, Timestamp)> {
        let weekday = char::from_digit(day.weekday().number_from_monday(), 10)?;
        if !self.days.contains(weekday) || self.away.contains(&day) {
            return None;
        }
        let begins = instant(day.and_time(NaiveTime::MIN)) + hours(self.from);
        let lasts = if self.to > self.from { self.to - self.from } else { self.to + 24 - self.from };
        Some((begins, begins + hours(lasts)))
    }
}

fn hours(count: u32) -> Duration {
    Duration::from_hours(u64::from(count))
}
