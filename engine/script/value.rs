//! Values on their way between scripts and the journal, where everything is JSON.

use rhai::{Dynamic, Map as RhaiMap};
use serde_json::{Map, Value};

use crate::telegram::html;

/// Text that already is Telegram's HTML; a plain string is escaped wherever it meets a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Html(pub String);

/// The key under which HTML is written down.
const HTML: &str = "$html";

/// Lists and maps inside one another, at most so deep: what is written down must be readable again, and JSON's
/// reader stops at 128.
const DEEPEST: usize = 64;

/// What a script gave, as JSON; functions and other things that cannot be written down are refused.
pub fn from_script(value: &Dynamic) -> Result<Value, String> {
    written(value, DEEPEST)
}

fn written(value: &Dynamic, depth_left: usize) -> Result<Value, String> {
    if value.is_unit() {
        return Ok(Value::Null);
    }
    if let Ok(flag) = value.as_bool() {
        return Ok(Value::Bool(flag));
    }
    if let Ok(number) = value.as_int() {
        return Ok(Value::from(number));
    }
    if let Ok(number) = value.as_float() {
        return serde_json::Number::from_f64(number).map(Value::Number).ok_or_else(|| "не число".to_owned());
    }
    if let Ok(letter) = value.as_char() {
        return Ok(Value::String(letter.to_string()));
    }
    if let Some(text) = value.read_lock::<rhai::ImmutableString>() {
        return Ok(Value::String(text.as_str().to_owned()));
    }
    let inside = |value: &Dynamic| match depth_left.checked_sub(1) {
        Some(left) => written(value, left),
        None => Err(format!("списки и карты вложены глубже {DEEPEST} раз")),
    };
    if let Some(list) = value.read_lock::<rhai::Array>() {
        return list.iter().map(inside).collect::<Result<_, _>>().map(Value::Array);
    }
    if let Some(map) = value.read_lock::<RhaiMap>() {
        let pairs = map.iter().map(|(key, value)| Ok((key.to_string(), inside(value)?)));
        return pairs.collect::<Result<Map<_, _>, String>>().map(Value::Object);
    }
    if let Some(html) = value.read_lock::<Html>() {
        return Ok(serde_json::json!({ HTML: html.0 }));
    }
    Err(format!("значение вида «{}» сюда не годится", value.type_name()))
}

/// A journaled answer, as a script sees it.
pub fn to_script(value: &Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => match number.as_i64() {
            Some(number) => number.into(),
            None => number.as_f64().unwrap_or(f64::NAN).into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(list) => list.iter().map(to_script).collect::<rhai::Array>().into(),
        Value::Object(map) => match map.get(HTML).and_then(Value::as_str) {
            Some(text) if map.len() == 1 => Dynamic::from(Html(text.to_owned())),
            _ => map
                .iter()
                .map(|(key, value)| (key.as_str().into(), to_script(value)))
                .collect::<RhaiMap>()
                .into(),
        },
    }
}

/// The text of a message as HTML: plain strings are escaped, HTML is taken as it is.
pub fn html_of(value: &Value) -> String {
    match value {
        Value::String(text) => html::escape(text),
        Value::Object(map) => map.get(HTML).and_then(Value::as_str).unwrap_or_default().to_owned(),
        other => html::escape(&other.to_string()),
    }
}

/// HTML as it is written down.
pub fn html_value(html: String) -> Value {
    serde_json::json!({ HTML: html })
}

/// A text that may be markup already: HTML as it is, and a plain string taken for such.
pub fn markup(value: &Value) -> &str {
    value.as_str().or_else(|| value.get(HTML)?.as_str()).unwrap_or_default()
}

/// Whether a value is HTML written down.
pub fn is_html(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.len() == 1 && map.contains_key(HTML))
}

/// HTML without its markup.
pub fn plain(text: &str) -> String {
    html::plain(text)
}

/// What staff call this kind of value.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "ничего ()",
        Value::Bool(_) => "true/false",
        Value::Number(_) => "число",
        Value::String(_) => "текст",
        Value::Array(_) => "список",
        Value::Object(_) => "карта",
    }
}
