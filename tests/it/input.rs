//! Whatever comes in, from people and from Telegram itself, is answered once or left aside, and never harms a talk.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use borodach::config::{Limit, Mode};
use borodach::sandbox::telegram::{Attachment, Method, Whose};
use borodach::store::CrashHook;
use nonzero_ext::nonzero;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::{ANNA, Desk, OFFICE, OLGA, PAVEL, Talker, talk};

const NAME: &str = "chat.say(`Здравствуйте, ${chat.ask_text(\"Как вас зовут?\", #{ min: 3 })}!`);";

/// Anna is asked for her name.
async fn is_asked(desk: &Desk) -> Talker<'_> {
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Как вас зовут?").await;
    anna
}

/// A message of Anna's as Telegram writes it.
fn message(id: i64, body: &Value) -> Value {
    let mut message = json!({
        "message_id": id, "date": 1_700_000_000,
        "chat": { "id": ANNA, "type": "private", "first_name": "Анна" },
        "from": { "id": ANNA, "is_bot": false, "first_name": "Анна" },
    });
    message.as_object_mut().expect("an object").extend(body.as_object().expect("an object").clone());
    json!({ "message": message })
}

fn numbered(id: i64, mut update: Value) -> Value {
    update["update_id"] = id.into();
    update
}

#[tokio::test]
async fn updates_that_cannot_be_understood_are_left_aside_and_the_talk_goes_on() {
    let desk = Desk::start_flow(NAME).await;
    let anna = is_asked(&desk).await;
    for odd in [
        json!({}),
        json!({ "message": null }),
        json!({ "message": 7 }),
        json!({ "message": { "message_id": "seven" } }),
        json!({ "time_travel": { "to": 1984 } }),
        json!({ "edited_message": { "message_id": 1, "text": "Анна" } }),
        json!({ "callback_query": { "id": "1", "from": { "id": ANNA, "is_bot": false, "first_name": "Анна" } } }),
    ] {
        desk.sandbox.raw_update(&odd);
    }
    anna.writes("Анна");
    anna.hears("Здравствуйте, Анна!").await;
    assert_eq!(desk.sandbox.sent(ANNA), 2, "{}", anna.transcript());
}

#[tokio::test]
async fn what_is_no_answer_is_answered_with_a_wish_and_the_question_stays() {
    let desk = Desk::start_flow(NAME).await;
    let anna = is_asked(&desk).await;
    let sticker = json!({ "sticker": {
        "file_id": "s", "file_unique_id": "u", "type": "regular", "width": 1, "height": 1,
        "is_animated": false, "is_video": false,
    }});
    desk.sandbox.raw_update(&message(9_001, &sticker));
    anna.hears("Напишите, пожалуйста, словами").await;
    desk.sandbox.sends_photo(ANNA, ANNA, vec![1, 2, 3], "подпись");
    anna.heard("Напишите, пожалуйста, словами", 2).await;
    anna.shares_contact();
    anna.heard("Напишите, пожалуйста, словами", 3).await;
    anna.writes("😀😀😀");
    anna.hears("Коротковато").await;
    anna.writes("Анна");
    anna.hears("Здравствуйте, Анна!").await;
}

#[tokio::test]
async fn a_text_of_four_megabytes_is_cut_and_answered() {
    let desk = Desk::start_flow(
        "let text = chat.ask_text(\"Расскажите\", #{ max: 1000000 }); chat.say(`Знаков: ${text.len}`);",
    )
    .await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Расскажите").await;
    desk.sandbox.raw_update(&message(9_001, &json!({ "text": "ж".repeat(2 << 20) })));
    anna.hears("Знаков: 8192").await;
}

#[tokio::test]
async fn only_ones_own_contact_is_taken() {
    let desk =
        Desk::start_flow("let card = chat.ask_contact(\"Ваш номер?\"); chat.say(`Записал ${card.phone}`);")
            .await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Ваш номер?").await;
    desk.sandbox.shares_contact(ANNA, ANNA, Whose::Of(OLGA));
    anna.hears("Это контакт другого человека").await;
    desk.sandbox.shares_contact(ANNA, ANNA, Whose::Forwarded);
    anna.heard("Это контакт другого человека", 2).await;
    anna.writes("+79990000001");
    anna.hears("Нажмите, пожалуйста, кнопку под полем ввода").await;
    let nobodys = json!({ "contact": { "phone_number": "+79990000001", "first_name": "Анна" } });
    desk.sandbox.raw_update(&message(9_001, &nobodys));
    anna.heard("Это контакт другого человека", 3).await;
    anna.shares_contact();
    anna.hears("Записал +79990000001").await;
}

