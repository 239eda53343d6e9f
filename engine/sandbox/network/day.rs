//! A day of a salon, and days together.

use chrono::{Datelike as _, NaiveDate};

use super::Salon;
use super::dice::Dice;
use crate::money::Kopecks;

/// Minutes a chair works on a day.
const CHAIR_MINUTES: u64 = 600;
/// Minutes a visit takes.
const VISIT_MINUTES: u64 = 55;

/// From Monday, in hundredths of a usual day.
const WEEK: [u64; 7] = [78, 80, 86, 95, 115, 134, 112];
/// From January.
const YEAR: [u64; 12] = [86, 96, 100, 102, 104, 99, 95, 99, 98, 97, 98, 122];

/// What happened on a day. Days can be added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Day {
    /// Visits of those who came.
    pub completed: u64,
    /// Visits still awaited, or never marked.
    pub pending: u64,
    /// Visits called off.
    pub canceled: u64,
    /// Of all visits, those made by the clients themselves.
    pub online: u64,
    /// Of those who came, those who came for the first time.
    pub new_clients: u64,
    /// For services.
    pub services: Kopecks,
    /// For goods.
    pub goods: Kopecks,
    /// Receipts for goods without a visit.
    pub goods_receipts: u64,
    /// Minutes taken by visits.
    pub minutes_taken: u64,
    /// Minutes taken by those who did not come.
    pub minutes_lost: u64,
    /// Minutes there were.
    pub minutes: u64,
}

impl Day {
    /// All visits.
    pub fn records(&self) -> u64 {
        self.completed + self.pending + self.canceled
    }

    /// What was earned.
    pub fn income(&self) -> Kopecks {
        self.services + self.goods
    }

    /// Both days together.
    #[must_use]
    pub fn and(&self, other: &Day) -> Day {
        Day {
            completed: self.completed + other.completed,
            pending: self.pending + other.pending,
            canceled: self.canceled + other.canceled,
            online: self.online + other.online,
            new_clients: self.new_clients + other.new_clients,
            services: self.services + other.services,
            goods: self.goods + other.goods,
            goods_receipts: self.goods_receipts + other.goods_receipts,
            minutes_taken: self.minutes_taken + other.minutes_taken,
            minutes_lost: self.minutes_lost + other.minutes_lost,
            minutes: self.minutes + other.minutes,
        }
    }
}

/// Days together, with what is not simply their sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// The sum.
    pub sum: Day,
    /// Of a receipt.
    pub average: Kopecks,
    /// Of a receipt for services.
    pub average_services: Kopecks,
    /// Hours taken, in tenths of a percent.
    pub fullness_tenths: u64,
    /// Everybody who has ever come.
    pub clients: u64,
    /// Of those who came these days, those who came for the first time.
    pub new_clients: u64,
    /// Of those who came these days, those who had been before.
    pub returned: u64,
    /// Of everybody, those who have not come for long.
    pub lost: u64,
}

impl Totals {
    pub(super) fn of(sum: Day, days: usize, clients: u64, mut dice: Dice) -> Totals {
        // Whoever comes every four weeks is seen again in a longer period, and counted once.
        let months = (days as u64).saturating_sub(1);
        let active = sum.completed * 1000 / (1000 + months * 10);
        let new_clients = sum.new_clients.min(active);
        // Two haircuts of a father and a son are one receipt.
        let receipts = sum.completed - sum.completed / 20;
        let by = |money: Kopecks, count: u64| {
            Kopecks(money.0.checked_div(i64::try_from(count).unwrap_or(i64::MAX)).unwrap_or(0))
        };
        Totals {
            average: by(sum.income(), receipts + sum.goods_receipts),
            average_services: by(sum.services, receipts),
            fullness_tenths: (sum.minutes_taken * 1000).checked_div(sum.minutes).unwrap_or(0),
            clients,
            new_clients,
            returned: active - new_clients,
            lost: clients * dice.between(10, 60) / 1000,
            sum,
        }
    }
}

/// A day of an open salon, seen from `today`.
pub(super) fn lived(salon: &Salon, date: NaiveDate, today: NaiveDate, dice: &mut Dice) -> Day {
    let minutes = u64::from(salon.chairs) * CHAIR_MINUTES;
    let month = YEAR[date.month0() as usize];
    let week = WEEK[date.weekday().num_days_from_monday() as usize];
    let is_holiday = date.month() == 1 && date.day() == 1;
    let wanted =
        minutes * u64::from(salon.demand) * month * week * known(salon, date) * dice.between(85, 115)
            / (VISIT_MINUTES * 1_000_000_000_000);
    let most = minutes * 97 / 100 / VISIT_MINUTES;
    let booked = if is_holiday { 0 } else { wanted.min(most) };
    let ahead = date.signed_duration_since(today).num_days();
    let records = match ahead {
        ..=0 => booked,
        // What is booked two weeks ahead is little, and nobody books further.
        1..=14 => booked * (15 - ahead.unsigned_abs()) / 30,
        _ => 0,
    };
    let canceled = records * dice.between(3, 9) / 100;
    let pending = match ahead {
        ..0 => records * dice.below(3) / 100,
        0 => (records - canceled) / 2,
        1.. => records - canceled,
    };
    let completed = records - canceled - pending;
    // Half of the salons give discounts that leave kopecks.
    let grain = if salon.id % 2 == 0 { 1 } else { 1000 };
    let services = completed * u64::from(salon.price) * dice.between(92, 108) / grain * grain;
    let goods = services * dice.below(20) / 100 / grain * grain;
    let no_show = canceled / 3;
    Day {
        completed,
        pending,
        canceled,
        online: records * dice.between(50, 80) / 100,
        new_clients: completed * (dice.between(10, 22) + (1000 - known(salon, date)) / 40) / 100,
        services: kopecks(services),
        goods: kopecks(goods),
        goods_receipts: if goods == 0 { 0 } else { 1 + completed / 12 },
        minutes_taken: (completed + pending) * VISIT_MINUTES,
        minutes_lost: no_show * VISIT_MINUTES,
        minutes,
    }
}

/// How well the salon is known by its age, in thousandths: a new one fills up in half a year.
fn known(salon: &Salon, date: NaiveDate) -> u64 {
    let age = date.signed_duration_since(salon.opened).num_days().clamp(0, 180).unsigned_abs();
    350 + age * 650 / 180
}

/// `price × percent` is in kopecks as it is.
fn kopecks(amount: u64) -> Kopecks {
    Kopecks(i64::try_from(amount).unwrap_or(i64::MAX))
}
