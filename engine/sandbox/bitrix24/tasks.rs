//! `tasks.task.*` of the second generation, and `task.stages.*`.

use std::collections::BTreeMap;

use rand::RngExt;
use serde_json::{Map, Value, json};

use crate::clock::Timestamp;

use super::call::{Answer, Caller, Outcome};
use super::conduct::{Conduct, Required, Sees};
use super::events::Happened;
use super::filter::instant;
use super::method::Method;
use super::office::{Office, Status, Task};
use super::params::{Params, flag, int, list, php_map, text};
use super::refusal::Refusal;
use super::render::{Pen, Select};
use super::{Bitrix24, lock};

const TITLE_LENGTH: usize = 250;

impl Bitrix24 {
    pub(super) fn task_add(&self, caller: &Caller, params: &Params) -> Outcome {
        let fields = required_fields(params)?;
        let mut office = lock(&self.0.office);
        let task = make_task(&mut office, caller, &fields, None)?;
        let answer = caller.pen(&office).whole(&office.tasks[&task], &Select::Usual);
        drop(office);
        self.happened(Happened::TaskAdded(task));
        Ok(Answer::of(json!({"task": answer})))
    }

    pub(super) fn task_get(&self, caller: &Caller, params: &Params) -> Outcome {
        let id = task_id(params)?;
        let select = match params.get("select") {
            None => Select::Usual,
            Some(Value::Array(names)) => Select::Names(names.iter().map(text).collect()),
            Some(_) => {
                return Err(Refusal::argument("Invalid value {select} to match with parameter {array}"));
            }
        };
        let office = lock(&self.0.office);
        let task = office.task(id).filter(|task| caller.sees(task));
        Ok(Answer::of(
            task.map_or(json!([]), |task| json!({"task": caller.pen(&office).whole(task, &select)})),
        ))
    }

    pub(super) fn task_update(&self, caller: &Caller, params: &Params) -> Outcome {
        let id = task_id(params)?;
        let fields = required_fields(params)?;
        let mut office = lock(&self.0.office);
        let mut task = office
            .task(id)
            .filter(|task| caller.sees(task))
            .cloned()
            .ok_or_else(|| Refusal::zero("Действие не разрешено"))?;
        apply(&mut task, &office, caller, &fields)?;
        if task.title.is_empty() {
            return Err(Refusal::core("Не указано название задачи"));
        }
        check_required(&task, &caller.conduct)?;
        check_files(&office, &fields)?;
        if let Some(stage) = fields.get("STAGE_ID").and_then(int) {
            let own = office.stages.get(&stage).filter(|stage| stage.group == task.group);
            task.stage = own.map_or(task.stage, |stage| stage.id);
        }
        (task.changed_at, task.changed_by) = (caller.now, caller.user);
        office.tasks.insert(id, task);
        attach_files(&mut office, id, &fields, caller);
        let answer = caller.pen(&office).whole(&office.tasks[&id], &Select::Usual);
        drop(office);
        self.happened(Happened::TaskChanged(id));
        Ok(Answer::of(json!({"task": answer})))
    }

    pub(super) fn task_delete(&self, caller: &Caller, params: &Params) -> Outcome {
        let id = task_id(params)?;
        self.remove_task(caller, id).ok_or_else(Refusal::not_allowed)?;
        Ok(Answer::of(json!({"task": true})))
    }

    /// `None` when there is no such task for the caller.
    pub(super) fn remove_task(&self, caller: &Caller, id: i64) -> Option<()> {
        let mut office = lock(&self.0.office);
        office.task(id).filter(|task| caller.sees(task))?;
        office.tasks.remove(&id);
        drop(office);
        self.happened(Happened::TaskRemoved(id));
        Some(())
    }

    /// Complete, renew, start, pause and defer. The refusal is the same everywhere, and its code is not.
    pub(super) fn task_action(&self, caller: &Caller, method: Method, params: &Params) -> Outcome {
        let id = task_id(params)?;
        let refused = || match method {
            Method::TaskComplete | Method::TaskRenew => Refusal::not_allowed(),
            _ => Refusal::zero("Действие над задачей не разрешено"),
        };
        let mut office = lock(&self.0.office);
        let task = office.tasks.get_mut(&id).filter(|task| caller.sees(task)).ok_or_else(refused)?;
        let status = next_status(method, task).ok_or_else(refused)?;
        task.set_status(status, caller.user, caller.now);
        (task.changed_at, task.changed_by) = (caller.now, caller.user);
        let answer = caller.pen(&office).whole(&office.tasks[&id], &Select::Usual);
        drop(office);
        self.happened(Happened::TaskChanged(id));
        Ok(Answer::of(json!({"task": answer})))
    }

