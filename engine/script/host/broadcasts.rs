//! Modules `broadcasts` and `polls`: one message to many partners, and what they vote in it.

use futures::FutureExt as _;
use serde_json::{Value, json};

use super::{Action, Args, CallError, Caller, HostFn, Param, Right, Shape};
use crate::conversation::Host;
use crate::script::value::html_of;
use crate::store::Json;
use crate::store::broadcast::{Audience, Broadcast, BroadcastId, New};
use crate::store::change::Change;
use crate::store::poll::{self, Poll, PollId};
use crate::telegram::{Content, Outgoing, UserId, html};

const BROADCAST: Param = param("рассылка", Shape::Int, "её номер");
const POLL: Param = param("опрос", Shape::Int, "его номер");
const AUDIENCE: Param = param(
    "кому",
    Shape::Map,
    "#{} — всем партнёрам, #{ cities: [\"Казань\"] } или #{ people: [id] }; words — то же словами",
);
const MESSAGE: Param = param(
    "что",
    Shape::Map,
    "#{ text }, #{ photo: file_id, text } или #{ poll: вопрос, options: [варианты], many: true или false }",
);
const NAME: Param = param("слова", Shape::Text, "части имени, в любом порядке");
const OPTIONS: &[Param] =
    &[param("progress", Shape::Map, "сообщение, которое вернул say: в нём показывается ход рассылки")];

/// Broadcasts shown at a time.
const LATEST: u32 = 10;
/// People found at a time.
const FOUND: usize = 20;
/// What Telegram takes, in letters.
const MOST_TEXT: usize = 4096;
const MOST_CAPTION: usize = 1024;
const MOST_QUESTION: usize = 300;
const MOST_OPTION: usize = 100;
const MOST_OPTIONS: usize = 10;

const fn param(name: &'static str, shape: Shape, help: &'static str) -> Param {
    Param { name, shape, help }
}

const STAFF: HostFn = HostFn { right: Right::Staff, ..HostFn::PLAIN };

