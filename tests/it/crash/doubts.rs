//! What is on disk and in nobody's memory: it is found again, in order and once.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::Duration;

use borodach::config::Mode;
use borodach::http;
use borodach::outbox::Outbox;
use borodach::sandbox::telegram::Fault;
use borodach::store::inbox::New;
use borodach::store::{CrashPoint, LaneId, Turn, outbox};
use borodach::telegram::{ChatId, Client, Outgoing};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::desk::{ANNA, OFFICE, talk};

#[tokio::test]
async fn a_message_found_on_disk_while_it_is_on_its_way_is_sent_once() {
    let desk = Desk::lay().await;
    let store = Store::open(&desk.store, Arc::clone(&desk.clock)).await.expect("an empty database");
    let http = http::client(&http::ClientSettings::default()).expect("loopback needs no certificates");
    let policy = http::Policy { attempts: 1, ..http::Policy::default() };
    let (throttle, breaker) = (http::Throttle::new("telegram", &[]), http::BreakerSettings::default());
    let service = http::Service::new("telegram", policy, throttle, breaker, Arc::clone(&desk.clock));
    let token = desk.sandbox.token().to_owned().into();
    let client = Client::new(http, service, desk.sandbox.url(), token, PATIENCE);
    let (deliveries, _reports) =
        Outbox::new(store.clone(), client, Arc::clone(&desk.clock), &desk.config.telegram);
    let lease = store.lease(LaneId(OFFICE)).await.expect("it is free").expect("it is free");
    let message = |key: &str| outbox::New {
        key: key.to_owned(),
        chat: ChatId(OFFICE),
        call: store::Json::of(&Outgoing::text(key.to_owned())).expect("a message"),
    };
    let turn = Turn { messages: ["раз", "два", "три"].map(message).into(), ..Turn::new(lease) };
    let messages = store.commit(turn).await.expect("it is written").messages;
    // The first is on its way for as long as the others are looked for.
    desk.sandbox.faults().next(Method::SendMessage, Fault::SlowAfterAccept(Duration::from_millis(500)), 1);
    deliveries.offer(vec![messages[0].clone(), messages[2].clone()]);
    deliveries.recover(store.open_messages(ChatId(OFFICE)).await.expect("the database answers"));
    deliveries.offer(messages);
    deliveries.drain(PATIENCE).await;
    let heard: Vec<String> =
        desk.sandbox.messages(OFFICE).iter().map(|message| message.text().to_owned()).collect();
    assert_eq!(heard, ["раз", "два", "три"]);
    assert!(store.open_messages(ChatId(OFFICE)).await.expect("the database answers").is_empty());
}

