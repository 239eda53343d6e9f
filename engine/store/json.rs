//! JSON at rest.

use std::fmt;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// A text that is valid JSON. It is kept as it was given and parsed only by whoever needs what is in it,
/// so a value comes back from the store byte for byte.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Json(String);

impl Json {
    /// Writes `value` as JSON. Errors: a map whose keys are not text.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Json, serde_json::Error> {
        serde_json::to_string(value).map(Json)
    }

    /// Keeps `text` as it is. Errors: it is not one JSON value.
    pub fn parse(text: String) -> Result<Json, serde_json::Error> {
        serde_json::from_str::<IgnoredAny>(&text)?;
        Ok(Json(text))
    }

    /// What was written by this engine and is read back.
    pub(super) fn stored(text: String) -> Json {
        Json(text)
    }

    /// Reads it as a `T`. Errors: the shape is another one.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The length of the text in bytes.
    pub fn size_bytes(&self) -> usize {
        self.0.len()
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Json {
        Json(value.to_string())
    }
}

/// Serialises as a string that holds JSON, which is how a row carries it.
impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
