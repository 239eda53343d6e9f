//! REST 3.0.

use std::time::Duration;

use axum::http::HeaderValue;
use borodach::sandbox::bitrix24::{DEVELOPMENT, Fault, Method, OWNER, Rest3, Status};
use serde_json::{Value, json};

use super::{Desk, IGOR, read};

impl Desk {
    #[track_caller]
    fn ok3(&self, method: &str, params: Value) -> impl Future<Output = Value> {
        let caller = std::panic::Location::caller();
        async move {
            let (status, body) = self.call3(method, params).await;
            assert_eq!(status, 200, "{caller}: {body}");
            body["result"].clone()
        }
    }

    /// `code` without its prefix and suffix.
    #[track_caller]
    fn refused3(&self, method: &str, params: Value, status: u16, code: &str) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let (answered, body) = self.call3(method, params).await;
            let code = format!("BITRIX_REST_V3_EXCEPTION_{code}EXCEPTION");
            assert_eq!(
                (answered, body["error"]["code"].as_str()),
                (status, Some(code.as_str())),
                "{caller}: {body}"
            );
        }
    }

    /// The status, whether it was replayed, and the body.
    async fn keyed(&self, key: &str, body: &Value) -> (u16, bool, Value) {
        let request =
            self.client.post(self.address3("tasks.task.add")).header("Idempotency-Key", key).json(body);
        let answer = request.send().await.expect("an answer");
        let is_replayed = answer.headers().get("idempotent-replayed").is_some_and(|value| value == "true");
        if answer.status() == 200 && self.portal.conduct().rest3 == Rest3::WithKeys {
            assert_eq!(answer.headers()["idempotency-key"], key, "the key comes back");
        }
        let (status, body) = read(answer).await;
        (status, is_replayed, body)
    }
}

fn new_task(title: &str) -> Value {
    json!({"fields": {"title": title, "creatorId": OWNER, "responsibleId": IGOR, "groupId": DEVELOPMENT, "xmlId": "k"}})
}

