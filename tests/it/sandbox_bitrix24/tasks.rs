//! `tasks.task.*` of the second generation.

use std::time::Duration;

use borodach::sandbox::bitrix24::{DESIGN, DEVELOPMENT, NoFiles, OWNER, Required, Sees, Status};
use serde_json::{Value, json};

use super::{Desk, IGOR, id, titles};

#[tokio::test]
async fn a_new_task_comes_back_whole_with_text_for_numbers_and_lists_for_empty_maps() {
    let desk = Desk::start().await;
    let fields = json!({
        "TITLE": "Сменить насос", "RESPONSIBLE_ID": IGOR, "GROUP_ID": DEVELOPMENT, "PRIORITY": 2,
        "DEADLINE": "2026-10-02T17:00:00+02:00", "XML_ID": "c1-0-7", "TAGS": ["насос"], "UF_TASK_WEBDAV_FILES": [],
    });
    let task = desk.ok("tasks.task.add", json!({"fields": fields})).await["task"].clone();
    for (name, value) in [
        ("title", "Сменить насос"),
        ("status", "2"),
        ("groupId", "15"),
        ("stageId", "0"),
        ("responsibleId", "42"),
        ("createdBy", "7"),
        ("priority", "2"),
        ("deadline", "2026-10-02T18:00:00+03:00"),
        ("createdDate", "2026-09-21T15:00:00+03:00"),
        ("xmlId", "c1-0-7"),
        ("descriptionInBbcode", "Y"),
    ] {
        assert_eq!(task[name], value, "{name}");
    }
    assert!(task["id"].is_string() && task["chatId"].is_i64(), "{task}");
    assert_eq!(
        (&task["auditorsData"], &task["auditors"], &task["checklist"]),
        (&json!([]), &json!([]), &json!([]))
    );
    assert_eq!(task["group"]["name"], "Развитие");
    assert_eq!((&task["closedDate"], task.get("ufTaskWebdavFiles")), (&Value::Null, None));
    assert_eq!(task.get("tags"), None, "tags do not come with a task");
}

#[tokio::test]
async fn a_task_that_cannot_be_made_is_refused_with_the_code_of_its_kind() {
    let desk = Desk::start().await;
    let good = json!({"TITLE": "Да", "RESPONSIBLE_ID": IGOR});
    let with = |name: &str, value: Value| {
        let mut fields = good.clone();
        fields[name] = value;
        json!({"fields": fields})
    };
    desk.refused("tasks.task.add", json!({}), 400, "100").await;
    desk.refused("tasks.task.add", json!({"fields": {}}), 400, "100").await;
    for (name, value) in [
        ("TITLE", json!("  ")),
        ("RESPONSIBLE_ID", json!(999)),
        ("STATUS", json!(8)),
        ("PARENT_ID", json!(1)),
        ("GROUP_ID", json!(999)),
        ("DEADLINE", json!("послезавтра")),
        ("UF_TASK_WEBDAV_FILES", json!(["n1"])),
    ] {
        desk.refused("tasks.task.add", with(name, value), 400, "ERROR_CORE").await;
    }
    let backwards = json!({
        "TITLE": "Да", "RESPONSIBLE_ID": IGOR, "START_DATE_PLAN": "2026-10-02", "END_DATE_PLAN": "2026-10-01",
    });
    desk.refused("tasks.task.add", json!({"fields": backwards}), 400, "ERROR_CORE").await;
    desk.portal.change(|conduct| conduct.custom_fields.push(("UF_SHOP".to_owned(), Required::Yes)));
    desk.refused("tasks.task.add", with("PRIORITY", json!(1)), 400, "ERROR_CORE").await;
    desk.ok("tasks.task.add", with("UF_SHOP", json!("Казань"))).await;
}

#[tokio::test]
async fn what_is_odd_in_a_new_task_is_mended_without_a_word() {
    let desk = Desk::start().await;
    let stage = desk.portal.stage(DEVELOPMENT, "Выполняется").expect("a column").id;
    let odd = json!({
        "TITLE": format!("  {}  ", "ы".repeat(300)), "PRIORITY": 9, "STATUS": 1, "GUID": "{mine}", "XML_ID": "",
        "COLOUR": "red", "UF_NOBODY": "1", "TAGS": "вывеска, срочно", "STAGE_ID": stage,
    });
    let task = desk.portal.task(desk.task(odd.clone()).await).expect("it was made");
    assert_eq!(task.title, "ы".repeat(250));
    assert_eq!((task.priority, task.status, task.xml_id), (1, Status::Pending, None));
    assert_ne!(task.guid, "{mine}");
    assert_eq!(task.tags, ["вывеска", "срочно"]);
    assert_eq!(task.stage, 0, "nothing documents a column in add");
    desk.portal.change(|conduct| conduct.takes_stage_in_add = true);
    let task = desk.portal.task(desk.task(odd).await).expect("it was made");
    assert_eq!(task.stage, stage);
}

