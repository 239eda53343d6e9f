//! Comments: the old method that binds its parameters by order, and the chat behind the new card.

use serde_json::{Map, Value, json};

use super::call::{Answer, Caller, Outcome};
use super::conduct::Card;
use super::events::Happened;
use super::office::{Message, Office};
use super::params::{Params, int, list, text};
use super::refusal::Refusal;
use super::{Bitrix24, lock};

const COMMENT_FIELDS: [&str; 4] = ["POST_MESSAGE", "AUTHOR_ID", "POST_DATE", "UF_FORUM_MESSAGE_DOC"];
const MESSAGES_AT_MOST: usize = 50;
const MESSAGES_USUAL: usize = 20;

impl Bitrix24 {
    /// `[TASKID, {…}]`: names are not looked at, and a third parameter breaks it.
    pub(super) fn comment_add(&self, caller: &Caller, params: &Params) -> Outcome {
        let (task, fields) = bound(&params.in_order())?;
        let said = fields.get("POST_MESSAGE").map(text).unwrap_or_default();
        if said.trim().is_empty() {
            return Err(Refusal::core("Не указан текст сообщения"));
        }
        let author = fields.get("AUTHOR_ID").and_then(int).unwrap_or(caller.user);
        let mut office = lock(&self.0.office);
        office
            .task(task)
            .filter(|task| caller.sees(task))
            .ok_or_else(|| Refusal::core("Нет доступа к задаче"))?;
        for file in fields.get("UF_FORUM_MESSAGE_DOC").map(list).unwrap_or_default() {
            let file = text(&file).trim_start_matches('n').parse().ok();
            let attached = file.and_then(|file| office.attach(task, file, author, caller.now));
            attached.ok_or_else(|| Refusal::core("Файл не найден"))?;
        }
        let message = office.say(task, author, &said, caller.now);
        drop(office);
        self.happened(Happened::Commented { task, message });
        Ok(Answer::of(json!(message)))
    }

    /// The old list, the latest first: it knows nothing of the new card.
    pub(super) fn comment_list(&self, caller: &Caller, params: &Params) -> Outcome {
        let failed =
            || Refusal::core("TASKS_ERROR_EXCEPTION_#8; Action failed; 8/TE/ACTION_FAILED_TO_BE_PROCESSED");
        let values = params.in_order();
        let id = values.first().and_then(|id| int(id)).ok_or_else(failed)?;
        let office = lock(&self.0.office);
        let task = office.task(id).filter(|task| caller.sees(task)).ok_or_else(failed)?;
        if caller.conduct.card == Card::Chat {
            return Err(failed());
        }
        let row = |message: &Message| {
            json!({
                "POST_MESSAGE_HTML": null, "ID": message.id.to_string(), "AUTHOR_ID": message.author.to_string(),
                "POST_DATE": super::filter::written(message.at, caller.conduct.zone), "POST_MESSAGE": message.text,
                "ATTACHED_OBJECTS": {},
            })
        };
        let said = office.messages.get(&task.id).map(Vec::as_slice).unwrap_or_default();
        Ok(Answer::of(said.iter().rev().map(row).collect()))
    }

    /// Says something in a task's chat; for REST 3.0.
    pub(super) fn comment_say(&self, caller: &Caller, task: i64, said: &str) -> Option<()> {
        let mut office = lock(&self.0.office);
        office.task(task).filter(|task| caller.sees(task))?;
        let message = office.say(task, caller.user, said, caller.now);
        drop(office);
        self.happened(Happened::Commented { task, message });
        Some(())
    }

    /// The latest messages first; with `FIRST_ID` those after it, the earliest first.
    pub(super) fn messages_get(&self, caller: &Caller, params: &Params) -> Outcome {
        let dialog = params.get("DIALOG_ID").map(text).unwrap_or_default();
        if dialog.is_empty() {
            return Err(Refusal::v2(400, "DIALOG_ID_EMPTY", "Dialog ID can't be empty"));
        }
        let chat: Option<i64> = dialog.strip_prefix("chat").and_then(|id| id.parse().ok());
        let office = lock(&self.0.office);
        let task = office.tasks.values().find(|task| Some(task.chat) == chat);
        let task = task.filter(|task| task.concerns(caller.user));
        let task =
            task.ok_or_else(|| Refusal::v2(400, "ACCESS_ERROR", "You don't have access to this chat"))?;
        let limit =
            params.int("LIMIT").and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
        let limit = limit.unwrap_or(MESSAGES_USUAL).min(MESSAGES_AT_MOST);
        let all = office.messages.get(&task.id).map(Vec::as_slice).unwrap_or_default();
        let chosen: Vec<&Message> = match (params.int("FIRST_ID"), params.int("LAST_ID")) {
            (Some(first), _) => all.iter().filter(|message| message.id > first).take(limit).collect(),
            (None, Some(last)) => all.iter().rev().filter(|message| message.id < last).take(limit).collect(),
            (None, None) => all.iter().rev().take(limit).collect(),
        };
        Ok(Answer::of(messages_json(&office, task.chat, &chosen, caller)))
    }
}

/// The two parameters, in their order.
fn bound(values: &[&Value]) -> Result<(i64, Map<String, Value>), Refusal> {
    let wrong = |which: &str| {
        let text = format!("TASKS_ERROR_EXCEPTION_#256; {which}; 256/TE/WRONG_ARGUMENTS");
        Refusal::v2(400, "ERROR_CORE", text)
    };
    let [task, fields] = values else { return Err(wrong("Param count mismatch for method add()")) };
    let task = int(task).ok_or_else(|| wrong("Param #0 (taskId) expected to be of type \"integer\""))?;
    let Value::Object(fields) = fields else {
        return Err(wrong("Param #1 (arFields) expected to be of type \"array\""));
    };
    match fields.keys().find(|name| !COMMENT_FIELDS.contains(&name.as_str())) {
        Some(name) => Err(wrong(&format!("Param #1 (arFields) must not contain key \"{name}\""))),
        None => Ok((task, fields.clone())),
    }
}

fn messages_json(office: &Office, chat: i64, messages: &[&Message], caller: &Caller) -> Value {
    let mut authors: Vec<i64> = messages.iter().map(|message| message.author).filter(|id| *id != 0).collect();
    authors.sort_unstable();
    authors.dedup();
    let user = |id: &i64| office.users.get(id).map(|user| json!({"id": user.id, "name": user.full_name()}));
    let message = |message: &&Message| {
        json!({
            "id": message.id, "chat_id": chat, "author_id": message.author,
            "date": super::filter::written(message.at, caller.conduct.zone), "text": message.text, "unread": false,
            "uuid": null, "replaces": [], "params": [], "disappearing_date": null,
        })
    };
    json!({
        "chat_id": chat, "messages": messages.iter().map(message).collect::<Value>(),
        "users": authors.iter().filter_map(user).collect::<Value>(), "files": [],
    })
}