#[tokio::test]
async fn what_a_lane_held_before_goes_before_what_has_just_come() {
    let desk = Desk::lay().await;
    let notice = |text: &str| New {
        source: "notice".to_owned(),
        key: text.to_owned(),
        lane: LaneId(OFFICE),
        body: json!({ "html": text }).into(),
    };
    let dead = Store::open(&desk.store, Arc::clone(&desk.clock)).await.expect("an empty database");
    dead.accept(vec![notice("раз"), notice("два")]).await.expect("they are written");
    dead.close().await;
    let bot = Bot::open(desk.folder.path(), desk.config.clone(), desk.store.clone(), Arc::clone(&desk.clock));
    let bot = bot.await.expect("the bot starts");
    // Something comes before the bot has looked at what is left.
    bot.lanes().accept(vec![notice("три")]).await.expect("it is written");
    desk.office(crate::desk::OLGA).hears("три").await;
    assert_eq!(Talk::of(&desk.sandbox, OFFICE).acts, ["бот  раз", "бот  два", "бот  три"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_that_its_own_holder_took_anew_goes_on() {
    let desk = Desk::lay().await;
    let life = Life::begin(&desk, None).await.expect("nothing strikes");
    walks(&desk, ANNA, &REGISTRATION[..3]).await;
    comes_to_rest(&desk).await;
    life.store.lease(LaneId(ANNA)).await.expect("it is ours").expect("it is ours");
    walks(&desk, ANNA, &REGISTRATION[3..]).await;
    assert!(life.stops().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_waits_for_the_database_in_its_middle_is_heard_of_in_the_office() {
    let mut desk = Desk::lay().await;
    desk.store.busy_timeout = Duration::from_millis(50);
    let DatabaseUrl::Sqlite(file) = desk.store.url.clone() else { panic!("the desk is on SQLite") };
    let (strike_at, locks) = (Arc::new(AtomicU64::new(u64::MAX)), Lock::keeper(file));
    let (at, ask) = (Arc::clone(&strike_at), Mutex::new(locks));
    let life = Life::begin_with(&desk, move |point| {
        if point == CrashPoint::After(at.load(Ordering::Relaxed)) {
            ask.lock().expect("nobody panics with it").take_for(Duration::from_millis(300));
        }
        false
    });
    let life = life.await.expect("nothing strikes");
    walks(&desk, ANNA, &REGISTRATION[..7]).await;
    comes_to_rest(&desk).await;
    // The press is accepted with one commit, the request is made with the next.
    strike_at.store(life.commits.load(Ordering::Relaxed) + 2, Ordering::Relaxed);
    walks(&desk, ANNA, &REGISTRATION[7..]).await;
    desk.office(crate::desk::OLGA).hears("Заявка №1").await;
    comes_to_rest(&desk).await;
    assert_eq!(Talk::of(&desk.sandbox, OFFICE).doubled, 0);
    assert!(life.stops().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_is_taken_although_telegram_hangs_up() {
    let mut desk = Desk::lay_with(&[("flows/talk.rhai", &talk("chat.say(\"Слышу\");"))]).await;
    desk.config.telegram.mode = Mode::Webhook;
    desk.config.telegram.webhook_secret = Some("secret".to_owned().into());
    let (reached, mut was_reached) = tokio::sync::mpsc::unbounded_channel();
    let (made, mut was_made) = tokio::sync::mpsc::unbounded_channel();
    let (open, gate) = mpsc::channel::<()>();
    let (is_armed, gate) = (Arc::new(AtomicBool::new(false)), Mutex::new(gate));
    let (armed, held) = (Arc::clone(&is_armed), AtomicU64::new(0));
    let life = Life::begin_with(&desk, move |point| {
        match point {
            CrashPoint::Before(number) if armed.swap(false, Ordering::Relaxed) => {
                held.store(number, Ordering::Relaxed);
                reached.send(()).expect("the test waits");
                // The disk takes its time.
                gate.lock().expect("nobody panics with it").recv().expect("the test opens it");
            }
            CrashPoint::After(number) if number == held.load(Ordering::Relaxed) => {
                made.send(()).expect("the test waits");
            }
            CrashPoint::Before(_) | CrashPoint::After(_) => {}
        }
        false
    });
    let life = life.await.expect("nothing strikes");
    desk.talks(ANNA).writes("/go"); // The bot does not poll: what Anna wrote is brought by hand.
    // A write of the bot's beginning may be the one that is held. Then the update was perhaps never read, and
    // Telegram brings it again.
    loop {
        is_armed.store(true, Ordering::Relaxed);
        let mut wire = TcpStream::connect(life.address).await.expect("the bot listens");
        wire.write_all(update_of_anna().as_bytes()).await.expect("the bot listens");
        within(was_reached.recv()).await.expect("something is being written");
        wire.shutdown().await.expect("the wire is ours");
        let mut answer = Vec::new();
        wire.read_to_end(&mut answer).await.expect("the bot hangs up, too");
        assert!(answer.is_empty(), "nothing is written yet, and so nothing is answered");
        open.send(()).expect("the writer waits");
        within(was_made.recv()).await.expect("it is written");
        if count(&desk, "select count(*) from inbox where key = '7'").await == 1 {
            break;
        }
    }
    desk.talks(ANNA).hears("Слышу").await;
    assert!(life.stops().await);
}

async fn within<T>(waited_for: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, waited_for).await.expect("it comes in time")
}

/// The request with which Telegram brings what Anna wrote.
fn update_of_anna() -> String {
    let body = json!({ "update_id": 7, "message": {
        "message_id": 1, "date": 1_700_000_000, "text": "/go",
        "chat": { "id": ANNA, "type": "private", "first_name": "Анна" },
        "from": { "id": ANNA, "is_bot": false, "first_name": "Анна" },
    } });
    let body = body.to_string();
    format!(
        "POST /telegram/webhook HTTP/1.1\r\nHost: bot\r\nContent-Type: application/json\r\n\
         X-Telegram-Bot-Api-Secret-Token: secret\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Locks a SQLite file from a connection of its own, as a backup or a curious admin does.
struct Lock {
    asks: mpsc::Sender<Duration>,
    taken: mpsc::Receiver<()>,
}

impl Lock {
    /// A thread that locks the file when asked.
    fn keeper(file: std::path::PathBuf) -> Lock {
        let (asks, asked) = mpsc::channel::<Duration>();
        let (take, taken) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("threads are to be had").block_on(async {
                while let Ok(span) = asked.recv() {
                    let path = file.to_str().expect("a path of letters");
                    let mut connection = SqliteConnection::connect(path).await.expect("the file is there");
                    connection.execute("begin immediate").await.expect("the writer is between two commits");
                    take.send(()).expect("somebody asked");
                    tokio::time::sleep(span).await; // The outage itself.
                    connection.execute("rollback").await.expect("the lock is ours");
                }
            });
        });
        Lock { asks, taken }
    }

    /// Returns when the file is locked for that long.
    fn take_for(&self, span: Duration) {
        self.asks.send(span).expect("the keeper lives");
        self.taken.recv().expect("the keeper lives");
    }
}
