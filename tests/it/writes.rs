//! Writes to other services: done once, whatever happens to their answers; in doubt a person decides.

use std::time::Duration;

use borodach::clock::{ManualClock, Timestamp};

use crate::desk::{ANNA, Desk, OLGA, PAVEL, talk};
use crate::trial::{Service, Whim};

/// A bot whose flow writes to the service by this function and says what came of it.
async fn desk_for(function: &str) -> (Desk, Service) {
    let service = Service::start().await;
    let body = format!(
        "chat.say(\"Отправляю…\");\n\
         try {{\n\
             let made = trial::{function}(\"{}\");\n\
             chat.say(`Готово, номер ${{made.id}}.`);\n\
         }} catch (error) {{ chat.say(`Не вышло: ${{error.kind}}, ${{error.service}}, ${{error.message}}`); }}",
        service.url()
    );
    (desk_with(&body, &service).await, service)
}

async fn desk_with(body: &str, _: &Service) -> Desk {
    let mut desk = Desk::lay_with(&[
        ("flows/talk.rhai", &talk(body)),
        ("flows/doubt.rhai", include_str!("../../flows/doubt.rhai")),
        ("flows/doubt_decision.rhai", include_str!("../../flows/doubt_decision.rhai")),
        ("flows/menu.rhai", MENU),
    ])
    .await;
    desk.config.conversations.doubt_settles = Duration::from_millis(50);
    desk
}

const MENU: &str = "\
    flow(#{ title: \"Меню\", on: [command(\"/start\"), command(\"/cancel\")], access: [\"guest\"] });\n\
    fn start(chat, partner) { chat.ask_text(\"Вы в меню.\"); }";

const CALM: &str = "пока неясно, дошло ли всё";

#[tokio::test]
async fn what_was_said_before_a_slow_read_is_heard_before_it() {
    let service = Service::start().await;
    let body =
        format!("chat.say(\"Секунду…\"); chat.say(`Ответ ${{trial::read(\"{}\").value}}`);", service.url());
    let mut desk = desk_with(&body, &service).await;
    desk.run().await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Секунду…").await; // The service has not answered yet.
    service.open(1);
    anna.hears("Ответ 7").await;
    desk.settled().await;
    assert_eq!(anna.count("Секунду…"), 1);
}

#[tokio::test]
async fn a_read_that_takes_too_long_reaches_the_script_as_unavailable() {
    let service = Service::start().await;
    let body = format!(
        "try {{ trial::read(\"{}\"); }} catch (error) {{ chat.say(`${{error.kind}} ${{error.service}} ${{error.retry_after}}`); }}",
        service.url()
    );
    let mut desk = desk_with(&body, &service).await;
    desk.run().await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("unavailable trial").await;
}

#[tokio::test]
async fn a_write_is_made_once_and_its_answer_is_told() {
    for function in ["keyed", "checked", "once"] {
        let (mut desk, service) = desk_for(function).await;
        desk.run().await;
        let anna = desk.talks(ANNA);
        anna.writes("/go");
        anna.hears("Готово, номер 1.").await;
        assert_eq!(service.calls(), 1, "{function}");
        let key = service.objects().pop().expect("one object");
        assert!(key.starts_with(desk.kept().installation()), "{key}");
    }
}

#[tokio::test]
async fn a_refusal_reaches_the_script_as_a_map() {
    for function in ["keyed", "checked", "once"] {
        let (mut desk, service) = desk_for(function).await;
        service.whims(&[Whim::Refuses]);
        desk.run().await;
        let anna = desk.talks(ANNA);
        anna.writes("/go");
        anna.hears("Не вышло: rejected, trial, не положено").await;
        assert_eq!(service.calls(), 1, "{function}");
    }
}

#[tokio::test]
async fn a_keyed_write_in_doubt_is_repeated_with_the_same_key() {
    for whim in [Whim::DoesInSilence, Whim::Loses] {
        let (mut desk, service) = desk_for("keyed").await;
        service.whims(&[whim]);
        desk.run().await;
        let anna = desk.talks(ANNA);
        anna.writes("/go");
        anna.hears("Готово, номер 1.").await;
        assert_eq!((service.calls(), service.objects().len()), (2, 1), "{whim:?}");
        assert_eq!(anna.count(CALM), 0);
    }
}

#[tokio::test]
async fn a_checked_write_that_was_done_is_found_and_not_repeated() {
    let (mut desk, service) = desk_for("checked").await;
    service.whims(&[Whim::DoesInSilence]);
    desk.run().await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Готово, номер 1.").await;
    assert_eq!((service.calls(), service.objects().len()), (1, 1));
    assert_eq!(anna.count(CALM), 0);
}

#[tokio::test]
async fn a_checked_write_that_was_lost_is_made_when_it_can_be_nowhere_on_its_way() {
    let (mut desk, service) = desk_for("checked").await;
    service.whims(&[Whim::Loses]);
    let clock = ManualClock::new(Timestamp(1_790_000_000_000));
    desk.clock = clock.clone();
    desk.run().await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears(CALM).await;
    assert_eq!((service.calls(), service.objects().len()), (1, 0), "the service may still be at work on it");
    clock.turn(Duration::from_secs(1));
    anna.hears("Готово, номер 1.").await;
    assert_eq!((service.calls(), service.objects().len()), (2, 1));
    desk.settled().await;
    let health = desk.health().await;
    assert_eq!(health["parts"]["conversations"]["parked"], 0, "{health:#}");
}

