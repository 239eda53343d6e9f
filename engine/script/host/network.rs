//! Modules `yclients`, `shops`, `tasks` and `config`: the barbershops with their numbers, our own table of tasks,
//! and what the settings say of the head office.

use std::time::Duration;

use chrono::NaiveDate;
use futures::FutureExt as _;
use serde_json::{Value, json};

use super::{Action, Args, CallError, Caller, Done, HostFn, Outside, Param, Right, Shape};
use crate::conversation::{Host, Kept};
use crate::http::{NotSent, Priority};
use crate::store::partner::Salon as Own;
use crate::store::task::{Task, TaskId};
use crate::text::folded;
use crate::yclients::{self, CompanyId, Overall, Period, Salon, suggest};

const SHOP: Param = Param { name: "барбершоп", shape: Shape::Int, help: "его id" };
const FROM: Param =
    Param { name: "с", shape: Shape::Text, help: "первый день, ГГГГ-ММ-ДД" };
const TO: Param =
    Param { name: "по", shape: Shape::Text, help: "последний день, ГГГГ-ММ-ДД" };
const QUERY: Param =
    Param {
        name: "слова", shape: Shape::Text, help: "город, улица, торговый центр — в любом порядке"
    };
const TASK: Param =
    Param { name: "задача", shape: Shape::Int, help: "её номер в Битрикс24" };
const KEY: Param = Param {
    name: "ключ", shape: Shape::Text, help: "ключ записи, которая создала задачу"
};

const WORDS: Param = Param {
    name: "слова", shape: Shape::Text, help: "как человек назвал барбершоп"
};

/// The most barbershops a search brings.
const FOUND: usize = 50;
/// The most barbershops that are proposed for somebody's words.
const SUGGESTED: usize = 6;

#[expect(clippy::unnecessary_wraps, reason = "a function may do without: the table's field is optional")]
const fn asks(minutes: u64, stand_in: fn(&Args) -> Value) -> Option<Outside> {
    Some(Outside {
        service: "yclients",
        scope: "",
        timeout: Duration::from_secs(25),
        fresh: Some(Duration::from_mins(minutes)),
        stand_in,
        done: Done::Plain,
        means: |_| Value::Null,
    })
}

