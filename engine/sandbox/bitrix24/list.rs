//! `tasks.task.list`: filters, order and pages.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use super::call::{Answer, Caller, Outcome, PAGE, Page};
use super::filter::{Condition, Field};
use super::office::{Status, Task};
use super::params::{Params, list, text};
use super::refusal::Refusal;
use super::render::{Pen, Select};
use super::{Bitrix24, lock};

/// What a list may be sorted by.
const SORTABLE: [&str; 20] = [
    "ID",
    "TITLE",
    "DATE_START",
    "CREATED_DATE",
    "CHANGED_DATE",
    "CLOSED_DATE",
    "ACTIVITY_DATE",
    "START_DATE_PLAN",
    "END_DATE_PLAN",
    "DEADLINE",
    "REAL_STATUS",
    "STATUS_COMPLETE",
    "PRIORITY",
    "MARK",
    "GROUP_ID",
    "TIME_ESTIMATE",
    "FAVORITE",
    "SORTING",
    "IS_PINNED",
    "RESPONSIBLE_ID",
];

impl Bitrix24 {
    pub(super) fn task_list(&self, caller: &Caller, params: &Params) -> Outcome {
        let select = match params.get("select") {
            Some(names @ Value::Array(_)) => Select::Names(list(names).iter().map(text).collect()),
            _ => Select::Usual,
        };
        let order = order(params)?;
        let filter = Filter::parse(params.get("filter").unwrap_or(&Value::Null));
        let office = lock(&self.0.office);
        let pen = caller.pen(&office);
        let is_found = |task: &&Task| {
            caller.sees(task)
                && task.created_at + caller.conduct.search_lag <= caller.now
                && filter.passes(task, &pen, caller)
        };
        let mut found: Vec<&Task> = office.tasks.values().filter(is_found).collect();
        found.sort_by(|a, b| compare(&order, a, b));
        let page = Page::of(params, found.len());
        let rows: Value =
            found.iter().skip(page.from).take(PAGE).map(|task| pen.row(task, &select)).collect();
        Ok(Answer::page(json!({"tasks": rows}), page))
    }
}

/// A filter read once: every condition must hold, or any with `::LOGIC`.
struct Filter {
    is_any: bool,
    conditions: Vec<Condition>,
    inside: Vec<Filter>,
    /// Favourites are asked for, and nobody has any here.
    wants_favorites: bool,
}

impl Filter {
    fn parse(filter: &Value) -> Filter {
        let none = Map::new();
        let keys = filter.as_object().unwrap_or(&none);
        let (inside, own): (Vec<_>, Vec<_>) =
            keys.iter().partition(|(key, _)| key.starts_with("::SUBFILTER"));
        Filter {
            is_any: keys.get("::LOGIC").is_some_and(|logic| text(logic).eq_ignore_ascii_case("OR")),
            conditions: own.into_iter().map(|(key, wanted)| Condition::parse(key, wanted)).collect(),
            inside: inside.into_iter().map(|(_, filter)| Filter::parse(filter)).collect(),
            wants_favorites: keys.contains_key("FAVORITE"),
        }
    }

    /// A key that is not known is not looked at.
    fn passes(&self, task: &Task, pen: &Pen<'_>, caller: &Caller) -> bool {
        let own = self.conditions.iter().filter_map(|condition| {
            let field = field(&condition.name, task, pen, caller)?;
            Some(condition.holds(&field, caller.conduct.zone))
        });
        let inside =
            self.inside.iter().map(|filter| !filter.wants_favorites && filter.passes(task, pen, caller));
        let mut verdicts = own.chain(inside);
        if self.is_any { verdicts.any(|holds| holds) } else { verdicts.all(|holds| holds) }
    }
}

