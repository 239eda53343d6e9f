//! The one road to the outside: repeating, waiting, turns, and leaving a dead service alone. Real HTTP to a small
//! server; its clock and the layer's are turned by hand.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use borodach::clock::{Clock as _, ManualClock, Timestamp};
use borodach::http::{
    Attempt, BreakerSettings, Call, ClientSettings, Effect, Failure, HIDDEN, Mask, NotSent, Policy, Priority,
    Scope, Service, Throttle, Verdict, client, sliding,
};
use futures::future::join_all;
use governor::Quota;
use nonzero_ext::nonzero;
use proptest::prelude::*;
use secrecy::SecretString;

use crate::desk::Desk;

const START: Timestamp = Timestamp(1_700_000_000_000);
const SECOND: Duration = Duration::from_secs(1);

/// Pauses short enough for tests.
const POLICY: Policy = Policy {
    attempts: 3,
    first: Duration::from_millis(20),
    factor: 2,
    floor: Duration::from_millis(30),
    cap: Duration::from_millis(60),
    deadline: Duration::from_secs(20),
    background_deadline: Duration::from_mins(10),
};

/// A service that answers 200 unless told otherwise.
struct Outside {
    address: std::net::SocketAddr,
    http: reqwest::Client,
    clock: Arc<ManualClock>,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    /// The next answers: a status, and the seconds of `Retry-After`.
    answers: Mutex<VecDeque<(u16, Option<u64>)>>,
    /// What every call gets when there is no next answer.
    usual: Mutex<Option<u16>>,
    /// What was called, and when: by the turned clock and by the real one.
    calls: Mutex<Vec<(String, Timestamp, Instant)>>,
}

impl Outside {
    async fn start() -> Outside {
        crate::crypto();
        let clock = ManualClock::new(START);
        let seen = Arc::new(Seen::default());
        let state = (Arc::clone(&seen), Arc::clone(&clock));
        let router = axum::Router::new().route("/{endpoint}", axum::routing::get(answer)).with_state(state);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(async move { axum::serve(listener, router).await });
        let http = client(&ClientSettings::default()).expect("loopback needs no certificates");
        Outside { address, http, clock, seen }
    }

    fn service(&self, policy: Policy, quotas: &[Quota], failures: u32) -> Service {
        let failures = std::num::NonZeroU32::new(failures);
        let breaker = BreakerSettings { failures, open_for: Duration::from_secs(10) };
        Service::new("outside", policy, Throttle::new("outside", quotas), breaker, self.clock.clone())
    }

    fn will_answer(&self, answers: &[(u16, Option<u64>)]) {
        self.seen.answers.lock().unwrap().extend(answers);
    }

    fn always_answers(&self, status: u16) {
        *self.seen.usual.lock().unwrap() = Some(status);
    }

    /// One attempt, as a client makes it.
    async fn exchange(&self, endpoint: &str, attempt: Attempt) -> Result<u32, Error> {
        let request = self.http.get(format!("http://{}/{endpoint}", self.address)).timeout(attempt.time_left);
        let response = request.send().await.expect("the server lives");
        let header =
            response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        match response.status().as_u16() {
            200 => Ok(attempt.number),
            status => Err(Error::Status { status, retry_after: header.unwrap_or(0) }),
        }
    }

    async fn calls(&self, service: &Service, call: Call) -> Result<u32, Error> {
        service.call(call, |attempt| self.exchange(call.endpoint, attempt)).await
    }

    fn heard(&self) -> Vec<String> {
        self.seen.calls.lock().unwrap().iter().map(|(endpoint, ..)| endpoint.clone()).collect()
    }

    /// Waits until so many calls have arrived.
    async fn hears(&self, count: usize) {
        until(|| self.heard().len() >= count).await;
    }
}

