//! The sandbox's Telegram is as strict as the real one. A fact of the Bot API a test.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use borodach::clock::{ManualClock, Timestamp};
use borodach::sandbox::telegram::{
    Attachment, Fault, Limits, Method, Often, Quota, Rule, Telegram, Unable, Whose,
};
use futures::StreamExt;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::sync::watch;

const TOKEN: &str = "4242:AAE_sandbox_token_of_the_tests-0123";
const ANNA: i64 = 7_000_000_001;
const BORIS: i64 = 7_000_000_002;
const STAFF: i64 = -1_001_234_567_890;
/// 2026-01-01 12:00 UTC.
const NOON: Timestamp = Timestamp(1_767_268_800_000);

/// The bot's side of the wire.
struct Bot {
    sandbox: Telegram,
    clock: Arc<ManualClock>,
    client: reqwest::Client,
}

impl Bot {
    /// A sandbox where Anna has already said hello, Boris has not, and both are in the staff's group.
    async fn start() -> Bot {
        crate::crypto();
        let clock = ManualClock::new(NOON);
        let addr = SocketAddr::from(([127, 0, 0, 1], 0));
        let sandbox = Telegram::start_with_clock(addr, TOKEN, clock.clone()).await.expect("loopback is free");
        sandbox.person(ANNA, "Анна Петрова", Some("anna"), "+79990000001");
        sandbox.person(BORIS, "Борис", None, "79990000002");
        sandbox.group(STAFF, "Офис", &[ANNA, BORIS]);
        let client = reqwest::Client::builder().no_proxy().build().expect("the provider is installed");
        let bot = Bot { sandbox, clock, client };
        bot.sandbox.writes(ANNA, ANNA, "/start");
        bot.ok("getUpdates", json!({"offset": -1})).await;
        bot.confirm_all().await;
        bot
    }

    /// Confirms everything, so that a test begins with an empty queue.
    async fn confirm_all(&self) {
        self.ok("getUpdates", json!({"offset": 2_000_000_000})).await;
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.url())
    }

    fn method(&self, name: &str) -> String {
        self.address(&format!("bot{TOKEN}/{name}"))
    }

    async fn call(&self, method: &str, params: Value) -> (u16, Value) {
        read(self.client.post(self.method(method)).json(&params).send().await.expect("an answer")).await
    }

    #[track_caller]
    fn ok(&self, method: &str, params: Value) -> impl Future<Output = Value> {
        let caller = std::panic::Location::caller();
        async move {
            let (status, body) = self.call(method, params).await;
            assert_eq!(status, 200, "{caller}: {body}");
            body["result"].clone()
        }
    }

    #[track_caller]
    fn refused(&self, method: &str, params: Value, code: u16, description: &str) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let (status, body) = self.call(method, params).await;
            let expected = json!({"ok": false, "error_code": code, "description": description});
            assert_eq!((status, body), (code, expected), "{caller}");
        }
    }

    async fn says(&self, text: &str) -> i64 {
        let message = self.ok("sendMessage", json!({"chat_id": ANNA, "text": text})).await;
        message["message_id"].as_i64().expect("a message has an id")
    }

    async fn asks(&self, text: &str, keyboard: Value) -> i64 {
        let params = json!({"chat_id": ANNA, "text": text, "reply_markup": keyboard});
        self.ok("sendMessage", params).await["message_id"].as_i64().expect("a message has an id")
    }

    async fn updates(&self, params: Value) -> Vec<Value> {
        self.ok("getUpdates", params).await.as_array().expect("a list").clone()
    }
}

async fn read(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or(Value::Null))
}

fn yes_no() -> Value {
    json!({"inline_keyboard": [[{"text": "Да", "callback_data": "yes"}, {"text": "Нет", "callback_data": "no"}]]})
}

fn ids(updates: &[Value]) -> Vec<i64> {
    updates.iter().map(|update| update["update_id"].as_i64().expect("an update has an id")).collect()
}

/// The head of a PNG is all that anybody measures.
fn picture(width: u32, height: u32) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    png.extend(width.to_be_bytes());
    png.extend(height.to_be_bytes());
    png
}

// Addresses, tokens, encodings.

#[tokio::test]
async fn methods_are_read_without_regard_to_case() {
    let bot = Bot::start().await;
    for name in ["getMe", "GetMe", "getme", "GETME"] {
        assert_eq!(bot.ok(name, json!({})).await["is_bot"], true);
    }
    assert_eq!(bot.sandbox.calls(Method::GetMe), 4);
}

#[tokio::test]
async fn what_it_answers_satisfies_a_strict_parser() {
    use teloxide::payloads::SendMessageSetters;
    use teloxide::prelude::Requester;
    use teloxide::types::{ChatId, InputFile};
    let bot = Bot::start().await;
    let client = teloxide::net::default_reqwest_settings().no_proxy().build().expect("a client");
    let strict = teloxide::Bot::with_client(TOKEN, client).set_api_url(bot.sandbox.url());
    assert_eq!(strict.get_me().await.expect("getMe").username(), "borodach_sandbox_bot");
    let chat = ChatId(ANNA);
    let html = teloxide::types::ParseMode::Html;
    let sent = strict.send_message(chat, "<b>да</b>").parse_mode(html).await.expect("sendMessage");
    assert_eq!(sent.text(), Some("да"));
    let file = InputFile::memory(b"%PDF".to_vec()).file_name("акт.pdf");
    let sent = strict.send_document(chat, file).await.expect("sendDocument");
    let document = sent.document().expect("a document");
    assert_eq!(document.file_name.as_deref(), Some("акт.pdf"));
    let found = strict.get_file(document.file.id.clone()).await.expect("getFile");
    let mut content = Vec::new();
    teloxide::net::Download::download_file(&strict, &found.path, &mut content).await.expect("a download");
    assert_eq!(content, b"%PDF");
    bot.sandbox.writes(ANNA, ANNA, "/task");
    bot.sandbox.shares_contact(ANNA, ANNA, Whose::Own);
    bot.sandbox.sends_photo(ANNA, ANNA, picture(1280, 960), "вот");
    bot.sandbox.blocks(ANNA);
    bot.sandbox.unblocks(ANNA);
    let asked = bot.asks("Да?", yes_no()).await;
    bot.sandbox.presses_on(ANNA, ANNA, asked, "Да").expect("a button");
    let updates = strict.get_updates().await.expect("getUpdates");
    assert_eq!(updates.len(), 6);
    let unread =
        |update: &&teloxide::types::Update| matches!(update.kind, teloxide::types::UpdateKind::Error(_));
    assert!(updates.iter().find(unread).is_none(), "{updates:?}");
}

#[tokio::test]
async fn query_form_json_and_multipart_mean_the_same() {
    let bot = Bot::start().await;
    let markup = json!({"inline_keyboard": [[{"text": "Да", "callback_data": "yes"}]]});
    let raw = markup.to_string();
    let id = ANNA.to_string();
    let url = bot.method("sendMessage");
    let fields = [("chat_id", id.as_str()), ("text", "да"), ("reply_markup", raw.as_str())];
    let form = fields.iter().fold(Form::new(), |form, (name, value)| form.text(*name, (*value).to_owned()));
    let mut with_query = url::Url::parse(&url).expect("a URL");
    with_query.query_pairs_mut().extend_pairs(fields);
    let pairs = with_query.query().expect("it was just set").to_owned();
    let urlencoded = "application/x-www-form-urlencoded";
    let requests = [
        bot.client.get(with_query),
        bot.client.post(&url).header("content-type", urlencoded).body(pairs),
        bot.client.post(&url).json(&json!({"chat_id": ANNA, "text": "да", "reply_markup": markup})),
        bot.client.post(&url).json(&json!({"chat_id": id, "text": "да", "reply_markup": raw})),
        bot.client.post(&url).multipart(form),
        bot.client.post(format!("{url}?chat_id={id}")).json(&json!({"text": "да", "reply_markup": raw})),
        bot.client
            .post(bot.address(&format!("bot{TOKEN}")))
            .json(&json!({"method": "sendMessage", "chat_id": id, "text": "да", "reply_markup": raw})),
    ];
    for request in requests {
        let (status, body) = read(request.send().await.expect("an answer")).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["result"]["text"], "да");
        assert_eq!(body["result"]["reply_markup"], markup);
    }
}

