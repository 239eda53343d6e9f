//! Death and outages: whatever happens to the process or to its database, every talk goes on as if nothing had been.
//!
//! People do here only what they would do: each waits for the bot's words and then acts. A message that was on its
//! way when the bot died may come twice, once a death; nothing else may differ from a smooth talk.

mod broadcasts;
mod commits;
mod doubts;
mod instances;
mod outages;
mod process;
mod writes;

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use borodach::bot::Bot;
use borodach::clock::Timestamp;
use borodach::sandbox::telegram::Telegram;
use borodach::sandbox::telegram::method::Method;
use borodach::store::{self, CrashHook, CrashPoint, DatabaseUrl, Store};
use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::store::{admin, database_url};

/// What a person does.
#[derive(Clone, Copy)]
enum Does {
    Writes(&'static str),
    Presses(&'static str),
    SharesContact,
}

/// A registration: what the person does, and what the bot's last word then holds.
const REGISTRATION: [(Does, &str); 8] = [
    (Does::Writes("/start"), "Начнём с регистрации"),
    (Does::Presses("📝 Пройти регистрацию"), "Поделитесь, пожалуйста, номером"),
    (Does::SharesContact, "Как вас зовут?"),
    (Does::Writes("Петрова Анна Сергеевна"), "Какой у вас барбершоп?"),
    (Does::Writes("Казань, ТЦ Кольцо"), "Есть ещё барбершоп?"),
    (Does::Presses("✅ Завершить регистрацию"), "Вы владелец?"),
    (Does::Presses("✅ Да, я владелец"), "Проверьте, пожалуйста"),
    (Does::Presses("✅ Отправить"), "отправлена в офис"),
];

const FIRST_GUEST: i64 = 10_000;

/// The ids of so many guests.
fn guests(count: i64) -> std::ops::Range<i64> {
    FIRST_GUEST..FIRST_GUEST + count
}

/// The person takes the acts of a registration one by one, each after the bot has spoken.
async fn walks(desk: &Desk, person: i64, acts: &[(Does, &str)]) {
    let talker = desk.talks(person);
    for (does, words) in acts {
        match does {
            Does::Writes(text) => talker.writes(text),
            Does::Presses(label) => talker.presses(label),
            Does::SharesContact => talker.shares_contact(),
        }
        talker.hears(words).await;
    }
}

/// Everybody registers, all at once.
async fn everybody_registers(desk: &Desk, people: impl Iterator<Item = i64>) {
    futures::future::join_all(people.map(|person| walks(desk, person, &REGISTRATION))).await;
}

/// A chat, act by act: what was said and done, and how many words of the bot came twice.
#[derive(Debug, PartialEq, Eq)]
struct Talk {
    acts: Vec<String>,
    doubled: usize,
}

impl Talk {
    /// Reads the chat. A word of the bot that repeats its last one stands once, whatever the person did meanwhile;
    /// numbers of requests are left out, for a server does not give the same number twice.
    fn of(sandbox: &Telegram, chat: i64) -> Talk {
        let mut acts: Vec<String> = Vec::new();
        for line in sandbox.transcript(chat).lines() {
            match acts.last_mut().filter(|_| line.is_empty() || line.starts_with(' ')) {
                Some(act) => act.extend(["\n", line.trim()]),
                None => acts.push(line.to_owned()),
            }
        }
        let (mut talk, mut last_word) = (Talk { acts: Vec::new(), doubled: 0 }, None);
        for act in acts.into_iter().map(|act| unnumbered(&act)) {
            if act.starts_with("бот") && last_word.as_ref() == Some(&act) {
                talk.doubled += 1;
                continue;
            }
            if act.starts_with("бот") {
                last_word = Some(act.clone());
            }
            talk.acts.push(act);
        }
        talk
    }
}

fn unnumbered(act: &str) -> String {
    let mut parts = act.split('№');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str("№…");
        text.push_str(part.trim_start_matches(|letter: char| letter.is_ascii_digit()));
    }
    text
}

/// Holds everybody's talk against a smooth one; at most `deaths` words may have come twice in each. Returns how many did.
#[track_caller]
fn compare(desk: &Desk, people: impl Iterator<Item = i64>, smooth: &[String], deaths: usize) -> usize {
    let mut doubled = 0;
    for person in people {
        let talk = Talk::of(&desk.sandbox, person);
        assert_eq!(talk.acts, smooth, "the talk of {person}");
        assert!(
            talk.doubled <= deaths,
            "{} words came twice:\n{}",
            talk.doubled,
            desk.sandbox.transcript(person)
        );
        doubled += talk.doubled;
    }
    doubled
}

/// How a registration goes when nothing happens, for guests who are all called alike.
async fn smooth_registration() -> Vec<String> {
    let mut desk = Desk::lay().await;
    introduce(&desk, guests(1));
    desk.run().await;
    everybody_registers(&desk, guests(1)).await;
    let talk = Talk::of(&desk.sandbox, FIRST_GUEST);
    assert_eq!(talk.doubled, 0);
    talk.acts
}

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    Sqlite,
    Postgres,
}

