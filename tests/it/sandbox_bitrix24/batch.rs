//! Batches of the second generation.

use borodach::sandbox::bitrix24::{Method, Scope};
use serde_json::{Map, Value, json};

use super::{Desk, IGOR};

#[tokio::test]
async fn a_batch_answers_two_hundred_whatever_becomes_of_its_commands() {
    let desk = Desk::start().await;
    let cmd = json!({"c_bad": "tasks.task.delete?taskId=999", "c_none": "tasks.task.explode"});
    let answer = desk.ok("batch", json!({"halt": 0, "cmd": cmd})).await;
    assert_eq!(answer["result_error"]["c_bad"]["error"], "1048582");
    assert_eq!(answer["result_error"]["c_none"]["error"], "ERROR_METHOD_NOT_FOUND");
    for name in ["result", "result_total", "result_next", "result_time"] {
        assert_eq!(answer[name], json!([]), "{name}");
    }
}

#[tokio::test]
async fn commands_run_in_order_and_refer_to_what_came_before() {
    let desk = Desk::start().await;
    let cmd = format!(
        r#"{{"halt": 0, "cmd": {{
            "z_add": "tasks.task.add?fields[TITLE]=A%26B&fields[RESPONSIBLE_ID]={IGOR}",
            "a_user": "user.get?ID=$result[z_add][task][responsibleId]",
            "b_named": "tasks.task.add?fields[TITLE]=For%20$result[z_add][task][id]&fields[RESPONSIBLE_ID]=$result[a_user][0][ID]"
        }}}}"#
    );
    let request =
        desk.client.post(desk.address("batch")).header("content-type", "application/json").body(cmd);
    let (_, body) = super::read(request.send().await.expect("an answer")).await;
    let result = &body["result"]["result"];
    assert_eq!(result["z_add"]["task"]["title"], "A&B");
    assert_eq!(result["a_user"][0]["ID"], "42");
    let first = result["z_add"]["task"]["id"].as_str().expect("an id");
    assert_eq!(result["b_named"]["task"]["title"], format!("For {first}"));
    assert_eq!(body["result"]["result_error"], json!([]));
    assert_eq!(body["result"]["result_total"], json!({"a_user": 1}));
}

#[tokio::test]
async fn numbers_for_names_lose_who_is_who() {
    let desk = Desk::start().await;
    let answer = desk.ok("batch", json!({"cmd": {"0": "user.current", "1": "scope"}})).await;
    assert_eq!(answer["result"].as_array().map(Vec::len), Some(2), "a map of 0 and 1 is a list: {answer}");
    let answer = desk.ok("batch", json!({"cmd": ["user.current", "tasks.task.explode", "scope"]})).await;
    assert!(answer["result"]["2"].is_array(), "with a hole it is a map again: {answer}");
    assert_eq!(answer["result_error"]["1"]["error"], "ERROR_METHOD_NOT_FOUND");
    let answer = desk.ok("batch", json!({"cmd": ["tasks.task.explode"]})).await;
    assert_eq!(answer["result_error"][0]["error"], "ERROR_METHOD_NOT_FOUND", "{answer}");
}

#[tokio::test]
async fn a_batch_may_stop_at_the_first_error() {
    let desk = Desk::start().await;
    let add = format!("tasks.task.add?fields[TITLE]=x&fields[RESPONSIBLE_ID]={IGOR}");
    let cmd = json!({"a": "tasks.task.explode", "b": add});
    desk.ok("batch", json!({"halt": 1, "cmd": cmd})).await;
    assert_eq!(desk.portal.made(), 0);
    desk.ok("batch", json!({"halt": 0, "cmd": cmd})).await;
    assert_eq!(desk.portal.made(), 1);
}

#[tokio::test]
async fn a_batch_takes_fifty_commands_and_no_uploads_nor_batches() {
    let desk = Desk::start().await;
    let cmd: Map<String, Value> = (0..52).map(|n| (format!("c{n:02}"), "user.current".into())).collect();
    let answer = desk.ok("batch", json!({"cmd": cmd})).await;
    assert_eq!(answer["result"].as_object().map(Map::len), Some(50));
    for name in ["c50", "c51"] {
        assert_eq!(answer["result_error"][name]["error"], "ERROR_BATCH_LENGTH_EXCEEDED");
    }
    assert_eq!(desk.portal.calls(Method::UserCurrent), 50);
    let refused = json!({
        "a": "batch?cmd[x]=user.current", "b": "disk.folder.uploadfile?id=871", "c": "disk.storage.uploadfile?id=57",
    });
    let answer = desk.ok("batch", json!({"cmd": refused})).await;
    for name in ["a", "b", "c"] {
        assert_eq!(answer["result_error"][name]["error"], "ERROR_BATCH_METHOD_NOT_ALLOWED", "{name}");
    }
}

#[tokio::test]
async fn a_command_needs_the_scope_that_it_needs_alone() {
    let desk = Desk::start().await;
    desk.portal.change(|conduct| conduct.scopes.retain(|scope| *scope != Scope::Task));
    let answer = desk.ok("batch", json!({"cmd": {"a": "tasks.task.list", "b": "user.current"}})).await;
    assert_eq!(answer["result_error"]["a"]["error"], "insufficient_scope");
    assert_eq!(answer["result"]["b"]["ID"], "7");
}

#[tokio::test]
async fn commands_come_in_a_form_as_well() {
    let desk = Desk::start().await;
    let form = "halt=0&cmd[z]=tasks.task.add%3Ffields%5BTITLE%5D%3Dx%26fields%5BRESPONSIBLE_ID%5D%3D42&cmd[a]=tasks.task.get%3FtaskId%3D%24result%5Bz%5D%5Btask%5D%5Bid%5D";
    let (status, body) = desk.form("batch", form).await;
    assert_eq!(status, 200);
    assert_eq!(body["result"]["result"]["a"]["task"]["title"], "x", "{body}");
}
