//! Modules `fmt`, `html`, `time` and `log`: words, figures and the moment.

use chrono::{DateTime, TimeZone as _, Utc};
use rhai::Dynamic;
use serde_json::{Value, json};

use super::{Action, Args, HostFn, Param, Shape};
use crate::script::value::{Html, html_of, markup};
use crate::telegram::html;

const NUMBER: Param = Param { name: "число", shape: Shape::Int, help: "сколько" };
const TEXT: Param = Param { name: "текст", shape: Shape::Text, help: "любой текст" };
const WORD: Param = Param { name: "слово", shape: Shape::Text, help: "форма слова" };
const MOMENT: Param = Param {
    name: "когда", shape: Shape::Int, help: "миллисекунды, как от time::now()"
};

/// The declarations of the modules.
pub(super) fn functions() -> Vec<HostFn> {
    vec![
        pure(
            "fmt",
            "plural",
            &[NUMBER, WORD, WORD, WORD],
            "слово",
            "Подбирает форму: fmt::plural(3, \"заявка\", \"заявки\", \"заявок\").",
            |args| Ok(plural(args)),
        ),
        pure(
            "fmt",
            "money",
            &[Param { name: "копейки", shape: Shape::Int, help: "сумма" }],
            "текст",
            "Пишет сумму в рублях: 1 234 567 ₽.",
            |args| Ok(money(args.int(0)).into()),
        ),
        pure(
            "fmt",
            "phone",
            &[TEXT],
            "текст",
            "Прячет середину номера: +7 ****1234.",
            |args| Ok(masked_phone(args.str(0)).into()),
        ),
        pure("html", "raw", &[TEXT], "html", "Берёт текст как готовый HTML.", |args| {
            Ok(Dynamic::from(Html(args.str(0).to_owned())))
        }),
        pure(
            "html",
            "escape",
            &[TEXT],
            "html",
            "Делает из текста HTML, где знаки < > & — просто знаки.",
            |args| Ok(Dynamic::from(Html(args.html(0)))),
        ),
        pure("html", "bold", &[TEXT], "html", "Выделяет жирным.", |args| {
            Ok(Dynamic::from(Html(format!("<b>{}</b>", args.html(0)))))
        }),
        pure(
            "html",
            "fill",
            &[TEXT, Param { name: "поля", shape: Shape::Map, help: "имя → значение" }],
            "html",
            "Ставит значения в HTML-образец: html::fill(\"<b>{name}</b>\", #{ name: имя }).",
            fill,
        ),
        pure(
            "html",
            "clean",
            &[TEXT],
            "html",
            "HTML, набранный человеком, таким, каким его примет Telegram: лишние теги убраны, незакрытые закрыты.",
            |args| Ok(Dynamic::from(Html(html::clean(markup(args.any(0)))))),
        ),
        HostFn {
            module: "time",
            name: "now",
            returns: "миллисекунды",
            help: "Который сейчас момент; при повторе тот же.",
            action: Action::Known(|caller, _| Ok(json!(caller.now.0))),
            ..HostFn::PLAIN
        },
        pure(
            "time",
            "text",
            &[MOMENT, Param { name: "вид", shape: Shape::Text, help: "например \"%d.%m.%Y %H:%M\"" }],
            "текст",
            "Пишет момент по московскому времени.",
            time_text,
        ),
        HostFn {
            module: "log",
            name: "info",
            params: &[TEXT],
            returns: "ничего",
            help: "Пишет строку в журнал сервера (не человеку).",
            action: Action::Known(|caller, args| Ok(log_info(caller, args))),
            ..HostFn::PLAIN
        },
    ]
}

const fn pure(
    module: &'static str,
    name: &'static str,
    params: &'static [Param],
    returns: &'static str,
    help: &'static str,
    compute: fn(&Args) -> Result<Dynamic, String>,
) -> HostFn {
    HostFn { module, name, params, returns, help, action: Action::Pure(compute), ..HostFn::PLAIN }
}

fn plural(args: &Args) -> Dynamic {
    let n = args.int(0).unsigned_abs();
    let form = match (n % 10, n % 100) {
        (_, 11..=14) => 3,
        (1, _) => 1,
        (2..=4, _) => 2,
        _ => 3,
    };
    args.str(form).into()
}

/// Kopecks as roubles in groups of three: `1 234 567 ₽`, with kopecks only when there are any.
fn money(kopecks: i64) -> String {
    let (roubles, rest) = (kopecks.unsigned_abs() / 100, kopecks.unsigned_abs() % 100);
    let digits = roubles.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            grouped.push('\u{a0}');
        }
        grouped.push(digit);
    }
    let sign = if kopecks < 0 { "−" } else { "" };
    let kopecks = if rest == 0 { String::new() } else { format!(",{rest:02}") };
    format!("{sign}{grouped}{kopecks}\u{a0}₽")
}

fn masked_phone(phone: &str) -> String {
    let digits: Vec<char> = phone.chars().filter(char::is_ascii_digit).collect();
    let last: String = digits[digits.len().saturating_sub(4)..].iter().collect();
    format!("+7 ****{last}")
}

fn fill(args: &Args) -> Result<Dynamic, String> {
    let (template, fields) = (args.str(0), args.any(1));
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let (name, tail) = after.split_once('}').ok_or("html::fill: скобка { без пары")?;
        let value = fields
            .get(name)
            .ok_or_else(|| format!("html::fill: в образце есть {{{name}}}, а поля такого нет"))?;
        filled.push_str(&html_of(value));
        rest = tail;
    }
    filled.push_str(rest);
    Ok(Dynamic::from(Html(filled)))
}

fn time_text(args: &Args) -> Result<Dynamic, String> {
    let moment: DateTime<Utc> =
        Utc.timestamp_millis_opt(args.int(0)).single().ok_or("time::text: такого момента не бывает")?;
    let mut text = String::new();
    let shown = moment.with_timezone(&chrono_tz::Europe::Moscow).format(args.str(1));
    std::fmt::Write::write_fmt(&mut text, format_args!("{shown}"))
        .map_err(|_| format!("time::text: непонятный вид «{}»", args.str(1)))?;
    Ok(text.into())
}

fn log_info(caller: &super::Caller, args: &Args) -> Value {
    tracing::info!(chat.id = caller.chat.0, "script: {}", html::plain(&args.html(0)));
    Value::Null
}
