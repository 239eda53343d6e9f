//! The forms answers come in, and what is made of them: tolerant in form, strict in meaning.
//!
//! Ids come as text, flags as `1`, `"1"` or `true`, money as text or a number, nothing as `null`, `""` or `[]`, and an
//! empty map as `[]`: the service is written in PHP. What is none of these is an error that names the field and does
//! not repeat what stands in it, for it may be somebody's name.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::money::Kopecks;

/// Why a body cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is no JSON, or half of one: another time it may be whole.
    Broken(String),
    /// It is JSON that cannot be so.
    Wrong {
        /// The field.
        path: String,
        /// Why.
        reason: String,
    },
    /// An error under the status of a success.
    Failure(Complaint),
}

/// The words of a refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Complaint {
    /// Like a status of HTTP, when it stands in the body.
    pub code: Option<u16>,
    /// In the language of the service's choice; the fields that did not pass are named at its end. Perhaps empty.
    pub message: String,
    /// Whether the body was JSON at all.
    pub is_json: bool,
}

/// A body with rows, and how many there are in all pages when that was counted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Page<T> {
    /// Of this page.
    pub rows: Vec<T>,
    /// In all pages.
    pub total: Option<u64>,
}

/// What is put around most answers.
#[derive(Deserialize)]
struct Envelope {
    success: Option<Flag>,
    data: Option<Box<RawValue>>,
    meta: Option<Box<RawValue>>,
    errors: Option<Box<RawValue>>,
}

/// Reads what stands under `data`.
pub(super) fn data<T: DeserializeOwned>(body: &[u8]) -> Result<T, Unreadable> {
    let envelope = open(body)?;
    within(envelope.data.as_deref(), "data")
}

/// Reads the rows under `data`, with their number under `meta.total_count`.
pub(super) fn page<T: DeserializeOwned>(body: &[u8]) -> Result<Page<T>, Unreadable> {
    #[derive(Deserialize)]
    struct Meta {
        #[serde(default, deserialize_with = "count_if_any")]
        total_count: Option<u64>,
    }
    let envelope = open(body)?;
    let rows = within(envelope.data.as_deref(), "data")?;
    // `meta` is of every shape, and nothing hangs on it.
    let meta = envelope.meta.and_then(|meta| serde_json::from_str::<Meta>(meta.get()).ok());
    Ok(Page { rows, total: meta.and_then(|meta| meta.total_count) })
}

/// Reads rows that stand without an envelope, as charts do. With one they are read as well.
pub(super) fn bare<T: DeserializeOwned>(body: &[u8]) -> Result<Vec<T>, Unreadable> {
    if body.trim_ascii_start().starts_with(b"{") {
        return data(body);
    }
    let text = std::str::from_utf8(body).map_err(|error| Unreadable::Broken(error.to_string()))?;
    parse(text, "")
}

impl Complaint {
    /// Reads the words of a refusal, of whatever shape.
    pub fn read(body: &[u8]) -> Complaint {
        #[derive(Deserialize)]
        struct Whole {
            meta: Option<Box<RawValue>>,
            errors: Option<Box<RawValue>>,
        }
        match serde_json::from_slice::<Whole>(body) {
            Ok(whole) => Complaint::of(whole.meta.as_deref(), whole.errors.as_deref()),
            Err(error) if error.classify() == Category::Data => {
                Complaint { is_json: true, ..Complaint::default() }
            }
            Err(_) => Complaint::default(),
        }
    }

