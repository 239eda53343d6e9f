//! Module `chat`: what a flow says to the person, what it asks, and where it goes next.

use std::time::Duration;

use serde_json::Value;

use super::{Action, Args, HostFn, Param, Shape};
use crate::chart::{self, Chart};
use crate::clock::parse_span;
use crate::script::value::html_of;
use crate::telegram::{Button, Content, Key, Keyboard, Outgoing as Message, Press, Target};

use crate::conversation::question::{Expects, Item, Question};

/// What a method of the chat wants done.
#[derive(Clone, Debug)]
pub enum Act {
    /// Puts a message into the outbox and goes on.
    Say(Message),
    /// Shows "typing…" and goes on.
    Typing,
    /// Tells which message the button was under that began the flow, and goes on.
    Pressed,
    /// Waits for the person.
    Ask(Ask),
    /// Ends the flow here.
    Finish,
    /// Begins this flow anew.
    Restart,
    /// Ends this flow and begins another in the same chat.
    Handover {
        /// The other flow's name.
        flow: String,
        /// What it is given as `args`.
        args: Value,
    },
}

/// A question with its time limits.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What is asked.
    pub question: Question,
    /// After this long the flow is told `()`: nobody answered.
    pub within: Option<Duration>,
    /// After this long the question is put once more.
    pub remind: Option<Duration>,
}

const TEXT: Param = param("текст", Shape::Text, "что сказать; обычный текст или html::…");
const QUESTION: Param = param("вопрос", Shape::Text, "что спросить");
const CHART: Param =
    param("график", Shape::Map, "kind, title, subtitle и данные: rows, months и lines или pairs");
const OPTIONS: Param =
    param("варианты", Shape::List, "тексты или карты с полем label; вернётся выбранный элемент");

const RETRY: Param = param("retry", Shape::Text, "что сказать, если ответ не подошёл");
const BACK: Param = param("back", Shape::Bool, "false — не предлагать «Назад»");
const CANCEL: Param = param("cancel", Shape::Bool, "false — не предлагать «Отмена»");
const WITHIN: Param = param("within", Shape::Span, "сколько ждать; потом ответом будет ()");
const REMIND: Param = param("remind", Shape::Span, "через сколько напомнить; ночью бот ждёт утра");
const MIN: Param = param("min", Shape::Int, "не меньше");
const MAX: Param = param("max", Shape::Int, "не больше");
const BUTTONS: Param =
    param("buttons", Shape::List, "ряды кнопок под сообщением: #{ text, start, args } или #{ text, url }");
const SILENT: Param = param("silent", Shape::Bool, "true — без звука");
const KEYBOARD: Param = param("keyboard", Shape::Text, "\"remove\" — убрать кнопки под полем ввода");

const ROWS: Param = param("ряды", Shape::List, "ряды кнопок меню");
const MESSAGE: Param = param("сообщение", Shape::Map, "то, что вернул say или pressed");
const FILE: Param = param("файл", Shape::Text, "file_id");
const COLUMNS: Param = param("columns", Shape::Int, "кнопок в ряду");
const YES: Param = param("yes", Shape::Text, "надпись «да»");
const NO: Param = param("no", Shape::Text, "надпись «нет»");
const BUTTON: Param = param("button", Shape::Text, "надпись на кнопке");
const SKIP: Param = param("skip", Shape::Text, "надпись «без файлов»; без неё нужен хотя бы один");
const SINCE: Param = param("min", Shape::Text, "не раньше, ГГГГ-ММ-ДД");
const UNTIL: Param = param("max", Shape::Text, "не позже");
const FLOW: Param = param("разговор", Shape::Text, "имя файла в flows/ без .rhai");
const ARGS: Param = param("args", Shape::Any, "что передать: третий параметр start");

const fn param(name: &'static str, shape: Shape, help: &'static str) -> Param {
    Param { name, shape, help }
}

const fn method(
    name: &'static str,
    params: &'static [Param],
    options: &'static [Param],
    returns: &'static str,
    help: &'static str,
    act: fn(&Args) -> Result<Act, String>,
) -> HostFn {
    HostFn {
        module: "chat",
        name,
        params,
        options,
        returns,
        help,
        action: Action::Chat(act),
        ..HostFn::PLAIN
    }
}

