//! Moments that come again and again, by the calendar on the wall.

use std::fmt;

use chrono::{DateTime, Days, NaiveTime, TimeZone as _, Timelike as _, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};

use crate::clock::Timestamp;

/// Five fields of cron: minute, hour, day of the month, month, day of the week. `0 10 * * MON` is Monday at ten.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Schedule(Cron);

impl Schedule {
    /// Reads the five fields. Errors: there are more or fewer of them, or one of them is none.
    pub fn parse(fields: &str) -> Result<Schedule, CronError> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        parser.parse(fields).map(Schedule)
    }

    /// The latest moment that is not after `now`; `None` when there was none.
    pub fn latest(&self, now: Timestamp, zone: Tz) -> Option<Timestamp> {
        self.0.find_previous_occurrence(&local(now, zone)?, true).ok().map(|moment| stamp(&moment))
    }

    /// The first moment after `now`; `None` when there will be none.
    pub fn next(&self, now: Timestamp, zone: Tz) -> Option<Timestamp> {
        self.0.find_next_occurrence(&local(now, zone)?, false).ok().map(|moment| stamp(&moment))
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// The hours of the day in which people may be written to of the bot's own accord.
const DAY: std::ops::Range<u32> = 9..22;

/// The moment itself by day, and nine in the morning after it by night.
pub fn by_day(moment: Timestamp, zone: Tz) -> Timestamp {
    let Some(there) = local(moment, zone) else { return moment };
    if DAY.contains(&there.hour()) {
        return moment;
    }
    let is_evening = there.hour() >= DAY.end;
    let date = there.date_naive().checked_add_days(Days::new(is_evening.into()));
    let morning = date.zip(NaiveTime::from_hms_opt(DAY.start, 0, 0)).map(|(date, time)| date.and_time(time));
    let there = morning.and_then(|morning| morning.and_local_timezone(zone).earliest());
    there.map_or(moment, |there| stamp(&there))
}

/// The second in which `moment` lies: a schedule knows no smaller spans.
fn local(moment: Timestamp, zone: Tz) -> Option<DateTime<Tz>> {
    zone.timestamp_opt(moment.0.div_euclid(1000), 0).single()
}

fn stamp(moment: &DateTime<Tz>) -> Timestamp {
    Timestamp(moment.with_timezone(&Utc).timestamp_millis())
}
