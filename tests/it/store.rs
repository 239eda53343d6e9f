//! Facts about the store, each on both databases by one body.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use borodach::clock::{ManualClock, SharedClock, Timestamp};
use borodach::geography;
use borodach::money::Kopecks;
use borodach::ratings::Month;
use borodach::store::broadcast::{self, Audience, BroadcastId, Count, Fate, Receipt, Status};
use borodach::store::change::Change;
use borodach::store::content::{ButtonId, Edit, Setting};
use borodach::store::housekeeping::Retention;
use borodach::store::inbox::{self, EntryId};
use borodach::store::job::{self, Due, Job, Outcome, State, Step};
use borodach::store::journal::{self, StepNo};
use borodach::store::notification::Notification;
use borodach::store::partner::{Partner, Profile, Role};
use borodach::store::poll::{self, PollId};
use borodach::store::rating::{Gathered, Loaded, Numbers, Scope};
use borodach::store::request::{Asks, Decision, RequestId, Submission};
use borodach::store::salon::Salon;
use borodach::store::script_set::{ScriptSet, SetHash};
use borodach::store::{
    ConversationId, CrashHook, CrashPoint, DatabaseUrl, Error, Json, LaneId, Lease, Local, Settings, Store,
    Turn, Verdict, Wakeup, conversation, outbox, partner, timer,
};
use borodach::telegram::{ChatId, UserId};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

const START: Timestamp = Timestamp(1_700_000_000_000);
const ANNA: i64 = 7;
const BORIS: i64 = 8;
const STAFF: i64 = -100;