/// The declarations of the modules.
#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(super) fn functions() -> Vec<HostFn> {
    vec![
        HostFn {
            module: "yclients",
            name: "salons",
            returns: "карта: items — список #{ id, label, city, address }, loaded_at, is_stale",
            help: "Барбершопы сети: офису — все, партнёру — только свои. Ответ живёт 15 минут; если сервис не отвечает — последний известный.",
            example: "for shop in yclients::salons().items { log::info(shop.label); }",
            right: Right::Partner,
            outside: asks(15, |_| json!({ "items": [], "loaded_at": null, "is_stale": false })),
            action: Action::Read(|host, caller, _| {
                async move {
                    let kept = salons(host).await?;
                    let own = own(host, &caller).await?;
                    let shown = kept
                        .value
                        .iter()
                        .filter(|salon| caller.is_staff || own.iter().any(|own| own.id == salon.id.0));
                    Ok(kept.aged(json!({ "items": shown.map(card).collect::<Vec<_>>() })))
                }
                .boxed()
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "yclients",
            name: "statistics",
            params: &[SHOP, FROM, TO],
            returns: "карта: income, records, clients, fullness с current, previous, percent; деньги в копейках; loaded_at, is_stale",
            help: "Показатели барбершопа за дни; партнёр видит только свои. Ответ живёт 5 минут; если сервис не отвечает или за 3 с не успел — последний известный, is_stale скажет; нет и его — через 10 с ошибка limit, а бот спросит дальше сам.",
            example: "let numbers = yclients::statistics(partner.shops[0].id, \"2026-11-01\", \"2026-11-13\");\nchat.say(`Выручка ${fmt::money(numbers.income.total.current)}`);",
            right: Right::Partner,
            outside: asks(5, |args| {
                let change = |current: i64| json!({ "current": current, "previous": null, "percent": null });
                json!({
                    "company": args.int(0),
                    "income": { "total": change(25_000_000), "services": change(20_000_000), "goods": change(5_000_000),
                                "average": change(150_000), "average_services": change(120_000) },
                    "records": { "completed": { "count": 160, "percent": 80 }, "pending": { "count": 10, "percent": 5 },
                                 "canceled": { "count": 30, "percent": 15 }, "total": change(200) },
                    "clients": { "total": 3000, "new": { "count": 40, "percent": 25 },
                                 "returned": { "count": 120, "percent": 75 }, "active": 160,
                                 "lost": { "count": 900, "percent": 30 } },
                    "fullness": { "current": 71.5, "previous": null, "percent": null },
                    "currency": "₽", "loaded_at": null, "is_stale": false,
                })
            }),
            action: Action::Read(|host, caller, args| statistics(host, caller, args).boxed()),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "shops",
            name: "mine",
            returns: "список #{ id, label, city }",
            help: "Барбершопы собеседника, по названию.",
            example: "for shop in shops::mine() { chat.say(shop.label); }",
            action: Action::Read(|host, caller, _| {
                async move { Ok(own(host, &caller).await?.iter().map(own_card).collect()) }.boxed()
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "shops",
            name: "find",
            params: &[QUERY],
            returns: "список #{ id, label, city, address }, не больше 50",
            help: "Ищет барбершопы сети: все слова должны найтись в названии, городе или адресе.",
            example: "let found = shops::find(\"казань кольцо\");\nif found.len() > 0 { chat.say(found[0].label); }",
            outside: asks(15, |_| json!([])),
            action: Action::Read(|host, _, args| {
                async move {
                    let kept = salons(host).await?;
                    let query = folded(args.str(0));
                    let words: Vec<&str> = query.split_whitespace().collect();
                    let found = kept.value.iter().filter(|salon| {
                        let text = salon.searched();
                        words.iter().all(|word| text.contains(word))
                    });
                    Ok(found.take(FOUND).map(card).collect())
                }
                .boxed()
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "shops",
            name: "suggest",
            params: &[WORDS],
            returns: "список #{ id, label, city, address }, самые похожие впереди, не больше 6",
            help: "Подбирает барбершопы сети по тому, как человек назвал свой: совпасть могут не все слова. Только для офиса.",
            example: "for shop in shops::suggest(\"Казань, ТЦ Кольцо\") { chat.say(shop.label); }",
            right: Right::Staff,
            outside: asks(15, |_| json!([])),
            action: Action::Read(|host, _, args| {
                async move {
                    let kept = salons(host).await?;
                    let towns = host.store().towns().await?;
                    Ok(suggest(&kept.value, &towns, args.str(0), SUGGESTED).into_iter().map(card).collect())
                }
                .boxed()
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "shops",
            name: "get",
            params: &[SHOP],
            returns: "карта: id, label, city, address или ()",
            help: "Барбершоп сети по его id.",
            example: "let shop = shops::get(4564);\nif shop != () { chat.say(shop.label); }",
            outside: asks(
                15,
                |args| json!({ "id": args.int(0), "label": "BORODACH", "city": null, "address": null }),
            ),
            action: Action::Read(|host, _, args| {
                async move {
                    let kept = salons(host).await?;
                    let found = kept.value.iter().find(|salon| salon.id.0 == args.int(0));
                    Ok(found.map_or(Value::Null, card))
                }
                .boxed()
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "tasks",
            name: "mine",
            returns: "список карт, как у tasks::get; новые впереди",
            help: "Задачи собеседника по нашей записи: без обращения к порталу, работает и когда он лежит.",
            example: "for task in tasks::mine() { chat.say(`№${task.id} ${task.title}`); }",
            action: Action::Read(|host, caller, _| {
                async move {
                    let found = host.store().tasks_of(caller.user).await?;
                    Ok(found.iter().map(task_card).collect())
                }
                .boxed()
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "tasks",
            name: "get",
            params: &[TASK],
            returns: "карта: id, title, department, shop, stage, status, explanation, created_at, … или ()",
            help: "Задача по нашей записи; партнёр видит только свои.",
            example: "let task = tasks::get(3711);\nif task != () { chat.say(task.title); }",
            action: Action::Read(|host, caller, args| {
                async move {
                    let found = host.store().task(TaskId(args.int(0))).await?;
                    Ok(seen(&caller, found.as_ref()))
                }
                .boxed()
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "tasks",
            name: "by_key",
            params: &[KEY],
            returns: "карта, как у tasks::get, или ()",
            help: "Задача по ключу записи, которая её создала; партнёр видит только свои.",
            example: "let task = tasks::by_key(\"1a2b3c4d-7-0-5\");\nif task != () { chat.say(task.title); }",
            action: Action::Read(|host, caller, args| {
                async move {
                    let found = host.store().task_by_key(args.str(0)).await?;
                    Ok(seen(&caller, found.as_ref()))
                }
                .boxed()
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "config",
            name: "departments",
            returns: "список #{ name, label, group, responsible, is_ready }",
            help: "Отделы головного офиса из config.yaml; is_ready — проект и ответственный заданы.",
            example: "let department = chat.ask_choice(\"Какому отделу задача?\", config::departments());\nchat.say(department.name);",
            action: Action::Read(|host, _, _| {
                async move {
                    let shown = host.world().departments.iter().map(|department| {
                        json!({
                            "name": department.name, "label": department.title, "group": department.group,
                            "responsible": department.responsible,
                            "is_ready": department.group.is_some() && department.responsible.is_some(),
                        })
                    });
                    Ok(shown.collect())
                }
                .boxed()
            }),
            ..HostFn::PLAIN
        },
    ]
}

async fn statistics(host: &Host, caller: Caller, args: Args) -> Result<Value, CallError> {
    let id = args.int(0);
    if !caller.is_staff && !own(host, &caller).await?.iter().any(|own| own.id == id) {
        return Err(CallError::Denied("это не ваш барбершоп".to_owned()));
    }
    let day = |index: usize| -> Result<NaiveDate, CallError> {
        let text = args.str(index);
        text.parse().map_err(|_| CallError::Invalid(format!("день пишется ГГГГ-ММ-ДД, а не «{text}»")))
    };
    let (from, to) = (day(1)?, day(2)?);
    let period = Period::new(from, to)
        .ok_or_else(|| CallError::Invalid(format!("{from} позже, чем {to}: поменяйте дни местами")))?;
    let client = host.world().barbershops()?.clone();
    let key = format!("{id}:{from}:{to}");
    let waits = caller.waits_since.is_some();
    let load = async move {
        match client.overall(CompanyId(id), period).await {
            // The person has left with a promise by now: it goes on behind those who still wait.
            Err(yclients::Error::NotSent(NotSent::Deadline)) if waits => {
                client.at(Priority::Report).overall(CompanyId(id), period).await
            }
            answer => answer,
        }
    };
    let query = &host.cache().queries().statistics;
    let kept: Kept<Overall> = Box::pin(host.cached_in_time(&caller, query, &key, load)).await?;
    let card = serde_json::to_value(&kept.value).map_err(|error| CallError::Invalid(error.to_string()))?;
    Ok(kept.aged(card))
}

/// The salons of the network, from the cache for as long as it is good.
async fn salons(host: &Host) -> Result<Kept<Vec<Salon>>, CallError> {
    let client = host.world().barbershops()?;
    let load = async { client.salons().await };
    host.cached(&host.cache().queries().salons, "all", load).await
}

/// The caller's own barbershops.
pub(super) async fn own(host: &Host, caller: &Caller) -> Result<Vec<Own>, CallError> {
    Ok(host.store().partner(caller.user).await?.map_or_else(Vec::new, |partner| partner.salons))
}

fn card(salon: &Salon) -> Value {
    json!({ "id": salon.id, "label": salon.title, "city": salon.city, "address": salon.address })
}

fn own_card(salon: &Own) -> Value {
    json!({ "id": salon.id, "label": salon.title, "city": salon.city })
}

fn seen(caller: &Caller, task: Option<&Task>) -> Value {
    task.filter(|task| caller.is_staff || task.user == caller.user).map_or(Value::Null, task_card)
}

fn task_card(task: &Task) -> Value {
    let status = match task.seen.status {
        Some(3) => "in_progress",
        Some(4) => "awaiting_control",
        Some(5) => "completed",
        Some(6) => "deferred",
        Some(7) => "declined",
        _ => "pending",
    };
    json!({
        "id": task.id, "title": task.title, "department": task.department, "shop": task.salon, "key": task.key,
        "stage_id": task.seen.stage_id, "stage": task.seen.stage, "status": status, "comments": task.seen.comments,
        "explanation": task.explanation.read::<Value>().unwrap_or_default(),
        "changed_at": task.seen.changed_at, "seen_at": task.seen_at, "created_at": task.created_at,
    })
}
