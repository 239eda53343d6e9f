//! Answers that are kept: fresh, stale, shared, forgotten.

mod shared;

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use borodach::cache::{Cache, Cached, Query};
use borodach::clock::{ManualClock, SharedClock, Timestamp};
use borodach::config;
use borodach::redis::{self, Redis};
use futures::FutureExt as _;
use futures::future::join_all;
use tokio::sync::Notify;

use crate::desk::Desk;

const START: Timestamp = Timestamp(1_700_000_000_000);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// A cache in the process, its clock, and a service that counts who asks.
struct Kept {
    cache: Cache,
    clock: Arc<ManualClock>,
    asked: AtomicU32,
}

impl Kept {
    fn new() -> Kept {
        Kept::with(None)
    }

    fn with(redis: Option<Redis>) -> Kept {
        let clock = ManualClock::new(START);
        let shared = Arc::clone(&clock) as SharedClock;
        let cache = Cache::new(&config::Cache::default(), redis, shared);
        Kept { cache, clock, asked: AtomicU32::new(0) }
    }

    fn salons(&self) -> &Query {
        &self.cache.queries().salons
    }

    /// Asks for the salons; the service answers with how many times it was asked.
    async fn ask(&self) -> Cached<u32> {
        self.ask_as(self.salons()).await
    }

    async fn ask_as(&self, query: &Query) -> Cached<u32> {
        let load = async { Ok::<_, Infallible>(self.asked.fetch_add(1, Ordering::Relaxed) + 1) };
        let Ok(answer) = self.cache.get(query, "all", load).await;
        answer
    }

    /// The same while the service is away.
    async fn ask_in_vain(&self) -> Result<Cached<u32>, &'static str> {
        let load = async {
            self.asked.fetch_add(1, Ordering::Relaxed);
            Err("away")
        };
        self.cache.get(self.salons(), "all", load).await
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }
}

fn fresh(value: u32, loaded_at: Timestamp) -> Cached<u32> {
    Cached { value, loaded_at, is_stale: false }
}

fn stale(value: u32, loaded_at: Timestamp) -> Cached<u32> {
    Cached { value, loaded_at, is_stale: true }
}

#[tokio::test]
async fn each_answer_is_fresh_for_its_own_span() {
    #[track_caller]
    fn check(actual: (u32, u32), query: &Query) {
        assert_eq!(actual, (1, 2), "{}: asked again too early, or not when it was time", query.name);
    }
    for (pick, span) in [
        ((|all| &all.rating) as fn(&borodach::cache::Queries) -> &Query, 60 * MINUTE),
        (|all| &all.salons, 15 * MINUTE),
        (|all| &all.statistics, 5 * MINUTE),
        (|all| &all.stages, 60 * MINUTE),
    ] {
        let kept = Kept::new();
        let query = pick(kept.cache.queries());
        kept.ask_as(query).await;
        kept.clock.turn(span - Duration::from_millis(1));
        kept.ask_as(query).await;
        let before = kept.asked();
        kept.clock.turn(Duration::from_millis(1));
        kept.ask_as(query).await;
        check((before, kept.asked()), query);
    }
}

#[tokio::test]
async fn of_twenty_callers_one_loads_and_all_hear_it() {
    let kept = Kept::new();
    let (asked, answered) = (AtomicU32::new(0), Notify::new());
    let callers = (0..20).map(|_| {
        kept.cache.get(kept.salons(), "all", async {
            asked.fetch_add(1, Ordering::Relaxed);
            answered.notified().await;
            Ok::<_, Infallible>(7)
        })
    });
    // Polled in order: the service answers when everybody has asked.
    let (answers, ()) = tokio::join!(join_all(callers), async { answered.notify_waiters() });
    assert_eq!(answers, vec![Ok(fresh(7, START)); 20]);
    assert_eq!(asked.into_inner(), 1);
}

