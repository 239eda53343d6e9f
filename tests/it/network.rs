//! The numbers of the network over months: gathered at night, closed once, kept through failures.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use borodach::clock::{Clock as _, ManualClock};
use borodach::config::Limit;
use borodach::ratings::Month;
use borodach::sandbox::network::Network;
use borodach::sandbox::yclients::{Endpoint, Fault, Limits, Often, Refused, Rule, YClients};
use borodach::store::partner::{Partner, Salon};
use borodach::store::rating::Row;
use chrono::NaiveDate;

use crate::desk::{ANNA, Desk, Talker};
use crate::jobs::at;
use crate::portal::introduce_with;

const SALONS: usize = 12;

fn month(words: &str) -> Month {
    words.parse().expect("a month")
}

fn day(words: &str) -> NaiveDate {
    words.parse().expect("a day")
}

/// The twelve months before one.
fn year_before(words: &str) -> BTreeSet<Month> {
    (1..=12).map(|back| month(words).back(back)).collect()
}

/// A bot, the salons it counts, and their clock.
struct Town {
    desk: Desk,
    salons: YClients,
    clock: Arc<ManualClock>,
}

impl Town {
    /// A bot that has not run yet, at noon of the last day of October.
    async fn lay() -> Town {
        Town::lay_with(SALONS).await
    }

    /// The same with so many salons.
    async fn lay_with(salons: usize) -> Town {
        let mut desk = Desk::lay().await;
        let clock = ManualClock::new(at("2026-10-31 12:00"));
        desk.clock = clock.clone();
        let anywhere = "127.0.0.1:0".parse().expect("an address");
        let network = Network::new(salons, day("2026-10-31"), 7);
        let salons =
            YClients::start(anywhere, network, clock.clone()).await.expect("loopback has free ports");
        salons.set_limits(Limits::OFF);
        desk.config.yclients.api_url = salons.url();
        desk.config.yclients.partner_token = Some(YClients::PARTNER.to_owned().into());
        desk.config.yclients.user_token = Some(YClients::USER.to_owned().into());
        desk.config.yclients.chain_id = Some(Network::CHAIN);
        let services = &mut desk.config.services;
        services.yclients.per_second = Limit::OFF;
        services.yclients.per_minute = Limit::OFF;
        services.breaker.failures = Limit::OFF;
        services.retry.attempts = NonZeroU32::MIN;
        Town { desk, salons, clock }
    }

    /// The same after its first night of work.
    async fn filled() -> Town {
        let mut town = Town::lay().await;
        town.desk.run().await;
        town.comes_to("done", "2026-10-31 01:00").await;
        town
    }

    /// Waits until the run for a moment stands so.
    async fn comes_to(&self, result: &str, planned_at: &str) {
        let what = format!("the run of {planned_at} is {result}");
        self.desk
            .until(&what, async || {
                let last = self.job().await["last"].clone();
                last["result"] == result && last["planned_at"] == at(planned_at).0
            })
            .await;
    }

    /// What `/health` tells of the gathering.
    async fn job(&self) -> serde_json::Value {
        let health = self.desk.health().await;
        let jobs = health["parts"]["scheduler"]["jobs"].as_array().expect("a list").clone();
        jobs.into_iter().find(|job| job["name"] == "host:ratings").expect("it is planned")
    }

    fn fail(&self) {
        let kind = Fault::ServerError;
        self.salons.faults().add(Rule { endpoint: Some(Endpoint::Overall), kind, often: Often::Chance(1.0) });
    }

    async fn rows(&self, month: Month) -> Vec<Row> {
        let rows = self.desk.kept().rating(month).await.expect("the store is well");
        rows.into_iter().map(|(row, _)| row).collect()
    }