    pub(super) fn stages_get(&self, params: &Params) -> Outcome {
        let denied = || Refusal::v2(400, "ACCESS_DENIED", "Доступ к канбану запрещён");
        let group = params.int("entityId").ok_or_else(denied)?;
        let office = lock(&self.0.office);
        if group != 0 && !office.groups.contains_key(&group) {
            return Err(denied());
        }
        let stage = |stage: &super::office::Stage| {
            let json = json!({
                "ID": stage.id.to_string(), "TITLE": stage.title, "SORT": stage.sort.to_string(),
                "COLOR": stage.color, "SYSTEM_TYPE": stage.system_type, "ENTITY_ID": stage.group.to_string(),
                "ENTITY_TYPE": "G", "ADDITIONAL_FILTER": [], "TO_UPDATE": [], "TO_UPDATE_ACCESS": null,
            });
            (stage.id.to_string(), json)
        };
        Ok(Answer::of(php_map(office.board(group).into_iter().map(stage).collect())))
    }

    pub(super) fn stages_move(&self, caller: &Caller, params: &Params) -> Outcome {
        let error = |code: &str, text: &str| Refusal::v2(400, code, text);
        let mut office = lock(&self.0.office);
        let id = params.int("id").filter(|id| office.task(*id).is_some_and(|task| caller.sees(task)));
        let id = id.ok_or_else(|| error("TASK_NOT_FOUND", "Задача не найдена"))?;
        let stage = params.int("stageId").and_then(|id| office.stages.get(&id)).cloned();
        let stage = stage.ok_or_else(|| error("NOT_FOUND", "Стадия не найдена"))?;
        if office.tasks[&id].group != stage.group {
            return Err(error("ACCESS_DENIED_MOVE", "Вы не можете перемещать задачи"));
        }
        put_on(&mut office, id, stage.id, caller.user, caller.now);
        drop(office);
        self.happened(Happened::TaskChanged(id));
        Ok(Answer::of(json!(true)))
    }
}

impl Caller {
    /// Whether the webhook may know of the task.
    pub(super) fn sees(&self, task: &Task) -> bool {
        self.conduct.sees == Sees::Everything || task.concerns(self.user)
    }

    pub(super) fn pen<'a>(&self, office: &'a Office) -> Pen<'a> {
        Pen { office, zone: self.conduct.zone, no_files: self.conduct.no_files, now: self.now }
    }
}

/// Makes a task of upper-case fields; REST 3.0 gives the column itself.
pub(super) fn make_task(
    office: &mut Office,
    caller: &Caller,
    fields: &Map<String, Value>,
    stage: Option<i64>,
) -> Result<i64, Refusal> {
    let Caller { user, now, conduct, .. } = caller;
    let mut task = Task {
        id: 0,
        title: String::new(),
        description: String::new(),
        group: 0,
        stage: 0,
        status: Status::Pending,
        responsible: 0,
        creator: *user,
        accomplices: Vec::new(),
        auditors: Vec::new(),
        priority: 1,
        deadline: None,
        start_plan: None,
        end_plan: None,
        tags: Vec::new(),
        xml_id: None,
        guid: guid(),
        crm: Vec::new(),
        custom: BTreeMap::new(),
        attachments: Vec::new(),
        parent: 0,
        is_controlled: false,
        chat: 0,
        created_at: *now,
        changed_at: *now,
        changed_by: *user,
        status_changed_at: *now,
        status_changed_by: *user,
        started_at: None,
        closed_at: None,
    };
    apply(&mut task, office, caller, fields)?;
    if task.title.is_empty() {
        return Err(Refusal::core("Не указано название задачи"));
    }
    if task.responsible == 0 {
        return Err(Refusal::core("Не указан исполнитель"));
    }
    check_required(&task, conduct)?;
    check_files(office, fields)?;
    let wanted = fields.get("STAGE_ID").and_then(int).filter(|_| conduct.takes_stage_in_add);
    if let Some(stage) = stage.or(wanted) {
        task.stage = office.stages.get(&stage).filter(|stage| stage.group == task.group).map_or(0, |s| s.id);
    }
    task.id = office.next_task();
    task.chat = task.id + 20_000;
    let id = task.id;
    office.tasks.insert(id, task);
    attach_files(office, id, fields, caller);
    office.say(id, 0, "Задача создана", *now);
    Ok(id)
}

