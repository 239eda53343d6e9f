//! The control API: what the page with the phone asks, does, and is told.

use std::convert::Infallible;
use std::fmt::Display;

use axum::extract::{DefaultBodyLimit, Multipart, Path, Query, State};
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

use super::chat::Chat;
use super::html;
use super::message::{Action, Author, Button, Content, Key, KeyKind, Message, Place, ReplyKeyboard};
use super::people::{Attachment, Whose};
use super::poll::Poll;
use super::{Event, Telegram, lock, read};

const MAX_UPLOAD: usize = 60 << 20;

/// Routes without the prefix `/sandbox`.
pub(super) fn router(sandbox: Telegram) -> Router {
    Router::new()
        .route("/state", get(state))
        .route("/chats/{chat}", get(chat))
        .route("/events", get(events))
        .route("/files/{id}", get(file))
        .route("/act", post(act))
        .route("/upload", post(upload).layer(DefaultBodyLimit::max(MAX_UPLOAD)))
        .route("/faults", post(add_fault).delete(clear_faults))
        .with_state(sandbox)
}

/// Why the page's wish was not done: a status and a sentence.
struct Refused(StatusCode, String);

impl Refused {
    fn bad(why: impl Display) -> Refused {
        Refused(StatusCode::BAD_REQUEST, why.to_string())
    }

