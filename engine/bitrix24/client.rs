//! Calls to a portal: each goes by the one road to the outside and ends in an honest outcome.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::{RequestBuilder, Response, header};
use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::code::Refusal;
use super::doubt::Doubts;
use super::error::{METHOD_SPENT_PAUSE, TOO_FAST_PAUSE};
use super::wire::{self, Complaint, Envelope, Running};
use super::{Address, AddressError, Capabilities, Error, PortalUserId, WriteKey};
use crate::clock::{SharedClock, Timestamp};
use crate::config;
use crate::http::{self, Attempt, Call, Effect, Scope};

/// The header by which REST 3.0 knows a repetition.
const KEY_HEADER: &str = "Idempotency-Key";

/// How long nobody calls after the portal's support blocked us: it is looked at every few minutes.
const BLOCKED_PAUSE: Duration = Duration::from_mins(3);

/// The span in which the running time of methods is counted.
const RUNNING_SPAN: Duration = Duration::from_mins(10);

/// Calls one portal with the rights of one incoming webhook. Clones are handles to the same.
#[derive(Clone)]
pub struct Client {
    pub(super) inner: Arc<Inner>,
    priority: http::Priority,
}

pub(super) struct Inner {
    pub address: Address,
    pub clock: SharedClock,
    pub doubts: Doubts,
    pub settings: config::Bitrix24,
    service: http::Service,
    http: reqwest::Client,
    known: Mutex<Capabilities>,
    resets: Mutex<HashMap<&'static str, Timestamp>>,
}

/// One call as it goes out, the same in each attempt.
pub(super) struct Request<'a> {
    /// As the portal spells it, with `api/` before it for REST 3.0.
    pub method: &'static str,
    /// The parameters as JSON.
    pub body: Vec<u8>,
    /// [`Effect::Read`] also for a write that comes to the same when it is done twice.
    pub effect: Effect,
    /// The write it does, when it must not be done twice.
    pub write: Option<&'a WriteKey>,
    /// What goes into the header by which REST 3.0 knows a repetition.
    pub header: Option<&'a str>,
}

/// What a call has brought.
pub(super) struct Answer<T> {
    /// The result.
    pub value: T,
    /// The rows in all pages, when they were counted.
    pub total: Option<u64>,
    /// Whether the portal repeated the key of REST 3.0, which it does when it heeds it.
    pub has_key: bool,
}

impl Client {
    /// A client for the portal of `webhook`. `service` is the road its calls go by, with the portal's limits in its
    /// throttle;
    /// `http` follows no redirects. Errors: `webhook` is no webhook's address.
    pub fn new(
        webhook: &SecretString,
        settings: &config::Bitrix24,
        service: http::Service,
        http: reqwest::Client,
        clock: SharedClock,
    ) -> Result<Client, AddressError> {
        let inner = Inner {
            address: Address::parse(webhook)?,
            doubts: Doubts::new(clock.clone(), settings.longest_request),
            clock,
            settings: settings.clone(),
            service,
            http,
            known: Mutex::default(),
            resets: Mutex::default(),
        };
        Ok(Client { inner: Arc::new(inner), priority: http::Priority::Interactive })
    }

    /// The same client, whose calls take their turn by `priority`.
    #[must_use]
    pub fn at(&self, priority: http::Priority) -> Client {
        Client { inner: self.inner.clone(), priority }
    }

    /// Whose rights the calls have.
    pub fn owner(&self) -> PortalUserId {
        self.inner.address.owner()
    }

    /// What is known of the portal by now; [`Client::probe`] asks.
    pub fn capabilities(&self) -> Capabilities {
        *self.inner.known()
    }

    /// Asks, or does what comes to the same when it is done twice: in doubt the call is simply repeated.
    pub(super) async fn ask<T: DeserializeOwned + Send>(
        &self,
        method: &'static str,
        parameters: &(impl Serialize + Sync),
    ) -> Result<T, Error> {
        self.page(method, parameters).await.map(|answer| answer.value)
    }

