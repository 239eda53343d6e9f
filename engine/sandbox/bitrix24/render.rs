//! A task as the second generation writes it: names in camelCase, nearly all values as text, empty maps as lists.

use chrono::FixedOffset;
use serde_json::{Map, Value, json};

use crate::clock::Timestamp;

use super::conduct::NoFiles;
use super::filter::written;
use super::office::{Office, Task, User};
use super::params::php_map;

/// What is asked for of a task: upper-case names, or what comes when nothing is asked for.
#[derive(Clone, Debug)]
pub(super) enum Select {
    Usual,
    Names(Vec<String>),
}

/// Fields that belong together: naming one brings all.
const FILE_FIELDS: [&str; 3] = ["UF_CRM_TASK", "UF_TASK_WEBDAV_FILES", "UF_MAIL_MESSAGE"];

/// What it takes to write a task down.
pub(super) struct Pen<'a> {
    pub office: &'a Office,
    pub zone: FixedOffset,
    pub no_files: NoFiles,
    pub now: Timestamp,
}

impl Pen<'_> {
    /// The whole task, as `add`, `update` and `get` answer it.
    pub fn whole(&self, task: &Task, select: &Select) -> Value {
        let mut all = self.fields(task);
        if let Select::Names(names) = select
            && !names.iter().any(|name| name == "*")
        {
            let is_asked =
                |name: &str| name == "ID" || name == "CHAT_ID" || names.iter().any(|asked| asked == name);
            all.retain(|(name, _)| is_asked(name));
        }
        let mut json: Map<String, Value> =
            all.into_iter().map(|(name, value)| (camel(name), value)).collect();
        if let Select::Names(names) = select {
            if names.iter().any(|name| FILE_FIELDS.contains(&name.as_str())) {
                for name in FILE_FIELDS {
                    json.insert(camel(name), self.special(task, name));
                }
            }
            json.extend(own_fields(task, names));
        }
        json.insert("favorite".to_owned(), "N".into());
        json.insert("group".to_owned(), self.group(task));
        json.insert("action".to_owned(), action(task));
        json.insert("creator".to_owned(), self.person(task.creator));
        json.insert("responsible".to_owned(), self.person(task.responsible));
        json.insert("accomplicesData".to_owned(), self.people(&task.accomplices));
        json.insert("auditorsData".to_owned(), self.people(&task.auditors));
        json.insert("newCommentsCount".to_owned(), 0.into());
        json.insert("checklist".to_owned(), json!([]));
        Value::Object(json)
    }

    /// A row of a list.
    pub fn row(&self, task: &Task, select: &Select) -> Value {
        let mut json = Map::new();
        let is_asked = |name: &str| match select {
            Select::Usual => true,
            Select::Names(names) => names.iter().any(|asked| asked == name || asked == "*") || name == "ID",
        };
        for (name, value) in self.fields(task) {
            if is_asked(name) && name != "CHAT_ID" {
                json.insert(camel(name), value);
            }
        }
        if let Select::Names(names) = select {
            for name in FILE_FIELDS.iter().filter(|name| names.iter().any(|asked| asked == *name)) {
                json.insert(camel(name), self.special(task, name));
            }
            if names.iter().any(|name| name == "TAGS") {
                json.insert("tags".to_owned(), tags(task));
            }
            json.extend(own_fields(task, names));
        }
        if is_asked("STATUS") {
            json.insert("subStatus".to_owned(), self.meta_status(task).to_string().into());
        }
        if is_asked("RESPONSIBLE_ID") {
            json.insert("responsible".to_owned(), self.person(task.responsible));
        }
        if is_asked("CREATED_BY") {
            json.insert("creator".to_owned(), self.person(task.creator));
        }
        json.insert("group".to_owned(), if is_asked("GROUP_ID") { self.group(task) } else { json!([]) });
        Value::Object(json)
    }

    /// `STATUS` as filters and `subStatus` mean it: -1 overdue, -2 not seen, -3 almost overdue, else the real one.
    pub fn meta_status(&self, task: &Task) -> i64 {
        use super::office::Status::{AwaitsControl, Completed};
        let is_open = ![AwaitsControl, Completed].contains(&task.status);
        match task.deadline {
            Some(deadline) if is_open && deadline < self.now => -1,
            Some(deadline) if is_open && deadline.since(self.now).as_secs() < 86_400 => -3,
            _ if is_open && task.changed_at == task.created_at => -2,
            _ => task.status.number(),
        }
    }

    /// All but own fields and files, which must be named.
    fn fields(&self, task: &Task) -> Vec<(&'static str, Value)> {
        let id = |id: i64| Value::from(id.to_string());
        let date = |at: Option<Timestamp>| at.map_or(Value::Null, |at| written(at, self.zone).into());
        let ids = |ids: &[i64]| ids.iter().map(|one| id(*one)).collect::<Value>();
        vec![
            ("ID", id(task.id)),
            ("PARENT_ID", if task.parent == 0 { Value::Null } else { id(task.parent) }),
            ("TITLE", task.title.as_str().into()),
            ("DESCRIPTION", task.description.as_str().into()),
            ("MARK", Value::Null),
            ("PRIORITY", id(task.priority)),
            ("MULTITASK", "N".into()),
            ("NOT_VIEWED", "N".into()),
            ("REPLICATE", "N".into()),
            ("STAGE_ID", id(task.stage)),
            ("CREATED_BY", id(task.creator)),
            ("CREATED_DATE", date(Some(task.created_at))),
            ("RESPONSIBLE_ID", id(task.responsible)),
            ("CHANGED_BY", id(task.changed_by)),
            ("CHANGED_DATE", date(Some(task.changed_at))),
            ("STATUS_CHANGED_BY", id(task.status_changed_by)),
            ("STATUS_CHANGED_DATE", date(Some(task.status_changed_at))),
            ("CLOSED_BY", task.closed_at.map_or(Value::Null, |_| id(task.status_changed_by))),
            ("CLOSED_DATE", date(task.closed_at)),
            ("ACTIVITY_DATE", date(Some(task.changed_at))),
            ("DATE_START", date(task.started_at)),
            ("DEADLINE", date(task.deadline)),
            ("START_DATE_PLAN", date(task.start_plan)),
            ("END_DATE_PLAN", date(task.end_plan)),
            ("GUID", task.guid.as_str().into()),
            ("XML_ID", task.xml_id.as_deref().map_or(Value::Null, Value::from)),
            ("COMMENTS_COUNT", Value::Null),
            ("TASK_CONTROL", if task.is_controlled { "Y" } else { "N" }.into()),
            ("ADD_IN_REPORT", "N".into()),
            ("FORUM_TOPIC_ID", Value::Null),
            ("TIME_ESTIMATE", "0".into()),
            ("GROUP_ID", id(task.group)),
            ("SUBORDINATE", "N".into()),
            ("DESCRIPTION_IN_BBCODE", "Y".into()),
            ("STATUS", id(task.status.number())),
            ("ACCOMPLICES", ids(&task.accomplices)),
            ("AUDITORS", ids(&task.auditors)),
            ("CHAT_ID", task.chat.into()),
        ]
    }

    fn special(&self, task: &Task, name: &str) -> Value {
        match name {
            "UF_TASK_WEBDAV_FILES" if task.attachments.is_empty() => match self.no_files {
                NoFiles::Null => Value::Null,
                NoFiles::Empty => json!([]),
                NoFiles::False => json!(false),
            },
            "UF_TASK_WEBDAV_FILES" => json!(task.attachments),
            "UF_CRM_TASK" if !task.crm.is_empty() => json!(task.crm),
            _ => Value::Null,
        }
    }

    fn group(&self, task: &Task) -> Value {
        self.office.groups.get(&task.group).map_or(json!([]), |group| {
            json!({
                "id": group.id.to_string(), "name": group.name, "opened": false, "membersCount": 12, "image": "",
                "additionalData": [],
            })
        })
    }

    fn person(&self, id: i64) -> Value {
        let link = format!("/company/personal/user/{id}/");
        let name = self.office.users.get(&id).map(User::full_name).unwrap_or_default();
        json!({"id": id.to_string(), "name": name, "link": link, "icon": "", "workPosition": null})
    }

    fn people(&self, ids: &[i64]) -> Value {
        php_map(ids.iter().map(|id| (id.to_string(), self.person(*id))).collect())
    }
}