/// The declarations of the module.
#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(super) fn functions() -> Vec<HostFn> {
    vec![
        method("say", &[TEXT], &[BUTTONS, KEYBOARD, SILENT], "сообщение, для edit", "Говорит.", say),
        method(
            "menu",
            &[TEXT, ROWS],
            &[SILENT],
            "сообщение",
            "Говорит и показывает меню под полем ввода.",
            menu,
        ),
        method("edit", &[MESSAGE, TEXT], &[BUTTONS], "ничего", "Меняет сказанное раньше.", edit),
        method(
            "pressed",
            &[],
            &[],
            "сообщение, для edit, или ()",
            "Сообщение, под кнопкой которого начался разговор; () — начался иначе.",
            |_| Ok(Act::Pressed),
        ),
        method(
            "photo",
            &[FILE, TEXT],
            &[BUTTONS, SILENT],
            "сообщение",
            "Отправляет картинку с подписью.",
            |args| media(args, true),
        ),
        method(
            "chart",
            &[CHART, TEXT],
            &[BUTTONS, SILENT],
            "сообщение",
            "Рисует график и отправляет с подписью: kind — rating, year или days.",
            chart,
        ),
        method(
            "document",
            &[FILE, TEXT],
            &[BUTTONS, SILENT],
            "сообщение",
            "Отправляет файл с подписью.",
            |args| media(args, false),
        ),
        method("typing", &[], &[], "ничего", "Показывает «печатает…».", |_| {
            Ok(Act::Typing)
        }),
        method(
            "ask_text",
            &[QUESTION],
            &[MIN, MAX, RETRY, BACK, CANCEL, WITHIN, REMIND],
            "текст",
            "Просит написать; min и max — длина в буквах.",
            |args| Ok(ask(args, text_answer(args)?)),
        ),
        method(
            "ask_number",
            &[QUESTION],
            &[MIN, MAX, RETRY, BACK, CANCEL, WITHIN, REMIND],
            "целое число",
            "Просит число.",
            |args| Ok(ask(args, Expects::Number { min: int(args, "min"), max: int(args, "max") })),
        ),
        method(
            "ask_choice",
            &[QUESTION, OPTIONS],
            &[COLUMNS, RETRY, BACK, CANCEL, WITHIN, REMIND],
            "выбранный вариант",
            "Предлагает выбрать одно; длинный список листается и ищется.",
            choice,
        ),
        method(
            "ask_many",
            &[QUESTION, OPTIONS],
            &[MIN, MAX, RETRY, BACK, CANCEL, WITHIN, REMIND],
            "список выбранных",
            "Предлагает отметить несколько.",
            many,
        ),
        method(
            "ask_yes_no",
            &[QUESTION],
            &[YES, NO, RETRY, BACK, CANCEL, WITHIN, REMIND],
            "true или false",
            "Спрашивает да или нет.",
            |args| Ok(ask(args, yes_no(args))),
        ),
        method(
            "ask_contact",
            &[QUESTION],
            &[BUTTON, RETRY, BACK, CANCEL, WITHIN, REMIND],
            "#{ phone, first_name, last_name }",
            "Просит поделиться своим номером; чужой не примет.",
            |args| Ok(ask(args, contact(args))),
        ),
        method(
            "ask_files",
            &[QUESTION],
            &[MAX, SKIP, RETRY, BACK, CANCEL, WITHIN, REMIND],
            "список #{ kind, file_id, name, size_bytes }",
            "Собирает фото и файлы до кнопки «Готово».",
            |args| Ok(ask(args, files(args))),
        ),
        method(
            "ask_date",
            &[QUESTION],
            &[SINCE, UNTIL, RETRY, BACK, CANCEL, WITHIN, REMIND],
            "дата ГГГГ-ММ-ДД",
            "Просит дату: 05.12.2026.",
            date,
        ),
        method("finish", &[], &[], "не возвращается", "Заканчивает разговор.", |_| Ok(Act::Finish)),
        method(
            "restart",
            &[],
            &[],
            "не возвращается",
            "Начинает этот разговор сначала.",
            |_| Ok(Act::Restart),
        ),
        method(
            "start_flow",
            &[FLOW],
            &[ARGS],
            "не возвращается",
            "Переходит к другому разговору.",
            |args| {
                Ok(Act::Handover {
                    flow: args.str(0).to_owned(),
                    args: args.option("args").cloned().unwrap_or_default(),
                })
            },
        ),
    ]
}

