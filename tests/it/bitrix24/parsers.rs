//! Whatever comes as an answer, no parser panics, and none takes nonsense for something.

use std::cell::RefCell;

use borodach::bitrix24::{
    Client, Content, Error, FileId, FolderId, GroupId, Look, Means, PortalUserId, StageId, TaskFilter, TaskId,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::{Scripted, key, new_task};

/// Real answers, one of each shape.
fn samples() -> Vec<Value> {
    let task = json!({ "id": "3711", "title": "Replace pump P-7", "description": "Leak", "status": "2",
        "groupId": "15", "stageId": "311", "responsibleId": "42", "createdBy": "7", "priority": "2",
        "deadline": "2026-10-02T18:00:00+03:00", "xmlId": "req-01J9ZK4", "chatId": 99,
        "ufTaskWebdavFiles": [423], "group": { "id": "15", "additionalData": [] }, "auditors": [], "auditorsData": [] });
    let time = json!({ "start": 1_790_000_000.12, "duration": 0.19, "operating": 0.15, "operating_reset_at": 1_790_000_600 });
    let stage =
        json!({ "ID": "311", "TITLE": "New", "SORT": "100", "COLOR": "00C4FB", "SYSTEM_TYPE": "NEW" });
    let person = json!({ "ID": "42", "ACTIVE": true, "NAME": "Ann", "EMAIL": "ann@example.com", "UF_DEPARTMENT": [1] });
    let message = json!({ "id": 28_561_624, "chat_id": 29, "author_id": 1, "date": "2018-01-29T16:58:47+02:00", "text": "x" });
    vec![
        json!({ "result": { "task": task }, "time": time }),
        json!({ "result": { "tasks": [task, task] }, "total": 2, "next": 50, "time": time }),
        json!({ "result": { "item": { "id": 3839, "status": "pending", "created": "2026-10-02T18:00:00+03:00" } } }),
        json!({ "result": { "result": true } }),
        json!({ "result": { "311": stage }, "time": time }),
        json!({ "result": [stage] }),
        json!({ "result": 3141 }),
        json!({ "result": [{ "ID": "3157", "AUTHOR_ID": "503", "POST_DATE": "2025-07-15T14:31:00+02:00", "POST_MESSAGE": "x" }] }),
        json!({ "result": { "messages": [message], "users": [], "files": [] } }),
        json!({ "result": [{ "ID": "57", "NAME": "R", "ENTITY_TYPE": "group", "ENTITY_ID": "15", "ROOT_OBJECT_ID": "871" }], "total": 1 }),
        json!({ "result": { "ID": 6687, "NAME": "a.jpg", "TYPE": "file", "FILE_ID": 28073, "SIZE": "3" } }),
        json!({ "result": { "field": "file", "uploadUrl": "https://127.0.0.1:1/rest/upload.json?token=x" } }),
        json!({ "result": { "attachmentId": 423 } }),
        json!({ "result": [person], "total": 1 }),
        json!({ "result": person }),
        json!({ "result": { "result": { "c0": { "311": stage } }, "result_error": [], "result_time": { "c0": time } } }),
        json!({ "result": { "result": [], "result_error": { "c0": { "error": "ACCESS_DENIED", "error_description": "x" } } } }),
        json!({ "result": [] }),
        json!({ "error": "ERROR_CORE", "error_description": "TASKS_ERROR_EXCEPTION_#256;<br>" }),
        json!({ "error": { "code": "BITRIX_REST_V3_EXCEPTION_X", "message": "x", "validation": [{ "field": "a", "message": "b" }] } }),
    ]
}

fn anything() -> impl Strategy<Value = Value> {
    let words = proptest::sample::select(vec![
        "",
        "0",
        "-1",
        "7",
        "Y",
        "undefined",
        "9223372036854775808",
        "1e5",
        "2026-10-02T18:00:00+03:00",
        "+292277026596-01-01T00:00:00Z",
        "2026-13-45T99:99:99+99:99",
        "\u{0}",
        "⟨12-0-5⟩",
        "12-0-5",
        "<br>",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        words.prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    let names = proptest::sample::select(vec![
        "result",
        "error",
        "error_description",
        "time",
        "total",
        "task",
        "tasks",
        "item",
        "id",
        "ID",
        "title",
        "TITLE",
        "status",
        "operating",
        "operating_reset_at",
        "code",
        "message",
        "validation",
        "messages",
        "SORT",
        "SIZE",
        "result_error",
        "result_time",
        "c0",
        "0",
        "field",
        "uploadUrl",
        "xmlId",
        "chatId",
        "ufTaskWebdavFiles",
    ]);
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((names.clone(), inner), 0..6).prop_map(|all| all
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<Value>()),
        ]
    })
}

