//! Visits one by one.

use std::time::Duration;

use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};

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