#[tokio::test]
async fn the_office_decides_about_a_write_that_cannot_be_checked() {
    for (function, button, heard, objects) in [
        ("once", "🔁 Сделать ещё раз", "Готово, номер 1.", 1),
        ("once", "🚫 Не делать", "Не вышло: rejected, trial, сотрудник решил", 0),
        ("checked", "🔁 Сделать ещё раз", "Готово, номер 1.", 1),
    ] {
        let (mut desk, service) = desk_for(function).await;
        service.whims(&[Whim::Loses]);
        service.blind();
        desk.run().await;
        let (anna, olga) = (desk.talks(ANNA), desk.office(OLGA));
        anna.writes("/go");
        anna.hears(CALM).await;
        olga.hears("неясно, дошло ли до места").await;
        let health = desk.health().await;
        assert_eq!(health["parts"]["conversations"]["in_doubt"][0]["name"], format!("trial::{function}"));
        olga.presses(button);
        anna.hears(heard).await;
        assert_eq!(service.objects().len(), objects, "{function} {button}");
        desk.settled().await;
        assert_eq!(desk.health().await["parts"]["conversations"]["parked"], 0);
        assert_eq!(desk.kept().open_doubts().await.expect("the database answers").len(), 0);
    }
}

#[tokio::test]
async fn the_office_gives_the_number_of_what_was_done() {
    let (mut desk, service) = desk_for("once").await;
    service.whims(&[Whim::DoesInSilence]);
    desk.run().await;
    let (anna, olga) = (desk.talks(ANNA), desk.office(OLGA));
    anna.writes("/go");
    olga.hears("неясно, дошло ли до места").await;
    olga.presses("✅ Уже сделано");
    olga.hears("Какой там номер?").await;
    olga.writes("3711");
    anna.hears("Готово, номер 3711.").await;
    olga.hears("уже сделано. Решение: Ольга Смирнова").await;
    assert_eq!(service.calls(), 1);
}

#[tokio::test]
async fn of_two_who_decide_at_once_the_first_wins() {
    let (mut desk, service) = desk_for("once").await;
    service.whims(&[Whim::Loses]);
    desk.run().await;
    let (anna, olga, pavel) = (desk.talks(ANNA), desk.office(OLGA), desk.office(PAVEL));
    anna.writes("/go");
    olga.hears("неясно, дошло ли до места").await;
    olga.presses("🚫 Не делать");
    pavel.presses("🔁 Сделать ещё раз");
    pavel.heard("уже решён — не делать (Ольга Смирнова)", 1).await;
    anna.hears("Не вышло: rejected").await;
    desk.settled().await;
    assert_eq!(service.objects().len(), 0);
}

#[tokio::test]
async fn whoever_begins_something_else_meanwhile_is_told_and_not_asked() {
    let (mut desk, service) = desk_for("once").await;
    service.whims(&[Whim::Loses]);
    desk.run().await;
    let (anna, olga) = (desk.talks(ANNA), desk.office(OLGA));
    anna.writes("/go");
    anna.hears(CALM).await;
    anna.writes("/start");
    anna.hears("Вы в меню.").await;
    olga.hears("неясно, дошло ли до места").await;
    olga.presses("🔁 Сделать ещё раз");
    anna.hears("Готово, номер 1.").await;
    // The menu's question still waits: /go would begin anew, words answer it.
    anna.writes("слова");
    desk.settled().await;
    assert_eq!(anna.count("Вы в меню."), 1);
    let awaiting = desk.rows(
        "select count(*) from conversation where status in ('awaiting', 'failed') and chat_id = $1",
        ANNA,
    );
    assert_eq!(awaiting.await, [0]);
}

#[tokio::test]
async fn a_service_that_is_down_for_long_brings_the_office_in_and_then_settles_it_by_itself() {
    let (mut desk, service) = desk_for("keyed").await;
    service.whims(&[Whim::Loses; 12]);
    let clock = ManualClock::new(Timestamp(1_790_000_000_000));
    desk.clock = clock.clone();
    desk.run().await;
    let (anna, olga) = (desk.talks(ANNA), desk.office(OLGA));
    anna.writes("/go");
    anna.hears(CALM).await;
    let mut calls = service.calls();
    while calls < 12 {
        desk.settled().await; // The next look is promised by the clock as it is now.
        clock.turn(Duration::from_mins(31));
        desk.until("it tries again", async || service.calls() > calls).await;
        calls = service.calls();
    }
    olga.heard("неясно, дошло ли до места", 1).await;
    desk.settled().await;
    clock.turn(Duration::from_mins(31));
    anna.hears("Готово, номер 1.").await;
    olga.hears("решился сам").await;
    assert_eq!(anna.count(CALM), 1, "the person is told once");
    assert_eq!(service.objects().len(), 1);
    olga.presses("🔁 Сделать ещё раз");
    olga.hears("уже решён — выяснилось само").await;
    desk.settled().await;
    assert_eq!(service.objects().len(), 1);
}

#[tokio::test]
async fn back_stops_at_a_write() {
    let service = Service::start().await;
    let body = format!(
        "let name = chat.ask_text(\"Имя?\");\ntrial::keyed(\"{}\");\nchat.ask_text(\"Дальше?\");",
        service.url()
    );
    let mut desk = desk_with(&body, &service).await;
    desk.run().await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("Имя?").await;
    anna.writes("Анна");
    anna.hears("Дальше?").await;
    let labels = anna.transcript();
    assert!(!labels.contains("Назад"), "{labels}");
}
