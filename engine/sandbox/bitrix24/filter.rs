//! Filters as the portal reads them: a key is a prefix and a field; a key it does not know is ignored.

use std::borrow::Cow;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use serde_json::Value;

use crate::clock::Timestamp;

use super::params::{list, text};

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    /// No prefix: whatever the field thinks best.
    Plain,
    Equal,
    Like,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// One key of a filter with what is wanted of it: read once, asked for every row.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    is_not: bool,
    op: Op,
    /// The field, without the prefix.
    pub name: String,
    wanted: Vec<String>,
}

impl Condition {
    pub fn parse(key: &str, wanted: &Value) -> Condition {
        let (is_not, rest) = key.strip_prefix('!').map_or((false, key), |rest| (true, rest));
        let ops = [
            (">=", Op::GreaterOrEqual),
            ("<=", Op::LessOrEqual),
            ("=%", Op::Like),
            ("%=", Op::Like),
            (">", Op::Greater),
            ("<", Op::Less),
            ("=", Op::Equal),
            ("%", Op::Like),
            ("@", Op::Equal),
        ];
        let found = ops.into_iter().find_map(|(prefix, op)| Some((op, rest.strip_prefix(prefix)?)));
        let (op, name) = found.unwrap_or((Op::Plain, rest));
        Condition { is_not, op, name: name.to_owned(), wanted: list(wanted).iter().map(text).collect() }
    }

    /// Whether the field is as wanted: any value of a list will do. An empty list wants nothing and is ignored.
    pub fn holds(&self, field: &Field<'_>, zone: FixedOffset) -> bool {
        if self.wanted.is_empty() {
            return true;
        }
        let mut wanted = self.wanted.iter();
        let found = match field {
            Field::All(names) => wanted.all(|name| names.contains(name)),
            other => wanted.any(|one| compares(self.op, other, one, zone)),
        };
        found != self.is_not
    }
}

/// What a row has under a name.
#[derive(Clone, Debug)]
pub(super) enum Field<'a> {
    Number(i64),
    /// Compared whole.
    Text(Cow<'a, str>),
    /// Compared by any part of it, unless `=` is asked for.
    Words(Cow<'a, str>),
    /// To the second.
    Instant(Option<Timestamp>),
    /// Holds if any of them does.
    Any(Vec<Field<'a>>),
    /// Holds if each of the wanted is among them.
    All(&'a [String]),
}

fn compares(op: Op, field: &Field<'_>, wanted: &str, zone: FixedOffset) -> bool {
    match field {
        Field::Number(number) => wanted.trim().parse().is_ok_and(|wanted: i64| ordered(op, number, &wanted)),
        Field::Words(text) if matches!(op, Op::Plain | Op::Like) => contains(text, wanted),
        Field::Text(text) if op == Op::Like => contains(text, wanted),
        Field::Text(text) | Field::Words(text) => ordered(op, text.as_ref(), wanted),
        Field::Instant(at) if wanted.is_empty() => at.is_none(),
        Field::Instant(at) => match (at, instant(wanted, zone)) {
            (Some(at), Some(wanted)) => ordered(op, at, &wanted),
            (None | Some(_), _) => false,
        },
        Field::Any(fields) => fields.iter().any(|field| compares(op, field, wanted, zone)),
        Field::All(names) => names.iter().any(|name| name == wanted),
    }
}

fn ordered<T: PartialOrd + ?Sized>(op: Op, has: &T, wanted: &T) -> bool {
    match op {
        Op::Plain | Op::Equal | Op::Like => has == wanted,
        Op::Less => has < wanted,
        Op::LessOrEqual => has <= wanted,
        Op::Greater => has > wanted,
        Op::GreaterOrEqual => has >= wanted,
    }
}

fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

/// A date as people and clients write it; without an offset it is the portal's.
pub(super) fn instant(text: &str, zone: FixedOffset) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(exact) = DateTime::parse_from_rfc3339(text) {
        return Some(second(exact.timestamp()));
    }
    let with_time = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M"];
    let local = with_time.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let day =
        || ["%Y-%m-%d", "%d.%m.%Y"].iter().find_map(|format| NaiveDate::parse_from_str(text, format).ok());
    let local = local.or_else(|| day().map(|day| day.and_time(NaiveTime::MIN)))?;
    Some(second(zone.from_local_datetime(&local).single()?.timestamp()))
}

/// A date as the portal writes it.
pub(super) fn written(at: Timestamp, zone: FixedOffset) -> String {
    let at = DateTime::from_timestamp_millis(at.0).unwrap_or_default();
    at.with_timezone(&zone).format("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

fn second(seconds: i64) -> Timestamp {
    Timestamp(seconds.saturating_mul(1000))
}