    /// Every row says what the network says of the days up to `upto`, and more is never behind less.
    async fn tells_the_truth(&self, month: Month, upto: NaiveDate) {
        let rows = self.rows(month).await;
        assert_eq!(rows.len(), SALONS, "{month}: a row for each");
        for row in &rows {
            let salon = self.salons.network().salon(row.salon).expect("it is ours");
            let totals = self.salons.network().totals(salon, month.first(), upto);
            assert_eq!((row.numbers.revenue, row.upto), (totals.sum.income(), upto), "{month} {}", row.salon);
            assert!(!row.is_stale, "{month} of {}", row.salon);
        }
        let rated: Vec<&Row> = rows.iter().filter(|row| row.place.is_some()).collect();
        let places: Vec<u32> = rated.iter().filter_map(|row| row.place).collect();
        assert!(
            places.iter().copied().eq(1..=u32::try_from(rated.len()).expect("few")),
            "{month}: {places:?}"
        );
        assert!(rated.is_sorted_by(|one, next| one.numbers.revenue >= next.numbers.revenue), "{month}");
    }

    async fn closed(&self) -> BTreeSet<Month> {
        let gathered = self.desk.kept().gathered().await.expect("the store is well");
        gathered.into_iter().filter(|gathered| gathered.closed_at.is_some()).map(|g| g.month).collect()
    }
}

#[tokio::test]
async fn an_empty_database_is_filled_with_a_year() {
    let town = Town::filled().await;
    assert_eq!(town.closed().await, year_before("2026-10"));
    for month in year_before("2026-10") {
        town.tells_the_truth(month, month.last()).await;
    }
    town.tells_the_truth(month("2026-10"), day("2026-10-30")).await;
    let job = town.job().await;
    assert_eq!((&job["last"]["done"], &job["last"]["total"]), (&156.into(), &156.into()), "{job:#}");
    assert_eq!(job["next"], at("2026-11-01 01:00").0, "{job:#}");
    let salons = town.desk.kept().salons().await.expect("the store is well");
    assert!(salons.iter().all(|kept| kept.salon.region.is_some()), "{salons:#?}");
    assert_eq!(town.desk.health().await["parts"]["scheduler"]["status"], "ok");
}

#[tokio::test]
async fn the_turn_of_a_month_is_closed_once_and_complete_through_downtime_and_an_outage() {
    const NIGHT: &str = "2026-11-01 01:00";
    let mut town = Town::filled().await;
    let october = month("2026-10");
    town.clock.set(at("2026-10-31 23:50"));
    town.clock.set(at("2026-11-01 00:30"));
    town.desk.stop().await;
    town.clock.set(at("2026-11-01 01:30"));
    town.fail();
    town.desk.run().await;
    town.comes_to("held_up", NIGHT).await;
    assert!(!town.closed().await.contains(&october));
    let known = town.rows(october).await;
    assert!(known.iter().all(|row| row.is_stale), "what failed is marked");
    assert!(
        known.iter().any(|row| row.numbers.revenue.0 > 0 && row.place == Some(1)),
        "and no zero is made of it"
    );
    assert_eq!(town.desk.health().await["parts"]["scheduler"]["status"], "degraded");
    // Ten minutes later the service is still away.
    let calls = town.salons.calls(Endpoint::Overall);
    town.clock.turn(Duration::from_mins(10));
    town.salons.wait_for(|salons| salons.calls(Endpoint::Overall) >= calls + SALONS as u64).await;
    // The attempt that has just failed may not have been written down yet, so time passes little by little.
    let calls = town.salons.calls(Endpoint::Overall);
    town.salons.faults().clear();
    let done = async || {
        town.clock.turn(Duration::from_secs(10));
        let last = town.job().await["last"].clone();
        last["result"] == "done" && last["planned_at"] == at(NIGHT).0
    };
    town.desk.until("the service is back, and the month is closed", done).await;
    assert!(town.clock.now() < at("2026-11-01 02:30"), "{}", town.clock.now());
    assert_eq!(
        town.salons.calls(Endpoint::Overall) - calls,
        SALONS as u64,
        "each is asked once, nobody else"
    );
    town.tells_the_truth(october, october.last()).await;
    assert!(town.closed().await.contains(&october));
    let closed = town.rows(october).await;
    // Nothing is done twice, whatever comes.
    let calls = town.salons.calls(Endpoint::Overall);
    town.clock.set(at("2026-11-01 03:00"));
    town.desk.stop().await;
    town.desk.run().await;
    town.comes_to("done", NIGHT).await;
    assert_eq!(town.salons.calls(Endpoint::Overall), calls);
    // The next night has a day of November, and October stays as it was.
    town.clock.set(at("2026-11-02 01:00"));
    town.comes_to("done", "2026-11-02 01:00").await;
    town.tells_the_truth(month("2026-11"), day("2026-11-01")).await;
    assert_eq!(town.rows(october).await, closed);
    assert_eq!(town.closed().await, year_before("2026-11"), "twelve are kept");
}