    /// `meta.message` before `errors.message`; the fields under `meta.errors`.
    fn of(meta: Option<&RawValue>, errors: Option<&RawValue>) -> Complaint {
        let value = |raw: Option<&RawValue>| {
            raw.and_then(|raw| serde_json::from_str::<serde_json::Value>(raw.get()).ok()).unwrap_or_default()
        };
        let (meta, errors) = (value(meta), value(errors));
        let text = |value: &serde_json::Value| {
            value["message"].as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let mut message = text(&meta).or_else(|| text(&errors)).unwrap_or_default();
        for (field, reasons) in meta["errors"].as_object().into_iter().flatten().take(10) {
            let reasons: Vec<&str> = match reasons {
                serde_json::Value::Array(all) => all.iter().filter_map(|reason| reason.as_str()).collect(),
                other => other.as_str().into_iter().collect(),
            };
            message = format!("{message}; `{}`: {}", field.trim_matches(['[', ']']), reasons.join(", "));
        }
        let code = errors["code"].as_u64().or_else(|| errors["code"].as_str()?.parse().ok());
        Complaint {
            code: code.and_then(|code| u16::try_from(code).ok()),
            message: short(&message),
            is_json: true,
        }
    }
}

/// Looks at the envelope; what says that it failed is no success, whatever the status.
fn open(body: &[u8]) -> Result<Envelope, Unreadable> {
    let text = std::str::from_utf8(body).map_err(|error| Unreadable::Broken(error.to_string()))?;
    let envelope: Envelope = parse(text, "")?;
    let has_errors = envelope.errors.as_ref().is_some_and(|errors| !is_nothing(errors.get()));
    if envelope.success == Some(Flag(false)) || (has_errors && envelope.success.is_none()) {
        return Err(Unreadable::Failure(Complaint::of(envelope.meta.as_deref(), envelope.errors.as_deref())));
    }
    Ok(envelope)
}

fn is_nothing(json: &str) -> bool {
    matches!(json.trim(), "null" | "[]" | "{}" | "\"\"" | "false")
}

fn within<T: DeserializeOwned>(part: Option<&RawValue>, name: &str) -> Result<T, Unreadable> {
    let Some(part) = part else {
        return Err(Unreadable::Wrong { path: name.to_owned(), reason: "is missing".to_owned() });
    };
    parse(part.get(), name)
}

fn parse<T: DeserializeOwned>(text: &str, place: &str) -> Result<T, Unreadable> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = match (place, error.path().to_string().as_str()) {
            ("", path) => path.to_owned(),
            (place, ".") => place.to_owned(),
            (place, path) if path.starts_with('[') => format!("{place}{path}"),
            (place, path) => format!("{place}.{path}"),
        };
        match error.inner().classify() {
            Category::Data => Unreadable::Wrong { path, reason: reason(&error.inner().to_string()) },
            Category::Io | Category::Syntax | Category::Eof => {
                Unreadable::Broken(reason(&error.inner().to_string()))
            }
        }
    })?;
    reader.end().map_err(|_| Unreadable::Broken("something stands after the JSON".to_owned()))?;
    Ok(value)
}

/// Serde's reason without the place in the text, and without what stands there.
fn reason(text: &str) -> String {
    let text = text.rsplit_once(" at line ").map_or(text, |(reason, _)| reason);
    match (text.find('"'), text.rfind('"')) {
        (Some(from), Some(to)) if from < to => format!("{}\"…\"{}", &text[..from], &text[to + 1..]),
        _ => text.to_owned(),
    }
}

/// One line of at most 300 characters.
pub(super) fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(300).collect()
}

/// A number of something, by which it is known; 0 is nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(pub i64);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Id, D::Error> {
        let id = Scalar::deserialize(deserializer)?.int().filter(|id| *id > 0);
        id.map(Id).ok_or_else(|| D::Error::custom("is no id"))
    }
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flag(pub bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Flag, D::Error> {
        let flag = match Scalar::deserialize(deserializer)? {
            Scalar::Bool(flag) => Some(flag),
            Scalar::Nothing => Some(false),
            Scalar::Text(text) if text == "true" => Some(true),
            Scalar::Text(text) if text == "false" => Some(false),
            scalar @ (Scalar::Int(_) | Scalar::Fraction(_) | Scalar::Text(_)) => {
                scalar.int().map(|number| number != 0)
            }
        };
        flag.map(Flag).ok_or_else(|| D::Error::custom("is neither yes nor no"))
    }
}

/// How many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count(pub u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Count, D::Error> {
        let count = Scalar::deserialize(deserializer)?.int().and_then(|count| u64::try_from(count).ok());
        count.map(Count).ok_or_else(|| D::Error::custom("is no count"))
    }
}

/// A number that may have a fraction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fraction(pub f64);

impl<'de> Deserialize<'de> for Fraction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fraction, D::Error> {
        let number = Scalar::deserialize(deserializer)?.fraction().filter(|number| number.is_finite());
        number.map(Fraction).ok_or_else(|| D::Error::custom("is no number"))
    }
}

