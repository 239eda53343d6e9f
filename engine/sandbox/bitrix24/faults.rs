//! What the faults of the sandbox mean for Bitrix24.

use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::sandbox::faults::{self, Words};

use super::method::{Generation, Method};
use super::refusal::Refusal;

/// A switch on a method.
pub type Rule = faults::Rule<Method>;

/// The switches on the portal.
pub type Faults = faults::Faults<Method, Ambiguous>;

/// A call that was done although the client was not told so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguous {
    /// The method called.
    pub method: Method,
    /// What it was told, as JSON.
    pub params: Value,
}

impl faults::Endpoint for Method {
    fn name(self) -> &'static str {
        Method::name(self)
    }

    fn parse(name: &str) -> Option<Method> {
        Method::parse(name)
    }
}

/// How a generation refuses.
pub(super) struct Rest(pub Generation);

impl Words for Rest {
    /// Without `Retry-After` and without `time`: the client knows when from its last success.
    fn too_many_requests(&self, _retry_after: u64) -> Response {
        Refusal::operating(self.0).into_response()
    }

    fn unavailable(&self) -> Response {
        Refusal::query_limit(self.0).into_response()
    }

    fn server_error(&self) -> Response {
        Refusal::internal(self.0).into_response()
    }

    fn empty_page(&self, mut answer: Value) -> Value {
        let result = &mut answer["result"];
        let rows = ["tasks", "items", "messages"].into_iter().find(|name| result[*name].is_array());
        match rows {
            Some(name) => result[name] = json!([]),
            None => *result = json!([]),
        }
        if let Some(answer) = answer.as_object_mut() {
            answer.remove("next");
        }
        answer
    }
}
