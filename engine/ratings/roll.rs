//! The roll of the network: which barbershops there are, and where.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::conversation::Host;
use crate::geography::Towns;
use crate::http::Priority;
use crate::jobs::{Came, Told, Work};
use crate::store::job::Run;
use crate::store::{self, salon::Salon};
use crate::yclients::{self, Client};

/// Keeps our table of barbershops as the chain's list has it.
#[derive(Debug)]
pub struct Roll {
    host: Arc<Host>,
    client: Client,
}

/// Why the roll is as it was.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The list did not come.
    #[error(transparent)]
    Service(#[from] yclients::Error),
    /// It could not be written.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Roll {
    /// The roll of the chain that `client` sees.
    pub fn new(host: Arc<Host>, client: &Client) -> Roll {
        Roll { host, client: client.at(Priority::Report) }
    }

    /// Asks for the list and writes it down; returns how many barbershops it has.
    pub async fn call(&self) -> Result<usize, Error> {
        let listed = self.client.salons().await?;
        let towns = self.host.store().towns().await?;
        let listed: Vec<Salon> = listed.into_iter().map(|salon| told(salon, &towns)).collect();
        let count = listed.len();
        self.host.store().sync_salons(listed).await?;
        Ok(count)
    }
}

impl Work for Roll {
    fn attempt<'a>(&'a self, _run: &'a Run, _told: &'a Told) -> BoxFuture<'a, Came> {
        async move {
            match self.call().await {
                Ok(count) => Came::Done(format!("{count} salons")),
                Err(error) => Came::NotYet(error.to_string()),
            }
        }
        .boxed()
    }
}

/// A barbershop as the list tells of it, with the place it must be in.
fn told(salon: yclients::Salon, towns: &Towns) -> Salon {
    let place = towns.place(&salon.title, salon.city.as_deref(), salon.address.as_deref());
    let (city, region, is_million) = match place {
        Some(place) => (Some(place.city), place.region, place.is_million),
        None => (None, None, false),
    };
    Salon {
        id: salon.id.0,
        title: salon.title.trim().to_owned(),
        address: salon.address,
        city,
        region,
        is_million,
        is_active: salon.is_active != Some(false),
    }
}