#[tokio::test]
async fn unknown_methods_and_tokens_get_their_envelopes() {
    let bot = Bot::start().await;
    let ask =
        async |path: &str| read(bot.client.get(bot.address(path)).send().await.expect("an answer")).await;
    let missing = json!({"ok": false, "error_code": 404, "description": "Not Found"});
    let no_method = json!({"ok": false, "error_code": 404, "description": "Not Found: method not found"});
    let stranger = json!({"ok": false, "error_code": 401, "description": "Unauthorized"});
    assert_eq!(ask(&format!("bot{TOKEN}/sendLove")).await, (404, no_method));
    assert_eq!(ask("bot1:AAE_another_token_of_the_tests-0123/getMe").await, (401, stranger));
    assert_eq!(ask("bot1:short/getMe").await, (404, missing.clone()));
    assert_eq!(ask("nowhere").await, (404, missing.clone()));
    assert_eq!(ask(&format!("/bot{TOKEN}/getMe")).await, (404, missing));
}

#[tokio::test]
async fn broken_http_is_answered_with_a_bare_status() {
    let bot = Bot::start().await;
    let request = bot.client.post(bot.method("sendMessage")).header("content-type", "application/json");
    let response = request.body("{").send().await.expect("an answer");
    assert_eq!(response.status(), 400);
    assert_eq!(response.text().await.expect("a body"), "");
    let long = json!({"chat_id": ANNA, "text": "а".repeat(600_000)});
    assert_eq!(bot.call("sendMessage", long).await, (413, Value::Null));
}

// Files.

#[tokio::test]
async fn an_uploaded_file_comes_back_by_its_id_even_with_the_slash_encoded() {
    let bot = Bot::start().await;
    let part = Part::bytes(b"%PDF".to_vec()).file_name("акт.pdf");
    let form =
        Form::new().text("chat_id", ANNA.to_string()).text("document", "attach://ab12").part("ab12", part);
    let request = bot.client.post(bot.method("SendDocument")).multipart(form);
    let (status, body) = read(request.send().await.expect("an answer")).await;
    assert_eq!(status, 200, "{body}");
    let document = &body["result"]["document"];
    assert_eq!(document["file_name"], "акт.pdf");
    assert_eq!(document["mime_type"], "application/pdf");
    let file = bot.ok("getFile", json!({"file_id": document["file_id"]})).await;
    let path = file["file_path"].as_str().expect("a path");
    for path in [path.to_owned(), path.replace('/', "%2F")] {
        let address = bot.address(&format!("file/bot{TOKEN}/{path}"));
        let content = bot.client.get(address).send().await.expect("an answer").bytes().await.expect("a body");
        assert_eq!(content, Bytes::from_static(b"%PDF"));
    }
    let again = bot.ok("sendDocument", json!({"chat_id": ANNA, "document": document["file_id"]})).await;
    assert_eq!(again["document"]["file_unique_id"], document["file_unique_id"]);
}

#[tokio::test]
async fn a_file_that_cannot_be_is_refused() {
    let bot = Bot::start().await;
    let wrong = "Bad Request: wrong file identifier/HTTP URL specified";
    bot.refused("sendDocument", json!({"chat_id": ANNA, "document": "foreign"}), 400, wrong).await;
    bot.refused("getFile", json!({"file_id": "foreign"}), 400, "Bad Request: invalid file_id").await;
    let no_url = "Bad Request: failed to get HTTP URL content";
    bot.refused("sendPhoto", json!({"chat_id": ANNA, "photo": "http://x.ru/a.jpg"}), 400, no_url).await;
    for (bytes, complaint) in [
        (b"not a picture".to_vec(), "Bad Request: IMAGE_PROCESS_FAILED"),
        (picture(9000, 2000), "Bad Request: PHOTO_INVALID_DIMENSIONS"),
        (picture(4200, 100), "Bad Request: PHOTO_INVALID_DIMENSIONS"),
    ] {
        let form = Form::new().text("chat_id", ANNA.to_string());
        let form = form.part("photo", Part::bytes(bytes).file_name("a.png"));
        let request = bot.client.post(bot.method("sendPhoto")).multipart(form);
        let (status, body) = read(request.send().await.expect("an answer")).await;
        assert_eq!((status, body["description"].as_str()), (400, Some(complaint)));
    }
    bot.sandbox.sends_document(ANNA, ANNA, "кино.mp4", vec![0; (20 << 20) + 1]);
    let updates = bot.updates(json!({})).await;
    let id = &updates[0]["message"]["document"]["file_id"];
    bot.refused("getFile", json!({"file_id": id}), 400, "Bad Request: file is too big").await;
}

#[tokio::test]
async fn a_picture_comes_in_several_sizes_and_an_album_item_by_item() {
    let bot = Bot::start().await;
    let photo = Attachment::Photo(Bytes::from(picture(1600, 800)));
    let made = bot.sandbox.sends_album(ANNA, ANNA, &[photo.clone(), photo], "фасад");
    let updates = bot.updates(json!({})).await;
    assert_eq!(ids(&updates), made);
    let [first, second] = updates.as_slice() else { panic!("an update for each item") };
    let sizes: Vec<_> =
        first["message"]["photo"].as_array().expect("sizes").iter().map(|size| &size["width"]).collect();
    assert_eq!(sizes, [90, 320, 800, 1600]);
    assert!(first["message"]["media_group_id"].is_string());
    assert_eq!(first["message"]["media_group_id"], second["message"]["media_group_id"]);
    assert_eq!(
        (&first["message"]["caption"], &second["message"]["caption"]),
        (&json!("фасад"), &Value::Null)
    );
}

#[tokio::test]
async fn an_album_of_the_bot_shares_a_group_id_and_refuses_a_mixture() {
    let bot = Bot::start().await;
    let send = async |media: Value| {
        let form = Form::new().text("chat_id", ANNA.to_string()).text("media", media.to_string());
        let form = form.part("one", Part::bytes(picture(10, 10)).file_name("1.png"));
        let form = form.part("two", Part::bytes(picture(20, 20)).file_name("2.png"));
        read(bot.client.post(bot.method("sendMediaGroup")).multipart(form).send().await.expect("an answer"))
            .await
    };
    let one =
        json!({"type": "photo", "media": "attach://one", "caption": "<b>раз</b>", "parse_mode": "HTML"});
    let (status, body) = send(json!([one, {"type": "photo", "media": "attach://two"}])).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["result"][0]["media_group_id"], body["result"][1]["media_group_id"]);
    assert_eq!(body["result"][0]["caption"], "раз");
    let (status, _) = send(json!([one, {"type": "document", "media": "attach://two"}])).await;
    assert_eq!(status, 400);
    let (_, body) = send(json!([one])).await;
    assert_eq!(body["description"], "Bad Request: album must contain from 2 to 10 items");
}

// Long polling.