/// What the task has under a key of a filter; `None` for one that the portal does not know.
fn field<'a>(name: &str, task: &'a Task, pen: &Pen<'_>, caller: &Caller) -> Option<Field<'a>> {
    let numbers = |ids: &[i64]| Field::Any(ids.iter().map(|id| Field::Number(*id)).collect());
    Some(match name {
        "ID" => Field::Number(task.id),
        "PARENT_ID" => Field::Number(task.parent),
        "GROUP_ID" => Field::Number(task.group),
        "STAGE_ID" => Field::Number(task.stage),
        "CREATED_BY" => Field::Number(task.creator),
        "RESPONSIBLE_ID" => Field::Number(task.responsible),
        "STATUS_CHANGED_BY" => Field::Number(task.status_changed_by),
        "PRIORITY" => Field::Number(task.priority),
        "REAL_STATUS" => Field::Number(task.status.number()),
        "STATUS" => numbers(&[task.status.number(), pen.meta_status(task)]),
        "FORUM_TOPIC_ID" | "SPRINT_ID" | "BACKLOG_ID" | "DEPENDS_ON" => Field::Number(0),
        "ACCOMPLICE" => numbers(&task.accomplices),
        "AUDITOR" => numbers(&task.auditors),
        "MEMBER" => {
            numbers(&[&[task.creator, task.responsible], &task.accomplices[..], &task.auditors[..]].concat())
        }
        "TITLE" => Field::Words(task.title.as_str().into()),
        "TAG" => Field::All(&task.tags),
        "XML_ID" if caller.conduct.filters_by_xml_id => {
            Field::Text(task.xml_id.as_deref().unwrap_or_default().into())
        }
        "GUID" => Field::Text(task.guid.as_str().into()),
        "SITE_ID" => Field::Text("s1".into()),
        "MARK" => Field::Text("".into()),
        "ADD_IN_REPORT" => Field::Text("N".into()),
        "ONLY_ROOT_TASKS" => Field::Text(if task.parent == 0 { "Y" } else { "N" }.into()),
        "UF_CRM_TASK" => Field::Any(task.crm.iter().map(|object| Field::Text(object.into())).collect()),
        "DATE_START" => Field::Instant(task.started_at),
        "DEADLINE" => Field::Instant(task.deadline),
        "CREATED_DATE" => Field::Instant(Some(task.created_at)),
        "CLOSED_DATE" => Field::Instant(task.closed_at),
        "CHANGED_DATE" => Field::Instant(Some(task.changed_at)),
        own if caller.conduct.custom_fields.iter().any(|(field, _)| field == own) => {
            Field::Text(task.custom.get(own).map(text).unwrap_or_default().into())
        }
        _ => return None,
    })
}

/// Names with whether they go up; the latest first when nothing is said.
fn order(params: &Params) -> Result<Vec<(String, bool)>, Refusal> {
    let wanted = params.map("order");
    if wanted.is_empty() {
        return Ok(vec![("ID".to_owned(), false)]);
    }
    let one = |(name, way): (String, Value)| {
        let is_known = SORTABLE.contains(&name.as_str());
        let is_up = !text(&way).to_ascii_lowercase().starts_with("desc");
        is_known.then_some((name, is_up)).ok_or_else(|| Refusal::zero("Invalid sorting key (internal error)"))
    };
    wanted.into_iter().map(one).collect()
}

fn compare(order: &[(String, bool)], a: &Task, b: &Task) -> Ordering {
    for (name, is_up) in order {
        let found = by(name, a, b);
        let found = if *is_up { found } else { found.reverse() };
        if found != Ordering::Equal {
            return found;
        }
    }
    a.id.cmp(&b.id)
}

fn by(name: &str, a: &Task, b: &Task) -> Ordering {
    match name {
        "ID" => a.id.cmp(&b.id),
        "TITLE" => a.title.cmp(&b.title),
        "DATE_START" => a.started_at.cmp(&b.started_at),
        "CREATED_DATE" => a.created_at.cmp(&b.created_at),
        "CHANGED_DATE" | "ACTIVITY_DATE" => a.changed_at.cmp(&b.changed_at),
        "CLOSED_DATE" => a.closed_at.cmp(&b.closed_at),
        "START_DATE_PLAN" => a.start_plan.cmp(&b.start_plan),
        "END_DATE_PLAN" => a.end_plan.cmp(&b.end_plan),
        "DEADLINE" => a.deadline.cmp(&b.deadline),
        "REAL_STATUS" => a.status.cmp(&b.status),
        "STATUS_COMPLETE" => (a.status == Status::Completed).cmp(&(b.status == Status::Completed)),
        "PRIORITY" => a.priority.cmp(&b.priority),
        "GROUP_ID" => a.group.cmp(&b.group),
        "RESPONSIBLE_ID" => a.responsible.cmp(&b.responsible),
        _ => Ordering::Equal,
    }
}
