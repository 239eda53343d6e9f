//! The sandbox's `YClients` has the habits of the real one. A fact of its API a test.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use borodach::clock::{ManualClock, Timestamp};
use borodach::money::Kopecks;
use borodach::sandbox::network::{Network, Salon};
use borodach::sandbox::yclients::{
    Delivery, Endpoint, Event, Fault, Form, Limits, Oddities, Refused, Told, YClients,
};
use chrono::{Days, NaiveDate};
use reqwest::header;
use serde_json::{Value, json};

/// 2026-03-15 09:00 UTC, a Sunday.
const NOW: Timestamp = Timestamp(1_773_565_200_000);
const TYPE: &str = "application/vnd.yclients.v2+json";

pub fn today() -> NaiveDate {
    day(2026, 3, 15)
}

pub fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).expect("a day of the calendar")
}

struct Desk {
    sandbox: YClients,
    clock: Arc<ManualClock>,
    http: reqwest::Client,
}

struct Answer {
    status: u16,
    headers: header::HeaderMap,
    body: Value,
    text: String,
}

impl Desk {
    /// A desk without limits.
    async fn start() -> Desk {
        crate::crypto();
        let clock = ManualClock::new(NOW);
        let addr = SocketAddr::from(([127, 0, 0, 1], 0));
        let network = Network::new(300, today(), 7);
        let sandbox = YClients::start(addr, network, clock.clone()).await.expect("loopback is free");
        sandbox.set_limits(Limits::OFF);
        Desk { sandbox, clock, http: client(None) }
    }

    async fn ask(&self, path: &str) -> Answer {
        let token = format!("Bearer {}, User {}", YClients::PARTNER, YClients::USER);
        self.ask_as(path, Some(TYPE), Some(&token)).await
    }

    async fn ask_as(&self, path: &str, media: Option<&str>, token: Option<&str>) -> Answer {
        let mut request = self.http.get(format!("{}{path}", self.sandbox.url()));
        // Without a type of its own the client would send `*/*`.
        request = request.header(header::ACCEPT, media.unwrap_or("*/*"));
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, token);
        }
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("a body");
        Answer { status, headers, body: serde_json::from_str(&text).unwrap_or_default(), text }
    }

    fn salons(&self) -> &[Salon] {
        self.sandbox.network().salons()
    }

    /// A salon that has been open for all of the thirteen months.
    fn old(&self) -> &Salon {
        let since = self.sandbox.network().since();
        self.salons().iter().find(|salon| salon.opened < since && salon.closed.is_none()).expect("most are")
    }

    async fn overall(&self, salon: i64, from: NaiveDate, to: NaiveDate) -> Answer {
        self.ask(&format!("/company/{salon}/analytics/overall/?date_from={from}&date_to={to}")).await
    }
}

fn client(from: Option<IpAddr>) -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.local_address(from).build().expect("the provider is installed")
}

// The network.

#[test]
fn three_hundred_salons_stand_in_sixty_cities() {
    let network = Network::new(300, today(), 7);
    let cities: HashSet<&str> = network.salons().iter().map(|salon| salon.city).collect();
    assert_eq!((network.salons().len(), cities.len()), (300, 60));
    let closed = network.salons().iter().filter(|salon| salon.closed.is_some()).count();
    let fresh = network.salons().iter().filter(|salon| salon.opened > today() - Days::new(91)).count();
    assert!((3..30).contains(&closed) && (10..50).contains(&fresh), "{closed} closed, {fresh} fresh");
}

#[test]
fn salons_are_called_by_many_hands() {
    let network = Network::new(300, today(), 7);
    let titles: Vec<&str> = network.salons().iter().map(|salon| salon.title.as_str()).collect();
    let forms = [
        " - ",
        " – ",
        " — ",
        "р.п.",
        "посёлок",
        "ТЦ",
        "ТРЦ",
        "«",
        "\"",
        "Нижний Новгород",
        "Ростов-на-Дону",
        "Митино",
        "м. ",
        "Бородач",
        "(BORODACH)",
        "г. ",
        "к1",
        " | ",
    ];
    for form in forms {
        assert!(titles.iter().any(|title| title.contains(form)), "no title has `{form}`");
    }
    let brand_first = titles.iter().filter(|title| title.starts_with("BORODACH")).count();
    assert!((80..290).contains(&brand_first), "{brand_first}");
}

