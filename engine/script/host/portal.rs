//! Module `bitrix24`: tasks of the head office's portal, with their stages, comments and files.

use std::time::Duration;

use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::outside::LATER;
use super::{
    Action, Args, CallError, Caller, Done, HostFn, Intent, Look, Outside, Param, Right, Shape, Written,
};
use crate::bitrix24::{
    self, Client, FileId, FolderId, GroupId, Means, NewTask, PortalUserId, Priority, Stage, StageId, Status,
    TaskFilter, WriteKey,
};
use crate::clock::Timestamp;
use crate::conversation::{Host, Kept};
use crate::http::Kind;
use crate::store::change::Change;
use crate::store::task::{self, By, Seen, TaskId};
use crate::telegram::html;

const TASK: Param =
    Param { name: "задача", shape: Shape::Int, help: "её номер в Битрикс24" };
const WORDS: Param =
    Param { name: "текст", shape: Shape::Text, help: "слова комментария" };
const STAGE: Param = Param { name: "стадия", shape: Shape::Int, help: "id из bitrix24::stages" };
const DEPARTMENT: Param = Param {
    name: "отдел",
    shape: Shape::Any,
    help: "name отдела, он сам из config::departments() или номер проекта",
};
const NEW: Param = Param {
    name: "задача",
    shape: Shape::Map,
    help: "department, text; можно title, shop (id), group и responsible (номера в Битрикс24, иначе — отдела), priority (\"high\", \"low\"), deadline (миллисекунды), tags, explanation",
};
const FILE: Param =
    Param {
        name: "файл", shape: Shape::Map, help: "то, что вернул ask_files: file_id и name"
    };
const PERSON: Param =
    Param { name: "кто", shape: Shape::Int, help: "id сотрудника на портале" };

/// The longest title the portal keeps, in letters.
const LONGEST_TITLE: usize = 250;
/// A title made of the text is cut to so many letters.
const MADE_TITLE: usize = 80;
/// Tasks asked for at once.
const PORTION: usize = 50;

/// A call that asks.
#[expect(clippy::unnecessary_wraps, reason = "a function may do without: the table's field is optional")]
const fn asks(scope: &'static str, stand_in: fn(&Args) -> Value) -> Option<Outside> {
    Some(Outside { timeout: Duration::from_secs(25), ..calls(scope, stand_in) })
}

/// A call that writes.
#[expect(clippy::unnecessary_wraps, reason = "a function may do without: the table's field is optional")]
const fn writes(scope: &'static str, stand_in: fn(&Args) -> Value) -> Option<Outside> {
    Some(calls(scope, stand_in))
}

const fn calls(scope: &'static str, stand_in: fn(&Args) -> Value) -> Outside {
    Outside {
        service: "bitrix24",
        scope,
        timeout: Duration::from_secs(25),
        fresh: None,
        stand_in,
        done: Done::Plain,
        means,
    }
}

