//! Boards and comments.

use borodach::sandbox::bitrix24::{DESIGN, DEVELOPMENT, OWNER, Status, Unable};
use serde_json::{Value, json};

use super::{Desk, IGOR};

#[tokio::test]
async fn columns_come_as_a_map_whose_order_says_nothing() {
    let desk = Desk::start().await;
    let stages = desk.ok("task.stages.get", json!({"entityId": DEVELOPMENT})).await;
    let stages = stages.as_object().expect("a map by id");
    let by = |key: &dyn Fn(&Value) -> i64| {
        let mut all: Vec<&Value> = stages.values().collect();
        all.sort_by_key(|stage| key(stage));
        all.into_iter().filter_map(|stage| stage["TITLE"].as_str()).collect::<Vec<_>>()
    };
    let number =
        |value: &Value| value.as_str().and_then(|text| text.parse().ok()).expect("a number in quotes");
    let in_order = ["Новая", "Выполняется", "На проверке", "Завершена", "Отменена"];
    assert_eq!(by(&|stage| number(&stage["SORT"])), in_order);
    assert_ne!(by(&|stage| number(&stage["ID"])), in_order, "ids are no order");
    let first = stages.values().find(|stage| stage["TITLE"] == "Новая").expect("a first column");
    assert_eq!((&first["SYSTEM_TYPE"], &first["ADDITIONAL_FILTER"]), (&json!("NEW"), &json!([])));
    assert_eq!(desk.ok("task.stages.get", json!({"entityId": 0})).await, json!([]));
    desk.refused("task.stages.get", json!({"entityId": 999}), 400, "ACCESS_DENIED").await;
}

#[tokio::test]
async fn a_project_may_lack_a_column() {
    let desk = Desk::start().await;
    let cancelled = desk.portal.stage(DESIGN, "Отменена").expect("it is there at first").id;
    desk.portal.removes_column(cancelled).expect("it is there");
    assert_eq!(
        desk.ok("task.stages.get", json!({"entityId": DESIGN})).await.as_object().map(serde_json::Map::len),
        Some(4)
    );
    assert_eq!(desk.portal.stage(DESIGN, "Отменена"), None);
}

#[tokio::test]
async fn a_moved_card_keeps_its_status() {
    let desk = Desk::start().await;
    let task = desk.task(json!({})).await;
    let done = desk.portal.stage(DEVELOPMENT, "Завершена").expect("a column").id;
    assert_eq!(desk.ok("task.stages.movetask", json!({"id": task, "stageId": done})).await, json!(true));
    let moved = desk.portal.task(task).expect("it is there");
    assert_eq!((moved.stage, moved.status), (done, Status::Pending));
    assert_eq!(desk.portal.cards(done).len(), 1);
    let foreign = desk.portal.stage(DESIGN, "Новая").expect("a column").id;
    desk.refused("task.stages.movetask", json!({"id": task, "stageId": foreign}), 400, "ACCESS_DENIED_MOVE")
        .await;
    desk.refused("task.stages.movetask", json!({"id": task, "stageId": 1}), 400, "NOT_FOUND").await;
    desk.refused("task.stages.movetask", json!({"id": 1, "stageId": done}), 400, "TASK_NOT_FOUND").await;
}

#[tokio::test]
async fn people_work_on_the_board() {
    let desk = Desk::start().await;
    let task = desk.task(json!({})).await;
    desk.portal.assigns(OWNER, task, 8).expect("Pavel works here");
    desk.portal.completes(8, task).expect("it is open");
    let done = desk.portal.task(task).expect("it is there");
    assert_eq!((done.responsible, done.status, done.changed_by), (8, Status::Completed, 8));
    assert!(matches!(desk.portal.completes(8, task), Err(Unable::NotAllowed(_))));
    assert_eq!(desk.portal.moves(8, 1, 311), Err(Unable::Missing { what: "task", id: 1 }));
    desk.portal.comments(8, task, "Готово").expect("anybody may speak");
    assert_eq!(desk.portal.chat(task).last().map(|message| message.text.clone()).as_deref(), Some("Готово"));
}

