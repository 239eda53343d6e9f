//! The control API: what the page with the board asks, does, and is told.

use std::convert::Infallible;
use std::fmt::Display;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response, sse};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::{Stream, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_stream::wrappers::BroadcastStream;

use crate::sandbox::faults::{Switch, rule_json};

use super::method::Method;
use super::office::{Office, Stage, Task, User};
use super::{Bitrix24, Event, Limits, Mail, Rest3, lock};

/// Routes without the prefix under which the page has them.
pub(super) fn router(sandbox: Bitrix24) -> Router {
    Router::new()
        .route("/state", get(state))
        .route("/tasks/{id}", get(task))
        .route("/events", get(events))
        .route("/files/{id}", get(file))
        .route("/act", post(act))
        .route("/faults", post(add_fault).delete(clear_faults))
        .route("/conduct", post(conduct))
        .with_state(sandbox)
}

/// Why the page's wish was not done: a status and a sentence.
struct Refused(StatusCode, String);

impl Refused {
    fn bad(why: impl Display) -> Refused {
        Refused(StatusCode::BAD_REQUEST, why.to_string())
    }

    fn missing(what: &str, id: i64) -> Refused {
        Refused(StatusCode::NOT_FOUND, format!("there is no {what} {id}"))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

/// The boards with their cards, the people, the switches, and how much was called.
async fn state(State(sandbox): State<Bitrix24>) -> Json<Value> {
    let conduct = sandbox.conduct();
    let mail = lock(&sandbox.0.courier).mail.clone();
    let has_limits = lock(&sandbox.0.meter).limits.rate.is_some();
    let called = Method::ALL.iter().map(|method| (method.name(), sandbox.calls(*method)));
    let called: Value = Value::Object(
        called.filter(|(_, times)| *times > 0).map(|(name, times)| (name.to_owned(), times.into())).collect(),
    );
    let office = lock(&sandbox.0.office);
    let groups = office.groups.values().map(|group| {
        let column = |stage: &Stage| {
            let is_here = |task: &&Task| office.column(task).is_some_and(|column| column.id == stage.id);
            let cards = office.tasks.values().filter(|task| task.group == group.id).filter(is_here);
            json!({
                "id": stage.id, "title": stage.title, "color": stage.color,
                "cards": cards.map(|task| card_json(&office, task)).collect::<Value>(),
            })
        };
        let stages: Value = office.board(group.id).into_iter().map(column).collect();
        json!({"id": group.id, "name": group.name, "stages": stages})
    });
    Json(json!({
        "groups": groups.collect::<Value>(),
        "people": office.users.values().map(person_json).collect::<Value>(),
        "faults": sandbox.faults().rules().iter().map(rule_json).collect::<Value>(),
        "conduct": {
            "rest3": rest3_name(conduct.rest3), "filters_by_xml_id": conduct.filters_by_xml_id,
            "is_blocked": conduct.is_blocked, "has_limits": has_limits, "lost": mail.lost, "twice": mail.twice,
            "delay_ms": millis(mail.delay), "spread_ms": millis(mail.spread),
        },
        "calls": called, "made": office.made, "struck": sandbox.faults().struck(),
    }))
}

/// A card opened: the words, the chat, the files.
async fn task(State(sandbox): State<Bitrix24>, Path(id): Path<i64>) -> Result<Json<Value>, Refused> {
    let files = sandbox.files(id);
    let office = lock(&sandbox.0.office);
    let task = office.task(id).ok_or_else(|| Refused::missing("task", id))?;
    let chat = office.messages.get(&id).map(Vec::as_slice).unwrap_or_default().iter().map(|message| {
        let author =
            office.users.get(&message.author).map_or_else(|| "Битрикс24".to_owned(), User::full_name);
        json!({"id": message.id, "author": author, "text": message.text, "date": message.at.0 / 1000})
    });
    let chat: Value = chat.collect();
    let file = |file: super::File| json!({"id": file.id, "name": file.name, "size": file.bytes.len()});
    let mut json = card_json(&office, task);
    json["description"] = task.description.as_str().into();
    json["xml_id"] = json!(task.xml_id);
    json["tags"] = json!(task.tags);
    json["creator"] = json!(task.creator);
    json["chat"] = chat;
    json["files"] = files.into_iter().map(file).collect();
    Ok(Json(json))
}

/// A subscriber that fell behind is told that everything may have changed.
async fn events(State(sandbox): State<Bitrix24>) -> Sse<impl Stream<Item = Result<sse::Event, Infallible>>> {
    let told = BroadcastStream::new(sandbox.subscribe()).map(|event| {
        let name = match event.unwrap_or(Event::State) {
            Event::Board => "board",
            Event::State => "state",
        };
        Ok(sse::Event::default().event(name).data("{}"))
    });
    Sse::new(told).keep_alive(KeepAlive::default())
}

/// Always downloaded: the page must not run what was sent through it.
async fn file(State(sandbox): State<Bitrix24>, Path(id): Path<i64>) -> Result<Response, Refused> {
    let file = lock(&sandbox.0.office).files.get(&id).cloned();
    let file = file.ok_or_else(|| Refused::missing("file", id))?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_DISPOSITION, "attachment"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, file.bytes).into_response())
}

#[derive(Deserialize)]
struct Act {
    #[serde(rename = "as")]
    person: i64,
    #[serde(flatten)]
    deed: Deed,
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Deed {
    Move { task: i64, stage: i64 },
    Complete { task: i64 },
    Renew { task: i64 },
    Comment { task: i64, text: String },
    Assign { task: i64, to: i64 },
    Add { group: i64, title: String },
    Remove { task: i64 },
}

async fn act(State(sandbox): State<Bitrix24>, Json(act): Json<Act>) -> Result<Json<Value>, Refused> {
    let person = act.person;
    match act.deed {
        Deed::Move { task, stage } => sandbox.moves(person, task, stage),
        Deed::Complete { task } => sandbox.completes(person, task),
        Deed::Renew { task } => sandbox.renews(person, task),
        Deed::Comment { text, .. } if text.trim().is_empty() => {
            return Err(Refused::bad("the text is empty"));
        }
        Deed::Comment { task, text } => sandbox.comments(person, task, &text).map(drop),
        Deed::Assign { task, to } => sandbox.assigns(person, task, to),
        Deed::Add { group, title } => sandbox.adds(person, group, &title).map(drop),
        Deed::Remove { task } => sandbox.removes(person, task),
    }
    .map_err(Refused::bad)?;
    Ok(Json(json!({"ok": true})))
}

async fn add_fault(
    State(sandbox): State<Bitrix24>,
    Json(fault): Json<Switch>,
) -> Result<Json<Value>, Refused> {
    sandbox.faults().add(fault.rule().map_err(Refused::bad)?);
    sandbox.announce(Event::State);
    Ok(Json(json!({"ok": true})))
}

async fn clear_faults(State(sandbox): State<Bitrix24>) -> Json<Value> {
    sandbox.faults().clear();
    sandbox.announce(Event::State);
    Json(json!({"ok": true}))
}

/// What the page may change of the portal; what is not said stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    rest3: Option<String>,
    filters_by_xml_id: Option<bool>,
    is_blocked: Option<bool>,
    has_limits: Option<bool>,
    lost: Option<f64>,
    twice: Option<f64>,
    delay_ms: Option<u64>,
    spread_ms: Option<u64>,
}

async fn conduct(State(sandbox): State<Bitrix24>, Json(wish): Json<Wish>) -> Result<Json<Value>, Refused> {
    let all = [Rest3::Absent, Rest3::WithoutKeys, Rest3::WithKeys];
    let rest3 = match &wish.rest3 {
        None => None,
        Some(name) => Some(
            all.into_iter()
                .find(|rest3| rest3_name(*rest3) == name)
                .ok_or_else(|| Refused::bad(format!("there is no REST 3.0 `{name}`")))?,
        ),
    };
    sandbox.change(|conduct| {
        conduct.rest3 = rest3.unwrap_or(conduct.rest3);
        conduct.filters_by_xml_id = wish.filters_by_xml_id.unwrap_or(conduct.filters_by_xml_id);
        conduct.is_blocked = wish.is_blocked.unwrap_or(conduct.is_blocked);
    });
    if let Some(has_limits) = wish.has_limits {
        sandbox.set_limits(if has_limits { Limits::cloud() } else { Limits::default() });
    }
    let mail = lock(&sandbox.0.courier).mail.clone();
    sandbox.set_mail(Mail {
        lost: wish.lost.unwrap_or(mail.lost),
        twice: wish.twice.unwrap_or(mail.twice),
        delay: wish.delay_ms.map_or(mail.delay, Duration::from_millis),
        spread: wish.spread_ms.map_or(mail.spread, Duration::from_millis),
        ..mail
    });
    Ok(Json(json!({"ok": true})))
}

fn card_json(office: &Office, task: &Task) -> Value {
    let responsible = office.users.get(&task.responsible).map(User::full_name).unwrap_or_default();
    json!({
        "id": task.id, "title": task.title, "status": task.status.word(), "priority": task.priority,
        "responsible": {"id": task.responsible, "name": responsible}, "group": task.group,
        "stage": office.column(task).map(|stage| stage.id), "deadline": task.deadline.map(|at| at.0 / 1000),
        "created": task.created_at.0 / 1000, "files_count": task.attachments.len(),
        "comments_count":
            office.messages.get(&task.id).map_or(0, |all| all.iter().filter(|message| message.author != 0).count()),
    })
}

fn person_json(user: &User) -> Value {
    json!({"id": user.id, "name": user.full_name(), "position": user.position, "active": user.is_active})
}

fn rest3_name(rest3: Rest3) -> &'static str {
    match rest3 {
        Rest3::Absent => "absent",
        Rest3::WithoutKeys => "without_keys",
        Rest3::WithKeys => "with_keys",
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
