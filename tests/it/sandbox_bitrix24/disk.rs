//! Disks and files at tasks.

use borodach::sandbox::bitrix24::DEVELOPMENT;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::{Desk, id, read};

/// `hello` as base64.
const HELLO: &str = "aGVsbG8=";

impl Desk {
    async fn folder(&self) -> i64 {
        let filter = json!({"filter": {"ENTITY_TYPE": "group", "ENTITY_ID": DEVELOPMENT}});
        let storages = self.ok("disk.storage.getlist", filter).await;
        assert_eq!(storages.as_array().map(Vec::len), Some(1));
        id(&storages[0]["ROOT_OBJECT_ID"])
    }

    async fn upload(&self, name: &str) -> Value {
        let params = json!({"id": self.folder().await, "data": {"NAME": name}, "fileContent": [name, HELLO]});
        self.ok("disk.folder.uploadFile", params).await
    }
}

#[tokio::test]
async fn every_project_has_a_disk_and_nobody_elses_is_shown() {
    let desk = Desk::start().await;
    let all = desk.body("disk.storage.getlist", json!({})).await;
    assert_eq!((all["total"].as_u64(), all["result"].as_array().map(Vec::len)), (Some(5), Some(5)));
    assert!(all["result"][0]["ID"].is_string() && all["result"][0]["ROOT_OBJECT_ID"].is_string());
    assert_eq!(desk.ok("disk.storage.getlist", json!({"filter": {"ENTITY_ID": 999}})).await, json!([]));
}

#[tokio::test]
async fn an_uploaded_file_has_two_ids_and_one_of_them_is_a_trap() {
    let desk = Desk::start().await;
    let task = desk.task(json!({})).await;
    let file = desk.upload("фото.jpg").await;
    assert!(file["ID"].is_i64() && file["FILE_ID"].is_i64() && file["SIZE"] == "5", "{file}");
    desk.ok("tasks.task.files.attach", json!({"taskId": task, "fileId": file["FILE_ID"]})).await;
    assert_eq!(desk.portal.files(task)[0].name, "Чужой договор.pdf");
    desk.ok("tasks.task.files.attach", json!({"taskId": task, "fileId": file["ID"]})).await;
    assert_eq!(desk.portal.files(task)[1].bytes, "hello");
    let link = file["DOWNLOAD_URL"].as_str().expect("a link");
    assert_eq!(desk.client.get(link).send().await.expect("a file").text().await.expect("text"), "hello");
}

#[tokio::test]
async fn a_taken_name_is_refused_unless_another_may_be_made() {
    let desk = Desk::start().await;
    desk.upload("c1-0-7.jpg").await;
    let folder = desk.folder().await;
    let params = |unique: bool| json!({"id": folder, "data": {"NAME": "c1-0-7.jpg"}, "fileContent": ["x", HELLO], "generateUniqueName": unique});
    desk.refused("disk.folder.uploadfile", params(false), 400, "DISK_OBJ_22000").await;
    assert_eq!(desk.ok("disk.folder.uploadfile", params(true)).await["NAME"], "c1-0-7 (1).jpg");
}

#[tokio::test]
async fn an_upload_that_cannot_be_is_refused_with_the_code_of_its_kind() {
    let desk = Desk::start().await;
    let folder = desk.folder().await;
    let named = |content: Value| json!({"id": folder, "data": {"NAME": "x.txt"}, "fileContent": content});
    let upload = "disk.folder.uploadfile";
    desk.refused(upload, json!({}), 400, "ERROR_ARGUMENT").await;
    desk.refused(upload, json!({"id": 999_999}), 400, "ERROR_NOT_FOUND").await;
    desk.refused(upload, json!({"id": folder, "fileContent": ["x", HELLO]}), 400, "DISK_BASE_SERVICE_22001")
        .await;
    desk.refused(upload, named(json!("x")), 400, "ERROR_ARGUMENT").await;
    let prefixed = json!(["x.txt", "data:text/plain;base64,aGVsbG8="]);
    desk.refused(upload, named(prefixed), 400, "ERROR_COULD_NOT_SAVE_FILE").await;
    desk.portal.change(|conduct| conduct.disk_quota = Some(10));
    desk.refused(upload, named(json!(["x.txt", HELLO])), 400, "ERROR_COULD_NOT_SAVE_FILE").await;
    desk.refused("disk.storage.uploadfile", json!({"id": 999}), 400, "").await;
}

