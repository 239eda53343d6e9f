//! The `YClients` client bears every habit of the service. A habit a test.

mod suggest;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use borodach::clock::{ManualClock, Timestamp};
use borodach::config;
use borodach::http::{
    self, BreakerSettings, ClientSettings, Kind, Policy, Scope, Service, Throttle, Verdict,
};
use borodach::money::Kopecks;
use borodach::sandbox::network::{Network, Salon};
use borodach::sandbox::yclients::{Endpoint, Fault, Form, Limits, Oddities, Refused, YClients};
use borodach::yclients::{
    Attendance, ChainId, Change, Chart, Client, CompanyId, Error, Line, Overall, Period, Refusal, Share,
};
use chrono::{Days, NaiveDate};
use insta::assert_snapshot;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::sandbox_yclients::{day, today};

/// 2026-03-15 09:00 UTC, a Sunday.
pub const NOW: Timestamp = Timestamp(1_773_565_200_000);
const SECRET: &str = "hush-hush-user-token";

/// Pauses that tests can wait for, and deadlines long enough for a turned clock.
pub fn policy() -> Policy {
    Policy {
        attempts: 3,
        first: Duration::from_millis(1),
        factor: 2,
        floor: Duration::from_millis(1),
        cap: Duration::from_millis(5),
        deadline: Duration::from_mins(20),
        background_deadline: Duration::from_mins(20),
    }
}

/// A client of whatever listens at `url`, in the name of the sandbox's user.
pub fn client(url: url::Url, throttle: Throttle, clock: Arc<ManualClock>) -> (Client, Service) {
    crate::crypto();
    let settings = config::Yclients {
        api_url: url,
        partner_token: Some(YClients::PARTNER.into()),
        user_token: Some(YClients::USER.into()),
        chain_id: Some(Network::CHAIN),
        request_timeout: Duration::from_secs(10),
        ..config::Yclients::default()
    };
    let never = BreakerSettings { failures: None, ..BreakerSettings::default() };
    let service = Service::new("yclients", policy(), throttle, never, clock.clone());
    let http = http::client(&ClientSettings::default()).expect("the provider is installed");
    (Client::new(&settings, service.clone(), http, clock), service)
}

/// A sandbox of so many salons without limits, and a clock.
pub async fn sandbox(salons: usize) -> (YClients, Arc<ManualClock>) {
    crate::crypto();
    let clock = ManualClock::new(NOW);
    let addr = SocketAddr::from(([127, 0, 0, 1], 0));
    let network = Network::new(salons, today(), 7);
    let sandbox = YClients::start(addr, network, clock.clone()).await.expect("loopback is free");
    sandbox.set_limits(Limits::OFF);
    (sandbox, clock)
}

struct Desk {
    sandbox: YClients,
    clock: Arc<ManualClock>,
    client: Client,
}

impl Desk {
    async fn of(salons: usize) -> Desk {
        let (sandbox, clock) = sandbox(salons).await;
        let (client, _) = client(sandbox.url(), Throttle::new("yclients", &[]), clock.clone());
        Desk { sandbox, clock, client }
    }

    async fn start() -> Desk {
        Desk::of(300).await
    }

    fn old(&self) -> &Salon {
        let network = self.sandbox.network();
        let mut salons = network.salons().iter();
        salons.find(|salon| salon.opened < network.since() && salon.closed.is_none()).expect("most are")
    }

    fn id(&self) -> CompanyId {
        CompanyId(self.old().id)
    }

    async fn february(&self) -> Result<Overall, Error> {
        self.client.overall(self.id(), february()).await
    }
}

fn february() -> Period {
    Period::month(2026, 2).expect("a month")
}

fn period(from: NaiveDate, to: NaiveDate) -> Period {
    Period::new(from, to).expect("in order")
}

/// A server that answers what it is told, the last answer for ever, and writes down what it was asked.
#[derive(Clone, Default)]
struct Stub(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    answers: VecDeque<Said>,
    asked: Vec<(String, HeaderMap)>,
}

#[derive(Clone)]
struct Said {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Said {
    fn json(status: u16, body: impl Into<Vec<u8>>) -> Said {
        Said { status, headers: vec![("content-type", "application/json".to_owned())], body: body.into() }
    }

    fn html(status: u16) -> Said {
        let body = b"<html><body><h1>Sorry</h1></body></html>".to_vec();
        Said { status, headers: vec![("content-type", "text/html".to_owned())], body }
    }

