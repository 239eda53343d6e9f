//! Tasks of REST 3.0: camelCase both ways, numbers for ids, words for statuses, refusals with the fields named.

use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::call::{Answer, Caller, Outcome};
use super::disk::{file_ids, touch};
use super::events::Happened;
use super::filter::written;
use super::office::{Office, Status, Task};
use super::params::{Params, text};
use super::refusal::Refusal;
use super::tasks::{make_task, put_on};
use super::{Bitrix24, lock};

/// A field here, the same field in the second generation, and whether it is an id.
const FIELDS: [(&str, &str, Kind); 14] = [
    ("title", "TITLE", Kind::Text),
    ("description", "DESCRIPTION", Kind::Text),
    ("creatorId", "CREATED_BY", Kind::Id),
    ("responsibleId", "RESPONSIBLE_ID", Kind::Id),
    ("groupId", "GROUP_ID", Kind::Id),
    ("stageId", "STAGE_ID", Kind::Id),
    ("parentId", "PARENT_ID", Kind::Id),
    ("deadline", "DEADLINE", Kind::Text),
    ("startPlan", "START_DATE_PLAN", Kind::Text),
    ("endPlan", "END_DATE_PLAN", Kind::Text),
    ("xmlId", "XML_ID", Kind::Text),
    ("priority", "PRIORITY", Kind::Word),
    ("status", "STATUS", Kind::Word),
    ("needsControl", "TASK_CONTROL", Kind::Flag),
];

const PRIORITIES: [(&str, i64); 3] = [("low", 0), ("average", 1), ("high", 2)];
const LIMIT_AT_MOST: i64 = 1000;
const LIMIT_USUAL: i64 = 50;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Id,
    Word,
    Flag,
}

impl Bitrix24 {
    pub(super) fn task3_add(&self, caller: &Caller, params: &Params) -> Outcome {
        let given = fields(params)?;
        for required in ["title", "creatorId", "responsibleId"] {
            if !given.contains_key(required) {
                return Err(Refusal::field("DTO", required, "Field is required"));
            }
        }
        let (fields, stage) = translated(&given)?;
        let mut office = lock(&self.0.office);
        let task = make_task(&mut office, caller, &fields, stage).map_err(|refusal| third(&refusal))?;
        let item = item(&office.tasks[&task], caller, None);
        drop(office);
        self.happened(Happened::TaskAdded(task));
        Ok(Answer::of(json!({"item": item})))
    }

    pub(super) fn task3_get(&self, caller: &Caller, params: &Params) -> Outcome {
        let select = select(params)?;
        let office = lock(&self.0.office);
        let task = seen(&office, caller, id(params)?)?;
        Ok(Answer::of(json!({"item": item(task, caller, select.as_deref())})))
    }

    /// Filters by `id` only: there is no searching by a mark here.
    pub(super) fn task3_list(&self, caller: &Caller, params: &Params) -> Outcome {
        json_only(params)?;
        let select = select(params)?;
        let conditions = conditions(params)?;
        let (limit, skip) = pagination(params)?;
        let office = lock(&self.0.office);
        let holds = |task: &&Task| conditions.iter().all(|(is, wanted)| is(task.id, *wanted));
        let found = office.tasks.values().filter(|task| caller.sees(task)).filter(holds);
        let items = found.skip(skip).take(limit).map(|task| item(task, caller, select.as_deref()));
        Ok(Answer::of(json!({"items": items.collect::<Value>()})))
    }

    pub(super) fn task3_update(&self, caller: &Caller, params: &Params) -> Outcome {
        let id = id(params)?;
        let (fields, stage) = translated(&fields(params)?)?;
        let office = lock(&self.0.office);
        seen(&office, caller, id)?;
        drop(office);
        let old = Params::of_json(&json!({"taskId": id, "fields": fields}));
        if !fields.is_empty() {
            self.task_update(caller, &old).map_err(|refusal| third(&refusal))?;
        }
        if let Some(stage) = stage {
            put_on(&mut lock(&self.0.office), id, stage, caller.user, caller.now);
            self.happened(Happened::TaskChanged(id));
        }
        Ok(done())
    }

    pub(super) fn task3_delete(&self, caller: &Caller, params: &Params) -> Outcome {
        self.remove_task(caller, id(params)?).ok_or_else(no_entity)?;
        Ok(done())
    }

