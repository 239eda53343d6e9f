//! Salons and the chains they belong to.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::wire::{self, Id};
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

    /// What words are looked for in: its name, town and address, as they are compared.
    pub fn searched(&self) -> String {
        let parts = [Some(self.title.as_str()), self.city.as_deref(), self.address.as_deref()];
        crate::text::folded(&parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
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

/// A chain as `/groups` gives it, with its salons.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct ChainWire {
    pub id: Id,
    #[serde(default, deserialize_with = "wire::text")]
    title: Option<String>,
    #[serde(default)]
    pub companies: Vec<SalonWire>,
}

/// A salon as every list gives it; `/groups` promises only the id and the title.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct SalonWire {
    pub id: Id,
    #[serde(default, deserialize_with = "wire::text")]
    title: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    public_title: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    city: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    address: Option<String>,
    /// Not `timezone`: that is an offset, or a name, as it happens.
    #[serde(default, deserialize_with = "wire::text")]
    timezone_name: Option<String>,
    #[serde(default, deserialize_with = "wire::flag_if_any")]
    active: Option<bool>,
}

/// What a salon asked for by itself tells beside the fields of [`SalonWire`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct CompanyWire {
    #[serde(default, deserialize_with = "wire::id_if_any")]
    main_group_id: Option<i64>,
    #[serde(default, deserialize_with = "wire::count_if_any")]
    active_staff_count: Option<u64>,
    #[serde(default, deserialize_with = "wire::text")]
    currency_short_title: Option<String>,
}

impl From<(SalonWire, CompanyWire)> for Company {
    fn from((salon, wire): (SalonWire, CompanyWire)) -> Company {
        Company {
            salon: salon.into(),
            chain: wire.main_group_id.map(ChainId),
            active_staff: wire.active_staff_count,
            currency: wire.currency_short_title,
        }
    }
}

impl From<ChainWire> for Chain {
    fn from(wire: ChainWire) -> Chain {
        Chain { id: ChainId(wire.id.0), title: wire.title.unwrap_or_default(), salons: wire.companies.len() }
    }
}

impl From<SalonWire> for Salon {
    fn from(wire: SalonWire) -> Salon {
        let is_known = |name: &String| name.parse::<Tz>().is_ok();
        Salon {
            id: CompanyId(wire.id.0),
            title: wire
                .title
                .or_else(|| wire.public_title.clone())
                .unwrap_or_else(|| format!("№ {}", wire.id.0)),
            public_title: wire.public_title,
            city: wire.city,
            address: wire.address,
            time_zone: wire.timezone_name.filter(is_known),
            is_active: wire.active,
        }
    }
}