#[tokio::test]
async fn nothing_makes_a_mark_unique() {
    let desk = Desk::start().await;
    let first = desk.task(json!({"XML_ID": "c1-0-7"})).await;
    let second = desk.task(json!({"XML_ID": "c1-0-7"})).await;
    assert_eq!(desk.portal.twins(), [(first, second)]);
}

#[tokio::test]
async fn a_task_that_is_not_there_is_an_empty_list() {
    let desk = Desk::start().await;
    let task = desk.task(json!({})).await;
    assert_eq!(desk.ok("tasks.task.get", json!({"taskId": 999})).await, json!([]));
    desk.refused("tasks.task.get", json!({}), 400, "100").await;
    desk.refused("tasks.task.get", json!({"taskId": "семь"}), 400, "0").await;
    desk.refused("tasks.task.get", json!({"taskId": task, "select": "TITLE"}), 400, "100").await;
}

#[tokio::test]
async fn a_field_of_files_brings_its_neighbours_and_own_fields_must_be_named() {
    let desk = Desk::start().await;
    desk.portal.change(|conduct| conduct.custom_fields.push(("UF_SHOP_CITY".to_owned(), Required::No)));
    let task = desk.task(json!({"UF_SHOP_CITY": "Казань", "UF_CRM_TASK": ["D_10"], "TAGS": ["a"]})).await;
    let get = async |select: Value| {
        desk.ok("tasks.task.get", json!({"taskId": task, "select": select})).await["task"].clone()
    };
    let row = get(json!(["ID", "TITLE", "UF_TASK_WEBDAV_FILES"])).await;
    assert_eq!((&row["ufCrmTask"], row.get("ufMailMessage")), (&json!(["D_10"]), Some(&Value::Null)));
    assert_eq!((row.get("status"), row["chatId"].is_i64()), (None, true));
    let all = get(json!(["*", "TAGS"])).await;
    assert_eq!((all.get("ufShopCity"), all.get("tags"), all["status"].as_str()), (None, None, Some("2")));
    assert_eq!(get(json!(["UF_SHOP_CITY"])).await["ufShopCity"], "Казань");
    for (way, shown) in
        [(NoFiles::Null, Value::Null), (NoFiles::Empty, json!([])), (NoFiles::False, json!(false))]
    {
        desk.portal.change(|conduct| conduct.no_files = way);
        assert_eq!(get(json!(["UF_TASK_WEBDAV_FILES"])).await["ufTaskWebdavFiles"], shown);
    }
}

#[tokio::test]
async fn one_refusal_has_two_codes() {
    let desk = Desk::start().await;
    let task = desk.task(json!({})).await;
    for (method, code) in [
        ("complete", "1048582"),
        ("renew", "1048582"),
        ("delete", "1048582"),
        ("start", "0"),
        ("pause", "0"),
        ("defer", "0"),
    ] {
        desk.refused(&format!("tasks.task.{method}"), json!({"taskId": 999}), 400, code).await;
        desk.refused(&format!("tasks.task.{method}"), json!({}), 400, "100").await;
    }
    desk.refused("tasks.task.update", json!({"taskId": 999, "fields": {"TITLE": "x"}}), 400, "0").await;
    desk.refused("tasks.task.update", json!({"taskId": task, "fields": {}}), 400, "100").await;
    desk.refused("tasks.task.renew", json!({"taskId": task}), 400, "1048582").await;
    desk.ok("tasks.task.complete", json!({"taskId": task})).await;
    desk.refused("tasks.task.complete", json!({"taskId": task}), 400, "1048582").await;
}

#[tokio::test]
async fn actions_lead_from_status_to_status() {
    let desk = Desk::start().await;
    let task = desk.task(json!({})).await;
    for (method, status) in
        [("start", "3"), ("pause", "2"), ("defer", "6"), ("renew", "2"), ("complete", "5"), ("renew", "2")]
    {
        let answer = desk.ok(&format!("tasks.task.{method}"), json!({"taskId": task})).await;
        assert_eq!(answer["task"]["status"], status, "{method}");
    }
    let controlled = desk.task(json!({"TASK_CONTROL": "Y"})).await;
    let answer = desk.ok("tasks.task.complete", json!({"taskId": controlled})).await;
    assert_eq!(answer["task"]["status"], "4", "somebody has to approve");
}

#[tokio::test]
async fn another_project_puts_the_card_into_the_first_column() {
    let desk = Desk::start().await;
    let task = desk.task(json!({})).await;
    let stage = desk.portal.stage(DEVELOPMENT, "На проверке").expect("a column").id;
    desk.ok("task.stages.movetask", json!({"id": task, "stageId": stage})).await;
    let answer = desk.ok("tasks.task.update", json!({"taskId": task, "fields": {"GROUP_ID": DESIGN}})).await;
    assert_eq!((&answer["task"]["groupId"], &answer["task"]["stageId"]), (&json!("17"), &json!("0")));
    assert_eq!(desk.portal.column(task).map(|stage| stage.title).as_deref(), Some("Новая"));
}