/// An amount of money, text or a number. A number is read by its digits: it never becomes a float.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Money(pub Kopecks);

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let money = match serde_json::from_str::<String>(raw.get()) {
            Ok(text) => Kopecks::parse(&text),
            Err(_) => Kopecks::parse(raw.get()),
        };
        money.map(Money).ok_or_else(|| D::Error::custom("is no amount of money"))
    }
}

/// A whole number of percent, a fraction cut off; `None` for `null`.
pub(super) fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    match Scalar::deserialize(deserializer)? {
        Scalar::Nothing => Ok(None),
        scalar => {
            let number = scalar.fraction().filter(|number| number.abs() < 1e15);
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a share of percent is cut, and the size is checked"
            )]
            let whole = number.map(|number| number.trunc() as i64);
            whole.map(Some).ok_or_else(|| D::Error::custom("is no percent"))
        }
    }
}

/// A share of a whole in percent; `None` for `null`.
pub(super) fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let Some(number) = percent(deserializer)? else { return Ok(None) };
    let share = u64::try_from(number).ok().filter(|share| *share <= 100);
    share.map(Some).ok_or_else(|| D::Error::custom("is no share from 0 to 100"))
}

/// Text, or a number as text; `None` for nothing.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Scalar::deserialize(deserializer)? {
        Scalar::Text(text) => Some(text),
        Scalar::Int(number) => Some(number.to_string()),
        Scalar::Fraction(number) => Some(number.to_string()),
        Scalar::Nothing | Scalar::Bool(_) => None,
    })
}

/// A flag, or nothing.
pub(super) fn flag_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(Option::<Flag>::deserialize(deserializer)?.map(|flag| flag.0))
}

/// A count, or nothing; what is no count is nothing, too.
pub(super) fn count_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let scalar = Scalar::deserialize(deserializer)?;
    Ok(scalar.int().and_then(|count| u64::try_from(count).ok()))
}

/// An id, or nothing; 0 is nothing.
pub(super) fn id_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(Scalar::deserialize(deserializer)?.int().filter(|id| *id > 0))
}

/// A map; `None` for `null` and for `[]`, which is an empty map in PHP.
pub(super) fn map_if_any<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    deserializer.deserialize_any(MapIfAny(PhantomData))
}

struct MapIfAny<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for MapIfAny<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map, or `[]` for an empty one")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<T>, A::Error> {
        match list.next_element::<serde::de::IgnoredAny>()? {
            None => Ok(None),
            Some(_) => Err(A::Error::custom("is a list with something in it, not a map")),
        }
    }

    fn visit_unit<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_none<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_bool<E: serde::de::Error>(self, is_there: bool) -> Result<Option<T>, E> {
        if is_there { Err(E::custom("is no map")) } else { Ok(None) }
    }
}

/// A value that is neither a list nor a map.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    /// `null`, or text without anything in it.
    Nothing,
    Bool(bool),
    Int(i64),
    Fraction(f64),
    /// Without spaces around, never empty.
    Text(String),
}

impl Scalar {
    /// A whole number, `5.0` and `"5"` too.
    pub fn int(&self) -> Option<i64> {
        match self {
            Scalar::Int(number) => Some(*number),
            Scalar::Text(text) => text.parse().ok(),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "it has no fraction and is within the range of a float's whole numbers"
            )]
            Scalar::Fraction(number) if number.fract() == 0.0 && number.abs() < 9e15 => Some(*number as i64),
            Scalar::Fraction(_) | Scalar::Nothing | Scalar::Bool(_) => None,
        }
    }

    /// Any number.
    pub fn fraction(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "nothing that large is measured in fractions")]
            Scalar::Int(number) => Some(*number as f64),
            Scalar::Fraction(number) => Some(*number),
            Scalar::Text(text) => {
                let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect();
                plain.replace(',', ".").parse().ok()
            }
            Scalar::Nothing | Scalar::Bool(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scalar, D::Error> {
        deserializer.deserialize_any(AnyScalar)
    }
}

struct AnyScalar;

impl Visitor<'_> for AnyScalar {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or a number")
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Nothing)
    }

    fn visit_none<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Nothing)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Scalar, E> {
        Ok(Scalar::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar::Int(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Scalar, E> {
        i64::try_from(number).map(Scalar::Int).map_err(|_| E::custom("is too large a number"))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Scalar, E> {
        Ok(Scalar::Fraction(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        let text = text.trim();
        Ok(if text.is_empty() { Scalar::Nothing } else { Scalar::Text(text.to_owned()) })
    }
}
