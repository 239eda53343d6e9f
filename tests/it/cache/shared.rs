//! What instances share through Redis, and what they lose when it goes: time, and nothing else.

mod processes;

use std::num::NonZeroU32;
use std::process::{Child, Command, Stdio};

use governor::Quota;
use nonzero_ext::nonzero;
use tempfile::TempDir;

use super::*;

/// Long enough for a machine with much to do; the longest an outage may cost a call is some of these.
const TIMEOUT: Duration = Duration::from_secs(1);

/// A Redis of the test's own, so that it may be stopped. Started anew it has forgotten everything.
struct Server {
    process: Option<Child>,
    port: u16,
    password: &'static str,
    folder: TempDir,
}

impl Server {
    fn start(password: &'static str) -> Server {
        let port = free_port();
        let folder = tempfile::tempdir().expect("a place for files");
        let mut server = Server { process: None, port, password, folder };
        server.run();
        server
    }

    fn run(&mut self) {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", ""]);
        command.args(["--appendonly", "no", "--dir"]).arg(self.folder.path());
        if !self.password.is_empty() {
            command.args(["--requirepass", self.password]);
        }
        let process = command.stdout(Stdio::null()).spawn().expect("redis-server is on the PATH");
        self.process = Some(process);
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().and_then(|()| process.wait()).expect("it is our child");
        }
    }

    /// `STOP` freezes it: it keeps its connections and answers nobody. `CONT` lets it go on.
    fn signal(&self, signal: &str) {
        let id = self.process.as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().expect("every Unix has it").success());
    }

    fn settings(&self) -> redis::Settings {
        redis::Settings {
            url: format!("redis://:{}@127.0.0.1:{}/0", self.password, self.port).into(),
            prefix: "borodach:test".to_owned(),
            timeout: TIMEOUT,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A port that nobody listens at, for a process that is told where to.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    listener.local_addr().expect("it listens").port()
}

/// An instance's connection, when it is up.
async fn connected(settings: &redis::Settings) -> Redis {
    let redis = Redis::connect(settings).expect("the address is well formed");
    until("Redis is there", || redis.is_up()).await;
    redis
}

async fn until(what: &str, fact: impl Fn() -> bool) {
    let fact = async {
        while !fact() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), fact).await.unwrap_or_else(|_| panic!("not so: {what}"));
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn what_one_instance_has_asked_the_others_know() {
    let server = Server::start("");
    let settings = server.settings();
    let first = Kept::with(Some(connected(&settings).await));
    let second = Kept::with(Some(connected(&settings).await));
    first.ask().await;
    assert_eq!(second.ask().await, fresh(1, START));
    assert_eq!(second.asked(), 0);
    second.cache.forget(second.salons(), "all").await;
    first.clock.turn(MOMENT);
    assert_eq!(first.ask().await, fresh(2, START + MOMENT), "what one forgets, all forget");
    assert_eq!(second.ask().await.value, 2, "the later of two copies counts");
    assert_eq!(second.asked(), 0);
    assert_eq!(first.cache.report()["status"], "ok");
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn what_is_in_redis_and_cannot_be_read_is_not_found() {
    let server = Server::start("");
    let settings = server.settings();
    let redis = connected(&settings).await;
    let kept = Kept::with(Some(redis.clone()));
    let key = format!("salons:v{}:all", kept.salons().version);
    let of = |version: u32| format!("{{\"version\":{version},\"loaded_at\":{},\"answer\":100}}", START.0 + 1);
    let readable = of(kept.salons().version);
    for broken in [of(99).as_str(), "{", "", "[]", "null", &readable.replace("100", "\"many\"")] {
        assert!(redis.set(&key, broken, DAY).await);
        assert_eq!(Kept::with(Some(redis.clone())).ask().await.value, 1, "{broken}");
    }
    assert!(redis.set(&key, &readable, DAY).await);
    assert_eq!(kept.ask().await.value, 100, "and this is how it would be read");
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_key_of_another_kind_costs_no_connection() {
    let server = Server::start("");
    let settings = server.settings();
    let redis = connected(&settings).await;
    let url = secrecy::ExposeSecret::expose_secret(&settings.url).to_owned();
    let client = ::redis::Client::open(url).expect("the address is well formed");
    let mut direct = client.get_multiplexed_async_connection().await.expect("Redis is there");
    let key = format!("{}:salons:v1:all", settings.prefix);
    let () = ::redis::cmd("RPUSH").arg(&key).arg(1).query_async(&mut direct).await.expect("a list");
    let kept = Kept::with(Some(redis.clone()));
    assert_eq!(kept.ask().await.value, 1);
    let () = ::redis::cmd("DEL").arg(&key).query_async(&mut direct).await.expect("ours");
    assert!(redis.is_up());
    assert_eq!(kept.cache.report()["status"], "degraded", "{}", kept.cache.report());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Redis"]
async fn redis_may_stop_freeze_and_come_back_under_load() {
    let mut server = Server::start("");
    let redis = connected(&server.settings()).await;
    let kept = Arc::new(Kept::with(Some(redis.clone())));
    let (calls, longest) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let load = async |who: u32| {
        loop {
            for n in 0..50 {
                let began = Instant::now();
                let load = async {
                    kept.asked.fetch_add(1, Ordering::Relaxed);
                    Ok::<_, Infallible>(n)
                };
                let Ok(answer) = kept.cache.get(kept.salons(), &format!("{who}-{n}"), load).await;
                assert_eq!(answer.value, n);
                calls.fetch_add(1, Ordering::Relaxed);
                longest.fetch_max(
                    u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX),
                    Ordering::Relaxed,
                );
                tokio::task::yield_now().await;
            }
        }
    };
    let mut passed = Vec::new();
    let story = async {
        let more = async |what: &str| {
            let target = calls.load(Ordering::Relaxed) + 2_000;
            until(what, || calls.load(Ordering::Relaxed) >= target).await;
        };
        more("everybody asks with Redis").await;
        server.stop();
        until("Redis is missed", || !redis.is_up()).await;
        more("everybody asks without Redis").await;
        passed.push(kept.cache.report()["status"] == "degraded");
        server.run();
        until("Redis is back", || redis.is_up()).await;
        more("everybody asks with an empty Redis").await;
        passed.push(kept.cache.report()["status"] == "ok");
        server.signal("-STOP");
        until("Redis is missed again", || !redis.is_up()).await;
        more("everybody asks beside a frozen Redis").await;
        server.signal("-CONT");
        until("Redis is back again", || redis.is_up()).await;
        more("everybody asks with Redis again").await;
    };
    tokio::select! {
        () = story => {}
        _ = join_all((0..8).map(load)) => panic!("they ask for ever"),
    }
    let longest = longest.load(Ordering::Relaxed);
    println!(
        "{} calls while Redis stopped and froze; the longest took {longest} ms",
        calls.load(Ordering::Relaxed)
    );
    assert_eq!(passed, [true, true]);
    assert_eq!(kept.asked(), 400, "each key is asked for once: the process has what Redis lost");
    // A look and a copy; nobody waits twice for a Redis that is known to be away.
    assert!(longest < u32::try_from(2 * TIMEOUT.as_millis() + 500).unwrap(), "{longest} ms");
    kept.cache.forget(kept.salons(), "0-0").await;
    assert!(redis.get("salons:v1:0-0").await.is_some(), "Redis is used again");
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_wrong_password_is_told_and_never_shown() {
    let server = Server::start("made-up-right");
    let mut settings = server.settings();
    connected(&settings).await;
    settings.url = format!("redis://:made-up-wrong@127.0.0.1:{}/0", server.port).into();
    let redis = Redis::connect(&settings).expect("the address is well formed");
    until("Redis has refused", || redis.report()["error"] != "not connected yet").await;
    let told = redis.report().to_string();
    assert!(told.to_lowercase().contains("password"), "{told}");
    assert!(!told.contains("made-up"), "{told}");
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn instances_stay_inside_one_budget() {
    let server = Server::start("");
    let settings = server.settings();
    let (rate, burst, calls) = (nonzero!(100_u32), nonzero!(10_u32), 60);
    let quotas = [Quota::per_second(rate).allow_burst(burst)];
    let taken = AtomicU32::new(0);
    let instance = async || {
        let redis = connected(&settings).await;
        let mut mine = 0;
        while taken.load(Ordering::Relaxed) < calls {
            match redis.take("calls", &quotas).await.expect("Redis is there") {
                Ok(()) => {
                    taken.fetch_add(1, Ordering::Relaxed);
                    mine += 1;
                }
                Err(wait) => tokio::time::sleep(wait).await,
            }
        }
        mine
    };
    let began = Instant::now();
    let (one, two) = tokio::join!(instance(), instance());
    let (took, total) = (began.elapsed(), one + two);
    println!("{one} + {two} calls in {} ms", took.as_millis());
    let allowed = f64::from(burst.get()) + f64::from(rate.get()) * took.as_secs_f64();
    assert!(f64::from(total) <= allowed, "{total} calls where {allowed} are allowed");
    assert!(one > 0 && two > 0);
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn an_empty_quota_takes_nothing_from_the_others() {
    let server = Server::start("");
    let redis = connected(&server.settings()).await;
    let hour = |burst: NonZeroU32| Quota::per_hour(nonzero!(1_u32)).allow_burst(burst);
    let quotas = [hour(nonzero!(5_u32)), hour(nonzero!(2_u32))];
    for _ in 0..2 {
        assert_eq!(redis.take("calls", &quotas).await, Some(Ok(())));
    }
    let first = redis.get("budget:calls:0").await;
    assert!(first.is_some());
    for _ in 0..3 {
        let wait =
            redis.take("calls", &quotas).await.expect("Redis is there").expect_err("the second is empty");
        assert!(wait > 59 * MINUTE && wait <= 60 * MINUTE, "{wait:?}");
    }
    assert_eq!(redis.get("budget:calls:0").await, first);
    assert_eq!(redis.take("others", &quotas).await, Some(Ok(())), "another budget is another");
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_budget_from_a_clock_set_back_is_no_wait_for_hours() {
    let server = Server::start("");
    let redis = connected(&server.settings()).await;
    let quotas = [Quota::per_second(nonzero!(10_u32))];
    // The year 2100, in microseconds.
    assert!(redis.set("budget:calls:0", "4102444800000000", DAY).await);
    let wait = redis.take("calls", &quotas).await.expect("Redis is there").expect_err("it counts as used up");
    assert!(wait <= Duration::from_millis(100), "{wait:?}");
}