#[test]
fn the_same_seed_tells_the_same_numbers_and_another_others() {
    let (one, same, other) =
        (Network::new(300, today(), 7), Network::new(300, today(), 7), Network::new(300, today(), 8));
    let month = |network: &Network| -> Vec<i64> {
        let totals =
            network.salons().iter().map(|salon| network.totals(salon, day(2026, 2, 1), day(2026, 2, 28)));
        totals.map(|totals| totals.sum.income().0).collect()
    };
    assert_eq!(month(&one), month(&same));
    assert_ne!(month(&one), month(&other));
}

#[test]
fn numbers_follow_the_week_the_year_and_the_life_of_a_salon() {
    let network = Network::new(300, today(), 7);
    let old =
        network.salons().iter().filter(|salon| salon.opened < network.since() && salon.closed.is_none());
    let (mut mondays, mut saturdays, mut january, mut december) = (0, 0, 0, 0);
    for salon in old {
        mondays += network.day(salon, day(2026, 2, 2)).records();
        saturdays += network.day(salon, day(2026, 2, 7)).records();
        january += network.totals(salon, day(2026, 1, 1), day(2026, 1, 31)).sum.income().0;
        december += network.totals(salon, day(2025, 12, 1), day(2025, 12, 31)).sum.income().0;
        let nothing = network.day(salon, network.since() - Days::new(1));
        assert_eq!(nothing.records(), 0, "thirteen months are kept");
    }
    assert!(mondays * 14 < saturdays * 10, "{mondays} on Monday, {saturdays} on Saturday");
    assert!(january * 12 < december * 10, "{january} in January, {december} in December");
    let closed = network.salons().iter().find_map(|salon| Some((salon, salon.closed?))).expect("some closed");
    assert_eq!(network.day(closed.0, closed.1 + Days::new(1)).records(), 0);
    let average = december / 290 / 100;
    assert!((500_000..4_000_000).contains(&average), "{average} roubles in December of one salon");
}

// Types, tokens, addresses.

#[tokio::test]
async fn both_media_types_are_answered_and_no_other() {
    let desk = Desk::start().await;
    let token = format!("Bearer {}", YClients::PARTNER);
    for media in [TYPE, "application/vnd.api.v2+json"] {
        assert_eq!(desk.ask_as("/companies", Some(media), Some(&token)).await.status, 200, "{media}");
    }
    for media in [None, Some("application/json")] {
        assert_eq!(desk.ask_as("/companies", media, Some(&token)).await.status, 400, "{media:?}");
    }
}

#[tokio::test]
async fn a_slash_at_the_end_makes_no_difference_and_no_redirect() {
    let desk = Desk::start().await;
    let id = desk.old().id;
    let days = "date_from=2026-03-01&date_to=2026-03-02";
    for path in [format!("/company/{id}"), format!("/company/{id}/analytics/overall")] {
        let (bare, slashed) =
            (desk.ask(&format!("{path}?{days}")).await, desk.ask(&format!("{path}/?{days}")).await);
        assert_eq!((bare.status, &bare.body), (200, &slashed.body), "{path}");
    }
}

#[tokio::test]
async fn tokens_are_read_by_their_exact_syntax() {
    let desk = Desk::start().await;
    let (partner, user) = (YClients::PARTNER, YClients::USER);
    let cases = [
        (Some(format!("Bearer {partner}, User {user}")), 200, ""),
        (Some(format!("Bearer {partner},User {user}")), 401, "Не указан идентификатор партнера"),
        (Some(format!("Bearer {partner} User {user}")), 401, "Не указан идентификатор партнера"),
        (Some(format!("bearer {partner}, User {user}")), 401, "Не указан идентификатор партнера"),
        (Some(format!("Bearer nobody, User {user}")), 401, "Не указан идентификатор партнера"),
        (Some(format!("Bearer {partner}")), 401, "Необходима авторизация"),
        (Some(format!("Bearer {partner}, User nobody")), 401, "Необходима авторизация"),
        (None, 401, "Не указаны авторизационные данные"),
    ];
    for (token, status, message) in cases {
        let answer = desk.ask_as("/groups", Some(TYPE), token.as_deref()).await;
        assert_eq!(answer.status, status, "{token:?}");
        assert_eq!(answer.body["meta"]["message"].as_str().unwrap_or_default(), message, "{token:?}");
    }
    desk.sandbox.know_user(false);
    assert_eq!(desk.ask("/groups").await.status, 401, "the password has changed");
}