    fn unknown(what: &str, id: i64) -> Refused {
        Refused(StatusCode::NOT_FOUND, format!("there is no {what} {id}"))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

async fn state(State(sandbox): State<Telegram>) -> Json<Value> {
    let chats = sandbox.chats();
    let person = |person: &super::Person| {
        let id = person.card.id;
        let own = chats
            .iter()
            .filter(|chat| chat["members"].as_array().is_some_and(|all| all.contains(&id.into())));
        json!({
            "id": id, "name": person.card.name, "username": person.card.username, "phone": person.card.phone,
            "blocked": person.blocked, "chats": own.map(|chat| chat["id"].clone()).collect::<Value>(),
        })
    };
    Json(json!({
        "people": sandbox.everyone().iter().map(|one| person(one)).collect::<Value>(),
        "bot": {"name": sandbox.0.bot.name, "username": sandbox.0.bot.username},
        "faults": sandbox.faults().rules().iter().map(rule_json).collect::<Value>(),
        "chats": chats,
    }))
}

#[derive(Deserialize)]
struct Viewer {
    #[serde(rename = "as")]
    person: i64,
}

async fn chat(
    State(sandbox): State<Telegram>,
    Path(id): Path<i64>,
    Query(viewer): Query<Viewer>,
) -> Result<Json<Value>, Refused> {
    let chat = sandbox.find_chat(id).ok_or_else(|| Refused::unknown("chat", id))?;
    let chat = lock(&chat);
    let messages: Value = chat.messages.iter().map(|message| message_json(&sandbox, message)).collect();
    Ok(Json(json!({
        "messages": messages,
        "keyboard": chat.keyboards.get(&viewer.person).map(keyboard_json),
        "typing": chat.typing_until > sandbox.now(),
    })))
}

/// A subscriber that fell behind is told that everything may have changed.
async fn events(State(sandbox): State<Telegram>) -> Sse<impl Stream<Item = Result<sse::Event, Infallible>>> {
    let told =
        BroadcastStream::new(sandbox.subscribe()).map(|event| Ok(event_json(&event.unwrap_or(Event::State))));
    Sse::new(told).keep_alive(KeepAlive::default())
}

/// A document is always downloaded: the page must not run what was sent through it.
async fn file(State(sandbox): State<Telegram>, Path(id): Path<String>) -> Result<Response, Refused> {
    let missing = || Refused(StatusCode::NOT_FOUND, format!("there is no file {id}"));
    let file = sandbox.0.files.by_id(&id).ok_or_else(missing)?;
    let is_picture = file.mime.starts_with("image/");
    let disposition = if is_picture { "inline" } else { "attachment" };
    let headers = [
        (header::CONTENT_TYPE, file.mime),
        (header::CONTENT_DISPOSITION, disposition),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "max-age=3600"),
    ];
    Ok((headers, file.bytes.clone()).into_response())
}

#[derive(Deserialize)]
struct Act {
    #[serde(rename = "as")]
    person: i64,
    chat: Option<i64>,
    #[serde(flatten)]
    deed: Deed,
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Deed {
    Text { text: String },
    Press { message: i64, row: usize, col: usize },
    Contact { of: Option<Value> },
    Block,
    Unblock,
    Vote { message: i64, options: Vec<usize> },
}

async fn act(State(sandbox): State<Telegram>, Json(act): Json<Act>) -> Result<Json<Value>, Refused> {
    let (person, chat) = (act.person, act.chat.unwrap_or(act.person));
    sandbox.check(person, chat)?;
    let made = match act.deed {
        Deed::Text { text } if text.trim().is_empty() => return Err(Refused::bad("the text is empty")),
        Deed::Text { text } => sandbox.types(chat, person, &text)?,
        Deed::Press { message, row, col } => {
            sandbox.presses_at(chat, person, message, row, col).map_err(Refused::bad)?
        }
        Deed::Contact { of } => sandbox.shares_contact(chat, person, whose(of.as_ref(), person)?),
        Deed::Block => sandbox.blocks(person),
        Deed::Unblock => sandbox.unblocks(person),
        Deed::Vote { message, options } => {
            sandbox.votes(chat, person, message, &options).map_err(Refused::bad)?
        }
    };
    Ok(Json(json!({"ok": true, "updates": made})))
}

#[derive(Deserialize)]
struct Upload {
    #[serde(rename = "as")]
    person: i64,
    chat: i64,
    kind: UploadKind,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum UploadKind {
    Photo,
    Document,
}

async fn upload(
    State(sandbox): State<Telegram>,
    Query(upload): Query<Upload>,
    mut parts: Multipart,
) -> Result<Json<Value>, Refused> {
    sandbox.check(upload.person, upload.chat)?;
    let (mut items, mut caption) = (Vec::new(), String::new());
    while let Some(part) = parts.next_field().await.map_err(Refused::bad)? {
        let is_caption = part.name() == Some("caption");
        let name = part.file_name().unwrap_or("file").to_owned();
        let bytes = part.bytes().await.map_err(Refused::bad)?;
        match upload.kind {
            _ if is_caption => caption = String::from_utf8_lossy(&bytes).into_owned(),
            UploadKind::Photo => items.push(Attachment::Photo(bytes)),
            UploadKind::Document => items.push(Attachment::Document { name, bytes }),
        }
    }
    if items.is_empty() {
        return Err(Refused::bad("there is no part `file` in the form"));
    }
    let made = sandbox.sends_album(upload.chat, upload.person, &items, &caption);
    Ok(Json(json!({"ok": true, "updates": made})))
}

async fn add_fault(
    State(sandbox): State<Telegram>,
    Json(fault): Json<Switch>,
) -> Result<Json<Value>, Refused> {
    sandbox.faults().add(fault.rule().map_err(Refused::bad)?);
    sandbox.announce(Event::State);
    Ok(Json(json!({"ok": true})))
}

async fn clear_faults(State(sandbox): State<Telegram>) -> Json<Value> {
    sandbox.faults().clear();
    sandbox.announce(Event::State);
    Json(json!({"ok": true}))
}

impl Telegram {
    /// Text typed by a person; a tap on a plain key of the reply keyboard comes the same way.
    fn types(&self, chat: i64, person: i64, text: &str) -> Result<Vec<i64>, Refused> {
        let keyboard = self.keyboard(chat, person);
        let key = keyboard.as_ref().and_then(|keyboard| keyboard.key(text));
        match key.filter(|key| key.kind == KeyKind::Text) {
            Some(key) => self.presses_key(chat, person, &key.label, key.kind).map_err(Refused::bad),
            None => Ok(self.writes(chat, person, text)),
        }
    }

    fn check(&self, person: i64, chat: i64) -> Result<(), Refused> {
        self.find_person(person).ok_or_else(|| Refused::unknown("person", person))?;
        self.find_chat(chat).ok_or_else(|| Refused::unknown("chat", chat))?;
        Ok(())
    }