fn action(task: &Task) -> Value {
    use super::office::Status::{Completed, InProgress, Pending};
    let is = |statuses: &[super::office::Status]| statuses.contains(&task.status);
    json!({
        "edit": true, "remove": true, "complete": !is(&[Completed]), "renew": is(&[Completed]),
        "start": is(&[Pending]), "pause": is(&[InProgress]), "defer": is(&[Pending, InProgress]), "approve": false,
        "disapprove": false, "delegate": true,
    })
}

/// By id, and ids say nothing: `{"35": {"id": 35, "title": "x"}}`.
fn tags(task: &Task) -> Value {
    let tag = |(at, title): (i64, &String)| {
        let id = task.id * 10 + at;
        (id.to_string(), json!({"id": id, "title": title}))
    };
    php_map((0..).zip(&task.tags).map(tag).collect())
}

/// The portal's own fields that are named.
fn own_fields(task: &Task, names: &[String]) -> impl Iterator<Item = (String, Value)> {
    let asked = task.custom.iter().filter(|(name, _)| names.contains(name));
    asked.map(|(name, value)| (camel(name), value.clone()))
}

/// `UF_CRM_TASK` → `ufCrmTask`.
fn camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut is_next_upper = false;
    for letter in name.chars() {
        match letter {
            '_' => is_next_upper = true,
            letter if is_next_upper => {
                camel.push(letter);
                is_next_upper = false;
            }
            letter => camel.push(letter.to_ascii_lowercase()),
        }
    }
    camel
}