/// The declarations of the module.
#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(super) fn functions() -> Vec<HostFn> {
    vec![
        HostFn {
            module: "bitrix24",
            name: "add_task",
            params: &[NEW],
            options: LATER,
            returns: "карта: id, title, status, stage_id, department",
            help: "Ставит задачу отделу; одну, что бы ни случилось. Она запоминается за партнёром (модуль tasks). С patience переживает и молчание Битрикс24.",
            example: "let task = bitrix24::add_task(#{ department: \"design\", text: \"Поменять вывеску\" });\nchat.say(`Готово, задача №${task.id}.`);",
            right: Right::Partner,
            outside: Some(Outside {
                done: Done::Number {
                    what: "номер задачи",
                    result: |args, number| json!({ "id": number, "title": title(args.any(0)), "department": name_of(&args.any(0)["department"]) }),
                },
                ..calls("task", |args| {
                    json!({ "id": 1, "title": title(args.any(0)), "status": "pending", "stage_id": null,
                            "department": name_of(&args.any(0)["department"]) })
                })
            }),
            action: Action::CheckedWrite {
                look: |host, caller, args, intent| find_task(host, caller, args, intent).boxed(),
                write: |host, caller, args, intent| add_task(host, caller, args, intent).boxed(),
            },
        },
        HostFn {
            module: "bitrix24",
            name: "task",
            params: &[TASK],
            returns: "карта: id, title, description, status, stage_id, stage, department, group, responsible, deadline, … или ()",
            help: "Задача, какой она сейчас на портале; партнёр видит только свои.",
            example: "let task = bitrix24::task(3711);\nif task != () { chat.say(`${task.title}: ${task.stage}`); }",
            right: Right::Partner,
            outside: asks(
                "task",
                |args| json!({ "id": args.int(0), "title": "Задача", "status": "pending", "stage": "Новые" }),
            ),
            action: Action::Read(|host, caller, args| {
                async move {
                    let Some(own) = own_task(host, &caller, args.int(0)).await? else {
                        return Ok(Value::Null);
                    };
                    let client = host.world().portal()?;
                    let Some(found) = client.task(bitrix24::TaskId(own.id.0)).await? else {
                        return Ok(Value::Null);
                    };
                    let stage = stage_title(host, found.group, found.stage).await;
                    Ok(card(&found, stage.as_deref(), Some(&own)))
                }
                .boxed()
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "bitrix24",
            name: "tasks",
            returns: "список карт, как у bitrix24::task, новые впереди; без описаний",
            help: "Все задачи партнёра, какие они сейчас на портале.",
            example: "for task in bitrix24::tasks() { chat.say(`№${task.id} ${task.title} — ${task.stage}`); }",
            right: Right::Partner,
            outside: asks("task", |_| json!([])),
            action: Action::Read(|host, caller, _| tasks(host, caller).boxed()),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "bitrix24",
            name: "stages",
            params: &[DEPARTMENT],
            returns: "карта: items — список #{ id, title, type }, loaded_at, is_stale",
            help: "Стадии доски отдела по порядку. Ответ живёт час; если портал не отвечает — последний известный, is_stale скажет.",
            example: "for stage in bitrix24::stages(\"design\").items { log::info(stage.title); }",
            right: Right::Partner,
            outside: Some(Outside {
                fresh: Some(Duration::from_hours(1)),
                ..calls("task", |_| {
                    json!({ "items": [
                    { "id": 1, "title": "Новые", "type": "NEW" }, { "id": 2, "title": "В работе", "type": "WORK" },
                    { "id": 3, "title": "Готово", "type": "FINISH" },
                ], "loaded_at": null, "is_stale": false })
                })
            }),
            action: Action::Read(|host, _, args| {
                async move {
                    let group = if let Some(group) = args.any(0).as_i64() {
                        group
                    } else {
                        let department = host.world().department(&name_of(args.any(0)))?;
                        department.group.ok_or_else(|| no_project(&department.name))?
                    };
                    let kept = stages(host, GroupId(group)).await?;
                    let items: Vec<Value> = kept.value.iter().map(stage_card).collect();
                    Ok(kept.aged(json!({ "items": items })))
                }
                .boxed()
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "bitrix24",
            name: "move_task",
            params: &[TASK, STAGE],
            returns: "true",
            help: "Переносит свою задачу на другую стадию.",
            example: "bitrix24::move_task(3711, 312);",
            right: Right::Partner,
            outside: writes("task", |_| json!(true)),
            // A card that is in its column already stays there, so a repetition changes nothing.
            action: Action::KeyedWrite(|host, caller, args, _| {
                async move {
                    let own = needed(host, &caller, args.int(0)).await?;
                    let (client, id, stage) =
                        (host.world().portal()?, bitrix24::TaskId(own.id.0), StageId(args.int(1)));
                    client.move_task(id, stage).await?;
                    // A rule may have chosen another project than the department's.
                    let moved = client.task(id).await.unwrap_or_default();
                    let usual = || host.world().department(&own.department).ok()?.group.map(GroupId);
                    let group = moved.and_then(|task| task.group).or_else(usual);
                    let title = stage_title(host, group, Some(stage)).await;
                    let seen =
                        Seen { stage_id: Some(stage.0), stage: title, changed_at: None, ..own.seen.clone() };
                    Ok(Written { value: json!(true), change: Some(seen_by(&caller, &own, seen)) })
                }
                .boxed()
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "bitrix24",
            name: "complete_task",
            params: &[TASK],
            returns: "карта, как у bitrix24::task",
            help: "Завершает свою задачу; завершённая так и остаётся.",
            example: "bitrix24::complete_task(3711);\nchat.say(\"Задача закрыта.\");",
            right: Right::Partner,
            outside: writes("task", |args| json!({ "id": args.int(0), "status": "completed" })),
            // A completed task is completed: the client takes "it is so already" for a success.
            action: Action::KeyedWrite(|host, caller, args, _| {
                async move {
                    let own = needed(host, &caller, args.int(0)).await?;
                    let done = host.world().portal()?.complete_task(bitrix24::TaskId(own.id.0)).await?;
                    let stage = stage_title(host, done.group, done.stage).await;
                    let value = card(&done, stage.as_deref(), Some(&own));
                    Ok(Written { value, change: Some(seen_by(&caller, &own, seen(&done, stage))) })
                }
                .boxed()
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "bitrix24",
            name: "add_comment",
            params: &[TASK, WORDS],
            options: LATER,
            returns: "true",
            help: "Пишет комментарий к своей задаче; один, что бы ни случилось.",
            example: "bitrix24::add_comment(3711, \"Фото вывески приложены\");",
            right: Right::Partner,
            outside: writes("task", |_| json!(true)),
            action: Action::CheckedWrite {
                look: |host, _, args, intent| {
                    async move {
                        let task = bitrix24::TaskId(args.int(0));
                        let found = host.world().portal()?.find_comment(&key(&intent)?, task).await?;
                        Ok(match found {
                            bitrix24::Look::Done(()) => Look::Done(json!(true).into()),
                            bitrix24::Look::NotDone => Look::NotDone,
                            bitrix24::Look::Unknown => Look::Unknown,
                        })
                    }
                    .boxed()
                },
                write: |host, caller, args, intent| {
                    async move {
                        let own = needed(host, &caller, args.int(0)).await?;
                        let (client, words) = (host.world().portal()?, html::plain(&args.html(1)));
                        client.add_comment(&key(&intent)?, bitrix24::TaskId(own.id.0), &words).await?;
                        Ok(json!(true).into())
                    }
                    .boxed()
                },
            },
        },
        HostFn {
            module: "bitrix24",
            name: "comments",
            params: &[TASK],
            returns: "список #{ id, author, text, at }, старые впереди",
            help: "Комментарии своей задачи.",
            example: "for comment in bitrix24::comments(3711) { chat.say(`${comment.author}: ${comment.text}`); }",
            right: Right::Partner,
            outside: asks("task", |_| json!([])),
            action: Action::Read(|host, caller, args| comments(host, caller, args).boxed()),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "bitrix24",
            name: "attach_file",
            params: &[TASK, FILE],
            options: LATER,
            returns: "карта: id файла на Диске",
            help: "Кладёт присланный файл на Диск проекта, в котором стоит задача, и прикрепляет к своей задаче; файл идёт потоком, в памяти целиком не бывает.",
            example: "for file in chat.ask_files(\"Пришлите фото\") { bitrix24::attach_file(3711, file); }",
            right: Right::Partner,
            outside: Some(Outside {
                timeout: Duration::from_mins(3),
                ..calls("disk", |_| json!({ "id": 1 }))
            }),
            // The file bears the write's own name, so one that is there already is found and not put twice.
            action: Action::KeyedWrite(|host, caller, args, intent| {
                attach(host, caller, args, intent).boxed()
            }),
        },
        HostFn {
            module: "bitrix24",
            name: "user",
            params: &[PERSON],
            returns: "карта: id, name, position, is_active или ()",
            help: "Сотрудник головного офиса.",
            example: "let user = bitrix24::user(42);\nif user != () { chat.say(user.name); }",
            right: Right::Partner,
            outside: asks(
                "user",
                |args| json!({ "id": args.int(0), "name": "Сотрудник", "position": null, "is_active": true }),
            ),
            action: Action::Read(|host, _, args| {
                async move {
                    let found = host.world().portal()?.user(PortalUserId(args.int(0))).await?;
                    Ok(found.as_ref().map_or(Value::Null, user_card))
                }
                .boxed()
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "bitrix24",
            name: "users",
            returns: "список карт, как у bitrix24::user",
            help: "Все сотрудники головного офиса; только для офиса.",
            example: "for user in bitrix24::users() { log::info(user.name); }",
            right: Right::Staff,
            outside: asks("user", |_| json!([])),
            action: Action::Read(|host, _, _| {
                async move {
                    let found = host.world().portal()?.employees().await?;
                    Ok(found.iter().map(user_card).collect())
                }
                .boxed()
            }),
            ..HostFn::PLAIN
        },
    ]
}

async fn add_task(host: &Host, caller: Caller, args: Args, intent: Intent) -> Result<Written, CallError> {
    let (asked, key) = (args.any(0), key(&intent)?);
    let department = host.world().department(&name_of(&asked["department"]))?;
    let group = asked["group"].as_i64().or(department.group);
    let responsible = asked["responsible"].as_i64().or(department.responsible);
    let (Some(group), Some(responsible)) = (group, responsible) else {
        return Err(no_project(&department.name));
    };
    let text =
        words(&asked["text"]).ok_or_else(|| CallError::Invalid("в задаче нет поля text".to_owned()))?;
    let new = NewTask {
        title: title(asked),
        description: text,
        group: Some(GroupId(group)),
        responsible: PortalUserId(responsible),
        creator: None,
        deadline: asked["deadline"].as_i64().map(Timestamp),
        priority: match asked["priority"].as_str() {
            Some("high") => Priority::High,
            Some("low") => Priority::Low,
            _ => Priority::Medium,
        },
        tags: asked["tags"].as_array().into_iter().flatten().filter_map(words).collect(),
    };
    let made = host.world().portal()?.add_task(&key, &new).await?;
    Ok(written(&caller, asked, &intent, &made))
}

async fn find_task(host: &Host, caller: Caller, args: Args, intent: Intent) -> Result<Look, CallError> {
    let asked = args.any(0);
    let found = host.world().portal()?.find_by_key(&key(&intent)?, None).await?;
    Ok(match found {
        bitrix24::Look::Done(made) => Look::Done(written(&caller, asked, &intent, &made)),
        bitrix24::Look::NotDone => Look::NotDone,
        bitrix24::Look::Unknown => Look::Unknown,
    })
}

/// What a script is given of a task that was made, and our own row of it.
fn written(caller: &Caller, asked: &Value, intent: &Intent, made: &bitrix24::Task) -> Written {
    let department = name_of(&asked["department"]);
    let value = json!({
        "id": made.id, "title": made.title, "status": status(made.status), "stage_id": made.stage,
        "department": department,
    });
    metrics::counter!("tasks_created_total", "department" => department.clone()).increment(1);
    let change = Change::AddTask(task::New {
        id: TaskId(made.id.0),
        user: caller.user,
        chat: caller.chat,
        salon: asked["shop"].as_i64(),
        department,
        title: made.title.clone(),
        key: intent.key.clone(),
        explanation: asked["explanation"].clone().into(),
        seen: seen(made, None),
    });
    Written { value, change: Some(change) }
}

async fn tasks(host: &Host, caller: Caller) -> Result<Value, CallError> {
    let own = host.store().tasks_of(caller.user).await?;
    let client = host.world().portal()?;
    let mut cards = Vec::with_capacity(own.len());
    for portion in own.chunks(PORTION) {
        let ids = portion.iter().map(|task| bitrix24::TaskId(task.id.0)).collect();
        let found = client.tasks(&TaskFilter { ids, ..TaskFilter::default() }).await?;
        for own in portion {
            // One that was deleted on the portal is not shown.
            let Some(task) = found.iter().find(|task| task.id.0 == own.id.0) else { continue };
            let stage = stage_title(host, task.group, task.stage).await;
            cards.push(card(task, stage.as_deref(), Some(own)));
        }
    }
    Ok(cards.into())
}

async fn comments(host: &Host, caller: Caller, args: Args) -> Result<Value, CallError> {
    let own = needed(host, &caller, args.int(0)).await?;
    let client = host.world().portal()?;
    let comments = client.comments(bitrix24::TaskId(own.id.0)).await?;
    let mut authors: Vec<PortalUserId> = comments.iter().filter_map(|comment| comment.author).collect();
    authors.sort_unstable();
    authors.dedup();
    // Names are a nicety: without the right to see people the words are still worth reading.
    let people = client.users(&authors).await.unwrap_or_default();
    let name = |author: Option<PortalUserId>| {
        let found = people.iter().find(|user| Some(user.id) == author);
        found.map_or_else(|| "Битрикс24".to_owned(), |user| format!("{} {}", user.name, user.last_name))
    };
    let shown = comments.iter().map(|comment| {
        json!({ "id": comment.id, "author": name(comment.author), "text": comment.text, "at": comment.posted_at })
    });
    Ok(shown.collect())
}

async fn attach(host: &Host, caller: Caller, args: Args, intent: Intent) -> Result<Written, CallError> {
    let own = needed(host, &caller, args.int(0)).await?;
    let (world, file) = (host.world(), args.any(1));
    let client = world.portal()?;
    let file_id =
        file["file_id"].as_str().ok_or_else(|| CallError::Invalid("у файла нет поля file_id".to_owned()))?;
    let telegram = world.telegram.as_ref().ok_or_else(|| CallError::not_configured("telegram"))?;
    let source = telegram.file(file_id).await?;
    let folder = folder_of(host, &own).await?;
    let name = format!("{} {}", intent.key, file["name"].as_str().unwrap_or("файл"));
    let open = || source.open();
    let content = bitrix24::Content::Stream { size_bytes: source.size_bytes, open: &open };
    let FileId(id) = client.upload(folder, &name, content).await?;
    client.attach(bitrix24::TaskId(own.id.0), FileId(id)).await?;
    Ok(json!({ "id": id }).into())
}

/// Where the files of a task are put: on the disk of the project it is in, which a rule may have chosen, or the office since;
/// on the department's when that project has none, or none for us to see.
async fn folder_of(host: &Host, own: &task::Task) -> Result<FolderId, CallError> {
    let client = host.world().portal()?;
    let task = client.task(bitrix24::TaskId(own.id.0)).await?.ok_or_else(|| no_task(own.id.0))?;
    let department = host.world().department(&own.department)?.group.map(GroupId);
    let mut groups: Vec<GroupId> = [task.group, department].into_iter().flatten().collect();
    groups.dedup();
    if groups.is_empty() {
        return Err(no_project(&own.department));
    }
    for group in groups {
        if let Some(storage) = client.storage(group).await? {
            return Ok(storage.folder);
        }
    }
    Err(CallError::Invalid(format!(
        "ни у проекта задачи №{}, ни у отдела «{}» нет Диска",
        own.id.0, own.department
    )))
}

/// The portal does not know a task of ours any more.
fn no_task(id: i64) -> CallError {
    CallError::Failed {
        kind: Kind::NotFound,
        service: "bitrix24",
        message: format!("задачи №{id} на портале больше нет"),
        retry_after: None,
    }
}

/// A column of a board, as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Column {
    id: StageId,
    title: String,
    kind: Option<String>,
}

impl From<Stage> for Column {
    fn from(stage: Stage) -> Column {
        Column { id: stage.id, title: stage.title, kind: stage.system_type }
    }
}

/// The stages of a project, from the cache for as long as it is good.
async fn stages(host: &Host, group: GroupId) -> Result<Kept<Vec<Column>>, CallError> {
    let client = host.world().portal()?;
    let load = async {
        let board = client.stages(group).await?;
        Ok::<_, bitrix24::Error>(board.into_iter().map(Column::from).collect::<Vec<_>>())
    };
    host.cached(&host.cache().queries().stages, &group.to_string(), load).await
}

/// What stands above the column a task is in; none when the board is not to be seen now.
pub async fn stage_title(host: &Host, group: Option<GroupId>, stage: Option<StageId>) -> Option<String> {
    let board = stages(host, group?).await.ok()?.value;
    // A card that was never moved is in the first column.
    let found = match stage {
        Some(stage) => board.iter().find(|known| known.id == stage),
        None => board.first(),
    };
    found.map(|stage| stage.title.clone())
}

/// What a task is like, for our row of it.
pub fn seen(task: &bitrix24::Task, stage: Option<String>) -> Seen {
    Seen {
        stage_id: task.stage.map(|stage| stage.0),
        stage,
        status: Some(status_code(task.status)),
        comments: None,
        changed_at: task.changed_at,
        words: None,
    }
}

fn seen_by(caller: &Caller, own: &task::Task, seen: Seen) -> Change {
    let by = if own.user == caller.user { By::Owner } else { By::Others };
    Change::SeeTask { task: own.id, seen, by }
}

/// The caller's own task; the office sees all. `None`: there is none, or it is somebody else's.
async fn own_task(host: &Host, caller: &Caller, id: i64) -> Result<Option<task::Task>, CallError> {
    let found = host.store().task(TaskId(id)).await?;
    Ok(found.filter(|task| caller.is_staff || task.user == caller.user))
}

async fn needed(host: &Host, caller: &Caller, id: i64) -> Result<task::Task, CallError> {
    own_task(host, caller, id).await?.ok_or_else(|| CallError::Failed {
        kind: Kind::NotFound,
        service: "host",
        message: format!("задачи №{id} среди ваших нет"),
        retry_after: None,
    })
}

fn key(intent: &Intent) -> Result<WriteKey, CallError> {
    let means: Means = serde_json::from_value(intent.means.clone()).unwrap_or(Means::Marked);
    WriteKey::new(intent.key.clone(), means, intent.since)
        .map(|key| key.gone_by(intent.gone_by))
        .ok_or_else(|| CallError::Invalid(format!("ключ {} не годится для портала", intent.key)))
}

/// How the portal keeps a write begun now from being done twice.
pub fn means(host: &Host) -> Value {
    host.world().bitrix24.as_ref().map_or(Value::Null, |client: &Client| json!(client.means()))
}

fn no_project(department: &str) -> CallError {
    let name = department.to_ascii_uppercase();
    CallError::NotSetUp {
        service: "bitrix24",
        message: format!(
            "у отдела «{department}» нет проекта: задайте BITRIX_GROUP_ID_{name} и BITRIX_RESPONSIBLE_{name}"
        ),
    }
}

/// A department's name, whether a script gave it or the whole card.
fn name_of(department: &Value) -> String {
    let name = department.as_str().or_else(|| department["name"].as_str());
    name.unwrap_or_default().to_owned()
}

fn words(text: &Value) -> Option<String> {
    let text = html::plain(&crate::script::value::html_of(text));
    Some(text.trim().to_owned()).filter(|text| !text.is_empty() && text != "null")
}

/// The title that was given, or the first line of the text.
fn title(asked: &Value) -> String {
    if let Some(given) = words(&asked["title"]) {
        return given.chars().take(LONGEST_TITLE).collect();
    }
    let text = words(&asked["text"]).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= MADE_TITLE {
        return line.to_owned();
    }
    line.chars().take(MADE_TITLE - 1).chain(['…']).collect()
}

fn card(task: &bitrix24::Task, stage: Option<&str>, own: Option<&task::Task>) -> Value {
    json!({
        "id": task.id, "title": task.title, "description": task.description,
        "status": status(task.status), "stage_id": task.stage, "stage": stage,
        "department": own.map(|own| own.department.as_str()), "shop": own.and_then(|own| own.salon),
        "group": task.group, "responsible": task.responsible, "deadline": task.deadline,
        "created_at": task.created_at, "changed_at": task.changed_at, "closed_at": task.closed_at,
    })
}

fn stage_card(stage: &Column) -> Value {
    json!({ "id": stage.id, "title": stage.title, "label": stage.title, "type": stage.kind })
}

fn user_card(user: &bitrix24::User) -> Value {
    let name = format!("{} {}", user.name, user.last_name);
    json!({ "id": user.id, "name": name.trim(), "position": user.position, "is_active": user.is_active })
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Pending => "pending",
        Status::InProgress => "in_progress",
        Status::AwaitingControl => "awaiting_control",
        Status::Completed => "completed",
        Status::Deferred => "deferred",
        Status::Declined => "declined",
    }
}

/// The portal's own code.
fn status_code(status: Status) -> i64 {
    match status {
        Status::Pending => 2,
        Status::InProgress => 3,
        Status::AwaitingControl => 4,
        Status::Completed => task::COMPLETED,
        Status::Deferred => 6,
        Status::Declined => 7,
    }
}