/// The declarations of the modules.
#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(super) fn functions() -> Vec<HostFn> {
    vec![
        HostFn {
            module: "broadcasts",
            name: "start",
            params: &[MESSAGE, AUDIENCE],
            options: OPTIONS,
            returns: "#{ id, poll }: номера рассылки и опроса в ней",
            help: "Начинает рассылку партнёрам; разговоры идут впереди неё. В чат офиса приходят события broadcast.progress и broadcast.ended.",
            example: "let said = chat.say(\"Рассылка начинается…\");\nlet begun = broadcasts::start(#{ text: \"Завтра выходной\" }, #{ cities: [\"Казань\"] }, #{ progress: said });\nlog::info(`рассылка ${begun.id}`);",
            action: Action::LocalWrite(start),
            ..STAFF
        },
        HostFn {
            module: "broadcasts",
            name: "get",
            params: &[BROADCAST],
            returns: "карта: id, status (running, stopped, done), total, sent, blocked, failed, text, audience, by, ended_by, poll, progress, … или ()",
            help: "Как идёт рассылка; только для офиса.",
            example: "let broadcast = broadcasts::get(1);\nif broadcast != () { chat.say(`Доставлено ${broadcast.sent} из ${broadcast.total}`); }",
            action: Action::Read(|host, _, args| {
                async move {
                    let found = host.store().broadcast(BroadcastId(args.int(0))).await?;
                    Ok(found.as_ref().map_or(Value::Null, card))
                }
                .boxed()
            }),
            ..STAFF
        },
        HostFn {
            module: "broadcasts",
            name: "latest",
            returns: "список карт, как у broadcasts::get, новые впереди, не больше 10",
            help: "Последние рассылки; только для офиса.",
            example: "for broadcast in broadcasts::latest() { log::info(broadcast.audience); }",
            action: Action::Read(|host, _, _| {
                async move { Ok(host.store().broadcasts(LATEST).await?.iter().map(card).collect()) }.boxed()
            }),
            ..STAFF
        },
        HostFn {
            module: "broadcasts",
            name: "stop",
            params: &[BROADCAST],
            returns: "#{ done }: false, если она уже не идёт",
            help: "Останавливает рассылку: кому не ушло, тому не уйдёт. Только для офиса.",
            example: "broadcasts::stop(1);",
            action: Action::LocalWrite(|_, caller, args| {
                let broadcast = BroadcastId(args.int(0));
                Ok(Change::StopBroadcast { broadcast, by_name: caller.name.to_string() })
            }),
            ..STAFF
        },
        HostFn {
            module: "broadcasts",
            name: "reach",
            params: &[AUDIENCE],
            returns: "#{ total, blocked }: сколько партнёров и сколько из них остановили бота",
            help: "Сколько человек получит рассылку; только для офиса.",
            example: "let reach = broadcasts::reach(#{});\nchat.say(`Партнёров: ${reach.total}`);",
            action: Action::Read(|host, _, args| {
                async move {
                    let (total, blocked) = host.store().reach(&audience(args.any(0))?).await?;
                    Ok(json!({ "total": total, "blocked": blocked }))
                }
                .boxed()
            }),
            ..STAFF
        },
        HostFn {
            module: "broadcasts",
            name: "cities",
            returns: "список #{ label, count }: город и сколько в нём партнёров",
            help: "Города, где у партнёров есть барбершопы; только для офиса.",
            example: "for city in broadcasts::cities() { log::info(city.label); }",
            action: Action::Read(|host, _, _| {
                async move {
                    let cities = host.store().cities().await?;
                    Ok(cities.iter().map(|(city, count)| json!({ "label": city, "count": count })).collect())
                }
                .boxed()
            }),
            ..STAFF
        },
        HostFn {
            module: "partners",
            name: "find",
            params: &[NAME],
            returns: "список #{ id, label }, не больше 20",
            help: "Ищет партнёров по имени; только для офиса.",
            example: "for person in partners::find(\"петрова\") { log::info(person.label); }",
            action: Action::Read(|host, _, args| {
                async move {
                    let found = host.store().partners_named(args.str(0), FOUND).await?;
                    Ok(found.iter().map(|(user, name)| json!({ "id": user, "label": name })).collect())
                }
                .boxed()
            }),
            ..STAFF
        },
        HostFn {
            module: "polls",
            name: "get",
            params: &[POLL],
            returns: "карта: id, broadcast, question, options — список #{ label, votes }, voters, closed_by, closed_at или ()",
            help: "Опрос и голоса в нём на этот момент; только для офиса.",
            example: "let poll = polls::get(1);\nif poll != () { chat.say(`Проголосовали: ${poll.voters}`); }",
            action: Action::Read(|host, _, args| {
                async move {
                    let found = host.store().poll(PollId(args.int(0))).await?;
                    Ok(found.as_ref().map_or(Value::Null, poll_card))
                }
                .boxed()
            }),
            ..STAFF
        },
        HostFn {
            module: "polls",
            name: "close",
            params: &[POLL],
            returns: "#{ done: true } или #{ done: false, by }: его уже закрыли",
            help: "Закрывает опрос: голоса больше не считаются. Только для офиса.",
            example: "polls::close(1);",
            action: Action::LocalWrite(|_, caller, args| {
                Ok(Change::ClosePoll { poll: PollId(args.int(0)), by_name: caller.name.to_string() })
            }),
            ..STAFF
        },
    ]
}

fn start(host: &Host, caller: &Caller, args: &Args) -> Result<Change, CallError> {
    let (content, poll) = content(args.any(0))?;
    let message = Outgoing { content, ..Outgoing::text("") };
    let call = Json::of(&message).map_err(|error| CallError::Invalid(error.to_string()))?;
    let words = args.any(1).get("words").and_then(Value::as_str).unwrap_or("по списку");
    let progress = args.option("progress").and_then(|said| said.get("message")).and_then(Value::as_str);
    Ok(Change::Broadcast(New {
        call,
        poll,
        audience: audience(args.any(1))?,
        audience_words: words.to_owned(),
        staff: host.staff_chat(),
        progress: progress.map(str::to_owned),
        by_name: caller.name.to_string(),
    }))
}