fn say(args: &Args) -> Result<Act, String> {
    let keyboard = match args.option("keyboard").and_then(Value::as_str) {
        None => None,
        Some("remove") => Some(Keyboard::Remove),
        Some(other) => return Err(format!("chat.say: keyboard бывает только \"remove\", а не \"{other}\"")),
    };
    let message = message(args, Content::Text { html: args.html(0) })?;
    if keyboard.is_some() && !message.buttons.is_empty() {
        return Err("chat.say: в одном сообщении бывает либо buttons, либо keyboard".to_owned());
    }
    Ok(Act::Say(Message { keyboard, ..message }))
}

fn menu(args: &Args) -> Result<Act, String> {
    let rows = args.list(1).iter().map(|row| match row {
        Value::String(label) => Ok(vec![Key::Text(label.clone())]),
        Value::Array(labels) => labels
            .iter()
            .map(|label| {
                label.as_str().map(|label| Key::Text(label.to_owned())).ok_or("chat.menu: надпись — текст")
            })
            .collect(),
        _ => Err("chat.menu: ряд — текст или список текстов"),
    });
    let rows: Vec<Vec<Key>> = rows.collect::<Result<_, _>>().map_err(str::to_owned)?;
    let message = message(args, Content::Text { html: args.html(0) })?;
    Ok(Act::Say(Message { keyboard: Some(Keyboard::Reply { rows, is_one_time: false }), ..message }))
}

const UNKNOWN_MESSAGE: &str = "chat.edit: нужно то, что вернул chat.say или chat.pressed";

fn edit(args: &Args) -> Result<Act, String> {
    let target = match args.any(0).get("message") {
        Some(Value::String(key)) => Target::Key(key.clone()),
        Some(Value::Number(number)) => number.as_i64().map(Target::Message).ok_or(UNKNOWN_MESSAGE)?,
        _ => return Err(UNKNOWN_MESSAGE.to_owned()),
    };
    Ok(Act::Say(message(args, Content::Edit { target, html: args.html(1) })?))
}

fn media(args: &Args, is_photo: bool) -> Result<Act, String> {
    let (file_id, caption) = (args.str(0).to_owned(), args.html(1));
    let content =
        if is_photo { Content::Photo { file_id, caption } } else { Content::Document { file_id, caption } };
    Ok(Act::Say(message(args, content)?))
}

fn chart(args: &Args) -> Result<Act, String> {
    let (chart, caption) = (args.any(0).clone(), args.html(1));
    let read: Chart = serde_json::from_value(chart.clone()).map_err(|why| format!("chat.chart: {why}"))?;
    read.check().map_err(|why| format!("chat.chart: {}", unfit(&why)))?;
    Ok(Act::Say(message(args, Content::Chart { chart, caption })?))
}

/// Why a chart cannot be drawn, for staff.
fn unfit(error: &chart::Error) -> String {
    match error {
        chart::Error::Empty(what) => format!("в графике пусто: {what}"),
        chart::Error::TooMany { what, count, most } => {
            format!("{what}: {count}, а читаемо не больше {most}")
        }
        chart::Error::Uneven { name, points, months } => {
            format!("у линии «{name}» точек {points}, а месяцев {months}")
        }
        chart::Error::NotFinite(name) => format!("«{name}»: это не число"),
    }
}

fn message(args: &Args, content: Content) -> Result<Message, String> {
    let mut buttons = Vec::new();
    for row in args.option("buttons").and_then(Value::as_array).into_iter().flatten() {
        let row = match row {
            Value::Array(row) => row.iter().map(button).collect::<Result<Vec<_>, _>>()?,
            one => vec![button(one)?],
        };
        buttons.push(row);
    }
    let is_silent = args.option("silent").and_then(Value::as_bool).unwrap_or(false);
    Ok(Message { content, buttons, keyboard: None, is_silent, reply_to: None })
}