    /// The same, with what a page of a list says of the whole.
    pub(super) async fn page<T: DeserializeOwned + Send>(
        &self,
        method: &'static str,
        parameters: &(impl Serialize + Sync),
    ) -> Result<Answer<T>, Error> {
        let body = encode(parameters);
        self.perform(&Request { method, body, effect: Effect::Read, write: None, header: None }).await
    }

    /// Does what must not be done twice. Errors: [`Error::TooEarly`] while an earlier attempt may still be running.
    pub(super) async fn write<T: DeserializeOwned + Send>(
        &self,
        method: &'static str,
        parameters: &(impl Serialize + Sync),
        key: &WriteKey,
    ) -> Result<Answer<T>, Error> {
        if let Some(retry_after) = self.inner.doubts.left(key.as_str()) {
            return Err(Error::TooEarly { key: key.as_str().to_owned(), retry_after });
        }
        let header = method.starts_with("api/").then(|| key.as_str());
        let body = encode(parameters);
        let request = Request { method, body, effect: Effect::Write, write: Some(key), header };
        let outcome = self.perform(&request).await;
        let is_settled = match &outcome {
            Ok(_) => true,
            Err(error) => error.verdict() != http::Verdict::LookFirst,
        };
        if is_settled {
            self.inner.doubts.settled(key.as_str());
        }
        outcome
    }

    /// Makes a call by the one road.
    pub(super) async fn perform<T: DeserializeOwned + Send>(
        &self,
        request: &Request<'_>,
    ) -> Result<Answer<T>, Error> {
        let call = Call { endpoint: request.method, priority: self.priority, effect: request.effect };
        self.inner.service.call(call, |attempt| self.inner.exchange(request, attempt)).await
    }

    /// Sends a file by the one road: `fill` makes the body of each attempt. It waits as long as a report may, for a file
    /// takes longer than a call a person waits for.
    pub(super) async fn send<T: DeserializeOwned + Send>(
        &self,
        method: &'static str,
        url: &str,
        fill: impl Fn(RequestBuilder) -> RequestBuilder + Send + Sync,
    ) -> Result<T, Error> {
        let priority = self.priority.max(http::Priority::Report);
        let call = Call { endpoint: method, priority, effect: Effect::Write };
        let inner = &self.inner;
        let attempt = |attempt: Attempt| {
            let timeout = inner.settings.upload_timeout.min(attempt.time_left);
            let request = fill(inner.http.post(url)).timeout(timeout);
            async move {
                let response = request.send().await.map_err(|error| inner.lost(method, error))?;
                inner.read(method, response).await.map(|answer| answer.value)
            }
        };
        self.inner.service.call(call, attempt).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("address", &self.inner.address).finish_non_exhaustive()
    }
}