#[tokio::test]
async fn an_answer_is_in_an_envelope_escaped_as_php_does() {
    let desk = Desk::start().await;
    let answer = desk.ask(&format!("/companies?group_id={}&count=1", Network::CHAIN)).await;
    assert_eq!((&answer.body["success"], &answer.body["meta"]), (&json!(true), &json!([])));
    assert!(
        answer.text.is_ascii()
            && answer.text.contains("\\u0420\\u043e\\u0441\\u0441\\u0438\\u044f")
            && answer.text.contains("https:\\/\\/")
    );
}

// Salons.

#[tokio::test]
async fn groups_show_another_chain_first_and_titles_alone() {
    let desk = Desk::start().await;
    let groups = desk.ask("/groups").await.body;
    assert_eq!(groups["data"][0]["id"], YClients::OTHER_CHAIN);
    assert_eq!(groups["data"][1]["id"], Network::CHAIN);
    let salons = groups["data"][1]["companies"].as_array().expect("a list");
    assert_eq!(salons.len(), 300);
    assert_eq!(salons[0].as_object().expect("a map").len(), 2);
}

#[tokio::test]
async fn companies_come_by_pages_until_one_is_empty_with_ids_of_two_types() {
    let desk = Desk::start().await;
    let page = async |query: &str| {
        let path = format!("/companies?group_id={}&{query}", Network::CHAIN);
        desk.ask(&path).await.body["data"].as_array().expect("a list").clone()
    };
    assert_eq!(page("").await.len(), 200);
    assert_eq!(page("count=300").await.len(), 300);
    assert_eq!(page("count=1000").await.len(), 300, "the most there is");
    assert_eq!(page("count=300&page=2").await.len(), 0);
    let rows = page("count=2").await;
    assert!(rows[0]["id"].is_i64() && rows[1]["id"].is_string());
    assert_eq!(desk.ask("/companies?group_id=1").await.body["data"], json!([]));
    let closed = desk.salons().iter().filter(|salon| salon.closed.is_some()).count();
    assert_eq!(page("count=300&active=1").await.len(), 300 - closed);
}

#[tokio::test]
async fn a_company_that_is_not_there_is_refused_in_the_old_shape() {
    let desk = Desk::start().await;
    for id in ["1", "abc"] {
        let answer = desk.ask(&format!("/company/{id}/")).await;
        assert_eq!(answer.status, 404);
        let message = "Филиал не найден.";
        let old = json!({"errors": {"code": 404, "message": message}, "meta": {"message": message}});
        assert_eq!(answer.body, old);
    }
    let answer = desk.ask_as("/company/1/", Some(TYPE), None).await;
    assert_eq!((answer.status, &answer.body["errors"]["code"]), (401, &json!(401)));
}

#[tokio::test]
async fn paths_copied_from_other_clients_are_not_found() {
    let desk = Desk::start().await;
    let id = desk.old().id;
    for path in [format!("/company/{id}/finance/transactions"), "/analytics/income".to_owned()] {
        assert_eq!(desk.ask(&path).await.status, 404, "{path}");
    }
}

// Numbers.

#[tokio::test]
async fn the_numbers_of_a_period_keep_their_invariants() {
    let desk = Desk::start().await;
    let periods = [
        (day(2026, 2, 1), day(2026, 2, 28)),
        (day(2026, 3, 15), day(2026, 3, 15)),
        (day(2025, 4, 1), today()),
    ];
    for salon in desk.salons().iter().step_by(17) {
        for (from, to) in periods {
            let answer = desk.overall(salon.id, from, to).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            holds_together(&answer.body["data"]);
        }
    }
}

