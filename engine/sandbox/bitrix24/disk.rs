//! Disks: storages, uploads in one step and in two, files at tasks.

use axum::body::Bytes;
use serde_json::{Map, Value, json};

use super::call::{Answer, Caller, Outcome, PAGE, Page};
use super::events::Happened;
use super::filter::{Condition, Field, written};
use super::office::{File, Office, Storage, Ticket};
use super::params::{Params, int, list, text};
use super::refusal::Refusal;
use super::{Bitrix24, lock};

impl Bitrix24 {
    pub(super) fn storage_list(&self, params: &Params) -> Answer {
        let filter = params.map("filter");
        let filter: Vec<Condition> =
            filter.iter().map(|(key, wanted)| Condition::parse(key, wanted)).collect();
        let zone = self.conduct().zone;
        let office = lock(&self.0.office);
        let is_found = |storage: &&Storage| {
            let mut fields = filter.iter().filter_map(|one| Some((one, storage_field(storage, &one.name)?)));
            fields.all(|(condition, field)| condition.holds(&field, zone))
        };
        let found: Vec<&Storage> = office.storages.values().filter(is_found).collect();
        let page = Page::of(params, found.len());
        let rows = found.iter().skip(page.from).take(PAGE).map(|storage| storage_json(storage));
        Answer::page(rows.collect(), page)
    }

    /// Without a file it promises an address to bring one to.
    pub(super) fn folder_upload(&self, caller: &Caller, params: &Params) -> Outcome {
        let folder = params.int("id").ok_or_else(|| argument("id"))?;
        let mut office = lock(&self.0.office);
        let is_there = office.storages.values().any(|storage| storage.root == folder);
        is_there.then_some(()).ok_or_else(not_found)?;
        let is_unique = params.flag("generateUniqueName");
        if params.get("fileContent").is_none() {
            let ticket = Ticket { folder, is_unique, by: caller.user };
            let token = format!("{:016x}", self.next_number());
            office.tickets.insert(token.clone(), ticket);
            let mut url = self.base().join("rest/upload.json").expect("a relative path joins");
            url.query_pairs_mut().append_pair("auth", &self.0.token).append_pair("token", &token);
            return Ok(Answer::of(json!({"field": "file", "uploadUrl": url})));
        }
        let (name, bytes) = content(params)?;
        self.save(&mut office, caller, folder, &name, bytes, is_unique)
    }

    pub(super) fn storage_upload(&self, caller: &Caller, params: &Params) -> Outcome {
        let id = params.int("id").ok_or_else(|| argument("id"))?;
        let mut office = lock(&self.0.office);
        // This method is known for errors without a code.
        let nameless =
            || Refusal::v2(400, "", "Could not find entity with id `".to_owned() + &id.to_string() + "`.");
        let folder = office.storages.get(&id).map(|storage| storage.root).ok_or_else(nameless)?;
        if params.get("fileContent").is_none() {
            return Err(argument("fileContent"));
        }
        let (name, bytes) = content(params)?;
        self.save(&mut office, caller, folder, &name, bytes, params.flag("generateUniqueName"))
    }

    /// The second step. The address is good for one file.
    pub(super) fn upload(&self, caller: &Caller, params: &Params) -> Outcome {
        let token = params.get("token").map(text).unwrap_or_default();
        let mut office = lock(&self.0.office);
        let file = params.files.iter().find(|file| file.part == "file").ok_or_else(|| argument("file"))?;
        let ticket = office.tickets.remove(&token).ok_or_else(not_found)?;
        let caller = Caller { user: ticket.by, ..caller.clone() };
        self.save(&mut office, &caller, ticket.folder, &file.name, file.bytes.clone(), ticket.is_unique)
    }

    /// Attaches; the same file twice makes two attachments, because nothing says otherwise.
    pub(super) fn task_attach(&self, caller: &Caller, params: &Params) -> Outcome {
        let number =
            |name: &str| params.int(name).ok_or_else(|| Refusal::argument(&format!("Invalid {{{name}}}")));
        let (task, file) = (number("taskId")?, number("fileId")?);
        let mut office = lock(&self.0.office);
        office.task(task).filter(|task| caller.sees(task)).ok_or_else(|| Refusal::zero("Нет доступа"))?;
        let attached = office.attach(task, file, caller.user, caller.now);
        let attached = attached.ok_or_else(|| Refusal::core("Нет прав на файл"))?;
        touch(&mut office, task, caller);
        drop(office);
        self.happened(Happened::TaskChanged(task));
        Ok(Answer::of(json!({"attachmentId": attached})))
    }

    pub(super) fn attached_get(&self, caller: &Caller, params: &Params) -> Outcome {
        let id = params.int("id").ok_or_else(|| argument("id"))?;
        let office = lock(&self.0.office);
        let attachment = office.attachments.get(&id).ok_or_else(not_found)?;
        let file = office.files.get(&attachment.file).ok_or_else(not_found)?;
        Ok(Answer::of(json!({
            "ID": id.to_string(), "OBJECT_ID": file.id.to_string(), "MODULE_ID": "tasks",
            "ENTITY_TYPE": "tasks_task", "ENTITY_ID": attachment.task.to_string(),
            "CREATE_TIME": written(attachment.at, caller.conduct.zone), "CREATED_BY": attachment.by.to_string(),
            "DOWNLOAD_URL": self.download_url(file), "NAME": file.name, "SIZE": file.bytes.len().to_string(),
        })))
    }