async fn answer(
    State((seen, clock)): State<(Arc<Seen>, Arc<ManualClock>)>,
    Path(endpoint): Path<String>,
) -> (StatusCode, HeaderMap) {
    seen.calls.lock().unwrap().push((endpoint, clock.now(), Instant::now()));
    let usual = seen.usual.lock().unwrap().unwrap_or(200);
    let (status, seconds) = seen.answers.lock().unwrap().pop_front().unwrap_or((usual, None));
    let header = seconds.map(|seconds| (axum::http::header::RETRY_AFTER, seconds.into()));
    (StatusCode::from_u16(status).expect("a status"), header.into_iter().collect())
}

async fn until(fact: impl Fn() -> bool) {
    let happens = async {
        while !fact() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), happens).await.expect("it happens");
}

/// Lets every task go as far as it can.
async fn quiet() {
    for _ in 0..30 {
        tokio::task::yield_now().await;
    }
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum Error {
    #[error("status {status}")]
    Status { status: u16, retry_after: u64 },
    #[error("not sent: {0}")]
    NotSent(NotSent),
}

impl Failure for Error {
    fn verdict(&self) -> Verdict {
        match self {
            Error::Status { status: 429, retry_after } => {
                Verdict::WaitFor(Duration::from_secs(*retry_after), Scope::Service)
            }
            Error::Status { status: 430, retry_after } => {
                Verdict::WaitFor(Duration::from_secs(*retry_after), Scope::Endpoint)
            }
            Error::Status { status: 503, .. } | Error::NotSent(_) => Verdict::Again,
            Error::Status { status: 500.., .. } => Verdict::LookFirst,
            Error::Status { status: 401, .. } => Verdict::AskPerson,
            Error::Status { .. } => Verdict::GiveUp,
        }
    }

    fn outcome(&self) -> &'static str {
        "failed"
    }

    fn not_sent(_service: &'static str, why: NotSent) -> Error {
        Error::NotSent(why)
    }
}

const fn call(endpoint: &'static str, priority: Priority, effect: Effect) -> Call {
    Call { endpoint, priority, effect }
}

const ASK: Call = call("ask", Priority::Interactive, Effect::Read);
const REPORT: Call = call("report", Priority::Report, Effect::Read);

fn status(status: u16) -> Error {
    Error::Status { status, retry_after: 0 }
}

#[tokio::test]
async fn what_was_surely_not_done_is_repeated_after_growing_pauses() {
    let outside = Outside::start().await;
    let service = outside.service(POLICY, &[], 0);
    outside.will_answer(&[(503, None), (503, None)]);
    assert_eq!(outside.calls(&service, ASK).await, Ok(3));
    let times: Vec<Instant> = outside.seen.calls.lock().unwrap().iter().map(|(.., at)| *at).collect();
    // 20 ms are lifted to the floor of 30, the second pause is 40; each is stretched by up to a half.
    assert!(times[1] - times[0] >= Duration::from_millis(30), "{:?}", times[1] - times[0]);
    assert!(times[2] - times[1] >= Duration::from_millis(40), "{:?}", times[2] - times[1]);
}

#[tokio::test]
async fn three_attempts_are_all_and_the_last_error_is_told() {
    let outside = Outside::start().await;
    let service = outside.service(POLICY, &[], 0);
    outside.always_answers(503);
    assert_eq!(outside.calls(&service, ASK).await, Err(status(503)));
    assert_eq!(outside.heard().len(), 3);
}

#[tokio::test]
async fn a_refusal_is_never_repeated() {
    let outside = Outside::start().await;
    let service = outside.service(POLICY, &[], 0);
    for refusal in [400, 401, 402, 403, 404, 409, 422] {
        outside.will_answer(&[(refusal, None)]);
        assert_eq!(outside.calls(&service, ASK).await, Err(status(refusal)));
    }
    assert_eq!(outside.heard().len(), 7);
}