/// Forgets all that a desk before has left. Much quicker than making the tables anew.
const EMPTY: &str = "\
    do $$
    declare kept text;
    begin
        set local session_replication_role = replica; -- no foreign key decides the order
        for kept in select tablename from pg_tables
                    where schemaname = 'public' and tablename not in ('_sqlx_migrations', 'sequence', 'town', 'town_list')
        loop
            execute format('delete from %I', kept);
        end loop;
        if to_regclass('sequence') is not null then
            update sequence set next = 1;
        end if;
    end
    $$";

/// A database for desks, one after another.
struct Base(Option<String>);

impl Base {
    /// Makes a database; `name` is unique among the tests. With SQLite each desk has a file of its own.
    async fn make(on: On, name: &str) -> Base {
        match on {
            On::Sqlite => Base(None),
            On::Postgres => {
                let name = format!("borodach_{}_{name}", std::process::id());
                admin(&format!("drop database if exists {name} with (force)")).await;
                admin(&format!("create database {name}")).await;
                // Bots die here, the server does not: it need not wait for its disk.
                admin(&format!("alter database {name} set synchronous_commit = off")).await;
                Base(Some(name))
            }
        }
    }

    /// A desk with nothing in the database, the bot not started yet.
    async fn lay(&self) -> Desk {
        let mut desk = Desk::lay().await;
        if let Some(name) = &self.0 {
            // A process that dies hangs up. Those that die here do not take all of their connections along.
            admin(&format!(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
            ))
            .await;
            let url = database_url(name);
            let mut connection = PgConnection::connect(&url).await.expect("the server is there");
            connection.execute(EMPTY).await.expect("the database is the test's own");
            // The server is shared with other tests, and has room for a hundred connections.
            desk.store =
                store::Settings { url: DatabaseUrl::Postgres(url.into()), kept: 2, most: 4, ..desk.store };
        }
        desk
    }

    /// Leaves nothing behind.
    async fn drop(self) {
        if let Some(name) = self.0 {
            admin(&format!("drop database {name} with (force)")).await;
        }
    }
}

/// Guests with one name and one telephone: their talks are to be word for word the same.
fn introduce(desk: &Desk, people: impl Iterator<Item = i64>) {
    for person in people {
        desk.sandbox.person(person, "Анна", None, "79990000001");
    }
}

/// Asks the database for a number, beside the bot.
async fn count(desk: &Desk, sql: &'static str) -> i64 {
    numbers(desk, sql).await[0]
}

/// Asks the database for numbers, beside the bot.
async fn numbers(desk: &Desk, sql: &'static str) -> Vec<i64> {
    match &desk.store.url {
        DatabaseUrl::Sqlite(path) => {
            let path = path.to_str().expect("a path of letters");
            let mut connection = SqliteConnection::connect(path).await.expect("the file is there");
            sqlx::query_scalar(sql).fetch_all(&mut connection).await.expect("the query is right")
        }
        DatabaseUrl::Memory(_) => panic!("nobody looks into it from beside"),
        DatabaseUrl::Postgres(url) => {
            let url = secrecy::ExposeSecret::expose_secret(url);
            let mut connection = PgConnection::connect(url).await.expect("the server is there");
            sqlx::query_scalar(sql).fetch_all(&mut connection).await.expect("the query is right")
        }
    }
}

/// Waits until everything that came in is done and everything decided is delivered, as the database holds it.
async fn comes_to_rest(desk: &Desk) {
    const OPEN: &str = "\
        select (select count(*) from inbox where done_at is null)
             + (select count(*) from outbox where done_at is null)";
    let rest = async {
        while count(desk, OPEN).await > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, rest).await.expect("nothing stays undone");
}

const PATIENCE: Duration = Duration::from_mins(1);

/// A bot in a runtime of its own: when that goes, the bot is dead at once, wherever it stands.
struct Life {
    runtime: Option<Runtime>,
    address: std::net::SocketAddr,
    store: Store,
    stop: CancellationToken,
    stopped: JoinHandle<()>,
    /// Cancelled when the store is struck at its commit.
    struck: CancellationToken,
    commits: Arc<AtomicU64>,
}

