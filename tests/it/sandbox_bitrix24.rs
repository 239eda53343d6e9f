//! The sandbox's Bitrix24 is as strict and as odd as the real one. A fact of REST a test.

mod batch;
mod board;
mod disk;
mod events;
mod faults;
mod limits;
mod rest3;
mod tasks;

use std::net::SocketAddr;
use std::sync::Arc;

use borodach::clock::{ManualClock, Timestamp};
use borodach::sandbox::bitrix24::{Bitrix24, DEVELOPMENT, Rest3, Scope};
use serde_json::{Value, json};

/// 2026-09-21 12:00 UTC.
const NOON: Timestamp = Timestamp(1_789_992_000_000);
/// Who does most of the tasks here.
const IGOR: i64 = 42;

/// The client's side of the wire.
struct Desk {
    portal: Bitrix24,
    clock: Arc<ManualClock>,
    client: reqwest::Client,
}

impl Desk {
    async fn start() -> Desk {
        crate::crypto();
        let clock = ManualClock::new(NOON);
        let addr = SocketAddr::from(([127, 0, 0, 1], 0));
        let portal = Bitrix24::start(addr, clock.clone()).await.expect("loopback is free");
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Desk { portal, clock, client: client.build().expect("the provider is installed") }
    }

    fn address(&self, method: &str) -> String {
        format!("{}{method}", self.portal.url())
    }

    /// Of a method of REST 3.0.
    fn address3(&self, method: &str) -> String {
        self.address(method).replacen("/rest/", "/rest/api/", 1)
    }

    async fn call(&self, method: &str, params: Value) -> (u16, Value) {
        read(self.client.post(self.address(method)).json(&params).send().await.expect("an answer")).await
    }

    async fn call3(&self, method: &str, params: Value) -> (u16, Value) {
        read(self.client.post(self.address3(method)).json(&params).send().await.expect("an answer")).await
    }

    async fn form(&self, method: &str, form: &str) -> (u16, Value) {
        let request = self.client.post(self.address(method)).body(form.to_owned());
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        read(request.send().await.expect("an answer")).await
    }

    /// The whole body of a success.
    #[track_caller]
    fn body(&self, method: &str, params: Value) -> impl Future<Output = Value> {
        let caller = std::panic::Location::caller();
        async move {
            let (status, body) = self.call(method, params).await;
            assert_eq!(status, 200, "{caller}: {body}");
            body
        }
    }

    /// The result of a success.
    #[track_caller]
    fn ok(&self, method: &str, params: Value) -> impl Future<Output = Value> {
        let body = self.body(method, params);
        async move { body.await["result"].clone() }
    }

    #[track_caller]
    fn refused(&self, method: &str, params: Value, status: u16, code: &str) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let (answered, body) = self.call(method, params).await;
            assert_eq!((answered, body["error"].as_str()), (status, Some(code)), "{caller}: {body}");
            assert!(body["error_description"].is_string(), "{caller}: {body}");
            assert!(body.get("time").is_none(), "{caller}: an error tells no time: {body}");
        }
    }

    /// Makes a task of «Развитие» for Igor with these fields besides, and returns its id.
    async fn task(&self, more: Value) -> i64 {
        let mut fields = json!({"TITLE": "Сменить вывеску", "RESPONSIBLE_ID": IGOR, "GROUP_ID": DEVELOPMENT});
        more.as_object().expect("fields").iter().for_each(|(name, value)| fields[name] = value.clone());
        let task = self.ok("tasks.task.add", json!({"fields": fields})).await;
        id(&task["task"]["id"])
    }
}

async fn read(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or(Value::Null))
}

/// An id that came as text.
#[track_caller]
fn id(value: &Value) -> i64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no id in quotes"))
}

fn titles(tasks: &Value) -> Vec<&str> {
    tasks["tasks"].as_array().expect("rows").iter().filter_map(|task| task["title"].as_str()).collect()
}

#[tokio::test]
async fn a_wrong_token_and_an_unknown_method_are_refused() {
    let desk = Desk::start().await;
    let post = async |url: String| read(desk.client.post(url).send().await.expect("an answer")).await;
    let (status, body) = post(desk.address("user.current").replace("sandboxtoken", "stolentoken")).await;
    assert_eq!((status, &body["error"]), (401, &json!("INVALID_CREDENTIALS")));
    let (status, body) = post(desk.address("user.current").replace("/7/", "/8/")).await;
    assert_eq!((status, &body["error"]), (401, &json!("INVALID_CREDENTIALS")));
    desk.refused("tasks.task.explode", json!({}), 404, "ERROR_METHOD_NOT_FOUND").await;
    desk.refused("event.bind", json!({}), 404, "ERROR_METHOD_NOT_FOUND").await;
}

