//! The forms a portal's answers come in, and what is made of them: tolerant in form, strict in meaning.
//!
//! Numbers come as text, flags as `Y`, `1` or `true`, nothing as `null`, `""`, `"0"`, `false` or `[]`, an empty map as
//! `[]`, and a map with the keys 0, 1, 2… as a list: PHP has one type for both. What is none of these is an error that
//! names the field and does not repeat what stands in it, for it may be what somebody wrote.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::Error;
use crate::clock::Timestamp;

/// What a portal puts around every answer; the parts are read further by whoever knows their shape.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    /// `null` when there is none.
    pub result: Option<Box<RawValue>>,
    /// The rows in all pages, when they were counted.
    pub total: Option<u64>,
    /// What was refused, if it was.
    pub error: Option<Complaint>,
    /// How long the method has run lately and when that is forgotten, when the portal counts it.
    pub running: Option<Running>,
}

/// The words of a refusal.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Complaint {
    /// Words, digits, or nothing.
    pub code: String,
    /// In the portal's language; the fields that did not pass are named at its end.
    pub description: String,
}

/// The running time of a method in the last ten minutes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Running {
    /// Of the calls so far.
    pub used: Duration,
    /// When the oldest of it is forgotten.
    pub until: Option<Timestamp>,
}

impl Envelope {
    /// Reads the body of an answer; `None` when it is no JSON object, as a gateway's page is not.
    pub fn read(body: &[u8]) -> Option<Envelope> {
        #[derive(Deserialize)]
        struct Wire {
            result: Option<Box<RawValue>>,
            total: Option<Box<RawValue>>,
            error: Option<Box<RawValue>>,
            error_description: Option<Box<RawValue>>,
            time: Option<Box<RawValue>>,
        }
        // A list of the right length would pass for a struct.
        if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return None;
        }
        let wire: Wire = serde_json::from_slice(body).ok()?;
        let value = |raw: &Option<Box<RawValue>>| {
            raw.as_ref().and_then(|raw| serde_json::from_str::<serde_json::Value>(raw.get()).ok())
        };
        let error =
            value(&wire.error).map(|error| Complaint::of(&error, value(&wire.error_description).as_ref()));
        let total = value(&wire.total).and_then(|total| count(&total));
        let running = value(&wire.time).and_then(|time| Running::of(&time));
        Some(Envelope { result: wire.result, total, error, running })
    }
}

impl Complaint {
    /// Reads one command's error in a batch: an object with both, or a bare text.
    pub fn read(error: &RawValue) -> Complaint {
        let error: serde_json::Value = serde_json::from_str(error.get()).unwrap_or_default();
        match (error.get("error"), error.get("error_description")) {
            (Some(code), description) => Complaint::of(code, description),
            (None, _) => Complaint::of(&error, None),
        }
    }

    /// The old API has a code beside a description, REST 3.0 an object with both and the fields that did not pass.
    fn of(error: &serde_json::Value, description: Option<&serde_json::Value>) -> Complaint {
        let Some(fields) = error.as_object() else {
            return Complaint { code: words(Some(error)), description: plain(&words(description)) };
        };
        let mut description = words(fields.get("message"));
        let failed = fields.get("validation").and_then(serde_json::Value::as_array).into_iter().flatten();
        for fault in failed.take(10) {
            description =
                format!("{description}; `{}`: {}", words(fault.get("field")), words(fault.get("message")));
        }
        Complaint { code: words(fields.get("code")), description: plain(&description) }
    }
}

impl Running {
    /// Reads the part of an answer that tells of time.
    pub fn read(time: &RawValue) -> Option<Running> {
        Running::of(&serde_json::from_str(time.get()).ok()?)
    }

    fn of(time: &serde_json::Value) -> Option<Running> {
        let used = Duration::try_from_secs_f64(time.get("operating")?.as_f64()?).ok()?;
        let reset = time.get("operating_reset_at").and_then(serde_json::Value::as_f64);
        #[expect(clippy::cast_possible_truncation, reason = "a float becomes the nearest integer there is")]
        let until = reset.filter(|seconds| *seconds > 0.0).map(|seconds| Timestamp((seconds * 1e3) as i64));
        Some(Running { used, until })
    }
}