#[tokio::test]
async fn a_salon_closed_to_us_keeps_its_numbers_and_holds_up_no_month() {
    let town = Town::filled().await;
    let october = month("2026-10");
    let before = town.rows(october).await;
    let first = before.iter().find(|row| row.place == Some(1)).expect("somebody is first").clone();
    town.salons.refuse(first.salon, Some(Refused::NoRight));
    town.clock.set(at("2026-11-01 01:00"));
    town.comes_to("done", "2026-11-01 01:00").await;
    assert!(town.closed().await.contains(&october));
    let rows = town.rows(october).await;
    let kept = rows.iter().find(|row| row.salon == first.salon).expect("it is there");
    assert!(kept.is_stale);
    assert_eq!((&kept.numbers, kept.upto), (&first.numbers, first.upto), "the last known, never zero");
    assert_eq!(rows.iter().filter(|row| row.is_stale).count(), 1);
}

#[tokio::test]
async fn a_formula_that_fails_leaves_the_places_until_it_is_mended() {
    let town = Town::filled().await;
    let october = month("2026-10");
    let file = town.desk.folder.path().join("scripts/rating.rhai");
    let live = async || town.desk.health().await["parts"]["scripts"]["live"]["hash"].clone();
    let change = async |text: &str| {
        let before = live().await;
        std::fs::write(&file, text).expect("the folder is ours");
        town.desk.until("the scripts have changed", async || live().await != before).await;
    };
    let places = async || -> Vec<(i64, Option<u32>)> {
        town.rows(october).await.into_iter().map(|row| (row.salon, row.place)).collect()
    };
    change("fn points(shop) { throw \"ой\"; }").await;
    let before = places().await;
    town.clock.set(at("2026-11-01 01:00"));
    town.comes_to("held_up", "2026-11-01 01:00").await;
    let report = town.job().await["last"]["report"].to_string();
    assert!(report.contains("scripts/rating.rhai") && report.contains("ой"), "{report}");
    assert_eq!(places().await, before);
    // By visits, the fewest first.
    change("fn points(shop) { if shop.completed == 0 { return (); } -shop.completed }").await;
    town.clock.turn(Duration::from_mins(10));
    town.comes_to("done", "2026-11-01 01:00").await;
    let rows = town.rows(october).await;
    let visits = rows.iter().filter(|row| row.place.is_some()).map(|row| row.numbers.completed);
    let visits: Vec<u64> = visits.collect();
    assert!(visits.len() > 2 && visits.is_sorted(), "{visits:?}");
}

#[tokio::test]
async fn a_salon_that_left_the_list_is_closed_and_asked_no_more() {
    let town = Town::filled().await;
    let gone = town.salons.network().salons()[2].id;
    town.salons.hide(gone, true);
    // The list is asked for every four hours.
    town.clock.set(at("2026-10-31 12:30"));
    let is_active = async || {
        let salons = town.desk.kept().salons().await.expect("the store is well");
        salons.iter().find(|kept| kept.salon.id == gone).expect("none is deleted").salon.is_active
    };
    town.desk.until("it is closed", async || !is_active().await).await;
    town.clock.set(at("2026-11-01 01:00"));
    town.comes_to("done", "2026-11-01 01:00").await;
    assert!(town.closed().await.contains(&month("2026-10")), "nobody waits for it");
    let october = town.rows(month("2026-10")).await;
    assert_eq!(october.iter().find(|row| row.salon == gone).expect("what was known stays").place, None);
}