/// Writes the two tests of one fact: on SQLite, and on PostgreSQL when there is a server.
macro_rules! facts {
    ($($(#[$about:meta])* async fn $name:ident($base:ident: &Base) $body:block)+) => {
        $(
            mod $name {
                use super::*;

                async fn fact($base: &Base) $body

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn sqlite() {
                    let base = Base::sqlite();
                    fact(&base).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = "needs PostgreSQL"]
                async fn postgres() {
                    let base = Base::postgres(stringify!($name)).await;
                    fact(&base).await;
                    base.drop().await;
                }
            }
        )+
    };
}

facts! {
    async fn a_known_update_vanishes(base: &Base) {
        let store = base.open().await;
        let first = store.accept(vec![update(1, ANNA), update(2, ANNA), update(1, ANNA)]).await.unwrap();
        assert_eq!(keys(&first), ["1", "2"]);
        assert!(first[0].id < first[1].id);
        let second = store.accept(vec![update(2, ANNA), update(3, BORIS)]).await.unwrap();
        assert_eq!(keys(&second), ["3"]);
        let open = store.open_entries(LaneId(ANNA)).await.unwrap();
        assert_eq!(open, first);
        assert_eq!(open[0].received_at, START);
        store.close().await;
    }

    async fn writes_of_many_chats_share_a_transaction(base: &Base) {
        let commits = Arc::new(AtomicU64::new(0));
        let counter = commits.clone();
        let store = base.open_with(move |point| {
            if let CrashPoint::Before(_) = point { counter.fetch_add(1, Ordering::Relaxed); }
            false
        }).await;
        let leases = futures::future::join_all((1..=100).map(|chat| store.lease(LaneId(chat)))).await;
        let entries: Vec<_> = (1..=100).map(|chat| update(chat, chat)).collect();
        let entries = store.accept(entries).await.unwrap();
        store.put_set(&set()).await.unwrap();
        let before = commits.load(Ordering::Relaxed);
        let turns = leases.into_iter().zip(&entries).map(|(lease, entry)| {
            let lease = lease.unwrap().unwrap();
            let turn = Turn {
                finish: Some(entry.id),
                conversations: vec![talk(entry.lane.0, entry.lane.0)],
                journal: vec![step(entry.lane.0, 0, Some(json!("да")))],
                messages: vec![message(entry.lane.0, "1"), message(entry.lane.0, "2")],
                ..Turn::new(lease)
            };
            store.commit(turn)
        });
        for committed in futures::future::join_all(turns).await {
            let messages = committed.unwrap().messages;
            assert!(messages[0].id < messages[1].id);
            assert!(messages[0].key < messages[1].key);
        }
        assert!(commits.load(Ordering::Relaxed) - before <= 20, "100 turns took too many commits");
        assert_eq!(store.health().await.unwrap().open_entries, 0);
        store.close().await;
    }

    async fn a_stale_lease_writes_nothing_and_spares_its_neighbours(base: &Base) {
        let store = base.open().await;
        let old = lease(&store, ANNA).await;
        let new = lease(&store, ANNA).await;
        let boris = lease(&store, BORIS).await;
        let stale = Turn { messages: vec![message(ANNA, "stale")], ..Turn::new(old) };
        let good = Turn { messages: vec![message(BORIS, "good")], ..Turn::new(boris) };
        let (stale, good) = tokio::join!(store.commit(stale), store.commit(good));
        let error = stale.unwrap_err();
        assert!(matches!(error, Error::StaleLease { lane: LaneId(ANNA) }), "{error}");
        assert_eq!(error.verdict(), Verdict::LetGo);
        assert_eq!(good.unwrap().messages.len(), 1);
        assert!(store.open_messages(ChatId(ANNA)).await.unwrap().is_empty());
        store.commit(Turn { messages: vec![message(ANNA, "new")], ..Turn::new(new) }).await.unwrap();
        store.close().await;
    }

    async fn a_commit_in_the_middle_of_a_turn_that_is_done_writes_nothing(base: &Base) {
        let store = base.open().await;
        let lease = begin(&store, ANNA).await;
        let entry = store.accept(vec![update(1, ANNA)]).await.unwrap().remove(0);
        let amid = |key| Turn {
            amid: Some(entry.id),
            messages: vec![message(ANNA, key)],
            ..Turn::new(lease)
        };
        assert_eq!(store.commit(amid("1")).await.unwrap().messages.len(), 1);
        store.commit(Turn { finish: Some(entry.id), ..Turn::new(lease) }).await.unwrap();
        let error = store.commit(amid("2")).await.unwrap_err();
        assert!(matches!(error, Error::AlreadyDone), "{error}");
        assert_eq!(store.open_messages(ChatId(ANNA)).await.unwrap().len(), 1);
        store.close().await;
    }

    async fn a_guilty_turn_fails_alone(base: &Base) {
        let store = base.open().await;
        store.put_set(&set()).await.unwrap();
        let (anna, boris) = (lease(&store, ANNA).await, lease(&store, BORIS).await);
        let unknown = conversation::Row { set: SetHash("none".into()), ..talk(1, ANNA) };
        let guilty = Turn { conversations: vec![unknown], ..Turn::new(anna) };
        let good = Turn { conversations: vec![talk(2, BORIS)], ..Turn::new(boris) };
        let (guilty, good) = tokio::join!(store.commit(guilty), store.commit(good));
        assert_eq!(guilty.unwrap_err().verdict(), Verdict::GiveUp);
        good.unwrap();
        assert!(awaited(&store, BORIS).await.is_some());
        store.close().await;
    }

    async fn a_person_answers_one_question_at_a_time(base: &Base) {
        let store = base.open().await;
        store.put_set(&set()).await.unwrap();
        let lease = lease(&store, ANNA).await;
        store.commit(Turn { conversations: vec![talk(1, ANNA)], ..Turn::new(lease) }).await.unwrap();
        let second = Turn { conversations: vec![talk(2, ANNA)], ..Turn::new(lease) };
        let error = store.commit(second).await.unwrap_err();
        assert!(matches!(error, Error::AlreadyAwaiting), "{error}");
        let left = conversation::Row { status: conversation::Status::Cancelled, ..talk(1, ANNA) };
        let instead = Turn { conversations: vec![talk(2, ANNA), left], ..Turn::new(lease) };
        store.commit(instead).await.unwrap();
        assert_eq!(awaited(&store, ANNA).await.unwrap().row.id, ConversationId(2));
        assert_eq!(store.running_by_set().await.unwrap(), BTreeMap::from([(set().hash, 1)]));
        store.close().await;
    }

    async fn back_forgets_the_steps_from_a_point_on(base: &Base) {
        let store = base.open().await;
        let lease = begin(&store, ANNA).await;
        let journal = (0..4).map(|no| step(1, no, Some(json!(no)))).collect();
        store.commit(Turn { journal, ..Turn::new(lease) }).await.unwrap();
        let again = step(1, 2, Some(json!("иначе")));
        let back = Turn {
            forget: vec![(ConversationId(1), StepNo(2))],
            journal: vec![again.clone()],
            ..Turn::new(lease)
        };
        store.commit(back).await.unwrap();
        let journal = awaited(&store, ANNA).await.unwrap().journal;
        assert_eq!(journal, [step(1, 0, Some(json!(0))), step(1, 1, Some(json!(1))), again]);
        store.close().await;
    }

    async fn an_intent_gets_its_answer_once(base: &Base) {
        let store = base.open().await;
        let lease = begin(&store, ANNA).await;
        let intent = journal::Row { request: Some(json!({"text": "вывеска"}).into()), ..step(1, 0, None) };
        store.commit(Turn { journal: vec![intent.clone()], ..Turn::new(lease) }).await.unwrap();
        assert_eq!(awaited(&store, ANNA).await.unwrap().journal, std::slice::from_ref(&intent));
        let done = step(1, 0, Some(json!({"id": 5})));
        store.commit(Turn { journal: vec![done.clone()], ..Turn::new(lease) }).await.unwrap();
        let error = store.commit(Turn { journal: vec![done.clone()], ..Turn::new(lease) }).await.unwrap_err();
        assert!(matches!(error, Error::AlreadyDone), "{error}");
        let kept = journal::Row { request: intent.request, ..done };
        assert_eq!(awaited(&store, ANNA).await.unwrap().journal, [kept]);
        store.close().await;
    }

    async fn a_large_answer_is_kept_once_and_a_huge_one_is_refused(base: &Base) {
        let store = base.open().await;
        let lease = begin(&store, ANNA).await;
        let large = json!("ж".repeat(100_000));
        let journal = vec![step(1, 0, Some(large.clone())), step(1, 1, Some(large.clone()))];
        store.commit(Turn { journal: journal.clone(), ..Turn::new(lease) }).await.unwrap();
        assert_eq!(awaited(&store, ANNA).await.unwrap().journal, journal);
        assert_eq!(base.count("select count(*) from blob").await, 1);
        let huge = step(1, 2, Some(json!("ж".repeat(600_000))));
        let error = store.commit(Turn { journal: vec![huge], ..Turn::new(lease) }).await.unwrap_err();
        assert!(matches!(error, Error::TooLarge { limit_bytes: 1_048_576, .. }), "{error}");
        let forget = vec![(ConversationId(1), StepNo(0))];
        store.commit(Turn { forget, ..Turn::new(lease) }).await.unwrap();
        assert_eq!(store.sweep(KEEP).await.unwrap().blobs, 1);
        store.close().await;
    }

    async fn a_timer_fires_once(base: &Base) {
        let store = base.open().await;
        let lease = begin(&store, ANNA).await;
        let timers = vec![timer(1, 0, 10), timer(1, 1, 5), timer(1, 2, 60)];
        store.commit(Turn { timers, ..Turn::new(lease) }).await.unwrap();
        assert_eq!(store.next_fire().await.unwrap(), Some(after(5)));
        let (one, other) = tokio::join!(store.fire(after(10), 10), store.fire(after(10), 10));
        let mut fired = one.unwrap();
        fired.extend(other.unwrap());
        assert_eq!(keys(&fired), ["1-1-limit-1700000005000", "1-0-limit-1700000010000"]);
        let body: Value = fired[0].body.read().unwrap();
        assert_eq!(body["user"], ANNA);
        let again = Turn {
            stop_timers: vec![ConversationId(1)],
            timers: vec![timer(1, 1, 7)],
            ..Turn::new(lease)
        };
        store.commit(again).await.unwrap();
        assert_eq!(keys(&store.fire(after(100), 10).await.unwrap()), ["1-1-limit-1700000007000"]);
        store.close().await;
    }

    async fn the_first_decision_stands(base: &Base) {
        let store = base.open().await;
        let lease = begin(&store, ANNA).await;
        let (answer, entries) = change(&store, lease, 0, submission()).await;
        assert_eq!(answer, json!({"id": 1}));
        assert_eq!(entries[0].lane, LaneId(STAFF));
        let told: Value = entries[0].body.read().unwrap();
        assert_eq!(told, json!({"event": "request.submitted", "data": {"request": 1}}));
        let (answer, entries) = change(&store, lease, 1, submission()).await;
        assert_eq!(answer, json!({"id": 1, "already": true}));
        assert!(entries.is_empty());
        assert_eq!(store.partner(UserId(ANNA)).await.unwrap().unwrap().status, partner::Status::Pending);

        let (answer, entries) = change(&store, lease, 2, decide(1, approve(&[]), "Ольга")).await;
        assert_eq!(answer, json!({"done": true, "decision": "approved", "user_id": ANNA}));
        assert_eq!((entries[0].key.as_str(), entries[0].lane), ("request.approved:1", LaneId(ANNA)));
        let reject = Decision::Reject { reason: "нет такого".into() };
        let (answer, entries) = change(&store, lease, 3, decide(1, reject.clone(), "Пётр")).await;
        assert_eq!(answer, json!({"done": false, "decision": "approved", "by": "Ольга"}));
        assert!(entries.is_empty());
        let (answer, _) = change(&store, lease, 4, decide(99, reject, "Пётр")).await;
        assert_eq!(answer, json!({"done": false, "unknown": true}));

        let anna = store.partner(UserId(ANNA)).await.unwrap().unwrap();
        assert_eq!((anna.status, anna.verified_at), (partner::Status::Verified, Some(START)));
        assert_eq!(anna.profile.role, Some(Role::Owner));
        let journal = awaited(&store, ANNA).await.unwrap().journal;
        assert_eq!(journal[1].answer, Some(json!({"id": 1, "already": true}).into()));
        assert_eq!(
            store.latest_request(UserId(ANNA)).await.unwrap(),
            store.request(RequestId(1)).await.unwrap()
        );
        store.close().await;
    }

    async fn an_approval_gives_the_barbershops_chosen_with_it(base: &Base) {
        let store = base.open().await;
        let lease = begin(&store, ANNA).await;
        change(&store, lease, 0, submission()).await;
        change(&store, lease, 1, decide(1, approve(&[(41, "Кольцо"), (42, "Баумана")]), "Ольга")).await;
        // Who decides second changes nothing, whatever they have chosen.
        change(&store, lease, 2, decide(1, approve(&[(43, "Мир")]), "Пётр")).await;
        assert_eq!(titles(&store).await, ["Баумана", "Кольцо"]);

        let asks = Asks::AddSalon { shops: vec!["Казань, ТЦ Мир".into()] };
        let (answer, entries) = change(&store, lease, 3, submitting(asks.clone())).await;
        assert_eq!((answer, entries[0].lane), (json!({"id": 2}), LaneId(STAFF)));
        let (answer, _) = change(&store, lease, 4, submitting(asks)).await;
        assert_eq!(answer, json!({"id": 2, "already": true}));
        let request = store.request(RequestId(2)).await.unwrap().unwrap();
        let body: Value = request.body.read().unwrap();
        assert_eq!(body["name"], "Петрова Анна Сергеевна");
        assert_eq!(body["shops"], json!(["Казань, ТЦ Мир"]));
        let (_, entries) =
            change(&store, lease, 5, decide(2, approve(&[(41, "ТЦ Кольцо"), (43, "Мир")]), "Ольга")).await;
        assert_eq!((entries[0].key.as_str(), entries[0].lane), ("request.approved:2", LaneId(ANNA)));
        // What is told of a barbershop replaces what was known of it, and nothing is taken away.
        assert_eq!(titles(&store).await, ["Баумана", "Мир", "ТЦ Кольцо"]);
        store.close().await;
    }

    async fn the_office_orders_its_buttons_and_rewrites_its_texts(base: &Base) {
        let store = base.open().await;
        let lease = begin(&store, ANNA).await;
        let add = |title: &str| {
            Change::Content(Edit::Add { department: "legal".into(), title: title.into(), html: "…".into() })
        };
        let mut ids = Vec::new();
        for (step, title) in (0..).zip(["Аренда", "Патент", "Касса"]) {
            let (answer, _) = change(&store, lease, step, add(title)).await;
            ids.push(ButtonId(answer["id"].as_i64().unwrap()));
        }
        let shown = async || {
            let buttons = store.buttons("legal").await.unwrap();
            buttons.into_iter().map(|button| button.title).collect::<Vec<_>>()
        };
        assert_eq!(shown().await, ["Аренда", "Патент", "Касса"]);
        let edit = |id, title: Option<&str>, place| {
            Change::Content(Edit::Change { id, title: title.map(Into::into), html: None, place })
        };
        change(&store, lease, 3, edit(ids[2], None, Some(1))).await;
        change(&store, lease, 4, edit(ids[0], Some("Аренда и ремонт"), Some(99))).await;
        assert_eq!(shown().await, ["Касса", "Патент", "Аренда и ремонт"]);
        change(&store, lease, 5, Change::Content(Edit::Delete(ids[1]))).await;
        let (answer, _) = change(&store, lease, 6, edit(ids[1], None, Some(1))).await;
        assert_eq!(answer, json!({"done": false}));
        assert_eq!(shown().await, ["Касса", "Аренда и ремонт"]);

        assert!(store.setting(Setting::Contacts).await.unwrap().is_some(), "there is something to begin with");
        let set = Change::Content(Edit::Set { setting: Setting::Contacts, html: "<b>Офис</b>".into() });
        change(&store, lease, 7, set).await;
        assert_eq!(store.setting(Setting::Contacts).await.unwrap().unwrap(), "<b>Офис</b>");
        store.close().await;
    }

    async fn everybody_switches_notifications_for_themselves(base: &Base) {
        let store = base.open().await;
        let lease = begin(&store, ANNA).await;
        let switch = |user, is_on| {
            Change::Notify { user: UserId(user), notification: Notification::TaskMoved, is_on }
        };
        change(&store, lease, 0, switch(ANNA, false)).await;
        let off = async |user| store.switched_off(UserId(user)).await.unwrap().into_iter().collect::<Vec<_>>();
        assert_eq!(off(ANNA).await, [], "somebody unknown has none");
        change(&store, lease, 1, submission()).await;
        change(&store, lease, 2, switch(ANNA, false)).await;
        change(&store, lease, 3, switch(ANNA, false)).await;
        assert_eq!(off(ANNA).await, [Notification::TaskMoved]);
        assert_eq!(off(BORIS).await, []);
        change(&store, lease, 4, switch(ANNA, true)).await;
        assert_eq!(off(ANNA).await, []);
        store.close().await;
    }

    async fn a_barbershop_has_its_town_and_region_from_the_moment_it_is_given(base: &Base) {
        let store = base.open().await;
        let own = |title: &str, city: Option<&str>| {
            let (title, city) = (title.to_owned(), city.map(str::to_owned));
            Partner { salons: vec![borodach::store::partner::Salon { id: 41, title, city, address: None }], ..partner(1, &[]) }
        };
        let place = async || {
            let salon = store.salons().await.unwrap().remove(0).salon;
            (salon.city.unwrap_or_default(), salon.region.unwrap_or_default(), salon.is_million)
        };
        store.introduce(&own("BORODACH, ТЦ Кольцо", None), "Ольга").await.unwrap();
        assert_eq!(place().await, (String::new(), String::new(), false), "nobody can tell");
        store.introduce(&own("BORODACH, Казань, ТЦ Кольцо", None), "Ольга").await.unwrap();
        let kazan = ("Казань".to_owned(), "Татарстан".to_owned(), true);
        assert_eq!(place().await, kazan);
        // What is known with a region is not made worse by a title without one.
        store.introduce(&own("BORODACH, ТЦ Кольцо", None), "Ольга").await.unwrap();
        assert_eq!(place().await, kazan);
        store.close().await;
    }

    async fn a_broadcast_comes_to_each_of_its_people_once(base: &Base) {
        let store = base.open().await;
        let lease = begin(&store, ANNA).await;
        for (user, salons) in [(1, vec![(41, "Казань")]), (2, vec![(42, "Уфа"), (41, "Казань")]), (3, vec![])] {
            store.introduce(&partner(user, &salons), "Ольга").await.unwrap();
        }
        let cities = vec![("Казань".to_owned(), 2), ("Уфа".to_owned(), 1)];
        assert_eq!(store.cities().await.unwrap(), cities);
        assert_eq!(store.reach(&Audience::Everybody).await.unwrap(), (3, 0));
        assert_eq!(store.reach(&Audience::Cities(vec!["Казань".into(), "Тверь".into()])).await.unwrap(), (2, 0));
        assert_eq!(store.reach(&Audience::People(vec![UserId(3), UserId(9)])).await.unwrap(), (1, 0));
        let named = store.partners_named("ПАРТНЁР 2", 5).await.unwrap();
        assert_eq!(named, [(UserId(2), "Партнёр 2".to_owned())]);

        let (answer, _) = change(&store, lease, 0, broadcasting(Audience::Everybody, None)).await;
        assert_eq!(answer, json!({"id": 1, "poll": null}));
        let id = BroadcastId(1);
        let mut claimed = Vec::new();
        while let Some(to) = store.claim(id).await.unwrap() {
            claimed.push(to);
        }
        assert_eq!(claimed.iter().map(|to| to.user.0).collect::<Vec<_>>(), [1, 2, 3]);
        let settle = |to, fate| {
            store.settle_broadcast(id, Receipt { to, fate, message_id: Some(5), telegram_poll: None })
        };
        settle(claimed[0], Fate::Sent).await.unwrap();
        settle(claimed[1], Fate::Blocked).await.unwrap();
        assert!(store.finish_broadcast(id).await.unwrap().is_empty(), "somebody is still written to");
        assert_eq!(store.take_back(id).await.unwrap(), 1, "whoever was claimed when the process died");
        assert_eq!(store.claim(id).await.unwrap(), Some(claimed[2]));
        settle(claimed[2], Fate::Failed).await.unwrap();
        let told = store.finish_broadcast(id).await.unwrap();
        assert_eq!((told[0].key.as_str(), told[0].lane), ("broadcast.ended:1", LaneId(STAFF)));
        let done = store.broadcast(id).await.unwrap().unwrap();
        assert_eq!((done.status, done.count), (Status::Done, Count { total: 3, sent: 1, blocked: 1, failed: 1 }));
        assert!(store.running_broadcasts().await.unwrap().is_empty());

        // Whoever has stopped the bot is counted and not written to.
        assert_eq!(store.reach(&Audience::Everybody).await.unwrap(), (3, 1));
        change(&store, lease, 1, broadcasting(Audience::Cities(vec!["Казань".into()]), None)).await;
        let id = BroadcastId(2);
        assert_eq!(store.claim(id).await.unwrap().map(|to| to.user), Some(UserId(1)));
        assert_eq!(store.claim(id).await.unwrap(), None);
        let stop = Change::StopBroadcast { broadcast: id, by_name: "Пётр".into() };
        let (answer, told) = change(&store, lease, 2, stop.clone()).await;
        assert_eq!((answer, told[0].key.as_str()), (json!({"done": true}), "broadcast.ended:2"));
        let (answer, told) = change(&store, lease, 3, stop).await;
        assert_eq!((answer, told.len()), (json!({"done": false}), 0));
        let latest = store.broadcasts(1).await.unwrap().remove(0);
        assert_eq!((latest.id, latest.ended_by.as_deref(), latest.count.blocked), (id, Some("Пётр"), 1));
        store.close().await;
    }

    async fn the_last_vote_of_each_person_counts_until_the_poll_is_closed(base: &Base) {
        let store = base.open().await;
        let lease = begin(&store, ANNA).await;
        for user in 1..=2 {
            store.introduce(&partner(user, &[]), "Ольга").await.unwrap();
        }
        let poll = poll::New { question: "Когда?".into(), options: vec!["В среду".into(), "В пятницу".into()] };
        let (answer, _) = change(&store, lease, 0, broadcasting(Audience::Everybody, Some(poll))).await;
        assert_eq!(answer, json!({"id": 1, "poll": 1}));
        while let Some(to) = store.claim(BroadcastId(1)).await.unwrap() {
            let telegram_poll = Some(format!("copy-{}", to.user.0));
            let receipt = Receipt { to, fate: Fate::Sent, message_id: Some(7), telegram_poll };
            store.settle_broadcast(BroadcastId(1), receipt).await.unwrap();
        }
        let vote = |user, copy: &str, options: &[u8]| {
            let options = options.to_vec();
            Change::Vote { user: UserId(user), telegram_poll: copy.into(), options }
        };
        change(&store, lease, 1, vote(1, "copy-1", &[0])).await;
        change(&store, lease, 2, vote(2, "copy-2", &[0, 1])).await;
        change(&store, lease, 3, vote(1, "copy-1", &[1])).await;
        let (answer, _) = change(&store, lease, 4, vote(9, "somebody else's", &[1])).await;
        assert_eq!(answer, json!({"counted": false}));
        let votes = async || {
            let poll = store.poll(PollId(1)).await.unwrap().unwrap();
            (poll.options.into_iter().map(|(_, votes)| votes).collect::<Vec<_>>(), poll.voters)
        };
        assert_eq!(votes().await, (vec![1, 2], 2));
        change(&store, lease, 5, vote(2, "copy-2", &[])).await;
        assert_eq!(votes().await, (vec![0, 1], 1));
        // A copy whose receipt was lost is known by its voter, and the last vote counts in whichever it is.
        change(&store, lease, 9, vote(1, "a lost copy", &[0])).await;
        assert_eq!(votes().await, (vec![1, 0], 1));
        change(&store, lease, 10, vote(1, "copy-1", &[1])).await;
        assert_eq!(votes().await, (vec![0, 1], 1));
        assert!(store.open_copies(10).await.unwrap().is_empty(), "an open poll has nothing to close");

        let close = |by: &str| Change::ClosePoll { poll: PollId(1), by_name: by.into() };
        let (answer, _) = change(&store, lease, 6, close("Ольга")).await;
        assert_eq!(answer, json!({"done": true}));
        let (answer, _) = change(&store, lease, 7, close("Пётр")).await;
        assert_eq!(answer, json!({"done": false, "by": "Ольга"}));
        let (answer, _) = change(&store, lease, 8, vote(2, "copy-2", &[0])).await;
        assert_eq!((answer, votes().await), (json!({"counted": false}), (vec![0, 1], 1)));
        let (answer, _) = change(&store, lease, 11, vote(2, "a lost copy", &[0])).await;
        assert_eq!(answer, json!({"counted": false}), "nothing that they were sent is open");
        for copy in store.open_copies(10).await.unwrap() {
            assert_eq!(copy.message_id, 7);
            store.shut_copy(copy).await.unwrap();
        }
        assert!(store.open_copies(10).await.unwrap().is_empty());
        store.close().await;
    }

    async fn a_repeated_turn_is_recognised(base: &Base) {
        let store = base.open().await;
        let lease = begin(&store, ANNA).await;
        let entry = store.accept(vec![update(1, ANNA)]).await.unwrap().remove(0);
        let turn = Turn { messages: vec![message(ANNA, "1")], ..answering(lease, entry.id) };
        store.commit(turn.clone()).await.unwrap();
        let error = store.commit(turn).await.unwrap_err();
        assert!(matches!(error, Error::AlreadyDone), "{error}");
        assert_eq!(error.verdict(), Verdict::Reload);
        let same_message = Turn { messages: vec![message(ANNA, "1")], ..Turn::new(lease) };
        assert!(matches!(store.commit(same_message).await, Err(Error::AlreadyDone)));
        assert_eq!(store.open_messages(ChatId(ANNA)).await.unwrap().len(), 1);
        store.close().await;
    }

    async fn a_crash_before_the_commit_loses_the_turn_and_only_it(base: &Base) {
        let (entry, turn) = crash_at(base, CrashPoint::Before).await;
        let store = base.open().await;
        assert_eq!(store.orphans(10).await.unwrap(), [LaneId(ANNA)]);
        let turn = Turn { lease: lease(&store, ANNA).await, ..turn };
        assert_eq!(store.open_entries(LaneId(ANNA)).await.unwrap(), [entry]);
        assert_eq!(store.commit(turn).await.unwrap().messages.len(), 1);
        store.close().await;
    }

    async fn a_crash_after_the_commit_keeps_the_turn_and_repeating_it_is_harmless(base: &Base) {
        let (_, turn) = crash_at(base, CrashPoint::After).await;
        let store = base.open().await;
        let turn = Turn { lease: lease(&store, ANNA).await, ..turn };
        assert!(matches!(store.commit(turn).await, Err(Error::AlreadyDone)));
        assert!(store.open_entries(LaneId(ANNA)).await.unwrap().is_empty());
        assert_eq!(store.open_messages(ChatId(ANNA)).await.unwrap().len(), 1);
        store.close().await;
    }

    async fn receipts_settle_messages(base: &Base) {
        let store = base.open().await;
        let lease = begin(&store, ANNA).await;
        change(&store, lease, 0, submission()).await;
        let messages = ["1", "2", "3", "4"].map(|key| message(ANNA, key)).to_vec();
        let messages = store.commit(Turn { messages, ..Turn::new(lease) }).await.unwrap().messages;
        let settle = |at: usize, outcome| {
            let (message, chat) = (messages[at].id, messages[at].chat);
            store.settle(outbox::Receipt { message, chat, outcome })
        };
        settle(0, outbox::Outcome::Sent { message_id: Some(55) }).await.unwrap();
        settle(1, outbox::Outcome::Later { not_before: after(3) }).await.unwrap();
        let open = store.open_messages(ChatId(ANNA)).await.unwrap();
        assert_eq!(open.len(), 3);
        assert_eq!((open[0].attempt_count, open[0].not_before), (1, after(3)));
        settle(1, outbox::Outcome::Unreachable).await.unwrap();
        assert!(store.open_messages(ChatId(ANNA)).await.unwrap().is_empty());
        assert!(!store.partner(UserId(ANNA)).await.unwrap().unwrap().reachable);
        assert_eq!(base.count("select count(*) from outbox where outcome = 'unreachable'").await, 3);
        let again = store.commit(Turn { messages: vec![message(ANNA, "5")], ..Turn::new(lease) }).await;
        let message = again.unwrap().messages[0].id;
        let outcome = outbox::Outcome::Sent { message_id: None };
        store.settle(outbox::Receipt { message, chat: ChatId(ANNA), outcome }).await.unwrap();
        assert!(store.partner(UserId(ANNA)).await.unwrap().unwrap().reachable);
        store.close().await;
    }

    async fn a_planned_moment_is_run_once(base: &Base) {
        let store = base.open().await;
        let weekly = job("0 10 * * MON");
        let none = store.claim_run(&weekly, after(10), Due::Skip).await.unwrap();
        assert_eq!(none, None, "nobody was promised what was before the job");
        assert_eq!(store.claim_run(&weekly, after(10), Due::Skip).await.unwrap(), None);
        let run = store.claim_run(&weekly, after(20), Due::Run).await.unwrap().expect("a new moment");
        assert_eq!(store.claim_run(&weekly, after(20), Due::Run).await.unwrap(), None, "it is taken");
        assert_eq!(store.claim_run(&weekly, after(30), Due::Run).await.unwrap(), None, "it is at work");
        store.end_run(&run, Outcome::Done, "all told").await.unwrap();
        assert_eq!(store.claim_run(&weekly, after(20), Due::Run).await.unwrap(), None, "it is done");
        assert!(store.claim_run(&weekly, after(40), Due::Run).await.unwrap().is_some(), "the latest moment");
        let other = job("0 9 * * MON");
        assert_eq!(store.claim_run(&other, after(40), Due::Skip).await.unwrap(), None, "another schedule");
        let own = Job { name: "host:ratings".to_owned(), schedule: "0 1 * * *".to_owned() };
        assert!(store.claim_run(&own, after(40), Due::Run).await.unwrap().is_some(), "the host's own begins");
        let runs = store.latest_runs().await.unwrap();
        assert_eq!(runs.iter().map(|run| run.planned_at).collect::<Vec<_>>(), [after(40), after(40), after(40)]);
        store.close().await;
    }

    async fn a_job_that_was_taken_out_and_comes_back_is_planned_anew(base: &Base) {
        let store = base.open().await;
        let (weekly, daily) = (job("0 10 * * MON"), job("0 1 * * *"));
        let both = |at: u64| vec![(weekly.clone(), after(at)), (daily.clone(), after(at))];
        let since = store.plan_jobs(both(10)).await.unwrap();
        assert_eq!((since[&weekly], since[&daily]), (after(10), after(10)));
        let run = store.claim_run(&weekly, after(20), Due::Run).await.unwrap().expect("its moment");
        store.end_run(&run, Outcome::Done, "").await.unwrap();
        assert_eq!(store.plan_jobs(both(30)).await.unwrap(), since, "what is planned already began before");
        let since = store.plan_jobs(vec![(daily.clone(), after(40))]).await.unwrap();
        assert_eq!(since, BTreeMap::from([(daily.clone(), after(10))]));
        let since = store.plan_jobs(both(60)).await.unwrap();
        assert_eq!((since[&weekly], since[&daily]), (after(60), after(10)));
        // What it did before does not make it owe what was due while it was away.
        assert_eq!(store.claim_run(&weekly, after(50), Due::Skip).await.unwrap(), None);
        assert_eq!(store.claim_run(&weekly, after(50), Due::Run).await.unwrap(), None, "it is settled");
        assert!(store.claim_run(&weekly, after(70), Due::Run).await.unwrap().is_some());
        assert!(store.plan_jobs(Vec::new()).await.unwrap().is_empty());
        store.close().await;
    }

    async fn questions_to_the_helper_are_counted_by_person_and_day(base: &Base) {
        let store = base.open().await;
        let asks = async |user: i64, day: &str| {
            store.count_question(UserId(user), day.to_owned(), 2).await.unwrap()
        };
        assert_eq!((asks(ANNA, "2026-11-25").await, asks(ANNA, "2026-11-25").await), (true, true));
        assert!(!asks(ANNA, "2026-11-25").await, "two a day are enough");
        assert!(asks(BORIS, "2026-11-25").await, "somebody else has their own");
        assert!(asks(ANNA, "2026-11-26").await, "the next day begins anew");
        assert_eq!(base.count("select asked from helper_question where user_id = 7").await, 1);
        assert!(!store.count_question(UserId(ANNA), "2026-11-26".to_owned(), 1).await.unwrap());
        assert_eq!(base.count("select asked from helper_question where user_id = 7").await, 1, "a refusal is no question");
        // Two at once are both counted.
        let at_once = futures::future::join_all((0..5).map(|_| asks(STAFF, "2026-11-26"))).await;
        assert_eq!(at_once.into_iter().filter(|&may| may).count(), 2);
        store.close().await;
    }

    async fn a_run_whose_owner_died_goes_on_where_it_stood(base: &Base) {
        let dies = Arc::new(AtomicU64::new(0));
        let hook = dies.clone();
        let store = base.open_with(move |_| hook.load(Ordering::Relaxed) > 0).await;
        for user in 1..=5 {
            store.introduce(&verified(user), "Ольга").await.unwrap();
        }
        let weekly = job("0 10 * * MON");
        store.claim_run(&weekly, after(10), Due::Skip).await.unwrap();
        let run = store.claim_run(&weekly, after(20), Due::Run).await.unwrap().unwrap();
        let audience = job::Audience { standings: vec!["verified"], office: Some(ChatId(STAFF)) };
        let step = store.feed_run(&run, &audience, 3).await.unwrap();
        let lanes = |step: &Step| step.entries.iter().map(|entry| entry.lane.0).collect::<Vec<_>>();
        assert_eq!((lanes(&step), step.is_last), (vec![STAFF, 1, 2, 3], false));
        dies.store(1, Ordering::Relaxed);
        assert!(matches!(store.feed_run(&run, &audience, 3).await, Err(Error::Crashed)));
        let store = base.open().await;
        let again = store.claim_run(&weekly, after(20), Due::Run).await.unwrap().expect("its owner is dead");
        let step = store.feed_run(&again, &audience, 3).await.unwrap();
        assert_eq!((lanes(&step), step.is_last), (vec![4, 5], true));
        let runs = store.latest_runs().await.unwrap();
        assert!(matches!(runs[0].state, State::Ended { outcome: Outcome::Done, .. }), "{runs:?}");
        assert_eq!(runs[0].progress.done, 6);
        store.close().await;
    }

    async fn of_what_was_missed_only_the_latest_is_made_up(base: &Base) {
        let dies = Arc::new(AtomicU64::new(0));
        let hook = dies.clone();
        let store = base.open_with(move |_| hook.load(Ordering::Relaxed) > 0).await;
        let nightly = job("0 1 * * *");
        store.claim_run(&nightly, after(10), Due::Run).await.unwrap().expect("the first");
        dies.store(1, Ordering::Relaxed);
        assert!(store.put_set(&set()).await.is_err());
        let store = base.open().await;
        let run = store.claim_run(&nightly, after(50), Due::Run).await.unwrap().expect("the latest");
        assert_eq!(run.planned_at, after(50));
        store.end_run(&run, Outcome::Done, "").await.unwrap();
        assert_eq!(store.claim_run(&nightly, after(50), Due::Run).await.unwrap(), None);
        store.close().await;
    }

    async fn towns_come_from_the_list_and_what_the_office_changed_stays(base: &Base) {
        let store = base.open().await;
        let shipped = geography::shipped();
        assert_eq!(store.towns().await.unwrap().all(), shipped.towns.all(), "the table has the whole list, in its order");
        base.write("update town set parts = parts || ';Заозёрье', origin = 'office' where name = 'Казань'").await;
        base.write("update town set is_used = 0, origin = 'office' where name = 'Уфа'").await;
        base.write("insert into town (name, region, kind, is_million, place, origin)
                    values ('Верхние Васюки', 'Тверская область', 'settlement', 0, 900, 'office')").await;
        // A row of the list that somebody spoilt by mistake, and one that no list has any more.
        base.write("update town set region = 'Нигде' where name = 'Омск'").await;
        let looks = async |store: &Store| {
            let towns = store.towns().await.unwrap();
            let place = |title: &str| towns.place(title, None, None).map(|place| (place.city, place.region.unwrap()));
            [place("BORODACH Заозёрье"), place("BORODACH Уфа"), place("BORODACH Верхние Васюки"), place("BORODACH Омск")]
        };
        let is = |city: &str, region: &str| Some((city.to_owned(), region.to_owned()));
        let office = [is("Казань", "Татарстан"), None, is("Верхние Васюки", "Тверская область")];
        assert_eq!(looks(&store).await, [office.as_slice(), &[is("Омск", "Нигде")]].concat()[..], "a change counts at once");
        store.close().await;
        // The same list: nothing is touched.
        let store = base.open().await;
        assert_eq!(looks(&store).await[3], is("Омск", "Нигде"));
        store.close().await;
        // Another list: the rows are its own again, but for those of the office.
        base.write("update town_list set hash = 'of the version before'").await;
        let store = base.open().await;
        assert_eq!(looks(&store).await, [office.as_slice(), &[is("Омск", "Омская область")]].concat()[..]);
        let count = i64::try_from(shipped.towns.all().len()).unwrap();
        assert_eq!(base.count("select count(*) from town").await, count + 1);
        assert_eq!(base.count("select count(*) from town where origin = 'office'").await, 3);
        store.close().await;
    }

    async fn a_barbershop_given_with_an_approval_is_where_it_is_at_once(base: &Base) {
        let store = base.open().await;
        let lease = begin(&store, ANNA).await;
        store.sync_salons(vec![salon(3, "Тула", false)]).await.unwrap();
        change(&store, lease, 0, submission()).await;
        let card = |id: i64, title: &str, city: Option<&str>, address: Option<&str>| partner::Salon {
            id,
            title: title.into(),
            city: city.map(str::to_owned),
            address: address.map(str::to_owned),
        };
        let salons = vec![
            card(1, "BORODACH, Мурино", Some("Санкт-Петербург"), None),
            card(2, "BORODACH", None, Some("г. Казань, ул. Баумана, 5")),
            card(3, "BORODACH", None, None),
            card(4, "BORODACH", Some("Верхние Васюки"), None),
        ];
        change(&store, lease, 1, decide(1, Decision::Approve { salons }, "Ольга")).await;
        let known = |kept: borodach::store::salon::Kept| {
            let salon = kept.salon;
            (salon.city, salon.region, salon.is_million, salon.address)
        };
        let salons: Vec<_> = store.salons().await.unwrap().into_iter().map(known).collect();
        let text = |words: &str| Some(words.to_owned());
        assert_eq!(
            salons,
            [
                (text("Мурино"), text("Ленинградская область"), false, None),
                (text("Казань"), text("Татарстан"), true, text("г. Казань, ул. Баумана, 5")),
                // Told nothing of, it keeps what the list told.
                (text("Тула"), text("Регион"), false, None),
                (text("Верхние Васюки"), None, false, None),
            ]
        );
        store.close().await;
    }

    async fn numbers_of_the_network_are_kept_by_month(base: &Base) {
        let store = base.open().await;
        let (october, november) = ("2026-10".parse().unwrap(), "2026-11".parse().unwrap());
        store.sync_salons(vec![salon(1, "Казань", true), salon(2, "Казань", true), salon(3, "Тула", false)]).await.unwrap();
        store.rate(october, vec![numbers(1, 300), numbers(2, 100), numbers(3, 251)], vec![]).await.unwrap();
        store.place(vec![1, 3, 2], gathered(october, Some(after(5)))).await.unwrap();
        // What fails keeps its numbers; what never had any has none.
        store.rate(november, vec![numbers(1, 50)], vec![3]).await.unwrap();
        store.rate(november, vec![], vec![1]).await.unwrap();
        store.place(vec![1], gathered(november, None)).await.unwrap();
        let rows = store.rating(october).await.unwrap();
        let places: Vec<_> = rows.iter().map(|(row, salon)| (row.place, salon.id, row.is_stale)).collect();
        assert_eq!(places, [(Some(1), 1, false), (Some(2), 3, false), (Some(3), 2, false)]);
        assert_eq!(rows[0].0.numbers, numbers(1, 300).numbers);
        let rows = store.rating(november).await.unwrap();
        assert_eq!((rows.len(), rows[0].0.is_stale, rows[0].0.numbers.revenue), (1, true, Kopecks(50)));
        let average = async |scope: Scope| {
            let all = store.averages(&scope).await.unwrap();
            all.iter().map(|average| (average.salons, average.revenue.0)).collect::<Vec<_>>()
        };
        assert_eq!(average(Scope::Network).await, [(3, 217), (1, 50)]);
        assert_eq!(average(Scope::City("Казань".to_owned())).await, [(2, 200), (1, 50)]);
        assert_eq!(average(Scope::Size { is_million: false }).await, [(1, 251)]);
        assert_eq!(store.ratings_of(1).await.unwrap().iter().map(|row| row.month).collect::<Vec<_>>(), [october, november]);
        assert_eq!(store.placed().await.unwrap(), BTreeMap::from([(october, 3), (november, 1)]));
        // A closed month stays closed, whatever is noted later.
        store.place(vec![1, 3, 2], gathered(october, None)).await.unwrap();
        let closed: Vec<_> = store.gathered().await.unwrap().iter().map(|g| (g.month, g.closed_at)).collect();
        assert_eq!(closed, [(november, None), (october, Some(after(5)))]);
        store.sync_salons(vec![salon(1, "Казань", true)]).await.unwrap();
        let active: Vec<_> = store.salons().await.unwrap().iter().map(|kept| kept.salon.is_active).collect();
        assert_eq!(active, [true, false, false]);
        store.forget_ratings(november).await.unwrap();
        assert!(store.rating(october).await.unwrap().is_empty());
        assert_eq!(store.gathered().await.unwrap().len(), 1);
        store.close().await;
    }

    async fn sweeping_spares_what_is_open(base: &Base) {
        let store = base.open().await;
        let lease = begin(&store, ANNA).await;
        let entries = store.accept(vec![update(1, ANNA), update(2, ANNA)]).await.unwrap();
        store.commit(answering(lease, entries[0].id)).await.unwrap();
        let ended = conversation::Row { status: conversation::Status::Finished, ..talk(1, ANNA) };
        store.commit(Turn { conversations: vec![ended], ..Turn::new(lease) }).await.unwrap();
        assert_eq!(store.sweep(KEEP).await.unwrap().entries, 0);
        base.clock.turn(Duration::from_hours(1));
        let swept = store.sweep(KEEP).await.unwrap();
        assert_eq!((swept.entries, swept.messages, swept.conversations), (1, 0, 1));
        assert_eq!(store.open_entries(LaneId(ANNA)).await.unwrap(), entries[1..]);
        assert_eq!(base.count("select count(*) from journal").await, 0);
        store.close().await;
    }

    async fn script_sets_come_back_as_they_were(base: &Base) {
        let store = base.open().await;
        store.put_set(&set()).await.unwrap();
        store.put_set(&set()).await.unwrap();
        assert_eq!(store.load_set(&set().hash).await.unwrap(), Some(set()));
        assert_eq!(store.load_set(&SetHash("none".into())).await.unwrap(), None);
        store.close().await;
    }

    async fn numbers_of_conversations_never_repeat(base: &Base) {
        let mut seen = BTreeSet::new();
        for _ in 0..2 {
            let store = base.open().await;
            for _ in 0..150 {
                assert!(seen.insert(store.new_conversation().await.unwrap()));
            }
            store.close().await;
        }
    }

    async fn migrating_twice_changes_nothing(base: &Base) {
        assert_eq!(Store::migrate(&base.settings()).await.unwrap(), migrations());
        assert!(Store::migrate(&base.settings()).await.unwrap().is_empty());
        base.open().await.close().await;
    }

    async fn a_closed_store_says_so(base: &Base) {
        let store = base.open().await;
        store.clone().close().await;
        assert!(matches!(store.accept(vec![update(1, ANNA)]).await, Err(Error::Closed)));
    }
}

#[tokio::test]
async fn a_second_process_on_the_same_file_is_refused() {
    let base = Base::sqlite();
    let first = base.open().await;
    let error = Store::open(&base.settings(), base.clock.clone()).await.unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    assert!(!first.is_shared());
    first.close().await;
    base.open().await.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn a_live_instance_keeps_its_lanes_and_is_woken() {
    let base = Base::postgres("woken").await;
    let (one, other) = (base.open().await, base.open().await);
    assert!(one.is_shared());
    let old = begin(&one, ANNA).await;
    let mut wakeups = one.wakeups();
    let entries = other.accept(vec![update(1, ANNA)]).await.unwrap();
    assert_eq!(wakeups.recv().await.unwrap(), Wakeup::Lane(LaneId(ANNA)));
    assert_eq!(other.lease(LaneId(ANNA)).await.unwrap(), None);
    assert_eq!(wakeups.recv().await.unwrap(), Wakeup::Lane(LaneId(ANNA)));
    assert!(other.orphans(10).await.unwrap().is_empty());
    assert_eq!(one.busy_lanes().await.unwrap(), [LaneId(ANNA)]);
    one.clone().close().await;
    assert_eq!(other.orphans(10).await.unwrap(), [LaneId(ANNA)]);
    lease(&other, ANNA).await;
    let stale = answering(old, entries[0].id);
    assert!(matches!(other.commit(stale).await, Err(Error::StaleLease { .. })));
    other.close().await;
    base.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn the_lanes_of_a_silent_instance_are_free() {
    let base = Base::postgres("silent").await;
    let (one, other) = (base.open().await, base.open().await);
    begin(&one, ANNA).await;
    one.accept(vec![update(1, ANNA)]).await.unwrap();
    // Its session still holds the advisory lock, but nothing was heard of it for too long.
    base.run("update instance set seen_at = seen_at - 31000 where id = (select owner from lane)").await;
    let taken = other.lease(LaneId(ANNA)).await.unwrap();
    assert!(taken.is_some());
    one.close().await;
    other.close().await;
    base.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn a_connection_that_breaks_at_the_commit_leaves_no_doubt() {
    let base = Base::postgres("doubt").await;
    let broken = Arc::new(Mutex::new(None));
    let (plan, killer) = (broken.clone(), base.killer());
    let store = base
        .open_with(move |point| {
            if plan.lock().unwrap().take_if(|at| *at == point).is_some() {
                killer();
            }
            false
        })
        .await;
    let lease = begin(&store, ANNA).await;
    let entry = store.accept(vec![update(1, ANNA)]).await.unwrap().remove(0);
    let next = base.commits.load(Ordering::Relaxed) + 1;
    *broken.lock().unwrap() = Some(CrashPoint::Before(next));
    let turn = Turn { messages: vec![message(ANNA, "1")], ..answering(lease, entry.id) };
    let error = store.commit(turn.clone()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert!(error.is_transient());
    assert_eq!(store.commit(turn).await.unwrap().messages.len(), 1);
    store.close().await;
    base.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn instances_that_start_at_once_fill_the_towns_once() {
    let base = Base::postgres("towns_at_once").await;
    let stores = futures::future::join_all((0..4).map(|_| base.open())).await;
    for store in stores {
        assert_eq!(store.towns().await.unwrap().all(), geography::shipped().towns.all());
        store.close().await;
    }
    base.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn the_twins_have_the_same_tables() {
    let (sqlite, postgres) = (Base::sqlite(), Base::postgres("twins").await);
    Store::migrate(&sqlite.settings()).await.unwrap();
    Store::migrate(&postgres.settings()).await.unwrap();
    let (one, other) = (sqlite.schema().await, postgres.schema().await);
    assert!(one.len() > 80, "{one:#?}");
    let only_sqlite: Vec<_> = one.difference(&other).collect();
    let only_postgres: Vec<_> = other.difference(&one).collect();
    assert!(only_sqlite.is_empty() && only_postgres.is_empty(), "{only_sqlite:#?} {only_postgres:#?}");
    postgres.drop().await;
}

const KEEP: Retention = Retention {
    inbox: Some(Duration::from_mins(1)),
    outbox: Some(Duration::from_mins(1)),
    conversations: Some(Duration::from_mins(1)),
};

/// A database of the test's own.
struct Base {
    url: DatabaseUrl,
    name: String,
    clock: Arc<ManualClock>,
    commits: Arc<AtomicU64>,
    _folder: Option<tempfile::TempDir>,
}

impl Base {
    fn sqlite() -> Base {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::Sqlite(folder.path().join("data").join("test.db"));
        Base::of(url, String::new(), Some(folder))
    }

    async fn postgres(fact: &str) -> Base {
        let name = format!("borodach_{}_{}", std::process::id(), &fact[..fact.len().min(40)]);
        admin(&format!("drop database if exists {name} with (force)")).await;
        admin(&format!("create database {name}")).await;
        Base::of(DatabaseUrl::Postgres(database_url(&name).into()), name, None)
    }

    fn of(url: DatabaseUrl, name: String, folder: Option<tempfile::TempDir>) -> Base {
        let commits = Arc::new(AtomicU64::new(0));
        Base { url, name, clock: ManualClock::new(START), commits, _folder: folder }
    }

    async fn drop(self) {
        admin(&format!("drop database {} with (force)", self.name)).await;
    }

    fn settings(&self) -> Settings {
        Settings { url: self.url.clone(), ..Settings::default() }
    }

    async fn open(&self) -> Store {
        Store::open(&self.settings(), self.clock.clone()).await.unwrap()
    }

    /// Opens a store that asks `dies` at each commit.
    async fn open_with(&self, dies: impl Fn(CrashPoint) -> bool + Send + Sync + 'static) -> Store {
        let commits = self.commits.clone();
        let hook = move |point| {
            let (CrashPoint::Before(number) | CrashPoint::After(number)) = point;
            commits.fetch_max(number, Ordering::Relaxed);
            dies(point)
        };
        let settings = Settings { crash: Some(CrashHook(Arc::new(hook))), ..self.settings() };
        let clock: SharedClock = self.clock.clone();
        Store::open(&settings, clock).await.unwrap()
    }

    /// Changes something beside the store, as a person with a console does.
    async fn write(&self, sql: &'static str) {
        match &self.url {
            DatabaseUrl::Sqlite(path) => {
                let mut connection = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
                sqlx::query(sql).execute(&mut connection).await.unwrap();
            }
            DatabaseUrl::Memory(_) => panic!("these tests look into a database from beside"),
            DatabaseUrl::Postgres(_) => self.run(sql).await,
        }
    }

    /// Runs a statement on the server beside the store.
    async fn run(&self, sql: &str) {
        let mut connection = PgConnection::connect(&database_url(&self.name)).await.unwrap();
        sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    }

    /// Asks for a number beside the store.
    async fn count(&self, sql: &'static str) -> i64 {
        match &self.url {
            DatabaseUrl::Sqlite(path) => {
                let mut connection = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
                sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
            }
            DatabaseUrl::Memory(_) => panic!("these tests look into a database from beside"),
            DatabaseUrl::Postgres(_) => {
                let mut connection = PgConnection::connect(&database_url(&self.name)).await.unwrap();
                sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
            }
        }
    }

    /// Cuts all connections of the database, and returns when they are cut.
    fn killer(&self) -> impl Fn() + Send + Sync + 'static {
        let name = self.name.clone();
        move || {
            let name = name.clone();
            // A thread of its own: the hook is called from within a task.
            let cut = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(admin(&format!(
                    "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '{name}'"
                )));
            });
            cut.join().unwrap();
        }
    }

    /// Every column with its nullability, and the columns of every unique index.
    async fn schema(&self) -> BTreeSet<String> {
        const SQLITE: &str = "
            select 'column ' || t.name || '.' || c.name || case when c.\"notnull\" = 1 then ' not null' else '' end
            from sqlite_schema t join pragma_table_info(t.name) c
            where t.type = 'table' and t.name not like 'sqlite%' and t.name not like '\\_sqlx%' escape '\\'
            union all
            select 'unique ' || t.name || ' ' || (
                select group_concat(name, ',') from (select name from pragma_index_info(i.name) order by name))
                || case when i.partial = 1 then ' partial' else '' end
            from sqlite_schema t join pragma_index_list(t.name) i
            where t.type = 'table' and i.\"unique\" = 1 and t.name not like '\\_sqlx%' escape '\\'
            union all
            select 'unique ' || t.name || ' ' || c.name
            from sqlite_schema t join pragma_table_info(t.name) c
            where t.type = 'table' and c.pk = 1 and c.type = 'INTEGER'
              and (select count(*) from pragma_table_info(t.name) where pk > 0) = 1
              and t.name not like '\\_sqlx%' escape '\\'";
        const POSTGRES: &str = "
            select 'column ' || table_name || '.' || column_name
                || case when is_nullable = 'NO' then ' not null' else '' end
            from information_schema.columns join information_schema.tables using (table_schema, table_name)
            where table_schema = 'public' and table_type = 'BASE TABLE' and table_name not like '\\_sqlx%'
            union all
            select 'unique ' || t.relname || ' ' || (
                select string_agg(a.attname, ',' order by a.attname collate \"C\") from pg_attribute a
                where a.attrelid = t.oid and a.attnum = any (i.indkey))
                || case when i.indpred is not null then ' partial' else '' end
            from pg_index i join pg_class t on t.oid = i.indrelid
            where t.relnamespace = 'public'::regnamespace and i.indisunique and t.relname not like '\\_sqlx%'";
        let rows: Vec<String> = match &self.url {
            DatabaseUrl::Sqlite(path) => {
                let mut connection = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
                sqlx::query_scalar(SQLITE).fetch_all(&mut connection).await.unwrap()
            }
            DatabaseUrl::Memory(_) => panic!("these tests look into a database from beside"),
            DatabaseUrl::Postgres(_) => {
                let mut connection = PgConnection::connect(&database_url(&self.name)).await.unwrap();
                sqlx::query_scalar(POSTGRES).fetch_all(&mut connection).await.unwrap()
            }
        };
        rows.into_iter().collect()
    }
}

/// Runs a statement on the server's own database.
pub async fn admin(sql: &str) {
    let mut connection = PgConnection::connect(&server_url()).await.unwrap();
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
}

#[expect(clippy::disallowed_methods, reason = "where the test server is, is no setting of the bot")]
fn server_url() -> String {
    std::env::var("TEST_DATABASE_URL")
        .unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".into())
}

pub fn database_url(name: &str) -> String {
    let mut url = url::Url::parse(&server_url()).unwrap();
    url.set_path(name);
    url.into()
}

/// A turn that a store crashes at, with the entry it answers.
async fn crash_at(base: &Base, point: fn(u64) -> CrashPoint) -> (inbox::Entry, Turn) {
    let plan = Arc::new(Mutex::new(None));
    let planned = plan.clone();
    let store = base.open_with(move |point| *planned.lock().unwrap() == Some(point)).await;
    let lease = begin(&store, ANNA).await;
    let entry = store.accept(vec![update(1, ANNA)]).await.unwrap().remove(0);
    let turn = Turn { messages: vec![message(ANNA, "1")], ..answering(lease, entry.id) };
    *plan.lock().unwrap() = Some(point(base.commits.load(Ordering::Relaxed) + 1));
    let error = store.commit(turn.clone()).await.unwrap_err();
    assert!(matches!(error, Error::Crashed), "{error}");
    assert!(matches!(store.health().await, Err(Error::Crashed)));
    assert!(matches!(store.accept(vec![update(2, ANNA)]).await, Err(Error::Crashed)));
    (entry, turn)
}

async fn lease(store: &Store, chat: i64) -> Lease {
    store.lease(LaneId(chat)).await.unwrap().unwrap()
}

/// Begins conversation 1 with a person and returns the lease of their lane.
async fn begin(store: &Store, chat: i64) -> Lease {
    store.put_set(&set()).await.unwrap();
    let lease = lease(store, chat).await;
    store.commit(Turn { conversations: vec![talk(1, chat)], ..Turn::new(lease) }).await.unwrap();
    lease
}

/// Makes a change as one step and returns its answer and the entries it brought about.
async fn change(store: &Store, lease: Lease, no: u32, change: Change) -> (Value, Vec<inbox::Entry>) {
    let local = Some(Local { row: Some(step(1, no, None)), change });
    let committed = store.commit(Turn { local, ..Turn::new(lease) }).await.unwrap();
    (committed.answer.unwrap().read().unwrap(), committed.entries)
}

async fn awaited(store: &Store, chat: i64) -> Option<borodach::store::Conversation> {
    store.conversation(ChatId(chat), UserId(chat)).await.unwrap()
}

fn answering(lease: Lease, entry: EntryId) -> Turn {
    Turn { finish: Some(entry), ..Turn::new(lease) }
}

fn update(id: i64, chat: i64) -> inbox::New {
    let body = json!({"update_id": id, "text": "Привет, \"мир\"\u{0}"}).into();
    inbox::New { source: "telegram".into(), key: id.to_string(), lane: LaneId(chat), body }
}

fn message(chat: i64, key: &str) -> outbox::New {
    outbox::New { key: format!("{chat}-{key}"), chat: ChatId(chat), call: json!({"text": key}).into() }
}

fn talk(id: i64, chat: i64) -> conversation::Row {
    conversation::Row {
        id: ConversationId(id),
        chat: ChatId(chat),
        user: UserId(chat),
        flow: "task".into(),
        set: set().hash,
        epoch: 0,
        status: conversation::Status::Awaiting,
        detail: json!({}).into(),
        updated_at: START,
    }
}

fn step(conversation: i64, no: u32, answer: Option<Value>) -> journal::Row {
    journal::Row {
        conversation: ConversationId(conversation),
        step: StepNo(no),
        name: "chat::ask_text".into(),
        site: "flows/task.rhai:4".into(),
        request: None,
        answer: answer.map(Json::from),
        recorded_at: START,
    }
}

fn timer(conversation: i64, no: u32, seconds: u64) -> timer::New {
    timer::New {
        conversation: ConversationId(conversation),
        step: StepNo(no),
        kind: timer::Kind::Limit,
        lane: LaneId(ANNA),
        user: UserId(ANNA),
        fire_at: after(seconds),
    }
}

async fn titles(store: &Store) -> Vec<String> {
    let anna = store.partner(UserId(ANNA)).await.unwrap().unwrap();
    anna.salons.into_iter().map(|salon| salon.title).collect()
}

/// A partner with barbershops in these cities.
fn partner(user: i64, salons: &[(i64, &str)]) -> partner::Partner {
    let salon = |&(id, city): &(i64, &str)| partner::Salon {
        id,
        title: format!("Барбершоп {id}"),
        city: Some(city.into()),
        address: None,
    };
    partner::Partner {
        user: UserId(user),
        chat: ChatId(user),
        status: partner::Status::Verified,
        profile: Profile {
            name: format!("Партнёр {user}"),
            phone: "+79990000001".into(),
            username: None,
            role: None,
            position: None,
        },
        reachable: true,
        reason: None,
        created_at: START,
        verified_at: Some(START),
        salons: salons.iter().map(salon).collect(),
    }
}

fn broadcasting(audience: Audience, poll: Option<poll::New>) -> Change {
    Change::Broadcast(broadcast::New {
        call: json!({"content": {"text": {"html": "Завтра сбор"}}}).into(),
        poll,
        audience,
        audience_words: "все".into(),
        staff: Some(ChatId(STAFF)),
        progress: None,
        by_name: "Ольга".into(),
    })
}

fn submission() -> Change {
    let profile = Profile {
        name: "Петрова Анна Сергеевна".into(),
        phone: "+79990000001".into(),
        username: None,
        role: Some(Role::Owner),
        position: None,
    };
    submitting(Asks::Registration { form: json!({"city": "Казань"}).into(), profile })
}

fn submitting(asks: Asks) -> Change {
    Change::Submit(Submission { asks, user: UserId(ANNA), chat: ChatId(ANNA), staff: Some(ChatId(STAFF)) })
}

fn approve(salons: &[(i64, &str)]) -> Decision {
    let salon =
        |&(id, title): &(i64, &str)| partner::Salon { id, title: title.into(), city: None, address: None };
    Decision::Approve { salons: salons.iter().map(salon).collect() }
}

fn salon(id: i64, city: &str, is_million: bool) -> Salon {
    Salon {
        id,
        title: format!("BORODACH {city}, {id}"),
        address: None,
        city: Some(city.to_owned()),
        region: Some("Регион".to_owned()),
        is_million,
        is_active: true,
    }
}

fn numbers(salon: i64, revenue: i64) -> Loaded {
    Loaded {
        salon,
        upto: chrono::NaiveDate::from_ymd_opt(2026, 10, 31).unwrap(),
        numbers: Numbers {
            revenue: Kopecks(revenue),
            services: Kopecks(revenue),
            goods: Kopecks(0),
            average_check: None,
            completed: 7,
            visits: 9,
            new_clients: 2,
            returning_clients: Some(5),
            base: 70,
            return_share: None,
        },
        loaded_at: START,
    }
}

fn gathered(month: Month, closed_at: Option<Timestamp>) -> Gathered {
    Gathered { month, loaded_at: START, salons: 3, failed: 0, closed_at }
}

/// What the folder of migrations holds, as a migration is named.
fn migrations() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite");
    let names =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = names.filter_map(|name| name.strip_suffix(".sql").map(|name| name.replace('_', " ")));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn job(schedule: &str) -> Job {
    Job { name: "weekly_report".to_owned(), schedule: schedule.to_owned() }
}

/// A partner with the number `user` and no barbershop.
pub fn verified(user: i64) -> Partner {
    Partner {
        user: UserId(user),
        chat: ChatId(user),
        status: partner::Status::Verified,
        profile: Profile {
            name: format!("Партнёр {user}"),
            phone: format!("+7999000000{user}"),
            username: None,
            role: Some(Role::Owner),
            position: None,
        },
        reachable: true,
        reason: None,
        created_at: START,
        verified_at: Some(START),
        salons: Vec::new(),
    }
}

fn decide(request: i64, decision: Decision, by_name: &str) -> Change {
    Change::Decide { request: RequestId(request), decision, by: UserId(1), by_name: by_name.into() }
}

fn set() -> ScriptSet {
    let files = BTreeMap::from([("flows/task.rhai".to_owned(), "fn start(chat) {}".to_owned())]);
    ScriptSet { hash: SetHash("abc".into()), rhai_version: "1.27.0".into(), files }
}

fn keys(entries: &[inbox::Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.key.as_str()).collect()
}

fn after(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}
