//! What comes by schedule: once, to everybody, and made up for after a time when nobody ran.

use std::time::Duration;

use borodach::clock::{Clock as _, ManualClock, Timestamp};
use borodach::schedule::{Schedule, by_day};
use chrono_tz::Europe::Moscow;

use crate::desk::{ANNA, Desk, OLGA, talk};

/// Monday, 23 November 2026, 09:58 in Moscow.
const BEFORE: Timestamp = Timestamp(1_795_417_080_000);

const WEEKLY: &str = "\
    flow(#{ title: \"Отчёт\", on: [cron(\"0 10 * * MON\")], access: [\"verified\", \"staff\"] });\n\
    fn start(chat, partner, args) {\n\
        chat.say(`Отчёт: ${partner.name}, ${time::text(args.planned_at, \"%d.%m %H:%M\")}.`);\n\
    }";

/// A moment in Moscow.
pub fn at(words: &str) -> Timestamp {
    let there = chrono::NaiveDateTime::parse_from_str(words, "%Y-%m-%d %H:%M").expect("a moment");
    Timestamp(there.and_local_timezone(Moscow).single().expect("it was once").timestamp_millis())
}

#[track_caller]
fn check(schedule: &str, now: &str, latest: &str, next: &str) {
    let schedule = Schedule::parse(schedule).unwrap_or_else(|error| panic!("{schedule}: {error}"));
    let now = at(now) + Duration::from_millis(400);
    assert_eq!(schedule.latest(now, Moscow), Some(at(latest)), "{schedule} before {now}");
    assert_eq!(schedule.next(now, Moscow), Some(at(next)), "{schedule} after {now}");
}

#[test]
fn a_schedule_goes_by_the_wall_clock_of_the_office() {
    check("0 10 * * MON", "2026-11-23 10:00", "2026-11-23 10:00", "2026-11-30 10:00");
    check("0 10 * * MON", "2026-11-23 09:59", "2026-11-16 10:00", "2026-11-23 10:00");
    check("0 1 * * *", "2026-12-01 00:59", "2026-11-30 01:00", "2026-12-01 01:00");
    check("30 9 1 * *", "2027-01-31 12:00", "2027-01-01 09:30", "2027-02-01 09:30");
    check("*/15 9-18 * * MON-FRI", "2026-11-27 18:50", "2026-11-27 18:45", "2026-11-30 09:00");
    for wrong in ["", "0 10 * *", "0 0 10 * * MON", "0 25 * * *", "каждый понедельник"] {
        assert!(Schedule::parse(wrong).is_err(), "«{wrong}» is no schedule");
    }
}

#[test]
fn nobody_is_reminded_at_night() {
    for (moment, reminded) in [
        ("2026-11-23 21:59", "2026-11-23 21:59"),
        ("2026-11-23 22:00", "2026-11-24 09:00"),
        ("2026-12-31 23:30", "2027-01-01 09:00"),
        ("2026-11-24 00:00", "2026-11-24 09:00"),
        ("2026-11-24 08:59", "2026-11-24 09:00"),
        ("2026-11-24 09:00", "2026-11-24 09:00"),
    ] {
        assert_eq!(by_day(at(moment), Moscow), at(reminded), "{moment}");
    }
}

/// A bot with the weekly flow and Anna a partner of it.
async fn desk() -> (Desk, std::sync::Arc<ManualClock>) {
    let mut desk = Desk::lay_with(&[("flows/weekly.rhai", WEEKLY)]).await;
    std::fs::write(desk.flow("talk"), talk("chat.say(\"здесь\");")).expect("the folder is ours");
    let clock = ManualClock::new(BEFORE);
    desk.clock = clock.clone();
    desk.run().await;
    // A bot may write only to whom has written to it.
    desk.talks(ANNA).writes("/go");
    desk.talks(ANNA).hears("здесь").await;
    desk.kept().introduce(&crate::store::verified(ANNA), "Ольга").await.expect("the store is well");
    (desk, clock)
}

/// Waits until the scheduler has looked at the present moment.
async fn looked(desk: &Desk) {
    desk.until("the scheduler has looked", async || {
        let health = desk.health().await;
        !health["parts"]["scheduler"]["jobs"][0]["last"].is_null()
    })
    .await;
}

