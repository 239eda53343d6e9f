//! The leaky bucket, the run time of methods, and the block by hand.

use std::net::IpAddr;
use std::time::Duration;

use borodach::sandbox::bitrix24::{Charge, Limits, Method, Rate};
use serde_json::{Value, json};

use super::{Desk, read};

fn small_bucket() -> Limits {
    Limits { rate: Some(Rate { per_second: 2, burst: 5 }), ..Limits::default() }
}

/// Two minutes for a method, a minute a call.
fn short_run() -> Limits {
    Limits { operating: Some(Duration::from_mins(2)), run_time: Duration::from_mins(1), ..Limits::default() }
}

#[tokio::test]
async fn a_bucket_holds_fifty_and_leaks_two_a_second() {
    let desk = Desk::start().await;
    desk.portal.set_limits(Limits::cloud());
    let burst = async || {
        let mut passed = 0;
        while desk.call("user.current", json!({})).await.0 == 200 {
            passed += 1;
        }
        passed
    };
    assert_eq!(burst().await, 50);
    desk.refused("tasks.task.list", json!({}), 503, "QUERY_LIMIT_EXCEEDED").await;
    desk.clock.turn(Duration::from_secs(3));
    assert_eq!(burst().await, 6);
    desk.clock.turn(Duration::from_millis(499));
    assert_eq!(burst().await, 0, "a request takes half a second to leak away");
    desk.clock.turn(Duration::from_mins(5));
    assert_eq!(burst().await, 50, "it never holds more");
}

#[tokio::test]
async fn both_generations_and_wrong_tokens_fill_one_bucket() {
    let desk = Desk::start().await;
    desk.portal.set_limits(small_bucket());
    for _ in 0..2 {
        desk.ok("user.current", json!({})).await;
        desk.call3("tasks.task.get", json!({"id": 1})).await;
    }
    let wrong = desk.client.post(desk.address("user.current").replace("sandboxtoken", "stolentoken"));
    assert_eq!(wrong.send().await.expect("an answer").status(), 401);
    let (status, body) = desk.call3("tasks.task.get", json!({"id": 1})).await;
    assert_eq!((status, &body["error"]["code"]), (503, &json!("QUERY_LIMIT_EXCEEDED")));
}

#[tokio::test]
async fn another_address_has_a_bucket_of_its_own() {
    let desk = Desk::start().await;
    desk.portal.set_limits(small_bucket());
    while desk.call("user.current", json!({})).await.0 == 200 {}
    let elsewhere = reqwest::Client::builder().no_proxy().local_address(IpAddr::from([127, 0, 0, 2]));
    let elsewhere = elsewhere.build().expect("the provider is installed");
    let (status, _) =
        read(elsewhere.post(desk.address("user.current")).send().await.expect("an answer")).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_batch_is_one_request() {
    let desk = Desk::start().await;
    desk.portal.set_limits(small_bucket());
    let cmd: Value = (0..20).map(|_| "user.current").collect();
    for _ in 0..5 {
        desk.ok("batch", json!({"cmd": cmd})).await;
    }
    desk.refused("batch", json!({"cmd": cmd}), 503, "QUERY_LIMIT_EXCEEDED").await;
}

#[tokio::test]
async fn the_call_that_crosses_the_line_is_done_and_the_next_is_not() {
    let desk = Desk::start().await;
    desk.portal.set_limits(short_run());
    let first = desk.body("user.current", json!({})).await;
    assert_eq!(
        (&first["time"]["operating"], &first["time"]["operating_reset_at"]),
        (&json!(60), &json!(1_789_992_600))
    );
    desk.clock.turn(Duration::from_mins(3));
    let second = desk.body("user.current", json!({})).await;
    assert_eq!(
        (&second["time"]["operating"], &second["time"]["operating_reset_at"]),
        (&json!(120), &json!(1_789_992_600))
    );
    desk.refused("user.current", json!({}), 429, "OPERATION_TIME_LIMIT").await;
    desk.ok("user.get", json!({})).await;
    desk.clock.turn(Duration::from_mins(7) - Duration::from_secs(1));
    desk.refused("user.current", json!({}), 429, "OPERATION_TIME_LIMIT").await;
    desk.clock.turn(Duration::from_secs(1));
    desk.ok("user.current", json!({})).await;
    desk.refused("user.current", json!({}), 429, "OPERATION_TIME_LIMIT").await;
}

#[tokio::test]
async fn a_refused_call_is_answered_without_retry_after() {
    let desk = Desk::start().await;
    desk.portal.set_limits(Limits { operating: Some(Duration::ZERO), ..Limits::default() });
    let answer = desk.client.post(desk.address("user.current")).send().await.expect("an answer");
    assert_eq!((answer.status().as_u16(), answer.headers().get("retry-after")), (429, None));
    let (status, body) = desk.call3("tasks.task.get", json!({"id": 1})).await;
    let code = "BITRIX_REST_V3_EXCEPTION_RATELIMITEXCEPTION";
    assert_eq!((status, &body["error"]["code"]), (429, &json!(code)));
}

#[tokio::test]
async fn a_batch_is_charged_to_its_methods_or_to_itself() {
    let desk = Desk::start().await;
    let cmd = json!({"a": "user.current", "b": "user.current", "c": "user.current"});
    desk.portal.set_limits(short_run());
    let answer = desk.ok("batch", json!({"cmd": cmd})).await;
    assert_eq!(answer["result_error"]["c"]["error"], "OPERATION_TIME_LIMIT");
    desk.refused("user.current", json!({}), 429, "OPERATION_TIME_LIMIT").await;
    desk.portal.change(|conduct| conduct.charge = Charge::Outer);
    desk.portal.set_limits(short_run());
    for _ in 0..2 {
        assert_eq!(desk.ok("batch", json!({"cmd": cmd})).await["result_error"], json!([]));
    }
    desk.refused("batch", json!({"cmd": cmd}), 429, "OPERATION_TIME_LIMIT").await;
    assert_eq!(desk.portal.calls(Method::UserCurrent), 10);
}

#[tokio::test]
async fn a_block_by_hand_is_for_everything() {
    let desk = Desk::start().await;
    desk.portal.change(|conduct| conduct.is_blocked = true);
    desk.refused("user.current", json!({}), 503, "OVERLOAD_LIMIT").await;
    assert_eq!(desk.call3("tasks.task.get", json!({"id": 1})).await.0, 503);
}