    fn chats(&self) -> Vec<Value> {
        let mut chats: Vec<_> = read(&self.0.chats).values().cloned().collect();
        chats.sort_by_key(|chat| lock(chat).card.id);
        chats.iter().map(|chat| chat_json(&lock(chat))).collect()
    }
}

/// `"self"`, nothing, or the id of another person.
fn whose(of: Option<&Value>, person: i64) -> Result<Whose, Refused> {
    match of {
        None | Some(Value::Null) => Ok(Whose::Own),
        Some(Value::String(word)) if word == "self" => Ok(Whose::Own),
        Some(Value::String(word)) if word == "forwarded" => Ok(Whose::Forwarded),
        Some(other) => match other.as_i64() {
            Some(id) if id == person => Ok(Whose::Own),
            Some(id) => Ok(Whose::Of(id)),
            None => Err(Refused::bad("`of` is `self`, `forwarded` or a person's id")),
        },
    }
}

fn event_json(event: &Event) -> sse::Event {
    let (name, data) = match event {
        Event::Chat(chat) => ("chat", json!({"chat": chat})),
        Event::State => ("state", json!({})),
        Event::Toast { chat, toast } => {
            let data =
                json!({"chat": chat, "person": toast.person, "text": toast.text, "alert": toast.alert});
            ("toast", data)
        }
    };
    sse::Event::default().event(name).data(data.to_string())
}

fn chat_json(chat: &Chat) -> Value {
    let kind = match &chat.card.place {
        Place::Private(_) => "private",
        Place::Group { .. } => "group",
    };
    json!({"id": chat.card.id, "title": chat.card.title(), "kind": kind, "members": chat.members})
}

fn message_json(sandbox: &Telegram, message: &Message) -> Value {
    let from = match &message.author {
        Author::Bot => json!({"id": sandbox.0.bot.id, "name": sandbox.0.bot.name, "bot": true}),
        Author::Person(card) => json!({"id": card.id, "name": card.name, "bot": false}),
    };
    let mut json = json!({
        "id": message.id, "from": from, "date": message.at, "html": message.html(),
        "edited": message.edited_at.is_some(), "deleted": message.deleted, "album": message.album,
        "reply_to": message.reply_to, "forwarded": message.forwarded,
        "buttons": rows_json(&message.buttons, button_json),
        "photo": null, "document": null, "contact": null, "poll": null,
    });
    match &message.content {
        Content::Text => {}
        Content::Photo(photo) => json["photo"] = href(&photo.largest().id).into(),
        Content::Document(document) => {
            let file = &document.0;
            json["document"] = json!({"name": file.name, "size": file.bytes.len(), "href": href(&file.id)});
        }
        Content::Contact { phone, name, .. } => json["contact"] = json!({"name": name, "phone": phone}),
        Content::Poll(poll) => json["poll"] = poll_json(poll),
    }
    json
}

fn button_json(button: &Button) -> Value {
    match &button.action {
        Action::Callback(data) => json!({"label": button.label, "data": data}),
        // Only what a page may safely follow.
        Action::Url(url) if html::is_safe_link(url) => json!({"label": button.label, "url": url}),
        Action::Url(_) | Action::Other(_) => json!({"label": button.label}),
    }
}

fn keyboard_json(keyboard: &ReplyKeyboard) -> Value {
    let key = |key: &Key| {
        let kind = match key.kind {
            KeyKind::Text | KeyKind::Other => "text",
            KeyKind::Contact => "contact",
        };
        json!({"label": key.label, "kind": kind})
    };
    json!({
        "rows": rows_json(&keyboard.rows, key), "one_time": keyboard.one_time, "folded": keyboard.folded,
        "placeholder": keyboard.placeholder,
    })
}

fn rows_json<T>(rows: &[Vec<T>], one: impl Fn(&T) -> Value) -> Value {
    rows.iter().map(|row| row.iter().map(&one).collect::<Value>()).collect()
}

fn poll_json(poll: &Poll) -> Value {
    let option = |option: &super::poll::PollOption| json!({"text": option.text, "votes": option.voters.len(), "voters": option.voters});
    json!({
        "question": poll.question, "options": poll.options.iter().map(option).collect::<Value>(),
        "anonymous": poll.anonymous, "multiple": poll.multiple, "closed": poll.closed, "voters": poll.voters(),
    })
}

fn href(file_id: &str) -> String {
    format!("/sandbox/files/{file_id}")
}