#[tokio::test]
async fn an_album_where_words_are_asked_is_answered_once() {
    let desk = Desk::start_flow(NAME).await;
    let anna = is_asked(&desk).await;
    let items: Vec<Attachment> = (0..10).map(|n| Attachment::Photo(vec![n].into())).collect();
    desk.sandbox.sends_album(ANNA, ANNA, &items, "мои работы");
    anna.writes("Анна");
    anna.hears("Здравствуйте, Анна!").await;
    assert_eq!(anna.count("Напишите, пожалуйста, словами"), 1, "{}", anna.transcript());
}

#[tokio::test]
async fn a_press_of_an_old_or_forged_button_is_answered_and_the_question_shown_again() {
    let desk =
        Desk::start_flow("chat.ask_yes_no(\"Первый?\"); chat.ask_yes_no(\"Второй?\"); chat.say(\"Конец\");")
            .await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Первый?").await;
    let first = anna.last().id;
    anna.presses("✅ Да");
    anna.hears("Второй?").await;
    desk.sandbox.presses_on(ANNA, ANNA, first, "❌ Нет").expect("it is still there");
    anna.hears("Эта кнопка уже не действует. Сейчас вопрос такой:\n\nВторой?").await;
    let now = anna.last().id;
    for (times, forged) in
        ["?zz.0.2.0", "?", ">office", ">nowhere:1", "слово", "?1.0.99999999999999999999.0"].iter().enumerate()
    {
        desk.sandbox.forges_press(ANNA, ANNA, now, forged).expect("a dishonest client");
        anna.heard("Эта кнопка уже не действует", times + 2).await;
    }
    anna.presses("✅ Да");
    anna.hears("Конец").await;
    desk.sandbox.presses_on(ANNA, ANNA, first, "✅ Да").expect("it is still there");
    anna.hears("Эта кнопка уже не действует.").await;
    assert_eq!(anna.count("Второй?"), 8, "{}", anna.transcript());
}

#[tokio::test]
async fn a_forged_tap_cannot_choose_what_is_not_offered() {
    let desk = Desk::start_flow("chat.ask_text(\"Имя?\"); let choice = chat.ask_choice(\"Какой?\", [\"а\", \"б\"], #{ back: false, cancel: false }); chat.say(`Выбрано: ${choice}`);").await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Имя?").await;
    anna.writes("Анна");
    anna.hears("Какой?").await;
    let asked = anna.last();
    let borodach::sandbox::telegram::Action::Callback(data) = &asked.buttons[0][0].action else {
        panic!("{asked:?}")
    };
    let address = data.rsplit_once('.').expect("an address and a tap").0;
    for tap in ["2", "99999", "d", "s", "p7", "b", "x", "-1"] {
        desk.sandbox
            .forges_press(ANNA, ANNA, asked.id, &format!("{address}.{tap}"))
            .expect("a dishonest client");
    }
    anna.writes("б");
    anna.hears("Выбрано: б").await;
    assert_eq!(anna.count("Имя?"), 1, "nobody went back: {}", anna.transcript());
}

#[tokio::test]
async fn an_update_that_comes_twice_is_taken_once() {
    let desk = Desk::start_flow("let n = 0; loop { chat.ask_text(`Вопрос ${n}`); n += 1; }").await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Вопрос 0").await;
    let id = desk.sandbox.raw_update(&message(9_001, &json!({ "text": "раз" })));
    anna.hears("Вопрос 1").await;
    desk.sandbox.raw_update(&numbered(id, message(9_001, &json!({ "text": "раз" }))));
    anna.writes("два");
    anna.hears("Вопрос 2").await;
    assert_eq!(desk.sandbox.sent(ANNA), 3, "{}", anna.transcript());
}

#[tokio::test]
async fn answers_that_come_at_once_are_taken_in_the_order_of_their_numbers() {
    let mut desk = Desk::lay_with(&[(
        "flows/talk.rhai",
        &talk("let all = \"\"; for n in 0..3 { all += chat.ask_text(`Вопрос ${n}`); } chat.say(all);"),
    )])
    .await;
    let id = desk.sandbox.writes(ANNA, ANNA, "/go")[0];
    for (offset, text) in [(3, "в"), (1, "а"), (2, "б")] {
        desk.sandbox.raw_update(&numbered(id + offset, message(9_000 + offset, &json!({ "text": text }))));
    }
    desk.run().await;
    desk.talks(ANNA).hears("абв").await;
}