#[tokio::test]
async fn in_doubt_a_read_is_repeated_and_a_write_is_not() {
    let outside = Outside::start().await;
    let service = outside.service(POLICY, &[], 0);
    outside.will_answer(&[(500, None)]);
    assert_eq!(outside.calls(&service, ASK).await, Ok(2));
    outside.will_answer(&[(500, None)]);
    let write = call("write", Priority::Interactive, Effect::Write);
    assert_eq!(outside.calls(&service, write).await, Err(status(500)));
    assert_eq!(outside.heard(), ["ask", "ask", "write"]);
}

#[tokio::test]
async fn a_services_word_to_wait_is_obeyed_by_all_its_callers() {
    let outside = Outside::start().await;
    let service = outside.service(Policy { deadline: Duration::from_mins(1), ..POLICY }, &[], 0);
    outside.will_answer(&[(429, Some(30))]);
    let turning = async {
        until(|| service.report()["retry_after_seconds"] == 30).await;
        quiet().await;
        outside.clock.turn(29 * SECOND);
        quiet().await;
        assert_eq!(outside.heard().len(), 1, "nobody insists");
        assert_eq!(service.report()["retry_after_seconds"], 1);
        outside.clock.turn(SECOND);
    };
    let others = async {
        until(|| service.report()["retry_after_seconds"] == 30).await;
        join_all((0..5).map(|_| outside.calls(&service, ASK))).await
    };
    let (first, others, ()) = tokio::join!(outside.calls(&service, ASK), others, turning);
    assert_eq!(first, Ok(2));
    assert_eq!(others, vec![Ok(1); 5]);
    let early =
        outside.seen.calls.lock().unwrap().iter().filter(|(_, at, _)| at.since(START) < 30 * SECOND).count();
    assert_eq!(early, 1);
}

#[tokio::test]
async fn a_word_that_concerns_one_endpoint_holds_up_no_other() {
    let outside = Outside::start().await;
    let service = outside.service(POLICY, &[Quota::per_second(nonzero!(100_u32))], 0);
    outside.will_answer(&[(430, Some(10))]);
    let others = async {
        outside.hears(1).await;
        quiet().await;
        assert_eq!(outside.calls(&service, REPORT).await, Ok(1));
        assert_eq!(outside.heard(), ["ask", "report"]);
        outside.clock.turn(10 * SECOND);
    };
    let (held, ()) = tokio::join!(outside.calls(&service, ASK), others);
    assert_eq!(held, Ok(2));
}

#[tokio::test]
async fn a_wait_longer_than_the_deadline_is_told_at_once() {
    let outside = Outside::start().await;
    let service = outside.service(POLICY, &[Quota::per_second(nonzero!(100_u32))], 0);
    outside.will_answer(&[(429, Some(60))]);
    let error = Error::Status { status: 429, retry_after: 60 };
    assert_eq!(outside.calls(&service, ASK).await, Err(error));
    let held = NotSent::Held { retry_after: 60 * SECOND };
    assert_eq!(outside.calls(&service, ASK).await, Err(Error::NotSent(held)));
    assert_eq!(held.retry_after(), Some(60 * SECOND));
    assert_eq!(outside.heard().len(), 1);
    // A report has the time.
    let turning = async {
        until(|| service.report()["waiting"] == 0).await;
        quiet().await;
        outside.clock.turn(60 * SECOND);
    };
    let (report, ()) = tokio::join!(outside.calls(&service, REPORT), turning);
    assert_eq!(report, Ok(1));
}

#[tokio::test]
async fn whoever_waits_already_hears_of_a_wait_that_is_too_long() {
    let outside = Outside::start().await;
    let service = outside.service(POLICY, &[Quota::per_minute(nonzero!(1_u32))], 0);
    assert_eq!(outside.calls(&service, ASK).await, Ok(1));
    let holding = async {
        until(|| service.report()["waiting"] == 3).await;
        service.hold(None, Duration::from_hours(1));
    };
    let calls = join_all((0..3).map(|_| outside.calls(&service, REPORT)));
    let (answers, ()) = tokio::join!(calls, holding);
    let held = Err(Error::NotSent(NotSent::Held { retry_after: Duration::from_hours(1) }));
    assert_eq!(answers, vec![held; 3]);
}

