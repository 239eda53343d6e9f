//! Module `content`: what the office says of itself, in buttons and texts that staff edit.

use futures::FutureExt as _;
use serde_json::{Value, json};

use super::{Action, CallError, HostFn, Param, Right, Shape};
use crate::script::value::{html_value, is_html, markup};
use crate::store::change::Change;
use crate::store::content::{Button, ButtonId, Edit, Setting};
use crate::telegram::html;

const DEPARTMENT: Param = param("отдел", Shape::Text, "имя отдела из config.yaml");
const BUTTON: Param = param("кнопка", Shape::Int, "её номер");
const TITLE: Param = param("надпись", Shape::Text, "что стоит на кнопке");
const TEXT: Param =
    param("текст", Shape::Text, "HTML Telegram: <b>жирный</b>, <a href=…>ссылка</a>; лишнее бот уберёт");

const CHANGES: &[Param] = &[
    param("title", Shape::Text, "новая надпись"),
    param("text", Shape::Text, "новый текст, HTML Telegram"),
    param("place", Shape::Int, "которая по счёту в отделе, с единицы"),
];

/// The longest title of a button.
const MOST_TITLE: usize = 60;

const fn param(name: &'static str, shape: Shape, help: &'static str) -> Param {
    Param { name, shape, help }
}

/// The declarations of the module.
pub(super) fn functions() -> Vec<HostFn> {
    vec![
        HostFn {
            module: "content",
            name: "buttons",
            params: &[DEPARTMENT],
            returns: "список #{ id, label, department, text }, по порядку",
            help: "Кнопки «Полезного» одного отдела с их текстами.",
            example: "for button in content::buttons(\"design\") { chat.say(button.text); }",
            action: Action::Read(|host, _, args| {
                async move {
                    let found = host.store().buttons(args.str(0)).await?;
                    Ok(found.iter().map(card).collect())
                }
                .boxed()
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "content",
            name: "button",
            params: &[BUTTON],
            returns: "карта, как у content::buttons, или ()",
            help: "Кнопка «Полезного» по номеру.",
            example: "let button = content::button(1);\nif button != () { chat.say(button.text); }",
            action: Action::Read(|host, _, args| {
                async move {
                    let found = host.store().button(ButtonId(args.int(0))).await?;
                    Ok(found.as_ref().map_or(Value::Null, card))
                }
                .boxed()
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "content",
            name: "contacts",
            returns: "html",
            help: "Контакты офиса; пусто, если их не задали.",
            example: "chat.say(content::contacts());",
            action: Action::Read(|host, _, _| {
                async move { Ok(html_value(host.store().setting(Setting::Contacts).await?.unwrap_or_default())) }
                    .boxed()
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "content",
            name: "add_button",
            params: &[DEPARTMENT, TITLE, TEXT],
            returns: "#{ id }",
            help: "Добавляет кнопку в конец отдела; только для офиса.",
            example: "content::add_button(\"design\", \"Логотипы\", \"Лежат <a href=\\\"https://borodach.pro\\\">здесь</a>\");",
            right: Right::Staff,
            action: Action::LocalWrite(|_, _, args| {
                let department = args.str(0).to_owned();
                let (title, html) = (title(args.any(1))?, text(args.any(2))?);
                Ok(Change::Content(Edit::Add { department, title, html }))
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "content",
            name: "change_button",
            params: &[BUTTON],
            options: CHANGES,
            returns: "#{ done }: false, если такой кнопки уже нет",
            help: "Меняет кнопку; чего не назвали, остаётся. Только для офиса.",
            example: "content::change_button(1, #{ title: \"Логотипы\", place: 1 });",
            right: Right::Staff,
            action: Action::LocalWrite(|_, _, args| {
                Ok(Change::Content(Edit::Change {
                    id: ButtonId(args.int(0)),
                    title: args.option("title").map(title).transpose()?,
                    html: args.option("text").map(text).transpose()?,
                    place: args.option("place").and_then(Value::as_i64),
                }))
            }),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "content",
            name: "delete_button",
            params: &[BUTTON],
            returns: "#{ done }: false, если такой кнопки уже нет",
            help: "Убирает кнопку; только для офиса.",
            example: "content::delete_button(1);",
            right: Right::Staff,
            action: Action::LocalWrite(|_, _, args| Ok(Change::Content(Edit::Delete(ButtonId(args.int(0)))))),
            ..HostFn::PLAIN
        },
        HostFn {
            module: "content",
            name: "set_contacts",
            params: &[TEXT],
            returns: "#{ done: true }",
            help: "Меняет контакты офиса; только для офиса.",
            example: "content::set_contacts(\"<b>Офис</b>: +7 495 000-00-00\");",
            right: Right::Staff,
            action: Action::LocalWrite(|_, _, args| {
                Ok(Change::Content(Edit::Set { setting: Setting::Contacts, html: text(args.any(0))? }))
            }),
            ..HostFn::PLAIN
        },
    ]
}

fn title(value: &Value) -> Result<String, CallError> {
    let title = if is_html(value) { html::plain(markup(value)) } else { markup(value).to_owned() };
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    if title.is_empty() || title.chars().count() > MOST_TITLE {
        return Err(CallError::Invalid(format!("надпись — от 1 до {MOST_TITLE} знаков")));
    }
    Ok(title)
}

fn text(value: &Value) -> Result<String, CallError> {
    let html = html::clean(markup(value).trim());
    if html::plain(&html).trim().is_empty() {
        return Err(CallError::Invalid("в тексте нет ни слова".to_owned()));
    }
    Ok(html)
}

fn card(button: &Button) -> Value {
    json!({
        "id": button.id.0, "department": button.department, "label": button.title,
        "text": html_value(button.html.clone()),
    })
}
