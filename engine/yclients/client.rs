//! Calls to the service: each goes by the one road to the outside and ends in an honest outcome.

use std::collections::{BTreeMap, HashSet};
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header;
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use url::Url;

use super::chart::{SeriesWire, SliceWire};
use super::patience::Patience;
use super::salon::{ChainWire, CompanyWire, SalonWire};
use super::wire::{self, Page, Unreadable};
use super::{
    Chain, ChainId, Chart, Company, CompanyId, Error, Overall, Period, Record, Refusal, Salon, Series,
};
use super::{Slice, overall, record, refusal};
use crate::clock::SharedClock;
use crate::config;
use crate::http::{self, Attempt, Call, Effect, Mask};

/// Rows of a page of salons; the service gives no more.
const SALONS: usize = 300;
/// Rows of a page of visits; more have been asked for, and it is not known whether they come.
const RECORDS: usize = 200;
/// No list is longer; one that is never ends.
const PAGES: usize = 1000;

/// Calls the service with the rights of one user. Clones are handles to the same.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    priority: http::Priority,
}

struct Inner {
    base: Url,
    authorization: SecretString,
    mask: Mask,
    chain: Option<ChainId>,
    timeout: Duration,
    service: http::Service,
    http: reqwest::Client,
    clock: SharedClock,
    patience: Patience,
}

/// One call as it goes out, the same in each attempt.
struct Request {
    endpoint: &'static str,
    path: String,
    query: Vec<(&'static str, String)>,
    company: Option<CompanyId>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("chain", &self.inner.chain).finish_non_exhaustive()
    }
}

impl Client {
    /// A client with the tokens of `settings`. `service` is the road its calls go by; `http` follows no redirects: they
    /// would drop the tokens, or give them to somebody else.
    pub fn new(
        settings: &config::Yclients,
        service: http::Service,
        http: reqwest::Client,
        clock: SharedClock,
    ) -> Client {
        let shown = |token: &Option<SecretString>| {
            token.as_ref().map(|token| token.expose_secret().trim().to_owned()).unwrap_or_default()
        };
        let (partner, user) = (shown(&settings.partner_token), shown(&settings.user_token));
        let authorization = match user.as_str() {
            "" => format!("Bearer {partner}"),
            user => format!("Bearer {partner}, User {user}"),
        };
        let inner = Inner {
            base: settings.api_url.clone(),
            authorization: authorization.into(),
            mask: Mask::new([partner.into(), user.into()]),
            chain: settings.chain_id.map(ChainId),
            timeout: settings.request_timeout,
            service,
            http,
            clock,
            patience: Patience::default(),
        };
        Client { inner: Arc::new(inner), priority: http::Priority::Interactive }
    }

    /// The same client, whose calls take their turn by `priority`.
    #[must_use]
    pub fn at(&self, priority: http::Priority) -> Client {
        Client { inner: Arc::clone(&self.inner), priority }
    }

    /// The chains the tokens see: what is asked to learn whether they are good. Source: `/groups`.
    pub async fn whoami(&self) -> Result<Vec<Chain>, Error> {
        Ok(self.chains().await?.into_iter().map(Chain::from).collect())
    }

    /// All salons of the chain of the settings, in the order of their numbers.
    ///
    /// `/groups` says which they are, and `/companies` tells more of each. Where the user may not ask for groups, the
    /// companies of the chain are believed. Errors: [`Error::NoSuchChain`] when the tokens see no such chain, or no
    /// salon in it; another chain is never taken for it.
    pub async fn salons(&self) -> Result<Vec<Salon>, Error> {
        let chain = self.inner.chain.ok_or(Error::NoChain)?;
        let ours = match self.chains().await {
            Ok(chains) => Some(pick(chains, chain)?),
            Err(Error::Refused { refusal: Refusal::Right | Refusal::NotFound, .. }) => None,
            Err(error) => return Err(error),
        };
        let listed = self.companies(chain).await?.into_iter().map(Salon::from);
        let mut salons: BTreeMap<CompanyId, Salon> = listed.map(|salon| (salon.id, salon)).collect();
        if let Some(ours) = ours {
            let ours: Vec<Salon> = ours.into_iter().map(Salon::from).collect();
            let numbers: HashSet<CompanyId> = ours.iter().map(|salon| salon.id).collect();
            // A filter the service does not know is ignored, and then everybody's salons come.
            salons.retain(|id, _| numbers.contains(id));
            for salon in ours {
                salons.entry(salon.id).or_insert(salon);
            }
        }
        if salons.is_empty() {
            return Err(Error::NoSuchChain { chain, seen: Vec::new() });
        }
        Ok(salons.into_values().collect())
    }