/// Moves a card. The status stays: a column is a column.
pub(super) fn put_on(office: &mut Office, task: i64, stage: i64, by: i64, now: Timestamp) {
    if let Some(task) = office.tasks.get_mut(&task) {
        (task.stage, task.changed_at, task.changed_by) = (stage, now, by);
    }
}

fn next_status(method: Method, task: &Task) -> Option<Status> {
    use Status::{AwaitsControl, Completed, Deferred, InProgress, Pending};
    match (method, task.status) {
        (Method::TaskComplete, Pending | InProgress | Deferred) if task.is_controlled => Some(AwaitsControl),
        (Method::TaskComplete, Pending | InProgress | Deferred | AwaitsControl) => Some(Completed),
        (Method::TaskStart, Pending | Deferred) => Some(InProgress),
        (Method::TaskRenew, Completed | Deferred | AwaitsControl) | (Method::TaskPause, InProgress) => {
            Some(Pending)
        }
        (Method::TaskDefer, Pending | InProgress) => Some(Deferred),
        _ => None,
    }
}

fn task_id(params: &Params) -> Result<i64, Refusal> {
    let given = params.get("taskId");
    let given = given.ok_or_else(|| Refusal::argument("Could not find value for parameter {taskId}"))?;
    int(given).filter(|id| *id > 0).ok_or_else(|| Refusal::zero("wrong task id"))
}

fn required_fields(params: &Params) -> Result<Map<String, Value>, Refusal> {
    let fields = params.map("fields");
    if fields.is_empty() {
        return Err(Refusal::argument("Could not find value for parameter {fields}"));
    }
    Ok(fields)
}

/// Puts known fields into the task; unknown ones are dropped without a word.
fn apply(
    task: &mut Task,
    office: &Office,
    caller: &Caller,
    fields: &Map<String, Value>,
) -> Result<(), Refusal> {
    for (name, value) in fields {
        apply_one(task, office, caller, name, value)?;
    }
    match (task.start_plan, task.end_plan) {
        (Some(start), Some(end)) if end < start => Err(Refusal::core("Дата завершения раньше даты начала")),
        _ => Ok(()),
    }
}

fn apply_one(
    task: &mut Task,
    office: &Office,
    caller: &Caller,
    name: &str,
    value: &Value,
) -> Result<(), Refusal> {
    let user = |value: &Value| int(value).filter(|id| office.users.contains_key(id));
    let users = |value: &Value| list(value).iter().filter_map(user).collect::<Vec<i64>>();
    let date = |value: &Value| match text(value) {
        empty if empty.is_empty() => Ok(None),
        some => {
            instant(&some, caller.conduct.zone).map(Some).ok_or_else(|| Refusal::core("Неверный формат даты"))
        }
    };
    match name {
        "TITLE" => task.title = text(value).trim().chars().take(TITLE_LENGTH).collect(),
        "DESCRIPTION" => task.description = text(value),
        "GROUP_ID" => {
            let group = int(value).unwrap_or(0);
            if group != 0 && !office.groups.contains_key(&group) {
                return Err(Refusal::core("Нет доступа к группе"));
            }
            if group != task.group {
                (task.group, task.stage) = (group, 0);
            }
        }
        "RESPONSIBLE_ID" => {
            task.responsible = user(value).ok_or_else(|| Refusal::core("Исполнитель не найден"))?;
        }
        "CREATED_BY" => task.creator = user(value).ok_or_else(|| Refusal::core("Постановщик не найден"))?,
        "ACCOMPLICES" => task.accomplices = users(value),
        "AUDITORS" => task.auditors = users(value),
        "PRIORITY" => task.priority = int(value).filter(|priority| (0..=2).contains(priority)).unwrap_or(1),
        "DEADLINE" => task.deadline = date(value)?,
        "START_DATE_PLAN" => task.start_plan = date(value)?,
        "END_DATE_PLAN" => task.end_plan = date(value)?,
        "STATUS" => {
            let status = int(value).and_then(Status::parse);
            let status = status.ok_or_else(|| Refusal::core("Неверный статус задачи"))?;
            task.set_status(status, caller.user, caller.now);
        }
        "TAGS" => task.tags = tags(value),
        "XML_ID" => task.xml_id = Some(text(value)).filter(|mark| !mark.is_empty()),
        "UF_CRM_TASK" => task.crm = list(value).iter().map(text).collect(),
        "TASK_CONTROL" => task.is_controlled = flag(value),
        "PARENT_ID" => {
            let parent = int(value).unwrap_or(0);
            if parent != 0 && !office.tasks.contains_key(&parent) {
                return Err(Refusal::core("Базовая задача не найдена"));
            }
            if leads_to(office, parent, task.id) {
                return Err(Refusal::core("Задача не может быть подзадачей самой себя"));
            }
            task.parent = parent;
        }
        own if caller.conduct.custom_fields.iter().any(|(field, _)| field == own) => {
            task.custom.insert(own.to_owned(), value.clone());
        }
        _ => {}
    }
    Ok(())
}