    fn with(mut self, name: &'static str, value: &str) -> Said {
        self.headers.push((name, value.to_owned()));
        self
    }
}

impl Stub {
    async fn start() -> (Stub, url::Url) {
        let stub = Stub::default();
        let answer = async |State(stub): State<Stub>, request: Request| stub.answer(&request);
        let router = axum::Router::new().fallback(answer).with_state(stub.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback is free");
        let url = format!("http://{}/api/v1", listener.local_addr().expect("it listens"));
        tokio::spawn(axum::serve(listener, router).into_future());
        (stub, url.parse().expect("a URL"))
    }

    fn says(&self, answers: impl IntoIterator<Item = Said>) {
        self.0.lock().expect("no panic").answers = answers.into_iter().collect();
    }

    fn asked(&self) -> Vec<(String, HeaderMap)> {
        std::mem::take(&mut self.0.lock().expect("no panic").asked)
    }

    fn answer(&self, request: &Request) -> Response {
        let mut script = self.0.lock().expect("no panic");
        script.asked.push((request.uri().to_string(), request.headers().clone()));
        let said = match script.answers.len() {
            0 => Said::json(404, ""),
            1 => script.answers[0].clone(),
            _ => script.answers.pop_front().expect("it is not empty"),
        };
        let status = StatusCode::from_u16(said.status).expect("a status");
        let mut response = (status, said.body).into_response();
        response.headers_mut().clear();
        for (name, value) in said.headers {
            let value = HeaderValue::from_str(&value).expect("a value");
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
        response
    }
}

/// A client of a stub, on a clock of its own.
async fn stubbed() -> (Stub, Client, Arc<ManualClock>) {
    let (stub, url) = Stub::start().await;
    let clock = ManualClock::new(NOW);
    let (client, _) = client(url, Throttle::new("yclients", &[]), clock.clone());
    (stub, client, clock)
}

/// The answer of the facts: one month of a salon.
fn sample() -> Value {
    let money = |now: &str, before: &str, change: i64| json!({"current_sum": now, "previous_sum": before, "change_percent": change, "currency": {"symbol": "₽"}});
    json!({"success": true, "data": {
        "income_total_stats": money("1434750", "1453350", -1),
        "income_services_stats": money("1250400", "1302150", -3),
        "income_goods_stats": money("184350", "151200", 21),
        "income_average_stats": money("2049.64", "2032.66", 0),
        "income_average_services_stats": money("1786.29", "1821.19", -1),
        "fullness_stats": {"current_percent": 61.3, "previous_percent": 58, "change_percent": 5},
        "record_stats": {
            "current_completed_count": 612, "current_completed_percent": 87,
            "current_pending_count": 48, "current_pending_percent": 7,
            "current_canceled_count": 40, "current_canceled_percent": 6,
            "current_total_count": 700, "previous_total_count": 715, "change_percent": -2},
        "client_stats": {
            "total_count": 8420, "new_count": 98, "new_percent": 16, "return_count": 498, "return_percent": 84,
            "active_count": 596, "lost_count": 143, "lost_percent": 2}},
        "meta": []})
}

// How it asks.

#[tokio::test]
async fn every_call_carries_both_tokens_in_one_header_and_the_media_type() {
    let (stub, client, _) = stubbed().await;
    stub.says([Said::json(200, sample().to_string())]);
    client.overall(CompanyId(7), february()).await.expect("an answer");
    let asked = stub.asked();
    let (address, headers) = &asked[0];
    assert_eq!(address, "/api/v1/company/7/analytics/overall/?date_from=2026-02-01&date_to=2026-02-28");
    let token = format!("Bearer {}, User {}", YClients::PARTNER, YClients::USER);
    assert_eq!(headers["authorization"], token.as_str());
    assert_eq!(headers["accept"], "application/vnd.yclients.v2+json");
    assert_eq!(headers["content-type"], "application/json");
}

#[tokio::test]
async fn a_redirect_is_not_followed_for_it_would_take_the_tokens_away() {
    let (stub, client, _) = stubbed().await;
    let elsewhere = Said { status: 301, headers: Vec::new(), body: Vec::new() };
    stub.says([elsewhere.with("location", "/api/v2/elsewhere")]);
    let error = february_of(&client, 7).await.expect_err("a redirect is no answer");
    assert_eq!((error.verdict(), stub.asked().len()), (Verdict::AskPerson, 1));
    assert!(error.to_string().contains("YCLIENTS_API_URL"), "{error}");
}

async fn february_of(client: &Client, id: i64) -> Result<Overall, Error> {
    client.overall(CompanyId(id), february()).await
}

// Salons.

#[tokio::test]
async fn the_salons_of_the_chain_come_from_all_pages_in_order_and_no_strangers() {
    let desk = Desk::of(650).await;
    let salons = desk.client.salons().await.expect("salons");
    let expected: Vec<i64> = desk.sandbox.network().salons().iter().map(|salon| salon.id).collect();
    assert_eq!(salons.iter().map(|salon| salon.id.0).collect::<Vec<_>>(), expected);
    assert_eq!(desk.sandbox.calls(Endpoint::Companies), 4, "three pages and an empty one");
    let (first, known) = (&salons[0], &desk.sandbox.network().salons()[0]);
    assert_eq!((first.title.as_str(), first.city.as_deref()), (known.title.trim(), Some(known.city)));
    assert_eq!(first.zone().map(chrono_tz::Tz::name), Some(known.zone));
    assert_eq!(salons.iter().filter(|salon| salon.is_active == Some(false)).count(), {
        desk.sandbox.network().salons().iter().filter(|salon| salon.closed.is_some()).count()
    });
}

#[tokio::test]
async fn a_filter_the_service_ignores_brings_no_strangers() {
    let desk = Desk::start().await;
    desk.sandbox.set_oddities(Oddities { filter_ignored: true, ..Oddities::default() });
    let salons = desk.client.salons().await.expect("salons");
    assert_eq!((salons.len(), salons[0].id.0), (300, desk.sandbox.network().salons()[0].id));
}

#[tokio::test]
async fn without_the_right_to_groups_the_companies_of_the_chain_are_believed() {
    let desk = Desk::start().await;
    desk.sandbox.set_oddities(Oddities { no_groups: true, ..Oddities::default() });
    assert_eq!(desk.client.salons().await.expect("salons").len(), 300);
}

#[tokio::test]
async fn a_chain_that_is_not_there_is_an_error_and_never_another_chain() {
    let desk = Desk::start().await;
    for no_groups in [false, true] {
        desk.sandbox.set_oddities(Oddities { no_groups, ..Oddities::default() });
        let error = of_chain(&desk, Some(5)).salons().await.expect_err("there is no chain 5");
        let seen =
            if no_groups { vec![] } else { vec![ChainId(YClients::OTHER_CHAIN), ChainId(Network::CHAIN)] };
        assert_eq!(error, Error::NoSuchChain { chain: ChainId(5), seen });
    }
    assert_eq!(of_chain(&desk, None).salons().await, Err(Error::NoChain));
    desk.sandbox.set_oddities(Oddities::default());
    let chains = desk.client.whoami().await.expect("chains");
    assert_eq!(
        chains.iter().map(|chain| (chain.id.0, chain.salons)).collect::<Vec<_>>(),
        [(900_001, 2), (900_318, 300)]
    );
}

fn of_chain(desk: &Desk, chain_id: Option<i64>) -> Client {
    let settings = config::Yclients {
        api_url: desk.sandbox.url(),
        partner_token: Some(YClients::PARTNER.into()),
        user_token: Some(YClients::USER.into()),
        chain_id,
        ..config::Yclients::default()
    };
    let throttle = Throttle::new("yclients", &[]);
    let service =
        Service::new("yclients", policy(), throttle, BreakerSettings::default(), desk.clock.clone());
    let http = http::client(&ClientSettings::default()).expect("the provider is installed");
    Client::new(&settings, service, http, desk.clock.clone())
}

#[tokio::test]
async fn a_list_that_repeats_its_first_page_is_an_error_and_no_endless_loop() {
    let (stub, client, _) = stubbed().await;
    let groups = json!({"success": true, "data": [{"id": "900318", "title": "Сеть", "companies": []}]});
    let page = json!({"success": true, "data": [{"id": 7, "title": "Казань"}], "meta": []});
    stub.says([Said::json(200, groups.to_string()), Said::json(200, page.to_string())]);
    let error = client.salons().await.expect_err("it never ends");
    assert_snapshot!(error, @"YClients answered `companies` with what cannot be so: `data`: repeats the rows of the pages before");
}

#[tokio::test]
async fn a_company_is_read_whether_its_id_is_text_or_a_number_and_its_chain_a_map_or_a_list() {
    let desk = Desk::start().await;
    for lists_for_maps in [false, true] {
        desk.sandbox.set_oddities(Oddities { lists_for_maps, ..Oddities::default() });
        for salon in &desk.sandbox.network().salons()[..2] {
            let company = desk.client.company(CompanyId(salon.id)).await.expect("a salon");
            assert_eq!((company.salon.id.0, company.chain), (salon.id, Some(ChainId(Network::CHAIN))));
            assert_eq!(company.currency.as_deref(), Some("₽"));
        }
    }
    let error = desk.client.company(CompanyId(1)).await.expect_err("it is not there");
    assert_eq!((error.kind().word(), error.verdict()), ("not_found", Verdict::GiveUp));
    assert_snapshot!(error, @"YClients refused `company`: 404 Филиал не найден.");
}

// Numbers.

#[tokio::test]
async fn every_block_of_the_numbers_is_read() {
    let (stub, client, _) = stubbed().await;
    stub.says([Said::json(200, sample().to_string())]);
    let overall = february_of(&client, 7).await.expect("an answer");
    let money = |now, before, percent| Change {
        current: Kopecks(now),
        previous: Some(Kopecks(before)),
        percent: Some(percent),
    };
    assert_eq!((overall.company, overall.currency.as_deref()), (CompanyId(7), Some("₽")));
    assert_eq!(overall.income.total, money(143_475_000, 145_335_000, -1));
    assert_eq!(overall.income.services, money(125_040_000, 130_215_000, -3));
    assert_eq!(overall.income.goods, money(18_435_000, 15_120_000, 21));
    assert_eq!(overall.income.average, Some(money(204_964, 203_266, 0)));
    assert_eq!(overall.income.average_services, Some(money(178_629, 182_119, -1)));
    assert_eq!(overall.fullness, Some(Change { current: 61.3, previous: Some(58.0), percent: Some(5) }));
    assert_eq!(overall.records.completed, Share { count: 612, percent: Some(87) });
    assert_eq!(overall.records.pending, Share { count: 48, percent: Some(7) });
    assert_eq!(overall.records.canceled, Share { count: 40, percent: Some(6) }, "with one l");
    assert_eq!(overall.records.total, Change { current: 700, previous: Some(715), percent: Some(-2) });
    assert_eq!((overall.clients.total, overall.clients.active), (8420, Some(596)));
    assert_eq!(overall.clients.new, Share { count: 98, percent: Some(16) });
    assert_eq!(overall.clients.returned, Some(Share { count: 498, percent: Some(84) }));
    assert_eq!(overall.clients.lost, Some(Share { count: 143, percent: Some(2) }));
}

#[tokio::test]
async fn sums_are_the_same_kopecks_as_text_as_numbers_and_with_spaces() {
    let desk = Desk::start().await;
    let totals = desk.sandbox.network().totals(desk.old(), day(2026, 2, 1), day(2026, 2, 28));
    let odd = [
        Oddities::default(),
        Oddities { money_as_numbers: true, ..Oddities::default() },
        Oddities { spaced_sums: true, ..Oddities::default() },
        Oddities { lists_for_maps: true, ..Oddities::default() },
    ];
    for oddities in odd {
        desk.sandbox.set_oddities(oddities);
        let overall = desk.february().await.unwrap_or_else(|error| panic!("{oddities:?}: {error}"));
        assert_eq!(overall.income.total.current, totals.sum.income(), "{oddities:?}");
        assert_eq!(overall.income.goods.current, totals.sum.goods, "{oddities:?}");
        assert_eq!(
            overall.income.average.map(|average| average.current),
            Some(totals.average),
            "{oddities:?}"
        );
        assert_eq!(overall.currency.is_none(), oddities.lists_for_maps);
    }
}

#[test]
fn money_is_read_to_the_kopeck_or_not_at_all() {
    #[track_caller]
    fn check(text: &str, expected: Option<i64>) {
        assert_eq!(Kopecks::parse(text), expected.map(Kopecks), "{text:?}");
    }
    check("0", Some(0));
    check("338.1", Some(33_810));
    check("2161.51", Some(216_151));
    check("1000.00", Some(100_000));
    check("-12,5", Some(-1250));
    check("\u{2212}12.05", Some(-1205));
    check("1\u{a0}434\u{202f}750,50", Some(143_475_050));
    check("0.005", Some(1));
    check("0.0049", Some(0));
    check("2032.6649999999999999", Some(203_266));
    // No float holds this one.
    check("90071992547409.93", Some(9_007_199_254_740_993));
    check("92233720368547758.07", Some(i64::MAX));
    check("92233720368547758.08", None);
    check("99999999999999999999", None);
    for text in ["", " ", "-", ".5", "1.2.3", "1e3", "NaN", "12 руб", "1,2,3", "--1", "٣"] {
        check(text, None);
    }
}

#[tokio::test]
async fn a_salon_without_visits_has_no_shares_and_that_is_no_error() {
    let desk = Desk::start().await;
    let before = desk.sandbox.network().since() - Days::new(10);
    let overall = desk.client.overall(desk.id(), Period::day(before)).await.expect("an answer");
    assert_eq!(
        overall.income.total,
        Change { current: Kopecks(0), previous: Some(Kopecks(0)), percent: Some(0) }
    );
    assert_eq!(overall.records.completed, Share { count: 0, percent: None });
    let since = Period::day(desk.sandbox.network().since());
    let first = desk.client.overall(desk.id(), since).await.expect("an answer");
    assert_eq!((first.income.total.previous, first.income.total.percent), (Some(Kopecks(0)), None));
}

#[tokio::test]
async fn a_period_above_365_days_is_asked_in_parts_and_summed_where_that_means_something() {
    let desk = Desk::start().await;
    let asked = || desk.sandbox.calls(Endpoint::Overall);
    let year = period(today() - Days::new(364), today());
    let whole = desk.client.overall(desk.id(), year).await.expect("a year");
    assert_eq!((asked(), whole.income.average.is_some(), whole.fullness.is_some()), (1, true, true));

    let from = desk.sandbox.network().since();
    let long = period(from, today());
    let overall = desk.client.overall(desk.id(), long).await.expect("thirteen months");
    assert_eq!(asked(), 3, "two more");
    let totals = desk.sandbox.network().totals(desk.old(), from, today());
    assert_eq!(overall.period, long);
    assert_eq!(overall.income.total, Change { current: totals.sum.income(), previous: None, percent: None });
    assert_eq!(overall.income.services.current + overall.income.goods.current, totals.sum.income());
    assert_eq!(overall.records.total.current, totals.sum.records());
    assert_eq!(overall.records.canceled.count, totals.sum.canceled);
    let share = (totals.sum.canceled * 200 + totals.sum.records()) / (totals.sum.records() * 2);
    assert_eq!(overall.records.canceled.percent, Some(share));
    assert_eq!(overall.clients.total, totals.clients);
    assert_eq!((overall.income.average, overall.fullness), (None, None));
    assert_eq!((overall.clients.returned, overall.clients.active, overall.clients.lost), (None, None, None));
}

#[test]
fn parts_of_a_period_are_its_days_without_gaps_and_overlaps() {
    for days in [1, 364, 365, 366, 730, 731, 1000] {
        let whole = period(day(2024, 1, 31), day(2024, 1, 31) + Days::new(days - 1));
        let parts = whole.parts();
        assert_eq!(parts.iter().map(|part| part.days()).sum::<u64>(), days);
        assert!(parts.iter().all(|part| part.days() <= 365), "{days}");
        assert!(parts.windows(2).all(|pair| pair[0].to().succ_opt() == Some(pair[1].from())), "{days}");
        assert_eq!((parts[0].from(), parts[parts.len() - 1].to()), (whole.from(), whole.to()));
    }
    assert_eq!(Period::new(day(2026, 3, 2), day(2026, 3, 1)), None);
    assert_eq!(february().previous(), Some(period(day(2026, 1, 4), day(2026, 1, 31))));
}

// Charts.

#[tokio::test]
async fn a_line_of_a_chart_is_found_by_its_slug_and_without_slugs_by_its_place() {
    let desk = Desk::start().await;
    let network = desk.sandbox.network();
    for no_slugs in [false, true] {
        desk.sandbox.set_oddities(Oddities { no_slugs, ..Oddities::default() });
        let lines = desk.client.chart(desk.id(), Chart::IncomeDaily, february()).await.expect("a chart");
        let goods = Line::IncomeGoods.of(&lines).expect("the third line");
        assert_eq!((goods.label.as_str(), goods.slug.is_none()), ("Товары", no_slugs));
        let first = network.day(desk.old(), day(2026, 2, 1));
        assert_eq!((goods.points.len(), goods.points[0].day), (28, day(2026, 2, 1)), "not the day before");
        let roubles = format!("{:.2}", goods.points[0].value);
        assert_eq!(roubles, first.goods.to_string());
    }
    let lines = desk.client.chart(desk.id(), Chart::RecordsDaily, february()).await.expect("a chart");
    assert_eq!(Line::RecordsOnline.of(&lines).map(|line| line.label.as_str()), Some("Онлайн-записи"));
    let sources = desk.client.pie(desk.id(), Chart::RecordSource, february()).await.expect("a pie");
    assert_eq!(
        sources.iter().map(|slice| slice.label.as_str()).collect::<Vec<_>>(),
        ["Виджет", "Администратор"]
    );
    // A slug that is not there is not guessed by its place.
    let lines = desk.client.chart(desk.id(), Chart::FullnessDaily, february()).await.expect("a chart");
    desk.sandbox.set_oddities(Oddities::default());
    let income = desk.client.chart(desk.id(), Chart::IncomeDaily, february()).await.expect("a chart");
    assert!(Line::Fullness.of(&income).is_none() && Line::Fullness.of(&lines).is_some());
}

#[tokio::test]
async fn days_of_a_chart_are_midnights_of_utc_or_dates_wherever_the_salon_is() {
    let desk = Desk::start().await;
    let far = desk
        .sandbox
        .network()
        .salons()
        .iter()
        .find(|salon| salon.zone == "Asia/Kamchatka")
        .expect("one is there");
    let ask =
        async || desk.client.chart(CompanyId(far.id), Chart::IncomeDaily, february()).await.expect("a chart");
    let in_millis = ask().await;
    desk.sandbox.set_oddities(Oddities { iso_charts: true, ..Oddities::default() });
    assert_eq!(ask().await, in_millis);
    assert_eq!(in_millis[0].points[27].day, day(2026, 2, 28));
}

#[tokio::test]
async fn a_chart_above_365_days_is_joined_and_a_pie_is_refused() {
    let desk = Desk::start().await;
    let long = period(day(2025, 3, 1), day(2026, 3, 10));
    let lines = desk.client.chart(desk.id(), Chart::IncomeDaily, long).await.expect("a chart");
    assert_eq!(lines[0].points.len() as u64, long.days());
    let error = desk.client.pie(desk.id(), Chart::RecordStatus, long).await.expect_err("it cannot be summed");
    assert_eq!((error.kind().word(), error.verdict()), ("invalid", Verdict::GiveUp));
    assert_snapshot!(error, @"YClients refused `analytics/overall/charts`: 422 Ошибка валидации; `date_to`: The maximum interval is 365 days");
}

#[tokio::test]
async fn a_missing_right_to_charts_does_not_condemn_the_token() {
    let desk = Desk::start().await;
    desk.sandbox.refuse(desk.old().id, Some(Refused::NoRight));
    let chart = desk.client.chart(desk.id(), Chart::IncomeDaily, february()).await.expect_err("401");
    let overall = desk.february().await.expect_err("403");
    for error in [chart, overall] {
        assert_eq!((error.kind().word(), error.is_about_tokens()), ("denied", false), "{error}");
    }
}

// Visits.

#[tokio::test]
async fn visits_come_from_all_pages_by_the_salons_own_clock() {
    let desk = Desk::start().await;
    let days = period(day(2026, 2, 1), day(2026, 2, 28));
    let totals = desk.sandbox.network().totals(desk.old(), days.from(), days.to()).sum;
    for lists_for_maps in [false, true] {
        desk.sandbox.set_oddities(Oddities { lists_for_maps, ..Oddities::default() });
        let before = desk.sandbox.calls(Endpoint::Records);
        let records = desk.client.records(desk.id(), days).await.expect("visits");
        assert_eq!(records.len() as u64, totals.records());
        assert_eq!(desk.sandbox.calls(Endpoint::Records) - before, totals.records().div_ceil(200));
        let came = records.iter().filter(|record| record.attendance == Attendance::Came).count() as u64;
        let lost = records.iter().filter(|record| record.attendance == Attendance::NoShow).count() as u64;
        assert_eq!((came, lost), (totals.completed, totals.canceled));
        let first = &records[0];
        assert_eq!(first.starts_at.to_string(), "2026-02-01 10:00:00");
        assert_eq!(
            (first.length, first.services[0].title.as_str()),
            (Duration::from_mins(55), "Мужская стрижка")
        );
        assert!(records.iter().any(|record| record.is_new_client.is_none()), "a visit without a client");
        assert!(records.iter().all(|record| record.staff.is_some()));
    }
}

// Refusals.

#[tokio::test]
async fn every_answer_that_is_none_has_its_verdict() {
    let (stub, client, clock) = stubbed().await;
    let general =
        |message: &str| json!({"success": false, "data": null, "meta": {"message": message}}).to_string();
    let old = |code: u16, message: &str| {
        json!({"errors": {"code": code, "message": message}, "meta": {"message": message}}).to_string()
    };
    let minute = Verdict::WaitFor(Duration::from_mins(1), Scope::Service);
    let cases = [
        (Said::json(400, general("Недопустимый формат запроса")), "invalid", Verdict::GiveUp),
        (Said::json(401, general("Необходима авторизация")), "denied", Verdict::AskPerson),
        (Said::json(401, old(401, "Необходима авторизация")), "denied", Verdict::AskPerson),
        (Said::json(401, general("Не указан идентификатор партнера")), "denied", Verdict::AskPerson),
        (Said::json(402, general("Payment Required")), "denied", Verdict::AskPerson),
        (Said::json(403, general("Недостаточно прав")), "denied", Verdict::AskPerson),
        (Said::json(403, general("No rights to view the statistics")), "denied", Verdict::AskPerson),
        (
            Said::json(403, general("Необходимо продлить лицензию в филиале с id: 7")),
            "denied",
            Verdict::AskPerson,
        ),
        (Said::html(403), "limit", minute),
        (Said::json(404, general("Не найдено")), "not_found", Verdict::GiveUp),
        (
            Said::json(404, json!({"success": false, "meta": {"errors": [{"message": "нет"}]}}).to_string()),
            "not_found",
            Verdict::GiveUp,
        ),
        (Said::html(404), "not_found", Verdict::GiveUp),
        (Said::json(405, general("Метод не поддерживается")), "invalid", Verdict::GiveUp),
        (Said::json(409, general("Время занято")), "invalid", Verdict::GiveUp),
        (Said::json(422, general("Ошибка валидации")), "invalid", Verdict::GiveUp),
        (Said::json(408, ""), "unavailable", Verdict::Again),
        (Said::html(500), "unavailable", Verdict::Again),
        (Said::json(500, general("Ошибка")), "unavailable", Verdict::Again),
        (Said::html(502), "unavailable", Verdict::Again),
        (Said::html(503), "unavailable", Verdict::Again),
        (Said::html(504), "unavailable", Verdict::Again),
        (Said::json(200, general("Что-то пошло не так")), "rejected", Verdict::GiveUp),
        (Said::json(200, old(403, "Недостаточно прав")), "denied", Verdict::AskPerson),
        (Said::json(200, old(500, "Внутренняя ошибка")), "unavailable", Verdict::Again),
        (Said::json(200, ""), "unavailable", Verdict::LookFirst),
        (Said::json(204, ""), "unavailable", Verdict::LookFirst),
        (Said::html(200), "unavailable", Verdict::LookFirst),
        (Said::json(200, &sample().to_string().as_bytes()[..700]), "unavailable", Verdict::LookFirst),
        (Said::json(200, "[]"), "unavailable", Verdict::GiveUp),
        (Said::json(200, r#"{"success":true}"#), "unavailable", Verdict::GiveUp),
        (Said::json(200, r#"{"success":true,"data":[],"meta":[]}"#), "unavailable", Verdict::GiveUp),
        (Said::json(200, r#"{"success":true,"data":null,"meta":[]}"#), "unavailable", Verdict::GiveUp),
        (Said::json(302, ""), "unavailable", Verdict::AskPerson),
    ];
    for (said, kind, verdict) in cases {
        let shown = format!("{} {}", said.status, String::from_utf8_lossy(&said.body));
        stub.says([said]);
        let error = refusal_of(&client, &clock).await;
        assert_eq!((error.kind().word(), error.verdict()), (kind, verdict), "{shown}: {error}");
        let repeated = matches!(verdict, Verdict::Again | Verdict::LookFirst | Verdict::WaitFor(..));
        assert_eq!(stub.asked().len(), if repeated { 3 } else { 1 }, "{shown}");
    }
    let nobody = "http://127.0.0.1:1/api/v1".parse().expect("a URL");
    let (alone, _) = self::client(nobody, Throttle::new("yclients", &[]), clock.clone());
    let error = february_of(&alone, 7).await.expect_err("nobody listens");
    assert_eq!((error.kind().word(), error.verdict()), ("unavailable", Verdict::Again));
    assert!(!error.to_string().contains("127.0.0.1"), "{error}");
    assert_eq!((Error::NoChain.kind().word(), Error::NoChain.verdict()), ("invalid", Verdict::AskPerson));
    let no_such = Error::NoSuchChain { chain: ChainId(1), seen: Vec::new() };
    assert_eq!((no_such.kind().word(), no_such.verdict()), ("not_found", Verdict::AskPerson));
}

/// The error of the last attempt; whoever waits for the clock is given the time.
async fn refusal_of(client: &Client, clock: &ManualClock) -> Error {
    let mut asking = std::pin::pin!(february_of(client, 7));
    loop {
        tokio::select! {
            biased;
            outcome = &mut asking => return outcome.expect_err("it is no answer"),
            () = tokio::task::yield_now() => clock.turn(Duration::from_millis(50)),
        }
    }
}

#[tokio::test]
async fn an_answer_that_was_lost_once_is_asked_for_again() {
    let desk = Desk::start().await;
    let faults = [
        Fault::ServerError,
        Fault::Unavailable,
        Fault::BadGatewayHtml,
        Fault::Reset,
        Fault::CutJson,
        Fault::EmptyBody,
        Fault::ResetAfterAccept,
    ];
    for fault in faults {
        desk.sandbox.faults().next(Endpoint::Overall, fault, 2);
        desk.february().await.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
    }
    assert_eq!(desk.sandbox.calls(Endpoint::Overall), 3 * faults.len() as u64);
    desk.sandbox.faults().next(Endpoint::Overall, Fault::WrongTypes, 1);
    let error = desk.february().await.expect_err("no value is what it should be");
    assert_eq!(error.verdict(), Verdict::GiveUp, "{error}");
}

#[tokio::test]
async fn a_service_that_answers_too_late_has_not_answered() {
    let desk = Desk::start().await;
    let settings = config::Yclients {
        api_url: desk.sandbox.url(),
        partner_token: Some(YClients::PARTNER.into()),
        user_token: Some(YClients::USER.into()),
        request_timeout: Duration::from_millis(50),
        ..config::Yclients::default()
    };
    let throttle = Throttle::new("yclients", &[]);
    let service =
        Service::new("yclients", policy(), throttle, BreakerSettings::default(), desk.clock.clone());
    let http = http::client(&ClientSettings::default()).expect("the provider is installed");
    let hasty = Client::new(&settings, service, http, desk.clock.clone());
    desk.sandbox.faults().next(Endpoint::Overall, Fault::Slow(Duration::from_secs(5)), 3);
    let error = hasty.overall(desk.id(), february()).await.expect_err("it is slow");
    assert_eq!((error.kind().word(), error.verdict()), ("unavailable", Verdict::LookFirst), "{error}");
}

#[tokio::test]
async fn nobody_sees_the_tokens_in_an_error() {
    let (stub, url) = Stub::start().await;
    let settings = config::Yclients {
        api_url: url,
        partner_token: Some("hush-hush-partner-token".into()),
        user_token: Some(SECRET.into()),
        ..config::Yclients::default()
    };
    let clock = ManualClock::new(NOW);
    let throttle = Throttle::new("yclients", &[]);
    let service = Service::new("yclients", policy(), throttle, BreakerSettings::default(), clock.clone());
    let http = http::client(&ClientSettings::default()).expect("the provider is installed");
    let client = Client::new(&settings, service, http, clock);
    let echo = json!({"success": false, "meta": {"message": format!("Bearer hush-hush-partner-token, User {SECRET}")}});
    stub.says([Said::json(403, echo.to_string())]);
    let error = february_of(&client, 7).await.expect_err("403");
    assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    assert!(error.to_string().contains("Bearer [hidden], User [hidden]"), "{error}");
}

// Too many calls.

/// How long everybody waits after the answer, and after the same answer again; the third is a good one.
async fn waits(said: Said) -> Vec<u64> {
    let (stub, url) = Stub::start().await;
    let clock = ManualClock::new(NOW);
    let (client, service) = client(url, Throttle::new("yclients", &[]), clock.clone());
    stub.says([said.clone(), said, Said::json(200, sample().to_string())]);
    let asking = tokio::spawn(async move { february_of(&client, 7).await });
    let mut waits = Vec::new();
    for _ in 0..2 {
        waits.push(next_wait(&service).await);
        clock.turn(Duration::from_secs(waits[waits.len() - 1]));
    }
    asking.await.expect("no panic").expect("the third attempt is answered");
    waits
}

/// Waits until everybody is told to wait, and returns the seconds.
async fn next_wait(service: &Service) -> u64 {
    loop {
        if let Some(seconds) = service.report()["retry_after_seconds"].as_u64() {
            return seconds;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_service_is_believed_once_and_then_the_minute_is_waited() {
    let words = |seconds: u64| {
        let message = format!("Превышен лимит запросов, попробуйте повторить запрос через {seconds} секунд.");
        json!({"success": false, "data": null, "meta": {"message": message}}).to_string()
    };
    assert_eq!(waits(Said::json(429, words(0))).await, [1, 60], "0 means nothing");
    assert_eq!(waits(Said::json(429, words(7))).await, [7, 60]);
    assert_eq!(waits(Said::json(429, words(3)).with("retry-after", "9")).await, [9, 60]);
    assert_eq!(waits(Said::json(429, words(90))).await, [90, 90]);
    assert_eq!(waits(Said::html(429)).await, [1, 60]);
    assert_eq!(waits(Said::json(200, words(0))).await, [1, 60], "under the status of a success");
    assert_eq!(waits(Said::html(403)).await, [60, 60], "the guard before the service");
}

/// Lets everything that is on its way on this one thread arrive: there is no fact to see from outside.
async fn quiet() {
    for _ in 0..2000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn calls_refused_together_count_as_one_refusal() {
    let (sandbox, clock) = sandbox(300).await;
    sandbox.set_limits(Limits { per_second: Some(1), form: Form::Status, ..Limits::default() });
    let (client, service) = client(sandbox.url(), Throttle::new("yclients", &[]), clock.clone());
    let id = sandbox.network().salons()[0].id;
    let asks = (0..4).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { february_of(&client, id).await })
    });
    let many = futures::future::join_all(asks);
    sandbox.wait_for(|desk| desk.refused_by_limits() == 3).await;
    quiet().await;
    assert_eq!(next_wait(&service).await, 1, "three refusals, and not yet a minute");
    clock.turn(Duration::from_secs(1));
    sandbox.wait_for(|desk| desk.refused_by_limits() == 5).await;
    quiet().await;
    assert_eq!(next_wait(&service).await, 60);
    clock.turn(Duration::from_mins(1));
    let outcomes = many.await.into_iter().map(|outcome| outcome.expect("no panic"));
    let refused: Vec<Error> = outcomes.filter_map(Result::err).collect();
    assert_eq!(refused.iter().map(Error::kind).collect::<Vec<_>>(), [Kind::Limit], "of its three attempts");
}

// What cannot be so.

#[tokio::test]
async fn an_impossible_answer_is_an_error_that_names_the_field() {
    let (stub, client, _) = stubbed().await;
    let mut shown = Vec::new();
    let wrong = [
        ("/data/income_total_stats/current_sum", json!("много")),
        ("/data/income_total_stats/current_sum", json!(1e300)),
        ("/data/income_goods_stats/previous_sum", Value::Null),
        ("/data/income_average_stats", json!([])),
        ("/data/income_services_stats/change_percent", json!("+7 999 000-00-01")),
        ("/data/fullness_stats/current_percent", json!(-3)),
        ("/data/fullness_stats/current_percent", json!("NaN")),
        ("/data/record_stats/current_canceled_count", json!(-1)),
        ("/data/record_stats/current_canceled_count", json!(1.5)),
        ("/data/record_stats/current_completed_count", json!(900)),
        ("/data/record_stats/current_completed_percent", json!(140)),
        ("/data/client_stats/new_count", json!(597)),
        ("/data/client_stats/return_count", json!(u64::MAX)),
        ("/data/client_stats/return_percent", json!({})),
        ("/data", json!("текст")),
    ];
    for (place, value) in wrong {
        let mut answer = sample();
        *answer.pointer_mut(place).expect("the field is there") = value;
        stub.says([Said::json(200, answer.to_string())]);
        shown.push(february_of(&client, 7).await.expect_err("it cannot be so"));
    }
    for (block, field) in [("record_stats", "current_canceled_count"), ("", "client_stats")] {
        let mut answer = sample();
        let map = answer.pointer_mut(format!("/data/{block}").trim_end_matches('/')).expect("a map");
        map.as_object_mut().expect("a map").remove(field);
        stub.says([Said::json(200, answer.to_string())]);
        shown.push(february_of(&client, 7).await.expect_err("something is missing"));
    }
    let lines: Vec<String> = shown
        .iter()
        .map(|error| match error {
            Error::Malformed { path, reason, .. } => format!("{path}: {reason}"),
            other => panic!("{other}"),
        })
        .collect();
    assert_snapshot!(lines.join("\n"), @r#"
    data.income_total_stats.current_sum: is no amount of money
    data.income_total_stats.current_sum: is no amount of money
    data.income_goods_stats.previous_sum: is no amount of money
    data.income_average_stats: invalid length 0, expected struct MoneyWire with 4 elements
    data.income_services_stats.change_percent: is no percent
    data.fullness_stats.current_percent: is below zero
    data.fullness_stats.current_percent: is no number
    data.record_stats.current_canceled_count: is no count
    data.record_stats.current_canceled_count: is no count
    data.record_stats.current_total_count: is less than its parts together
    data.record_stats.current_completed_percent: is no share from 0 to 100
    data.client_stats.new_count: is more than all who came
    data.client_stats.return_count: is too large a number
    data.client_stats.return_percent: invalid type: map, expected text or a number
    data: invalid type: string "…", expected struct Wire
    data.record_stats: missing field `current_canceled_count`
    data: missing field `client_stats`
    "#);
}

#[tokio::test]
async fn another_salon_than_the_one_asked_for_is_an_error() {
    let (stub, client, _) = stubbed().await;
    stub.says([Said::json(200, r#"{"success":true,"data":{"id":8,"title":"Казань"},"meta":[]}"#)]);
    let error = client.company(CompanyId(7)).await.expect_err("it is another");
    assert_snapshot!(error, @"YClients answered `company` with what cannot be so: `data.id`: is that of another salon");
}

#[test]
fn whatever_is_answered_nothing_panics_and_nothing_impossible_is_believed() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (stub, client, _) = runtime.block_on(stubbed());
    let originals = true_answers();
    // Once is enough here: what is lost is not asked for again.
    let mut runner = TestRunner::new(Config { cases: 600, failure_persistence: None, ..Config::default() });
    let endpoint = 0..6_usize;
    let spoiled =
        (endpoint, any::<prop::sample::Index>(), json_value(), any::<prop::sample::Index>(), 0..4_u8);
    let outcome = runner.run(&spoiled, |(endpoint, place, value, cut, how)| {
        let original = &originals[endpoint];
        let body = match how {
            0 => value.to_string().into_bytes(),
            1 => original.to_string().into_bytes()[..cut.index(original.to_string().len())].to_vec(),
            _ => with_one_changed(original, place, &value).to_string().into_bytes(),
        };
        stub.says([Said::json(200, body)]);
        runtime.block_on(believe(&client, endpoint, how == 1))
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

/// Asks, and looks whether an accepted answer can be so.
async fn believe(client: &Client, endpoint: usize, is_cut: bool) -> Result<(), TestCaseError> {
    let id = CompanyId(7);
    let is_accepted = match endpoint {
        0 => client.whoami().await.is_ok(),
        1 => client.company(id).await.is_ok_and(|company| company.salon.id == id),
        2 => match client.overall(id, february()).await {
            Err(_) => false,
            Ok(overall) => {
                let records = overall.records;
                let parts = records.completed.count + records.pending.count + records.canceled.count;
                prop_assert!(parts <= records.total.current);
                prop_assert!(overall.clients.active.is_none_or(|active| overall.clients.new.count <= active));
                prop_assert!(overall.fullness.is_none_or(|fullness| fullness.current.is_finite()));
                true
            }
        },
        3 => client.chart(id, Chart::IncomeDaily, february()).await.is_ok(),
        4 => client.pie(id, Chart::RecordStatus, february()).await.is_ok(),
        _ => client.records(id, february()).await.is_ok(),
    };
    prop_assert!(!(is_accepted && is_cut), "half an answer was believed");
    Ok(())
}

/// What the endpoints answer when all is well, as the test asks for it.
fn true_answers() -> Vec<Value> {
    let chart = json!([{"label": "Выручка", "slug": "income_total", "data": [[1_769_904_000_000_i64, 48200], ["2026-02-02", "51350.5"]]}]);
    let record = json!({
        "id": 1, "company_id": "7", "staff_id": "61", "services": [{"title": "Стрижка", "cost": 1800, "cost_to_pay": 1620.5, "amount": 1}],
        "client": {"is_new": false}, "date": "2026-02-14 11:30:00", "attendance": 1, "online": true, "deleted": 0, "seance_length": 3600,
    });
    vec![
        json!({"success": true, "data": [{"id": 900_318, "title": "Сеть", "companies": [{"id": 7, "title": "Казань"}]}]}),
        json!({"success": true, "data": {"id": 7, "title": "Казань", "timezone_name": "Europe/Moscow", "main_group_id": "900318"}, "meta": []}),
        sample(),
        chart,
        json!([{"label": "Пришёл", "data": 30}]),
        json!({"success": true, "data": [record], "meta": {"page": 1, "total_count": 1}}),
    ]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[-+0-9., eE]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z_]{0,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The same with the value at one place replaced.
fn with_one_changed(original: &Value, place: prop::sample::Index, value: &Value) -> Value {
    fn places(value: &Value, here: &str, all: &mut Vec<String>) {
        all.push(here.to_owned());
        match value {
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(at, item)| places(item, &format!("{here}/{at}"), all));
            }
            Value::Object(map) => {
                map.iter().for_each(|(name, item)| places(item, &format!("{here}/{name}"), all));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut all = Vec::new();
    places(original, "", &mut all);
    let mut changed = original.clone();
    *changed.pointer_mut(&all[place.index(all.len())]).expect("it was there") = value.clone();
    changed
}

// Refusals by salon.

#[tokio::test]
async fn a_salon_that_is_closed_to_us_says_who_mends_it() {
    let desk = Desk::start().await;
    desk.sandbox.refuse(desk.old().id, Some(Refused::NoRight));
    let error = desk.february().await.expect_err("403");
    assert_snapshot!(error, @"YClients refused `analytics/overall`: 403 Нет прав на управление филиалом; give the user of YCLIENTS_USER_TOKEN the right to see the reports of this salon");
    desk.sandbox.refuse(desk.old().id, Some(Refused::Unpaid));
    let error = desk.february().await.expect_err("403");
    assert!(matches!(error, Error::Refused { refusal: Refusal::Licence, company: Some(_), .. }), "{error}");
    desk.sandbox.know_user(false);
    let error = desk.february().await.expect_err("401");
    assert!(error.is_about_tokens(), "{error}");
    assert_snapshot!(error, @"YClients refused `analytics/overall`: 401 Необходима авторизация; get a new user token (it dies with the user's password) and set YCLIENTS_USER_TOKEN");
}