#[tokio::test]
async fn a_file_is_brought_in_two_steps_to_an_address_that_is_good_once() {
    let desk = Desk::start().await;
    let first = desk.ok("disk.folder.uploadfile", json!({"id": desk.folder().await})).await;
    assert_eq!(first["field"], "file");
    let url = first["uploadUrl"].as_str().expect("an address").to_owned();
    let bring = async |part: &'static str| {
        let form = Form::new().part(part, Part::bytes(vec![7; 3 << 20]).file_name("plan.pdf"));
        read(desk.client.post(&url).multipart(form).send().await.expect("an answer")).await
    };
    assert_eq!(bring("photo").await.1["error"], "ERROR_ARGUMENT", "the field has a name");
    let (status, body) = bring("file").await;
    assert_eq!(
        (status, &body["result"]["NAME"], &body["result"]["SIZE"]),
        (200, &json!("plan.pdf"), &json!("3145728"))
    );
    assert_eq!(bring("file").await.1["error"], "ERROR_NOT_FOUND");
}

#[tokio::test]
async fn a_storage_takes_a_file_in_one_step_only() {
    let desk = Desk::start().await;
    let params = json!({"id": 57, "data": {"NAME": "a.txt"}, "fileContent": ["a.txt", HELLO]});
    let file = desk.ok("disk.storage.uploadfile", params).await;
    assert_eq!((&file["STORAGE_ID"], id(&file["PARENT_ID"])), (&json!("57"), desk.folder().await));
    desk.refused("disk.storage.uploadfile", json!({"id": 57}), 400, "ERROR_ARGUMENT").await;
}

#[tokio::test]
async fn attaching_twice_makes_two_attachments_that_can_be_looked_at() {
    let desk = Desk::start().await;
    let task = desk.task(json!({})).await;
    let file = desk.upload("a.txt").await["ID"].clone();
    let attach = async || {
        desk.ok("tasks.task.files.attach", json!({"taskId": task, "fileId": file})).await["attachmentId"]
            .clone()
    };
    let (first, second) = (attach().await, attach().await);
    assert_ne!(first, second);
    let seen = desk.ok("disk.attachedObject.get", json!({"id": first})).await;
    assert_eq!(seen["OBJECT_ID"], file.to_string());
    assert_eq!((&seen["ENTITY_TYPE"], &seen["ENTITY_ID"]), (&json!("tasks_task"), &json!(task.to_string())));
    desk.refused("disk.attachedobject.get", json!({"id": 1}), 400, "ERROR_NOT_FOUND").await;
    for (params, code) in [
        (json!({"fileId": file}), "100"),
        (json!({"taskId": task}), "100"),
        (json!({"taskId": task, "fileId": "фото"}), "100"),
        (json!({"taskId": 999, "fileId": file}), "0"),
        (json!({"taskId": task, "fileId": 1}), "ERROR_CORE"),
    ] {
        desk.refused("tasks.task.files.attach", params, 400, code).await;
    }
}

#[tokio::test]
async fn files_of_an_update_replace_those_that_were_there() {
    let desk = Desk::start().await;
    let (one, two) = (desk.upload("1.txt").await["ID"].clone(), desk.upload("2.txt").await["ID"].clone());
    let task = desk.task(json!({"UF_TASK_WEBDAV_FILES": [format!("n{one}")]})).await;
    let attached = async || {
        let params = json!({"taskId": task, "select": ["UF_TASK_WEBDAV_FILES"]});
        desk.ok("tasks.task.get", params).await["task"]["ufTaskWebdavFiles"].clone()
    };
    let first = attached().await[0].clone();
    assert_ne!(first, one, "attachment ids are no disk ids");
    let update = async |files: Value| {
        desk.ok("tasks.task.update", json!({"taskId": task, "fields": {"UF_TASK_WEBDAV_FILES": files}})).await
    };
    update(json!([first.to_string(), format!("n{two}")])).await;
    assert_eq!(
        desk.portal.files(task).iter().map(|file| file.name.as_str()).collect::<Vec<_>>(),
        ["1.txt", "2.txt"]
    );
    update(json!([format!("n{two}")])).await;
    assert_eq!(desk.portal.files(task).len(), 1);
    update(json!([])).await;
    assert_eq!(attached().await, Value::Null);
}
