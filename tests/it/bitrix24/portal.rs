//! The client and the sandbox's portal, with its quirks, its limits and what goes wrong on the way.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use borodach::bitrix24::event::{self, What};
use borodach::bitrix24::{
    Client, Content, Deadline, Error, GroupId, Look, Means, NewTask, PortalUserId, Priority, Proof, Refusal,
    Status, TaskChanges, TaskFilter, TaskId, WriteKey,
};
use borodach::clock::{ManualClock, Timestamp};
use borodach::http::{Kind, Verdict};
use borodach::sandbox::bitrix24::{
    Bitrix24, Brackets, Card, DESIGN, DEVELOPMENT, Fault, Hook, Limits, Mail, Method, Often, Rest3, Rule,
    Scope,
};
use secrecy::SecretString;

use super::{NOON, key};

const MINUTE: Duration = Duration::from_mins(1);

struct Office {
    portal: Bitrix24,
    clock: Arc<ManualClock>,
    client: Client,
}

impl Office {
    async fn open() -> Office {
        Office::open_with(1).await
    }

    /// `attempts` is how often a call is made before it is given up.
    async fn open_with(attempts: u32) -> Office {
        crate::crypto();
        let clock = ManualClock::new(NOON);
        let addr = SocketAddr::from(([127, 0, 0, 1], 0));
        let portal = Bitrix24::start(addr, clock.clone()).await.expect("loopback is free");
        let client = super::client(portal.url().as_str(), clock.clone(), attempts, |_| {});
        Office { portal, clock, client }
    }

    /// A key by whatever means the portal allows now.
    fn key(&self, text: &str) -> WriteKey {
        WriteKey::new(text, self.client.means(), NOON).expect("the key fits")
    }

    async fn adds(&self, text: &str) -> TaskId {
        self.client.add_task(&self.key(text), &sign()).await.expect("nothing is in the way").id
    }
}

fn sign() -> NewTask {
    NewTask {
        title: "Поменять вывеску".to_owned(),
        description: "Буква отвалилась".to_owned(),
        group: Some(GroupId(DESIGN)),
        responsible: PortalUserId(21),
        creator: None,
        deadline: Some(Timestamp(NOON.0 + 86_400_000)),
        priority: Priority::High,
        tags: vec!["Срочно".to_owned()],
    }
}

#[tokio::test]
async fn a_task_lives_its_whole_life() {
    let office = Office::open().await;
    let client = &office.client;
    assert_eq!(client.whoami().await.unwrap().id, client.owner());
    client.probe().await.unwrap();
    for means in [Means::Marked, Means::Keyed] {
        let mark = format!("12-0-{means:?}");
        let made = client.add_task(&key(&mark, means), &sign()).await.unwrap();
        let read = client.task(made.id).await.unwrap().expect("it was made");
        assert_eq!(read.title, "Поменять вывеску");
        assert_eq!(read.mark.as_deref(), Some(&*mark));
        assert_eq!((read.group, read.stage), (Some(GroupId(DESIGN)), None));
        assert_eq!((read.responsible, read.creator), (Some(PortalUserId(21)), Some(client.owner())));
        assert_eq!((read.deadline, read.priority), (sign().deadline, Priority::High));
        assert_eq!((read.created_at, read.status), (Some(NOON), Status::Pending));
        assert_eq!(made.group, read.group, "what making answers is what reading does: {made:?}");
        assert_eq!((made.deadline, made.priority, made.status), (read.deadline, read.priority, read.status));

        let stages = client.stages(GroupId(DESIGN)).await.unwrap();
        let titles: Vec<&str> = stages.iter().map(|stage| &*stage.title).collect();
        assert_eq!(titles, ["Новая", "Выполняется", "На проверке", "Завершена", "Отменена"]);
        client.move_task(made.id, stages[1].id).await.unwrap();
        assert_eq!(office.portal.column(made.id.0).unwrap().title, "Выполняется");

        let changes = TaskChanges {
            title: Some("Вывеска".to_owned()),
            deadline: Some(Deadline::Never),
            ..Default::default()
        };
        let after = client.update_task(made.id, &changes).await.unwrap();
        assert_eq!((after.title.as_str(), after.deadline), ("Вывеска", None));
        assert_eq!(client.complete_task(made.id).await.unwrap().status, Status::Completed);
        let again = client.complete_task(made.id).await.expect("it is complete already");
        assert_eq!((again.status, again.closed_at), (Status::Completed, Some(NOON)));
    }
    assert_eq!(client.task(TaskId(99_999)).await.unwrap(), None);
    let error = client.complete_task(TaskId(99_999)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error}");
}