    pub(super) fn task3_attach(&self, caller: &Caller, params: &Params) -> Outcome {
        json_only(params)?;
        let task = number(params, "taskId")?;
        let files = params.get("fileIds").and_then(file_ids).filter(|files| !files.is_empty());
        let files =
            files.ok_or_else(|| Refusal::field("REQUEST", "fileIds", "Field must be a list of numbers"))?;
        let mut office = lock(&self.0.office);
        seen(&office, caller, task)?;
        if files.iter().any(|file| office.find_file(*file).is_none()) {
            return Err(Refusal::v3(403, "ACCESSDENIED", "Access denied"));
        }
        for file in files {
            office.attach(task, file, caller.user, caller.now);
        }
        touch(&mut office, task, caller);
        drop(office);
        self.happened(Happened::TaskChanged(task));
        Ok(done())
    }

    /// Says something in the task's chat, and does not tell the message's id.
    pub(super) fn task3_say(&self, caller: &Caller, params: &Params) -> Outcome {
        let fields = fields(params)?;
        let task = fields.get("taskId").filter(|id| id.is_number()).and_then(Value::as_i64);
        let task = task.ok_or_else(|| Refusal::field("DTO", "taskId", "Field is required"))?;
        let said = fields.get("text").map(text).filter(|text| !text.trim().is_empty());
        let said = said.ok_or_else(|| Refusal::field("DTO", "text", "Field is required"))?;
        self.comment_say(caller, task, &said)
            .ok_or_else(|| Refusal::v3(403, "ACCESSDENIED", "Access denied"))?;
        Ok(done())
    }
}

fn done() -> Answer {
    Answer::of(json!({"result": true}))
}

fn no_entity() -> Refusal {
    Refusal::v3(400, "ENTITYNOTFOUND", "Entity not found")
}

fn seen<'a>(office: &'a Office, caller: &Caller, id: i64) -> Result<&'a Task, Refusal> {
    office.task(id).filter(|task| caller.sees(task)).ok_or_else(no_entity)
}

fn json_only(params: &Params) -> Result<(), Refusal> {
    serde_json::from_slice::<IgnoredAny>(&params.body)
        .map(drop)
        .map_err(|_| Refusal::v3(400, "INVALIDJSON", "Request body must be JSON"))
}

/// A number that is a number: text is not taken for one here.
fn number(params: &Params, name: &str) -> Result<i64, Refusal> {
    let number = params.get(name).filter(|value| value.is_number()).and_then(Value::as_i64);
    number.ok_or_else(|| Refusal::field("REQUEST", name, "Field must be a number"))
}

fn id(params: &Params) -> Result<i64, Refusal> {
    json_only(params)?;
    number(params, "id")
}

fn fields(params: &Params) -> Result<Map<String, Value>, Refusal> {
    json_only(params)?;
    let fields = params.get("fields").and_then(Value::as_object).filter(|fields| !fields.is_empty());
    fields.cloned().ok_or_else(|| Refusal::field("REQUEST", "fields", "Field is required"))
}

/// Fields in the words of the second generation, and the column beside them. An unknown one is refused.
fn translated(given: &Map<String, Value>) -> Result<(Map<String, Value>, Option<i64>), Refusal> {
    let mut fields = Map::new();
    let mut stage = None;
    for (name, value) in given {
        let known = FIELDS.iter().find(|(field, _, _)| field == name);
        let Some((_, old, kind)) = known else {
            return Err(Refusal::v3(400, "UNKNOWNDTOPROPERTY", format!("Unknown property `{name}`")));
        };
        let wrong = |text: &str| Refusal::field("DTO", name, text);
        let value = match kind {
            Kind::Text if value.is_string() || value.is_null() => value.clone(),
            Kind::Text => return Err(wrong("Field must be a string")),
            Kind::Id if value.is_number() => value.clone(),
            Kind::Id => return Err(wrong("Field must be a number")),
            Kind::Flag => json!(if value == &json!(true) { "Y" } else { "N" }),
            Kind::Word => word(name, value).ok_or_else(|| wrong("Field has a wrong value"))?,
        };
        if name == "stageId" {
            stage = value.as_i64();
        } else {
            fields.insert((*old).to_owned(), value);
        }
    }
    Ok((fields, stage))
}

fn word(name: &str, value: &Value) -> Option<Value> {
    let word = value.as_str()?;
    if name == "priority" {
        return PRIORITIES.iter().find(|(name, _)| *name == word).map(|(_, number)| json!(number));
    }
    (2..=6)
        .filter_map(Status::parse)
        .find(|status| status.word() == word)
        .map(|status| json!(status.number()))
}