#[track_caller]
fn holds_together(data: &Value) {
    let money = |block: &str, field: &str| {
        let text = data[block][field].as_str().unwrap_or_else(|| panic!("{block}.{field} is text: {data}"));
        assert!(!text.contains('.') || !text.ends_with('0'), "zeros are dropped: {text}");
        Kopecks::parse(text).expect("an amount").0
    };
    let number = |block: &str, field: &str| {
        data[block][field].as_i64().unwrap_or_else(|| panic!("{block}.{field}: {data}"))
    };
    let blocks = ["income_total_stats", "income_services_stats", "income_goods_stats"];
    let [total, services, goods] = blocks.map(|block| money(block, "current_sum"));
    assert_eq!(total, services + goods);
    for block in blocks {
        let (now, before) = (money(block, "current_sum"), money(block, "previous_sum"));
        let expected = if before == 0 && now != 0 {
            Value::Null
        } else {
            json!(((now - before) * 100).checked_div(before).unwrap_or(0))
        };
        assert_eq!(data[block]["change_percent"], expected, "{block}");
        assert_eq!(data[block]["currency"].as_object().expect("a map").len(), 5);
    }
    let count = |part: &str| number("record_stats", &format!("current_{part}_count"));
    assert_eq!(count("total"), count("completed") + count("pending") + count("canceled"));
    let share = |part: i64, whole: i64| (part * 200 + whole).checked_div(whole * 2);
    for part in ["completed", "pending", "canceled"] {
        assert_eq!(
            data["record_stats"][format!("current_{part}_percent")],
            json!(share(count(part), count("total")))
        );
    }
    let clients = |part: &str| number("client_stats", part);
    assert_eq!(clients("active_count"), clients("new_count") + clients("return_count"));
    assert_eq!(
        clients("return_percent"),
        share(clients("return_count"), clients("active_count")).unwrap_or(0)
    );
    assert_eq!(clients("lost_percent"), share(clients("lost_count"), clients("total_count")).unwrap_or(0));
}

#[tokio::test]
async fn shares_of_nothing_are_null() {
    let desk = Desk::start().await;
    let before = desk.sandbox.network().since() - Days::new(10);
    let data = desk.overall(desk.old().id, before, before).await.body["data"].clone();
    assert_eq!(data["record_stats"]["current_total_count"], 0);
    assert_eq!(data["record_stats"]["current_completed_percent"], Value::Null);
    assert_eq!(data["client_stats"]["new_percent"], 0);
    assert_eq!(data["income_total_stats"]["current_sum"], "0");
    assert_eq!(data["income_total_stats"]["change_percent"], 0);
    desk.sandbox.set_oddities(Oddities { null_for_no_change: true, ..Oddities::default() });
    let data = desk.overall(desk.old().id, before, before).await.body["data"].clone();
    assert_eq!(data["income_total_stats"]["change_percent"], Value::Null);
}

#[tokio::test]
async fn a_day_after_nothing_has_no_change_and_a_day_of_nothing_loses_everything() {
    let desk = Desk::start().await;
    let since = desk.sandbox.network().since();
    let first = desk.overall(desk.old().id, since, since).await.body["data"]["income_total_stats"].clone();
    assert_eq!((&first["previous_sum"], &first["change_percent"]), (&json!("0"), &Value::Null));
    let holiday = desk.overall(desk.old().id, day(2026, 1, 1), day(2026, 1, 1)).await;
    assert_eq!(holiday.body["data"]["income_total_stats"]["change_percent"], -100);
}

#[tokio::test]
async fn above_365_days_and_without_days_nothing_is_counted() {
    let desk = Desk::start().await;
    let id = desk.old().id;
    assert_eq!(desk.overall(id, today() - Days::new(364), today()).await.status, 200);
    let long = desk.overall(id, today() - Days::new(365), today()).await;
    assert_eq!(long.status, 422);
    assert_eq!(long.body["meta"]["errors"], json!({"[date_to]": ["The maximum interval is 365 days"]}));
    for query in ["", "?date_from=2026-03-01", "?date_from=01.03.2026&date_to=02.03.2026"] {
        assert_eq!(desk.ask(&format!("/company/{id}/analytics/overall{query}")).await.status, 422, "{query}");
    }
}

