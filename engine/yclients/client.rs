//! Calls to the service: each goes by the one road to the outside and ends in an honest outcome.

use std::sync::Arc;

use governor::Quota;

use super::{Chain, Chart, Company, CompanyId, Error, Overall, Period, Record, Salon, Series, Slice};
use crate::clock::SharedClock;
use crate::config;
use crate::http;

/// Calls the service with the rights of one user. Clones are handles to the same.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    priority: http::Priority,
}

struct Inner {}

/// The quotas for the throttle of the service: by address, so one for every chain this process serves.
pub fn quotas(_limits: &config::Yclients) -> Vec<Quota> {
    unimplemented!("until the next commit")
}

impl Client {
    /// A client with the tokens of `settings`. `service` is the road its calls go by, with [`quotas`] in its throttle;
    /// `http` follows no redirects.
    pub fn new(
        settings: &config::Yclients,
        service: http::Service,
        http: reqwest::Client,
        clock: SharedClock,
    ) -> Client {
        let _ = (settings, service, http, clock);
        Client { inner: Arc::new(Inner {}), priority: http::Priority::Interactive }
    }

    /// The same client, whose calls take their turn by `priority`.
    #[must_use]
    pub fn at(&self, priority: http::Priority) -> Client {
        Client { inner: Arc::clone(&self.inner), priority }
    }

    /// The chains the tokens see: what is asked to learn whether they are good. Source: `/groups`.
    pub async fn whoami(&self) -> Result<Vec<Chain>, Error> {
        let _ = self.priority;
        unimplemented!("until the next commit")
    }

    /// All salons of the chain of the settings, in the order of their numbers.
    pub async fn salons(&self) -> Result<Vec<Salon>, Error> {
        unimplemented!("until the next commit")
    }

    /// One salon. Source: `/company/{id}/`.
    pub async fn company(&self, id: CompanyId) -> Result<Company, Error> {
        let _ = id;
        unimplemented!("until the next commit")
    }

    /// The numbers of a salon; a period above 365 days is put together of parts, see [`Overall`].
    pub async fn overall(&self, id: CompanyId, period: Period) -> Result<Overall, Error> {
        let _ = (id, period);
        unimplemented!("until the next commit")
    }

    /// The lines of a chart by day.
    pub async fn chart(&self, id: CompanyId, chart: Chart, period: Period) -> Result<Vec<Series>, Error> {
        let _ = (id, chart, period);
        unimplemented!("until the next commit")
    }

    /// The pieces of a pie.
    pub async fn pie(&self, id: CompanyId, chart: Chart, period: Period) -> Result<Vec<Slice>, Error> {
        let _ = (id, chart, period);
        unimplemented!("until the next commit")
    }

    /// The visits of these days, all pages.
    pub async fn records(&self, id: CompanyId, period: Period) -> Result<Vec<Record>, Error> {
        let _ = (id, period);
        unimplemented!("until the next commit")
    }
}
