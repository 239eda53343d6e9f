//! The front door: rates, headers, tokens and faults, before anything is answered.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use super::endpoint::Endpoint;
use super::faults::YclientsWords;
use super::refusal::Refusal;
use super::{Refused, YClients};
use crate::sandbox::faults::befall;
use crate::sandbox::lock;
use crate::sandbox::wire::{Breakable, Cut};

/// The media types it answers to.
const TYPES: [&str; 2] = ["application/vnd.yclients.v2+json", "application/vnd.api.v2+json"];

/// Serves the API until the runtime ends.
pub(super) fn serve(listener: TcpListener, desk: &YClients, runtime: &Handle) {
    let router = Router::new().fallback(answer).with_state(desk.clone()).nest("/sandbox", desk.router());
    let service = router.into_make_service_with_connect_info::<Cut>();
    runtime.spawn(axum::serve(Breakable(listener), service).into_future());
}

/// The parameters after the question mark; of a repeated one the last counts.
pub(super) struct Params(HashMap<String, String>);

impl Params {
    fn of(query: &str) -> Params {
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        Params(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }

    /// The rows of a page: `count` at most, from the page `page`, counted from 1.
    pub fn page<'a, T>(&self, rows: &'a [T], usual: usize, most: usize) -> &'a [T] {
        let count =
            self.number("count").and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0);
        let count = count.unwrap_or(usual).min(most);
        let page = self.number("page").and_then(|page| usize::try_from(page).ok()).unwrap_or(1).max(1);
        let from = (page - 1).saturating_mul(count).min(rows.len());
        &rows[from..rows.len().min(from.saturating_add(count))]
    }
}

async fn answer(
    State(desk): State<YClients>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response {
    // The body is not looked at, and a reference to it could not cross an await.
    let (request, _) = request.into_parts();
    let (endpoint, named) = match request.uri.path().strip_prefix("/api/v1") {
        Some(path) => Endpoint::of(path),
        None => (Endpoint::Unknown, Vec::new()),
    };
    desk.0.calls[endpoint as usize].fetch_add(1, Ordering::Relaxed);
    let response = match desk.0.limits.refuse(cut.peer(), desk.0.clock.now()) {
        Some(refusal) => refusal,
        None => desk.let_in(endpoint, named, request, &cut).await,
    };
    desk.touch();
    response
}

impl YClients {
    async fn let_in(&self, endpoint: Endpoint, named: Vec<String>, request: Parts, cut: &Cut) -> Response {
        let desk = self.clone();
        let call = async move {
            let params = Params::of(request.uri.query().unwrap_or_default());
            desk.call(endpoint, &named, &params, &request).unwrap_or_else(Refusal::into_response)
        };
        match self.0.faults.strike(endpoint) {
            None => call.await,
            Some(fault) => befall(fault, &YclientsWords, cut, call).await,
        }
    }

    fn call(
        &self,
        endpoint: Endpoint,
        named: &[String],
        params: &Params,
        request: &Parts,
    ) -> Result<Response, Refusal> {
        check_type(&request.headers)?;
        self.check_tokens(endpoint, &request.headers)?;
        if request.method != Method::GET {
            return Err(Refusal::new(405, "Метод не поддерживается"));
        }
        let name = |place: usize| named.get(place).map(String::as_str).unwrap_or_default();
        let id = name(0);
        match endpoint {
            Endpoint::Groups => self.groups(),
            Endpoint::Companies => Ok(self.companies(params)),
            Endpoint::Company => self.company(id),
            Endpoint::Overall => {
                self.check_right(id, 403)?;
                self.overall(id, params)
            }
            Endpoint::Charts => {
                // A missing right is told by another status here.
                self.check_right(id, 401)?;
                self.chart(id, name(1), params)
            }
            Endpoint::Records => {
                self.check_right(id, 403)?;
                self.records(id, params)
            }
            Endpoint::Unknown => Err(Refusal::not_found()),
        }
    }

    fn check_tokens(&self, endpoint: Endpoint, headers: &HeaderMap) -> Result<(), Refusal> {
        let refusal = |message: &str| match endpoint {
            Endpoint::Company => Refusal::old(401, message),
            _ => Refusal::new(401, message),
        };
        let Some(header) = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
            return Err(refusal("Не указаны авторизационные данные"));
        };
        let (partner, user) = tokens(header);
        if partner != Some(YClients::PARTNER) {
            return Err(refusal("Не указан идентификатор партнера"));
        }
        let needs_user = !matches!(endpoint, Endpoint::Companies | Endpoint::Company | Endpoint::Unknown);
        let is_user = user == Some(YClients::USER) && *lock(&self.0.is_user_known);
        if is_user || (!needs_user && user.is_none()) {
            return Ok(());
        }
        Err(refusal("Необходима авторизация"))
    }

    fn check_right(&self, id: &str, status: u16) -> Result<(), Refusal> {
        let refused = id.parse().ok().and_then(|id: i64| lock(&self.0.refused).get(&id).copied());
        match refused {
            None => Ok(()),
            Some(Refused::NoRight) => Err(Refusal::new(status, "Нет прав на управление филиалом")),
            Some(Refused::Unpaid) => {
                let message = format!("Необходимо продлить лицензию в филиале с id: {id}");
                Err(Refusal::new(403, &message))
            }
        }
    }
}

/// An answer in JSON; letters beyond ASCII and slashes are escaped, as PHP does.
pub(super) fn json(status: StatusCode, body: &Value) -> Response {
    let body = escaped(&body.to_string()).into_owned();
    (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
}

/// The usual envelope around `data`, with an empty `meta`.
pub(super) fn envelope(data: &Value, meta: &Value) -> Response {
    json(StatusCode::OK, &serde_json::json!({"success": true, "data": data, "meta": meta}))
}

fn escaped(text: &str) -> Cow<'_, str> {
    if text.is_ascii() && !text.contains('/') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        match c {
            '/' => plain.push_str("\\/"),
            c if c.is_ascii() => plain.push(c),
            c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                // Writing into a string does not fail.
                let _ = write!(plain, "\\u{unit:04x}");
            }),
        }
    }
    Cow::Owned(plain)
}

fn check_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if TYPES.iter().any(|known| accepts.contains(known)) {
        return Ok(());
    }
    Err(Refusal::new(400, "Не указан заголовок Accept: application/vnd.yclients.v2+json"))
}

/// `Bearer <partner>` or `Bearer <partner>, User <user>`, with exactly one comma and one space.
fn tokens(header: &str) -> (Option<&str>, Option<&str>) {
    let Some(rest) = header.strip_prefix("Bearer ") else { return (None, None) };
    match rest.split_once(", User ") {
        Some((partner, user)) => (Some(partner), Some(user)),
        None => (Some(rest), None),
    }
}
