//! Modules `partner` and `requests`: the people of the network, and what they ask of the office.

use futures::FutureExt as _;
use serde_json::{Value, json};

use super::{Action, Args, CallError, Caller, HostFn, Param, Right, Shape};
use crate::conversation::Host;
use crate::store::change::Change;
use crate::store::notification::Notification;
use crate::store::partner::{Partner, Profile, Role, Salon};
use crate::store::request::{Asks, Decision, Request, RequestId, Submission};
use crate::telegram::UserId;

const REQUEST: Param = Param { name: "заявка", shape: Shape::Int, help: "номер заявки" };

/// The declarations of the modules.
#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(super) fn functions() -> Vec<HostFn> {
    vec![
        HostFn {
            module: "partner",
            name: "current",
            returns: "карта: status, name, phone, role, position, shops, … — на этот момент",
            help: "Свежие данные о собеседнике; partner в start — какими они были в начале.",
            action: Action::Read(|host, caller, _| {
                async move { Ok(partner_card(&caller, host.store().partner(caller.user).await?.as_ref())) }
                    .boxed()
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "partner",
            name: "notifications",
            returns: "карта имя → true или false: task_moved, task_commented, task_completed, weekly_report, reminders",
            help: "О чём собеседник хочет узнавать; пока не выбирал — обо всём.",
            example: "if partner::notifications().weekly_report { chat.say(\"Вот цифры за неделю\"); }",
            action: Action::Read(|host, caller, _| {
                async move {
                    let off = host.store().switched_off(caller.user).await?;
                    let switches =
                        Notification::ALL.map(|name| (name.as_str().to_owned(), json!(!off.contains(&name))));
                    Ok(Value::Object(switches.into_iter().collect()))
                }
                .boxed()
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "partner",
            name: "set_notification",
            params: &[
                Param {
                    name: "имя", shape: Shape::Text, help: "одно из имён partner::notifications"
                },
                Param { name: "нужно", shape: Shape::Bool, help: "true — сообщать" },
            ],
            help: "Включает или выключает уведомление собеседника.",
            example: "partner::set_notification(\"weekly_report\", false);",
            right: Right::Partner,
            action: Action::LocalWrite(|_, caller, args| {
                let name = args.str(0);
                let known = Notification::ALL.into_iter().find(|known| known.as_str() == name);
                let notification = known.ok_or_else(|| {
                    let names = Notification::ALL.map(Notification::as_str).join(", ");
                    CallError::Invalid(format!("нет уведомления «{name}»; есть {names}"))
                })?;
                let is_on = args.any(1).as_bool().unwrap_or(true);
                Ok(Change::Notify { user: caller.user, notification, is_on })
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "partners",
            name: "get",
            params: &[Param { name: "кто", shape: Shape::Int, help: "id человека в Telegram" }],
            returns: "карта, как у partner::current, или ()",
            help: "Данные о другом человеке; только для офиса.",
            right: Right::Staff,
            action: Action::Read(|host, _, args| {
                async move {
                    let found = host.store().partner(UserId(args.int(0))).await?;
                    Ok(found.as_ref().map_or(Value::Null, card))
                }
                .boxed()
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "requests",
            name: "submit",
            params: &[Param {
                name: "анкета",
                shape: Shape::Map,
                help: "name, phone, role (owner или employee), position, shops",
            }],
            returns: "#{ id } и already: true, если заявка уже ждёт",
            help: "Отправляет заявку на регистрацию; в чат офиса уходит событие request.submitted.",
            action: Action::LocalWrite(submit),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "requests",
            name: "add_shops",
            params: &[Param {
                name: "барбершопы", shape: Shape::List, help: "каждый — словами человека"
            }],
            returns: "#{ id } и already: true, если заявка уже ждёт",
            help: "Партнёр просит привязать ещё барбершопы; ждёт не больше одной заявки. В чат офиса уходит событие request.submitted.",
            example: "let request = requests::add_shops([\"Казань, ТЦ Кольцо\"]);\nchat.say(`Заявка №${request.id} отправлена.`);",
            right: Right::Partner,
            action: Action::LocalWrite(add_shops),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "requests",
            name: "mine",
            returns: "карта последней заявки или ()",
            help: "Последняя заявка собеседника.",
            action: Action::Read(|host, caller, _| {
                async move {
                    let found = host.store().latest_request(caller.user).await?;
                    Ok(found.as_ref().map_or(Value::Null, request_card))
                }
                .boxed()
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "requests",
            name: "get",
            params: &[REQUEST],
            returns: "карта: id, kind (registration или add_salon), status, user, name, phone, shops, reason, decided_by, … или ()",
            help: "Заявка по номеру; чужие видит только офис.",
            action: Action::Read(|host, caller, args| {
                async move {
                    let found = host.store().request(RequestId(args.int(0))).await?;
                    let seen = found.filter(|request| caller.is_staff || request.user == caller.user);
                    Ok(seen.as_ref().map_or(Value::Null, request_card))
                }
                .boxed()
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "requests",
            name: "approve",
            params: &[REQUEST],
            options: &[Param {
                name: "shops",
                shape: Shape::List,
                help: "барбершопы, которые станут его: карты из shops::find или shops::suggest",
            }],
            returns: "#{ done: true } или #{ done: false, decision, by }: другой успел раньше",
            help: "Одобряет заявку и привязывает барбершопы, всё разом; только для офиса. Человеку уходит событие request.approved.",
            example: "let answer = requests::approve(1, #{ shops: shops::find(\"казань кольцо\") });\nif !answer.done { chat.say(`Уже решено: ${answer.by}`); }",
            right: Right::Staff,
            action: Action::LocalWrite(|_, caller, args| {
                Ok(decide(caller, args, Decision::Approve { salons: salons(args)? }))
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "requests",
            name: "reject",
            params: &[
                REQUEST,
                Param {
                    name: "причина", shape: Shape::Text, help: "её увидит человек"
                },
            ],
            returns: "как у approve",
            help: "Отклоняет заявку; только для офиса. Человеку уходит событие request.rejected.",
            right: Right::Staff,
            action: Action::LocalWrite(|_, caller, args| {
                let reason = crate::telegram::html::plain(&args.html(1));
                Ok(decide(caller, args, Decision::Reject { reason }))
            }),
            ..HostFn::PLAIN
        },
    ]
}

fn submit(host: &Host, caller: &Caller, args: &Args) -> Result<Change, CallError> {
    let form = args.any(0);
    let field =
        |name: &str| form.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let needed = |name: &str| {
        field(name).map(str::to_owned).ok_or_else(|| CallError::Invalid(format!("в анкете нет поля {name}")))
    };
    let role = match field("role") {
        None => None,
        Some("owner") => Some(Role::Owner),
        Some("employee") => Some(Role::Employee),
        Some(other) => {
            return Err(CallError::Invalid(format!("role бывает owner и employee, а не «{other}»")));
        }
    };
    let profile = Profile {
        name: needed("name")?,
        phone: needed("phone")?,
        username: caller.username.as_deref().map(str::to_owned),
        role,
        position: field("position").map(str::to_owned),
    };
    let asks = Asks::Registration { form: form.clone().into(), profile };
    Ok(Change::Submit(Submission { asks, user: caller.user, chat: caller.chat, staff: host.staff_chat() }))
}

fn add_shops(host: &Host, caller: &Caller, args: &Args) -> Result<Change, CallError> {
    let words =
        args.list(0).iter().map(|words| words.as_str().map(str::trim).filter(|words| !words.is_empty()));
    let shops: Option<Vec<String>> = words.map(|words| words.map(str::to_owned)).collect();
    let shops = shops
        .filter(|shops| !shops.is_empty())
        .ok_or_else(|| CallError::Invalid("барбершопы — список слов, хотя бы один".to_owned()))?;
    let asks = Asks::AddSalon { shops };
    Ok(Change::Submit(Submission { asks, user: caller.user, chat: caller.chat, staff: host.staff_chat() }))
}

/// The barbershops chosen with an approval, as the search gave them: the decision depends on no service.
fn salons(args: &Args) -> Result<Vec<Salon>, CallError> {
    let wrong = || CallError::Invalid("shops — список карт #{ id, label, city }".to_owned());
    let chosen = args.option("shops").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let salon = |card: &Value| {
        let text = |key: &str| card.get(key).and_then(Value::as_str).map(str::to_owned);
        let (id, title) = (card.get("id")?.as_i64()?, text("label")?);
        Some(Salon { id, title, city: text("city"), address: text("address") })
    };
    chosen.iter().map(|card| salon(card).ok_or_else(wrong)).collect()
}

fn decide(caller: &Caller, args: &Args, decision: Decision) -> Change {
    Change::Decide {
        request: RequestId(args.int(0)),
        decision,
        by: caller.user,
        by_name: caller.name.to_string(),
    }
}

/// What a flow sees of the person it talks with; somebody unknown is a guest.
pub fn partner_card(caller: &Caller, partner: Option<&Partner>) -> Value {
    match partner {
        Some(partner) => card(partner),
        None => json!({ "id": caller.user, "status": "guest", "name": caller.name.to_string(), "shops": [] }),
    }
}

fn card(partner: &Partner) -> Value {
    let salon = |salon: &Salon| json!({ "id": salon.id, "label": salon.title, "city": salon.city });
    json!({
        "id": partner.user, "status": partner.status.as_str(), "name": partner.profile.name, "phone": partner.profile.phone,
        "username": partner.profile.username, "role": partner.profile.role.map(Role::as_str),
        "position": partner.profile.position, "reason": partner.reason,
        "shops": partner.salons.iter().map(salon).collect::<Vec<_>>(),
        "registered_at": partner.created_at, "verified_at": partner.verified_at,
    })
}

fn request_card(request: &Request) -> Value {
    let mut card: Value = request.body.read().unwrap_or_else(|_| json!({}));
    card["id"] = json!(request.id);
    card["kind"] = json!(request.kind.as_str());
    card["user"] = json!(request.user);
    card["status"] = json!(request.status.as_str());
    card["reason"] = json!(request.reason);
    card["decided_by"] = json!(request.decided_by_name);
    card["decided_at"] = json!(request.decided_at);
    card["created_at"] = json!(request.created_at);
    card
}
