//! The parameters of a call: query, form, multipart and JSON, read as PHP reads them.

use std::marker::PhantomData;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::{StatusCode, header};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The cloud takes 2 GB; nobody needs that on a desk.
const MAX_BODY: usize = 256 << 20;

/// A file that came with a call.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub part: String,
    pub name: String,
    pub bytes: Bytes,
}

/// The parameters of one call, in the order in which they came: old methods bind them by it.
#[derive(Clone, Debug, Default)]
pub(super) struct Params {
    values: Vec<(String, Value)>,
    pub files: Vec<Upload>,
    /// The body as it came, for REST 3.0.
    pub body: Bytes,
}

impl Params {
    /// Reads every source. An error is answered as a bare status.
    pub async fn read(mut request: Request) -> Result<Params, StatusCode> {
        let mut form = request.uri().query().map(pairs).unwrap_or_default();
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().to_ascii_lowercase();
        let mut params = Params::default();
        if kind.starts_with("multipart/form-data") {
            DefaultBodyLimit::max(MAX_BODY).apply(&mut request);
            params.files = read_multipart(request, &mut form).await?;
        } else {
            params.body = body(request).await?;
            match &kind {
                kind if kind.starts_with("application/json") => params.read_json(),
                kind if kind.starts_with("application/x-www-form-urlencoded") => {
                    form.extend(pairs(&String::from_utf8_lossy(&params.body)));
                }
                _ => {}
            }
        }
        params.values.extend(nest(form));
        Ok(params)
    }

    /// `a=1&b[c]=2`, as in a command of a batch.
    pub fn of_query(query: &str) -> Params {
        Params { values: nest(pairs(query)), ..Params::default() }
    }

    /// Named values, as in a command of a batch of REST 3.0.
    pub fn of_json(value: &Value) -> Params {
        let values = value.as_object().map(|all| all.clone().into_iter().collect()).unwrap_or_default();
        Params { values, body: value.to_string().into(), ..Params::default() }
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
            .filter(|value| !value.is_null())
    }

    /// A whole number; `None` when it is missing or none.
    pub fn int(&self, name: &str) -> Option<i64> {
        int(self.get(name)?)
    }

    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(flag)
    }

    /// A map, empty when it is missing or none.
    pub fn map(&self, name: &str) -> Map<String, Value> {
        self.get(name).map(map).unwrap_or_default()
    }

    /// The entries of a map in the order in which they came.
    pub fn entries(&self, name: &str) -> Vec<(String, Value)> {
        let in_json = || {
            let Ordered(all) = serde_json::from_slice::<Ordered<&RawValue>>(&self.body).ok()?;
            let (_, entries) = all.into_iter().find(|(key, _)| key == name)?;
            let Ordered(entries) = serde_json::from_str::<Ordered<Value>>(entries.get()).ok()?;
            Some(entries)
        };
        in_json().unwrap_or_else(|| {
            let mut all: Vec<(String, Value)> = self.map(name).into_iter().collect();
            let came = pairs(&String::from_utf8_lossy(&self.body));
            let place = |key: &str| came.iter().position(|(pair, _)| *pair == format!("{name}[{key}]"));
            all.sort_by_key(|(key, _)| place(key));
            all
        })
    }

    /// The values in the order in which they came, whatever they are called.
    pub fn in_order(&self) -> Vec<&Value> {
        self.values.iter().map(|(_, value)| value).collect()
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|(name, _)| name.as_str())
    }

    pub fn json(&self) -> Value {
        Value::Object(self.values.iter().cloned().collect())
    }

    /// A change of every text inside, for references in a batch.
    pub fn map_texts(&mut self, change: &impl Fn(&str) -> Option<Value>) {
        for (_, value) in &mut self.values {
            map_texts(value, change);
        }
    }

    /// An array binds by index, an object by name; what is no JSON is no parameters at all.
    fn read_json(&mut self) {
        self.values = match serde_json::from_slice(&self.body) {
            Ok(Ordered::<Value>(values)) => values,
            Err(_) => match serde_json::from_slice(&self.body) {
                Ok(Value::Array(all)) => (0..).map(|at: u32| at.to_string()).zip(all).collect(),
                _ => Vec::new(),
            },
        };
    }
}

/// A number, or a text of digits.
pub(super) fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// As PHP turns a value into text.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(true) => "1".to_owned(),
        Value::Null | Value::Bool(false) | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

