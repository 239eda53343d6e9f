//! What the faults of the sandbox mean for `YClients`.

use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::endpoint::Endpoint;
use super::refusal::Refusal;
use crate::sandbox::faults::{self, Words};

pub use faults::{Kind, Often};

/// A switch on an endpoint.
pub type Rule = faults::Rule<Endpoint>;

/// The switches. Everything is a read: nothing is ever done in silence.
pub type Faults = faults::Faults<Endpoint, ()>;

/// `YClients`' way to refuse.
pub(super) struct YclientsWords;

impl Words for YclientsWords {
    fn too_many_requests(&self, retry_after: u64) -> Response {
        Refusal::too_many(retry_after).into_response()
    }

    fn unavailable(&self) -> Response {
        Refusal::page(503, "Service Unavailable")
    }

    fn server_error(&self) -> Response {
        Refusal::page(500, "Internal Server Error")
    }

    fn empty_page(&self, answer: Value) -> Value {
        match answer {
            Value::Object(mut whole) => {
                whole.insert("data".to_owned(), json!([]));
                Value::Object(whole)
            }
            // Charts have no envelope.
            _ => json!([]),
        }
    }
}
