//! Faults by switch.

use std::time::Duration;

use borodach::sandbox::bitrix24::{Fault, Method, Often, Rule};
use serde_json::{Value, json};

use super::{Desk, IGOR};

fn add() -> Value {
    json!({"fields": {"TITLE": "x", "RESPONSIBLE_ID": IGOR}})
}

#[tokio::test]
async fn refusals_are_in_the_words_of_each_generation_and_nothing_is_done() {
    let desk = Desk::start().await;
    let table = [
        (Fault::TooManyRequests { retry_after: 5 }, 429, "OPERATION_TIME_LIMIT", "RATELIMIT"),
        (Fault::ServerError, 500, "INTERNAL_SERVER_ERROR", "INTERNAL"),
    ];
    for (fault, status, second, third) in table {
        desk.portal.faults().next(None, fault, 2);
        desk.refused("tasks.task.add", add(), status, second).await;
        let (answered, body) = desk.call3("tasks.task.get", json!({"id": 1})).await;
        let code = format!("BITRIX_REST_V3_EXCEPTION_{third}EXCEPTION");
        assert_eq!((answered, body["error"]["code"].as_str()), (status, Some(code.as_str())));
    }
    desk.portal.faults().next(Method::TaskAdd, Fault::Unavailable, 1);
    desk.refused("tasks.task.add", add(), 503, "QUERY_LIMIT_EXCEEDED").await;
    let body = r#"{"error":"PAYMENT_REQUIRED","error_description":"The tariff is over"}"#;
    desk.portal.faults().next(Method::TaskAdd, Fault::Canned { status: 401, body }, 1);
    desk.refused("tasks.task.add", add(), 401, "PAYMENT_REQUIRED").await;
    assert_eq!((desk.portal.made(), desk.portal.faults().struck()), (0, 6));
}

#[tokio::test]
async fn a_gateway_answers_with_a_page_before_or_after_the_work() {
    let desk = Desk::start().await;
    for (fault, made) in [(Fault::BadGatewayHtml, 0), (Fault::BadGatewayAfterAccept, 1)] {
        desk.portal.faults().next(Method::TaskAdd, fault, 1);
        let answer =
            desk.client.post(desk.address("tasks.task.add")).json(&add()).send().await.expect("an answer");
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["content-type"].as_bytes()),
            (502, &b"text/html"[..])
        );
        assert!(answer.text().await.expect("a page").starts_with("<html>"));
        assert_eq!(desk.portal.made(), made);
    }
}

#[tokio::test]
async fn what_is_done_in_silence_is_remembered() {
    let desk = Desk::start().await;
    let silent = [
        Fault::ResetAfterAccept,
        Fault::ServerErrorAfterAccept,
        Fault::BadGatewayAfterAccept,
        Fault::CutJson,
    ];
    for (done, fault) in (1..).zip(silent) {
        desk.portal.faults().next(Method::TaskAdd, fault, 1);
        let _ = desk.client.post(desk.address("tasks.task.add")).json(&add()).send().await;
        assert_eq!(desk.portal.made(), done, "{fault:?}");
    }
    let remembered = desk.portal.faults().ambiguous();
    assert_eq!(remembered.len(), 4);
    assert_eq!((remembered[0].method, &remembered[0].params), (Method::TaskAdd, &add()));
    desk.portal.faults().next(Method::TaskAdd, Fault::Reset, 1);
    desk.client.post(desk.address("tasks.task.add")).json(&add()).send().await.expect_err("it is cut");
    assert_eq!((desk.portal.made(), desk.portal.faults().ambiguous().len()), (4, 4));
}

#[tokio::test]
async fn an_answer_may_be_unreadable() {
    let desk = Desk::start().await;
    desk.task(json!({})).await;
    let text = async |fault: Fault| {
        desk.portal.faults().next(Method::TaskList, fault, 1);
        let answer = desk.client.post(desk.address("tasks.task.list")).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.text().await.expect("text")
    };
    let cut = text(Fault::CutJson).await;
    assert!(cut.starts_with('{') && serde_json::from_str::<Value>(&cut).is_err(), "{cut}");
    assert_eq!(text(Fault::EmptyBody).await, "");
    let wrong: Value = serde_json::from_str(&text(Fault::WrongTypes).await).expect("JSON");
    assert!(wrong["result"]["tasks"][0]["id"].is_object() && wrong["total"].is_string(), "{wrong}");
    let empty: Value = serde_json::from_str(&text(Fault::EmptyPage).await).expect("JSON");
    assert_eq!((&empty["result"]["tasks"], &empty["total"]), (&json!([]), &json!(1)));
    desk.portal.faults().next(Method::UserGet, Fault::EmptyPage, 1);
    assert_eq!(desk.ok("user.get", json!({})).await, json!([]));
}

#[tokio::test]
async fn a_late_write_happens_after_the_client_has_gone() {
    let desk = Desk::start().await;
    let send = |patience: u64| {
        let request = desk.client.post(desk.address("tasks.task.add")).json(&add());
        request.timeout(Duration::from_millis(patience)).send()
    };
    desk.portal.faults().next(Method::TaskAdd, Fault::Late(Duration::from_millis(400)), 1);
    assert!(send(100).await.expect_err("too late").is_timeout());
    assert_eq!(desk.portal.made(), 0, "a look in between finds nothing");
    desk.portal.wait_for(|portal| portal.made() == 1).await.expect("it is done in the end");
    desk.portal.faults().next(Method::TaskAdd, Fault::SlowAfterAccept(Duration::from_mins(1)), 1);
    assert!(send(100).await.expect_err("too slow").is_timeout());
    assert_eq!(desk.portal.made(), 2);
}

#[tokio::test]
async fn chance_is_the_same_for_the_same_seed() {
    let desk = Desk::start().await;
    let mut runs = Vec::new();
    for _ in 0..2 {
        desk.portal.faults().clear();
        desk.portal.seed(7);
        let rule =
            Rule { endpoint: Some(Method::UserCurrent), kind: Fault::ServerError, often: Often::Chance(0.3) };
        desk.portal.faults().add(rule);
        let mut run = Vec::new();
        for _ in 0..20 {
            run.push(desk.call("user.current", json!({})).await.0);
            desk.ok("scope", json!({})).await;
        }
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].contains(&500) && runs[0].contains(&200), "{:?}", runs[0]);
}
