//! The parameters of a call: query, form, JSON and multipart merged into one flat map, read leniently.

use std::borrow::Cow;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::refusal::Refusal;

/// All parameters that are no files, together.
const MAX_PARAMETERS: usize = 1 << 20;
/// What the cloud takes at most: a file of 50 MB with its parameters.
const MAX_BODY: usize = (50 << 20) + MAX_PARAMETERS;

/// A file that came with a call.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The name of its part.
    pub part: String,
    /// The file's own name, empty when none was given.
    pub name: String,
    /// Its content.
    pub bytes: Bytes,
}

/// The parameters of one call.
#[derive(Debug, Default)]
pub struct Params {
    values: Vec<(String, Value)>,
    /// The files.
    pub files: Vec<Upload>,
}

impl Params {
    /// Reads every source of parameters. An error is answered as a bare status with an empty body.
    pub async fn read(mut request: Request) -> Result<Params, StatusCode> {
        let mut params = Params::default();
        params.read_query(request.uri().query());
        match Encoding::of(&request) {
            Encoding::Multipart => {
                DefaultBodyLimit::max(MAX_BODY).apply(&mut request);
                params.read_multipart(request).await?;
            }
            Encoding::Json => params.read_json(&body(request).await?)?,
            Encoding::Form => params.read_form(&body(request).await?),
            Encoding::Other => {}
        }
        if params.size() > MAX_PARAMETERS {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        Ok(params)
    }

    /// A parameter as text; what was no string in JSON is its JSON.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        match self.value(name)? {
            Value::Null => None,
            Value::String(text) => Some(Cow::Borrowed(text)),
            other => Some(Cow::Owned(other.to_string())),
        }
    }

    /// Whether a switch is on: `true`, `yes` and `1` in any case; everything else is off.
    pub fn flag(&self, name: &str) -> bool {
        let on = |text: Cow<'_, str>| ["true", "yes", "1"].iter().any(|yes| text.eq_ignore_ascii_case(yes));
        self.text(name).is_some_and(on)
    }

    /// A whole number, read leniently.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.value(name)? {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.trim().parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// A JSON parameter, whichever way it came; an unreadable one is refused with `complaint`.
    pub fn json<T: DeserializeOwned>(&self, name: &str, complaint: &str) -> Result<Option<T>, Refusal> {
        let read = match self.value(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text),
            Some(other) => T::deserialize(other),
        };
        read.map(Some).map_err(|_| Refusal::bad_request(complaint))
    }

    /// A parameter as it came.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.values.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The upload in the part with this name.
    pub fn upload(&self, part: &str) -> Option<&Upload> {
        self.files.iter().find(|file| file.part == part)
    }

    fn size(&self) -> usize {
        let length = |value: &Value| match value {
            Value::String(text) => text.len(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 8,
            Value::Array(_) | Value::Object(_) => value.to_string().len(),
        };
        self.values.iter().map(|(name, value)| name.len() + length(value)).sum()
    }

    fn put(&mut self, name: String, value: Value) {
        self.values.push((name, value));
    }

    fn read_query(&mut self, query: Option<&str>) {
        if let Some(query) = query {
            self.read_form(query.as_bytes());
        }
    }

    fn read_form(&mut self, form: &[u8]) {
        for (name, value) in url::form_urlencoded::parse(form) {
            self.put(name.into_owned(), Value::String(value.into_owned()));
        }
    }

    fn read_json(&mut self, body: &[u8]) -> Result<(), StatusCode> {
        if body.is_empty() {
            return Ok(());
        }
        let object: serde_json::Map<String, Value> =
            serde_json::from_slice(body).map_err(|_| StatusCode::BAD_REQUEST)?;
        self.values.extend(object);
        Ok(())
    }

    async fn read_multipart(&mut self, request: Request) -> Result<(), StatusCode> {
        let mut parts = Multipart::from_request(request, &()).await.map_err(|_| StatusCode::BAD_REQUEST)?;
        while let Some(part) = parts.next_field().await.map_err(|error| error.status())? {
            let part_name = part.name().unwrap_or_default().to_owned();
            // A part with a `filename`, even an empty one, is a file.
            let file_name = part.file_name().map(str::to_owned);
            let bytes = part.bytes().await.map_err(|error| error.status())?;
            match file_name {
                Some(name) => self.files.push(Upload { part: part_name, name, bytes }),
                None => self.put(part_name, Value::String(String::from_utf8_lossy(&bytes).into_owned())),
            }
        }
        Ok(())
    }
}

enum Encoding {
    Json,
    Form,
    Multipart,
    Other,
}

impl Encoding {
    fn of(request: &Request) -> Encoding {
        let kind = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case("application/json") {
            Encoding::Json
        } else if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Encoding::Form
        } else if kind.eq_ignore_ascii_case("multipart/form-data") {
            Encoding::Multipart
        } else {
            Encoding::Other
        }
    }
}

async fn body(request: Request<Body>) -> Result<Bytes, StatusCode> {
    to_bytes(request.into_body(), MAX_PARAMETERS).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)
}