/// The refusals of the modules below in the words of this generation.
fn third(refusal: &Refusal) -> Refusal {
    let text = refusal.text.trim_end_matches("<br>");
    Refusal::field("DTO", "fields", text)
}

fn select(params: &Params) -> Result<Option<Vec<String>>, Refusal> {
    match params.get("select") {
        None => Ok(None),
        Some(Value::Array(names)) => Ok(Some(names.iter().map(text).collect())),
        Some(_) => Err(Refusal::v3(400, "INVALIDSELECT", "Select must be an array")),
    }
}

type Condition = (fn(i64, i64) -> bool, i64);

fn conditions(params: &Params) -> Result<Vec<Condition>, Refusal> {
    let invalid = || Refusal::v3(400, "INVALIDFILTER", "Filter is not valid");
    let all = match params.get("filter") {
        None => return Ok(Vec::new()),
        Some(Value::Array(all)) => all,
        Some(_) => return Err(invalid()),
    };
    let one = |condition: &Value| {
        let parts = condition.as_array().ok_or_else(invalid)?;
        let (name, operator, wanted) = match parts.as_slice() {
            [name, wanted] => (name, "=", wanted),
            [name, operator, wanted] => (name, operator.as_str().unwrap_or_default(), wanted),
            _ => return Err(invalid()),
        };
        if name != "id" {
            return Err(Refusal::v3(400, "UNKNOWNDTOPROPERTY", format!("Unknown property {name} in filter")));
        }
        let holds: fn(i64, i64) -> bool = match operator {
            "=" => |a, b| a == b,
            "!=" => |a, b| a != b,
            ">" => |a, b| a > b,
            ">=" => |a, b| a >= b,
            "<" => |a, b| a < b,
            "<=" => |a, b| a <= b,
            _ => return Err(Refusal::v3(400, "UNKNOWNFILTEROPERATOR", "Unknown filter operator")),
        };
        Ok((holds, wanted.as_i64().ok_or_else(invalid)?))
    };
    all.iter().map(one).collect()
}

/// How many, after how many.
fn pagination(params: &Params) -> Result<(usize, usize), Refusal> {
    let given = params.get("pagination").cloned().unwrap_or_else(|| json!({}));
    let number = |name: &str, usual: i64| given.get(name).map_or(Some(usual), Value::as_i64);
    let invalid = || Refusal::v3(400, "INVALIDPAGINATION", "Pagination is not valid");
    let limit = number("limit", LIMIT_USUAL)
        .filter(|limit| (1..=LIMIT_AT_MOST).contains(limit))
        .ok_or_else(invalid)?;
    let page = number("page", 1).filter(|page| *page >= 1).ok_or_else(invalid)?;
    let skip = number("offset", (page - 1) * limit).filter(|skip| *skip >= 0).ok_or_else(invalid)?;
    Ok((usize::try_from(limit).unwrap_or(0), usize::try_from(skip).unwrap_or(0)))
}

/// Own fields that are not known are left out without a word; there are no tags and no `UF_…` at all.
fn item(task: &Task, caller: &Caller, select: Option<&[String]>) -> Value {
    let date = |at| written(at, caller.conduct.zone);
    let some = |id: i64| if id == 0 { Value::Null } else { id.into() };
    let priority = PRIORITIES.iter().find(|(_, number)| *number == task.priority).map(|(word, _)| *word);
    let all = [
        ("id", json!(task.id)),
        ("title", json!(task.title)),
        ("description", json!(task.description)),
        ("creatorId", json!(task.creator)),
        ("responsibleId", json!(task.responsible)),
        ("groupId", some(task.group)),
        ("stageId", json!(task.stage)),
        ("parentId", some(task.parent)),
        ("status", json!(task.status.word())),
        ("priority", json!(priority)),
        ("deadline", json!(task.deadline.map(date))),
        ("startPlan", json!(task.start_plan.map(date))),
        ("endPlan", json!(task.end_plan.map(date))),
        ("created", json!(date(task.created_at))),
        ("changed", json!(date(task.changed_at))),
        ("closed", json!(task.closed_at.map(date))),
        ("xmlId", json!(task.xml_id)),
        ("guid", json!(task.guid)),
        ("chatId", json!(task.chat)),
        ("needsControl", json!(task.is_controlled)),
    ];
    let is_asked =
        |name: &str| select.is_none_or(|select| name == "id" || select.iter().any(|asked| asked == name));
    all.into_iter().filter(|(name, _)| is_asked(name)).map(|(name, value)| (name.to_owned(), value)).collect()
}
