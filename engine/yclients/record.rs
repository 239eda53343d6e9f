//! Visits one by one.

use std::time::Duration;

use chrono::NaiveDateTime;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::wire::{self, Id, Money, Scalar};
use super::{CompanyId, RecordId, StaffId};
use crate::money::Kopecks;

/// A visit. Of the client nothing is kept but whether they are new: nobody here needs to know who came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its number.
    pub id: RecordId,
    /// Where.
    pub company: CompanyId,
    /// With whom.
    pub staff: Option<StaffId>,
    /// When, by the salon's own clock.
    pub starts_at: NaiveDateTime,
    /// How long.
    pub length: Duration,
    /// What was done.
    pub services: Vec<Service>,
    /// What became of it.
    pub attendance: Attendance,
    /// Whether the client made it themselves.
    pub is_online: bool,
    /// Whether it was taken back.
    pub is_deleted: bool,
    /// Whether the client had not been here before; `None` when there is no client, or it is not told.
    pub is_new_client: Option<bool>,
}

/// What was done at a visit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// As the price list calls it.
    pub title: String,
    /// To be paid, discounts taken off.
    pub cost: Kopecks,
    /// How many times.
    pub amount: u64,
}

/// What became of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attendance {
    /// The client said that they would come.
    Confirmed,
    /// They came.
    Came,
    /// They are awaited.
    Awaited,
    /// They did not come.
    NoShow,
}

#[derive(Deserialize)]
pub(super) struct Wire {
    pub id: Id,
    company_id: Id,
    #[serde(default, deserialize_with = "wire::id_if_any")]
    staff_id: Option<i64>,
    #[serde(default)]
    services: Vec<ServiceWire>,
    #[serde(default, deserialize_with = "wire::map_if_any")]
    client: Option<ClientWire>,
    /// By the salon's own clock. Not `datetime`: its offset has been seen wrong.
    date: Local,
    #[serde(default, deserialize_with = "wire::count_if_any")]
    seance_length: Option<u64>,
    attendance: AttendanceWire,
    #[serde(default, deserialize_with = "wire::flag_if_any")]
    online: Option<bool>,
    #[serde(default, deserialize_with = "wire::flag_if_any")]
    deleted: Option<bool>,
}

#[derive(Deserialize)]
struct ServiceWire {
    #[serde(default, deserialize_with = "wire::text")]
    title: Option<String>,
    cost: Money,
    cost_to_pay: Option<Money>,
    #[serde(default, deserialize_with = "wire::count_if_any")]
    amount: Option<u64>,
}

#[derive(Deserialize)]
struct ClientWire {
    #[serde(default, deserialize_with = "wire::flag_if_any")]
    is_new: Option<bool>,
}

impl From<Wire> for Record {
    fn from(wire: Wire) -> Record {
        Record {
            id: RecordId(wire.id.0),
            company: CompanyId(wire.company_id.0),
            staff: wire.staff_id.map(StaffId),
            starts_at: wire.date.0,
            length: Duration::from_secs(wire.seance_length.unwrap_or(0)),
            services: wire.services.into_iter().map(Service::from).collect(),
            attendance: wire.attendance.0,
            is_online: wire.online.unwrap_or(false),
            is_deleted: wire.deleted.unwrap_or(false),
            is_new_client: wire.client.and_then(|client| client.is_new),
        }
    }
}

impl From<ServiceWire> for Service {
    fn from(wire: ServiceWire) -> Service {
        Service {
            title: wire.title.unwrap_or_default(),
            cost: wire.cost_to_pay.unwrap_or(wire.cost).0,
            amount: wire.amount.unwrap_or(1),
        }
    }
}

struct Local(NaiveDateTime);

impl<'de> Deserialize<'de> for Local {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Local, D::Error> {
        let text = wire::text(deserializer)?.unwrap_or_default();
        // An offset or milliseconds may follow; what counts is what the salon's clock showed.
        let clock = text.get(..19).map(|text| text.replace('T', " "));
        let moment = clock.and_then(|clock| NaiveDateTime::parse_from_str(&clock, "%Y-%m-%d %H:%M:%S").ok());
        moment.map(Local).ok_or_else(|| D::Error::custom("is no date and time"))
    }
}

struct AttendanceWire(Attendance);

impl<'de> Deserialize<'de> for AttendanceWire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AttendanceWire, D::Error> {
        match Scalar::deserialize(deserializer)?.int() {
            Some(2) => Ok(AttendanceWire(Attendance::Confirmed)),
            Some(1) => Ok(AttendanceWire(Attendance::Came)),
            Some(0) => Ok(AttendanceWire(Attendance::Awaited)),
            Some(-1) => Ok(AttendanceWire(Attendance::NoShow)),
            _ => Err(D::Error::custom("is none of 2, 1, 0 and -1")),
        }
    }
}
