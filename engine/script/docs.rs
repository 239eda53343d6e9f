//! The documentation of the host's functions, made from their declarations: a page for people, definitions for editors.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::host::{Action, HostFn, Outside, Param, Right, Shape, own};

/// The page for people, in the order of the declarations. Shape: Markdown, in Russian.
pub fn page() -> String {
    let mut page = String::from(
        "# Функции для сценариев\n\n\
         Эта страница собрана из объявлений командой `borodach docs`; править её руками бесполезно.\n\n\
         Ошибку любой функции можно поймать: `try { … } catch (error) { … }`. Внутри — карта \
         `#{ kind, service, message, retry_after }`; `kind` бывает `unavailable` (нет ответа), `rejected` (отказано), \
         `not_found` (нет такого), `denied` (нельзя), `limit` (слишком часто, `retry_after` — через сколько секунд), \
         `invalid` (так не спрашивают). Непойманная ошибка останавливает разговор: человеку — спокойные слова, офису — место и строка.\n",
    );
    let mut module = "";
    for function in own() {
        if function.module != module {
            module = function.module;
            write!(page, "\n## {module}\n").expect("a string takes any text");
        }
        section(&mut page, function);
    }
    page
}

/// Definitions for editors: the name of a file → its text.
pub fn definitions() -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for function in own() {
        let file = files.entry(format!("{}.d.rhai", function.module)).or_insert_with(|| {
            if function.module == "chat" {
                "module static;\n".to_owned()
            } else {
                format!("module {};\n", function.module)
            }
        });
        let mut params: Vec<String> =
            function.params.iter().map(|param| format!("{}: {}", ascii(param), kind(param.shape))).collect();
        if function.module == "chat" {
            params.insert(0, "chat: chat".to_owned());
        }
        for with_options in [false, true] {
            if with_options {
                if function.options.is_empty() {
                    continue;
                }
                params.push("options: map".to_owned());
            }
            let (name, params) = (function.name, params.join(", "));
            write!(file, "\n/// {}\nfn {name}({params}) -> ?;\n", function.help)
                .expect("a string takes any text");
        }
    }
    files
}

/// A piece of a flow that calls the function.
pub fn example(function: &HostFn) -> String {
    if !function.example.is_empty() {
        return function.example.to_owned();
    }
    let arguments: Vec<&str> = function.params.iter().map(sample).collect();
    let separator = if function.module == "chat" { "." } else { "::" };
    format!("{}{separator}{}({});", function.module, function.name, arguments.join(", "))
}

fn section(page: &mut String, function: &HostFn) {
    let names: Vec<&str> = function.params.iter().map(|param| param.name).collect();
    let options = if function.options.is_empty() { "" } else { ", #{ настройки }" };
    let options = if names.is_empty() { options.trim_start_matches(", ") } else { options };
    let mut put = |line: String| {
        page.push('\n');
        page.push_str(&line);
        page.push('\n');
    };
    put(format!("### `{}({}{options})`", function.full_name(), names.join(", ")));
    put(function.help.to_owned());
    if !function.params.is_empty() {
        put(table("Аргумент", function.params));
    }
    if !function.options.is_empty() {
        put(table("Настройка", function.options));
    }
    put(format!("**Возвращает:** {}.", function.returns.trim_end_matches('.')));
    put(format!("**Как делается:** {}.", class(&function.action)));
    if let Some(outside) = &function.outside {
        put(outside_words(outside));
    }
    match function.right {
        Right::Everybody => {}
        Right::Partner => put("**Кому можно:** партнёрам и офису; иначе `denied`.".to_owned()),
        Right::Staff => put("**Кому можно:** только офису; иначе `denied`.".to_owned()),
    }
    put(format!("```rhai\n{}\n```", example(function)));
}

fn table(head: &str, params: &[Param]) -> String {
    let mut table = format!("| {head} | Что это | Смысл |\n|---|---|---|");
    for param in params {
        let help = param.help.replace('|', "\\|");
        write!(table, "\n| `{}` | {} | {help} |", param.name, param.shape.words())
            .expect("a string takes any text");
    }
    table
}

fn class(action: &Action) -> &'static str {
    match action {
        Action::Pure(_) => "считается на месте, в журнал не пишется",
        Action::Known(_) => "известно сразу; пишется в журнал, при повторе будет тем же",
        Action::Chat(_) => "разговор с человеком; пишется в журнал",
        Action::Read(_) => "чтение; ответ пишется в журнал, при сбое можно спросить ещё раз",
        Action::LocalWrite(_) => "запись в базу бота вместе с журналом: либо всё, либо ничего",
        Action::KeyedWrite(_) => {
            "запись наружу, которую сервис узнаёт по ключу: при сомнении бот повторяет её, дважды она не выйдет"
        }
        Action::CheckedWrite { .. } => {
            "запись наружу с нашей меткой: при сомнении бот сначала смотрит, есть ли она там, и только потом повторяет"
        }
        Action::Once(_) => {
            "запись наружу, которую нельзя ни проверить, ни повторить: при сомнении решает офис"
        }
    }
}

fn outside_words(outside: &Outside) -> String {
    let mut words = format!("**Сервис:** `{}`, до {} с", outside.service, outside.timeout.as_secs());
    if !outside.scope.is_empty() {
        write!(words, ", нужно право `{}`", outside.scope).expect("a string takes any text");
    }
    if let Some(fresh) = outside.fresh {
        write!(words, ", ответ хранится {} мин", fresh.as_secs() / 60).expect("a string takes any text");
    }
    words.push_str(". Ошибки: `unavailable`, `rejected`, `not_found`, `denied`, `limit`, `invalid`.");
    words
}

/// An argument that the strict check takes.
fn sample(param: &Param) -> &'static str {
    match (param.name, param.shape) {
        ("разговор", _) => "\"example\"",
        ("вид", _) => "\"%d.%m.%Y\"",
        (_, Shape::Text) => "\"текст\"",
        (_, Shape::Int) => "3",
        (_, Shape::Bool) => "true",
        (_, Shape::List) => "[\"раз\", \"два\"]",
        (_, Shape::Map) => "#{ name: \"Анна\" }",
        (_, Shape::Span) => "\"1h\"",
        (_, Shape::Any) => "()",
    }
}

fn kind(shape: Shape) -> &'static str {
    match shape {
        Shape::Text | Shape::Span => "string",
        Shape::Int => "int",
        Shape::Bool => "bool",
        Shape::List => "array",
        Shape::Map => "map",
        Shape::Any => "?",
    }
}

/// A parameter's name as editors take it: one word.
fn ascii(param: &Param) -> String {
    param.name.replace([' ', '-'], "_")
}
