//! What goes over the wire, and what is made of every odd thing that comes back. A quirk a test.

use std::time::Duration;

use borodach::bitrix24::{
    Address, AddressError, AttachmentId, Content, Deadline, Deed, Error, FileId, FolderId, GroupId, Look,
    Means, PortalUserId, Priority, Proof, Refusal, Stage, StageId, Status, TaskChanges, TaskFilter, TaskId,
};
use borodach::clock::Timestamp;
use borodach::config::Limit;
use borodach::http::{Kind, Verdict};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{NOON, OWNER, Scripted, TOKEN, key, new_task};

const NO_METHOD: &str = r#"{"error":"ERROR_METHOD_NOT_FOUND","error_description":"Method not found!"}"#;

fn row(id: i64) -> Value {
    json!({ "id": id.to_string(), "title": format!("Задача {id}"), "status": "2", "group": [] })
}

fn rows(ids: impl IntoIterator<Item = i64>) -> Value {
    json!(ids.into_iter().map(row).collect::<Vec<_>>())
}

#[tokio::test]
async fn a_call_is_json_under_the_webhook_with_its_parameters_in_the_documented_order() {
    let portal = Scripted::start().await;
    portal.says(json!({ "result": { "tasks": [] }, "total": 0 }));
    let filter = TaskFilter {
        groups: vec![GroupId(15)],
        responsible: Some(PortalUserId(42)),
        statuses: vec![Status::Pending, Status::InProgress],
        changed_since: Some(Timestamp(1_767_268_800_999)),
        ..TaskFilter::default()
    };
    assert_eq!(portal.client().tasks(&filter).await.unwrap(), []);
    let heard = portal.last();
    assert_eq!(heard.path, format!("/rest/7/{TOKEN}/tasks.task.list"));
    assert_eq!(heard.headers["content-type"], "application/json");
    assert_eq!(heard.headers["accept"], "application/json");
    assert!(heard.headers["user-agent"].to_str().unwrap().starts_with("borodach/"));
    assert_eq!(
        heard.text(),
        r#"{"order":{"ID":"asc"},"filter":{">=CHANGED_DATE":"2026-01-01T12:00:00+00:00","GROUP_ID":[15],"#
            .to_owned()
            + r#""REAL_STATUS":[2,3],"RESPONSIBLE_ID":42},"select":["ID","TITLE","STATUS","GROUP_ID","STAGE_ID","#
            + r#""RESPONSIBLE_ID","CREATED_BY","DEADLINE","PRIORITY","CREATED_DATE","CHANGED_DATE","CLOSED_DATE","#
            + r#""XML_ID"],"start":0}"#
    );
}

#[tokio::test]
async fn ids_come_as_text_or_numbers_and_nothing_comes_in_many_forms() {
    let portal = Scripted::start().await;
    let task = json!({
        "id": "8017", "title": "Насос", "description": null, "status": "4", "groupId": "15", "stageId": "0",
        "responsibleId": 42, "createdBy": "7", "deadline": "2026-10-03T00:59:59+03:00", "priority": "2",
        "createdDate": "2026-10-01T10:00:00+03:00", "changedDate": "", "closedDate": null, "xmlId": "",
        "chatId": 99, "ufTaskWebdavFiles": false, "group": [], "auditorsData": [], "action": {"edit": true},
    });
    portal.says(json!({ "result": { "task": task }, "time": { "start": 1, "operating": 0.1 } }));
    let task = portal.client().task(TaskId(8017)).await.unwrap().expect("it is there");
    assert_eq!(task.status, Status::AwaitingControl);
    assert_eq!((task.group, task.stage, task.chat.map(|chat| chat.0)), (Some(GroupId(15)), None, Some(99)));
    assert_eq!((task.responsible, task.creator), (Some(PortalUserId(42)), Some(OWNER)));
    assert_eq!(task.priority, Priority::High);
    // The same instant in another zone: 23:59:59+02:00.
    assert_eq!(task.deadline, Some(Timestamp(1_790_978_399_000)));
    assert_eq!((task.changed_at, task.closed_at, task.mark), (None, None, None));
    assert_eq!(task.description, "");
}

#[tokio::test]
async fn a_missing_task_is_an_empty_list_and_no_error() {
    let portal = Scripted::start().await;
    for nothing in [json!([]), json!({ "task": [] }), json!(false), json!(null), json!({})] {
        portal.says(json!({ "result": nothing }));
        assert_eq!(portal.client().task(TaskId(5)).await.unwrap(), None, "{nothing}");
    }
}

#[tokio::test]
async fn a_malformed_answer_names_the_field_and_is_never_a_zero() {
    async fn check(result: Value, path: &str) {
        let portal = Scripted::start().await;
        portal.says(json!({ "result": result }));
        let error = portal.client().task(TaskId(5)).await.expect_err("it is malformed");
        assert!(
            matches!(&error, Error::Malformed { path: named, .. } if named == path),
            "{result}: {error:?}"
        );
        assert_eq!((error.verdict(), error.kind()), (Verdict::LookFirst, Kind::Unavailable));
        assert!(!error.to_string().contains("секрет"), "what stood there is not told: {error}");
    }
    let task = |field: &str, value: Value| {
        let mut task = row(5);
        task[field] = value;
        json!({ "task": task })
    };
    check(json!({ "task": { "title": "x", "status": "2" } }), "result.task").await;
    check(task("id", json!("секрет")), "result.task.id").await;
    check(task("id", json!("0")), "result.task.id").await;
    check(task("id", json!(6)), "result.task.id").await;
    check(task("id", json!({ "value": 5 })), "result.task.id").await;
    check(task("title", json!(["секрет"])), "result.task.title").await;
    check(task("status", json!("9")), "result.task.status").await;
    check(task("status", json!(null)), "result.task.status").await;
    check(task("groupId", json!("секрет")), "result.task.groupId").await;
    check(task("groupId", json!(-1)), "result.task.groupId").await;
    check(task("groupId", json!(1.5)), "result.task.groupId").await;
    check(task("deadline", json!("2026-10-03 00:59:59")), "result.task.deadline").await;
    check(task("priority", json!("7")), "result.task.priority").await;
    check(task("ufTaskWebdavFiles", json!(["секрет"])), "result.task.ufTaskWebdavFiles[0]").await;
    check(json!({ "task": [row(5)] }), "result.task").await;
    check(json!("секрет"), "result").await;
    let portal = Scripted::start().await;
    portal.says(json!({ "result": { "tasks": [row(1), { "id": 2, "title": "x", "status": "секрет" }] } }));
    let error = portal.client().tasks(&TaskFilter::default()).await.expect_err("it is malformed");
    assert!(error.to_string().contains("`result.tasks[1].status`"), "{error}");
}

