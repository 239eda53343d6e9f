//! A service of one's own for tests of writes: it keeps objects, and answers as badly as it is told to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use borodach::conversation::Host;
use borodach::http::Kind;
use borodach::script::host::{
    Action, Args, CallError, Caller, Done, HostFn, Intent, Look, Outside, Param, Shape, Written, add,
};
use futures::FutureExt as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// What the service does with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whim {
    /// Does it and says so.
    Does,
    /// Does it, and the answer is lost.
    DoesInSilence,
    /// Does nothing, and nobody knows.
    Loses,
    /// Says that it will not.
    Refuses,
}

/// The service.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    url: String,
    state: Mutex<Kept>,
    /// Reads wait here.
    gate: Semaphore,
}

#[derive(Default)]
struct Kept {
    /// The keys of what was made, in order.
    objects: Vec<String>,
    /// What the next writes meet; afterwards all goes well.
    whims: VecDeque<Whim>,
    /// Whether a look finds anything out.
    is_blind: bool,
    /// How often something was written or tried to.
    calls: usize,
}

impl Service {
    pub async fn start() -> Service {
        static OFFERED: Once = Once::new();
        OFFERED.call_once(|| add(functions()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let service = Service(Arc::new(Inner { url, state: Mutex::default(), gate: Semaphore::new(0) }));
        let router = Router::new()
            .route("/write", post(write))
            .route("/look", get(look))
            .route("/read", get(read))
            .with_state(service.clone());
        // A task of the test's own runtime: the service lives as long as the test.
        tokio::spawn(async move { axum::serve(listener, router).await.expect("loopback serves") });
        service
    }

    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// The next writes meet these whims.
    pub fn whims(&self, whims: &[Whim]) {
        self.kept().whims.extend(whims);
    }

    /// A look finds nothing out any more.
    pub fn blind(&self) {
        self.kept().is_blind = true;
    }

    /// The keys of what was made.
    pub fn objects(&self) -> Vec<String> {
        self.kept().objects.clone()
    }

    /// How often something was to be written.
    pub fn calls(&self) -> usize {
        self.kept().calls
    }

    /// Lets so many reads pass.
    pub fn open(&self, count: usize) {
        self.0.gate.add_permits(count);
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.state.lock().expect("nobody panics with it")
    }
}

async fn write(State(service): State<Service>, Json(asked): Json<Value>) -> (StatusCode, Json<Value>) {
    let mut kept = service.kept();
    kept.calls += 1;
    let key = asked["key"].as_str().expect("a key").to_owned();
    let whim = kept.whims.pop_front().unwrap_or(Whim::Does);
    if matches!(whim, Whim::Does | Whim::DoesInSilence) {
        let known = kept.objects.contains(&key) && asked["keyed"] == true;
        if !known {
            kept.objects.push(key.clone());
        }
    }
    let id = kept.objects.iter().position(|object| *object == key).map(|place| place + 1);
    match whim {
        Whim::Does => (StatusCode::OK, Json(json!({ "id": id }))),
        Whim::DoesInSilence | Whim::Loses => (StatusCode::BAD_GATEWAY, Json(Value::Null)),
        Whim::Refuses => (StatusCode::BAD_REQUEST, Json(Value::Null)),
    }
}

async fn look(State(service): State<Service>, Query(asked): Query<Value>) -> Json<Value> {
    let kept = service.kept();
    let place = kept.objects.iter().position(|object| Some(object.as_str()) == asked["key"].as_str());
    Json(json!({ "blind": kept.is_blind, "id": place.map(|place| place + 1) }))
}

async fn read(State(service): State<Service>) -> Json<Value> {
    service.0.gate.acquire().await.expect("the gate is never closed").forget();
    Json(json!({ "value": 7 }))
}

const SERVICE: Param = Param { name: "адрес", shape: Shape::Text, help: "где" };

const OUTSIDE: Outside = Outside {
    service: "trial",
    scope: "",
    timeout: Duration::from_millis(400),
    fresh: None,
    stand_in: |_| json!({ "id": 1 }),
    done: Done::Number { what: "номер", result: |_, number| json!({ "id": number }) },
    means: |_| Value::Null,
};

fn functions() -> Vec<HostFn> {
    let declared = |name, action| HostFn {
        module: "trial",
        name,
        params: &[SERVICE],
        outside: Some(OUTSIDE),
        action,
        ..HostFn::PLAIN
    };
    vec![
        declared(
            "read",
            Action::Read(|_, _, args| {
                async move { ask(&args, &format!("{}/read", args.str(0))).await }.boxed()
            }),
        ),
        declared(
            "keyed",
            Action::KeyedWrite(|_, _, args, intent| async move { send(&args, &intent, true).await }.boxed()),
        ),
        declared(
            "checked",
            Action::CheckedWrite {
                look: |_: &Host, _: Caller, args, intent| async move { find(&args, &intent).await }.boxed(),
                write: |_, _, args, intent| async move { send(&args, &intent, false).await }.boxed(),
            },
        ),
        declared(
            "once",
            Action::Once(|_, _, args, intent| async move { send(&args, &intent, false).await }.boxed()),
        ),
    ]
}

async fn ask(_: &Args, url: &str) -> Result<Value, CallError> {
    let lost = |error: reqwest::Error| CallError::InDoubt { service: "trial", message: error.to_string() };
    let text = reqwest::get(url).await.map_err(lost)?.text().await.map_err(lost)?;
    serde_json::from_str(&text).map_err(|error| CallError::Invalid(error.to_string()))
}

async fn find(args: &Args, intent: &Intent) -> Result<Look, CallError> {
    let found = ask(args, &format!("{}/look?key={}", args.str(0), intent.key)).await?;
    Ok(match (found["blind"] == true, found["id"].as_i64()) {
        (true, _) => Look::Unknown,
        (false, Some(id)) => Look::Done(json!({ "id": id }).into()),
        (false, None) => Look::NotDone,
    })
}

async fn send(args: &Args, intent: &Intent, keyed: bool) -> Result<Written, CallError> {
    let body = json!({ "key": intent.key, "keyed": keyed });
    let lost = |message: String| CallError::InDoubt { service: "trial", message };
    let request = reqwest::Client::new().post(format!("{}/write", args.str(0))).json(&body);
    let answer = request.send().await.map_err(|error| lost(error.to_string()))?;
    let status = answer.status().as_u16();
    let text = answer.text().await.map_err(|error| lost(error.to_string()))?;
    match status {
        200 => {
            let value: Value = serde_json::from_str(&text).map_err(|error| lost(error.to_string()))?;
            Ok(value.into())
        }
        400 => Err(CallError::Failed {
            kind: Kind::Rejected,
            service: "trial",
            message: "не положено".to_owned(),
            retry_after: None,
        }),
        other => Err(lost(format!("HTTP {other}"))),
    }
}