/// A short text, whatever it came as.
fn words(value: Option<&serde_json::Value>) -> String {
    match value {
        Some(serde_json::Value::String(text)) => text.trim().to_owned(),
        Some(serde_json::Value::Number(number)) => number.to_string(),
        Some(
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Array(_)
            | serde_json::Value::Object(_),
        )
        | None => String::new(),
    }
}

/// A description as one line of at most 300 characters: they end in `<br>` and may be pages long.
fn plain(text: &str) -> String {
    let line = text.replace("<br>", " ").replace(['\r', '\n'], " ");
    line.trim().chars().take(300).collect()
}

fn count(value: &serde_json::Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// Reads a result. Errors: [`Error::Malformed`] with the field's path from `result` on.
pub(super) fn read<T: DeserializeOwned>(method: &'static str, result: Option<&RawValue>) -> Result<T, Error> {
    let text = result.map_or("null", RawValue::get);
    let mut json = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = match error.path().to_string() {
            path if path == "." => "result".to_owned(),
            path if path.starts_with('[') => format!("result{path}"),
            path => format!("result.{path}"),
        };
        Error::malformed(method, path, without_values(&error.inner().to_string()))
    })
}

/// What serde says, without the values it quotes.
fn without_values(reason: &str) -> String {
    match (reason.find('"'), reason.rfind('"')) {
        (Some(first), Some(last)) if first < last => format!("{}…{}", &reason[..=first], &reason[last..]),
        _ => reason.to_owned(),
    }
}

/// One value that is neither a list nor a map with anything inside.
#[derive(Debug)]
enum Scalar {
    /// `null`, `[]` or `{}`.
    Nothing,
    Flag(bool),
    Whole(i64),
    Broken(f64),
    Text(String),
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scalar, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one value")
            }

            fn visit_unit<E>(self) -> Result<Scalar, E> {
                Ok(Scalar::Nothing)
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Scalar, E> {
                Ok(Scalar::Flag(flag))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar::Whole(number))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Scalar, E> {
                i64::try_from(number).map(Scalar::Whole).map_err(|_| E::custom("the number is too large"))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Scalar, E> {
                Ok(Scalar::Broken(number))
            }

            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Scalar, A::Error> {
                match items.next_element::<IgnoredAny>()? {
                    None => Ok(Scalar::Nothing),
                    Some(_) => Err(A::Error::custom("a list stands where one value is expected")),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Scalar, A::Error> {
                match entries.next_entry::<IgnoredAny, IgnoredAny>()? {
                    None => Ok(Scalar::Nothing),
                    Some(_) => Err(A::Error::custom("a map stands where one value is expected")),
                }
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// A whole number, as such or as text.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    optional_number(deserializer)?
        .ok_or_else(|| D::Error::custom("nothing stands where a number is expected"))
}

/// The same, or nothing.
pub(super) fn optional_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    match Scalar::deserialize(deserializer)? {
        Scalar::Nothing | Scalar::Flag(false) => Ok(None),
        Scalar::Whole(number) => Ok(Some(number)),
        Scalar::Text(text) if text.trim().is_empty() => Ok(None),
        Scalar::Text(text) => {
            text.trim().parse().map(Some).map_err(|_| D::Error::custom("the text is no whole number"))
        }
        Scalar::Flag(true) | Scalar::Broken(_) => Err(D::Error::custom("it is no whole number")),
    }
}

/// An id: a whole number from 1.
pub(super) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    match number(deserializer)? {
        id @ 1.. => Ok(id),
        _ => Err(D::Error::custom("it is no id, which are from 1")),
    }
}

/// The same, or nothing, which `0` is too.
pub(super) fn optional_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    match optional_number(deserializer)? {
        None | Some(0) => Ok(None),
        Some(id @ 1..) => Ok(Some(id)),
        Some(_) => Err(D::Error::custom("it is no id, which are from 1")),
    }
}

/// A text; empty when there is none.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Scalar::deserialize(deserializer)? {
        Scalar::Nothing | Scalar::Flag(false) => Ok(String::new()),
        Scalar::Text(text) => Ok(text),
        Scalar::Whole(number) => Ok(number.to_string()),
        Scalar::Broken(number) => Ok(number.to_string()),
        Scalar::Flag(true) => Err(D::Error::custom("it is no text")),
    }
}