#[tokio::test]
async fn a_flow_comes_at_its_moment_to_partners_and_to_the_office_and_once() {
    let (mut desk, clock) = desk().await;
    looked(&desk).await;
    assert_eq!(desk.talks(ANNA).count("Отчёт"), 0, "last week's moment was before the job");
    clock.turn(Duration::from_mins(3));
    desk.talks(ANNA).hears("Отчёт: Партнёр 501, 23.11 10:00.").await;
    desk.office(OLGA).hears("Отчёт").await;
    desk.stop().await;
    desk.run().await;
    clock.turn(Duration::from_hours(24));
    desk.talks(ANNA).writes("/none");
    desk.settled().await;
    assert_eq!(desk.talks(ANNA).count("Отчёт"), 1, "a restart does not tell it again");
    let health = desk.health().await;
    let job = &health["parts"]["scheduler"]["jobs"][0];
    assert_eq!((&job["name"], &job["last"]["result"]), (&"weekly".into(), &"done".into()), "{health:#}");
    assert_eq!(
        (&job["last"]["done"], &job["next"]),
        (&2.into(), &at("2026-11-30 10:00").0.into()),
        "{health:#}"
    );
}

#[tokio::test]
async fn a_flow_saved_just_before_its_moment_comes() {
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &talk("chat.say(\"здесь\");"))]).await;
    let clock = ManualClock::new(BEFORE);
    desk.clock = clock.clone();
    desk.run().await;
    desk.talks(ANNA).writes("/go");
    desk.talks(ANNA).hears("здесь").await;
    desk.kept().introduce(&crate::store::verified(ANNA), "Ольга").await.expect("the store is well");
    std::fs::write(desk.flow("weekly"), WEEKLY).expect("the folder is ours");
    desk.office(OLGA).hears("Сценарии обновлены").await;
    clock.turn(Duration::from_mins(3));
    desk.talks(ANNA).hears("Отчёт: Партнёр 501, 23.11 10:00.").await;
}

#[tokio::test]
async fn what_was_missed_while_nobody_ran_is_made_up_for_once() {
    let (mut desk, clock) = desk().await;
    looked(&desk).await;
    desk.stop().await;
    // Two Mondays pass.
    clock.set(at("2026-12-01 12:00"));
    desk.run().await;
    desk.talks(ANNA).hears("Отчёт: Партнёр 501, 30.11 10:00.").await;
    clock.turn(Duration::from_hours(1));
    desk.settled().await;
    assert_eq!(desk.talks(ANNA).count("Отчёт"), 1);
    assert!(clock.now() > BEFORE);
}

#[tokio::test]
async fn a_flow_that_was_taken_out_and_comes_back_owes_nothing_of_that_time() {
    let (mut desk, clock) = desk().await;
    clock.turn(Duration::from_mins(3));
    desk.talks(ANNA).hears("Отчёт: Партнёр 501, 23.11 10:00.").await;
    std::fs::remove_file(desk.flow("weekly")).expect("it is there");
    let planned = async || desk.rows("select count(*) from job_plan where since > $1", 0).await;
    desk.until("nobody plans it any more", async || planned().await == [0]).await;
    // A Monday passes without it.
    clock.set(at("2026-12-01 12:00"));
    desk.stop().await;
    // It comes back with a new version of the bot's folder, as it was.
    std::fs::write(desk.flow("weekly"), WEEKLY).expect("the folder is ours");
    desk.run().await;
    let last = async || jobs(&desk).await[0]["last"].clone();
    desk.until("last Monday is settled", async || last().await["planned_at"] == at("2026-11-30 10:00").0)
        .await;
    assert_eq!(last().await["result"], "skipped");
    // The next Monday is missed by a bot that is down, and that is made up for.
    desk.stop().await;
    clock.set(at("2026-12-07 11:00"));
    desk.run().await;
    desk.talks(ANNA).hears("Отчёт: Партнёр 501, 07.12 10:00.").await;
    desk.settled().await;
    assert_eq!(desk.talks(ANNA).count("Отчёт"), 2, "{}", desk.talks(ANNA).transcript());
}

/// What `/health` tells of the jobs.
async fn jobs(desk: &Desk) -> Vec<serde_json::Value> {
    desk.health().await["parts"]["scheduler"]["jobs"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn a_flow_that_comes_by_schedule_must_not_ask_and_must_be_readable() {
    use borodach::script::{Files, Limits, Set};
    let refused = |header: &str, body: &str| {
        let flow = format!("flow(#{{ title: \"Отчёт\", {header} }});\nfn start(chat, partner) {{ {body} }}");
        let files = Files::from([("flows/weekly.rhai".to_owned(), flow)]);
        Set::checked(files, Limits::default()).expect_err("it must be refused")[0].message.clone()
    };
    let monday = "on: [cron(\"0 10 * * MON\")], access: [\"verified\"]";
    assert!(refused(monday, "chat.ask_text(\"Как дела?\");").contains("не спрашивает"));
    let daily = "on: [cron(\"каждый день\")], access: [\"verified\"]";
    assert!(refused(daily, "chat.say(\"ой\");").contains("расписание «каждый день» непонятно"));
    let guests = "on: [cron(\"0 10 * * MON\")], access: [\"guest\"]";
    assert!(refused(guests, "chat.say(\"ой\");").contains("гостям"));
}