#[tokio::test]
async fn one_deadline_holds_for_all_attempts_and_waits() {
    let outside = Outside::start().await;
    let policy =
        Policy { attempts: 1_000, cap: POLICY.floor, deadline: Duration::from_millis(200), ..POLICY };
    let service = outside.service(policy, &[], 0);
    outside.always_answers(503);
    let started = Instant::now();
    let error = outside.calls(&service, ASK).await.unwrap_err();
    assert!(error == status(503) || error == Error::NotSent(NotSent::Deadline), "{error}");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert!((2..=7).contains(&outside.heard().len()), "{}", outside.heard().len());
    // A turn that never comes.
    let service = outside.service(policy, &[Quota::per_minute(nonzero!(1_u32))], 0);
    outside.always_answers(200);
    assert_eq!(outside.calls(&service, ASK).await, Ok(1));
    let late = outside.calls(&service, ASK).await;
    assert_eq!(late, Err(Error::NotSent(NotSent::Deadline)));
}

#[tokio::test]
async fn an_attempt_is_told_how_much_time_is_left() {
    let outside = Outside::start().await;
    let service = outside.service(POLICY, &[], 0);
    let told = Mutex::new(Vec::new());
    let answer = service.call(ASK, async |attempt: Attempt| {
        told.lock().unwrap().push(attempt.time_left);
        if attempt.number < 3 { Err(status(503)) } else { Ok(attempt.number) }
    });
    assert_eq!(answer.await, Ok(3));
    let told = told.into_inner().unwrap();
    assert!(told[0] <= POLICY.deadline && told.windows(2).all(|pair| pair[1] < pair[0]), "{told:?}");
}

/// Queues calls in this order behind a used-up quota, and tells in which they leave.
async fn leave(outside: &Outside, queued: &[Priority]) -> Vec<usize> {
    let service = outside.service(POLICY, &[Quota::per_second(nonzero!(1_u32))], 0);
    let order = Mutex::new(Vec::new());
    let goes = async |at: usize, priority: Priority| {
        let call = call("turn", priority, Effect::Read);
        let note = async |_: Attempt| {
            order.lock().unwrap().push(at);
            Ok::<_, Error>(())
        };
        service.call(call, note).await.expect("it is its turn once");
    };
    goes(usize::MAX, Priority::Interactive).await;
    let turning = async {
        until(|| service.report()["waiting"] == queued.len()).await;
        for left in 2..queued.len() + 2 {
            outside.clock.turn(SECOND);
            until(|| order.lock().unwrap().len() == left).await;
            quiet().await;
            assert_eq!(order.lock().unwrap().len(), left, "one a second");
        }
    };
    tokio::join!(join_all(queued.iter().enumerate().map(|(at, priority)| goes(at, *priority))), turning);
    order.into_inner().unwrap().split_off(1)
}

#[tokio::test]
async fn people_go_before_reports_and_reports_before_broadcasts() {
    use Priority::{Broadcast, Interactive, Report};
    let outside = Outside::start().await;
    let order = leave(&outside, &[Broadcast, Report, Interactive, Broadcast, Report, Interactive]).await;
    assert_eq!(order, [2, 5, 1, 4, 0, 3]);
}

#[tokio::test]
async fn nobody_waits_for_ever_behind_people() {
    let outside = Outside::start().await;
    let mut queued = vec![Priority::Interactive; 20];
    queued[0] = Priority::Broadcast;
    let order = leave(&outside, &queued).await;
    let place = order.iter().position(|at| *at == 0).expect("it left");
    assert!(place < 8, "the broadcast left as number {place}");
}

