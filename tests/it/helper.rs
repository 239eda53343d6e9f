//! The helper's language model: a small server in its place, which says what it is told to.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use borodach::clock::{ManualClock, Timestamp};
use borodach::config::Limit;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::desk::{ANNA, Desk};
use crate::portal::introduce;

const KEY: &str = "made-up-key-of-the-tests";

/// The model's server.
#[derive(Clone, Default)]
struct Model(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    /// The next answers: a status, and what the model says.
    answers: VecDeque<(u16, &'static str)>,
    asked: Vec<Value>,
    keys: Vec<String>,
}

impl Model {
    async fn start(&self) -> url::Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let address = format!("http://{}/v1", listener.local_addr().expect("it is bound"));
        let router = Router::new().route("/v1/chat/completions", post(answer)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.expect("loopback serves") });
        address.parse().expect("an address")
    }

    fn says(&self, words: &'static str) {
        self.answers(200, words);
    }

    fn answers(&self, status: u16, words: &'static str) {
        self.0.lock().expect("nobody panics with it").answers.push_back((status, words));
    }

    fn asked(&self) -> Vec<Value> {
        self.0.lock().expect("nobody panics with it").asked.clone()
    }
}

async fn answer(
    State(model): State<Model>,
    headers: HeaderMap,
    Json(asked): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let mut kept = model.0.lock().expect("nobody panics with it");
    kept.asked.push(asked);
    let key = headers.get("authorization").map(|value| value.to_str().expect("letters").to_owned());
    kept.keys.extend(key);
    let (status, words) = kept.answers.pop_front().unwrap_or((200, "NO_ANSWER"));
    let body = json!({ "choices": [{ "message": { "role": "assistant", "content": words } }] });
    (StatusCode::from_u16(status).expect("a status"), Json(body))
}

async fn desk() -> (Desk, Model, Arc<ManualClock>) {
    let (mut desk, model) = (Desk::lay().await, Model::default());
    let clock = ManualClock::new(Timestamp(1_795_590_000_000));
    desk.clock = clock.clone();
    desk.config.helper.endpoint = Some(model.start().await);
    desk.config.helper.api_key = Some(KEY.to_owned().into());
    desk.config.services.retry.first_pause = Duration::from_millis(10);
    desk.config.services.retry.shortest_pause = Duration::from_millis(10);
    desk.run().await;
    introduce(&desk, ANNA, "Анна Петрова").await;
    (desk, model, clock)
}

const UNKNOWN: &str = "Этого я не знаю";

#[tokio::test]
async fn the_model_answers_from_what_it_is_given_and_learns_no_name_and_no_phone() {
    let (desk, model, _clock) = desk().await;
    let anna = desk.talks(ANNA);
    model.says("Сегодня 25.11.2026, новых задач <нет>.");
    anna.writes("какой нынче день");
    anna.hears("🤖 Сегодня 25.11.2026, новых задач <нет>.").await;
    let asked = model.asked();
    assert_eq!((asked.len(), &asked[0]["stream"]), (1, &json!(false)));
    let told = asked[0]["messages"].to_string();
    assert!(told.contains("Сегодня 25.11.2026.") && told.contains("какой нынче день"), "{told}");
    assert!(!told.contains("Петрова") && !told.contains("+7999"), "{told}");
    assert_eq!(model.0.lock().expect("nobody panics with it").keys, [format!("Bearer {KEY}")]);
}

#[tokio::test]
async fn a_figure_that_was_not_given_is_never_shown() {
    let (desk, model, _clock) = desk().await;
    let anna = desk.talks(ANNA);
    model.says("Выручка 999 000 ₽!");
    anna.writes("как дела");
    anna.hears(UNKNOWN).await;
    assert_eq!(anna.count("999"), 0, "{}", anna.transcript());
}

#[tokio::test]
async fn the_model_may_not_know() {
    let (desk, _model, _clock) = desk().await;
    let anna = desk.talks(ANNA);
    anna.writes("почём нынче овёс");
    anna.hears(UNKNOWN).await;
}

#[tokio::test]
async fn a_model_in_trouble_is_asked_once_more_and_then_left_alone() {
    let (desk, model, _clock) = desk().await;
    let anna = desk.talks(ANNA);
    model.answers(502, "");
    model.says("Сегодня 25 число.");
    anna.writes("какой нынче день");
    anna.hears("🤖 Сегодня 25 число.").await;
    assert_eq!(model.asked().len(), 2);
    model.answers(400, "");
    anna.writes("почём нынче овёс");
    anna.hears("Сейчас не могу подумать над ответом.").await;
    assert_eq!(model.asked().len(), 3);
}

#[tokio::test]
async fn a_person_has_so_many_questions_a_day() {
    let (mut desk, model, clock) = desk().await;
    desk.stop().await;
    desk.config.helper.questions_per_day = Limit::of(NonZeroU32::MIN);
    desk.run().await;
    let anna = desk.talks(ANNA);
    for (asked, heard) in [(1, UNKNOWN), (1, "На сегодня вопросов хватит"), (2, UNKNOWN)]
    {
        let before = anna.count(heard);
        anna.writes("почём нынче овёс");
        anna.heard(heard, before + 1).await;
        assert_eq!(model.asked().len(), asked, "{heard}");
        if heard != UNKNOWN {
            clock.turn(Duration::from_hours(14)); // It was ten in the morning.
        }
    }
}

#[tokio::test]
async fn without_an_endpoint_there_is_no_model() {
    let desk = Desk::start().await;
    introduce(&desk, ANNA, "Анна Петрова").await;
    let anna = desk.talks(ANNA);
    anna.writes("почём нынче овёс");
    anna.hears("Пока не понял, о чём речь.").await;
    assert!(desk.health().await["parts"]["helper"].is_null());
}