#[tokio::test]
async fn a_task_has_numbers_for_ids_and_words_for_statuses() {
    let desk = Desk::start().await;
    let item = desk.ok3("tasks.task.add", new_task("Вывеска")).await["item"].clone();
    let id = item["id"].as_i64().expect("a number");
    assert_eq!((&item["creatorId"], &item["groupId"], &item["xmlId"]), (&json!(7), &json!(15), &json!("k")));
    assert_eq!(
        (&item["status"], &item["priority"], item.get("tags")),
        (&json!("pending"), &json!("average"), None)
    );
    let fields = json!({"status": "in_progress", "priority": "high", "stageId": 312});
    assert_eq!(
        desk.ok3("tasks.task.update", json!({"id": id, "fields": fields})).await,
        json!({"result": true})
    );
    let task = desk.portal.task(id).expect("it is there");
    assert_eq!((task.status, task.priority, task.stage), (Status::InProgress, 2, 312));
    let got = desk.ok3("tasks.task.get", json!({"id": id, "select": ["id", "status", "colour"]})).await;
    assert_eq!(got["item"], json!({"id": id, "status": "in_progress"}), "an unknown name is left out");
    assert_eq!(desk.ok3("tasks.task.delete", json!({"id": id})).await, json!({"result": true}));
    desk.refused3("tasks.task.get", json!({"id": id}), 400, "ENTITYNOTFOUND").await;
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_the_field() {
    let desk = Desk::start().await;
    let (_, body) =
        desk.call3("tasks.task.add", json!({"fields": {"title": "x", "responsibleId": IGOR}})).await;
    assert_eq!(body["error"]["validation"][0]["field"], "creatorId", "{body}");
    desk.refused3("tasks.task.add", json!({}), 400, "VALIDATION_REQUESTVALIDATION").await;
    let mut text_for_number = new_task("x");
    text_for_number["fields"]["creatorId"] = json!("7");
    desk.refused3("tasks.task.add", text_for_number, 400, "VALIDATION_DTOVALIDATION").await;
    let mut stranger = new_task("x");
    stranger["fields"]["responsibleId"] = json!(999);
    desk.refused3("tasks.task.add", stranger, 400, "VALIDATION_DTOVALIDATION").await;
    let mut tagged = new_task("x");
    tagged["fields"]["tags"] = json!(["a"]);
    desk.refused3("tasks.task.add", tagged, 400, "UNKNOWNDTOPROPERTY").await;
    desk.refused3("tasks.task.get", json!({"id": "1"}), 400, "VALIDATION_REQUESTVALIDATION").await;
    desk.refused3("tasks.task.explode", json!({}), 404, "METHODNOTFOUND").await;
    desk.refused3("tasks.task.complete", json!({"id": 1}), 404, "METHODNOTFOUND").await;
    let form = desk.client.post(desk.address3("tasks.task.get")).body("id=1");
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(read(form.send().await.expect("an answer")).await.0, 400, "JSON only");
}

#[tokio::test]
async fn a_list_is_filtered_by_id_alone() {
    let desk = Desk::start().await;
    let mut ids = Vec::new();
    for n in 0..60 {
        ids.push(desk.portal.adds(OWNER, DEVELOPMENT, &format!("№{n}")).expect("it is made"));
    }
    let list = async |params: Value| {
        let items = desk.ok3("tasks.task.list", params).await["items"].as_array().expect("items").clone();
        (items.len(), items[0]["id"].as_i64().expect("a number"))
    };
    assert_eq!(list(json!({})).await, (50, ids[0]));
    assert_eq!(list(json!({"pagination": {"limit": 1000}})).await, (60, ids[0]));
    assert_eq!(list(json!({"pagination": {"limit": 20, "page": 3}})).await, (20, ids[40]));
    assert_eq!(list(json!({"filter": [["id", ">", ids[57]]]})).await, (2, ids[58]));
    desk.refused3("tasks.task.list", json!({"filter": [["xmlId", "k"]]}), 400, "UNKNOWNDTOPROPERTY").await;
    desk.refused3("tasks.task.list", json!({"filter": [["id", "~", 1]]}), 400, "UNKNOWNFILTEROPERATOR").await;
    desk.refused3("tasks.task.list", json!({"filter": {"id": 1}}), 400, "INVALIDFILTER").await;
    desk.refused3("tasks.task.list", json!({"select": "id"}), 400, "INVALIDSELECT").await;
    desk.refused3("tasks.task.list", json!({"pagination": {"limit": 1001}}), 400, "INVALIDPAGINATION").await;
}

#[tokio::test]
async fn a_message_is_sent_without_an_id_in_return() {
    let desk = Desk::start().await;
    let task = desk.task(json!({})).await;
    let say = "tasks.task.chat.message.send";
    let params = json!({"fields": {"taskId": task, "text": "Фото приложено"}});
    assert_eq!(desk.ok3(say, params).await, json!({"result": true}));
    assert_eq!(desk.portal.chat(task)[1].text, "Фото приложено");
    desk.refused3(say, json!({"taskId": task, "text": "x"}), 400, "VALIDATION_REQUESTVALIDATION").await;
    desk.refused3(say, json!({"fields": {"taskId": task}}), 400, "VALIDATION_DTOVALIDATION").await;
    desk.refused3(say, json!({"fields": {"taskId": 999, "text": "x"}}), 403, "ACCESSDENIED").await;
}

#[tokio::test]
async fn files_are_attached_several_at_a_time() {
    let desk = Desk::start().await;
    let task = desk.task(json!({})).await;
    let upload = json!({"id": 871, "data": {"NAME": "a.txt"}, "fileContent": ["a.txt", "aGVsbG8="]});
    let file = desk.ok("disk.folder.uploadfile", upload).await["ID"].clone();
    let attach = "tasks.task.file.attach";
    assert_eq!(desk.ok3(attach, json!({"taskId": task, "fileIds": [file]})).await, json!({"result": true}));
    assert_eq!(desk.portal.files(task)[0].bytes, "hello");
    desk.refused3(attach, json!({"taskId": task, "fileIds": [1]}), 403, "ACCESSDENIED").await;
    desk.refused3(attach, json!({"taskId": task, "fileIds": file}), 400, "VALIDATION_REQUESTVALIDATION")
        .await;
}

#[tokio::test]
async fn a_key_makes_one_task_of_two_calls_for_a_day() {
    let desk = Desk::start().await;
    let (status, is_replayed, first) = desk.keyed("c1-0-7", &new_task("x")).await;
    assert_eq!((status, is_replayed), (200, false));
    let (status, is_replayed, second) = desk.keyed("c1-0-7", &new_task("x")).await;
    assert_eq!((status, is_replayed, &second), (200, true, &first));
    let (status, _, body) = desk.keyed("c1-0-7", &new_task("y")).await;
    let code = "BITRIX_REST_V3_EXCEPTION_IDEMPOTENCYKEYREUSEDEXCEPTION";
    assert_eq!((status, &body["error"]["code"]), (422, &json!(code)));
    assert_eq!(desk.portal.made(), 1);
    desk.clock.turn(Duration::from_hours(24));
    assert!(!desk.keyed("c1-0-7", &new_task("x")).await.1, "a day later it is forgotten");
    assert_eq!(desk.portal.made(), 2);
}

#[tokio::test]
async fn only_a_success_is_kept_under_a_key() {
    let desk = Desk::start().await;
    let mut wrong = new_task("x");
    wrong["fields"]["responsibleId"] = json!(999);
    assert_eq!(desk.keyed("k", &wrong).await.0, 400);
    assert_eq!(desk.keyed("k", &new_task("x")).await.0, 200);
    for key in ["", "ключ", &"k".repeat(256)] {
        let key = HeaderValue::from_bytes(key.as_bytes()).expect("a header bears it");
        let request = desk.client.post(desk.address3("tasks.task.add")).header("Idempotency-Key", &key);
        let (status, body) = read(request.json(&new_task("x")).send().await.expect("an answer")).await;
        let code = "BITRIX_REST_V3_EXCEPTION_INVALIDIDEMPOTENCYKEYEXCEPTION";
        assert_eq!((status, &body["error"]["code"]), (400, &json!(code)), "{key:?}");
    }
}

#[tokio::test]
async fn a_lost_answer_is_replayed() {
    let desk = Desk::start().await;
    desk.portal.faults().next(Method::Task3Add, Fault::ResetAfterAccept, 1);
    let request = desk.client.post(desk.address3("tasks.task.add")).header("Idempotency-Key", "k");
    request.json(&new_task("x")).send().await.expect_err("the connection is cut");
    let (status, is_replayed, _) = desk.keyed("k", &new_task("x")).await;
    assert_eq!((status, is_replayed, desk.portal.made()), (200, true, 1));
}

#[tokio::test]
async fn two_calls_at_once_with_one_key_both_run() {
    let desk = Desk::start().await;
    desk.portal.faults().next(Method::Task3Add, Fault::Slow(Duration::from_millis(300)), 2);
    let body = new_task("x");
    let (first, second) = tokio::join!(desk.keyed("k", &body), desk.keyed("k", &body));
    assert_eq!((first.0, first.1, second.0, second.1), (200, false, 200, false));
    assert_eq!(desk.portal.made(), 2);
}

#[tokio::test]
async fn a_portal_may_ignore_keys_or_have_no_rest_3_at_all() {
    let desk = Desk::start().await;
    desk.portal.change(|conduct| conduct.rest3 = Rest3::WithoutKeys);
    assert!(!desk.keyed("k", &new_task("x")).await.1);
    assert!(!desk.keyed("k", &new_task("x")).await.1);
    assert_eq!(desk.portal.made(), 2);
    desk.portal.change(|conduct| conduct.rest3 = Rest3::Absent);
    let (status, body) = desk.call3("tasks.task.add", new_task("x")).await;
    assert_eq!((status, &body["error"]), (404, &json!("ERROR_METHOD_NOT_FOUND")));
    desk.portal.change(|conduct| conduct.rest3 = Rest3::WithKeys);
    let fields = json!({"fields": {"TITLE": "x", "RESPONSIBLE_ID": IGOR}});
    for _ in 0..2 {
        let request =
            desk.client.post(desk.address("tasks.task.add")).header("Idempotency-Key", "k").json(&fields);
        assert_eq!(request.send().await.expect("an answer").status(), 200);
    }
    assert_eq!(desk.portal.made(), 4, "the second generation knows no keys");
}

#[tokio::test]
async fn one_failure_fails_a_batch_and_what_was_done_before_stays_done() {
    let desk = Desk::start().await;
    let add = json!({"method": "tasks.task.add", "query": new_task("x")});
    let answer = desk.ok3("batch", json!([add, {"method": "tasks.task.list", "query": {}}])).await;
    assert_eq!(
        (&answer[0]["item"]["title"], answer[1]["items"].as_array().map(Vec::len)),
        (&json!("x"), Some(1))
    );
    let get = json!({"method": "tasks.task.get", "query": {"id": 999}});
    desk.refused3("batch", json!([add, get, add]), 400, "ENTITYNOTFOUND").await;
    assert_eq!(desk.portal.made(), 2);
    desk.refused3("batch", json!({"cmd": {}}), 400, "INVALIDJSON").await;
}