#[tokio::test]
async fn unconfirmed_updates_come_again_and_an_offset_confirms_them() {
    let bot = Bot::start().await;
    let made: Vec<i64> =
        ["раз", "два", "три"].iter().flat_map(|text| bot.sandbox.writes(ANNA, ANNA, text)).collect();
    assert_eq!(made[1], made[0] + 1);
    assert_eq!(ids(&bot.updates(json!({"offset": made[0]})).await), made);
    assert_eq!(ids(&bot.updates(json!({})).await), made);
    assert_eq!(ids(&bot.updates(json!({"offset": made[1]})).await), made[1..]);
    assert_eq!(bot.sandbox.pending_updates(), 2);
    assert_eq!(ids(&bot.updates(json!({"offset": -1})).await), made[2..]);
    assert_eq!(bot.sandbox.pending_updates(), 1);
}

#[tokio::test]
async fn a_limit_is_clamped_rather_than_refused() {
    let bot = Bot::start().await;
    let made: Vec<i64> = (0..3).flat_map(|_| bot.sandbox.writes(ANNA, ANNA, "да")).collect();
    assert_eq!(ids(&bot.updates(json!({"limit": 0, "offset": made[0]})).await), made[..1]);
    assert_eq!(ids(&bot.updates(json!({"limit": 500})).await), made);
}

