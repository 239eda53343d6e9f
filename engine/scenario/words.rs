//! The words of scenarios: each is one function of the engine that reads them.

use std::sync::Arc;

use rhai::{Dynamic, Engine, EvalAltResult, FnPtr, Map, NativeCallContext};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::calls::{ERRORS, Reply};
use super::people::{Deed, OFFICE_AT, moment};
use super::stage::{Now, Wrong};
use super::wanted::Wanted;
use super::world::World;
use crate::clock::parse_span;
use crate::script::host;
use crate::script::value::from_script;
use crate::store::partner::Status;
use crate::telegram::File;
use crate::text::nearest;

/// Somebody, as a scenario holds them: by their number.
#[derive(Clone, Copy, Debug)]
struct Someone(usize);

/// A call that is awaited: by its number.
#[derive(Clone, Copy, Debug)]
struct Call(usize);

/// Every word and how it is written; `docs/ru/scenarios.md` has an example of each.
pub(super) const USAGE: &[(&str, &str)] = &[
    ("scenario", "scenario(\"имя\", || { … })"),
    ("guest", "guest(#{ name: \"Анна\" })"),
    ("pending", "pending(#{ name: \"Анна\" })"),
    ("rejected", "rejected(#{ name: \"Анна\", reason: \"…\" })"),
    ("partner", "partner(#{ name: \"Анна\", shops: [\"Казань, ТЦ Кольцо\"] })"),
    ("staff", "staff() или staff(\"Ольга\")"),
    ("writes", "anna.writes(\"текст\")"),
    ("presses", "anna.presses(\"надпись на кнопке\")"),
    ("shares_contact", "anna.shares_contact()"),
    ("shares_contact_of", "anna.shares_contact_of(boris)"),
    ("sends_photo", "anna.sends_photo()"),
    ("sends_file", "anna.sends_file(\"смета.pdf\")"),
    ("sends_album", "anna.sends_album(3)"),
    ("sends_sticker", "anna.sends_sticker()"),
    (
        "sees",
        "anna.sees(\"часть\"), anna.sees(exactly(\"весь текст\")), anna.sees(like(\"Заявка №* принята\"))",
    ),
    ("sees_no", "anna.sees_no(\"часть\")"),
    ("sees_nothing", "anna.sees_nothing()"),
    ("sees_button", "anna.sees_button(\"надпись\")"),
    ("sees_no_button", "anna.sees_no_button(\"надпись\")"),
    ("exactly", "exactly(\"весь текст\")"),
    ("like", "like(\"Заявка №* принята\")"),
    ("expects_call", "expects_call(\"bitrix24::add_task\", #{ department: \"Дизайн\" })"),
    ("answers", "expects_call(…).answers(#{ id: 7 })"),
    ("fails", "expects_call(…).fails(\"unavailable\") или .fails(\"limit\", \"10m\")"),
    ("times", "expects_call(…).times(2)"),
    ("clock_at", "clock_at(\"2026-11-25 10:00\")"),
    ("passes", "passes(\"1d\")"),
    ("rating", "rating(\"2026-10\", [#{ shop: 41, title: \"Казань, ТЦ Кольцо\", revenue: 123_456_700 }])"),
    ("event", "event(\"task.stage_changed\", anna, #{ task: 7 })"),
];

type Outcome<T> = Result<T, Box<EvalAltResult>>;

/// Puts the words into an engine.
pub(super) fn bind(engine: &mut Engine, now: &Arc<Now>) {
    engine.register_type_with_name::<Someone>("человек");
    engine.register_type_with_name::<Wanted>("текст");
    engine.register_type_with_name::<Call>("обращение");
    let stage = Arc::clone(now);
    engine.register_fn("scenario", move |ctx: NativeCallContext, name: &str, body: FnPtr| {
        stage.scenario(&ctx, name, &body)
    });
    bind_people(engine, now);
    bind_deeds(engine, now);
    bind_expectations(engine, now);
    bind_calls(engine, now);
    bind_world(engine, now);
}

