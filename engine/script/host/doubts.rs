//! Module `doubts`: writes to other services of which nobody knows whether they were done.

use futures::FutureExt as _;
use serde_json::{Value, json};

use super::{Action, Args, CallError, Caller, HostFn, Param, Right, Shape};
use crate::conversation::Host;
use crate::store::change::Change;
use crate::store::doubt::{Decision, Doubt, DoubtId};

const DOUBT: Param =
    Param { name: "вопрос", shape: Shape::Int, help: "номер из события write.in_doubt" };

/// The declarations of the module.
pub(super) fn functions() -> Vec<HostFn> {
    vec![
        HostFn {
            module: "doubts",
            name: "get",
            params: &[DOUBT],
            returns: "карта: id, name, request, wants, number, person, opened_at, decision, by или ()",
            help: "Запись во внешний сервис, о которой неизвестно, дошла ли она.",
            example: "let doubt = doubts::get(args.doubt);\nchat.say(`Случай ${doubt.number}: ${doubt.name}`);",
            right: Right::Staff,
            action: Action::Read(|host, _, args| {
                async move {
                    let found = host.store().doubt(DoubtId(args.int(0))).await?;
                    Ok(found.as_ref().map_or(Value::Null, card))
                }
                .boxed()
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "doubts",
            name: "decide",
            params: &[
                DOUBT,
                Param {
                    name: "решение",
                    shape: Shape::Text,
                    help: "\"done\" — уже сделано, \"again\" — сделать ещё раз, \"give_up\" — не делать",
                },
            ],
            options: &[Param {
                name: "result",
                shape: Shape::Int,
                help: "номер того, что сделано, если поле wants его просит",
            }],
            returns: "#{ done: true } или #{ done: false, decision, by }: другой успел раньше",
            help: "Решает, что стало с такой записью; разговор партнёра продолжается с этого места.",
            example: "let answer = doubts::decide(args[0], \"done\", #{ result: 3711 });\nif !answer.done { chat.say(`Уже решено: ${answer.by}`); }",
            right: Right::Staff,
            action: Action::LocalWrite(decide),
            ..HostFn::PLAIN
        },
    ]
}

fn decide(_: &Host, caller: &Caller, args: &Args) -> Result<Change, CallError> {
    let decision = match args.str(1) {
        "done" => Decision::Done { number: args.option("result").and_then(Value::as_i64) },
        "again" => Decision::Again,
        "give_up" => Decision::GiveUp,
        other => {
            let words = format!("решение бывает done, again и give_up, а не «{other}»");
            return Err(CallError::Invalid(words));
        }
    };
    let (by, by_name) = (caller.user, caller.name.to_string());
    Ok(Change::Resolve { doubt: DoubtId(args.int(0)), decision, by, by_name })
}

fn card(doubt: &Doubt) -> Value {
    json!({
        "id": doubt.id, "name": doubt.name, "wants": doubt.wants, "number": doubt.number,
        "request": doubt.request.read::<Value>().unwrap_or_default(), "person": doubt.person,
        "opened_at": doubt.opened_at, "decision": doubt.decision, "by": doubt.decided_by,
    })
}
