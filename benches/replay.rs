//! What a turn costs without the network: running a flow over its journal, and writing a turn down.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use borodach::clock::{SystemClock, Timestamp};
use borodach::script::host::Caller;
use borodach::script::{End, Files, Limits, Set, Site, Step, run};
use borodach::store::conversation::{Row, Status};
use borodach::store::script_set::{ScriptSet, SetHash};
use borodach::store::{
    ConversationId, DatabaseUrl, Json, LaneId, Lease, Settings, Store, Turn, inbox, journal, outbox,
};
use borodach::telegram::{ChatId, UserId};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;

/// A talk without an end: it says a word and asks a question, over and over.
const TALK: &str = r#"
    flow(#{ title: "Долгий разговор", on: [command("/talk")], access: ["guest"] });

    fn start(chat, partner) {
        let words = [];
        loop {
            chat.say(html::fill("Записано слов: {count}.", #{ count: words.len() }));
            words.push(chat.ask_text("Какое следующее?", #{ max: 100 }));
        }
    }
"#;

fn replay(criterion: &mut Criterion) {
    let files = Files::from([("flows/talk.rhai".to_owned(), TALK.to_owned())]);
    let limits = Limits { journal_steps: 10_000, ..Limits::default() };
    let set = Set::compile(files, limits).expect("the talk is sound");
    let caller = Caller {
        chat: ChatId(1),
        user: UserId(1),
        name: "Анна".into(),
        username: None,
        is_staff: false,
        now: Timestamp(0),
        waits_since: None,
    };
    let mut group = criterion.benchmark_group("replay");
    for steps in [10, 100, 300, 3_000] {
        let journal = Arc::new(journal_of(steps));
        let ran = run(&set, "talk", Arc::clone(&journal), caller.clone(), String::new());
        assert!(matches!(ran.end, End::Pending(_)), "the journal leads astray: {:?}", ran.end);
        assert_eq!(ran.road.len(), steps + 2, "one more word and the question that waits");
        group.throughput(Throughput::Elements(steps as u64));
        group.bench_function(BenchmarkId::from_parameter(steps), |bencher| {
            bencher
                .iter(|| run(&set, "talk", Arc::clone(black_box(&journal)), caller.clone(), String::new()));
        });
    }
    group.finish();
}

/// The start, then words said and questions answered in turns.
fn journal_of(steps: usize) -> Vec<Step> {
    let start = json!({ "partner": { "name": "Анна", "status": "guest" }, "args": null });
    let step =
        |name: &str, answer| Step { name: name.to_owned(), site: Site::default(), request: None, answer };
    let talk = (0..steps).map(|number| match number % 2 {
        0 => step("chat.say", json!({ "message": format!("1-0-{number}") })),
        _ => step("chat.ask_text", json!("слово")),
    });
    std::iter::once(step("start", start)).chain(talk).collect()
}

/// One person's turn, alone and with others whose turns share its transaction.
fn turns(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
    let folder = tempfile::tempdir().expect("a place for files");
    let url = DatabaseUrl::Sqlite(folder.path().join("bot.db"));
    let settings = Settings { url, ..Settings::default() };
    let store = runtime.block_on(Store::open(&settings, Arc::new(SystemClock))).expect("a new file");
    runtime.block_on(store.put_set(&script_set())).expect("a new file");
    let mut group = criterion.benchmark_group("turn on SQLite");
    let updates = AtomicI64::new(0);
    for people in [1, 50] {
        let leases: Vec<Lease> = (1..=people).map(|chat| runtime.block_on(take(&store, chat))).collect();
        group.throughput(Throughput::Elements(people.unsigned_abs()));
        group.bench_function(BenchmarkId::from_parameter(people), |bencher| {
            bencher.iter(|| {
                let number = || updates.fetch_add(1, Ordering::Relaxed);
                let turns = leases.iter().map(|lease| turn(&store, *lease, number()));
                runtime.block_on(futures::future::join_all(turns))
            });
        });
    }
    group.finish();
    runtime.block_on(store.close());
}

/// An update comes in, is answered with a message, and the message is delivered.
async fn turn(store: &Store, lease: Lease, number: i64) {
    let chat = lease.lane().chat();
    let entry = inbox::New {
        source: "telegram".to_owned(),
        key: number.to_string(),
        lane: lease.lane(),
        body: json!({ "text": "слово" }).into(),
    };
    let accepted = store.accept(vec![entry]).await.expect("the file is ours");
    let now = Timestamp(number);
    let turn = Turn {
        finish: Some(accepted[0].id),
        conversations: vec![conversation(number, chat, now)],
        journal: vec![journal::Row {
            conversation: ConversationId(number),
            step: journal::StepNo(0),
            name: "chat.say".to_owned(),
            site: "flows/talk.rhai:7:18".to_owned(),
            request: None,
            answer: Some(json!({ "message": number }).into()),
            recorded_at: now,
        }],
        messages: vec![outbox::New {
            key: number.to_string(),
            chat,
            call: json!({ "text": "слово" }).into(),
        }],
        ..Turn::new(lease)
    };
    let committed = store.commit(turn).await.expect("the lease is ours");
    let outcome = outbox::Outcome::Sent { message_id: Some(number) };
    let receipt = outbox::Receipt { message: committed.messages[0].id, chat, outcome };
    store.settle(receipt).await.expect("the file is ours");
}

async fn take(store: &Store, chat: i64) -> Lease {
    store.lease(LaneId(chat)).await.expect("the file is ours").expect("nobody else is about")
}

fn conversation(number: i64, chat: ChatId, now: Timestamp) -> Row {
    Row {
        id: ConversationId(number),
        chat,
        user: UserId(chat.0),
        flow: "talk".to_owned(),
        set: SetHash("set".to_owned()),
        epoch: 0,
        status: Status::Finished,
        detail: Json::from(json!({})),
        updated_at: now,
    }
}

fn script_set() -> ScriptSet {
    ScriptSet {
        hash: SetHash("set".to_owned()),
        rhai_version: borodach::script::RHAI_VERSION.to_owned(),
        files: Files::new(),
    }
}

criterion_group!(benches, replay, turns);
criterion_main!(benches);