#[tokio::test]
async fn all_pages_are_read_and_a_lost_one_is_noticed() {
    let office = Office::open().await;
    for number in 0..120 {
        office.portal.adds(8, DEVELOPMENT, &format!("Задача {number}")).unwrap();
    }
    let filter = TaskFilter { groups: vec![GroupId(DEVELOPMENT)], ..TaskFilter::default() };
    assert_eq!(office.client.tasks(&filter).await.unwrap().len(), 120);
    assert_eq!(office.portal.calls(Method::TaskList), 3);
    office.portal.faults().next(Method::TaskList, Fault::EmptyPage, 1);
    assert_eq!(office.client.tasks(&filter).await.unwrap().len(), 120, "it was read again");
    office.portal.faults().next(Method::TaskList, Fault::EmptyPage, 2);
    let error = office.client.tasks(&filter).await.expect_err("half a list is no list");
    assert!(matches!(error, Error::Malformed { .. }), "{error:?}");
}

#[tokio::test]
async fn what_has_changed_since_is_found_and_ids_are_compared_as_numbers() {
    let office = Office::open().await;
    let (old, new) = (office.adds("1-0-1").await, office.adds("1-0-2").await);
    office.clock.turn(MINUTE);
    office.portal.completes(21, new.0).unwrap();
    let since = TaskFilter { changed_since: Some(NOON + MINUTE), ..TaskFilter::default() };
    let changed = office.client.tasks(&since).await.unwrap();
    assert_eq!(changed.iter().map(|task| task.id).collect::<Vec<_>>(), [new]);
    let one = TaskFilter { ids: vec![old], ..TaskFilter::default() };
    assert_eq!(office.client.tasks(&one).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_portal_is_asked_what_it_can_do_and_nothing_is_left_there() {
    for (rest3, filters, keys, marks) in [
        (Rest3::WithKeys, true, Proof::Proven, Proof::Proven),
        (Rest3::WithoutKeys, true, Proof::Plausible, Proof::Proven),
        (Rest3::Absent, true, Proof::Absent, Proof::Proven),
        (Rest3::Absent, false, Proof::Absent, Proof::Absent),
    ] {
        let office = Office::open().await;
        office.adds("1-0-1").await;
        office.portal.change(|conduct| {
            conduct.rest3 = rest3;
            conduct.filters_by_xml_id = filters;
        });
        let known = office.client.probe().await.unwrap();
        assert_eq!((known.keys, known.marks), (keys, marks), "{rest3:?} {filters}");
        assert_eq!(office.portal.made(), 1, "{rest3:?}: probing made nothing");
    }
    let office = Office::open().await;
    office.portal.change(|conduct| _ = conduct.scopes.remove(&Scope::Tasks));
    assert_eq!(office.client.probe().await.unwrap().keys, Proof::Absent);
    // An empty portal proves nothing, whatever it does.
    assert_eq!(office.client.capabilities().marks, Proof::Plausible);
}

#[tokio::test]
async fn a_portal_that_only_seems_to_heed_keys_is_found_out_by_the_first_task() {
    let office = Office::open().await;
    office.portal.change(|conduct| conduct.rest3 = Rest3::WithoutKeys);
    office.client.probe().await.unwrap();
    assert_eq!(office.client.means(), Means::Keyed);
    office.adds("1-0-1").await;
    assert_eq!(office.client.capabilities().keys, Proof::Absent);
    assert_eq!(office.client.means(), Means::Marked);
}

/// What hides that a task was made.
const HIDING: [Fault; 6] = [
    Fault::ResetAfterAccept,
    Fault::ServerErrorAfterAccept,
    Fault::BadGatewayAfterAccept,
    Fault::CutJson,
    Fault::WrongTypes,
    Fault::EmptyBody,
];

/// What prevents that it is made, with no word that says so.
const PREVENTING: [Fault; 3] = [Fault::Reset, Fault::ServerError, Fault::BadGatewayHtml];

/// Makes a task with a fault on the way, as its caller must: in doubt it waits, looks, and repeats or parks.
async fn persists(office: &Office, key: &WriteKey) -> Option<TaskId> {
    let mut outcome = office.client.add_task(key, &sign()).await;
    loop {
        let error = match outcome {
            Ok(task) => return Some(task.id),
            Err(error) => error,
        };
        assert_eq!(error.verdict(), Verdict::LookFirst, "{error:?}");
        office.clock.turn(MINUTE);
        outcome = match office.client.find_by_key(key, Some(GroupId(DESIGN))).await.expect("looking works") {
            Look::Done(task) => Ok(task),
            Look::NotDone => office.client.add_task(key, &sign()).await,
            Look::Unknown => return None,
        };
    }
}

#[tokio::test]
async fn twice_is_once_by_keys_and_by_marks() {
    for rest3 in [Rest3::WithKeys, Rest3::Absent] {
        let office = Office::open().await;
        office.portal.change(|conduct| conduct.rest3 = rest3);
        let first = office.adds("1-0-0").await;
        office.client.probe().await.unwrap();
        let method = if rest3 == Rest3::WithKeys { Method::Task3Add } else { Method::TaskAdd };
        for (number, fault) in HIDING.into_iter().chain(PREVENTING).enumerate() {
            office.portal.faults().next(method, fault, 1);
            let key = office.key(&format!("1-0-{}", number + 1));
            let made = persists(&office, &key).await.expect("it can be checked here");
            assert_ne!(made, first);
            assert_eq!(
                office.portal.task(made.0).unwrap().xml_id.as_deref(),
                Some(key.as_str()),
                "{fault:?}"
            );
        }
        assert_eq!(office.portal.twins(), [], "{rest3:?}");
        assert_eq!(office.portal.made(), 10, "{rest3:?}");
    }
}

#[tokio::test]
async fn keys_alone_are_enough_where_the_filter_is_ignored() {
    let office = Office::open().await;
    office.portal.change(|conduct| conduct.filters_by_xml_id = false);
    office.adds("1-0-0").await;
    office.client.probe().await.unwrap();
    for (number, fault) in HIDING.into_iter().chain(PREVENTING).enumerate() {
        office.portal.faults().next(Method::Task3Add, fault, 1);
        let key = office.key(&format!("1-0-{}", number + 1));
        persists(&office, &key).await.unwrap_or_else(|| panic!("{fault:?}: the portal knows a repetition"));
    }
    assert_eq!((office.portal.twins().len(), office.portal.made()), (0, 10));
}

#[tokio::test]
async fn where_nothing_can_be_checked_a_task_is_made_once_or_left_to_a_person() {
    let office = Office::open().await;
    office.portal.change(|conduct| {
        conduct.rest3 = Rest3::Absent;
        conduct.filters_by_xml_id = false;
    });
    office.adds("1-0-0").await;
    office.client.probe().await.unwrap();
    for (number, fault) in PREVENTING.into_iter().enumerate() {
        office.portal.faults().next(Method::TaskAdd, fault, 1);
        let key = office.key(&format!("1-0-{}", number + 1));
        assert_eq!(persists(&office, &key).await, None, "{fault:?}: nobody knows");
    }
    for (number, fault) in HIDING.into_iter().enumerate() {
        office.portal.faults().next(Method::TaskAdd, fault, 1);
        let key = office.key(&format!("2-0-{}", number + 1));
        // Everything comes back, and ours is among the newest.
        assert!(persists(&office, &key).await.is_some(), "{fault:?}: it is there to be seen");
    }
    assert_eq!((office.portal.twins().len(), office.portal.made()), (0, 7));
}

#[tokio::test]
async fn a_request_that_outlives_its_caller_makes_no_second_task() {
    let office = Office::open().await;
    office.adds("1-0-0").await;
    office.client.probe().await.unwrap();
    for (means, method) in [(Means::Marked, Method::TaskAdd), (Means::Keyed, Method::Task3Add)] {
        let made = office.portal.made();
        let impatient = super::client(office.portal.url().as_str(), office.clock.clone(), 1, |settings| {
            settings.request_timeout = Duration::from_secs(1);
        });
        let key = key(&format!("2-0-{means:?}"), means);
        office.portal.faults().next(method, Fault::Late(Duration::from_secs(2)), 1);
        let error = impatient.add_task(&key, &sign()).await.expect_err("nobody waits so long");
        assert_eq!(error.verdict(), Verdict::LookFirst, "{error:?}");
        let early = impatient.find_by_key(&key, None).await.expect_err("it still runs");
        assert!(matches!(early, Error::TooEarly { .. }), "{early:?}");
        office.portal.wait_for(|portal| portal.made() == made + 1).await.expect("it comes out in the end");
        office.clock.turn(MINUTE);
        let found = office.client.find_by_key(&key, None).await;
        assert!(
            matches!(found, Err(Error::TooEarly { .. })),
            "a process that never sent it waits, too: {found:?}"
        );
        let known = key.clone().gone_by(NOON);
        let fresh = super::client(office.portal.url().as_str(), office.clock.clone(), 1, |_| {});
        fresh.probe().await.expect("the portal is well");
        let found = fresh.find_by_key(&known, None).await;
        assert!(matches!(found, Ok(Look::Done(_))), "one that knows when it left need not wait: {found:?}");
        let found = impatient.probe().await.map(|_| ());
        found.expect("the portal is well");
        assert!(matches!(impatient.find_by_key(&key, None).await, Ok(Look::Done(_))));
        assert_eq!(office.portal.made(), made + 1);
    }
}

#[tokio::test]
async fn reads_are_repeated_and_writes_in_doubt_are_not() {
    let office = Office::open_with(3).await;
    let task = office.adds("1-0-1").await;
    office.portal.faults().add(Rule {
        endpoint: Some(Method::TaskGet),
        kind: Fault::BadGatewayHtml,
        often: Often::Times(2),
    });
    assert!(office.client.task(task).await.unwrap().is_some());
    assert_eq!(office.portal.calls(Method::TaskGet), 3);
    let before = office.portal.calls(Method::TaskAdd);
    office.portal.faults().next(Method::TaskAdd, Fault::ResetAfterAccept, 1);
    office.client.add_task(&office.key("1-0-2"), &sign()).await.expect_err("it is in doubt");
    assert_eq!(office.portal.calls(Method::TaskAdd), before + 1);
    // What comes to the same when done twice is repeated.
    office.portal.faults().next(Method::TaskComplete, Fault::ResetAfterAccept, 1);
    assert_eq!(office.client.complete_task(task).await.unwrap().status, Status::Completed);
}

#[tokio::test]
async fn a_hopeless_refusal_is_not_repeated() {
    let office = Office::open_with(3).await;
    let mut task = sign();
    task.responsible = PortalUserId(999_999);
    let error = office.client.add_task(&office.key("1-0-1"), &task).await.unwrap_err();
    assert_eq!((error.verdict(), error.kind()), (Verdict::GiveUp, Kind::Rejected), "{error}");
    assert_eq!(office.portal.calls(Method::TaskAdd), 1);
    office.portal.change(|conduct| _ = conduct.scopes.remove(&Scope::Task));
    let error = office.client.task(TaskId(1)).await.unwrap_err();
    assert_eq!((error.refusal(), error.verdict()), (Some(Refusal::Scope), Verdict::AskPerson), "{error}");
    assert_eq!(office.portal.calls(Method::TaskGet), 1);
}

#[tokio::test]
async fn a_method_that_used_up_its_time_rests_and_comes_back() {
    let office = Office::open().await;
    let task = office.adds("1-0-1").await;
    let operating = Some(Duration::from_mins(8));
    office.portal.set_limits(Limits { operating, run_time: Duration::from_mins(3), ..Limits::default() });
    for _ in 0..3 {
        office.client.task(task).await.expect("the call that crosses the line is still made");
    }
    let error = office.client.task(task).await.unwrap_err();
    assert!(matches!(error, Error::NotSent(_)), "our own budget is below the portal's: {error:?}");
    assert_eq!(office.portal.calls(Method::TaskGet), 3);
    office.client.whoami().await.expect("other methods go on");
    office.clock.turn(error.retry_after().expect("the portal said until when"));
    office.client.task(task).await.expect("the oldest is forgotten");
}

#[tokio::test]
async fn comments_come_back_and_none_comes_twice() {
    for (card, rest3) in
        [(Card::Chat, Rest3::WithKeys), (Card::Chat, Rest3::Absent), (Card::Forum, Rest3::Absent)]
    {
        let office = Office::open().await;
        office.portal.change(|conduct| (conduct.card, conduct.rest3) = (card, rest3));
        let task = office.adds("1-0-0").await;
        office.client.probe().await.unwrap();
        let method = if rest3 == Rest3::WithKeys { Method::Task3Say } else { Method::CommentAdd };
        for (number, fault) in HIDING.into_iter().chain(PREVENTING).enumerate() {
            let key = office.key(&format!("1-0-{}", number + 1));
            let text = format!("Фото {number}");
            office.portal.faults().next(method, fault, 1);
            let error = office.client.add_comment(&key, task, &text).await.expect_err("it is in doubt");
            assert_eq!(error.verdict(), Verdict::LookFirst, "{error:?}");
            office.clock.turn(MINUTE);
            match office.client.find_comment(&key, task).await.unwrap() {
                Look::Done(()) => {}
                Look::NotDone => office.client.add_comment(&key, task, &text).await.unwrap(),
                Look::Unknown => panic!("{rest3:?} {fault:?}: it can be checked"),
            }
        }
        let comments = office.client.comments(task).await.unwrap();
        let ours: Vec<&str> =
            comments.iter().map(|comment| &*comment.text).filter(|text| text.starts_with("Фото")).collect();
        assert_eq!(ours, (0..9).map(|number| format!("Фото {number}")).collect::<Vec<_>>(), "{rest3:?}");
    }
}

#[tokio::test]
async fn files_small_and_large_come_whole_and_are_attached_once() {
    let office = Office::open().await;
    let client = &office.client;
    let task = office.adds("1-0-0").await;
    let storage = client.storage(GroupId(DESIGN)).await.unwrap().expect("a project has a disk");
    let large = vec![0xF5_u8; 700 * 1024];
    let stream = || reqwest::Body::from(vec![0xA0_u8; 2_000]);
    let files = [
        ("1-0-1.txt", Content::Bytes("мало".as_bytes()), "мало".as_bytes().to_vec()),
        ("1-0-2.bin", Content::Bytes(&large), large.clone()),
        ("1-0-3.bin", Content::Stream { size_bytes: 2_000, open: &stream }, vec![0xA0; 2_000]),
    ];
    for (name, content, bytes) in files {
        let file = client.upload(storage.folder, name, content).await.unwrap();
        let attachment = client.attach(task, file).await.unwrap();
        assert_eq!(client.attach(task, file).await.unwrap(), attachment, "{name}");
        let kept = office.portal.files(task.0).pop().expect("it is attached");
        assert_eq!((kept.id, kept.name.as_str()), (file.0, name));
        assert!(kept.bytes == bytes, "{name} came whole");
    }
    office.portal.faults().next(Method::TaskAttach, Fault::ResetAfterAccept, 1);
    let file = client.upload(storage.folder, "1-0-4.txt", Content::Bytes(b"x")).await.unwrap();
    client.attach(task, file).await.expect("it looked, and it was attached");
    assert_eq!(office.portal.files(task.0).len(), 4);
    office.portal.change(|conduct| conduct.disk_quota = Some(1));
    let error = client.upload(storage.folder, "1-0-5.txt", Content::Bytes(b"xy")).await.unwrap_err();
    assert_eq!((error.refusal(), error.verdict()), (Some(Refusal::NotSaved), Verdict::AskPerson));
    assert_eq!(client.storage(GroupId(99)).await.unwrap(), None);
}

#[tokio::test]
async fn a_file_whose_answer_was_lost_is_there_once() {
    let office = Office::open_with(3).await;
    let folder = office.client.storage(GroupId(DESIGN)).await.unwrap().unwrap().folder;
    let large = vec![1_u8; 300 * 1024];
    for (name, method, bytes) in
        [("1-0-1.txt", Method::FolderUpload, &b"x"[..]), ("1-0-2.bin", Method::Upload, &large)]
    {
        for fault in [Fault::ResetAfterAccept, Fault::CutJson, Fault::BadGatewayAfterAccept] {
            office.portal.faults().next(method, fault, 1);
            let name = format!("{fault:?}-{name}");
            let file = office.client.upload(folder, &name, Content::Bytes(bytes)).await.unwrap();
            let kept: Vec<_> = office.portal.disk().into_iter().filter(|kept| kept.name == name).collect();
            assert_eq!(kept.iter().map(|kept| kept.id).collect::<Vec<_>>(), [file.0], "{name}");
        }
    }
    let names: Vec<_> = office
        .portal
        .disk()
        .into_iter()
        .map(|file| file.name)
        .filter(|name| name.contains("-1-0-"))
        .collect();
    assert_eq!(names.len(), 6, "{names:?}");
}

#[tokio::test]
async fn people_and_boards_are_read_whole() {
    let office = Office::open().await;
    office.portal.dismisses(42).unwrap();
    let people = office.client.employees().await.unwrap();
    assert_eq!(people.len(), office.portal.employees().iter().filter(|user| user.is_active).count());
    assert_eq!(office.client.user(PortalUserId(21)).await.unwrap().unwrap().last_name, "Фёдорова");
    assert_eq!(office.client.user(PortalUserId(999)).await.unwrap(), None);
    let boards = office.client.boards(&[GroupId(DESIGN), GroupId(DEVELOPMENT)]).await.unwrap();
    assert!(boards.iter().all(|board| board.as_ref().is_ok_and(|stages| stages.len() == 5)), "{boards:?}");
    assert_eq!(office.portal.calls(Method::Batch), 1);
}

#[tokio::test]
async fn a_renamed_portal_is_followed() {
    let office = Office::open().await;
    office.portal.change(|conduct| conduct.renamed_to = Some("localhost".to_owned()));
    let task = office.adds("1-0-1").await;
    assert!(office.client.task(task).await.unwrap().is_some());
    assert_eq!(office.portal.made(), 1);
}

#[tokio::test]
async fn what_the_portal_tells_can_be_read() {
    let token = "51856fefc120afa4b628cc82d3935cce";
    for brackets in [Brackets::Raw, Brackets::Encoded] {
        let office = Office::open().await;
        let bodies = Arc::<Mutex<Vec<Bytes>>>::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/bitrix24/events", listener.local_addr().unwrap()).parse().unwrap();
        let keep = |State(bodies): State<Arc<Mutex<Vec<Bytes>>>>, body: Bytes| async move {
            bodies.lock().unwrap().push(body);
        };
        let app = axum::Router::new().fallback(keep).with_state(bodies.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        office.portal.set_hook(Some(Hook { url, application_token: token.to_owned() }));
        office.portal.set_mail(Mail { brackets, ..Mail::default() });
        let task = office.adds("1-0-1").await;
        office.portal.comments(21, task.0, "Готово?").unwrap();
        office.portal.completes(21, task.0).unwrap();
        office.portal.removes(7, task.0).unwrap();
        office.portal.wait_for(|portal| portal.sent_events().len() >= 4).await.unwrap();
        let token = SecretString::from(token);
        let read: Vec<_> =
            bodies.lock().unwrap().iter().map(|body| event::parse(body, Some(&token)).unwrap()).collect();
        assert!(read.iter().all(|event| event.task == task), "{read:?}");
        let has = |what: fn(&What) -> bool| read.iter().any(|event| what(&event.what));
        assert!(has(|what| *what == What::Added), "{read:?}");
        assert!(has(|what| *what == What::Updated), "{read:?}");
        assert!(has(|what| *what == What::Deleted), "{read:?}");
        assert!(has(|what| matches!(what, What::Commented { comment: Some(_) })), "{read:?}");
    }
}
