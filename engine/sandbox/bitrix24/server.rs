//! The portal's front door: addresses, the token, envelopes with their `time`, faults.

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use url::Url;

use crate::sandbox::faults::{Kind, befall};
use crate::sandbox::wire::{Breakable, Cut};

use super::call::{Answer, Caller, check_scope, is_there};
use super::conduct::Rest3;
use super::faults::{Ambiguous, Rest};
use super::filter::written;
use super::method::{Generation, Method};
use super::params::Params;
use super::refusal::Refusal;
use super::view::Call;
use super::{Bitrix24, lock};

const KEY_HEADER: &str = "idempotency-key";
const REPLAYED_HEADER: &str = "idempotent-replayed";

/// Serves REST, files and the control API until the runtime ends.
pub(super) fn serve(listener: TcpListener, sandbox: &Bitrix24) {
    let runtime = sandbox.0.runtime.clone();
    let router = Router::new()
        .route("/rest/{user}/{token}/{method}", any(second))
        .route("/rest/api/{user}/{token}/{*method}", any(third))
        .route("/rest/upload.json", post(upload))
        .route("/disk/{id}", get(download))
        .fallback(async || StatusCode::NOT_FOUND)
        .with_state(sandbox.clone())
        .nest("/sandbox", sandbox.router());
    let service = router.into_make_service_with_connect_info::<Cut>();
    runtime.spawn(axum::serve(Breakable(listener), service).into_future());
}

type Address = Path<(String, String, String)>;