/// Whether `from` is `task` or hangs under it.
fn leads_to(office: &Office, from: i64, task: i64) -> bool {
    let mut at = from;
    while at != 0 {
        if at == task {
            return true;
        }
        at = office.task(at).map_or(0, |task| task.parent);
    }
    false
}

/// A list, or words with commas.
fn tags(value: &Value) -> Vec<String> {
    let given = match value {
        Value::String(words) => words.split(',').map(str::to_owned).collect(),
        other => list(other).iter().map(text).collect::<Vec<String>>(),
    };
    given.iter().map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect()
}

fn check_required(task: &Task, conduct: &Conduct) -> Result<(), Refusal> {
    let is_empty = |name: &String| task.custom.get(name).is_none_or(|value| text(value).is_empty());
    let missing =
        conduct.custom_fields.iter().find(|(name, required)| *required == Required::Yes && is_empty(name));
    missing.map_or(Ok(()), |(name, _)| Err(Refusal::core(&format!("Не заполнено обязательное поле {name}"))))
}

/// Whether every file of the disk that is named is there: asked before anything is done.
fn check_files(office: &Office, fields: &Map<String, Value>) -> Result<(), Refusal> {
    let wanted = fields.get("UF_TASK_WEBDAV_FILES").map(list).unwrap_or_default();
    let is_there = |file: &str| file.parse().is_ok_and(|file| office.find_file(file).is_some());
    let are_there = wanted.iter().map(text).all(|id| id.strip_prefix('n').is_none_or(is_there));
    are_there.then_some(()).ok_or_else(|| Refusal::core("Файл не найден"))
}

/// `UF_TASK_WEBDAV_FILES` replaces the whole set: `n6687` is a file of the disk, a bare number one that is attached.
fn attach_files(office: &mut Office, task: i64, fields: &Map<String, Value>, caller: &Caller) {
    let Some(wanted) = fields.get("UF_TASK_WEBDAV_FILES") else { return };
    let wanted: Vec<String> = list(wanted).iter().map(text).collect();
    let kept: Vec<i64> = wanted.iter().filter_map(|id| id.parse().ok()).collect();
    if let Some(task) = office.tasks.get_mut(&task) {
        task.attachments.retain(|attachment| kept.contains(attachment));
    }
    for file in wanted.iter().filter_map(|id| id.strip_prefix('n')?.parse().ok()) {
        office.attach(task, file, caller.user, caller.now);
    }
}

/// `{c2794da9-…}`, whatever the caller wished.
fn guid() -> String {
    let mut dice = rand::rng();
    let mut part =
        |bits: u32| format!("{:0width$x}", dice.random::<u64>() >> (64 - bits), width = bits as usize / 4);
    format!("{{{}-{}-{}-{}-{}}}", part(32), part(16), part(16), part(16), part(48))
}