/// A button under a message: it opens a page, or starts a flow with arguments.
fn button(value: &Value) -> Result<Button, String> {
    let label =
        value.get("text").and_then(Value::as_str).ok_or("кнопка: нужна карта с полем text")?.to_owned();
    if let Some(url) = value.get("url").and_then(Value::as_str) {
        return Ok(Button { label, press: Press::Url(url.to_owned()) });
    }
    let flow =
        value.get("start").and_then(Value::as_str).ok_or("кнопка: нужно поле start (разговор) или url")?;
    let with = value.get("args").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let data = crate::conversation::trigger_data(flow, with).ok_or(
        "кнопка: в args помещаются только короткие числа и слова (64 байта вместе с именем разговора)",
    )?;
    Ok(Button { label, press: Press::Data(data) })
}

fn int(args: &Args, name: &str) -> Option<i64> {
    args.option(name).and_then(Value::as_i64)
}

fn flag(args: &Args, name: &str) -> bool {
    args.option(name).and_then(Value::as_bool).unwrap_or(true)
}

fn label(args: &Args, name: &str, default: &str) -> String {
    args.option(name).and_then(Value::as_str).unwrap_or(default).to_owned()
}

fn span(args: &Args, name: &str) -> Option<Duration> {
    args.option(name).and_then(Value::as_str).and_then(parse_span)
}

fn ask(args: &Args, expects: Expects) -> Act {
    let question = Question {
        html: args.html(0),
        expects,
        retry: args.option("retry").map(html_of),
        offers_back: flag(args, "back"),
        offers_cancel: flag(args, "cancel"),
    };
    Act::Ask(Ask { question, within: span(args, "within"), remind: span(args, "remind") })
}

fn text_answer(args: &Args) -> Result<Expects, String> {
    let size = |name, default| match int(args, name) {
        None => Ok(default),
        Some(n) => usize::try_from(n).map_err(|_| format!("chat.ask_text: {name} не бывает отрицательным")),
    };
    Ok(Expects::Text { min: size("min", 1)?, max: size("max", 4096)? })
}

fn items(args: &Args) -> Result<Vec<Item>, String> {
    let items: Vec<Item> = args.list(1).iter().map(Item::from_option).collect::<Result<_, _>>()?;
    if items.is_empty() {
        return Err("список вариантов пуст: спрашивать не из чего".to_owned());
    }
    Ok(items)
}

fn choice(args: &Args) -> Result<Act, String> {
    let columns = int(args, "columns").and_then(|n| usize::try_from(n).ok());
    Ok(ask(args, Expects::Choice { items: items(args)?, columns }))
}

fn many(args: &Args) -> Result<Act, String> {
    let items = items(args)?;
    let bound = |name, default| int(args, name).and_then(|n| usize::try_from(n).ok()).unwrap_or(default);
    let (min, max) = (bound("min", 1), bound("max", items.len()));
    Ok(ask(args, Expects::Many { items, min, max }))
}

fn yes_no(args: &Args) -> Expects {
    let item = |label: String, value: bool| Item { label, value: value.into() };
    let items = vec![item(label(args, "yes", "✅ Да"), true), item(label(args, "no", "❌ Нет"), false)];
    Expects::Choice { items, columns: None }
}

fn contact(args: &Args) -> Expects {
    Expects::Contact { button: label(args, "button", "📱 Поделиться номером") }
}

fn files(args: &Args) -> Expects {
    let max = int(args, "max").and_then(|n| usize::try_from(n).ok()).unwrap_or(20);
    Expects::Files { max, skip: args.option("skip").and_then(Value::as_str).map(str::to_owned) }
}

fn date(args: &Args) -> Result<Act, String> {
    let bound = |name| match args.option(name).and_then(Value::as_str) {
        None => Ok(None),
        Some(text) => {
            text.parse().map(Some).map_err(|_| format!("chat.ask_date: {name} — дата вида 2026-12-31"))
        }
    };
    Ok(ask(args, Expects::Date { min: bound("min")?, max: bound("max")? }))
}