#[tokio::test]
async fn a_held_poll_is_released_by_the_first_update() {
    let bot = Bot::start().await;
    let began = Instant::now();
    let (updates, made) = tokio::join!(bot.updates(json!({"timeout": 30})), async {
        bot.sandbox.wait_for(Telegram::is_polled).await.expect("a poll");
        bot.sandbox.writes(ANNA, ANNA, "ау")
    });
    assert_eq!(ids(&updates), made);
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_second_poller_ends_the_first() {
    let bot = Bot::start().await;
    let (first, second) = tokio::join!(bot.call("getUpdates", json!({"timeout": 30})), async {
        bot.sandbox.wait_for(Telegram::is_polled).await.expect("a poll");
        bot.call("getUpdates", json!({"offset": 5})).await
    });
    let ended =
        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
    assert_eq!((first.0, first.1["description"].as_str()), (409, Some(ended)));
    assert_eq!(second.0, 200);
}

#[tokio::test]
async fn a_poll_that_spins_is_slowed_down() {
    let bot = Bot::start().await;
    bot.updates(json!({"offset": 7})).await;
    let made: Vec<i64> = (0..2).flat_map(|_| bot.sandbox.writes(ANNA, ANNA, "да")).collect();
    assert_eq!(ids(&bot.updates(json!({"offset": 7})).await), made[..1]);
}

#[tokio::test]
async fn a_kind_is_filtered_when_the_update_is_created() {
    let bot = Bot::start().await;
    let queued = bot.sandbox.writes(ANNA, ANNA, "до");
    bot.updates(json!({"offset": 1, "allowed_updates": ["callback_query", "nonsense"]})).await;
    assert!(bot.sandbox.writes(ANNA, ANNA, "после").is_empty());
    assert_eq!(ids(&bot.updates(json!({"offset": 2, "allowed_updates": "not a list"})).await), queued);
    assert!(bot.sandbox.writes(ANNA, ANNA, "после").is_empty());
    let info = bot.ok("getWebhookInfo", json!({})).await;
    assert_eq!(info["allowed_updates"], json!(["callback_query"]));
    bot.updates(json!({"offset": 3, "allowed_updates": []})).await;
    assert_eq!(bot.sandbox.writes(ANNA, ANNA, "снова").len(), 1);
}

#[tokio::test]
async fn updates_that_nobody_fetched_expire() {
    let bot = Bot::start().await;
    let question = bot.asks("Да?", yes_no()).await;
    bot.sandbox.presses(ANNA, ANNA, "Да").expect("a button");
    let message = bot.sandbox.writes(ANNA, ANNA, "да");
    bot.clock.turn(Duration::from_secs(151));
    assert_eq!(ids(&bot.updates(json!({})).await), message, "the press of message {question} is gone");
    bot.clock.turn(Duration::from_hours(24));
    assert_eq!(bot.sandbox.pending_updates(), 0);
}

#[tokio::test]
async fn a_raw_update_may_come_twice_with_one_id() {
    let bot = Bot::start().await;
    let id = bot.sandbox.writes(ANNA, ANNA, "да")[0];
    let update = bot.updates(json!({"offset": id})).await.remove(0);
    bot.confirm_all().await;
    assert_eq!(bot.sandbox.raw_update(&update), id);
    assert_eq!(bot.updates(json!({"offset": 1})).await, [update]);
}

// Webhooks.

/// What came in: the secret and the update.
type Delivery = (Option<String>, Value);

/// The bot's own web server: answers what the script says, then 200; a 429 asks for 30 seconds.
#[derive(Clone, Default)]
struct Hook {
    script: Arc<Mutex<VecDeque<(u16, Value)>>>,
    seen: Arc<Mutex<Vec<Delivery>>>,
    gate: watch::Sender<bool>,
    arrived: watch::Sender<usize>,
}

impl Hook {
    async fn start(script: impl IntoIterator<Item = (u16, Value)>) -> (Hook, String) {
        let hook = Hook { gate: watch::Sender::new(true), ..Hook::default() };
        hook.script.lock().expect("unpoisoned").extend(script);
        let router = axum::Router::new().fallback(Hook::receive).with_state(hook.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback is free");
        let url = format!("http://{}/hook", listener.local_addr().expect("it is bound"));
        tokio::spawn(axum::serve(listener, router).into_future());
        (hook, url)
    }

    async fn receive(State(hook): State<Hook>, headers: HeaderMap, body: Bytes) -> Response {
        let secret = headers
            .get("x-telegram-bot-api-secret-token")
            .map(|value| value.to_str().expect("ASCII").to_owned());
        let update = serde_json::from_slice(&body).expect("an update is JSON");
        hook.seen.lock().expect("unpoisoned").push((secret, update));
        hook.arrived.send_modify(|count| *count += 1);
        hook.gate.subscribe().wait_for(|open| *open).await.expect("the hook lives");
        let answer = hook.script.lock().expect("unpoisoned").pop_front();
        let (status, body) = answer.unwrap_or((200, Value::Null));
        let status = axum::http::StatusCode::from_u16(status).expect("a status");
        if status == 429 {
            return (status, [("retry-after", "30")]).into_response();
        }
        if body.is_null() { status.into_response() } else { (status, axum::Json(body)).into_response() }
    }

    async fn arrived(&self, count: usize) {
        let mut arrived = self.arrived.subscribe();
        let enough = arrived.wait_for(|arrived| *arrived >= count);
        tokio::time::timeout(Duration::from_secs(20), enough)
            .await
            .expect("in time")
            .expect("the hook lives");
    }

    fn ids(&self) -> Vec<i64> {
        let seen = self.seen.lock().expect("unpoisoned");
        seen.iter().map(|(_, update)| update["update_id"].as_i64().expect("an id")).collect()
    }
}

#[tokio::test]
async fn a_webhook_gets_every_update_with_the_secret_and_stops_polling() {
    let bot = Bot::start().await;
    let (hook, url) = Hook::start([]).await;
    let before = bot.sandbox.writes(ANNA, ANNA, "до");
    let (_, set) = bot.call("setWebhook", json!({"url": url, "secret_token": "s-3_cret"})).await;
    assert_eq!(set, json!({"ok": true, "result": true, "description": "Webhook was set"}));
    let after = bot.sandbox.writes(ANNA, ANNA, "после");
    hook.arrived(2).await;
    assert_eq!(hook.ids(), [before, after].concat());
    assert!(
        hook.seen.lock().expect("unpoisoned").iter().all(|(secret, _)| secret.as_deref() == Some("s-3_cret"))
    );
    let conflict = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the \
                    webhook first";
    bot.refused("getUpdates", json!({}), 409, conflict).await;
    bot.sandbox.wait_for(|sandbox| sandbox.pending_updates() == 0).await.expect("all is delivered");
    let (_, deleted) = bot.call("deleteWebhook", json!({})).await;
    assert_eq!(deleted["description"], "Webhook was deleted");
    let (_, deleted) = bot.call("deleteWebhook", json!({})).await;
    assert_eq!(deleted["description"], "Webhook is already deleted");
    bot.updates(json!({"offset": 1})).await;
}

#[tokio::test]
async fn setting_a_webhook_ends_a_held_poll() {
    let bot = Bot::start().await;
    let (_hook, url) = Hook::start([]).await;
    let ((status, body), ()) = tokio::join!(bot.call("getUpdates", json!({"timeout": 30})), async {
        bot.sandbox.wait_for(Telegram::is_polled).await.expect("a poll");
        bot.ok("setWebhook", json!({"url": url})).await;
    });
    assert_eq!(
        (status, body["description"].as_str()),
        (409, Some("Conflict: terminated by setWebhook request"))
    );
}

#[tokio::test]
async fn a_failed_delivery_is_repeated_after_1_2_4_seconds_and_blocks_its_own_queue_alone() {
    let bot = Bot::start().await;
    let (hook, url) =
        Hook::start([(500, Value::Null), (200, Value::Null), (502, Value::Null), (204, Value::Null)]).await;
    bot.ok("setWebhook", json!({"url": url})).await;
    let stuck = bot.sandbox.writes(ANNA, ANNA, "раз")[0];
    hook.arrived(1).await;
    bot.sandbox.wait_for(|sandbox| sandbox.deliveries_waiting() == 1).await.expect("a failure");
    let info = bot.ok("getWebhookInfo", json!({})).await;
    assert_eq!(info["last_error_message"], "Wrong response from the webhook: 500 Internal Server Error");
    assert_eq!(info["last_error_date"], NOON.0 / 1000);
    assert_eq!(info["pending_update_count"], 1);
    let behind = bot.sandbox.writes(ANNA, ANNA, "два")[0];
    let other = bot.sandbox.writes(BORIS, BORIS, "я")[0];
    hook.arrived(2).await;
    bot.clock.turn(Duration::from_secs(1));
    hook.arrived(3).await;
    bot.sandbox.wait_for(|sandbox| sandbox.deliveries_waiting() == 1).await.expect("a failure");
    bot.clock.turn(Duration::from_secs(1));
    assert_eq!(hook.ids(), [stuck, other, stuck], "the second pause is two seconds");
    bot.clock.turn(Duration::from_secs(1));
    hook.arrived(5).await;
    assert_eq!(hook.ids(), [stuck, other, stuck, stuck, behind]);
}

#[tokio::test]
async fn a_message_and_a_press_of_one_person_are_delivered_side_by_side() {
    let bot = Bot::start().await;
    bot.asks("Да?", yes_no()).await;
    let (hook, url) = Hook::start([]).await;
    bot.ok("setWebhook", json!({"url": url})).await;
    bot.sandbox.writes(ANNA, ANNA, "разогрев");
    bot.sandbox.wait_for(|sandbox| sandbox.pending_updates() == 0).await.expect("a first success");
    hook.gate.send_replace(false);
    let message = bot.sandbox.writes(ANNA, ANNA, "раз")[0];
    let second = bot.sandbox.writes(ANNA, ANNA, "два")[0];
    let press = bot.sandbox.presses(ANNA, ANNA, "Да").expect("a button")[0];
    let blocked = bot.sandbox.blocks(BORIS)[0];
    hook.arrived(4).await;
    let mut at_once = hook.ids().split_off(1);
    at_once.sort_unstable();
    assert_eq!(at_once, [message, press, blocked], "the second message waits for the first");
    hook.gate.send_replace(true);
    hook.arrived(5).await;
    assert_eq!(hook.ids()[4], second);
}

#[tokio::test]
async fn a_webhook_may_answer_with_a_call() {
    let bot = Bot::start().await;
    let reply = json!({"method": "sendMessage", "chat_id": ANNA, "text": "ответ"});
    let forbidden = json!({"method": "deleteWebhook"});
    let (hook, url) = Hook::start([(200, reply), (200, forbidden)]).await;
    bot.ok("setWebhook", json!({"url": url})).await;
    bot.sandbox.writes(ANNA, ANNA, "вопрос");
    let answered =
        |sandbox: &Telegram| sandbox.last_from_bot(ANNA).is_some_and(|message| message.text() == "ответ");
    bot.sandbox.wait_for(answered).await.expect("an answer");
    bot.sandbox.writes(ANNA, ANNA, "ещё");
    hook.arrived(2).await;
    bot.sandbox.wait_for(|sandbox| sandbox.pending_updates() == 0).await.expect("it was delivered");
    assert_eq!(bot.ok("getWebhookInfo", json!({})).await["url"], url);
}

#[tokio::test]
async fn a_webhook_that_asks_for_time_is_given_it() {
    let bot = Bot::start().await;
    let (hook, url) = Hook::start([(429, Value::Null)]).await;
    bot.ok("setWebhook", json!({"url": url})).await;
    bot.sandbox.writes(ANNA, ANNA, "да");
    bot.sandbox.wait_for(|sandbox| sandbox.deliveries_waiting() == 1).await.expect("a failure");
    bot.clock.turn(Duration::from_secs(29));
    assert_eq!(bot.sandbox.deliveries_waiting(), 1);
    bot.clock.turn(Duration::from_secs(1));
    hook.arrived(2).await;
}

#[tokio::test]
async fn a_webhook_that_is_gone_for_a_day_is_deleted_and_its_updates_wait_for_a_poll() {
    let bot = Bot::start().await;
    let (hook, url) = Hook::start([(410, Value::Null), (410, Value::Null)]).await;
    bot.ok("setWebhook", json!({"url": url})).await;
    let made = bot.sandbox.writes(ANNA, ANNA, "да");
    bot.sandbox.wait_for(|sandbox| sandbox.deliveries_waiting() == 1).await.expect("a failure");
    bot.clock.turn(Duration::from_hours(23));
    hook.arrived(2).await;
    bot.sandbox.wait_for(|sandbox| !sandbox.has_webhook()).await.expect("it is deleted");
    assert_eq!(ids(&bot.updates(json!({"offset": 1})).await), made);
}

#[tokio::test]
async fn updates_wait_while_the_bot_is_down_and_expire_with_their_press() {
    let bot = Bot::start().await;
    bot.asks("Да?", yes_no()).await;
    bot.ok("setWebhook", json!({"url": "http://127.0.0.1:9/nobody"})).await;
    bot.sandbox.presses(ANNA, ANNA, "Да").expect("a button");
    bot.sandbox.wait_for(|sandbox| sandbox.deliveries_waiting() == 1).await.expect("a failure");
    let info = bot.ok("getWebhookInfo", json!({})).await;
    assert_eq!(
        (&info["last_error_message"], &info["pending_update_count"]),
        (&json!("Connection refused"), &json!(1))
    );
    bot.clock.turn(Duration::from_secs(150));
    bot.sandbox.wait_for(|sandbox| sandbox.deliveries_waiting() == 0).await.expect("it is dropped");
    assert_eq!(bot.sandbox.pending_updates(), 0);
}

#[tokio::test]
async fn a_bad_webhook_is_refused() {
    let bot = Bot::start().await;
    let complaint = "Bad Request: bad webhook: An HTTPS URL must be provided for webhook";
    bot.refused("setWebhook", json!({"url": "ftp://bot.ru"}), 400, complaint).await;
    let secret = json!({"url": "http://127.0.0.1:1/", "secret_token": "с пробелом"});
    bot.refused("setWebhook", secret, 400, "Bad Request: secret token contains unallowed characters").await;
    assert_eq!(bot.ok("getWebhookInfo", json!({})).await["url"], "");
}

// Texts.

#[tokio::test]
async fn html_becomes_text_with_entities_counted_in_utf16() {
    let bot = Bot::start().await;
    let text = "🧔 <b>Жирный <i>и</i></b> &lt;&amp;&#33; <a href=\"https://ya.ru\">сюда</a> AT&T\n<pre><code \
                class=\"language-rust\">x</code></pre>";
    let sent = bot.ok("sendMessage", json!({"chat_id": ANNA, "text": text, "parse_mode": "html"})).await;
    assert_eq!(sent["text"], "🧔 Жирный и <&! сюда AT&T\nx");
    assert_eq!(
        sent["entities"],
        json!([
            {"type": "bold", "offset": 3, "length": 8},
            {"type": "italic", "offset": 10, "length": 1},
            {"type": "text_link", "offset": 16, "length": 4, "url": "https://ya.ru"},
            {"type": "pre", "offset": 26, "length": 1, "language": "rust"},
        ])
    );
    let html = bot.sandbox.messages(ANNA).last().expect("a message").html();
    assert_eq!(
        html,
        "🧔 <b>Жирный <i>и</i></b> &lt;&amp;! <a href=\"https://ya.ru\">сюда</a> AT&amp;T\n<pre>x</pre>"
    );
}

#[tokio::test]
async fn broken_html_is_refused_at_its_byte() {
    let bot = Bot::start().await;
    for (text, complaint) in [
        ("да<br>", "Unsupported start tag \"br\" at byte offset 4"),
        ("да <", "Unclosed start tag at byte offset 5"),
        ("2 < 3", "Unsupported start tag \"\" at byte offset 2"),
        ("<b>да</i>", "Unmatched end tag at byte offset 7, expected \"</b>\", found \"</i>\""),
        ("да</b>", "Unexpected end tag at byte offset 4"),
        ("<b>да</b", "Unclosed end tag at byte offset 7"),
        ("<b>да", "Can't find end tag corresponding to start tag \"b\""),
        ("<a href=\"x>да</a>", "Unclosed start tag \"a\" at byte offset 0"),
        ("<a =x>да</a>", "Empty attribute name in the tag \"a\" at byte offset 0"),
        ("<span>да</span>", "Tag \"span\" must have class \"tg-spoiler\" at byte offset 0"),
    ] {
        let expected = format!("Bad Request: can't parse entities: {complaint}");
        bot.refused(
            "sendMessage",
            json!({"chat_id": ANNA, "text": text, "parse_mode": "HTML"}),
            400,
            &expected,
        )
        .await;
    }
}

#[tokio::test]
async fn lengths_are_counted_after_parsing() {
    let bot = Bot::start().await;
    let send = async |text: &str| {
        bot.call("sendMessage", json!({"chat_id": ANNA, "text": text, "parse_mode": "HTML"})).await.0
    };
    assert_eq!(send(&format!("<b>{}</b>", "🧔".repeat(4096))).await, 200);
    assert_eq!(send(&"я".repeat(4097)).await, 400);
    for (text, complaint) in [
        (String::new(), "Bad Request: message text is empty"),
        ("<b> </b>\n".to_owned(), "Bad Request: text must be non-empty"),
        ("я".repeat(4097), "Bad Request: message is too long"),
    ] {
        let params = json!({"chat_id": ANNA, "text": text, "parse_mode": "HTML"});
        bot.refused("sendMessage", params, 400, complaint).await;
    }
}

#[tokio::test]
async fn an_edit_that_changes_nothing_is_refused_and_one_without_markup_drops_the_buttons() {
    let bot = Bot::start().await;
    let id = bot.asks("Да?", yes_no()).await;
    let edit = |text: &str, markup: Value| json!({"chat_id": ANNA, "message_id": id, "text": text, "reply_markup": markup});
    let same = "Bad Request: message is not modified: specified new message content and reply markup are exactly \
                the same as a current content and reply markup of the message";
    bot.refused("editMessageText", edit("Да?", yes_no()), 400, same).await;
    let edited = bot.ok("editMessageText", json!({"chat_id": ANNA, "message_id": id, "text": "Да!"})).await;
    assert_eq!((&edited["text"], &edited["reply_markup"]), (&json!("Да!"), &Value::Null));
    assert_eq!(edited["edit_date"], NOON.0 / 1000);
    let reply = json!({"keyboard": [[{"text": "Да"}]]});
    bot.refused("editMessageText", edit("Нет", reply), 400, "Bad Request: inline keyboard expected").await;
    let gone = json!({"chat_id": ANNA, "message_id": 999, "text": "да"});
    bot.refused("editMessageText", gone, 400, "Bad Request: message to edit not found").await;
    let hers = json!({"chat_id": ANNA, "message_id": 1, "text": "да"});
    bot.refused("editMessageText", hers, 400, "Bad Request: message can't be edited").await;
}

#[tokio::test]
async fn a_deleted_message_is_gone_and_an_old_one_stays() {
    let bot = Bot::start().await;
    let (young, old) = (bot.says("раз").await, bot.says("два").await);
    bot.ok("deleteMessage", json!({"chat_id": ANNA, "message_id": young})).await;
    let again = json!({"chat_id": ANNA, "message_id": young});
    bot.refused("deleteMessage", again, 400, "Bad Request: message to delete not found").await;
    bot.clock.turn(Duration::from_hours(48));
    let late = json!({"chat_id": ANNA, "message_id": old});
    bot.refused("deleteMessage", late, 400, "Bad Request: message can't be deleted for everyone").await;
}

// Keyboards and presses.

#[tokio::test]
async fn buttons_obey_their_limits() {
    let bot = Bot::start().await;
    let send = async |button: Value| {
        let markup = json!({"inline_keyboard": [[button]]});
        let (_, body) =
            bot.call("sendMessage", json!({"chat_id": ANNA, "text": "?", "reply_markup": markup})).await;
        body["description"].as_str().unwrap_or("sent").to_owned()
    };
    assert_eq!(send(json!({"text": "а", "callback_data": "я".repeat(32)})).await, "sent");
    assert_eq!(
        send(json!({"text": "а", "callback_data": "я".repeat(33)})).await,
        "Bad Request: BUTTON_DATA_INVALID"
    );
    assert_eq!(send(json!({"text": "а", "callback_data": ""})).await, "Bad Request: BUTTON_DATA_INVALID");
    let row: Value = (0..20).map(|n| json!({"text": n.to_string(), "callback_data": "x"})).collect();
    let wide = bot.asks("?", json!({"inline_keyboard": [row]})).await;
    let message =
        bot.sandbox.messages(ANNA).into_iter().find(|message| message.id == wide).expect("it was sent");
    assert_eq!(message.labels()[0].len(), 12, "the rest is dropped without a word");
}

#[tokio::test]
async fn a_reply_keyboard_stays_with_the_person_and_is_never_echoed() {
    let bot = Bot::start().await;
    let keyboard = json!({"keyboard": [["Да", "Нет"], [{"text": "Телефон", "request_contact": true}]]});
    let params = json!({"chat_id": ANNA, "text": "?", "reply_markup": keyboard});
    assert_eq!(bot.ok("sendMessage", params).await["reply_markup"], Value::Null);
    bot.says("ещё").await;
    let seen = bot.sandbox.keyboard(ANNA, ANNA).expect("it stays");
    assert_eq!(seen.labels(), [vec!["Да", "Нет"], vec!["Телефон"]]);
    bot.sandbox.presses(ANNA, ANNA, "Нет").expect("a key");
    bot.sandbox.presses(ANNA, ANNA, "Телефон").expect("a key");
    let updates = bot.updates(json!({})).await;
    assert_eq!(updates[0]["message"]["text"], "Нет");
    let contact = json!({
        "phone_number": "+79990000001", "first_name": "Анна", "last_name": "Петрова", "user_id": ANNA,
    });
    assert_eq!(updates[1]["message"]["contact"], contact);
    bot.asks("всё", json!({"remove_keyboard": true})).await;
    assert_eq!(bot.sandbox.keyboard(ANNA, ANNA), None);
    let group = json!({"chat_id": STAFF, "text": "?", "reply_markup": keyboard});
    let complaint = "Bad Request: phone number can be requested in private chats only";
    bot.refused("sendMessage", group, 400, complaint).await;
}

#[tokio::test]
async fn a_card_may_be_somebody_elses_or_forwarded() {
    let bot = Bot::start().await;
    bot.sandbox.shares_contact(ANNA, ANNA, Whose::Of(BORIS));
    bot.sandbox.shares_contact(ANNA, ANNA, Whose::Forwarded);
    let updates = bot.updates(json!({})).await;
    assert_eq!(updates[0]["message"]["contact"]["user_id"], BORIS);
    assert_eq!(updates[0]["message"]["from"]["id"], ANNA);
    assert_eq!(updates[1]["message"]["contact"]["user_id"], ANNA);
    assert!(updates[1]["message"]["forward_origin"].is_object());
}

#[tokio::test]
async fn a_press_is_answered_once_and_in_time() {
    let bot = Bot::start().await;
    let id = bot.asks("Да?", yes_no()).await;
    let mut toasts = bot.sandbox.subscribe();
    bot.sandbox.presses(ANNA, ANNA, "Да").expect("a button");
    bot.sandbox.presses_at(ANNA, ANNA, id, 0, 1).expect("a button");
    let updates = bot.updates(json!({})).await;
    let [yes, no] = updates.as_slice() else { panic!("two presses") };
    assert_eq!(
        (&yes["callback_query"]["data"], &no["callback_query"]["data"]),
        (&json!("yes"), &json!("no"))
    );
    assert_eq!(yes["callback_query"]["message"]["message_id"], id);
    assert!(yes["callback_query"]["chat_instance"].is_string());
    let answer =
        |press: &Value| json!({"callback_query_id": press["callback_query"]["id"], "text": "Принято"});
    bot.ok("answerCallbackQuery", answer(yes)).await;
    let late = "Bad Request: query is too old and response timeout expired or query ID is invalid";
    bot.refused("answerCallbackQuery", answer(yes), 400, late).await;
    bot.clock.turn(Duration::from_secs(150));
    bot.refused("answerCallbackQuery", answer(no), 400, late).await;
    let message = bot.sandbox.last_from_bot(ANNA).expect("the question");
    assert_eq!(message.toasts.iter().map(|toast| toast.text.as_str()).collect::<Vec<_>>(), ["Принято"]);
    let is_toast = |event| matches!(event, borodach::sandbox::telegram::Event::Toast { chat: ANNA, .. });
    assert!(std::iter::from_fn(|| toasts.try_recv().ok()).any(is_toast));
}

#[tokio::test]
async fn a_button_that_is_not_there_cannot_be_pressed_but_can_be_forged() {
    let bot = Bot::start().await;
    let id = bot.asks("Да?", yes_no()).await;
    let missing = bot.sandbox.presses(ANNA, ANNA, "Может быть").expect_err("there is none");
    let seen = "[Да] [Нет]".to_owned();
    assert_eq!(missing, Unable::NoButton { chat: ANNA, label: "Может быть".to_owned(), seen });
    bot.sandbox.forges_press(ANNA, ANNA, id, "maybe").expect("an old client");
    bot.ok("deleteMessage", json!({"chat_id": ANNA, "message_id": id})).await;
    bot.sandbox.forges_press(ANNA, ANNA, id, "yes").expect("an old client");
    let updates = bot.updates(json!({})).await;
    assert_eq!(updates[0]["callback_query"]["data"], "maybe");
    assert_eq!(updates[1]["callback_query"]["message"]["date"], 0, "an inaccessible message");
}

// People and chats.

#[tokio::test]
async fn the_bot_may_not_write_to_everyone() {
    let bot = Bot::start().await;
    let to = |chat: Value| json!({"chat_id": chat, "text": "да"});
    bot.refused("sendMessage", to(json!(42)), 400, "Bad Request: chat not found").await;
    bot.refused("sendMessage", to(json!("@nobody")), 400, "Bad Request: chat not found").await;
    bot.refused("sendMessage", json!({"text": "да"}), 400, "Bad Request: chat_id is empty").await;
    let stranger = "Forbidden: bot can't initiate conversation with a user";
    bot.refused("sendMessage", to(json!(BORIS)), 403, stranger).await;
    bot.sandbox.writes(STAFF, BORIS, "в группе");
    bot.refused("sendMessage", to(json!(BORIS)), 403, stranger).await;
    bot.sandbox.writes(BORIS, BORIS, "/start");
    bot.ok("sendMessage", to(json!(BORIS))).await;
    bot.sandbox.kicks_bot(STAFF, ANNA);
    bot.refused("sendMessage", to(json!(STAFF)), 403, "Forbidden: bot was kicked from the supergroup chat")
        .await;
}

#[tokio::test]
async fn a_block_is_told_and_refuses_every_send() {
    let bot = Bot::start().await;
    assert_eq!(bot.sandbox.blocks(ANNA).len(), 1);
    assert!(bot.sandbox.blocks(ANNA).is_empty(), "twice is once");
    bot.refused(
        "sendMessage",
        json!({"chat_id": ANNA, "text": "?"}),
        403,
        "Forbidden: bot was blocked by the user",
    )
    .await;
    assert_eq!(bot.sandbox.writes(ANNA, ANNA, "я вернулась").len(), 2, "whoever writes has unblocked");
    bot.says("да").await;
    let updates = bot.updates(json!({})).await;
    let statuses: Vec<&Value> =
        updates.iter().map(|update| &update["my_chat_member"]["new_chat_member"]["status"]).collect();
    assert_eq!(statuses, [&json!("kicked"), &json!("member"), &Value::Null]);
    assert_eq!(updates[0]["my_chat_member"]["new_chat_member"]["until_date"], 0);
    assert_eq!(updates[0]["my_chat_member"]["new_chat_member"]["user"]["id"], 4242);
}

#[tokio::test]
async fn a_group_that_grew_tells_its_new_id() {
    let bot = Bot::start().await;
    bot.sandbox.migrates(STAFF, -1_009_999_999_999);
    let (status, body) = bot.call("sendMessage", json!({"chat_id": STAFF, "text": "да"})).await;
    assert_eq!((status, &body["parameters"]["migrate_to_chat_id"]), (400, &json!(-1_009_999_999_999_i64)));
    bot.ok("sendMessage", json!({"chat_id": -1_009_999_999_999_i64, "text": "да"})).await;
}

#[tokio::test]
async fn dates_are_seconds_ids_are_wide_and_messages_are_numbered_in_their_chat() {
    let bot = Bot::start().await;
    bot.sandbox.writes(ANNA, ANNA, "/task срочно");
    bot.sandbox.writes(STAFF, ANNA, "да");
    let updates = bot.updates(json!({})).await;
    let (own, group) = (&updates[0]["message"], &updates[1]["message"]);
    assert_eq!((&own["date"], &own["from"]["id"]), (&json!(NOON.0 / 1000), &json!(ANNA)));
    assert_eq!(own["entities"], json!([{"type": "bot_command", "offset": 0, "length": 5}]));
    assert_eq!((&group["message_id"], &group["chat"]["type"]), (&json!(1), &json!("supergroup")));
    let (first, second) = (bot.says("раз").await, bot.says("два").await);
    assert_eq!(second, first + 1);
}

#[tokio::test]
async fn a_vote_is_told_unless_the_poll_is_anonymous_and_a_poll_closes_once() {
    let bot = Bot::start().await;
    let poll = json!({"chat_id": STAFF, "question": "Когда?", "options": [{"text": "Пн"}, "Вт"], "is_anonymous": false});
    let sent = bot.ok("sendPoll", poll).await;
    let id = sent["message_id"].as_i64().expect("an id");
    assert_eq!(bot.sandbox.votes(STAFF, ANNA, id, &[1]).expect("an open poll").len(), 2);
    bot.sandbox.votes(STAFF, ANNA, id, &[]).expect("an open poll");
    assert_eq!(bot.sandbox.votes(STAFF, ANNA, id, &[2]), Err(Unable::NoVote { message: id }));
    let updates = bot.updates(json!({})).await;
    let answers: Vec<&Value> =
        updates.iter().map(|update| &update["poll_answer"]).filter(|it| it.is_object()).collect();
    assert_eq!((&answers[0]["option_ids"], &answers[1]["option_ids"]), (&json!([1]), &json!([])));
    assert_eq!(answers[0]["poll_id"], sent["poll"]["id"]);
    let stop = json!({"chat_id": STAFF, "message_id": id});
    assert_eq!(bot.ok("stopPoll", stop.clone()).await["is_closed"], true);
    bot.refused("stopPoll", stop, 400, "Bad Request: poll has already been closed").await;
    let anonymous =
        bot.ok("sendPoll", json!({"chat_id": STAFF, "question": "?", "options": ["а", "б"]})).await;
    let id = anonymous["message_id"].as_i64().expect("an id");
    assert_eq!(bot.sandbox.votes(STAFF, ANNA, id, &[0]).expect("an open poll").len(), 1);
}

#[tokio::test]
async fn a_poll_with_an_end_closes_by_itself() {
    let bot = Bot::start().await;
    let poll = json!({"chat_id": ANNA, "question": "?", "options": ["а", "б"], "open_period": 60});
    bot.ok("sendPoll", poll).await;
    bot.clock.turn(Duration::from_mins(1));
    bot.sandbox.wait_for(|sandbox| sandbox.pending_updates() == 1).await.expect("it closes");
    assert_eq!(bot.updates(json!({})).await[0]["poll"]["is_closed"], true);
    let brief = json!({"chat_id": ANNA, "question": "?", "options": ["а", "б"], "open_period": 4});
    assert_eq!(bot.call("sendPoll", brief).await.0, 400);
}

#[tokio::test]
async fn commands_are_checked() {
    let bot = Bot::start().await;
    bot.ok("setMyCommands", json!({"commands": [{"command": "task", "description": "Задача"}]})).await;
    let bad = json!({"commands": [{"command": "Задача", "description": "Задача"}]});
    bot.refused("setMyCommands", bad, 400, "Bad Request: BOT_COMMAND_INVALID").await;
}

// Faults and limits.

#[tokio::test]
async fn faults_strike_as_often_as_they_were_told_to() {
    let bot = Bot::start().await;
    let faults = bot.sandbox.faults();
    faults.next(Method::SendMessage, Fault::TooManyRequests { retry_after: 3 }, 1);
    faults.next(Method::SendMessage, Fault::ServerError, 1);
    faults.next(None, Fault::BadGatewayHtml, 1);
    let send =
        || bot.client.post(bot.method("sendMessage")).json(&json!({"chat_id": ANNA, "text": "да"})).send();
    let flooded = send().await.expect("an answer");
    assert_eq!(
        (flooded.status().as_u16(), flooded.headers()["retry-after"].as_bytes()),
        (429, b"3".as_slice())
    );
    let body: Value = flooded.json().await.expect("JSON");
    assert_eq!(body["parameters"], json!({"retry_after": 3}));
    assert_eq!(body["description"], "Too Many Requests: retry after 3");
    let (status, body) = read(send().await.expect("an answer")).await;
    assert_eq!((status, body["description"].as_str()), (500, Some("Internal Server Error: restart")));
    let gateway = send().await.expect("an answer");
    assert_eq!(gateway.status(), 502);
    assert!(gateway.text().await.expect("a page").starts_with("<html>"));
    assert_eq!(send().await.expect("an answer").status(), 200);
    assert_eq!((bot.sandbox.sent(ANNA), faults.struck(), faults.rules().len()), (1, 3, 0));
}

#[tokio::test]
async fn a_reset_before_does_nothing_and_a_reset_after_has_done_it() {
    let bot = Bot::start().await;
    let send =
        || bot.client.post(bot.method("sendMessage")).json(&json!({"chat_id": ANNA, "text": "да"})).send();
    bot.sandbox.faults().next(Method::SendMessage, Fault::Reset, 1);
    send().await.expect_err("the connection is cut");
    assert_eq!(bot.sandbox.sent(ANNA), 0);
    bot.sandbox.faults().next(Method::SendMessage, Fault::ResetAfterAccept, 1);
    send().await.expect_err("the connection is cut");
    assert_eq!(bot.sandbox.sent(ANNA), 1);
    send().await.expect("the bot tries again");
    let ambiguous = bot.sandbox.faults().ambiguous();
    assert_eq!((ambiguous.len(), ambiguous[0].chat, ambiguous[0].text.as_str()), (1, Some(ANNA), "да"));
    assert_eq!(bot.sandbox.duplicates(ANNA).len(), 1);
}

#[tokio::test]
async fn a_client_that_hangs_up_on_a_slow_answer_cannot_know_whether_it_was_done() {
    let bot = Bot::start().await;
    let send = || {
        let request =
            bot.client.post(bot.method("sendMessage")).json(&json!({"chat_id": ANNA, "text": "да"}));
        request.timeout(Duration::from_millis(200)).send()
    };
    bot.sandbox.faults().next(Method::SendMessage, Fault::Slow(Duration::from_mins(1)), 1);
    assert!(send().await.expect_err("too slow").is_timeout());
    assert_eq!(bot.sandbox.sent(ANNA), 0);
    bot.sandbox.faults().next(Method::SendMessage, Fault::SlowAfterAccept(Duration::from_mins(1)), 1);
    assert!(send().await.expect_err("too slow").is_timeout());
    assert_eq!(bot.sandbox.sent(ANNA), 1);
}

#[tokio::test]
async fn chance_is_the_same_for_the_same_seed() {
    let bot = Bot::start().await;
    let mut runs = Vec::new();
    for _ in 0..2 {
        bot.sandbox.faults().clear();
        bot.sandbox.faults().seed(7);
        bot.sandbox.faults().add(Rule {
            endpoint: None,
            kind: Fault::ServerError,
            often: Often::Chance(0.5),
        });
        let mut run = Vec::new();
        for _ in 0..16 {
            run.push(bot.call("getMe", json!({})).await.0);
        }
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].contains(&200) && runs[0].contains(&500));
}

#[tokio::test]
async fn flood_control_is_a_switch_and_tells_when_to_come_back() {
    let bot = Bot::start().await;
    let send = async |chat: i64| {
        let (status, body) = bot.call("sendMessage", json!({"chat_id": chat, "text": "да"})).await;
        (status, body["parameters"]["retry_after"].as_i64())
    };
    for _ in 0..50 {
        assert_eq!(send(ANNA).await.0, 200, "off by default");
    }
    let group = Some(Quota::per_minute(2));
    bot.sandbox.set_limits(Limits { per_chat: Some(Quota::per_second(1)), overall: None, group });
    assert_eq!((send(ANNA).await, send(ANNA).await), ((200, None), (429, Some(1))));
    assert_eq!((send(STAFF).await, send(STAFF).await, send(STAFF).await.0), ((200, None), (200, None), 429));
    bot.clock.turn(Duration::from_secs(1));
    assert_eq!(send(ANNA).await, (200, None));
    assert_eq!(send(STAFF).await, (429, Some(29)));
    bot.sandbox.set_limits(Limits { overall: Some(Quota::per_second(2)), ..Limits::default() });
    assert_eq!((send(ANNA).await.0, send(STAFF).await.0, send(ANNA).await.0), (200, 200, 429));
}

// What is seen.

#[tokio::test]
async fn a_transcript_reads_as_the_talk() {
    let bot = Bot::start().await;
    let id = bot.asks("Какому отделу?", yes_no()).await;
    bot.sandbox.presses(ANNA, ANNA, "Да").expect("a button");
    let press = bot.updates(json!({})).await.remove(0);
    let answer = json!({"callback_query_id": press["callback_query"]["id"], "text": "Принято"});
    bot.ok("answerCallbackQuery", answer).await;
    bot.ok("editMessageText", json!({"chat_id": ANNA, "message_id": id, "text": "Отдел: да"})).await;
    bot.asks("Телефон?", json!({"keyboard": [[{"text": "Дать", "request_contact": true}]]})).await;
    bot.sandbox.presses(ANNA, ANNA, "Дать").expect("a key");
    bot.sandbox.sends_photo(ANNA, ANNA, picture(10, 10), "вывеска");
    bot.says("Готово.\nЖдите").await;
    insta::assert_snapshot!(bot.sandbox.transcript(ANNA), @r"
    Анна  /start
    бот   Какому отделу?  [Да] [Нет]
    Анна  [Да]
    бот   « Принято »
    бот   ✎ Отдел: да
    бот   Телефон?  [Дать]
    Анна  (контакт +79990000001)
    Анна  (фото) вывеска
    бот   Готово.
          Ждите
    ");
}

#[tokio::test]
async fn waiting_for_a_fact_ends_with_the_fact() {
    let bot = Bot::start().await;
    let (seen, _) = tokio::join!(bot.sandbox.wait_for(|sandbox| sandbox.sent(ANNA) == 1), bot.says("да"));
    seen.expect("it was said");
}

// The control API.

#[tokio::test]
async fn the_page_sees_people_chats_and_messages() {
    let bot = Bot::start().await;
    bot.asks("<Да>?", yes_no()).await;
    bot.ok("sendChatAction", json!({"chat_id": ANNA, "action": "typing"})).await;
    let get =
        async |path: &str| read(bot.client.get(bot.address(path)).send().await.expect("an answer")).await.1;
    let state = get("sandbox/state").await;
    let anna = json!({
        "id": ANNA, "name": "Анна Петрова", "username": "anna", "phone": "+79990000001", "blocked": false,
        "chats": [STAFF, ANNA],
    });
    assert_eq!(state["people"][0], anna);
    assert_eq!(
        state["chats"][0],
        json!({"id": STAFF, "title": "Офис", "kind": "group", "members": [ANNA, BORIS]})
    );
    let chat = get(&format!("sandbox/chats/{ANNA}?as={ANNA}")).await;
    let message = &chat["messages"][1];
    assert_eq!(message["html"], "&lt;Да&gt;?");
    assert_eq!(message["buttons"][0][0], json!({"label": "Да", "data": "yes"}));
    assert_eq!(message["from"]["bot"], true);
    assert_eq!((&chat["keyboard"], &chat["typing"]), (&Value::Null, &json!(true)));
    bot.clock.turn(Duration::from_secs(5));
    assert_eq!(get(&format!("sandbox/chats/{ANNA}?as={ANNA}")).await["typing"], false);
}

#[tokio::test]
async fn the_page_acts_for_a_person_and_is_told_of_changes() {
    let bot = Bot::start().await;
    let id = bot.asks("Да?", yes_no()).await;
    let events = bot.client.get(bot.address("sandbox/events")).send().await.expect("a stream");
    let act = async |body: Value| {
        read(bot.client.post(bot.address("sandbox/act")).json(&body).send().await.expect("an answer")).await
    };
    let did = |what: (u16, Value)| assert_eq!((what.0, &what.1["ok"]), (200, &json!(true)), "{}", what.1);
    did(act(json!({"as": ANNA, "chat": ANNA, "do": "text", "text": "да"})).await);
    did(act(json!({"as": ANNA, "chat": ANNA, "do": "press", "message": id, "row": 0, "col": 1})).await);
    did(act(json!({"as": ANNA, "chat": ANNA, "do": "contact", "of": "self"})).await);
    did(act(json!({"as": ANNA, "chat": ANNA, "do": "contact", "of": BORIS})).await);
    did(act(json!({"as": ANNA, "chat": ANNA, "do": "block"})).await);
    did(act(json!({"as": ANNA, "chat": ANNA, "do": "unblock"})).await);
    assert_eq!(
        act(json!({"as": ANNA, "chat": ANNA, "do": "press", "message": id, "row": 9, "col": 9})).await.0,
        400
    );
    assert_eq!(act(json!({"as": 5, "chat": 5, "do": "text", "text": "?"})).await.0, 404);
    let form =
        Form::new().text("caption", "фасад").part("file", Part::bytes(picture(5, 5)).file_name("a.png"));
    let upload = bot.address(&format!("sandbox/upload?as={ANNA}&chat={ANNA}&kind=photo"));
    did(read(bot.client.post(upload).multipart(form).send().await.expect("an answer")).await);
    let chat = bot
        .client
        .get(bot.address(&format!("sandbox/chats/{ANNA}?as={ANNA}")))
        .send()
        .await
        .expect("an answer");
    let (_, chat) = read(chat).await;
    let photo = chat["messages"].as_array().and_then(|all| all.last()?["photo"].as_str()).expect("a photo");
    let content = bot.client.get(bot.address(&photo[1..])).send().await.expect("an answer");
    assert_eq!(content.bytes().await.expect("a body"), picture(5, 5));
    assert_eq!(bot.updates(json!({})).await.len(), 7);
    let first = events.bytes_stream().next().await.expect("an event").expect("a chunk");
    let first = String::from_utf8_lossy(&first);
    assert!(first.starts_with(&format!("event: chat\ndata: {{\"chat\":{ANNA}}}")), "{first}");
}

#[tokio::test]
async fn the_page_switches_faults() {
    let bot = Bot::start().await;
    let url = bot.address("sandbox/faults");
    let post =
        async |body: Value| read(bot.client.post(&url).json(&body).send().await.expect("an answer")).await;
    assert_eq!(
        post(json!({"method": "sendMessage", "kind": "429", "times": 3, "retry_after": 2})).await.0,
        200
    );
    let (status, body) = post(json!({"method": "*", "kind": "earthquake"})).await;
    assert_eq!(status, 400);
    assert!(body["error"].as_str().is_some_and(|error| error.contains("reset_after_accept")), "{body}");
    assert_eq!(bot.call("sendMessage", json!({"chat_id": ANNA, "text": "да"})).await.0, 429);
    let (_, state) =
        read(bot.client.get(bot.address("sandbox/state")).send().await.expect("an answer")).await;
    assert_eq!(
        state["faults"],
        json!([{"method": "sendMessage", "kind": "429", "times": 2, "retry_after": 2}])
    );
    bot.client.delete(&url).send().await.expect("an answer");
    bot.says("да").await;
}