#[tokio::test]
async fn a_partner_sees_their_own_numbers_and_nobody_elses_name() {
    const PROBE: &str = "\
        flow(#{ title: \"Проба\", on: [command(\"/go\")], access: [\"guest\", \"verified\"] });\n\
        fn start(chat, partner) {\n\
            if partner.shops.is_empty() { return chat.say(\"здесь\"); }\n\
            let other = 0;\n\
            let named = 0;\n\
            let board = ratings::network(\"2026-09\");\n\
            for row in board.rows {\n\
                if row.label != () { named += 1; }\n\
                if !row.own { other = row.shop; }\n\
            }\n\
            let kind = \"\";\n\
            try { ratings::history(other); } catch (error) { kind = error.kind; }\n\
            let months = ratings::history(partner.shops[0].id).len();\n\
            chat.say(`Названо ${named} из ${board.count}, чужое: ${kind}, месяцев ${months}`);\n\
        }";
    let mut town = Town::lay().await;
    std::fs::write(town.desk.flow("probe"), PROBE).expect("the folder is ours");
    town.desk.run().await;
    town.comes_to("done", "2026-10-31 01:00").await;
    let anna = town.desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("здесь").await;
    let rows = town.rows(month("2026-09")).await;
    let first = rows.iter().find(|row| row.place == Some(1)).expect("somebody is first");
    let salon = Salon { id: first.salon, title: "Свой".to_owned(), city: None, address: None };
    let partner = Partner { salons: vec![salon], ..crate::store::verified(ANNA) };
    town.desk.kept().introduce(&partner, "Ольга").await.expect("the store is well");
    anna.writes("/go");
    anna.hears("чужое: denied, месяцев 13").await;
    anna.hears("Названо 1 из ").await;
}

#[tokio::test]
async fn through_an_hour_without_the_service_partners_see_the_last_numbers_with_their_time() {
    let mut town = Town::lay().await;
    town.desk.config.services.breaker = borodach::config::Breaker::default();
    town.desk.run().await;
    town.comes_to("done", "2026-10-31 01:00").await;
    let own = Salon {
        id: town.salons.network().salons()[0].id,
        title: "Свой".to_owned(),
        city: None,
        address: None,
    };
    introduce_with(&town.desk, ANNA, "Анна Петрова", vec![own]).await;
    let anna = town.desk.talks(ANNA);
    let asks = async |times: usize| {
        anna.writes("/stats");
        anna.heard("За какие дни", times).await;
        anna.presses("Вчера");
        anna.heard("Выручка:", times).await;
        anna.last().text().to_owned()
    };
    let breaker = async || town.desk.health().await["parts"]["yclients"]["breaker"].clone();
    let known = asks(1).await;
    let money = known.lines().find(|line| line.starts_with("Выручка")).expect("it is told");
    assert!(!known.contains("пока не дал"), "{known}");

    town.salons.faults().add(Rule { endpoint: None, kind: Fault::ServerError, often: Often::Chance(1.0) });
    let before = town.salons.calls(Endpoint::Overall);
    let mut was_open = false;
    for minute in 1..=60 {
        town.clock.turn(Duration::from_mins(1));
        let told = asks(1 + minute).await;
        assert!(told.contains(money), "minute {minute}: {told}");
        // What is younger than five minutes is not asked for anew.
        let says_when = told.contains("Свежих цифр YClients пока не дал, это цифры на 31.10.2026 12:00");
        assert_eq!(says_when, minute >= 5, "minute {minute}: {told}");
        was_open |= breaker().await == "open";
    }
    let calls = town.salons.calls(Endpoint::Overall) - before;
    eprintln!("60 questions in an hour without the service: {calls} calls");
    assert!(was_open, "the service is left alone for a while");
    assert!((1..=60).contains(&calls), "{calls} calls for 60 questions");

    town.salons.faults().clear();
    town.clock.turn(Duration::from_mins(1));
    let told = asks(62).await;
    assert!(!told.contains("пока не дал"), "{told}");
    assert_eq!(breaker().await, "closed");
}

