//! Salons and the chains they belong to.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{ChainId, CompanyId};

/// A chain the tokens see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Its number.
    pub id: ChainId,
    /// As its owners call it.
    pub title: String,
    /// How many of its salons the tokens see.
    pub salons: usize,
}

/// A salon of the chain, as far as the lists tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Salon {
    /// Its number.
    pub id: CompanyId,
    /// As its owners call it, often with the town inside: `BORODACH, Казань, ТЦ «Кольцо»`.
    pub title: String,
    /// As clients see it.
    pub public_title: Option<String>,
    /// The town.
    pub city: Option<String>,
    /// Street and house.
    pub address: Option<String>,
    /// Its own clock, by the name that [`Salon::zone`] knows: `Europe/Moscow`.
    pub time_zone: Option<String>,
    /// `Some(false)`: frozen. `None`: the list did not tell.
    pub is_active: Option<bool>,
}

impl Salon {
    /// Its own clock, when it told and we know it.
    pub fn zone(&self) -> Option<Tz> {
        self.time_zone.as_deref()?.parse().ok()
    }
}

/// A salon asked for by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Company {
    /// What the lists tell, too.
    pub salon: Salon,
    /// The chain it mainly belongs to.
    pub chain: Option<ChainId>,
    /// People on its staff who take clients now.
    pub active_staff: Option<u64>,
    /// The sign of its currency: `₽`.
    pub currency: Option<String>,
}