/// `true`, `1`, `Y`.
pub(super) fn flag(value: &Value) -> bool {
    ["1", "y", "true"].contains(&text(value).to_lowercase().as_str())
}

/// The values of a list, of a map, or the value alone.
pub(super) fn list(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(all) => all.clone(),
        Value::Object(all) => all.values().cloned().collect(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    }
}

fn map(value: &Value) -> Map<String, Value> {
    match value {
        Value::Object(all) => all.clone(),
        Value::Array(all) => (0..).map(|at: u32| at.to_string()).zip(all.iter().cloned()).collect(),
        _ => Map::new(),
    }
}

/// A map as PHP writes it: an empty one, and one with the keys 0, 1, 2… in order, is a list.
pub(super) fn php_map(entries: Vec<(String, Value)>) -> Value {
    let is_list = entries.iter().enumerate().all(|(at, (key, _))| *key == at.to_string());
    if is_list {
        return entries.into_iter().map(|(_, value)| value).collect();
    }
    Value::Object(entries.into_iter().collect())
}

/// An object whose entries keep their order, which a [`Map`] forgets.
struct Ordered<V>(Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Ordered<V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Ordered<V>, D::Error> {
        struct Entries<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Entries<V> {
            type Value = Ordered<V>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut entries: M) -> Result<Ordered<V>, M::Error> {
                let mut all = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    all.push(entry);
                }
                Ok(Ordered(all))
            }
        }
        from.deserialize_map(Entries(PhantomData))
    }
}

fn pairs(form: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(form.as_bytes()).into_owned().collect()
}

/// `fields[TAGS][0]=y` → `{"fields": {"TAGS": ["y"]}}`; the first names stay in order.
fn nest(form: Vec<(String, String)>) -> Vec<(String, Value)> {
    let mut all: Vec<(String, Value)> = Vec::new();
    for (key, value) in form {
        let (name, path) = split(&key);
        let at = all.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            all.push((name, Value::Null));
            all.len() - 1
        });
        plant(&mut all[at].1, &path, value);
    }
    for (_, value) in &mut all {
        tidy(value);
    }
    all
}

fn split(key: &str) -> (String, Vec<String>) {
    let Some((name, rest)) = key.split_once('[') else { return (key.to_owned(), Vec::new()) };
    let steps = rest.trim_end_matches(']').split("][").map(str::to_owned).collect();
    (name.to_owned(), steps)
}

fn plant(into: &mut Value, path: &[String], value: String) {
    let Some((step, rest)) = path.split_first() else {
        *into = Value::String(value);
        return;
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    if let Value::Object(map) = into {
        let step = if step.is_empty() { map.len().to_string() } else { step.clone() };
        plant(map.entry(step).or_insert(Value::Null), rest, value);
    }
}

/// Maps with the keys 0, 1, 2… become lists.
fn tidy(value: &mut Value) {
    let Value::Object(map) = value else { return };
    map.values_mut().for_each(tidy);
    let all: Option<Vec<Value>> = (0..map.len()).map(|at| map.get(&at.to_string()).cloned()).collect();
    if let Some(all) = all {
        *value = Value::Array(all);
    }
}

fn map_texts(value: &mut Value, change: &impl Fn(&str) -> Option<Value>) {
    match value {
        Value::String(text) => {
            if let Some(other) = change(text) {
                *value = other;
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|value| map_texts(value, change)),
        Value::Object(all) => all.values_mut().for_each(|value| map_texts(value, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

async fn read_multipart(
    request: Request,
    form: &mut Vec<(String, String)>,
) -> Result<Vec<Upload>, StatusCode> {
    let mut parts = Multipart::from_request(request, &()).await.map_err(|_| StatusCode::BAD_REQUEST)?;
    let mut files = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(|error| error.status())? {
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part.file_name().map(str::to_owned);
        let bytes = part.bytes().await.map_err(|error| error.status())?;
        match file_name {
            Some(file_name) => files.push(Upload { part: name, name: file_name, bytes }),
            None => form.push((name, String::from_utf8_lossy(&bytes).into_owned())),
        }
    }
    Ok(files)
}

async fn body(request: Request<Body>) -> Result<Bytes, StatusCode> {
    to_bytes(request.into_body(), MAX_BODY).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)
}