#[tokio::test]
async fn a_task_cannot_hang_under_itself() {
    let desk = Desk::start().await;
    let parent = desk.task(json!({})).await;
    let child = desk.task(json!({"PARENT_ID": parent})).await;
    let fields = json!({"taskId": parent, "fields": {"PARENT_ID": child}});
    desk.refused("tasks.task.update", fields, 400, "ERROR_CORE").await;
}

#[tokio::test]
async fn a_deleted_task_is_gone() {
    let desk = Desk::start().await;
    let task = desk.task(json!({})).await;
    assert_eq!(desk.ok("tasks.task.delete", json!({"taskId": task})).await, json!({"task": true}));
    assert_eq!(desk.ok("tasks.task.get", json!({"taskId": task})).await, json!([]));
    desk.refused("tasks.task.delete", json!({"taskId": task}), 400, "1048582").await;
    assert_eq!(desk.portal.made(), 1, "it was made all the same");
}

#[tokio::test]
async fn a_list_has_pages_of_fifty_and_tells_of_the_next_only_when_there_is_one() {
    let desk = Desk::start().await;
    for n in 0..101 {
        desk.portal.adds(OWNER, DEVELOPMENT, &format!("№{n}")).expect("it is made");
    }
    let page = async |start: Value| {
        let params = json!({"order": {"ID": "asc"}, "select": ["ID", "TITLE"], "start": start});
        let body = desk.body("tasks.task.list", params).await;
        let titles: Vec<String> = titles(&body["result"]).into_iter().map(str::to_owned).collect();
        (titles.len(), titles[0].clone(), body["next"].as_i64(), body["total"].as_i64())
    };
    let first = || "№0".to_owned();
    assert_eq!(page(json!(0)).await, (50, first(), Some(50), Some(101)));
    assert_eq!(page(json!("50")).await, (50, "№50".to_owned(), Some(100), Some(101)));
    assert_eq!(
        page(json!(73)).await,
        (50, "№50".to_owned(), Some(100), Some(101)),
        "rounded down to its page"
    );
    assert_eq!(page(json!(100)).await, (1, "№100".to_owned(), None, Some(101)));
    assert_eq!(page(json!(-1)).await, (50, first(), None, None), "nothing is counted");
    let latest = desk.ok("tasks.task.list", json!({})).await;
    assert_eq!(titles(&latest)[0], "№100", "the latest first when nothing is said");
    desk.refused("tasks.task.list", json!({"order": {"COLOUR": "asc"}}), 400, "0").await;
}

#[tokio::test]
async fn an_unknown_filter_is_ignored_and_everything_comes_back() {
    let desk = Desk::start().await;
    desk.task(json!({"XML_ID": "a"})).await;
    desk.task(json!({"XML_ID": "b"})).await;
    desk.task(json!({})).await;
    let count = async |filter: Value| {
        desk.body("tasks.task.list", json!({"filter": filter})).await["total"].as_u64().expect("a total")
    };
    assert_eq!(count(json!({"XML_ID": "a"})).await, 1);
    assert_eq!(count(json!({"XML_ID": "nobody's"})).await, 0);
    assert_eq!(count(json!({"XML_ID": ""})).await, 1, "an empty mark matches those without one");
    assert_eq!(count(json!({"XMLID": "a"})).await, 3);
    assert_eq!(count(json!({"xml_id": "a"})).await, 3);
    desk.portal.change(|conduct| conduct.filters_by_xml_id = false);
    assert_eq!(count(json!({"XML_ID": "nobody's"})).await, 3);
}