impl Life {
    /// Starts a bot that dies at this commit. None when that commit was one of its first, and it never stood.
    async fn begin(desk: &Desk, crash: Option<CrashPoint>) -> Option<Life> {
        Life::begin_with(desk, move |point| crash == Some(point)).await
    }

    /// Starts a bot that asks at each commit whether it dies there.
    async fn begin_with(
        desk: &Desk,
        dies: impl Fn(CrashPoint) -> bool + Send + Sync + 'static,
    ) -> Option<Life> {
        let (struck, commits) = (CancellationToken::new(), Arc::new(AtomicU64::new(0)));
        let (strike, counter) = (struck.clone(), Arc::clone(&commits));
        let hook = move |point| {
            let (CrashPoint::Before(number) | CrashPoint::After(number)) = point;
            counter.fetch_max(number, Ordering::Relaxed);
            let dies = dies(point);
            if dies {
                strike.cancel();
            }
            dies
        };
        let settings = store::Settings { crash: Some(CrashHook(Arc::new(hook))), ..desk.store.clone() };
        let (folder, config, clock) =
            (desk.folder.path().to_owned(), desk.config.clone(), Arc::clone(&desk.clock));
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build().expect("threads are to be had");
        let opened = runtime.spawn(async move { open(&folder, config, settings, clock).await }).await;
        let bot = match opened.expect("the bot does not panic") {
            Ok(bot) => bot,
            Err(error) => {
                assert!(struck.is_cancelled(), "the bot does not start: {error}");
                shut(runtime).await;
                return None;
            }
        };
        let (address, stop) = (bot.address(), CancellationToken::new());
        let (store, told) = (bot.lanes().host().store().clone(), stop.clone());
        let stopped = runtime.spawn(async move {
            if let Err(error) = bot.run(axum::Router::new(), told).await {
                tracing::warn!("the bot ended: {error}");
            }
        });
        Some(Life { runtime: Some(runtime), address, store, stop, stopped, struck, commits })
    }

    /// Returns when the bot was struck and nothing of its store is left.
    async fn death(&self) {
        self.struck.cancelled().await;
        while !matches!(self.store.fire(Timestamp(0), 1).await, Err(store::Error::Crashed)) {}
    }

    /// Ends the process as `kill -9` does.
    async fn kill(mut self) {
        if self.struck.is_cancelled() {
            // A crashed store writes nothing any more; a process would take its connections along.
            self.store.clone().close().await;
        }
        if let Some(runtime) = self.runtime.take() {
            shut(runtime).await;
        }
    }

    /// Stops in order, as SIGTERM does; false when it died in doing so.
    async fn stops(mut self) -> bool {
        self.stop.cancel();
        let is_well = tokio::select! {
            biased;
            () = self.struck.cancelled() => false,
            _ = &mut self.stopped => !self.struck.is_cancelled(),
        };
        if !is_well {
            self.death().await;
        }
        self.kill().await;
        is_well
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background(); // A test that fails must not block here.
        }
    }
}

/// Opens a bot; an error comes with its whole chain.
async fn open(
    folder: &Path,
    config: borodach::config::Config,
    settings: store::Settings,
    clock: borodach::clock::SharedClock,
) -> Result<Bot, String> {
    Bot::open(folder, config, settings, clock)
        .await
        .map_err(|error| format!("{:#}", anyhow::Error::from(error)))
}

/// Ends a runtime with everything that runs in it.
async fn shut(runtime: Runtime) {
    let ended = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(PATIENCE)).await;
    ended.expect("shutting down does not panic");
}

/// Lets people talk to a bot that dies at these points, each in the life after the other, and is started anew each
/// time; in the end it stops in order. Returns how often it died, and the commits of its last life.
async fn tells(desk: &Desk, deaths: &[CrashPoint], story: impl Future<Output = ()>) -> (usize, u64) {
    let (mut story, mut is_told) = (pin!(story), false);
    let (mut deaths, mut died) = (deaths.iter().copied(), 0);
    loop {
        let Some(life) = Life::begin(desk, deaths.next()).await else {
            died += 1;
            continue;
        };
        if !is_told {
            tokio::select! {
                () = &mut story => is_told = true,
                () = life.death() => {}
            }
        }
        let commits = Arc::clone(&life.commits);
        if !is_told {
            life.kill().await;
        } else if life.stops().await {
            return (died, commits.load(Ordering::Relaxed));
        }
        died += 1;
    }
}

/// Says where a test was when it failed.
struct At(String);

impl Drop for At {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("it happened {}", self.0);
        }
    }
}