async fn second(
    State(sandbox): State<Bitrix24>,
    Path((user, token, name)): Address,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response {
    let name = name.strip_suffix(".json").unwrap_or(&name).to_ascii_lowercase();
    sandbox.answer(Generation::V2, &user, &token, &name, &cut, request).await
}

async fn third(
    State(sandbox): State<Bitrix24>,
    Path((user, token, name)): Address,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response {
    sandbox.answer(Generation::V3, &user, &token, &format!("api/{name}"), &cut, request).await
}

/// The second step of an upload: the address of the first one carries the right.
async fn upload(
    State(sandbox): State<Bitrix24>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response {
    let token = sandbox.0.token.clone();
    let user = sandbox.0.user.to_string();
    sandbox.answer(Generation::V2, &user, &token, Method::Upload.name(), &cut, request).await
}

async fn download(State(sandbox): State<Bitrix24>, Path(id): Path<i64>) -> Response {
    let file = lock(&sandbox.0.office).files.get(&id).cloned();
    file.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |file| file.bytes.into_response())
}

impl Bitrix24 {
    async fn answer(
        &self,
        generation: Generation,
        user: &str,
        token: &str,
        name: &str,
        cut: &Cut,
        request: Request,
    ) -> Response {
        if let Some(moved) = self.moved(&request) {
            return moved;
        }
        let method = match self.admit(generation, user, token, name, cut.peer()) {
            Ok(method) => method,
            Err(refusal) => return refusal.into_response(),
        };
        let headers = request.headers().clone();
        let params = match Params::read(request).await {
            Ok(params) => params,
            Err(status) => return status.into_response(),
        };
        self.0.calls[method as usize].fetch_add(1, Ordering::Relaxed);
        let key = match self.known_key(method, &headers, &params) {
            Ok(Key::None) => None,
            Ok(Key::New(key)) => Some(key),
            Ok(Key::Replayed(response)) => return response,
            Err(refusal) => return refusal.into_response(),
        };
        let fault = self.0.faults.strike(method);
        let is_silent = method.writes() && fault.is_some_and(Kind::hides_success);
        let sandbox = self.clone();
        let call = async move { sandbox.done(method, params, key, is_silent) };
        match fault {
            None => call.await,
            Some(fault) => befall(fault, &Rest(generation), cut, call).await,
        }
    }

    /// The portal lives under another name: 302, and a page where JSON was expected.
    fn moved(&self, request: &Request) -> Option<Response> {
        let new = self.conduct().renamed_to?;
        let host = request.headers().get(header::HOST)?.to_str().ok()?;
        if host.split(':').next() == Some(new.as_str()) {
            return None;
        }
        let path = request.uri().path_and_query()?;
        let location = format!("http://{new}:{}{path}", self.0.addr.port());
        let page = "<html><head><title>302 Found</title></head><body>Moved</body></html>";
        let headers = [(header::LOCATION, location.as_str()), (header::CONTENT_TYPE, "text/html")];
        Some((StatusCode::FOUND, headers, page).into_response())
    }

    fn admit(
        &self,
        generation: Generation,
        user: &str,
        token: &str,
        name: &str,
        from: IpAddr,
    ) -> Result<Method, Refusal> {
        let conduct = self.conduct();
        if conduct.is_blocked {
            return Err(Refusal::overloaded(generation));
        }
        if !lock(&self.0.meter).admits(from, self.now()) {
            return Err(Refusal::query_limit(generation));
        }
        if user != self.0.user.to_string() || token != self.0.token {
            return Err(Refusal::credentials(generation));
        }
        let method = Method::parse(name)
            .filter(|method| method.generation() == generation && is_there(&conduct, generation));
        // An old portal knows nothing of another generation, not even its way to refuse.
        let way = if is_there(&conduct, generation) { generation } else { Generation::V2 };
        method.ok_or_else(|| Refusal::no_method(way))
    }

    fn known_key(&self, method: Method, headers: &HeaderMap, params: &Params) -> Result<Key, Refusal> {
        let caller = self.caller(self.0.user);
        // Rights come first: whoever may not call the method is not told anything of its keys.
        let is_obeyed = method.takes_key()
            && caller.conduct.rest3 == Rest3::WithKeys
            && check_scope(&caller, method).is_ok();
        let Some(key) = headers.get(KEY_HEADER).filter(|_| is_obeyed) else { return Ok(Key::None) };
        let key = key.to_str().unwrap_or_default().to_owned();
        let kept = lock(&self.0.keys).look(method, &key, &params.body, self.now())?;
        Ok(match kept {
            None => Key::New(key),
            Some(answer) => {
                let mut response = json_response(StatusCode::OK, answer);
                mark(&mut response, &key);
                response.headers_mut().insert(REPLAYED_HEADER, HeaderValue::from_static("true"));
                Key::Replayed(response)
            }
        })
    }

    /// The call itself, done whether or not its answer arrives.
    fn done(&self, method: Method, params: Params, key: Option<String>, is_silent: bool) -> Response {
        let caller = self.caller(self.0.user);
        let outcome = self.run(&caller, method, &params);
        if outcome.is_ok() && is_silent {
            self.0.faults.remember(Ambiguous { method, params: params.json() });
        }
        let status = outcome.as_ref().map_or_else(|refusal| refusal.status, |_| 200);
        self.log(Call { method, params: params.json(), status, at: caller.now });
        match outcome {
            Err(refusal) => refusal.into_response(),
            Ok(answer) => {
                let body = self.envelope(&caller, method, answer);
                let mut response = json_response(StatusCode::OK, body.clone());
                if let Some(key) = key {
                    mark(&mut response, &key);
                    lock(&self.0.keys).keep(method, key, params.body, body, self.now());
                }
                response
            }
        }
    }

    fn envelope(&self, caller: &Caller, method: Method, answer: Answer) -> String {
        let mut body = Map::new();
        body.insert("result".to_owned(), answer.result);
        body.extend(answer.total.map(|total| ("total".to_owned(), total.into())));
        body.extend(answer.next.map(|next| ("next".to_owned(), next.into())));
        body.insert("time".to_owned(), self.time(caller, method));
        Value::Object(body).to_string()
    }

    /// `time` of an answer: seconds with a fraction, or without one where it is zero.
    pub(super) fn time(&self, caller: &Caller, method: Method) -> Value {
        let start = self.now();
        let mut meter = lock(&self.0.meter);
        let took = meter.limits.run_time(method);
        let finish = start + took;
        let mut time = json!({
            "start": seconds(start.0), "finish": seconds(finish.0),
            "duration": number(took.as_secs_f64()), "processing": number(took.as_secs_f64()),
            "date_start": written(start, caller.conduct.zone), "date_finish": written(finish, caller.conduct.zone),
        });
        if let Some((operating, reset_at)) = meter.report(method, caller.now) {
            time["operating_reset_at"] = reset_at;
            time["operating"] = number(operating);
        }
        time
    }

    /// Where the portal can be reached under its present name.
    pub(super) fn base(&self) -> Url {
        let host = self.conduct().renamed_to.unwrap_or_else(|| self.0.addr.ip().to_string());
        Url::parse(&format!("http://{host}:{}/", self.0.addr.port()))
            .expect("a host and a port make a valid URL")
    }
}

enum Key {
    None,
    New(String),
    Replayed(Response),
}

fn mark(response: &mut Response, key: &str) {
    if let Ok(key) = HeaderValue::from_str(key) {
        response.headers_mut().insert(KEY_HEADER, key);
    }
}

fn json_response(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit well into 52 bits")]
fn seconds(millis: i64) -> Value {
    number(millis as f64 / 1000.0)
}

/// As PHP writes a float: without a fraction when there is none.
#[expect(clippy::cast_possible_truncation, reason = "it has no fraction and is far below 2^53")]
fn number(value: f64) -> Value {
    if value.fract() == 0.0 { json!(value as i64) } else { json!(value) }
}