#[tokio::test]
async fn numbers_of_updates_that_start_anew_lower_are_followed() {
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &talk(NAME))]).await;
    desk.config.telegram.poll_timeout = Duration::from_secs(1);
    desk.run().await;
    let anna = is_asked(&desk).await;
    desk.sandbox.raw_update(&numbered(7, message(9_001, &json!({ "text": "Анна" }))));
    anna.hears("Здравствуйте, Анна!").await;
}

#[tokio::test]
async fn a_name_with_markup_is_shown_as_it_is() {
    let desk = Desk::lay().await;
    let mut desk = desk;
    desk.sandbox.person(777, "Иван <b>Грозный</b> & Ко", None, "+79990000777");
    std::fs::write(desk.flow("talk"), talk("chat.say(`Вы ${partner.name}, а я ` + html::bold(\"бот\"));"))
        .expect("ours");
    desk.run().await;
    let ivan = desk.talks(777);
    ivan.writes("/go");
    ivan.hears("Вы Иван <b>Грозный</b> & Ко, а я бот").await;
    assert!(ivan.last().html().contains("<b>бот</b>"), "{}", ivan.last().html());
}

#[tokio::test]
async fn who_writes_too_fast_is_warned_once_and_presses_are_still_answered() {
    let mut desk =
        Desk::lay_with(&[("flows/talk.rhai", &talk("loop { chat.ask_choice(\"Какой?\", [\"а\"]); }"))]).await;
    desk.config.spam.per_second = Limit::of(nonzero!(1_u32));
    desk.config.spam.burst = Limit::of(nonzero!(5_u32));
    desk.run().await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Какой?").await;
    let button = anna.last().id;
    for _ in 0..40 {
        anna.writes("б");
    }
    anna.heard("быстрее, чем я успеваю", 1).await;
    desk.sandbox.presses_on(ANNA, ANNA, button, "а").expect("it is there");
    anna.heard("Какой?", 2).await;
    assert_eq!(anna.count("быстрее, чем я успеваю"), 1, "{}", anna.transcript());
    let answered = anna.count("Выберите, пожалуйста");
    assert!((4..=6).contains(&answered), "{answered} of 40 were answered:\n{}", anna.transcript());
}

#[tokio::test]
async fn a_flood_that_goes_on_is_warned_once() {
    let mut desk =
        Desk::lay_with(&[("flows/talk.rhai", &talk("loop { chat.ask_choice(\"Какой?\", [\"а\"]); }"))]).await;
    desk.config.spam.per_second = Limit::of(nonzero!(20_u32));
    desk.config.spam.burst = Limit::of(nonzero!(2_u32));
    desk.run().await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Какой?").await;
    while anna.count("Выберите, пожалуйста") < 8 {
        anna.writes("б");
        desk.sandbox.wait_for(|sandbox| sandbox.pending_updates() == 0).await.expect("they are taken");
    }
    anna.presses("а");
    anna.heard("Какой?", 2).await;
    assert_eq!(anna.count("быстрее, чем я успеваю"), 1, "{}", anna.transcript());
}

#[tokio::test]
async fn an_album_sent_too_fast_is_left_whole() {
    let files = talk(
        "let files = chat.ask_files(\"Фото?\", #{ skip: \"Без фото\" }); chat.say(`Файлов: ${files.len}`);",
    );
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &files)]).await;
    desk.config.spam.per_second = Limit::of(NonZeroU32::MIN);
    desk.config.spam.burst = Limit::of(NonZeroU32::MIN);
    desk.sandbox.writes(ANNA, ANNA, "/go");
    let items: Vec<Attachment> = (0..10).map(|n| Attachment::Photo(vec![n].into())).collect();
    desk.sandbox.sends_album(ANNA, ANNA, &items, "");
    desk.run().await;
    let anna = desk.talks(ANNA);
    anna.heard("быстрее, чем я успеваю", 1).await;
    anna.heard("Фото?", 1).await;
    anna.presses("Без фото");
    anna.hears("Файлов: 0").await;
    assert_eq!(anna.count("Принято"), 0, "{}", anna.transcript());
}

#[tokio::test]
async fn an_album_counts_as_one_message() {
    let files = talk("let files = chat.ask_files(\"Фото?\"); chat.say(`Файлов: ${files.len}`);");
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &files)]).await;
    desk.config.spam.per_second = Limit::of(NonZeroU32::MIN);
    desk.config.spam.burst = Limit::of(nonzero!(2_u32));
    desk.run().await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Фото?").await;
    let items: Vec<Attachment> = (0..10).map(|n| Attachment::Photo(vec![n].into())).collect();
    desk.sandbox.sends_album(ANNA, ANNA, &items, "");
    anna.hears("Принято файлов: 10").await;
    desk.sandbox.wait_for(|sandbox| sandbox.pending_updates() == 0).await.expect("they are taken");
    anna.presses(anna.last().labels()[0][0]);
    anna.hears("Файлов: 10").await;
    assert_eq!(anna.count("быстрее"), 0, "{}", anna.transcript());
}

