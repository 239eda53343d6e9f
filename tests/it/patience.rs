//! Bitrix24 is away: what people ask of it is taken, kept through restarts, and done once when it is back.

use std::time::Duration;

use borodach::clock::{ManualClock, Timestamp};
use borodach::config::Limit;
use borodach::sandbox::bitrix24::{Bitrix24, Fault, Method, Often, Rule};
use secrecy::SecretString;

use crate::desk::{ANNA, Desk};
use crate::portal::{introduce, open_portal};

const TAKEN: &str = "📨 Принял задачу";

/// A bot on a clock turned by hand whose services are tried once a call.
async fn desk() -> (Desk, Bitrix24, std::sync::Arc<ManualClock>) {
    let mut desk = Desk::lay().await;
    let clock = ManualClock::new(Timestamp(1_795_590_000_000));
    desk.clock = clock.clone();
    let portal = open_portal(&mut desk).await;
    desk.config.services.retry.attempts = std::num::NonZeroU32::MIN;
    desk.config.services.breaker.failures = Limit::OFF;
    (desk, portal, clock)
}

/// An address at which nobody listens: what is sent there surely arrives nowhere.
fn nowhere() -> SecretString {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let port = taken.local_addr().expect("it is bound").port();
    format!("http://127.0.0.1:{port}/rest/7/token0123456789abc/").into()
}

/// Anna asks for a task with one file, up to the press that sends it.
async fn sends_task(desk: &Desk) {
    let anna = desk.talks(ANNA);
    anna.writes("/task");
    anna.hears("Какому отделу задача?").await;
    anna.presses("🎨 Дизайн");
    anna.hears("Что нужно сделать?").await;
    anna.writes("Табличка");
    anna.hears("Теперь подробнее").await;
    anna.writes("Режим работы");
    anna.hears("Вот что получилось").await;
    anna.presses("👌 Всё верно");
    anna.hears("Приложите фото").await;
    desk.sandbox.sends_document(ANNA, ANNA, "макет.pdf", vec![7_u8; 1000]);
    anna.hears("Принято").await;
    anna.presses("✅ Готово (1)");
}

#[tokio::test]
async fn a_task_waits_for_the_portal_through_a_restart_and_is_made_once_with_its_file() {
    let (mut desk, portal, clock) = desk().await;
    let address = desk.config.bitrix24.webhook_url.replace(nowhere());
    desk.run().await;
    introduce(&desk, ANNA, "Анна Петрова").await;
    sends_task(&desk).await;
    let anna = desk.talks(ANNA);
    anna.hears(TAKEN).await;
    // She is free, and nothing is wrong with the bot.
    anna.writes("👤 Аккаунт");
    anna.hears("Петрова").await;
    desk.settled().await;
    let conversations = desk.health().await["parts"]["conversations"].clone();
    assert_eq!((&conversations["put_off"]["count"], &conversations["parked"]), (&1.into(), &0.into()));
    assert_eq!(conversations["status"], "ok");

    desk.stop().await;
    desk.config.bitrix24.webhook_url = address;
    let made = portal.made();
    desk.run().await;
    clock.turn(Duration::from_hours(1));
    let anna = desk.talks(ANNA);
    anna.heard("поставлена", 1).await;
    anna.heard("Прикреплено", 1).await;
    desk.settled().await;
    clock.turn(Duration::from_hours(24));
    desk.settled().await;
    assert_eq!((portal.made() - made, portal.twins().len()), (1, 0), "{}", anna.transcript());
    let task = portal.tasks().pop().expect("it is there");
    assert_eq!(portal.files(task.id).len(), 1);
    assert_eq!((anna.count(TAKEN), anna.count("поставлена")), (1, 1));
    assert_eq!(desk.health().await["parts"]["conversations"]["put_off"]["count"], 0);
}

/// A desk where a task waits with the bot: the portal knows no keys and takes no tasks.
async fn put_off() -> (Desk, Bitrix24, std::sync::Arc<ManualClock>) {
    let (mut desk, portal, clock) = desk().await;
    portal.faults().add(Rule {
        endpoint: Some(Method::TaskAdd),
        kind: Fault::Unavailable,
        often: Often::Chance(1.0),
    });
    portal.change(|conduct| conduct.rest3 = borodach::sandbox::bitrix24::Rest3::Absent);
    desk.run().await;
    introduce(&desk, ANNA, "Анна Петрова").await;
    sends_task(&desk).await;
    desk.talks(ANNA).hears(TAKEN).await;
    desk.settled().await;
    (desk, portal, clock)
}

#[tokio::test]
async fn each_try_comes_later_than_the_one_before_and_none_makes_a_second_task() {
    let (desk, portal, clock) = put_off().await;
    let anna = desk.talks(ANNA);
    for minutes in [1, 2, 4, 8, 16] {
        let tried = portal.calls(Method::TaskAdd);
        clock.turn(Duration::from_secs(minutes * 60 - 10));
        desk.settled().await;
        assert_eq!(portal.calls(Method::TaskAdd), tried, "before {minutes} min");
        clock.turn(Duration::from_secs(20));
        desk.until("it tries again", async || portal.calls(Method::TaskAdd) > tried).await;
        desk.settled().await;
    }
    portal.faults().clear();
    clock.turn(Duration::from_hours(1));
    anna.heard("поставлена", 1).await;
    desk.settled().await;
    assert_eq!((anna.count(TAKEN), portal.twins().len()), (1, 0), "{}", anna.transcript());
}

#[tokio::test]
async fn files_wait_for_the_disk_when_the_task_is_there() {
    let (mut desk, portal, clock) = desk().await;
    portal.faults().add(Rule {
        endpoint: Some(Method::StorageList),
        kind: Fault::Unavailable,
        often: Often::Chance(1.0),
    });
    desk.run().await;
    introduce(&desk, ANNA, "Анна Петрова").await;
    sends_task(&desk).await;
    let anna = desk.talks(ANNA);
    anna.hears("📎 Файлы у меня").await;
    assert_eq!(anna.count("поставлена"), 1);
    desk.settled().await;
    portal.faults().clear();
    clock.turn(Duration::from_hours(1));
    anna.heard("Прикреплено", 1).await;
    let task = portal.tasks().pop().expect("it is there");
    assert_eq!(portal.files(task.id).len(), 1);
}

#[tokio::test]
async fn a_doubt_after_a_day_of_patience_is_looked_for_before_the_office_is_asked() {
    let (desk, portal, clock) = put_off().await;
    let anna = desk.talks(ANNA);
    let tried = portal.calls(Method::TaskAdd);
    clock.turn(Duration::from_hours(25));
    desk.until("it tries again", async || portal.calls(Method::TaskAdd) > tried).await;
    desk.settled().await;

    // The portal is back, and the answer to the first call that does something is lost.
    portal.faults().clear();
    portal.faults().next(Method::TaskAdd, Fault::ResetAfterAccept, 1);
    let made = portal.made();
    clock.turn(Duration::from_hours(1));
    desk.until("the task is made", async || portal.made() > made).await;
    desk.settled().await;
    assert_eq!(anna.count("поставлена"), 0, "{}", anna.transcript());
    assert_eq!(desk.kept().open_doubts().await.expect("the database answers").len(), 0, "nobody is asked");
    clock.turn(Duration::from_mins(2));
    anna.heard("поставлена", 1).await;
    desk.settled().await;
    assert_eq!((portal.made() - made, portal.twins().len()), (1, 0), "{}", anna.transcript());
    assert_eq!(desk.kept().open_doubts().await.expect("the database answers").len(), 0);
}
