//! `YClients` in its own words: the salons of a chain, their numbers over a period, the visits behind them.
//!
//! [`Client`] makes the calls through the one road to the outside, [`crate::http`]. What the service answers is
//! tolerated in form and checked in meaning: an id may come as text and an empty map as `[]`, but a count below zero
//! is an error that names the field. An error is never a zero: a salon that could not be asked has no numbers, and
//! that is another thing than no revenue. Nobody outside of this module sees JSON.

mod chart;
mod client;
mod error;
mod overall;
mod patience;
mod period;
mod record;
mod refusal;
mod salon;
mod suggest;
mod wire;

use serde::{Deserialize, Serialize};

pub use chart::{Chart, Line, Point, Series, Slice};
pub use client::Client;
pub use error::{Error, Refusal};
pub use overall::{Change, Clients, Fullness, Income, Overall, Records, Share};
pub use period::{LONGEST_DAYS, Period};
pub use record::{Attendance, Record, Service};
pub use salon::{Chain, Company, Salon};
pub use suggest::suggest;

macro_rules! ids {
    ($($(#[$about:meta])+ $name:ident)+) => {$(
        $(#[$about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

ids! {
    /// A salon, which the service calls a company.
    CompanyId
    /// A chain of salons, which the service also calls a group.
    ChainId
    /// Somebody who cuts.
    StaffId
    /// A visit somebody was put down for.
    RecordId
}