#[tokio::test]
async fn a_caller_that_gives_up_leaves_its_place_to_the_next() {
    let outside = Outside::start().await;
    let service = outside.service(POLICY, &[Quota::per_second(nonzero!(1_u32))], 0);
    assert_eq!(outside.calls(&service, ASK).await, Ok(1));
    let impatient = tokio::time::timeout(Duration::from_millis(20), outside.calls(&service, ASK));
    let turning = async {
        until(|| service.report()["waiting"] == 1).await;
        outside.clock.turn(SECOND);
    };
    let (given_up, patient, ()) = tokio::join!(
        impatient,
        async {
            until(|| service.report()["waiting"] == 1).await;
            outside.calls(&service, REPORT).await
        },
        async {
            until(|| service.report()["waiting"] == 2).await;
            until(|| service.report()["waiting"] == 1).await;
            turning.await;
        }
    );
    assert!(given_up.is_err());
    assert_eq!(patient, Ok(1));
    assert_eq!(outside.heard(), ["ask", "report"]);
}

#[tokio::test]
async fn two_sliding_windows_are_kept_and_used_up() {
    let outside = Outside::start().await;
    let quotas = [sliding(nonzero!(5_u32), SECOND), sliding(nonzero!(200_u32), Duration::from_mins(1))];
    let service = outside.service(POLICY, &quotas, 0);
    let times = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..400 {
        let (service, times, clock) = (service.clone(), Arc::clone(&times), Arc::clone(&outside.clock));
        tokio::spawn(async move {
            let note = async |_: Attempt| {
                times.lock().unwrap().push(clock.now().since(START));
                Ok::<_, Error>(())
            };
            service.call(REPORT, note).await.expect("it is its turn once");
        });
    }
    for _ in 0..4_000 {
        quiet().await;
        outside.clock.turn(Duration::from_millis(50));
    }
    let times = times.lock().unwrap().clone();
    assert_eq!(times.len(), 400);
    for (count, span) in [(5, SECOND), (200, Duration::from_mins(1))] {
        let fullest = times.windows(count + 1).find(|calls| calls[count] < calls[0] + span);
        assert_eq!(fullest, None, "more than {count} within {span:?}");
    }
    // 400 calls at 200 a minute are two minutes.
    assert!(times[399] < Duration::from_mins(2).mul_f64(1.05), "{:?}", times[399]);
}

