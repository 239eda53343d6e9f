//! The client of Bitrix24. What goes over the wire is seen at a portal that says what it is told; what comes of it, at the
//! sandbox's, which is as odd as the real one.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use borodach::bitrix24::{Client, Means, NewTask, PortalUserId, Priority, WriteKey};
use borodach::clock::{ManualClock, Timestamp};
use borodach::config;
use borodach::http::{self, BreakerSettings, Policy, Service, Throttle};
use secrecy::SecretString;
use serde_json::Value;

mod codes;
mod events;
mod parsers;
mod portal;
mod wire;

/// 2026-01-01 12:00 UTC.
const NOON: Timestamp = Timestamp(1_767_268_800_000);
const TOKEN: &str = "hushhush0123456789";
const OWNER: PortalUserId = PortalUserId(7);

/// A portal that answers what it is told, in that order, and remembers what it heard.
struct Scripted {
    address: String,
    clock: Arc<ManualClock>,
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    answers: VecDeque<Answer>,
    /// What is answered when nothing else is.
    always: Option<Answer>,
    heard: Vec<Heard>,
}

/// Status, headers, body.
type Answer = (u16, Vec<(&'static str, String)>, String);

/// A request as it came.
#[derive(Clone)]
struct Heard {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Heard {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }
}

impl Scripted {
    async fn start() -> Scripted {
        crate::crypto();
        let script = Arc::<Mutex<Script>>::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback is free");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let app = axum::Router::new().fallback(answer).with_state(script.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Scripted { address, clock: ManualClock::new(NOON), script }
    }

    /// A client whose calls end with their first attempt.
    fn client(&self) -> Client {
        self.client_with(|_| {})
    }

    fn client_with(&self, change: impl FnOnce(&mut config::Bitrix24)) -> Client {
        client(&format!("{}/rest/{OWNER}/{TOKEN}/", self.address), self.clock.clone(), 1, change)
    }

    fn says(&self, body: impl ToString) {
        self.refuses(200, body);
    }

    #[expect(clippy::needless_pass_by_value, reason = "it is written where it is said")]
    fn refuses(&self, status: u16, body: impl ToString) {
        self.answers(status, &[], &body);
    }

    fn answers(&self, status: u16, headers: &[(&'static str, &str)], body: &impl ToString) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.script.lock().unwrap().answers.push_back((status, headers, body.to_string()));
    }

    /// Whatever is asked, this is answered.
    fn repeats(&self, status: u16, body: &str) {
        self.script.lock().unwrap().always = Some((status, Vec::new(), body.to_owned()));
    }

    /// Forgets what was heard, and says how much it was.
    fn forget(&self) -> usize {
        std::mem::take(&mut self.script.lock().unwrap().heard).len()
    }

    fn heard(&self) -> Vec<Heard> {
        self.script.lock().unwrap().heard.clone()
    }

    /// The latest request.
    fn last(&self) -> Heard {
        self.heard().pop().expect("something was heard")
    }

    /// The methods called so far, in their order.
    fn methods(&self) -> Vec<String> {
        let name = |heard: &Heard| heard.path.rsplit('/').next().unwrap_or_default().to_owned();
        self.heard().iter().map(name).collect()
    }
}

async fn answer(State(script): State<Arc<Mutex<Script>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let mut script = script.lock().unwrap();
    script.heard.push(Heard { path, headers: head.headers, body });
    let unscripted = || (599, Vec::new(), "unscripted".to_owned());
    let next = script.answers.pop_front().or_else(|| script.always.clone());
    let (status, headers, body) = next.unwrap_or_else(unscripted);
    let mut answer = (StatusCode::from_u16(status).expect("a status"), body).into_response();
    for (name, value) in headers {
        answer.headers_mut().insert(name, value.parse().expect("a header"));
    }
    answer
}

/// A client for the portal at `address`.
fn client(
    address: &str,
    clock: Arc<ManualClock>,
    attempts: u32,
    change: impl FnOnce(&mut config::Bitrix24),
) -> Client {
    let pause = Duration::from_millis(1);
    let policy = Policy {
        attempts,
        first: pause,
        factor: 1,
        floor: pause,
        cap: pause,
        deadline: Duration::from_secs(5),
        background_deadline: Duration::from_secs(10),
    };
    let breaker = BreakerSettings { failures: None::<NonZeroU32>, open_for: pause };
    let service = Service::new("bitrix24", policy, Throttle::new("bitrix24", &[]), breaker, clock.clone());
    let mut settings =
        config::Bitrix24 { request_timeout: Duration::from_secs(5), ..config::Bitrix24::default() };
    change(&mut settings);
    let http = http::client(&http::ClientSettings::default()).expect("a client");
    Client::new(&SecretString::from(address), &settings, service, http, clock)
        .expect("the address is a webhook's")
}

fn key(text: &str, means: Means) -> WriteKey {
    WriteKey::new(text, means, NOON).expect("the key fits")
}

fn new_task() -> NewTask {
    NewTask {
        title: "Поменять вывеску".to_owned(),
        description: "Буква отвалилась".to_owned(),
        group: None,
        responsible: PortalUserId(42),
        creator: None,
        deadline: None,
        priority: Priority::Medium,
        tags: Vec::new(),
    }
}