#[tokio::test]
async fn callers_of_different_keys_do_not_wait_for_one_another() {
    let kept = Kept::new();
    let never = kept.cache.get(kept.salons(), "slow", std::future::pending::<Result<u32, Infallible>>());
    tokio::select! {
        biased;
        _ = never => panic!("it never ends"),
        quick = kept.ask() => assert_eq!(quick, fresh(1, START)),
    }
}

#[tokio::test]
async fn while_one_refreshes_the_others_have_the_stale_answer_at_once() {
    let kept = Kept::new();
    kept.ask().await;
    kept.clock.turn(16 * MINUTE);
    let (asked, answered) = (AtomicU32::new(0), Notify::new());
    let refresh = || {
        kept.cache.get(kept.salons(), "all", async {
            asked.fetch_add(1, Ordering::Relaxed);
            answered.notified().await;
            Ok::<_, Infallible>(2)
        })
    };
    let others = async {
        let others = join_all((0..19).map(|_| refresh())).await;
        answered.notify_waiters();
        others
    };
    let (first, others) = tokio::join!(refresh(), others);
    assert_eq!(first, Ok(fresh(2, START + 16 * MINUTE)));
    assert_eq!(others, vec![Ok(stale(1, START)); 19]);
    assert_eq!(asked.into_inner(), 1);
    assert_eq!(kept.ask().await, fresh(2, START + 16 * MINUTE));
}

#[tokio::test]
async fn a_service_that_is_away_leaves_the_last_answer_with_its_age_for_a_day() {
    let kept = Kept::new();
    kept.ask().await;
    assert_eq!(kept.ask_in_vain().await, Ok(fresh(1, START)), "nobody had to ask");
    kept.clock.turn(15 * MINUTE);
    assert_eq!(kept.ask_in_vain().await, Ok(stale(1, START)));
    kept.clock.turn(DAY - Duration::from_millis(1));
    assert_eq!(kept.ask_in_vain().await, Ok(stale(1, START)));
    kept.clock.turn(Duration::from_millis(1));
    assert_eq!(kept.ask_in_vain().await, Err("away"));
    assert_eq!(kept.ask().await.value, kept.asked(), "it is back");
}

#[tokio::test]
async fn without_a_last_answer_everybody_hears_the_error() {
    let kept = Kept::new();
    let answers = join_all((0..5).map(|_| kept.ask_in_vain())).await;
    assert_eq!(answers, vec![Err("away"); 5]);
    assert_eq!(kept.ask().await.value, 6, "an error is not kept");
}

#[tokio::test]
async fn an_answer_of_another_version_or_shape_is_not_found() {
    let kept = Kept::new();
    let Ok(_) = kept.cache.get(kept.salons(), "all", async { Ok::<_, Infallible>("words".to_owned()) }).await;
    assert_eq!(kept.ask().await.value, 1, "words are no number");
    let next = Query { version: kept.salons().version + 1, ..kept.salons().clone() };
    assert_eq!(kept.ask_as(&next).await.value, 2);
    assert_eq!(kept.ask().await.value, 1, "each version has its own");
}

#[tokio::test]
async fn nothing_is_an_answer_too() {
    let kept = Kept::new();
    for asked in 1..=2 {
        let load = async { Ok::<Option<u32>, Infallible>((asked > 1).then_some(asked)) };
        let Ok(answer) = kept.cache.get(kept.salons(), "all", load).await;
        assert_eq!(answer.value, None);
    }
}

async fn breaks(when: &Notify) -> Result<u32, Infallible> {
    when.notified().await;
    panic!("the loader is broken")
}

#[tokio::test]
async fn a_loader_that_panics_leaves_the_key_to_the_next() {
    let kept = Kept::new();
    let broken = Notify::new();
    let panics = AssertUnwindSafe(kept.cache.get(kept.salons(), "all", breaks(&broken)));
    let (panicked, waiting, ()) =
        tokio::join!(panics.catch_unwind(), kept.ask(), async { broken.notify_waiters() });
    assert!(panicked.is_err());
    assert_eq!(waiting, fresh(1, START));
}