#[tokio::test]
async fn a_service_that_fails_is_left_alone_and_tried_by_one() {
    let outside = Outside::start().await;
    let service = outside.service(Policy { attempts: 1, ..POLICY }, &[], 3);
    outside.always_answers(503);
    let everybody = async || join_all((0..20).map(|_| outside.calls(&service, ASK))).await;
    for _ in 0..3 {
        assert_eq!(service.report()["breaker"], "closed");
        assert_eq!(outside.calls(&service, ASK).await, Err(status(503)));
    }
    let report = service.report();
    assert_eq!((&report["status"], &report["breaker"]), (&"degraded".into(), &"open".into()), "{report:#}");
    assert_eq!((&report["retry_after_seconds"], &report["last_error"]), (&10.into(), &"status 503".into()));
    let open = NotSent::BreakerOpen { retry_after: 10 * SECOND };
    assert!(everybody().await.iter().all(|answer| *answer == Err(Error::NotSent(open))));
    assert_eq!(outside.heard().len(), 3, "nobody knocks");

    outside.clock.turn(10 * SECOND);
    let answers = everybody().await;
    assert_eq!(
        answers.iter().filter(|answer| **answer == Err(status(503))).count(),
        1,
        "one goes as a probe"
    );
    assert_eq!((outside.heard().len(), &service.report()["breaker"]), (4, &"open".into()));

    outside.clock.turn(10 * SECOND);
    outside.always_answers(200);
    assert_eq!(everybody().await.iter().filter(|answer| answer.is_ok()).count(), 1);
    let report = service.report();
    assert_eq!((&report["status"], &report["breaker"]), (&"ok".into(), &"closed".into()), "{report:#}");
    assert!(everybody().await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn refusals_do_not_open_the_breaker() {
    let outside = Outside::start().await;
    let service = outside.service(Policy { attempts: 1, ..POLICY }, &[], 3);
    for refusal in [400, 401, 403, 404, 400, 422] {
        outside.will_answer(&[(refusal, None)]);
        assert_eq!(outside.calls(&service, ASK).await, Err(status(refusal)));
    }
    assert_eq!(service.report()["breaker"], "closed");
}

#[tokio::test]
async fn a_probe_that_is_given_up_gives_its_place_away() {
    let outside = Outside::start().await;
    let service = outside.service(Policy { attempts: 1, ..POLICY }, &[], 1);
    outside.will_answer(&[(503, None)]);
    assert_eq!(outside.calls(&service, ASK).await, Err(status(503)));
    outside.clock.turn(10 * SECOND);
    let never = service.call(ASK, |_| std::future::pending::<Result<u32, Error>>());
    assert!(tokio::time::timeout(Duration::from_millis(10), never).await.is_err());
    assert_eq!(outside.calls(&service, ASK).await, Ok(1));
    assert_eq!(service.report()["breaker"], "closed");
}

#[tokio::test]
async fn an_hour_without_the_service_brings_no_storm_and_reports_wait_it_out() {
    let outside = Outside::start().await;
    let service = outside.service(POLICY, &[], 3);
    outside.always_answers(503);
    // Somebody asks every second, and a few reports are always under way.
    let mut reports = Vec::new();
    for second in 0..3_600 {
        if second >= 3_590 {
            let (service, number) = (service.clone(), second);
            let (http, address) = (outside.http.clone(), outside.address);
            reports.push(tokio::spawn(async move {
                let asks = async |_: Attempt| {
                    let response =
                        http.get(format!("http://{address}/report")).send().await.expect("it lives");
                    if response.status().is_success() { Ok(number) } else { Err(status(503)) }
                };
                service.call(REPORT, asks).await
            }));
        }
        let _ = outside.calls(&service, ASK).await;
        outside.clock.turn(SECOND);
    }
    let calls = outside.heard().len();
    eprintln!("a service that is away for an hour got {calls} calls, {} a minute", calls / 60);
    assert!((300..=450).contains(&calls), "{calls}");
    outside.always_answers(200);
    let come_back = async {
        while !reports.iter().all(tokio::task::JoinHandle::is_finished) {
            outside.clock.turn(SECOND);
            quiet().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), come_back).await.expect("they end");
    for report in reports {
        assert!(report.await.expect("it does not panic").is_ok());
    }
}

#[tokio::test]
async fn what_was_called_is_counted_by_service_endpoint_and_outcome() {
    let outside = Outside::start().await;
    let desk = Desk::start().await;
    let breaker = BreakerSettings { failures: Some(nonzero!(3_u32)), open_for: SECOND };
    let clock = outside.clock.clone();
    let service = Service::new("counted", POLICY, Throttle::new("counted", &[]), breaker, clock);
    outside.will_answer(&[(503, None), (200, None), (503, None), (503, None), (503, None)]);
    assert_eq!(outside.calls(&service, ASK).await, Ok(2));
    assert_eq!(outside.calls(&service, ASK).await, Err(status(503)));
    assert!(matches!(outside.calls(&service, ASK).await, Err(Error::NotSent(_))));
    let text = reqwest::get(desk.url("/metrics")).await.expect("it answers").text().await.expect("a text");
    for line in [
        "api_requests_total{service=\"counted\",endpoint=\"ask\",outcome=\"ok\"} 1",
        "api_requests_total{service=\"counted\",endpoint=\"ask\",outcome=\"failed\"} 4",
        "api_requests_total{service=\"counted\",endpoint=\"ask\",outcome=\"breaker_open\"} 1",
        "api_retries_total{service=\"counted\",endpoint=\"ask\"} 3",
        "api_duration_seconds_count{service=\"counted\",endpoint=\"ask\"} 5",
        "api_breaker_state{service=\"counted\"} 2",
        "api_breaker_state{service=\"telegram\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line}");
    }
}

#[tokio::test]
async fn a_repetition_is_logged_with_service_endpoint_attempt_and_verdict() {
    let outside = Outside::start().await;
    let service = outside.service(POLICY, &[], 0);
    outside.will_answer(&[(503, None)]);
    let lines = Lines::default();
    let written = lines.clone();
    let subscriber =
        tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || written.clone());
    let guard = tracing::subscriber::set_default(subscriber.finish());
    assert_eq!(outside.calls(&service, ASK).await, Ok(2));
    drop(guard);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).expect("a text");
    let line = text.lines().find(|line| line.contains("is tried again")).unwrap_or_else(|| panic!("{text}"));
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(
        (&line["service"], &line["endpoint"], &line["attempt"], &line["verdict"]),
        (&"outside".into(), &"ask".into(), &1.into(), &"again".into())
    );
}