#[tokio::test]
async fn people_who_talk_to_each_other_in_the_office_are_not_interrupted() {
    let desk = Desk::start().await;
    let (olga, pavel) = (desk.office(OLGA), desk.office(PAVEL));
    olga.writes("Кто сегодня на смене?");
    pavel.writes("Я. /start не нажимай");
    desk.sandbox.sends_photo(OFFICE, PAVEL, vec![1], "вот график");
    olga.writes("/start@borodach_sandbox_bot");
    olga.hears("Это рабочий чат офиса").await;
    assert_eq!(desk.sandbox.sent(OFFICE), 1, "{}", olga.transcript());
}

#[tokio::test]
async fn a_command_with_the_bots_name_or_in_capitals_is_the_same_command() {
    let desk = Desk::start_flow("chat.say(\"здесь\");").await;
    let anna = desk.talks(ANNA);
    for (times, command) in ["/go@borodach_sandbox_bot", "/GO", "/go со словами", "  /go"].iter().enumerate()
    {
        anna.writes(command);
        anna.heard("здесь", times + 1).await;
    }
}

#[tokio::test]
async fn the_webhook_opens_to_its_secret_alone_and_says_yes_only_to_what_is_written_down() {
    let dying = Arc::new(AtomicBool::new(false));
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &talk("chat.say(\"здесь\");"))]).await;
    desk.config.telegram.mode = Mode::Webhook;
    desk.config.telegram.webhook_secret = Some("the-secret".to_owned().into());
    let hook = Arc::clone(&dying);
    desk.store.crash = Some(CrashHook(Arc::new(move |_| hook.load(Ordering::Relaxed))));
    desk.run().await;
    desk.sandbox.writes(ANNA, ANNA, "Telegram must know her to let the bot write");
    let post = async |secret: Option<&str>, body: String| {
        let request = reqwest::Client::new().post(desk.url("/telegram/webhook")).body(body);
        let request = match secret {
            Some(secret) => request.header("X-Telegram-Bot-Api-Secret-Token", secret),
            None => request,
        };
        request.send().await.expect("it answers").status()
    };
    let go = |id: i64| numbered(id, message(9_000 + id, &json!({ "text": "/go" }))).to_string();
    assert_eq!(post(None, go(1)).await, StatusCode::UNAUTHORIZED);
    assert_eq!(post(Some("the-secre"), go(1)).await, StatusCode::UNAUTHORIZED);
    assert_eq!(post(Some(""), go(1)).await, StatusCode::UNAUTHORIZED);
    for junk in ["", "{", "[]", "\"слово\"", "{\"update_id\":\"x\"}"] {
        assert_eq!(post(Some("the-secret"), junk.to_owned()).await, StatusCode::OK, "{junk}");
    }
    let anna = desk.talks(ANNA);
    assert_eq!(post(Some("the-secret"), go(1)).await, StatusCode::OK);
    anna.heard("здесь", 1).await;
    assert_eq!(post(Some("the-secret"), go(1)).await, StatusCode::OK, "a repetition is welcome");
    assert_eq!(post(Some("the-secret"), go(2)).await, StatusCode::OK);
    anna.heard("здесь", 2).await;
    dying.store(true, Ordering::Relaxed);
    assert_eq!(post(Some("the-secret"), go(3)).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(anna.count("здесь"), 2, "{}", anna.transcript());
}

#[tokio::test]
async fn by_webhook_the_bot_talks_as_by_polling() {
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &talk(NAME))]).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    desk.config.http.listen = port.local_addr().expect("it is bound");
    drop(port);
    desk.config.telegram.mode = Mode::Webhook;
    desk.config.telegram.webhook_secret = Some("the-secret".to_owned().into());
    let address = format!("http://{}/telegram/webhook", desk.config.http.listen);
    desk.config.telegram.webhook_url = Some(address.parse().expect("an address"));
    desk.run().await;
    let anna = is_asked(&desk).await;
    anna.writes("Анна");
    anna.hears("Здравствуйте, Анна!").await;
    assert_eq!(desk.sandbox.calls(Method::GetUpdates), 0);
}