fn bind_people(engine: &mut Engine, now: &Arc<Now>) {
    let stage = Arc::clone(now);
    engine.register_fn("guest", move |ctx: NativeCallContext, card: Map| -> Outcome<Someone> {
        stage.act(&ctx, |world, _| Ok(Someone(world.guest(&fields(card)?)?)))
    });
    let known = [("pending", Status::Pending), ("rejected", Status::Rejected), ("partner", Status::Verified)];
    for (word, status) in known {
        let stage = Arc::clone(now);
        engine.register_fn(word, move |ctx: NativeCallContext, card: Map| -> Outcome<Someone> {
            stage.act(&ctx, |world, runtime| {
                Ok(Someone(runtime.block_on(world.known(status, &fields(card)?))?))
            })
        });
    }
    let stage = Arc::clone(now);
    engine.register_fn("staff", move |ctx: NativeCallContext| -> Outcome<Someone> {
        stage.act(&ctx, |world, _| Ok(Someone(world.staff("Офис"))))
    });
    let stage = Arc::clone(now);
    engine.register_fn("staff", move |ctx: NativeCallContext, name: &str| -> Outcome<Someone> {
        stage.act(&ctx, |world, _| Ok(Someone(world.staff(name))))
    });
}

/// A word for something that a person does.
macro_rules! deed {
    ($engine:expr, $now:expr, $word:literal, |$world:ident, $who:ident $(, $arg:ident: $type:ty)*| $deeds:expr) => {{
        let stage = Arc::clone($now);
        $engine.register_fn($word, move |ctx: NativeCallContext, $who: Someone $(, $arg: $type)*| -> Outcome<()> {
            stage.act(&ctx, |$world, runtime| {
                let deeds: Vec<Deed> = $deeds;
                deeds.into_iter().try_for_each(|deed| does($world, runtime, $who, deed))
            })
        });
    }};
}

fn bind_deeds(engine: &mut Engine, now: &Arc<Now>) {
    deed!(engine, now, "writes", |world, who, text: &str| vec![Deed::Words(text.to_owned())]);
    deed!(engine, now, "presses", |world, who, label: &str| vec![Deed::Press(label.to_owned())]);
    deed!(engine, now, "shares_contact", |world, who| vec![world.people[who.0].own_contact()]);
    deed!(engine, now, "shares_contact_of", |world, who, other: Someone| vec![
        world.people[other.0].own_contact()
    ]);
    deed!(engine, now, "sends_photo", |world, who| vec![photo(1, None)]);
    deed!(engine, now, "sends_file", |world, who, name: &str| vec![Deed::File(file(name))]);
    deed!(engine, now, "sends_album", |world, who, count: i64| {
        (1..=count).map(|number| photo(number, Some("альбом"))).collect()
    });
    deed!(engine, now, "sends_sticker", |world, who| vec![Deed::Other]);
}

fn does(world: &mut World, runtime: &Runtime, who: Someone, deed: Deed) -> Result<(), Wrong> {
    let chat = world.people[who.0].chat;
    let result = runtime.block_on(world.does(who.0, deed));
    result.map_err(|message| Wrong { message, chat: Some(chat), more: None })
}

fn file(name: &str) -> File {
    File {
        is_photo: false,
        file_id: format!("file-{name}"),
        name: name.to_owned(),
        size_bytes: 1_000,
        album: None,
    }
}

fn photo(number: i64, album: Option<&str>) -> Deed {
    Deed::File(File {
        is_photo: true,
        file_id: format!("photo-{number}"),
        name: "фото.jpg".to_owned(),
        size_bytes: 1_000,
        album: album.map(str::to_owned),
    })
}