/// What a log wrote.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_client_follows_no_redirect_and_names_a_bad_file_of_certificates() {
    let outside = Outside::start().await;
    outside.will_answer(&[(302, None)]);
    assert_eq!(outside.calls(&outside.service(POLICY, &[], 0), ASK).await, Err(status(302)));
    let missing = ClientSettings { extra_root: Some("no/such.pem".into()), ..ClientSettings::default() };
    let error = client(&missing).expect_err("there is no such file").to_string();
    insta::assert_snapshot!(error, @"cannot read certificates from `no/such.pem`; it must be a PEM file that the bot's user may read");
}

proptest! {
    #[test]
    fn a_masked_text_never_holds_a_secret(
        secrets in prop::collection::vec("[ -~]{6,40}", 1..4),
        words in prop::collection::vec("\\PC{0,12}", 1..6),
    ) {
        // Nobody calls a secret by a part of the sign that hides it.
        prop_assume!(secrets.iter().all(|secret| !HIDDEN.contains(secret.as_str())));
        let mask = Mask::new(secrets.iter().map(|secret| SecretString::from(secret.clone())));
        let mut text = String::new();
        for (at, word) in words.iter().enumerate() {
            let secret = &secrets[at % secrets.len()];
            let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            let quoted = serde_json::Value::from(secret.as_str()).to_string();
            text += &[word.as_str(), secret, &encoded, &quoted].concat();
        }
        let shown = mask.text(&text);
        for secret in &secrets {
            prop_assert!(!shown.contains(secret.as_str()), "{shown}");
        }
    }
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn two_instances_keep_to_one_budget_through_redis() {
    crate::crypto();
    let prefix = format!("borodach:test:http:{}", std::process::id());
    let settings = borodach::redis::Settings { url: redis_url().into(), prefix, timeout: SECOND };
    let instance = || {
        let redis = borodach::redis::Redis::connect(&settings).expect("the address is well formed");
        let quota = Quota::per_second(nonzero!(40_u32)).allow_burst(nonzero!(5_u32));
        let throttle = Throttle::shared("outside", &[quota], redis.clone());
        let clock = Arc::new(borodach::clock::SystemClock);
        (redis, Service::new("outside", POLICY, throttle, BreakerSettings::default(), clock))
    };
    let instances = [instance(), instance()];
    until(|| instances.iter().all(|(redis, _)| redis.is_up())).await;
    let started = Instant::now();
    let calls = (0..45).map(|at| {
        let service = &instances[at % 2].1;
        service.call(ASK, async |_: Attempt| Ok::<_, Error>(()))
    });
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    let took = started.elapsed();
    // Five at once, then forty at forty a second; each on its own would be done in less than half of it.
    assert!((Duration::from_millis(990)..Duration::from_secs(5)).contains(&took), "{took:?}");
}

#[expect(clippy::disallowed_methods, reason = "where the test server is, is no setting of the bot")]
fn redis_url() -> String {
    std::env::var("TEST_REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379/0".into())
}