    /// One salon. Source: `/company/{id}/`.
    pub async fn company(&self, id: CompanyId) -> Result<Company, Error> {
        let request = Request::of(id, "company", format!("/company/{id}/"));
        // Read twice: a flattened structure would lose the paths of its fields, which errors name.
        let read = |body: &[u8]| Ok((wire::data::<SalonWire>(body)?, wire::data::<CompanyWire>(body)?));
        let company = Company::from(self.get(&request, read).await?);
        if company.salon.id != id {
            return Err(request.wrong("data.id", "is that of another salon"));
        }
        Ok(company)
    }

    /// The numbers of a salon; a period above 365 days is put together of parts, see [`Overall`].
    ///
    /// Source: `/company/{id}/analytics/overall/`, all eight blocks.
    pub async fn overall(&self, id: CompanyId, period: Period) -> Result<Overall, Error> {
        let mut parts = Vec::new();
        for part in period.parts() {
            parts.push(self.overall_part(id, part).await?);
        }
        Ok(Overall::joined(parts, period).expect("a period has at least one part"))
    }

    /// The lines of a chart by day, in the order the service gives them; [`super::Line`] finds one.
    ///
    /// Source: `/company/{id}/analytics/overall/charts/{name}/`.
    pub async fn chart(&self, id: CompanyId, chart: Chart, period: Period) -> Result<Vec<Series>, Error> {
        let mut lines: Vec<Series> = Vec::new();
        for part in period.parts() {
            let request = Request::chart(id, chart, part);
            let rows: Vec<SeriesWire> = self.get(&request, wire::bare).await?;
            let next: Vec<Series> = rows.into_iter().map(Series::from).collect();
            if lines.is_empty() {
                lines = next;
                continue;
            }
            let is_same = lines.len() == next.len() && lines.iter().zip(&next).all(|(a, b)| a.slug == b.slug);
            if !is_same {
                return Err(request.wrong("[]", "has other lines than the days before"));
            }
            lines.iter_mut().zip(next).for_each(|(line, next)| line.points.extend(next.points));
        }
        Ok(lines)
    }

    /// The pieces of a pie: [`Chart::RecordSource`], [`Chart::RecordStatus`]. 365 days at most, more is refused.
    pub async fn pie(&self, id: CompanyId, chart: Chart, period: Period) -> Result<Vec<Slice>, Error> {
        let rows: Vec<SliceWire> = self.get(&Request::chart(id, chart, period), wire::bare).await?;
        Ok(rows.into_iter().map(Slice::from).collect())
    }

    /// The visits of these days, all pages, in the order the service gives them. Source: `/records/{company}`.
    pub async fn records(&self, id: CompanyId, period: Period) -> Result<Vec<Record>, Error> {
        let request = Request::of(id, "records", format!("/records/{id}"))
            .with("start_date", &period.from())
            .with("end_date", &period.to());
        let rows: Vec<record::Wire> = self.pages(request, RECORDS, |row: &record::Wire| row.id.0).await?;
        Ok(rows.into_iter().map(Record::from).collect())
    }

    async fn chains(&self) -> Result<Vec<ChainWire>, Error> {
        let request =
            Request { endpoint: "groups", path: "/groups".to_owned(), query: Vec::new(), company: None };
        self.get(&request, wire::data).await
    }

    async fn companies(&self, chain: ChainId) -> Result<Vec<SalonWire>, Error> {
        let request = Request {
            endpoint: "companies",
            path: "/companies".to_owned(),
            query: Vec::new(),
            company: None,
        };
        self.pages(request.with("group_id", &chain), SALONS, |row: &SalonWire| row.id.0).await
    }

    async fn overall_part(&self, id: CompanyId, period: Period) -> Result<Overall, Error> {
        let path = format!("/company/{id}/analytics/overall/");
        let request = Request::of(id, "analytics/overall", path).within(period);
        let numbers: overall::Wire = self.get(&request, wire::data).await?;
        numbers.check(id, period).map_err(|(field, reason)| request.wrong(&format!("data.{field}"), reason))
    }