#[tokio::test]
async fn a_command_does_not_wait_for_a_slow_service() {
    const NEVER: Duration = Duration::from_hours(1);
    let mut town = Town::lay().await;
    // Without the command the talk would wait for longer than the test.
    (town.desk.config.yclients.request_timeout, town.desk.config.services.deadline) = (NEVER, NEVER);
    town.desk.run().await;
    town.comes_to("done", "2026-10-31 01:00").await;
    let own = |salon: &borodach::sandbox::network::Salon| Salon {
        id: salon.id,
        title: format!("Салон {}", salon.id),
        city: None,
        address: None,
    };
    let shops = town.salons.network().salons().iter().take(2).map(own).collect();
    introduce_with(&town.desk, ANNA, "Анна Петрова", shops).await;
    let anna = town.desk.talks(ANNA);
    anna.writes("/stats");
    anna.hears("За какие дни").await;
    let before = town.salons.calls(Endpoint::Overall);
    town.salons.faults().add(Rule { endpoint: None, kind: Fault::Slow(NEVER), often: Often::Chance(1.0) });
    anna.presses("Вчера");
    town.desk.until("the service is asked", async || town.salons.calls(Endpoint::Overall) > before).await;
    anna.writes("/start");
    anna.hears("Чем помочь?").await;
    assert_eq!(anna.count("YClients сейчас не отвечает"), 1, "{}", anna.transcript());
    town.salons.faults().clear();
    anna.writes("/stats");
    anna.heard("За какие дни", 2).await;
    anna.presses("Вчера");
    anna.hears("Итого").await;
}

/// People who have a salon each, in the order of their salons.
async fn crowd(town: &Town, people: std::ops::Range<i64>) -> Vec<Talker<'_>> {
    let mut crowd = Vec::new();
    for (person, salon) in people.zip(town.salons.network().salons()) {
        town.desk.sandbox.person(person, &format!("Партнёр {person}"), None, &format!("+7{person:010}"));
        let own =
            Salon { id: salon.id, title: format!("Салон {}", salon.id), city: None, address: None };
        introduce_with(&town.desk, person, &format!("Партнёр {person}"), vec![own]).await;
        crowd.push(town.desk.talks(person));
    }
    crowd
}