#[tokio::test]
async fn known_filters_hold() {
    let desk = Desk::start().await;
    let pump =
        desk.task(json!({"TITLE": "Насос П-7", "TAGS": ["насос", "срочно"], "DEADLINE": "2026-09-20"})).await;
    let sign = desk
        .task(json!({"TITLE": "Вывеска", "GROUP_ID": DESIGN, "RESPONSIBLE_ID": 21, "TAGS": ["срочно"]}))
        .await;
    desk.clock.turn(Duration::from_secs(90));
    let stage = desk.portal.stage(DESIGN, "Выполняется").expect("a column").id;
    desk.ok("task.stages.movetask", json!({"id": sign, "stageId": stage})).await;
    desk.ok("tasks.task.complete", json!({"taskId": sign})).await;
    let table = [
        (json!({"ID": pump}), vec![pump]),
        (json!({"ID": [pump, sign.to_string()]}), vec![pump, sign]),
        (json!({">ID": pump}), vec![sign]),
        (json!({"!ID": pump}), vec![sign]),
        (json!({"TITLE": "насос"}), vec![pump]),
        (json!({"=TITLE": "насос"}), vec![]),
        (json!({"=TITLE": "Насос П-7"}), vec![pump]),
        (json!({"GROUP_ID": DESIGN, "RESPONSIBLE_ID": 21}), vec![sign]),
        (json!({"TAG": "срочно"}), vec![pump, sign]),
        (json!({"TAG": ["срочно", "насос"]}), vec![pump]),
        (json!({"TAG": "сроч"}), vec![]),
        (json!({"REAL_STATUS": 5}), vec![sign]),
        (json!({"!REAL_STATUS": 5}), vec![pump]),
        (json!({"STATUS": -1}), vec![pump]),
        (json!({"STAGE_ID": [0, 311], "GROUP_ID": DEVELOPMENT}), vec![pump]),
        (json!({"STAGE_ID": stage}), vec![sign]),
        (json!({">=CHANGED_DATE": "2026-09-21T15:01:30+03:00"}), vec![sign]),
        (json!({">=CHANGED_DATE": "2026-09-21T12:01:30Z"}), vec![sign]),
        (json!({">=CHANGED_DATE": "2026-09-21 15:01:31"}), vec![]),
        (json!({"<DEADLINE": "2026-09-21"}), vec![pump]),
        (json!({"MEMBER": 21}), vec![sign]),
        (json!({"::LOGIC": "OR", "ID": pump, "REAL_STATUS": 5}), vec![pump, sign]),
        (json!({"::SUBFILTER-1": {"ID": pump}, "GROUP_ID": DEVELOPMENT}), vec![pump]),
    ];
    for (filter, expected) in table {
        let params = json!({"filter": filter, "order": {"ID": "asc"}, "select": ["ID"]});
        let found = desk.ok("tasks.task.list", params).await;
        let found: Vec<i64> =
            found["tasks"].as_array().expect("rows").iter().map(|task| id(&task["id"])).collect();
        assert_eq!(found, expected, "{filter}");
    }
}

#[tokio::test]
async fn a_row_has_what_was_asked_for_and_a_group_besides() {
    let desk = Desk::start().await;
    desk.task(json!({"TAGS": ["срочно"], "DEADLINE": "2026-09-20"})).await;
    let params = json!({"select": ["ID", "STATUS", "TAGS", "COLOUR"]});
    let row = desk.ok("tasks.task.list", params).await["tasks"][0].clone();
    let names: Vec<&String> = row.as_object().expect("a row").keys().collect();
    assert_eq!(names, ["group", "id", "status", "subStatus", "tags"]);
    assert_eq!((&row["group"], &row["status"], &row["subStatus"]), (&json!([]), &json!("2"), &json!("-1")));
    let tag = row["tags"].as_object().and_then(|tags| tags.values().next().cloned()).expect("a map by id");
    assert_eq!(tag["title"], "срочно");
    let row = desk.ok("tasks.task.list", json!({"select": ["GROUP_ID"]})).await["tasks"][0].clone();
    assert_eq!((&row["group"]["name"], row.get("tags")), (&json!("Развитие"), None));
}

#[tokio::test]
async fn a_webhook_of_a_mere_employee_sees_what_concerns_its_owner() {
    let desk = Desk::start().await;
    let foreign = desk.portal.adds(IGOR, DEVELOPMENT, "Чужая").expect("it is made");
    let own = desk.task(json!({})).await;
    desk.portal.change(|conduct| conduct.sees = Sees::OwnTasks);
    let seen = desk.body("tasks.task.list", json!({})).await;
    assert_eq!((seen["total"].as_u64(), id(&seen["result"]["tasks"][0]["id"])), (Some(1), own));
    assert_eq!(desk.ok("tasks.task.get", json!({"taskId": foreign})).await, json!([]));
    desk.refused("tasks.task.complete", json!({"taskId": foreign}), 400, "1048582").await;
    desk.refused("task.stages.movetask", json!({"id": foreign, "stageId": 311}), 400, "TASK_NOT_FOUND").await;
}

#[tokio::test]
async fn a_new_task_may_not_be_found_at_once() {
    let desk = Desk::start().await;
    desk.portal.change(|conduct| conduct.search_lag = Duration::from_secs(5));
    let task = desk.task(json!({"XML_ID": "c1-0-7"})).await;
    let find =
        async || desk.body("tasks.task.list", json!({"filter": {"XML_ID": "c1-0-7"}})).await["total"].clone();
    assert_eq!(find().await, 0);
    assert!(desk.ok("tasks.task.get", json!({"taskId": task})).await.is_object());
    desk.clock.turn(Duration::from_secs(5));
    assert_eq!(find().await, 1);
}
