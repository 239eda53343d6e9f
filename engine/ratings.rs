//! The numbers of the whole network, gathered salon by salon: the service has none for a chain.
//!
//! [`gather`] asks for the numbers of some days. [`Gathering`] keeps those of a year by month: this month's every
//! night, and each earlier month until it is complete; then it is closed, and nothing changes it any more.
//! [`Board`] is a month as people look at it.

mod board;
mod gathering;
mod month;
mod roll;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::OnceLock;

use futures::StreamExt as _;
use serde::{Deserialize, Serialize};

use crate::clock::{SharedClock, Timestamp};
use crate::http::Priority;
use crate::yclients::{Client, CompanyId, Error, Overall, Period};

pub use board::{Board, Line as Placed};
pub use gathering::Gathering;
pub(crate) use gathering::{order, shown};
pub use month::Month;
pub use roll::Roll;

/// Numbers of a salon, and when the service told them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// The numbers.
    pub overall: Overall,
    /// When they were told.
    pub loaded_at: Timestamp,
}

/// A salon in the rating. One that could not be asked keeps the numbers it had: it has no zeros.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Which.
    pub salon: CompanyId,
    /// The numbers, new or old; `None` when there never were any.
    pub numbers: Option<Known>,
    /// Why there are no new ones.
    pub failure: Option<Error>,
}

impl Line {
    /// Whether the numbers are old, or missing.
    pub fn is_stale(&self) -> bool {
        self.failure.is_some()
    }
}

/// Asks for the numbers of every salon over a period, `at_once` of them at a time and behind those who wait for an
/// answer in a talk; a line for each salon, in their order.
///
/// `known` are the numbers of the same period as they were told last: what fails keeps them. When the service refuses
/// the tokens themselves, nobody else is asked: they would hear the same.
pub async fn gather(
    client: &Client,
    clock: &SharedClock,
    salons: &[CompanyId],
    period: Period,
    known: &BTreeMap<CompanyId, Known>,
    at_once: NonZeroU32,
) -> Vec<Line> {
    let client = client.at(Priority::Report);
    let refused = OnceLock::new();
    let ask = async |salon: CompanyId| {
        if let Some(error) = refused.get() {
            return Err(Error::clone(error));
        }
        let answer = client.overall(salon, period).await;
        if let Err(error) = &answer
            && error.is_about_tokens()
        {
            // Whoever was first is right.
            let _ = refused.set(error.clone());
        }
        answer
    };
    let lines = futures::stream::iter(salons.iter().copied().enumerate()).map(async |(place, salon)| {
        let (numbers, failure) = match ask(salon).await {
            Ok(overall) => (Some(Known { overall, loaded_at: clock.now() }), None),
            Err(error) => (known.get(&salon).cloned(), Some(error)),
        };
        (place, Line { salon, numbers, failure })
    });
    // In the order of coming: a salon that is tried again must not hold up the others.
    let mut lines: Vec<(usize, Line)> = lines.buffer_unordered(at_once.get() as usize).collect().await;
    lines.sort_by_key(|(place, _)| *place);
    lines.into_iter().map(|(_, line)| line).collect()
}