#[tokio::test]
async fn a_comment_takes_its_parameters_by_order() {
    let desk = Desk::start().await;
    let task = desk.task(json!({})).await;
    let said = json!({"POST_MESSAGE": "Фото приложено", "AUTHOR_ID": IGOR});
    assert!(desk.ok("task.commentitem.add", json!([task, said])).await.is_i64());
    let (status, _) = desk.form("task.commentitem.add", &format!("0={task}&1[POST_MESSAGE]=ok")).await;
    assert_eq!(status, 200);
    let in_order = format!(r#"{{"TASKID": {task}, "FIELDS": {{"POST_MESSAGE": "да"}}}}"#);
    let post = |body: String| {
        desk.client
            .post(desk.address("task.commentitem.add"))
            .header("content-type", "application/json")
            .body(body)
            .send()
    };
    assert_eq!(post(in_order).await.expect("an answer").status(), 200, "names are not looked at");
    let out_of_order = format!(r#"{{"FIELDS": {{"POST_MESSAGE": "да"}}, "TASKID": {task}}}"#);
    assert_eq!(post(out_of_order).await.expect("an answer").status(), 400);
    for wrong in [
        json!([task]),
        json!([task, said, "request-1"]),
        json!([said, task]),
        json!([task, {"POST_MESSAGE": "да", "COLOUR": "red"}]),
        json!([task, {"POST_MESSAGE": " "}]),
        json!([999, said]),
        json!([task, {"POST_MESSAGE": "да", "UF_FORUM_MESSAGE_DOC": ["n1"]}]),
    ] {
        desk.refused("task.commentitem.add", wrong, 400, "ERROR_CORE").await;
    }
    let chat = desk.portal.chat(task);
    let said: Vec<(i64, &str)> = chat.iter().map(|message| (message.author, message.text.as_str())).collect();
    assert_eq!(said, [(0, "Задача создана"), (IGOR, "Фото приложено"), (OWNER, "ok"), (OWNER, "да")]);
}

#[tokio::test]
async fn a_chat_is_read_back_by_those_who_are_in_it() {
    let desk = Desk::start().await;
    let task = desk.task(json!({})).await;
    for n in 0..60 {
        desk.portal.comments(IGOR, task, &format!("№{n}")).expect("he may");
    }
    let chat = desk.ok("tasks.task.get", json!({"taskId": task})).await["task"]["chatId"].clone();
    let dialog = format!("chat{chat}");
    let read = async |more: Value| {
        let mut params = json!({"DIALOG_ID": dialog});
        more.as_object().expect("a map").iter().for_each(|(name, value)| params[name] = value.clone());
        let answer = desk.ok("im.dialog.messages.get", params).await;
        let messages = answer["messages"].as_array().expect("messages").clone();
        (messages.len(), messages[0]["text"].as_str().expect("text").to_owned(), messages[0]["id"].clone())
    };
    assert_eq!(read(json!({})).await.0, 20);
    let (count, latest, _) = read(json!({"LIMIT": 500})).await;
    assert_eq!((count, latest.as_str()), (50, "№59"));
    let earliest = read(json!({"FIRST_ID": 0})).await;
    assert_eq!(earliest.1, "Задача создана", "the portal speaks in the chat, too");
    assert_eq!(read(json!({"FIRST_ID": earliest.2, "LIMIT": 1})).await.1, "№0");
    let foreign = desk.portal.adds(IGOR, DEVELOPMENT, "Чужая").expect("it is made");
    let foreign = format!("chat{}", desk.portal.task(foreign).expect("it is there").chat);
    desk.refused("im.dialog.messages.get", json!({"DIALOG_ID": foreign}), 400, "ACCESS_ERROR").await;
}