/// A text, or nothing, which an empty one is too.
pub(super) fn optional_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    text(deserializer).map(|text| Some(text).filter(|text| !text.is_empty()))
}

/// A flag in any of the portal's forms.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match Scalar::deserialize(deserializer)? {
        Scalar::Flag(flag) => Ok(flag),
        Scalar::Nothing => Ok(false),
        Scalar::Whole(number @ (0 | 1)) => Ok(number == 1),
        Scalar::Text(text) => match text.trim() {
            "Y" | "y" | "1" | "true" => Ok(true),
            "N" | "n" | "0" | "false" | "" => Ok(false),
            _ => Err(D::Error::custom("the text is no flag")),
        },
        Scalar::Whole(_) | Scalar::Broken(_) => Err(D::Error::custom("it is no flag")),
    }
}

/// An instant with its offset, or nothing.
pub(super) fn optional_instant<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = optional_text(deserializer)? else { return Ok(None) };
    let instant = chrono::DateTime::parse_from_rfc3339(text.trim())
        .map_err(|_| D::Error::custom("the text is no time with an offset from UTC"))?;
    Ok(Some(Timestamp(instant.timestamp_millis())))
}

/// Writes an instant as the portal reads it in any zone: to the second, with the offset.
pub(super) fn instant(moment: Timestamp) -> String {
    let seconds = moment.0.div_euclid(1000);
    let instant = chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    instant.format("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// A map that comes as `{}`, as `[]`, `null` or `false` when it is empty, and as a list when its keys are 0, 1, 2….
#[derive(Debug)]
pub(super) struct Table<T>(pub Vec<(String, T)>);

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table(Vec::new())
    }
}

impl<T> Table<T> {
    /// Takes out the entry of this key.
    pub fn take(&mut self, key: &str) -> Option<T> {
        let place = self.0.iter().position(|(known, _)| known == key)?;
        Some(self.0.swap_remove(place).1)
    }

    /// What the entries hold.
    pub fn into_values(self) -> impl Iterator<Item = T> {
        self.0.into_iter().map(|(_, value)| value)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Table<T>, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Table<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_unit<E>(self) -> Result<Table<T>, E> {
                Ok(Table::default())
            }

            fn visit_bool<E: serde::de::Error>(self, flag: bool) -> Result<Table<T>, E> {
                if flag {
                    Err(E::custom("`true` stands where a map is expected"))
                } else {
                    Ok(Table::default())
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Table<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(item) = items.next_element()? {
                    entries.push((entries.len().to_string(), item));
                }
                Ok(Table(entries))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Table<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Table(entries))
            }
        }
        deserializer.deserialize_any(Entries(PhantomData))
    }
}

/// An object, or nothing, which comes as `[]`, `null` or `false`.
#[derive(Debug)]
pub(super) struct Maybe<T>(pub Option<T>);

impl<T> Default for Maybe<T> {
    fn default() -> Maybe<T> {
        Maybe(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Maybe<T>, D::Error> {
        struct Object<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
            type Value = Maybe<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_unit<E>(self) -> Result<Maybe<T>, E> {
                Ok(Maybe(None))
            }

            fn visit_bool<E: serde::de::Error>(self, flag: bool) -> Result<Maybe<T>, E> {
                if flag {
                    Err(E::custom("`true` stands where an object is expected"))
                } else {
                    Ok(Maybe(None))
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Maybe<T>, A::Error> {
                match items.next_element::<IgnoredAny>()? {
                    None => Ok(Maybe(None)),
                    Some(_) => Err(A::Error::custom("a list stands where an object is expected")),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Maybe<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|object| Maybe(Some(object)))
            }
        }
        deserializer.deserialize_any(Object(PhantomData))
    }
}

/// Ids in a list; nothing may stand for an empty one.
pub(super) fn ids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i64>, D::Error> {
    #[derive(Deserialize)]
    struct Id(#[serde(deserialize_with = "id")] i64);
    let list = Table::<Id>::deserialize(deserializer)?;
    Ok(list.into_values().map(|id| id.0).collect())
}
