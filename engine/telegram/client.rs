//! Calls to the Bot API, each with a deadline and an honest outcome.

use std::time::Duration;

use axum::body::Bytes;
use reqwest::multipart::{Form, Part};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use teloxide::requests::Payload;
use url::Url;

use crate::http::{self, Call, Failure, NotSent, Priority, Scope, Service};

/// A call ready to be sent: the method and its parameters as JSON.
#[derive(Clone, Debug)]
pub struct Request {
    /// As Telegram spells it.
    pub method: &'static str,
    /// The parameters, a JSON object; shared by the attempts to send it.
    pub body: Bytes,
    /// A file that goes with them.
    pub upload: Option<Upload>,
}

/// A file that is brought to Telegram; a parameter names it by [`Upload::reference`].
#[derive(Clone, Debug)]
pub struct Upload {
    /// Its name.
    pub name: &'static str,
    /// Its content.
    pub bytes: Bytes,
}

impl Upload {
    /// The part of the form that carries it.
    const PART: &str = "upload";

    /// How a parameter names the file.
    pub fn reference() -> String {
        format!("attach://{}", Upload::PART)
    }
}

impl Request {
    /// Writes one of teloxide's payloads down.
    pub fn of<P: Payload + Serialize>(payload: &P) -> Request {
        let body =
            serde_json::to_vec(payload).expect("teloxide's payloads have string keys and no failing parts");
        Request { method: P::NAME, body: body.into(), upload: None }
    }

    /// The same with a file.
    #[must_use]
    pub fn with(self, upload: Option<Upload>) -> Request {
        Request { upload, ..self }
    }

    /// The body as it travels: JSON, or a form when there is a file.
    fn dress(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        let Some(upload) = &self.upload else {
            return request.header(reqwest::header::CONTENT_TYPE, "application/json").body(self.body.clone());
        };
        let parameters: Map<String, Value> =
            serde_json::from_slice(&self.body).expect("written by `Request::of`, an object");
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let size_bytes = upload.bytes.len() as u64;
        let part = Part::stream_with_length(upload.bytes.clone(), size_bytes).file_name(upload.name);
        let form = Form::new().part(Upload::PART, part);
        request
            .multipart(parameters.into_iter().fold(form, |form, (name, value)| form.text(name, text(value))))
    }
}

/// Why a call did not succeed. No variant holds the token: addresses are cut off.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing reached Telegram.
    #[error("cannot reach Telegram for `{method}`: {source}")]
    Unreachable {
        /// The method called.
        method: &'static str,
        /// What happened on the way.
        source: reqwest::Error,
    },
    /// The request was sent, the answer was lost: it may or may not be done.
    #[error("no answer to `{method}`: {reason}; it may or may not be done")]
    InDoubt {
        /// The method called.
        method: &'static str,
        /// What came instead of an answer.
        reason: String,
    },
    /// Too many calls: nothing is done until the time is over.
    #[error("Telegram asks to wait {} s before `{method}`", retry_after.as_secs())]
    TooMany {
        /// The method called.
        method: &'static str,
        /// How long to wait.
        retry_after: Duration,
    },
    /// Telegram understood and refused.
    #[error("Telegram refused `{method}`: {code} {description}")]
    Refused {
        /// The method called.
        method: &'static str,
        /// Like an HTTP status.
        code: u16,
        /// Telegram's words.
        description: String,
        /// The group's new id, when it has become a supergroup.
        moved_to: Option<i64>,
    },
    /// Telegram answered with something we cannot read.
    #[error("unreadable answer to `{method}`: {source}")]
    Malformed {
        /// The method called.
        method: &'static str,
        /// Where and why.
        source: serde_json::Error,
    },
    /// Telegram was not even called.
    #[error("Telegram is not called for now: {why}")]
    NotSent {
        /// What kept the call back.
        why: NotSent,
    },
}

/// What the caller may do after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Surely not done: try again, with a pause.
    Again,
    /// Surely not done: every call to Telegram waits until [`Client::until_free`] returns, then again.
    Wait,
    /// Perhaps done: a repetition may double it, and must be counted.
    InDoubt,
    /// The person cannot be reached: blocked, deleted or never started the bot.
    Unreachable,
    /// The markup is broken: the same words may go without it.
    WithoutMarkup,
    /// There is nothing left to do, as for an edit that changes nothing.
    Done,
    /// A repetition would fail the same way.
    GiveUp,
}

impl Error {
    /// What may be done next.
    pub fn verdict(&self) -> Verdict {
        match self {
            Error::InDoubt { .. } | Error::Malformed { .. } => Verdict::InDoubt,
            Error::TooMany { .. } => Verdict::Wait,
            Error::NotSent { why } if why.retry_after().is_some() => Verdict::Wait,
            Error::Unreachable { .. } | Error::NotSent { .. } => Verdict::Again,
            Error::Refused { code, description, .. } => refusal(*code, &description.to_lowercase()),
        }
    }
}

/// What the layer makes of an error. Telegram's client repeats nothing there: the outbox does, in its order.
impl Failure for Error {
    fn verdict(&self) -> http::Verdict {
        match self {
            Error::Unreachable { .. } | Error::NotSent { .. } => http::Verdict::Again,
            Error::InDoubt { .. } | Error::Malformed { .. } => http::Verdict::LookFirst,
            // One 429 may or may not concern other chats; it is cheaper to believe that it does.
            Error::TooMany { retry_after, .. } => http::Verdict::WaitFor(*retry_after, Scope::Service),
            Error::Refused { code: 401 | 404 | 409, .. } => http::Verdict::AskPerson,
            Error::Refused { .. } => http::Verdict::GiveUp,
        }
    }