    fn save(
        &self,
        office: &mut Office,
        caller: &Caller,
        folder: i64,
        given: &str,
        bytes: Bytes,
        is_unique: bool,
    ) -> Outcome {
        let is_taken =
            |name: &str| office.files.values().any(|file| file.folder == folder && file.name == name);
        if is_taken(given) && !is_unique {
            return Err(Refusal::v2(400, "DISK_OBJ_22000", "Файл с таким именем уже есть"));
        }
        let mut name = given.to_owned();
        let mut number = 0;
        while is_taken(&name) {
            number += 1;
            name = numbered(given, number);
        }
        let held: usize = office.files.values().map(|file| file.bytes.len()).sum();
        if caller.conduct.disk_quota.is_some_and(|quota| held + bytes.len() > quota) {
            return Err(could_not_save());
        }
        let id = office.add_file(folder, &name, bytes, caller.user, caller.now);
        let storage = office.storages.values().find(|storage| storage.root == folder);
        let storage = storage.map_or(0, |storage| storage.id);
        let file = &office.files[&id];
        self.announce(super::Event::Board);
        Ok(Answer::of(json!({
            "ID": file.id, "NAME": file.name, "CODE": null, "STORAGE_ID": storage.to_string(), "TYPE": "file",
            "PARENT_ID": folder.to_string(), "DELETED_TYPE": 0, "GLOBAL_CONTENT_VERSION": 1, "FILE_ID": file.file_id,
            "SIZE": file.bytes.len().to_string(), "CREATE_TIME": written(file.at, caller.conduct.zone),
            "CREATED_BY": file.by.to_string(), "DOWNLOAD_URL": self.download_url(file),
            "DETAIL_URL": self.download_url(file),
        })))
    }

    fn download_url(&self, file: &File) -> String {
        format!("{}disk/{}", self.base(), file.id)
    }
}

/// A task that got something is a changed one.
pub(super) fn touch(office: &mut Office, task: i64, caller: &Caller) {
    if let Some(task) = office.tasks.get_mut(&task) {
        (task.changed_at, task.changed_by) = (caller.now, caller.user);
    }
}

/// The name and the bytes of a file that came as base64.
fn content(params: &Params) -> Result<(String, Bytes), Refusal> {
    let data: Map<String, Value> = params.map("data");
    let name = data.get("NAME").map(text).filter(|name| !name.is_empty());
    let name =
        name.ok_or_else(|| Refusal::v2(400, "DISK_BASE_SERVICE_22001", "Required field NAME is missing"))?;
    let content = params.get("fileContent").map(list).unwrap_or_default();
    let [_, base64] = content.as_slice() else { return Err(argument("fileContent")) };
    let bytes = decode_base64(&text(base64)).ok_or_else(could_not_save)?;
    Ok((name, bytes.into()))
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().trim_end_matches('=');
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut held, mut bits) = (0_u32, 0);
    for letter in text.bytes().filter(|letter| !letter.is_ascii_whitespace()) {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = (held << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((held >> bits) & 0xff).ok()?);
        }
    }
    (bits < 6).then_some(bytes)
}

/// `photo.jpg` → `photo (1).jpg`.
fn numbered(name: &str, number: u32) -> String {
    match name.rsplit_once('.') {
        Some((stem, kind)) => format!("{stem} ({number}).{kind}"),
        None => format!("{name} ({number})"),
    }
}

fn storage_field<'a>(storage: &'a Storage, name: &str) -> Option<Field<'a>> {
    Some(match name {
        "ID" => Field::Number(storage.id),
        "NAME" => Field::Text(storage.name.as_str().into()),
        "CODE" => Field::Text("".into()),
        "ENTITY_TYPE" => Field::Text(storage.kind.into()),
        "ENTITY_ID" => Field::Text(storage.entity.to_string().into()),
        _ => return None,
    })
}

fn storage_json(storage: &Storage) -> Value {
    json!({
        "ID": storage.id.to_string(), "NAME": storage.name, "CODE": null, "MODULE_ID": "disk",
        "ENTITY_TYPE": storage.kind, "ENTITY_ID": storage.entity.to_string(),
        "ROOT_OBJECT_ID": storage.root.to_string(),
    })
}

fn argument(name: &str) -> Refusal {
    Refusal::v2(400, "ERROR_ARGUMENT", format!("Invalid value of parameter {{{name}}}"))
}

fn not_found() -> Refusal {
    Refusal::v2(400, "ERROR_NOT_FOUND", "Could not find entity")
}

fn could_not_save() -> Refusal {
    Refusal::v2(400, "ERROR_COULD_NOT_SAVE_FILE", "Could not save file")
}

/// Ids of files in a list of REST 3.0.
pub(super) fn file_ids(value: &Value) -> Option<Vec<i64>> {
    value.as_array()?.iter().map(|id| id.is_number().then(|| int(id)).flatten()).collect()
}