#[tokio::test]
async fn names_of_methods_are_read_in_any_case_and_with_a_suffix() {
    let desk = Desk::start().await;
    for name in ["user.current", "User.Current", "USER.CURRENT.json"] {
        assert_eq!(desk.ok(name, json!({})).await["ID"], "7", "{name}");
    }
}

#[tokio::test]
async fn json_form_and_query_mean_the_same() {
    let desk = Desk::start().await;
    let fields = "fields[TITLE]=%D0%94%D0%B0%26%D0%BD%D0%B5%D1%82&fields[RESPONSIBLE_ID]=42&fields[TAGS][0]=a&fields[TAGS][]=b";
    let (_, by_form) = desk.form("tasks.task.add", fields).await;
    let query = desk.client.get(format!("{}?{fields}", desk.address("tasks.task.add")));
    let (_, by_query) = read(query.send().await.expect("an answer")).await;
    let json = json!({"fields": {"TITLE": "Да&нет", "RESPONSIBLE_ID": "42", "TAGS": ["a", "b"]}});
    let by_json = desk.body("tasks.task.add", json).await;
    for answer in [by_form, by_query, by_json] {
        let task = desk.portal.task(id(&answer["result"]["task"]["id"])).expect("it was made");
        assert_eq!((task.title.as_str(), task.responsible), ("Да&нет", IGOR));
        assert_eq!(task.tags, ["a", "b"]);
    }
}

#[tokio::test]
async fn a_scope_that_is_not_ticked_is_missed_with_either_status() {
    let desk = Desk::start().await;
    let cases = [
        (Scope::Task, "tasks.task.list"),
        (Scope::Disk, "disk.storage.getlist"),
        (Scope::Im, "im.dialog.messages.get"),
    ];
    for (at, (scope, method)) in cases.into_iter().enumerate() {
        let status = [401, 403][at % 2];
        desk.portal.change(|conduct| {
            conduct.scopes.remove(&scope);
            conduct.scope_status = status;
        });
        desk.refused(method, json!({}), status, "insufficient_scope").await;
    }
    desk.portal.change(|conduct| {
        conduct.scopes.retain(|scope| *scope == Scope::UserBrief);
        conduct.scope_status = 403;
    });
    assert_eq!(desk.ok("scope", json!({})).await, json!(["user_brief"]));
    let (status, body) = desk.call3("tasks.task.get", json!({"id": 1})).await;
    let code = "BITRIX_REST_V3_EXCEPTION_INSUFFICIENTSCOPEEXCEPTION";
    assert_eq!((status, &body["error"]["code"]), (403, &json!(code)));
}

#[tokio::test]
async fn time_is_told_in_the_zone_of_the_portal_and_whole_seconds_have_no_fraction() {
    let desk = Desk::start().await;
    let body = desk.body("user.current", json!({})).await;
    assert_eq!(body["time"]["date_start"], "2026-09-21T15:00:00+03:00");
    assert!(body["time"]["start"].is_i64(), "{body}");
    assert!(body["time"]["finish"].is_f64(), "{body}");
    assert!(body["time"].get("operating").is_none(), "without a limit nothing is told: {body}");
}

#[tokio::test]
async fn a_portal_with_another_name_sends_away_with_a_page() {
    let desk = Desk::start().await;
    desk.portal.change(|conduct| conduct.renamed_to = Some("localhost".to_owned()));
    let send = |url: String| desk.client.post(url).json(&json!({"taskId": 1})).send();
    let answer = send(desk.address("tasks.task.get")).await.expect("an answer");
    let location = answer.headers()["location"].to_str().expect("an address").to_owned();
    assert_eq!(answer.status(), 302);
    assert_eq!(location, desk.address("tasks.task.get").replace("127.0.0.1", "localhost"));
    assert!(answer.text().await.expect("a page").starts_with("<html>"));
    assert_eq!(desk.portal.calls(borodach::sandbox::bitrix24::Method::TaskGet), 0);
    let (status, body) = read(send(location).await.expect("an answer")).await;
    assert_eq!((status, &body["result"]), (200, &json!([])));
}

