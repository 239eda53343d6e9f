//! Modules `partner` and `requests`: the people of the network, and what they ask of the office.

use futures::FutureExt as _;
use serde_json::{Value, json};

use super::{Action, Args, CallError, Caller, HostFn, Param, Right, Shape};
use crate::conversation::Host;
use crate::store::change::Change;
use crate::store::partner::{Partner, Profile, Role, Salon};
use crate::store::request::{Decision, Kind, Request, RequestId, Submission};
use crate::telegram::UserId;

const REQUEST: Param = Param { name: "заявка", shape: Shape::Int, help: "номер заявки" };

/// The declarations of the modules.
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
            returns: "карта: id, status, name, phone, shops, reason, decided_by, … или ()",
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
            returns: "#{ done: true } или #{ done: false, decision, by }: другой успел раньше",
            help: "Одобряет заявку; только для офиса. Человеку уходит событие request.approved.",
            right: Right::Staff,
            action: Action::LocalWrite(|_, caller, args| Ok(decide(caller, args, Decision::Approve))),
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
    Ok(Change::Submit(Submission {
        kind: Kind::Registration,
        user: caller.user,
        chat: caller.chat,
        body: form.clone().into(),
        profile,
        staff: host.staff_chat(),
    }))
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
    card["user"] = json!(request.user);
    card["status"] = json!(request.status.as_str());
    card["reason"] = json!(request.reason);
    card["decided_by"] = json!(request.decided_by_name);
    card["decided_at"] = json!(request.decided_at);
    card["created_at"] = json!(request.created_at);
    card
}