#[tokio::test]
async fn charts_have_no_envelope_and_count_in_midnights_of_utc() {
    let desk = Desk::start().await;
    let path = |name: &str| {
        format!(
            "/company/{}/analytics/overall/charts/{name}/?date_from=2026-03-01&date_to=2026-03-03",
            desk.old().id
        )
    };
    let chart = desk.ask(&path("income_daily")).await.body;
    assert_eq!(chart[0]["slug"], "income_total");
    assert_eq!(chart[0]["data"][0][0], 1_772_323_200_000_i64, "2026-03-01T00:00Z");
    assert_eq!(chart[0]["data"].as_array().expect("a list").len(), 3);
    let records = desk.ask(&path("records_daily")).await.body;
    assert_eq!(records.as_array().expect("a list").len(), 3);
    assert_eq!(records[0].get("slug"), None);
    let pie = desk.ask(&path("record_status")).await.body;
    assert!(pie[0]["data"].is_u64());
    assert_eq!(desk.ask(&path("nothing_daily")).await.status, 404);
}

#[tokio::test]
async fn records_come_by_pages_with_their_number() {
    let desk = Desk::start().await;
    let page = async |query: &str| {
        let path = format!("/records/{}?start_date=2026-03-01&end_date=2026-03-14&{query}", desk.old().id);
        desk.ask(&path).await.body
    };
    let first = page("count=200&page=1").await;
    let total = first["meta"]["total_count"].as_u64().expect("a number");
    let mut ids = HashSet::new();
    for number in 1.. {
        let rows = page(&format!("count=50&page={number}")).await["data"].as_array().expect("a list").clone();
        if rows.is_empty() {
            break;
        }
        ids.extend(rows.iter().map(|row| row["id"].as_i64().expect("a number")));
    }
    assert_eq!(ids.len() as u64, total);
    let day = desk.sandbox.network().totals(desk.old(), day(2026, 3, 1), day(2026, 3, 14)).sum;
    assert_eq!(day.records(), total);
}

// Rights.

#[tokio::test]
async fn a_salon_may_be_closed_to_the_user_while_others_are_not() {
    let desk = Desk::start().await;
    let (id, other) = (desk.salons()[0].id, desk.salons()[1].id);
    desk.sandbox.refuse(id, Some(Refused::NoRight));
    assert_eq!(desk.overall(id, today(), today()).await.status, 403);
    assert_eq!(desk.overall(other, today(), today()).await.status, 200);
    let chart = format!(
        "/company/{id}/analytics/overall/charts/income_daily?date_from=2026-03-01&date_to=2026-03-01"
    );
    assert_eq!(desk.ask(&chart).await.status, 401, "charts say it by another status");
    desk.sandbox.refuse(id, Some(Refused::Unpaid));
    let unpaid = desk.overall(id, today(), today()).await;
    assert_eq!(unpaid.body["meta"]["message"], format!("Необходимо продлить лицензию в филиале с id: {id}"));
    desk.sandbox.refuse(id, None);
    assert_eq!(desk.overall(id, today(), today()).await.status, 200);
}

// Limits.

#[tokio::test]
async fn five_calls_pass_in_a_second_and_two_hundred_in_a_minute() {
    let desk = Desk::start().await;
    desk.sandbox.set_limits(Limits::default());
    let mut passed = 0;
    for second in 0..60 {
        for call in 0..6 {
            let answer = desk.ask("/companies?count=1").await;
            passed += usize::from(answer.status == 200);
            let should_pass = call < 5 && second < 40;
            assert_eq!(answer.status, if should_pass { 200 } else { 429 }, "call {call} of second {second}");
        }
        desk.clock.turn(Duration::from_secs(1));
    }
    assert_eq!((passed, desk.sandbox.refused_by_limits()), (200, 160));
    assert_eq!(desk.ask("/companies?count=1").await.status, 200, "the first second has left the window");
    let elsewhere = Desk { http: client(Some(IpAddr::from([127, 0, 0, 2]))), ..desk };
    for _ in 0..5 {
        assert_eq!(
            elsewhere.ask("/companies?count=1").await.status,
            200,
            "another address has its own count"
        );
    }
}