#[tokio::test]
async fn people_are_found_by_filters_beside_and_inside() {
    let desk = Desk::start().await;
    let all = desk.body("user.get", json!({})).await;
    assert_eq!((all["total"].as_u64(), all.get("next")), (Some(12), None));
    let one = json!({"filter": {"EMAIL": "user42@office.example", "ACTIVE": true}, "select": ["ID", "NAME", "UF_DEPARTMENT", "SALARY"]});
    assert_eq!(desk.ok("user.get", one).await, json!([{"ID": "42", "NAME": "Игорь", "UF_DEPARTMENT": [2]}]));
    assert_eq!(desk.ok("user.get", json!({"UF_DEPARTMENT": 4})).await.as_array().map(Vec::len), Some(3));
    assert_eq!(desk.ok("user.get", json!({"ID": [7, "42"]})).await.as_array().map(Vec::len), Some(2));
    assert_eq!(desk.ok("user.get", json!({"FILTER": {"NAME_SEARCH": "сокол"}})).await[0]["ID"], "42");
    assert_eq!(
        desk.ok("user.get", json!({"filter": {"@ID": [8], "SHOE_SIZE": 43}})).await[0]["LAST_NAME"],
        "Орлов"
    );
    desk.portal.dismisses(IGOR).expect("he works here");
    assert_eq!(desk.ok("user.get", json!({"ID": 42})).await[0]["ACTIVE"], false);
    assert_eq!(desk.ok("user.get", json!({"ID": 42, "ACTIVE": "Y"})).await, json!([]));
}

#[tokio::test]
async fn the_brief_scope_hides_addresses() {
    let desk = Desk::start().await;
    assert!(desk.ok("user.get", json!({"ID": 7})).await[0]["EMAIL"].is_string());
    desk.portal.change(|conduct| conduct.scopes.retain(|scope| *scope != Scope::User));
    let row = desk.ok("user.get", json!({"ID": 7})).await[0].clone();
    assert_eq!((&row["ID"], row.get("EMAIL")), (&json!("7"), None));
}

#[tokio::test]
async fn what_a_portal_can_is_told_by_itself() {
    let desk = Desk::start().await;
    let known = desk.ok("method.get", json!({"name": "tasks.task.add"})).await;
    assert_eq!(known, json!({"isExisting": true, "isAvailable": true}));
    let unknown = desk.ok("method.get", json!({"name": "tasks.task.explode"})).await;
    assert_eq!(unknown, json!({"isExisting": false, "isAvailable": false}));
    let (status, body) = desk.call3("rest.documentation.openapi", json!({})).await;
    assert_eq!(status, 200);
    assert!(body["result"]["paths"]["/tasks.task.chat.message.send"].is_object(), "{body}");
    desk.portal.change(|conduct| conduct.rest3 = Rest3::Absent);
    let (status, body) = desk.call3("rest.documentation.openapi", json!({})).await;
    assert_eq!((status, &body["error"]), (404, &json!("ERROR_METHOD_NOT_FOUND")));
}

#[tokio::test]
async fn the_page_sees_the_board_works_on_it_and_turns_switches() {
    let desk = Desk::start().await;
    let task = desk.task(json!({})).await;
    let stage = desk.portal.stage(DEVELOPMENT, "Выполняется").expect("a column").id;
    let url = |path: &str| format!("{}sandbox/{path}", desk.portal.address());
    let post = async |path: &str, body: Value| {
        read(desk.client.post(url(path)).json(&body).send().await.expect("an answer")).await
    };
    let get = async |path: &str| read(desk.client.get(url(path)).send().await.expect("an answer")).await.1;
    assert_eq!(post("act", json!({"as": 8, "do": "move", "task": task, "stage": stage})).await.0, 200);
    assert_eq!(post("act", json!({"as": 8, "do": "comment", "task": task, "text": "Беру"})).await.0, 200);
    assert_eq!(post("act", json!({"as": 8, "do": "move", "task": 1, "stage": stage})).await.0, 400);
    assert_eq!(
        post("faults", json!({"method": "tasks.task.add", "kind": "503", "chance": 0.5})).await.0,
        200
    );
    assert_eq!(post("faults", json!({"method": "tasks.task.explode", "kind": "503"})).await.0, 400);
    assert_eq!(
        post("conduct", json!({"rest3": "absent", "filters_by_xml_id": false, "lost": 1.0})).await.0,
        200
    );
    let shown = get("state").await;
    let columns = shown["groups"][0]["stages"].as_array().expect("columns");
    let titles: Vec<&str> = columns.iter().filter_map(|column| column["title"].as_str()).collect();
    assert_eq!(titles, ["Новая", "Выполняется", "На проверке", "Завершена", "Отменена"]);
    assert_eq!(columns[1]["cards"][0]["id"], task);
    assert_eq!(shown["faults"], json!([{"method": "tasks.task.add", "kind": "503", "chance": 0.5}]));
    assert_eq!((&shown["conduct"]["rest3"], &shown["conduct"]["lost"]), (&json!("absent"), &json!(1.0)));
    assert_eq!(
        (desk.portal.conduct().rest3, desk.portal.conduct().filters_by_xml_id),
        (Rest3::Absent, false)
    );
    let card = get(&format!("tasks/{task}")).await;
    assert_eq!(card["chat"][1]["text"], "Беру");
    assert_eq!(card["chat"][1]["author"], "Павел Орлов");
}