#[tokio::test]
async fn lists_are_read_to_their_end_by_id() {
    let portal = Scripted::start().await;
    portal.says(json!({ "result": { "tasks": rows(1..=50) }, "next": 50, "total": 120 }));
    portal.says(json!({ "result": { "tasks": rows(51..=100) } }));
    portal.says(json!({ "result": { "tasks": rows(101..=120) } }));
    let tasks = portal.client().tasks(&TaskFilter::default()).await.unwrap();
    assert_eq!(tasks.iter().map(|task| task.id.0).collect::<Vec<_>>(), (1..=120).collect::<Vec<_>>());
    let heard: Vec<Value> = portal.heard().iter().map(super::Heard::json).collect();
    let asked: Vec<_> =
        heard.iter().map(|body| (body["filter"][">ID"].clone(), body["start"].clone())).collect();
    assert_eq!(asked, [(Value::Null, json!(0)), (json!(50), json!(-1)), (json!(100), json!(-1))]);
}

#[tokio::test]
async fn a_list_with_a_page_lost_is_read_again_and_then_refused() {
    let portal = Scripted::start().await;
    portal.says(json!({ "result": { "tasks": [] }, "total": 3 }));
    portal.says(json!({ "result": { "tasks": rows(1..=3) }, "total": 3 }));
    assert_eq!(portal.client().tasks(&TaskFilter::default()).await.unwrap().len(), 3);

    portal.says(json!({ "result": { "tasks": rows(1..=50) }, "total": 60 }));
    portal.says(json!({ "result": { "tasks": [] } }));
    portal.says(json!({ "result": { "tasks": rows(1..=3) }, "total": 60 }));
    let error = portal.client().tasks(&TaskFilter::default()).await.expect_err("57 are missing");
    assert!(error.to_string().contains("60 rows were counted and 3 came"), "{error}");
}

#[tokio::test]
async fn a_portal_that_ignores_where_to_begin_is_not_asked_for_ever() {
    let portal = Scripted::start().await;
    portal.says(json!({ "result": { "tasks": rows(1..=50) }, "total": 100 }));
    portal.says(json!({ "result": { "tasks": rows(1..=50) } }));
    let error =
        portal.client().tasks(&TaskFilter::default()).await.expect_err("the second page is the first");
    assert!(error.to_string().contains("not in the order of their ids"), "{error}");
    assert_eq!(portal.heard().len(), 2);
}

#[tokio::test]
async fn rows_of_others_are_dropped_whatever_the_portal_made_of_the_filter() {
    let portal = Scripted::start().await;
    let stranger = json!({ "id": "1234", "title": "Чужая", "status": "2", "groupId": "15", "responsibleId": "42",
        "xmlId": "12-0-55", "changedDate": "2026-01-01T12:00:00+00:00" });
    let own = json!({ "id": "123", "title": "Наша", "status": "3", "groupId": "16", "responsibleId": "43",
        "xmlId": "12-0-5", "changedDate": "2026-01-02T12:00:00+00:00" });
    let only = [
        TaskFilter { ids: vec![TaskId(123)], ..TaskFilter::default() },
        TaskFilter { groups: vec![GroupId(16)], ..TaskFilter::default() },
        TaskFilter { responsible: Some(PortalUserId(43)), ..TaskFilter::default() },
        TaskFilter { statuses: vec![Status::InProgress], ..TaskFilter::default() },
        TaskFilter { keys: vec![key("12-0-5", Means::Marked)], ..TaskFilter::default() },
        TaskFilter { changed_since: Some(Timestamp(NOON.0 + 1_000)), ..TaskFilter::default() },
    ];
    for filter in only {
        portal.says(json!({ "result": { "tasks": [own, stranger] }, "total": 2 }));
        let tasks = portal.client().tasks(&filter).await.unwrap();
        assert_eq!(tasks.iter().map(|task| task.id).collect::<Vec<_>>(), [TaskId(123)], "{filter:?}");
    }
}