    /// Every page until one is empty, or as many rows have come as there are: a short page need not be the last.
    async fn pages<T: DeserializeOwned + Send>(
        &self,
        mut request: Request,
        count: usize,
        id: impl Fn(&T) -> i64,
    ) -> Result<Vec<T>, Error> {
        request = request.with("count", &count).with("page", &1);
        let (mut rows, mut seen) = (Vec::new(), HashSet::new());
        for number in 1..=PAGES {
            if let Some((_, page)) = request.query.last_mut() {
                *page = number.to_string();
            }
            let page: Page<T> = self.get(&request, wire::page).await?;
            let is_empty = page.rows.is_empty();
            let before = rows.len();
            rows.extend(page.rows.into_iter().filter(|row| seen.insert(id(row))));
            let is_all = page.total.is_some_and(|total| seen.len() as u64 >= total);
            if is_empty || is_all {
                return Ok(rows);
            }
            if rows.len() == before {
                return Err(request.wrong("data", "repeats the rows of the pages before"));
            }
        }
        Err(request.wrong("data", "never ends"))
    }

    /// Asks by the one road, as often as it takes.
    async fn get<T: Send>(
        &self,
        request: &Request,
        read: fn(&[u8]) -> Result<T, Unreadable>,
    ) -> Result<T, Error> {
        let call = Call { endpoint: request.endpoint, priority: self.priority, effect: Effect::Read };
        self.inner.service.call(call, |attempt| self.inner.exchange(request, attempt, read)).await
    }
}

impl Inner {
    async fn exchange<T>(
        &self,
        request: &Request,
        attempt: Attempt,
        read: fn(&[u8]) -> Result<T, Unreadable>,
    ) -> Result<T, Error> {
        let sent_at = self.clock.now();
        let mut address = self.base.clone();
        address.set_path(&format!("{}{}", self.base.path().trim_end_matches('/'), request.path));
        if !request.query.is_empty() {
            address.query_pairs_mut().extend_pairs(&request.query);
        }
        let lost = |error: reqwest::Error| lost(request.endpoint, error);
        let response = self
            .http
            .get(address)
            .header(header::AUTHORIZATION, self.authorization.expose_secret())
            .header(header::ACCEPT, "application/vnd.yclients.v2+json")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT_LANGUAGE, "ru")
            .timeout(self.timeout.min(attempt.time_left))
            .send()
            .await
            .map_err(lost)?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|seconds| seconds.trim().parse().ok());
        let body = response.bytes().await.map_err(lost)?;
        let answer = refusal::Answer { status, retry_after, body: &body };
        answer.read(request.endpoint, request.company, read).map_err(|trouble| match trouble {
            refusal::Trouble::TooMany { asked } => {
                let retry_after = self.patience.after(sent_at, self.clock.now(), asked);
                Error::TooMany { endpoint: request.endpoint, retry_after }
            }
            refusal::Trouble::Other(Error::Refused { endpoint, company, refusal, status, message }) => {
                let message = self.mask.text(&message).into_owned();
                Error::Refused { endpoint, company, refusal, status, message }
            }
            refusal::Trouble::Other(error) => error,
        })
    }
}

impl Request {
    fn of(company: CompanyId, endpoint: &'static str, path: String) -> Request {
        Request { endpoint, path, query: Vec::new(), company: Some(company) }
    }

    fn chart(company: CompanyId, chart: Chart, period: Period) -> Request {
        let path = format!("/company/{company}/analytics/overall/charts/{}/", chart.name());
        Request::of(company, refusal::CHARTS, path).within(period)
    }

    fn within(self, period: Period) -> Request {
        self.with("date_from", &period.from()).with("date_to", &period.to())
    }

    fn with(mut self, name: &'static str, value: &impl ToString) -> Request {
        self.query.push((name, value.to_string()));
        self
    }

    fn wrong(&self, path: &str, reason: &str) -> Error {
        Error::Malformed { endpoint: self.endpoint, path: path.to_owned(), reason: reason.to_owned() }
    }
}

/// The salons of the chain that is meant.
fn pick(chains: Vec<ChainWire>, chain: ChainId) -> Result<Vec<SalonWire>, Error> {
    let seen: Vec<ChainId> = chains.iter().map(|chain| ChainId(chain.id.0)).collect();
    let ours = chains.into_iter().find(|found| found.id.0 == chain.0);
    ours.map(|chain| chain.companies).ok_or(Error::NoSuchChain { chain, seen })
}

fn lost(endpoint: &'static str, error: reqwest::Error) -> Error {
    let error = error.without_url();
    let is_unreachable = error.is_connect() || error.is_builder();
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        reason = format!("{reason}: {next}");
        cause = next.source();
    }
    if is_unreachable { Error::Unreachable { endpoint, reason } } else { Error::Lost { endpoint, reason } }
}