    fn outcome(&self) -> &'static str {
        match self {
            Error::Unreachable { .. } => "unreachable",
            Error::InDoubt { .. } | Error::Malformed { .. } => "in_doubt",
            Error::TooMany { .. } => "too_many",
            Error::Refused { .. } => "refused",
            Error::NotSent { why } => why.outcome(),
        }
    }

    fn not_sent(_service: &'static str, why: NotSent) -> Error {
        Error::NotSent { why }
    }
}

/// Codes are stable, texts are not a contract: a part of the text decides only within a code.
fn refusal(code: u16, description: &str) -> Verdict {
    let says = |part: &str| description.contains(part);
    match code {
        400 if says("can't parse entities") => Verdict::WithoutMarkup,
        400 if says("message is not modified") => Verdict::Done,
        400 if says("message to edit not found") || says("message can't be edited") => Verdict::Done,
        400 if says("query is too old") => Verdict::Done,
        400 if says("chat not found") => Verdict::Unreachable,
        403 => Verdict::Unreachable,
        // A wrong token, or a second poller, is mended by people; until then messages wait.
        401 | 404 | 409 => Verdict::Again,
        500.. => Verdict::InDoubt,
        _ => Verdict::GiveUp,
    }
}

/// Sends requests to one bot's address.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    service: Service,
    base: Url,
    token: SecretString,
    timeout: Duration,
}

#[derive(serde::Deserialize)]
struct Envelope<'a> {
    ok: bool,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error_code: Option<u16>,
    description: Option<String>,
    parameters: Option<Parameters>,
}

#[derive(serde::Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
    migrate_to_chat_id: Option<i64>,
}

impl Client {
    /// A client for the Bot API at `base`. `service` repeats nothing: its policy has one attempt.
    pub fn new(
        http: reqwest::Client,
        service: Service,
        base: Url,
        token: SecretString,
        timeout: Duration,
    ) -> Client {
        Client { http, service, base, token, timeout }
    }

    /// Makes one call and reads its result; no retries, those are the caller's.
    pub async fn call<T: DeserializeOwned + Send>(&self, request: Request) -> Result<T, Error> {
        self.call_within(request, self.timeout).await
    }

    /// Like [`Client::call`], with a deadline of its own: a long poll holds the line on purpose.
    pub async fn call_within<T: DeserializeOwned + Send>(
        &self,
        request: Request,
        timeout: Duration,
    ) -> Result<T, Error> {
        let call =
            Call { endpoint: request.method, priority: Priority::Interactive, effect: http::Effect::Write };
        self.service.call(call, |_| self.exchange(&request, timeout)).await
    }

    /// Waits until Telegram may be called: it told nobody to wait, and it is not left alone after failures.
    pub async fn until_free(&self, method: &'static str) {
        self.service.until_free(method).await;
    }

    /// What a file is fetched with, and from where: an address with the token inside.
    pub(super) fn at_file(&self, path: &str) -> (reqwest::Client, SecretString) {
        let (base, token) = (self.base.as_str().trim_end_matches('/'), self.token.expose_secret());
        (self.http.clone(), format!("{base}/file/bot{token}/{path}").into())
    }

    /// The road that all calls take.
    pub fn service(&self) -> &Service {
        &self.service
    }

    async fn exchange<T: DeserializeOwned>(&self, request: &Request, timeout: Duration) -> Result<T, Error> {
        let method = request.method;
        let lost = |error: reqwest::Error| {
            let source = error.without_url();
            if source.is_connect() || source.is_builder() {
                Error::Unreachable { method, source }
            } else {
                Error::InDoubt { method, reason: source.to_string() }
            }
        };
        let address = format!(
            "{}/bot{}/{method}",
            self.base.as_str().trim_end_matches('/'),
            self.token.expose_secret()
        );
        let call = request.dress(self.http.post(address)).timeout(timeout);
        let response = call.send().await.map_err(lost)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(lost)?;
        let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(&bytes) else {
            // A gateway's page in HTML, or nothing at all: whether the call went through is anybody's guess.
            return match status.as_u16() {
                code @ 400..500 => {
                    let description = status.canonical_reason().unwrap_or("no reason given").to_owned();
                    Err(Error::Refused { method, code, description, moved_to: None })
                }
                _ => Err(Error::InDoubt { method, reason: format!("{status} without JSON") }),
            };
        };
        if envelope.ok {
            let result = envelope.result.map_or("null", RawValue::get);
            return serde_json::from_str(result).map_err(|source| Error::Malformed { method, source });
        }
        let (retry_after, moved_to) =
            envelope.parameters.map_or((None, None), |hints| (hints.retry_after, hints.migrate_to_chat_id));
        let code = envelope.error_code.unwrap_or(status.as_u16());
        Err(match (code, retry_after) {
            (429, seconds) => {
                Error::TooMany { method, retry_after: Duration::from_secs(seconds.unwrap_or(1).max(1)) }
            }
            (500.., _) => Error::InDoubt { method, reason: envelope.description.unwrap_or_default() },
            _ => Error::Refused {
                method,
                code,
                description: envelope.description.unwrap_or_default(),
                moved_to,
            },
        })
    }
}

/// The answer to sending: what is of use in it.
#[derive(Debug, serde::Deserialize)]
pub struct Sent {
    /// Within its chat.
    pub message_id: i64,
    /// The poll that was sent.
    pub poll: Option<SentPoll>,
}

/// A poll as Telegram has taken it.
#[derive(Debug, serde::Deserialize)]
pub struct SentPoll {
    /// Votes come under this name.
    pub id: String,
}