#[tokio::test]
async fn a_renamed_portal_is_followed_with_the_same_post_and_remembered() {
    let (old, new) = (Scripted::start().await, Scripted::start().await);
    let location = format!("{}/rest/7/{TOKEN}/tasks.task.complete", new.address);
    old.answers(302, &[("location", &location)], &"<html>Moved</html>");
    new.says(json!({ "result": { "task": row(5) } }));
    new.says(json!({ "result": { "task": row(5) } }));
    let client = old.client();
    client.complete_task(TaskId(5)).await.unwrap();
    assert_eq!(new.last().text(), r#"{"taskId":5}"#);
    assert_eq!(new.last().path, format!("/rest/7/{TOKEN}/tasks.task.complete"));
    client.complete_task(TaskId(5)).await.unwrap();
    assert_eq!((old.heard().len(), new.heard().len()), (1, 2));
}

#[tokio::test]
async fn a_redirection_that_leads_nowhere_asks_a_person() {
    let portal = Scripted::start().await;
    for location in ["/auth/", "ftp://elsewhere.example/", "", &portal.address] {
        portal.answers(302, &[("location", location)], &"<html>Login</html>");
        let error = portal.client().whoami().await.expect_err("there is no answer");
        assert_eq!(
            (error.refusal(), error.verdict()),
            (Some(Refusal::Address), Verdict::AskPerson),
            "{location}"
        );
        assert!(!error.to_string().contains("elsewhere"), "{error}");
    }
    assert_eq!(portal.heard().len(), 4, "nobody was asked twice");
}

#[test]
fn the_address_is_what_the_portal_shows_and_nothing_else() {
    let parse = |text: &str| Address::parse(&SecretString::from(text));
    for text in [
        "https://portal.example/rest/7/abcdef/",
        "https://portal.example/rest/7/abcdef",
        " https://portal.example/rest/7/abcdef/profile.json\n",
        "https://portal.example/rest/7/abcdef/tasks.task.add?x=1#y",
        "https://office.example/crm/rest/7/abcdef/",
    ] {
        let address = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(address.owner(), OWNER, "{text}");
        assert!(!format!("{address:?} {}", address.portal()).contains("abcdef"), "{text}");
    }
    for text in [
        "",
        "portal.example/rest/7/abcdef/",
        "https://portal.example/",
        "https://portal.example/rest/",
        "https://portal.example/rest/7/",
        "https://portal.example/rest/seven/abcdef/",
        "https://portal.example/rest/0/abcdef/",
        "ftp://portal.example/rest/7/abcdef/",
    ] {
        assert_eq!(parse(text).err(), Some(AddressError), "{text}");
    }
}

#[tokio::test]
async fn stages_go_by_number_though_they_come_as_text_in_any_order() {
    let portal = Scripted::start().await;
    let stage = |id: &str, sort: &str, kind: Value| {
        json!({ "ID": id, "TITLE": format!("Колонка {id}"), "SORT": sort, "COLOR": "00C4FB", "SYSTEM_TYPE": kind,
            "ENTITY_ID": "15", "ADDITIONAL_FILTER": [], "TO_UPDATE_ACCESS": null })
    };
    let board = json!({
        "313": stage("313", "1000", json!("FINISH")), "311": stage("311", "100", json!("NEW")),
        "312": stage("312", "200", json!(null)),
    });
    portal.says(json!({ "result": board }));
    let stages = portal.client().stages(GroupId(15)).await.unwrap();
    assert_eq!(portal.last().text(), r#"{"entityId":15}"#);
    assert_eq!(stages.iter().map(|stage| stage.id.0).collect::<Vec<_>>(), [311, 312, 313]);
    let first = Stage {
        id: StageId(311),
        title: "Колонка 311".to_owned(),
        sort: 100,
        color: Some("00C4FB".to_owned()),
        system_type: Some("NEW".to_owned()),
    };
    assert_eq!(stages[0], first);
    assert_eq!(stages[1].system_type, None);
    // An empty board, and one whose keys PHP took for those of a list.
    portal.says(json!({ "result": [] }));
    assert_eq!(portal.client().stages(GroupId(15)).await.unwrap(), []);
    portal.says(json!({ "result": [stage("1", "20", json!("")), stage("2", "3", json!(""))] }));
    let stages = portal.client().stages(GroupId(15)).await.unwrap();
    assert_eq!(stages.iter().map(|stage| stage.id.0).collect::<Vec<_>>(), [2, 1]);
}

#[tokio::test]
async fn a_card_that_was_not_moved_is_never_taken_for_moved() {
    let portal = Scripted::start().await;
    portal.says(json!({ "result": true }));
    portal.client().move_task(TaskId(3711), StageId(312)).await.unwrap();
    assert_eq!(portal.last().text(), r#"{"id":3711,"stageId":312}"#);
    portal.says(json!({ "result": false }));
    let error = portal.client().move_task(TaskId(3711), StageId(312)).await.expect_err("it says no");
    assert!(matches!(error, Error::Malformed { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_so_already_is_a_success() {
    let refusal = |code: &str| json!({ "error": code, "error_description": "Действие не разрешено<br>" });
    for code in ["0", "1048582"] {
        let portal = Scripted::start().await;
        let completed = json!({ "id": "5", "title": "x", "status": "5" });
        portal.refuses(400, refusal(code));
        portal.says(json!({ "result": { "task": completed } }));
        let task = portal.client().complete_task(TaskId(5)).await.unwrap();
        assert_eq!(task.status, Status::Completed);
        assert_eq!(portal.methods(), ["tasks.task.complete", "tasks.task.get"]);

        portal.refuses(400, refusal(code));
        portal.says(json!({ "result": { "task": row(5) } }));
        let error = portal.client().complete_task(TaskId(5)).await.expect_err("it is not complete");
        assert_eq!((error.refusal(), error.kind()), (Some(Refusal::NotAllowed), Kind::Rejected));

        portal.refuses(400, refusal(code));
        portal.says(json!({ "result": [] }));
        let error = portal.client().act(TaskId(5), Deed::Start).await.expect_err("there is none");
        assert_eq!(error.kind(), Kind::NotFound);
        assert_eq!(portal.methods()[4], "tasks.task.start");
    }
}

#[tokio::test]
async fn changes_say_only_what_changes() {
    let portal = Scripted::start().await;
    portal.says(json!({ "result": { "task": row(5) } }));
    portal.says(json!({ "result": { "task": row(5) } }));
    let changes = TaskChanges {
        title: Some("Новое".to_owned()),
        deadline: Some(Deadline::At(NOON)),
        priority: Some(Priority::Low),
        ..TaskChanges::default()
    };
    portal.client().update_task(TaskId(5), &changes).await.unwrap();
    assert_eq!(
        portal.last().text(),
        r#"{"taskId":5,"fields":{"TITLE":"Новое","DEADLINE":"2026-01-01T12:00:00+00:00","PRIORITY":0}}"#
    );
    let changes =
        TaskChanges { deadline: Some(Deadline::Never), group: Some(GroupId(3)), ..TaskChanges::default() };
    portal.client().update_task(TaskId(5), &changes).await.unwrap();
    assert_eq!(portal.last().text(), r#"{"taskId":5,"fields":{"DEADLINE":"","GROUP_ID":3}}"#);
}

#[tokio::test]
async fn a_spent_method_rests_until_the_portal_forgets_and_others_go_on() {
    let portal = Scripted::start().await;
    let client = portal.client();
    let reset = NOON.0 / 1000 + 300;
    let time = json!({ "operating": 421.5, "operating_reset_at": reset });
    portal.says(json!({ "result": { "task": row(5) }, "time": time }));
    client.task(TaskId(5)).await.unwrap();
    let error = client.task(TaskId(5)).await.expect_err("the method rests");
    assert!(matches!(error, Error::NotSent(_)), "{error:?}");
    assert_eq!(error.retry_after(), Some(Duration::from_mins(5)));
    portal.says(json!({ "result": true }));
    client.move_task(TaskId(5), StageId(1)).await.expect("another method goes on");
    portal.clock.turn(Duration::from_mins(5));
    portal.says(json!({ "result": { "task": row(5) } }));
    client.task(TaskId(5)).await.expect("the budget is forgotten");
}

#[tokio::test]
async fn a_refused_method_waits_for_what_the_last_success_said() {
    let portal = Scripted::start().await;
    let client = portal.client();
    let reset = NOON.0 / 1000 + 90;
    portal.says(
        json!({ "result": { "task": row(5) }, "time": { "operating": 9, "operating_reset_at": reset } }),
    );
    client.task(TaskId(5)).await.unwrap();
    portal.refuses(429, json!({ "error": "OPERATION_TIME_LIMIT", "error_description": "Method is blocked" }));
    let error = client.task(TaskId(5)).await.expect_err("it is refused");
    assert_eq!((error.retry_after(), error.kind()), (Some(Duration::from_secs(90)), Kind::Limit));
}

#[tokio::test]
async fn without_a_limit_methods_never_rest() {
    let portal = Scripted::start().await;
    let client = portal.client_with(|settings| settings.method_time = Limit::OFF);
    for _ in 0..2 {
        portal.says(json!({ "result": { "task": row(5) }, "time": { "operating": 9_999, "operating_reset_at": 1e12 } }));
        client.task(TaskId(5)).await.unwrap();
    }
}

#[tokio::test]
async fn odd_times_do_no_harm() {
    let portal = Scripted::start().await;
    let client = portal.client();
    for time in [
        json!(null),
        json!([]),
        json!("x"),
        json!({ "operating": "x" }),
        json!({ "operating": -1.0 }),
        json!({ "operating": 1e300, "operating_reset_at": -1e300 }),
    ] {
        let portal = Scripted::start().await;
        portal.says(json!({ "result": { "task": row(5) }, "time": time, "total": "x", "next": {} }));
        portal.client().task(TaskId(5)).await.unwrap_or_else(|error| panic!("{time}: {error}"));
    }
    portal.says(json!({ "result": { "task": row(5) } }));
    client.task(TaskId(5)).await.unwrap();
}

#[tokio::test]
async fn a_marked_task_goes_by_the_old_api_with_its_key_in_xml_id() {
    let portal = Scripted::start().await;
    portal.says(json!({ "result": { "task": row(3711) } }));
    let mut task = new_task();
    task.group = Some(GroupId(15));
    task.deadline = Some(NOON);
    let made = portal.client().add_task(&key("12-0-5", Means::Marked), &task).await.unwrap();
    assert_eq!((made.id, made.mark.as_deref()), (TaskId(3711), Some("12-0-5")));
    let heard = portal.last();
    assert_eq!(heard.path, format!("/rest/7/{TOKEN}/tasks.task.add"));
    assert!(!heard.headers.contains_key("idempotency-key"), "the old API ignores it");
    assert_eq!(
        heard.text(),
        r#"{"fields":{"TITLE":"Поменять вывеску","DESCRIPTION":"Буква отвалилась","RESPONSIBLE_ID":42,"#
            .to_owned()
            + r#""GROUP_ID":15,"PRIORITY":1,"DEADLINE":"2026-01-01T12:00:00+00:00","XML_ID":"12-0-5"}}"#
    );
}

#[tokio::test]
async fn a_keyed_task_goes_by_rest_3_with_the_same_bytes_each_time() {
    let portal = Scripted::start().await;
    let client = portal.client_with(|settings| settings.longest_request = Duration::ZERO);
    let answer =
        json!({ "result": { "item": { "id": 3839, "title": "x", "status": "pending", "xmlId": "12-0-5" } } });
    let (key, task) = (key("12-0-5", Means::Keyed), new_task());
    portal.refuses(502, "<html>Bad Gateway</html>");
    portal.answers(200, &[("idempotency-key", "12-0-5"), ("idempotent-replayed", "true")], &answer);
    let error = client.add_task(&key, &task).await.expect_err("the answer was lost");
    assert_eq!(error.verdict(), Verdict::LookFirst);
    assert_eq!(portal.heard().len(), 1, "a write in doubt is not repeated by the layer");
    assert_eq!(client.add_task(&key, &task).await.unwrap().id, TaskId(3839));
    let heard = portal.heard();
    assert_eq!(heard[0].path, format!("/rest/api/7/{TOKEN}/tasks.task.add"));
    assert_eq!(heard[0].headers["idempotency-key"], "12-0-5");
    assert_eq!(heard[0].headers["idempotency-key"], heard[1].headers["idempotency-key"]);
    assert_eq!(heard[0].body, heard[1].body);
    assert_eq!(
        heard[0].text(),
        r#"{"fields":{"title":"Поменять вывеску","description":"Буква отвалилась","creatorId":7,"responsibleId":42,"#
            .to_owned()
            + r#""priority":"average","xmlId":"12-0-5"}}"#
    );
    assert_eq!(client.capabilities().keys, Proof::Proven, "the answer repeats the key");
    portal.says(&answer);
    client.add_task(&super::key("12-0-6", Means::Keyed), &task).await.unwrap();
    assert_eq!(client.capabilities().keys, Proof::Absent, "the answer does not");
    assert_eq!(client.means(), Means::Marked);
}

#[tokio::test]
async fn a_key_used_for_other_contents_leads_to_the_task_that_was_made() {
    let portal = Scripted::start().await;
    let reused = json!({ "error": { "code": "BITRIX_REST_V3_EXCEPTION_IDEMPOTENCYKEYREUSEDEXCEPTION", "message": "x" } });
    let mut made = row(9);
    made["xmlId"] = json!("12-0-5");
    portal.refuses(422, &reused);
    portal.says(json!({ "result": { "tasks": [made] } }));
    let key = key("12-0-5", Means::Keyed);
    assert_eq!(portal.client().add_task(&key, &new_task()).await.unwrap().id, TaskId(9));
    portal.refuses(422, &reused);
    portal.says(json!({ "result": { "tasks": [] } }));
    let error = portal.client().add_task(&key, &new_task()).await.expect_err("nobody knows the task");
    assert_eq!(error.verdict(), Verdict::AskPerson);
}

#[tokio::test]
async fn probing_sends_nothing_that_a_portal_could_execute() {
    let portal = Scripted::start().await;
    let client = portal.client();
    assert_eq!(client.means(), Means::Marked, "nobody asked yet");
    let unfit = json!({ "error": { "code": "BITRIX_REST_V3_EXCEPTION_INVALIDIDEMPOTENCYKEYEXCEPTION", "message": "" } });
    let mut marked = row(9);
    marked["xmlId"] = json!("1-0-1");
    portal.says(json!({ "result": { "tasks": [] } }));
    portal.says(json!({ "result": { "tasks": [marked] } }));
    portal.says(json!({ "result": { "tasks": [marked] } }));
    portal.refuses(400, unfit);
    let known = client.probe().await.unwrap();
    assert_eq!((known.keys, known.marks), (Proof::Proven, Proof::Proven));
    assert_eq!(client.means(), Means::Keyed);
    let heard = portal.heard();
    let asked = heard[0].json()["filter"]["XML_ID"].as_str().unwrap().to_owned();
    assert!(asked.starts_with("probe-") && asked.len() > 30, "{asked}");
    assert_eq!(heard[2].json()["filter"]["XML_ID"], "1-0-1");
    let last = &heard[3];
    assert!(last.headers["idempotency-key"].len() > 255);
    let fields = last.json()["fields"].clone();
    assert!(fields.get("title").is_none() && fields.get("responsibleId").is_none(), "{fields}");
}

#[tokio::test]
async fn what_a_portal_can_do_is_read_from_how_it_refuses() {
    async fn check(list: Value, status: u16, refusal: &str, keys: Proof, marks: Proof) {
        let portal = Scripted::start().await;
        portal.says(json!({ "result": { "tasks": list } }));
        if list == json!([]) {
            portal.says(json!({ "result": { "tasks": [row(1)] } }));
        }
        portal.refuses(status, refusal);
        let known = portal.client().probe().await.unwrap();
        assert_eq!((known.keys, known.marks), (keys, marks), "{list} {refusal}");
    }
    let third = |code: &str| format!(r#"{{"error":{{"code":"BITRIX_REST_V3_EXCEPTION_{code}EXCEPTION"}}}}"#);
    let (none, all) = (json!([]), rows([1]));
    check(none.clone(), 400, &third("INVALIDIDEMPOTENCYKEY"), Proof::Proven, Proof::Plausible).await;
    check(all.clone(), 400, &third("VALIDATION_DTOVALIDATION"), Proof::Plausible, Proof::Absent).await;
    check(all.clone(), 400, &third("UNKNOWNDTOPROPERTY"), Proof::Absent, Proof::Absent).await;
    check(all.clone(), 403, &third("INSUFFICIENTSCOPE"), Proof::Absent, Proof::Absent).await;
    check(none.clone(), 404, NO_METHOD, Proof::Absent, Proof::Plausible).await;
    check(none, 404, "<html>404</html>", Proof::Absent, Proof::Plausible).await;
    check(all, 401, r#"{"error":"NO_AUTH_FOUND"}"#, Proof::Absent, Proof::Absent).await;
}

#[tokio::test]
async fn a_write_in_doubt_is_looked_for_only_when_it_can_run_no_more() {
    let portal = Scripted::start().await;
    let client = portal.client();
    let key = key("12-0-5", Means::Marked);
    portal.refuses(502, "<html>Bad Gateway</html>");
    client.add_task(&key, &new_task()).await.expect_err("the answer was lost");
    portal.clock.turn(Duration::from_secs(20));
    for error in [
        client.find_by_key(&key, None).await.expect_err("it may still run"),
        client.add_task(&key, &new_task()).await.expect_err("it may still run"),
    ] {
        assert!(matches!(error, Error::TooEarly { .. }), "{error:?}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(40)));
    }
    assert_eq!(portal.heard().len(), 1, "nobody looked");
    portal.clock.turn(Duration::from_secs(40));
    let mut twins = [row(21), row(20)];
    for twin in &mut twins {
        twin["xmlId"] = json!("12-0-5");
    }
    portal.says(json!({ "result": { "tasks": [] } })); // Nobody's mark.
    portal.says(json!({ "result": { "tasks": twins } })); // Any mark.
    portal.says(json!({ "result": { "tasks": twins } })); // That mark.
    portal.says(json!({ "result": { "tasks": twins } }));
    let Look::Done(made) = client.find_by_key(&key, Some(GroupId(3))).await.unwrap() else {
        panic!("it is there")
    };
    assert_eq!(made.id, TaskId(20), "of two the first");
    assert_eq!(portal.last().json()["filter"], json!({ "XML_ID": "12-0-5", "GROUP_ID": 3 }));
}

#[tokio::test]
async fn a_write_of_another_process_waits_its_time_out_too() {
    let portal = Scripted::start().await;
    let (client, key) = (portal.client(), key("12-0-5", Means::Marked));
    let error = client.find_by_key(&key, None).await.expect_err("somebody may have just sent it");
    assert_eq!(error.retry_after(), Some(Duration::from_mins(1)));
    portal.clock.turn(Duration::from_mins(1));
    portal.says(json!({ "result": { "tasks": rows([1, 2]) } }));
    portal.says(json!({ "result": { "tasks": rows([1, 2]) } }));
    assert_eq!(client.find_by_key(&key, None).await.unwrap(), Look::Unknown, "the filter is ignored");
    assert_eq!(client.capabilities().marks, Proof::Absent);
}

#[tokio::test]
async fn nothing_found_means_not_done_only_where_looking_was_seen_to_work() {
    let portal = Scripted::start().await;
    let client = portal.client_with(|settings| settings.longest_request = Duration::ZERO);
    let key = key("12-0-5", Means::Marked);
    let nothing = || portal.says(json!({ "result": { "tasks": [] } }));
    nothing(); // Nobody's mark is on no task,
    nothing(); // but there is no task at all,
    nothing(); // and ours is not there.
    assert_eq!(client.find_by_key(&key, None).await.unwrap(), Look::Unknown);
    let mut other = row(1);
    other["xmlId"] = json!("1-0-1");
    nothing();
    portal.says(json!({ "result": { "tasks": [other] } }));
    portal.says(json!({ "result": { "tasks": [other] } }));
    nothing();
    assert_eq!(client.find_by_key(&key, None).await.unwrap(), Look::NotDone);
}

#[tokio::test]
async fn rest_3_may_be_asked_again_for_a_day_and_no_longer() {
    let portal = Scripted::start().await;
    let client = portal.client_with(|settings| settings.longest_request = Duration::ZERO);
    let unfit = json!({ "error": { "code": "BITRIX_REST_V3_EXCEPTION_INVALIDIDEMPOTENCYKEYEXCEPTION" } });
    let ignores = || portal.says(json!({ "result": { "tasks": rows([1]) } }));
    ignores();
    portal.refuses(400, unfit);
    client.probe().await.unwrap();
    let keyed = key("12-0-5", Means::Keyed);
    ignores();
    assert_eq!(client.find_by_key(&keyed, None).await.unwrap(), Look::NotDone);
    ignores();
    let marked = key("12-0-5", Means::Marked);
    assert_eq!(
        client.find_by_key(&marked, None).await.unwrap(),
        Look::Unknown,
        "it was not sent with the key"
    );
    portal.clock.turn(Duration::from_hours(23));
    ignores();
    assert_eq!(client.find_by_key(&keyed, None).await.unwrap(), Look::Unknown, "the portal forgets");
}

#[tokio::test]
async fn an_old_comment_binds_its_parameters_by_their_places() {
    let portal = Scripted::start().await;
    portal.says(json!({ "result": "3141" }));
    portal.client().add_comment(&key("12-0-5", Means::Marked), TaskId(3711), "Фото").await.unwrap();
    assert_eq!(portal.last().text(), r#"[3711,{"POST_MESSAGE":"Фото\n\n⟨12-0-5⟩"}]"#);
    assert_eq!(portal.methods(), ["task.commentitem.add"]);
    // Where the old method is gone, the chat is there.
    portal.refuses(404, NO_METHOD);
    portal.says(json!({ "result": { "result": true } }));
    portal.client().add_comment(&key("12-0-6", Means::Marked), TaskId(3711), "Фото").await.unwrap();
    assert_eq!(portal.methods().last().unwrap(), "tasks.task.chat.message.send");
}

#[tokio::test]
async fn a_new_comment_is_a_message_with_the_key() {
    let portal = Scripted::start().await;
    portal.says(json!({ "result": { "result": true } }));
    portal.client().add_comment(&key("12-0-5", Means::Keyed), TaskId(3711), "Фото").await.unwrap();
    let heard = portal.last();
    assert_eq!(heard.path, format!("/rest/api/7/{TOKEN}/tasks.task.chat.message.send"));
    assert_eq!(heard.text(), r#"{"fields":{"taskId":3711,"text":"Фото"}}"#);
    assert_eq!(heard.headers["idempotency-key"], "12-0-5");
}

#[tokio::test]
async fn comments_are_read_from_the_old_list_or_from_all_pages_of_the_chat() {
    let portal = Scripted::start().await;
    let client = portal.client_with(|settings| settings.longest_request = Duration::ZERO);
    let old = json!([
        { "ID": "3157", "AUTHOR_ID": "503", "POST_DATE": "2026-01-01T15:00:00+03:00", "POST_MESSAGE": "Второй",
          "ATTACHED_OBJECTS": {} },
        { "ID": "3155", "AUTHOR_ID": "0", "POST_DATE": "", "POST_MESSAGE": "Первый\n\n⟨12-0-5⟩" },
    ]);
    portal.says(json!({ "result": { "task": row(5) } }));
    portal.says(json!({ "result": old }));
    let comments = client.comments(TaskId(5)).await.unwrap();
    assert_eq!(portal.last().text(), r#"[5,{"ID":"asc"}]"#);
    assert_eq!(comments.iter().map(|comment| &*comment.text).collect::<Vec<_>>(), ["Первый", "Второй"]);
    assert_eq!((comments[0].author, comments[0].posted_at), (None, None));
    assert_eq!((comments[1].author, comments[1].posted_at), (Some(PortalUserId(503)), Some(NOON)));
    for (mark, found) in [("12-0-5", Look::Done(())), ("12-0-55", Look::NotDone)] {
        portal.says(json!({ "result": { "task": row(5) } }));
        portal.says(json!({ "result": old }));
        assert_eq!(client.find_comment(&key(mark, Means::Marked), TaskId(5)).await.unwrap(), found);
    }
    let mut with_chat = row(5);
    with_chat["chatId"] = json!(99);
    let message = |id: i64| json!({ "id": id, "author_id": 1, "date": "2026-01-01T15:00:00+03:00", "text": id.to_string() });
    let page = |ids: std::ops::RangeInclusive<i64>| json!({ "result": { "chat_id": 99, "messages": ids.rev().map(message).collect::<Vec<_>>(), "users": [] } });
    portal.says(json!({ "result": { "task": with_chat } }));
    portal.says(page(71..=120));
    portal.says(page(21..=70));
    portal.says(page(1..=20));
    let comments = client.comments(TaskId(5)).await.unwrap();
    assert_eq!(comments.iter().map(|comment| comment.id).collect::<Vec<_>>(), (1..=120).collect::<Vec<_>>());
    assert_eq!(portal.last().json(), json!({ "DIALOG_ID": "chat99", "LIMIT": 50, "LAST_ID": 21 }));
    // A chat nobody let us into is no proof of anything.
    portal.says(json!({ "result": { "task": with_chat } }));
    portal.refuses(400, json!({ "error": "ACCESS_ERROR", "error_description": "" }));
    assert_eq!(client.find_comment(&key("1-1-1", Means::Marked), TaskId(5)).await.unwrap(), Look::Unknown);
}

#[tokio::test]
async fn the_disk_of_a_project_is_not_another_ones() {
    let portal = Scripted::start().await;
    let storage = |id: &str, group: &str| json!({ "ID": id, "NAME": "Ремонт", "CODE": null, "ENTITY_TYPE": "group", "ENTITY_ID": group, "ROOT_OBJECT_ID": "871" });
    portal.says(json!({ "result": [storage("56", "14"), storage("57", "15")], "total": 2 }));
    let found = portal.client().storage(GroupId(15)).await.unwrap().expect("it has one");
    assert_eq!((found.id, found.folder), (57, FolderId(871)));
    assert_eq!(portal.last().text(), r#"{"filter":{"ENTITY_ID":15,"ENTITY_TYPE":"group"}}"#);
    portal.says(json!({ "result": [], "total": 0 }));
    assert_eq!(portal.client().storage(GroupId(15)).await.unwrap(), None);
}

fn file(size: &str) -> Value {
    json!({ "result": { "ID": 6687, "NAME": "12-0-5.jpg", "TYPE": "file", "FILE_ID": 28073, "SIZE": size, "STORAGE_ID": "57" } })
}

#[tokio::test]
async fn a_small_file_goes_in_one_request_and_is_known_by_its_id_alone() {
    let portal = Scripted::start().await;
    for (bytes, text) in
        [(&b"foobar"[..], "Zm9vYmFy"), (b"fooba", "Zm9vYmE="), (b"foob", "Zm9vYg=="), (b"", "")]
    {
        portal.says(file(&bytes.len().to_string()));
        let content = Content::Bytes(bytes);
        let uploaded = portal.client().upload(FolderId(871), "12-0-5.jpg", content).await.unwrap();
        assert_eq!(uploaded, FileId(6687), "and not its FILE_ID");
        let sent = portal.last().json();
        assert_eq!(sent["fileContent"], json!(["12-0-5.jpg", text]));
        assert_eq!((&sent["id"], &sent["data"]), (&json!(871), &json!({ "NAME": "12-0-5.jpg" })));
    }
    portal.says(file("5"));
    let error = portal.client().upload(FolderId(871), "12-0-5.jpg", Content::Bytes(b"foobar")).await;
    assert!(matches!(error, Err(Error::Malformed { .. })), "half of a file is no file: {error:?}");
}

#[tokio::test]
async fn a_large_file_goes_as_it_is_in_a_second_request() {
    let portal = Scripted::start().await;
    let place = format!("{}/rest/upload.json?auth=abc&token=disk-1", portal.address);
    let bytes = vec![7_u8; 300 * 1024];
    portal.says(json!({ "result": { "field": "file", "uploadUrl": place } }));
    portal.says(file(&bytes.len().to_string()));
    portal.client().upload(FolderId(871), "12-0-5.jpg", Content::Bytes(&bytes)).await.unwrap();
    let heard = portal.heard();
    assert_eq!(heard[0].text(), r#"{"id":871}"#);
    assert_eq!(heard[1].path, "/rest/upload.json?auth=abc&token=disk-1");
    let sent = String::from_utf8_lossy(&heard[1].body);
    assert!(sent.contains(r#"name="file"; filename="12-0-5.jpg""#), "{}", &sent[..200]);
    assert!(heard[1].body.windows(bytes.len()).any(|window| window == bytes), "the bytes are as they were");

    let open = || reqwest::Body::from("поток".as_bytes().to_vec());
    let content = Content::Stream { size_bytes: 10, open: &open };
    portal.says(json!({ "result": { "field": "file", "uploadUrl": place } }));
    portal.says(file("10"));
    portal.client().upload(FolderId(871), "12-0-5.jpg", content).await.unwrap();
    assert!(String::from_utf8_lossy(&portal.last().body).contains("поток"));

    // It asks once more before it gives up.
    for _ in 0..2 {
        portal.says(json!({ "result": { "field": "file", "uploadUrl": "ftp://elsewhere.example/x" } }));
    }
    let error =
        portal.client().upload(FolderId(871), "12-0-5.jpg", Content::Bytes(&bytes)).await.unwrap_err();
    assert!(error.to_string().contains("`result.uploadUrl`"), "{error}");
}

#[tokio::test]
async fn a_file_of_the_same_name_and_size_is_the_one_that_was_sent_before() {
    let portal = Scripted::start().await;
    let taken = json!({ "error": "DISK_OBJ_22000", "error_description": "Имя занято" });
    let child = |size: &str| json!({ "ID": "41", "NAME": "12-0-5.jpg", "TYPE": "file", "SIZE": size });
    let folder = json!({ "ID": "40", "NAME": "12-0-5.jpg", "TYPE": "folder" });
    portal.refuses(400, &taken);
    portal
        .says(json!({ "result": [folder, { "ID": "39", "NAME": "other.jpg", "TYPE": "file" }, child("6")] }));
    let content = || Content::Bytes(b"foobar");
    let uploaded = portal.client().upload(FolderId(871), "12-0-5.jpg", content()).await.unwrap();
    assert_eq!(uploaded, FileId(41));
    portal.refuses(400, &taken);
    portal.says(json!({ "result": [child("7")] }));
    let error = portal.client().upload(FolderId(871), "12-0-5.jpg", content()).await.unwrap_err();
    assert_eq!(error.refusal(), Some(Refusal::NameTaken));
}

#[tokio::test]
async fn a_file_that_was_not_saved_is_sent_once_more_and_then_a_person_is_asked() {
    let portal = Scripted::start().await;
    let full = json!({ "error": "ERROR_COULD_NOT_SAVE_FILE", "error_description": "" });
    portal.refuses(400, &full);
    portal.says(file("6"));
    portal.client().upload(FolderId(871), "12-0-5.jpg", Content::Bytes(b"foobar")).await.unwrap();
    portal.refuses(400, &full);
    portal.refuses(400, &full);
    let error =
        portal.client().upload(FolderId(871), "12-0-5.jpg", Content::Bytes(b"foobar")).await.unwrap_err();
    assert_eq!(error.verdict(), Verdict::AskPerson);
    assert_eq!(portal.heard().len(), 4);
}

#[tokio::test]
async fn a_file_is_attached_once() {
    let portal = Scripted::start().await;
    let mut task = row(3711);
    task["ufTaskWebdavFiles"] = json!(["421", 423]);
    let tie =
        |id: i64, file: &str| json!({ "ID": id.to_string(), "OBJECT_ID": file, "ENTITY_TYPE": "tasks_task" });
    let ties = json!({ "result": { "result": { "c0": tie(421, "1"), "c1": tie(423, "6687") }, "result_error": [] } });
    portal.says(json!({ "result": { "task": task } }));
    portal.says(&ties);
    assert_eq!(portal.client().attach(TaskId(3711), FileId(6687)).await.unwrap(), AttachmentId(423));
    assert_eq!(portal.methods(), ["tasks.task.get", "batch"]);
    assert_eq!(portal.last().json()["cmd"]["c1"], "disk.attachedObject.get?id=423");

    portal.says(json!({ "result": { "task": row(3711) } }));
    portal.says(json!({ "result": { "attachmentId": 500 } }));
    assert_eq!(portal.client().attach(TaskId(3711), FileId(9)).await.unwrap(), AttachmentId(500));
    assert_eq!(portal.last().text(), r#"{"taskId":3711,"fileId":9}"#);

    // The answer is lost: look whether it was attached.
    portal.says(json!({ "result": { "task": row(3711) } }));
    portal.refuses(502, "");
    portal.says(json!({ "result": { "task": task } }));
    portal.says(&ties);
    assert_eq!(portal.client().attach(TaskId(3711), FileId(6687)).await.unwrap(), AttachmentId(423));

    portal.says(json!({ "result": [] }));
    let error = portal.client().attach(TaskId(3711), FileId(6687)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
}

#[tokio::test]
async fn a_batch_answers_200_whatever_became_of_its_calls() {
    let portal = Scripted::start().await;
    let board = json!({ "1": { "ID": "1", "TITLE": "A&B", "SORT": "1" } });
    portal.says(json!({ "result": {
        "result": { "c0": board, "c3": [] },
        "result_error": { "c1": { "error": "ACCESS_DENIED", "error_description": "Нельзя" },
                          "c2": { "error": "QUERY_LIMIT_EXCEEDED" } },
        "result_total": [], "result_next": [],
        "result_time": { "c0": { "operating": 500, "operating_reset_at": NOON.0 / 1000 + 60 } },
    } }));
    let client = portal.client();
    let groups: Vec<GroupId> = (1..=5).map(GroupId).collect();
    let boards = client.boards(&groups).await.unwrap();
    assert_eq!(boards[0].as_ref().unwrap()[0].title, "A&B");
    assert_eq!(boards[1].as_ref().unwrap_err().kind(), Kind::Denied);
    assert_eq!(boards[2].as_ref().unwrap_err().kind(), Kind::Limit);
    assert_eq!(boards[3].as_ref().unwrap(), &[]);
    assert!(boards[4].as_ref().unwrap_err().to_string().contains("`result.result.c4`"));
    let sent = portal.last().json();
    assert_eq!(sent["halt"], 0);
    assert_eq!(sent["cmd"]["c4"], "task.stages.get?entityId=5");
    // What ran inside is charged to its own method.
    let error = client.stages(GroupId(1)).await.expect_err("the method rests");
    assert!(matches!(error, Error::NotSent(_)), "{error:?}");
}

#[tokio::test]
async fn a_batch_with_no_answer_at_all_comes_as_lists_and_more_than_fifty_go_in_parts() {
    let portal = Scripted::start().await;
    portal.says(
        json!({ "result": { "result": [], "result_error": [], "result_total": [], "result_time": [] } }),
    );
    let boards = portal.client().boards(&[GroupId(1)]).await.unwrap();
    assert!(matches!(boards[0], Err(Error::Malformed { .. })), "{boards:?}");
    portal.says(json!({ "result": { "result": [] } }));
    portal.says(json!({ "result": { "result": [] } }));
    let groups: Vec<GroupId> = (1..=51).map(GroupId).collect();
    assert_eq!(portal.client().boards(&groups).await.unwrap().len(), 51);
    assert_eq!(portal.last().json()["cmd"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn people_come_with_text_for_ids_and_odd_dates() {
    let portal = Scripted::start().await;
    let ann = json!({ "ID": "42", "ACTIVE": true, "NAME": "Анна", "LAST_NAME": "Ли", "EMAIL": "ann@example.com",
        "UF_DEPARTMENT": [1], "TIMESTAMP_X": {}, "LAST_ACTIVITY_DATE": "2026-01-01 12:00:00", "WORK_POSITION": "" });
    let brief = json!({ "ID": "43", "NAME": "Борис", "UF_DEPARTMENT": false });
    let gone = json!({ "ID": "44", "ACTIVE": false, "NAME": "Вера" });
    portal.says(json!({ "result": [ann, brief, gone], "total": 3 }));
    let people = portal.client().employees().await.unwrap();
    assert_eq!(people.iter().map(|user| user.id.0).collect::<Vec<_>>(), [42, 43]);
    assert_eq!((people[0].email.as_deref(), people[0].position.as_deref()), (Some("ann@example.com"), None));
    assert_eq!((&people[0].departments, people[1].departments.len()), (&vec![1], 0));
    portal.says(json!({ "result": [ann, brief], "total": 2 }));
    let one = portal.client().user(PortalUserId(43)).await.unwrap().expect("he is there");
    assert_eq!(one.name, "Борис");
    portal.says(json!({ "result": ann }));
    assert_eq!(portal.client().whoami().await.unwrap().id, PortalUserId(42));
}