/// How a body is spoilt: a real answer with something put somewhere in it, anything at all, or no JSON.
fn bodies() -> impl Strategy<Value = String> {
    let spoilt = (proptest::sample::select(samples()), any::<proptest::sample::Index>(), anything())
        .prop_map(|(mut sample, place, value)| {
            let count = places(&mut sample, None, &value);
            places(&mut sample, Some(place.index(count)), &value);
            sample.to_string()
        });
    let cut =
        (proptest::sample::select(samples()), any::<proptest::sample::Index>()).prop_map(|(sample, at)| {
            let text = sample.to_string();
            text.chars().take(at.index(text.chars().count())).collect::<String>()
        });
    prop_oneof![
        6 => spoilt,
        3 => anything().prop_map(|value| json!({ "result": value }).to_string()),
        2 => anything().prop_map(|value| value.to_string()),
        1 => cut,
        1 => ".{0,60}",
    ]
}

/// Counts the places of a value, from the outermost in; puts `new` at one of them.
fn places(value: &mut Value, at: Option<usize>, new: &Value) -> usize {
    fn walk(value: &mut Value, at: Option<usize>, seen: &mut usize, new: &Value) {
        if at == Some(*seen) {
            *value = new.clone();
        }
        *seen += 1;
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, at, seen, new)),
            Value::Object(map) => map.values_mut().for_each(|item| walk(item, at, seen, new)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut seen = 0;
    walk(value, at, &mut seen, new);
    seen
}

/// Makes every kind of call; each must end, well or not.
async fn call_all(client: &Client) -> Vec<Error> {
    let (task, group) = (TaskId(3711), GroupId(15));
    let fresh = |means| key(&format!("{:032x}", rand::random::<u128>()), means);
    let mut errors = Vec::new();
    let mut note = |error: Option<Error>| errors.extend(error);
    note(client.task(task).await.err());
    note(client.tasks(&TaskFilter::default()).await.err());
    note(client.complete_task(task).await.err());
    note(client.add_task(&fresh(Means::Marked), &new_task()).await.err());
    note(client.add_task(&fresh(Means::Keyed), &new_task()).await.err());
    note(client.stages(group).await.err());
    note(client.boards(&[group]).await.err());
    note(client.move_task(task, StageId(1)).await.err());
    note(client.add_comment(&fresh(Means::Marked), task, "x").await.err());
    note(client.add_comment(&fresh(Means::Keyed), task, "x").await.err());
    note(client.comments(task).await.err());
    note(client.storage(group).await.err());
    note(client.upload(FolderId(871), "a.jpg", Content::Bytes(b"abc")).await.err());
    note(client.attach(task, FileId(6687)).await.err());
    note(client.users(&[PortalUserId(42)]).await.err());
    note(client.whoami().await.err());
    note(client.probe().await.err());
    match client.find_by_key(&key("12-0-5", Means::Marked), None).await {
        Ok(Look::Done(task)) => {
            assert_eq!(task.mark.as_deref(), Some("12-0-5"), "another's task is not ours");
        }
        Ok(Look::NotDone | Look::Unknown) => {}
        Err(error) => note(Some(error)),
    }
    errors
}

#[test]
fn no_answer_makes_a_parser_panic_or_tells_the_key() {
    const CASES: u32 = 300;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let portal = runtime.block_on(Scripted::start());
    let calls = RefCell::new(0_usize);
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&(bodies(), 0..4_usize), |(body, status)| {
        let status = [200, 200, 400, 502][status];
        portal.repeats(status, &body);
        let client = portal.client_with(|settings| {
            settings.longest_request = std::time::Duration::ZERO;
            settings.method_time = borodach::config::Limit::OFF;
        });
        let errors = runtime.block_on(call_all(&client));
        *calls.borrow_mut() += portal.forget();
        for error in errors {
            let told = format!("{error} {error:?}");
            prop_assert!(!told.contains(super::TOKEN), "{told}");
            let _ = (error.verdict(), error.kind(), error.retry_after());
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    println!("{CASES} bodies in {} answers", calls.borrow());
    assert!(calls.into_inner() > 15 * CASES as usize, "every body is read by every parser");
}