#[tokio::test]
async fn a_refusal_for_too_many_calls_has_three_forms_and_no_use() {
    let desk = Desk::start().await;
    let refused = async |limits: Limits| {
        desk.sandbox.set_limits(Limits { per_second: Some(0), ..limits });
        desk.ask("/groups").await
    };
    let message = "Превышен лимит запросов, попробуйте повторить запрос через 0 секунд.";
    let body = json!({"success": false, "data": null, "meta": {"message": message}});
    let plain = refused(Limits::default()).await;
    assert_eq!((plain.status, plain.body, plain.headers.get(header::RETRY_AFTER)), (429, body.clone(), None));
    let hidden = refused(Limits { form: Form::Success, ..Limits::default() }).await;
    assert_eq!((hidden.status, hidden.body), (200, body));
    let page = refused(Limits { form: Form::Page, ..Limits::default() }).await;
    assert_eq!((page.status, page.text.starts_with("<html>")), (403, true));
    let kind = refused(Limits { retry_after: Some(7), says_seconds: 3, ..Limits::default() }).await;
    assert_eq!(kind.headers[header::RETRY_AFTER], "7");
    assert!(kind.body["meta"]["message"].as_str().expect("words").contains("через 3 секунд"));
}

// Faults.

#[tokio::test]
async fn faults_strike_the_endpoint_they_are_meant_for() {
    let desk = Desk::start().await;
    let faults = desk.sandbox.faults();
    faults.next(Endpoint::Groups, Fault::ServerError, 1);
    faults.next(Endpoint::Groups, Fault::CutJson, 1);
    faults.next(Endpoint::Groups, Fault::EmptyPage, 1);
    let refusal =
        Fault::Canned { status: 200, body: r#"{"success":false,"data":null,"meta":{"message":"Нет"}}"# };
    faults.next(Endpoint::Groups, refusal, 1);
    assert_eq!(desk.ask("/companies?count=1").await.status, 200);
    let page = desk.ask("/groups").await;
    assert_eq!((page.status, page.text.starts_with("<html>")), (500, true));
    assert_eq!(desk.ask("/groups").await.body, Value::Null, "half of the JSON is none");
    assert_eq!(desk.ask("/groups").await.body["data"], json!([]));
    assert_eq!(desk.ask("/groups").await.body["success"], false);
    assert_eq!(desk.ask("/groups").await.body["success"], true);
}

// Webhooks.

/// A subscriber that answers with `status` and writes down what it hears.
async fn subscriber(status: StatusCode) -> (url::Url, Arc<Mutex<Vec<i64>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listen = async move |State(heard): State<Arc<Mutex<Vec<i64>>>>, Json(event): Json<Value>| {
        heard.lock().expect("no test panics here").push(event["resource_id"].as_i64().expect("a number"));
        status
    };
    let router = axum::Router::new().route("/hook", post(listen)).with_state(heard.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback is free");
    let url = format!("http://{}/hook", listener.local_addr().expect("it listens")).parse().expect("a URL");
    tokio::spawn(axum::serve(listener, router).into_future());
    (url, heard)
}

fn event(id: i64) -> Event {
    Event { company: 700_101, resource: "record", id, status: "update", data: json!({"id": id}) }
}

fn heard(events: &Arc<Mutex<Vec<i64>>>) -> Vec<i64> {
    events.lock().expect("no test panics here").clone()
}

#[tokio::test]
async fn an_event_is_told_after_a_while_once_and_never_again() {
    let desk = Desk::start().await;
    let (url, deaf) = subscriber(StatusCode::INTERNAL_SERVER_ERROR).await;
    desk.sandbox.subscribe(url, Delivery::default());
    desk.sandbox.happen(&event(1));
    desk.clock.turn(Duration::from_secs(4));
    assert_eq!(desk.sandbox.told(), Told { waiting: 1, ..Told::default() });
    desk.clock.turn(Duration::from_secs(1));
    desk.sandbox.wait_for(|desk| desk.told().lost == 1).await;
    assert_eq!((heard(&deaf), desk.sandbox.told().waiting), (vec![1], 0), "a refusal is not told again");
}

#[tokio::test]
async fn events_come_in_any_order_and_twice() {
    let desk = Desk::start().await;
    let (url, events) = subscriber(StatusCode::OK).await;
    desk.sandbox.subscribe(url, Delivery { is_shuffled: true, copies: 2, ..Delivery::default() });
    (1..=10).for_each(|id| desk.sandbox.happen(&event(id)));
    desk.clock.turn(Duration::from_secs(11));
    desk.sandbox.wait_for(|desk| desk.told().heard == 20).await;
    let mut told = heard(&events);
    let in_order: Vec<i64> = (1..=10).flat_map(|id| [id, id]).collect();
    assert_ne!(told, in_order);
    told.sort_unstable();
    assert_eq!(told, in_order);
}