/// What is sent. Errors: Telegram would not take it, or nobody could understand it.
fn content(message: &Value) -> Result<(Content, Option<poll::New>), CallError> {
    let fits = |html: String, most: usize| {
        let letters = html::visible_len(&html);
        if (1..=most).contains(&letters) {
            return Ok(html);
        }
        Err(CallError::Invalid(format!("в тексте {letters} знаков, а нужно от 1 до {most}")))
    };
    if message.get("poll").is_some() {
        let poll = question(message)?;
        let is_many = message.get("many").and_then(Value::as_bool).unwrap_or(false);
        let content =
            Content::Poll { question: poll.question.clone(), options: poll.options.clone(), is_many };
        return Ok((content, Some(poll)));
    }
    let html = message.get("text").map(html_of).unwrap_or_default();
    let content = match message.get("photo").and_then(Value::as_str) {
        Some(file_id) => Content::Photo { file_id: file_id.to_owned(), caption: fits(html, MOST_CAPTION)? },
        None => Content::Text { html: fits(html, MOST_TEXT)? },
    };
    Ok((content, None))
}

fn question(message: &Value) -> Result<poll::New, CallError> {
    let fits = |text: &str, most: usize| (1..=most).contains(&text.chars().count());
    let question = message.get("poll").and_then(Value::as_str).unwrap_or_default().trim();
    if !fits(question, MOST_QUESTION) {
        return Err(CallError::Invalid(format!("вопрос — от 1 до {MOST_QUESTION} знаков")));
    }
    let options = message.get("options").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let options: Vec<String> =
        options.iter().filter_map(Value::as_str).map(|option| option.trim().to_owned()).collect();
    let are_fit = options.iter().all(|option| fits(option, MOST_OPTION));
    if !are_fit || !(2..=MOST_OPTIONS).contains(&options.len()) {
        return Err(CallError::Invalid(format!(
            "вариантов — от 2 до {MOST_OPTIONS}, каждый не длиннее {MOST_OPTION} знаков"
        )));
    }
    Ok(poll::New { question: question.to_owned(), options })
}

fn audience(of: &Value) -> Result<Audience, CallError> {
    let list = |key: &str| of.get(key).and_then(Value::as_array);
    match (list("cities"), list("people")) {
        (None, None) => Ok(Audience::Everybody),
        (Some(cities), None) => {
            Ok(Audience::Cities(cities.iter().filter_map(Value::as_str).map(str::to_owned).collect()))
        }
        (None, Some(people)) => {
            Ok(Audience::People(people.iter().filter_map(Value::as_i64).map(UserId).collect()))
        }
        (Some(_), Some(_)) => Err(CallError::Invalid("либо cities, либо people".to_owned())),
    }
}

fn card(broadcast: &Broadcast) -> Value {
    let count = broadcast.count;
    let message: Result<Outgoing, _> = broadcast.call.read();
    json!({
        "text": message.map(|message| message.content.words()).unwrap_or_default(),
        "id": broadcast.id.0, "status": broadcast.status, "audience": broadcast.audience,
        "total": count.total, "sent": count.sent, "blocked": count.blocked, "failed": count.failed,
        "by": broadcast.begun_by, "ended_by": broadcast.ended_by, "created_at": broadcast.created_at,
        "ended_at": broadcast.ended_at, "poll": broadcast.poll.map(|poll| poll.0),
        "progress": broadcast.progress.as_ref().map(|key| json!({ "message": key })),
    })
}

fn poll_card(poll: &Poll) -> Value {
    let options = poll.options.iter().map(|(label, votes)| json!({ "label": label, "votes": votes }));
    json!({
        "id": poll.id.0, "broadcast": poll.broadcast.0, "question": poll.question,
        "options": options.collect::<Vec<_>>(), "voters": poll.voters, "closed_by": poll.closed_by,
        "closed_at": poll.closed_at,
    })
}