/// Everybody presses at once.
async fn press(crowd: &[Talker<'_>], time: usize) {
    for person in crowd {
        person.writes("/stats");
    }
    for person in crowd {
        person.heard("За какие дни", time).await;
    }
    for person in crowd {
        person.presses("Вчера");
    }
}

#[tokio::test]
async fn while_the_quota_is_spent_everybody_hears_in_time_and_the_numbers_come_after_all() {
    const PEOPLE: std::ops::Range<i64> = 700..730;
    const CROWD: usize = 30;
    let mut town = Town::lay_with(CROWD).await;
    town.desk.run().await;
    town.comes_to("done", "2026-10-31 01:00").await;
    town.desk.stop().await;
    town.desk.config.services.yclients.per_minute = borodach::config::Services::default().yclients.per_minute;
    town.desk.run().await;
    let crowd = crowd(&town, PEOPLE).await;
    let waiting = async || town.desk.health().await["parts"]["yclients"]["waiting"].clone();
    let count = |text: &str| crowd.iter().map(|person| person.count(text)).sum::<usize>();
    let calls = || town.salons.calls(Endpoint::Overall);

    // Five leave at once, and more only as the clock is turned: two hundred a minute.
    let before = calls();
    press(&crowd, 1).await;
    town.desk.until("five are asked, the others wait", async || waiting().await == CROWD - 5).await;
    let told = || count("Выручка:");
    town.desk.until("five have heard", async || told() == 5).await;
    town.clock.turn(Duration::from_millis(9_999));
    town.desk.until("time has passed", async || calls() > before + 5).await;
    town.clock.turn(Duration::from_millis(1));
    let late = || count("Цифры ещё считаются, спросите через минуту");
    town.desk.until("everybody has heard", async || told() + late() == CROWD).await;
    assert!(late() > 0, "somebody had nothing to hear");

    // Nobody asks again, and yet all numbers are there a little later.
    let all_asked = async || {
        town.clock.turn(Duration::from_millis(100));
        calls() >= before + CROWD as u64
    };
    town.desk.until("the loads have gone on", all_asked).await;
    let told_before = told();
    press(&crowd, 2).await;
    town.desk.until("everybody has numbers", async || told() == told_before + CROWD).await;
    assert_eq!(calls(), before + CROWD as u64, "each was asked for once");
    assert_eq!(count("пока не дал"), 0);

    // Six minutes later they are old. Nobody gets fresh ones within three seconds but the five.
    town.clock.turn(Duration::from_mins(6));
    press(&crowd, 3).await;
    town.desk.until("five are asked, the others wait", async || waiting().await == CROWD - 5).await;
    town.clock.turn(Duration::from_secs(3));
    town.desk.until("everybody has numbers", async || told() == told_before + 2 * CROWD).await;
    let old = count("Свежих цифр YClients пока не дал, это цифры на 31.10.2026 12:00");
    assert!((1..=CROWD - 5).contains(&old), "{old} of {CROWD} have heard old numbers");
}

#[tokio::test]
async fn a_month_before_the_opening_is_a_gap_in_the_chart_and_no_zero() {
    let mut town = Town::lay_with(40).await;
    town.desk.run().await;
    town.comes_to("done", "2026-10-31 01:00").await;
    let months: Vec<Month> = (1..=12).rev().map(|back| month("2026-10").back(back)).collect();
    let (first, last) = (months[1].first(), months[11].first());
    let salons = town.salons.network().salons();
    let young = salons.iter().find(|salon| (first..last).contains(&salon.opened) && salon.closed.is_none());
    let young = young.expect("of forty some opened within the year");
    let own = Salon { id: young.id, title: "Новый".to_owned(), city: None, address: None };
    introduce_with(&town.desk, ANNA, "Анна Петрова", vec![own]).await;
    let anna = town.desk.talks(ANNA);
    let line = async |what: &str, named: &str| -> Vec<Option<f64>> {
        anna.hears(what).await;
        let calls = town.desk.texts("select call from outbox where chat_id = $1 order by id", ANNA).await;
        let call = calls.iter().rev().find(|call| call.contains("points")).expect("the chart is decided");
        points(&call.parse().expect("JSON"), named).expect("the line is there")
    };
    anna.writes("/dynamics");
    let revenue = line("Выручка, сентябрь 2026", "Ваш барбершоп").await;
    anna.presses("👥 Клиенты");
    let clients = line("Клиенты: новые и вернувшиеся, сентябрь 2026", "Ваши новые").await;
    for line in [revenue, clients] {
        assert_eq!(line.len(), 12);
        for (month, point) in months.iter().zip(&line) {
            let was_open = young.opened <= month.last();
            assert_eq!(point.is_some(), was_open, "{month}, opened {}: {line:?}", young.opened);
            assert_ne!(*point, Some(0.0), "{month}: {line:?}");
        }
    }
}

/// The points of the line of this name, wherever the chart is.
fn points(value: &serde_json::Value, name: &str) -> Option<Vec<Option<f64>>> {
    if value["name"] == name {
        return serde_json::from_value(value["points"].clone()).ok();
    }
    match value {
        serde_json::Value::Array(items) => items.iter().find_map(|item| points(item, name)),
        serde_json::Value::Object(fields) => fields.values().find_map(|item| points(item, name)),
        _ => None,
    }
}
