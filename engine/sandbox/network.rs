//! The network of barbershops behind the stand-in `YClients`: 300 salons in 60 cities, whose every day can be told.
//!
//! Nothing is stored but who the salons are. A day's numbers are counted when somebody asks, from the seed, the salon
//! and the date alone: the same question gets the same answer, on any machine and in any order.

mod day;
mod dice;
mod places;
mod title;

use chrono::{Days, Months, NaiveDate};

pub use day::{Day, Totals};
use dice::Dice;
use places::{CITIES, City};

/// How long ago the numbers begin.
const MONTHS_KEPT: u32 = 13;

/// The first salon's number; the others follow.
const FIRST: i64 = 700_101;

/// Who the salons are.
#[derive(Clone, Debug)]
pub struct Network {
    seed: u64,
    today: NaiveDate,
    salons: Vec<Salon>,
}

/// A barbershop of the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Salon {
    /// Its number.
    pub id: i64,
    /// As whoever put it down happened to write it.
    pub title: String,
    /// The town, as post knows it.
    pub city: &'static str,
    /// Street and house.
    pub address: String,
    /// Its clock.
    pub zone: &'static str,
    /// Where it is: degrees north and east.
    pub place: (f64, f64),
    /// When it took its first client.
    pub opened: NaiveDate,
    /// The last day, if it has closed.
    pub closed: Option<NaiveDate>,
    /// Chairs, from 2 to 8.
    pub chairs: u32,
    /// What a haircut costs there on average, in roubles.
    price: u32,
    /// How much of the working hours is taken on a day like any other, in thousandths.
    demand: u32,
}

impl Network {
    /// The chain's number.
    pub const CHAIN: i64 = 900_318;

    /// A network of `size` salons as it stands on `today`; 300 is the real one.
    ///
    /// Of a hundred salons about four have closed within the year, and about eight opened less than three months ago.
    pub fn new(size: usize, today: NaiveDate, seed: u64) -> Network {
        let salons = spread(size).into_iter().zip(FIRST..).map(|((city, number), id)| {
            Salon::found(city, number, id, today, &mut Dice::of(&[seed, id.unsigned_abs()]))
        });
        Network { seed, today, salons: salons.collect() }
    }

    /// All salons, also the closed ones, by number.
    pub fn salons(&self) -> &[Salon] {
        &self.salons
    }

    /// The salon with this number.
    pub fn salon(&self, id: i64) -> Option<&Salon> {
        self.salons.get(usize::try_from(id.checked_sub(FIRST)?).ok()?)
    }

    /// The day it was built for; later days hold what is booked ahead.
    pub fn today(&self) -> NaiveDate {
        self.today
    }

    /// The first day that has numbers.
    pub fn since(&self) -> NaiveDate {
        self.today.checked_sub_months(Months::new(MONTHS_KEPT)).unwrap_or(NaiveDate::MIN)
    }

    /// What happened in a salon on a day; nothing before it opened and after it closed.
    pub fn day(&self, salon: &Salon, date: NaiveDate) -> Day {
        let is_open = salon.opened <= date && salon.closed.is_none_or(|last| date <= last);
        if !is_open || date < self.since() {
            return Day::default();
        }
        day::lived(
            salon,
            date,
            self.today,
            &mut Dice::of(&[self.seed, salon.id.unsigned_abs(), day_number(date)]),
        )
    }

    /// What happened from one day to another, both included.
    pub fn totals(&self, salon: &Salon, from: NaiveDate, to: NaiveDate) -> Totals {
        let days = from.iter_days().take_while(|date| *date <= to);
        let sum = days.clone().fold(Day::default(), |sum, date| sum.and(&self.day(salon, date)));
        let spoken = Dice::of(&[self.seed, salon.id.unsigned_abs(), day_number(to), 1]);
        Totals::of(sum, days.count(), self.base(salon, to), spoken)
    }

    /// Everybody who has ever come, by the end of a day: about one new face a chair a day.
    fn base(&self, salon: &Salon, to: NaiveDate) -> u64 {
        let last = salon.closed.map_or(self.today, |closed| closed.min(self.today)).min(to);
        let age = last.signed_duration_since(salon.opened).num_days().clamp(0, 2000).unsigned_abs();
        age * u64::from(salon.chairs) * 6 / 5
    }
}

impl Salon {
    fn found(city: &City, number: usize, id: i64, today: NaiveDate, dice: &mut Dice) -> Salon {
        let address = title::address(dice);
        let age = match dice.below(100) {
            0..8 => dice.between(5, 90),
            8..30 => dice.between(91, 400),
            _ => dice.between(401, 3000),
        };
        let back = |days: u64| today.checked_sub_days(Days::new(days)).unwrap_or(today);
        let has_closed = age > 400 && dice.below(100) < 5;
        let jitter = |dice: &mut Dice| dice.fraction() * 0.1 - 0.05;
        Salon {
            id,
            title: title::title(city, number, &address, dice),
            city: city.name,
            zone: city.zone,
            place: (city.north + jitter(dice), city.east + jitter(dice)),
            opened: back(age),
            closed: has_closed.then(|| back(dice.between(10, 360))),
            chairs: u32::try_from(2 + dice.below(3) + dice.below(5)).unwrap_or(2),
            price: city.price + u32::try_from(dice.below(40)).unwrap_or(0) * 10,
            demand: u32::try_from(dice.between(420, 780)).unwrap_or(600),
            address,
        }
    }
}

/// Which cities the salons are in, and which of its city's each is: every city has one, the rest go by weight.
fn spread(size: usize) -> Vec<(&'static City, usize)> {
    let weight: usize = CITIES.iter().map(|city| city.weight).sum();
    let mut places: Vec<(&City, usize)> = Vec::with_capacity(size);
    let spare = size.saturating_sub(CITIES.len());
    let mut before = 0;
    for city in CITIES {
        // Counted from the start, so that what rounding takes here it gives back further on.
        let upto = |weight_so_far: usize| spare * weight_so_far / weight;
        let count = 1 + upto(before + city.weight) - upto(before);
        before += city.weight;
        places.extend((0..count).map(|number| (city, number)));
    }
    places.truncate(size);
    places
}

fn day_number(date: NaiveDate) -> u64 {
    date.signed_duration_since(NaiveDate::default()).num_days().unsigned_abs()
}
