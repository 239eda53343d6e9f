//! `reply_markup` as a bot sends it.

use serde::Deserialize;
use serde_json::Value;

use super::message::{Action, Button, Key, KeyKind, ReplyKeyboard};
use super::params::Params;
use super::refusal::Refusal;

const MAX_CALLBACK_DATA_BYTES: usize = 64;
/// Past these the server drops buttons without a word.
const MAX_ROW: usize = 12;
const MAX_BUTTONS: usize = 300;
/// Labels and data of one keyboard together.
const MAX_BYTES: usize = 10 << 10;

/// What a bot puts under a message.
#[derive(Debug)]
pub(super) enum Markup {
    /// Nothing: the reply keyboard stays as it was.
    Absent,
    /// Buttons of the message itself.
    Inline(Vec<Vec<Button>>),
    /// A keyboard under the input field.
    Reply {
        keyboard: ReplyKeyboard,
        /// Only for the person whose message is answered.
        selective: bool,
    },
    /// Takes the keyboard away.
    Remove,
    /// Opens an answer; the keyboard stays.
    ForceReply,
}

impl Markup {
    /// Reads `reply_markup`; `private` tells whether a contact may be asked for.
    pub fn read(params: &Params, private: bool) -> Result<Markup, Refusal> {
        let complaint = "can't parse reply keyboard markup JSON object";
        let Some(wire) = params.json::<Wire>("reply_markup", complaint)? else { return Ok(Markup::Absent) };
        if let Some(rows) = wire.inline_keyboard {
            return inline(rows).map(Markup::Inline);
        }
        if let Some(rows) = wire.keyboard {
            let keyboard = ReplyKeyboard {
                rows: keys(rows, private)?,
                one_time: wire.one_time_keyboard,
                folded: false,
                placeholder: wire.input_field_placeholder,
            };
            return Ok(Markup::Reply { keyboard, selective: wire.selective });
        }
        Ok(match (wire.remove_keyboard, wire.force_reply) {
            (true, _) => Markup::Remove,
            (false, true) => Markup::ForceReply,
            (false, false) => Markup::Absent,
        })
    }

    /// The buttons of an edit, where nothing but an inline keyboard makes sense.
    pub fn for_edit(params: &Params) -> Result<Vec<Vec<Button>>, Refusal> {
        match Markup::read(params, true)? {
            Markup::Absent => Ok(Vec::new()),
            Markup::Inline(rows) => Ok(rows),
            Markup::Reply { .. } | Markup::Remove | Markup::ForceReply => {
                Err(Refusal::bad_request("inline keyboard expected"))
            }
        }
    }
}

#[derive(Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the protocol has them")]
struct Wire {
    inline_keyboard: Option<Vec<Vec<Value>>>,
    keyboard: Option<Vec<Vec<Value>>>,
    #[serde(default)]
    one_time_keyboard: bool,
    #[serde(default)]
    selective: bool,
    input_field_placeholder: Option<String>,
    #[serde(default)]
    remove_keyboard: bool,
    #[serde(default)]
    force_reply: bool,
}

fn inline(rows: Vec<Vec<Value>>) -> Result<Vec<Vec<Button>>, Refusal> {
    let mut bytes = 0;
    let read = rows.into_iter().map(|row| {
        let buttons: Vec<Button> = row.into_iter().map(button).collect::<Result<_, _>>()?;
        bytes += buttons.iter().map(size).sum::<usize>();
        Ok(buttons)
    });
    let rows = shortened(read.collect::<Result<_, Refusal>>()?, |button: &Button| &button.label);
    if bytes > MAX_BYTES {
        return Err(Refusal::bad_request("reply markup is too long"));
    }
    Ok(rows)
}

fn button(raw: Value) -> Result<Button, Refusal> {
    let text_of = |name: &str| raw.get(name).and_then(Value::as_str).map(str::to_owned);
    let Some(label) = text_of("text") else {
        let complaint = "can't parse inline keyboard button: Can't find field \"text\"";
        return Err(Refusal::bad_request(complaint));
    };
    let action = if let Some(data) = text_of("callback_data") {
        if data.is_empty() || data.len() > MAX_CALLBACK_DATA_BYTES {
            return Err(Refusal::bad_request("BUTTON_DATA_INVALID"));
        }
        Action::Callback(data)
    } else if let Some(url) = text_of("url") {
        if url.is_empty() || url.contains(char::is_whitespace) {
            return Err(Refusal::bad_request("BUTTON_URL_INVALID"));
        }
        Action::Url(url)
    } else if raw.as_object().is_some_and(|fields| fields.len() > 1) {
        Action::Other(raw)
    } else {
        let complaint =
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard";
        return Err(Refusal::bad_request(complaint));
    };
    Ok(Button { label, action })
}

fn size(button: &Button) -> usize {
    let action = match &button.action {
        Action::Callback(data) => data.len(),
        Action::Url(url) => url.len(),
        Action::Other(raw) => raw.to_string().len(),
    };
    button.label.len() + action
}

fn keys(rows: Vec<Vec<Value>>, private: bool) -> Result<Vec<Vec<Key>>, Refusal> {
    let read = rows.into_iter().map(|row| row.into_iter().map(|raw| key(&raw, private)).collect());
    Ok(shortened(read.collect::<Result<_, Refusal>>()?, |key: &Key| &key.label))
}

fn key(raw: &Value, private: bool) -> Result<Key, Refusal> {
    if let Some(label) = raw.as_str() {
        return Ok(Key { label: label.to_owned(), kind: KeyKind::Text });
    }
    let Some(label) = raw.get("text").and_then(Value::as_str) else {
        return Err(Refusal::bad_request("can't parse keyboard button: Can't find field \"text\""));
    };
    let asks =
        |what: &str| raw.get(what).is_some_and(|value| !matches!(value, Value::Bool(false) | Value::Null));
    let others = ["request_location", "request_poll", "web_app", "request_users", "request_chat"];
    let kind = if asks("request_contact") {
        KeyKind::Contact
    } else if others.into_iter().any(asks) {
        KeyKind::Other
    } else {
        KeyKind::Text
    };
    if kind == KeyKind::Contact && !private {
        return Err(Refusal::bad_request("phone number can be requested in private chats only"));
    }
    Ok(Key { label: label.to_owned(), kind })
}

/// Drops empty labels, what is past the twelfth in a row and past three hundred in all, and empty rows.
fn shortened<T>(rows: Vec<Vec<T>>, label: impl Fn(&T) -> &String) -> Vec<Vec<T>> {
    let mut left = MAX_BUTTONS;
    let keep = |row: Vec<T>| -> Vec<T> {
        let kept: Vec<T> =
            row.into_iter().filter(|one| !label(one).is_empty()).take(MAX_ROW.min(left)).collect();
        left -= kept.len();
        kept
    };
    rows.into_iter().map(keep).filter(|row| !row.is_empty()).collect()
}