fn bind_expectations(engine: &mut Engine, now: &Arc<Now>) {
    engine.register_fn("exactly", |text: &str| Wanted::Whole(text.to_owned()));
    engine.register_fn("like", |pattern: &str| Wanted::Like(pattern.to_owned()));
    let stage = Arc::clone(now);
    engine.register_fn("sees", move |ctx: NativeCallContext, who: Someone, part: &str| -> Outcome<()> {
        stage.act(&ctx, |world, _| sees(world, who, &Wanted::Part(part.to_owned())))
    });
    let stage = Arc::clone(now);
    engine.register_fn("sees", move |ctx: NativeCallContext, who: Someone, wanted: Wanted| -> Outcome<()> {
        stage.act(&ctx, |world, _| sees(world, who, &wanted))
    });
    let stage = Arc::clone(now);
    engine.register_fn("sees_no", move |ctx: NativeCallContext, who: Someone, part: &str| -> Outcome<()> {
        stage.act(&ctx, |world, _| {
            let wanted = Wanted::Part(part.to_owned());
            let is_there = news(world, who).iter().any(|text| wanted.fits(text));
            when(is_there, world, who, |name| format!("{name} видит «{part}», а не должен"))
        })
    });
    let stage = Arc::clone(now);
    engine.register_fn("sees_nothing", move |ctx: NativeCallContext, who: Someone| -> Outcome<()> {
        stage.act(&ctx, |world, _| {
            let is_there = !news(world, who).is_empty();
            when(is_there, world, who, |name| format!("{name} видит новое, а не должен"))
        })
    });
    let stage = Arc::clone(now);
    engine.register_fn(
        "sees_button",
        move |ctx: NativeCallContext, who: Someone, label: &str| -> Outcome<()> {
            stage.act(&ctx, |world, _| {
                let chat = world.people[who.0].chat;
                let labels = world.chats[chat].labels();
                let there =
                    if labels.is_empty() { "кнопок нет никаких".to_owned() } else { labels };
                when(!world.has_button(chat, label), world, who, |name| {
                    format!("{name} не видит кнопки «{label}»; {there}")
                })
            })
        },
    );
    let stage = Arc::clone(now);
    engine.register_fn(
        "sees_no_button",
        move |ctx: NativeCallContext, who: Someone, label: &str| -> Outcome<()> {
            stage.act(&ctx, |world, _| {
                let chat = world.people[who.0].chat;
                let is_there = world.has_button(chat, label) && !world.loses_niceties();
                when(is_there, world, who, |name| format!("{name} видит кнопку «{label}», а не должен"))
            })
        },
    );
}

fn sees(world: &mut World, who: Someone, wanted: &Wanted) -> Result<(), Wrong> {
    let chat = world.people[who.0].chat;
    if world.look_for(chat, wanted) {
        return Ok(());
    }
    let (name, texts) = (name(world, who), news(world, who));
    let more = wanted.difference(&texts);
    let nothing = if texts.is_empty() { ": бот ничего нового не сказал" } else { "" };
    Err(Wrong {
        message: format!("{name} не видит {}{nothing}", wanted.words()), chat: Some(chat), more
    })
}

/// Fails when it is so.
fn when(is_so: bool, world: &World, who: Someone, message: impl FnOnce(&str) -> String) -> Result<(), Wrong> {
    if !is_so {
        return Ok(());
    }
    Err(Wrong { message: message(&name(world, who)), chat: Some(world.people[who.0].chat), more: None })
}

fn name(world: &World, who: Someone) -> String {
    let somebody = &world.people[who.0];
    if somebody.chat == OFFICE_AT { "офис".to_owned() } else { somebody.person.name.clone() }
}

fn news(world: &World, who: Someone) -> Vec<&str> {
    world.news(world.people[who.0].chat).iter().map(|said| said.text.as_str()).collect()
}

fn bind_calls(engine: &mut Engine, now: &Arc<Now>) {
    let stage = Arc::clone(now);
    engine.register_fn("expects_call", move |ctx: NativeCallContext, name: &str| -> Outcome<Call> {
        let position = ctx.call_position();
        stage.act(&ctx, |world, _| expects(world, name, Value::Null, position))
    });
    let stage = Arc::clone(now);
    engine.register_fn(
        "expects_call",
        move |ctx: NativeCallContext, name: &str, fields: Dynamic| -> Outcome<Call> {
            let position = ctx.call_position();
            stage.act(&ctx, |world, _| expects(world, name, from_script(&fields)?, position))
        },
    );
    let stage = Arc::clone(now);
    engine.register_fn(
        "answers",
        move |ctx: NativeCallContext, call: Call, value: Dynamic| -> Outcome<Call> {
            stage.act(&ctx, |world, _| {
                world.calls.reply(call.0, Reply::Value(from_script(&value)?));
                Ok(call)
            })
        },
    );
    let stage = Arc::clone(now);
    engine.register_fn("fails", move |ctx: NativeCallContext, call: Call, kind: &str| -> Outcome<Call> {
        stage.act(&ctx, |world, _| fails(world, call, kind, None))
    });
    let stage = Arc::clone(now);
    engine.register_fn(
        "fails",
        move |ctx: NativeCallContext, call: Call, kind: &str, after: &str| -> Outcome<Call> {
            stage.act(&ctx, |world, _| fails(world, call, kind, Some(span(after)?.as_secs())))
        },
    );
    let stage = Arc::clone(now);
    engine.register_fn("times", move |ctx: NativeCallContext, call: Call, times: i64| -> Outcome<Call> {
        stage.act(&ctx, |world, _| {
            let times = usize::try_from(times).map_err(|_| "times: число не меньше нуля".to_owned())?;
            world.calls.times(call.0, times);
            Ok(call)
        })
    });
}