#[tokio::test]
async fn a_loader_that_is_dropped_leaves_the_key_to_the_next() {
    let kept = Kept::new();
    let given_up = Notify::new();
    let dropped = async {
        let never = kept.cache.get(kept.salons(), "all", std::future::pending::<Result<u32, Infallible>>());
        tokio::select! {
            biased;
            _ = never => panic!("it never ends"),
            () = given_up.notified() => {}
        }
    };
    let ((), waiting, ()) = tokio::join!(dropped, kept.ask(), async { given_up.notify_waiters() });
    assert_eq!(waiting, fresh(1, START));
}

#[tokio::test]
async fn a_forgotten_answer_is_asked_for_again() {
    let kept = Kept::new();
    kept.ask().await;
    kept.cache.forget(kept.salons(), "all").await;
    assert_eq!(kept.ask_in_vain().await, Err("away"), "it is not even a last answer");
    assert_eq!(kept.ask().await.value, 3);
    assert_eq!(kept.ask().await.value, 3);
}

#[tokio::test]
async fn what_is_forgotten_while_it_is_loaded_is_not_kept() {
    let kept = Kept::new();
    let load = async {
        kept.clock.turn(Duration::from_millis(1));
        kept.cache.forget(kept.salons(), "all").await;
        Ok::<_, Infallible>(0)
    };
    assert_eq!(kept.cache.get(kept.salons(), "all", load).await, Ok(fresh(0, START)));
    assert_eq!(kept.ask().await.value, 1);
}

#[tokio::test]
async fn the_metrics_tell_hits_from_loads() {
    let desk = Desk::start().await;
    let kept = Kept::new();
    let query = Query { name: "of_the_metrics", ..kept.salons().clone() };
    for _ in 0..3 {
        kept.ask_as(&query).await;
    }
    let text = reqwest::get(desk.url("/metrics")).await.expect("it answers").text().await.expect("a text");
    for line in [
        "cache_requests_total{query=\"of_the_metrics\",outcome=\"loaded\"} 1",
        "cache_requests_total{query=\"of_the_metrics\",outcome=\"hit\"} 2",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
}

/// An address at which nobody listens, with a password.
fn nobody() -> redis::Settings {
    redis::Settings {
        url: "redis://:hush@127.0.0.1:1/0".to_owned().into(),
        prefix: "borodach:test".to_owned(),
        timeout: Duration::from_millis(500),
    }
}

#[tokio::test]
async fn without_redis_the_process_serves_and_nobody_waits() {
    let began = Instant::now();
    let redis = Redis::connect(&nobody()).expect("the address is well formed");
    let kept = Kept::with(Some(redis.clone()));
    for _ in 0..100 {
        assert_eq!(kept.ask().await, fresh(1, START));
        assert_eq!(
            redis.take("calls", &[governor::Quota::per_second(nonzero_ext::nonzero!(1_u32))]).await,
            None
        );
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(kept.cache.report()["status"], "degraded");
    assert!(!format!("{redis:?} {}", kept.cache.report()).contains("hush"));
}

#[tokio::test]
async fn without_redis_the_bot_is_degraded_and_still_at_work() {
    let mut desk = Desk::lay().await;
    desk.config.redis_url = Some(nobody().url);
    desk.run().await;
    let health = desk.health().await;
    assert_eq!(
        (&health["status"], &health["parts"]["cache"]["status"]),
        (&"degraded".into(), &"degraded".into()),
        "{health:#}"
    );
    assert!(!health.to_string().contains("hush"), "{health:#}");
    assert!(reqwest::get(desk.url("/health/ready")).await.expect("it answers").status().is_success());
}

#[tokio::test]
async fn an_address_that_is_not_of_redis_is_refused_without_being_shown() {
    let settings = redis::Settings { url: "http://:hush@cache".to_owned().into(), ..nobody() };
    let refusal = Redis::connect(&settings).expect_err("it is no address of Redis");
    assert!(refusal.to_string().contains("REDIS_URL"), "{refusal}");
    assert!(!format!("{refusal:?}").contains("hush"), "{refusal:?}");
}