impl Inner {
    /// What is known of the portal; never held across a call.
    pub fn known(&self) -> MutexGuard<'_, Capabilities> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        request: &Request<'_>,
        attempt: Attempt,
    ) -> Result<Answer<T>, Error> {
        if let Some(write) = request.write {
            self.doubts.sent(write.as_str());
        }
        let response = self.post(request, attempt).await?;
        if self.new_host(&response) {
            let response = self.post(request, attempt).await?;
            return self.read(request.method, response).await;
        }
        self.read(request.method, response).await
    }

    async fn post(&self, request: &Request<'_>, attempt: Attempt) -> Result<Response, Error> {
        let mut sending = self
            .http
            .post(self.address.of_method(request.method))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .timeout(self.settings.request_timeout.min(attempt.time_left))
            .body(request.body.clone());
        if let Some(key) = request.header {
            sending = sending.header(KEY_HEADER, key);
        }
        sending.send().await.map_err(|error| self.lost(request.method, error))
    }

    /// A renamed portal sends us to its new host. The call was not executed: it goes there as it is, once.
    fn new_host(&self, response: &Response) -> bool {
        let location = response.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
        let is_new = response.status().is_redirection()
            && location.is_some_and(|location| self.address.follow(location));
        if is_new {
            tracing::warn!(host = %self.address.portal(), "the Bitrix24 portal was renamed; correct BITRIX_WEBHOOK_URL");
        }
        is_new
    }

    /// Reads an answer, whatever came: the code decides first, the status only where there is none.
    async fn read<T: DeserializeOwned>(
        &self,
        method: &'static str,
        response: Response,
    ) -> Result<Answer<T>, Error> {
        let status = response.status();
        let has_key = response.headers().contains_key(KEY_HEADER);
        let retry_after = seconds(&response);
        let body = response.bytes().await.map_err(|error| self.lost(method, error))?;
        let complaint = match Envelope::read(&body) {
            Some(Envelope { error: Some(complaint), .. }) => complaint,
            Some(Envelope { result, total, running, .. }) if status.is_success() => {
                self.spend(method, running);
                let value = wire::read(method, result.as_deref()).map_err(|error| self.masked(error))?;
                return Ok(Answer { value, total, has_key });
            }
            None if !status.is_client_error() && !status.is_redirection() => {
                return Err(Error::InDoubt { method, reason: format!("{status} without JSON") });
            }
            // A gateway's refusal, or a redirection that leads nowhere.
            Some(_) | None => Complaint {
                code: String::new(),
                description: status.canonical_reason().unwrap_or("no reason given").to_owned(),
            },
        };
        Err(self.refused(method, status.as_u16(), &complaint, retry_after))
    }

    /// The error for what the portal complains of.
    pub fn refused(
        &self,
        method: &'static str,
        status: u16,
        complaint: &Complaint,
        retry_after: Option<Duration>,
    ) -> Error {
        let refusal = Refusal::of(&complaint.code, status);
        let code = self.address.masked(&complaint.code);
        let limit = |default, scope| {
            let retry_after = retry_after.unwrap_or(default).max(TOO_FAST_PAUSE);
            Error::Limit { method, code: code.clone(), retry_after, scope }
        };
        match refusal {
            Refusal::TooFast => limit(TOO_FAST_PAUSE, Scope::Service),
            Refusal::MethodSpent => limit(self.until_reset(method), Scope::Endpoint),
            refusal => {
                if refusal == Refusal::Blocked {
                    self.service.hold(None, BLOCKED_PAUSE);
                }
                let description = self.address.masked(&complaint.description);
                Error::Refused { method, refusal, code, status, description }
            }
        }
    }

    /// Notes how long a method has run; one that is about to be refused rests until the portal has forgotten enough.
    pub fn spend(&self, method: &'static str, running: Option<Running>) {
        let Some(running) = running else { return };
        if let Some(until) = running.until {
            self.resets.lock().unwrap_or_else(PoisonError::into_inner).insert(method, until);
        }
        let is_spent = self.settings.method_time.get().is_some_and(|limit| running.used >= limit);
        if is_spent {
            self.service.hold(Some(method), self.until_reset(method));
        }
    }

    /// Answers with an error say nothing of time: what the last success said is remembered.
    fn until_reset(&self, method: &'static str) -> Duration {
        let until = self.resets.lock().unwrap_or_else(PoisonError::into_inner).get(method).copied();
        let left = until.map(|until| until.since(self.clock.now())).filter(|left| !left.is_zero());
        left.unwrap_or(METHOD_SPENT_PAUSE).min(RUNNING_SPAN)
    }

    fn lost(&self, method: &'static str, error: reqwest::Error) -> Error {
        let source = error.without_url();
        if source.is_connect() || source.is_builder() {
            return Error::Unreachable { method, source };
        }
        let mut reason = source.to_string();
        let mut cause = std::error::Error::source(&source);
        while let Some(deeper) = cause {
            reason = format!("{reason}: {deeper}");
            cause = deeper.source();
        }
        Error::InDoubt { method, reason: self.address.masked(&reason) }
    }

    /// The error without the key.
    pub fn masked(&self, error: Error) -> Error {
        match error {
            Error::Malformed { method, path, reason } => Error::Malformed {
                method,
                path: self.address.masked(&path),
                reason: self.address.masked(&reason),
            },
            other => other,
        }
    }
}

fn encode(parameters: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(parameters).expect("parameters are structs and maps with text keys")
}

/// `Retry-After`, which the portal itself never sends and a gateway before it may.
fn seconds(response: &Response) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(|seconds: u64| Duration::from_secs(seconds.min(3600)))
}