fn expects(world: &mut World, name: &str, fields: Value, position: rhai::Position) -> Result<Call, Wrong> {
    let known = host::all().iter().filter(|function| function.action.is_step() && function.module != "chat");
    let names: Vec<String> = known.map(host::HostFn::full_name).collect();
    if !names.iter().any(|known| known == name) {
        let near = nearest(name, names.iter().map(String::as_str));
        let hint = near.map(|near| format!("; может быть, {near}?")).unwrap_or_default();
        return Err(format!("нет функции «{name}», к которой бот обращается{hint}").into());
    }
    Ok(Call(world.calls.expect(name, fields, position)))
}

fn fails(world: &mut World, call: Call, kind: &str, retry_after: Option<u64>) -> Result<Call, Wrong> {
    if !ERRORS.contains(&kind) {
        return Err(format!("нет ошибки «{kind}»; бывают {}", ERRORS.join(", ")).into());
    }
    world.calls.reply(call.0, Reply::Error { kind: kind.to_owned(), retry_after });
    Ok(call)
}

fn bind_world(engine: &mut Engine, now: &Arc<Now>) {
    let stage = Arc::clone(now);
    engine.register_fn("clock_at", move |ctx: NativeCallContext, words: &str| -> Outcome<()> {
        stage.act(&ctx, |world, _| {
            if world.has_begun() {
                return Err("clock_at — до первого действия; дальше время идёт словом passes"
                    .to_owned()
                    .into());
            }
            world.set_clock(moment(words)?);
            Ok(())
        })
    });
    let stage = Arc::clone(now);
    engine.register_fn("passes", move |ctx: NativeCallContext, words: &str| -> Outcome<()> {
        stage.act(&ctx, |world, runtime| Ok(runtime.block_on(world.pass(span(words)?))?))
    });
    let stage = Arc::clone(now);
    engine.register_fn(
        "rating",
        move |ctx: NativeCallContext, month: &str, rows: rhai::Array| -> Outcome<()> {
            stage.act(&ctx, |world, runtime| {
                let rows: Vec<Value> = rows.iter().map(from_script).collect::<Result<_, _>>()?;
                Ok(runtime.block_on(world.rating(month, &rows))?)
            })
        },
    );
    let stage = Arc::clone(now);
    engine.register_fn("event", move |ctx: NativeCallContext, name: &str, who: Someone| -> Outcome<()> {
        stage.act(&ctx, |world, runtime| Ok(runtime.block_on(world.event(name, who.0, Value::Null))?))
    });
    let stage = Arc::clone(now);
    engine.register_fn(
        "event",
        move |ctx: NativeCallContext, name: &str, who: Someone, data: Map| -> Outcome<()> {
            stage.act(&ctx, |world, runtime| {
                let data = Value::Object(fields(data)?);
                Ok(runtime.block_on(world.event(name, who.0, data))?)
            })
        },
    );
}

fn fields(map: Map) -> Result<serde_json::Map<String, Value>, String> {
    match from_script(&Dynamic::from(map))? {
        Value::Object(fields) => Ok(fields),
        _ => Err("нужна карта #{…}".to_owned()),
    }
}

fn span(words: &str) -> Result<std::time::Duration, String> {
    parse_span(words).ok_or_else(|| format!("«{words}» — не срок: нужно \"30m\", \"2h\" или \"1d\""))
}
