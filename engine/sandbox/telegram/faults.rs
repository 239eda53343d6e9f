//! What the faults of the sandbox mean for the Bot API.

use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::sandbox::faults::{self, Words};

use super::method::Method;
use super::refusal::Refusal;

pub use faults::{Kind, Often};

/// A switch on a method.
pub type Rule = faults::Rule<Method>;

/// The switches on the Bot API.
pub type Faults = faults::Faults<Method, Ambiguous>;

/// A send that was done although the bot was not told so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguous {
    /// The method called.
    pub method: Method,
    /// The chat it concerned, if any.
    pub chat: Option<i64>,
    /// The text sent, empty where there is none.
    pub text: String,
}

impl faults::Endpoint for Method {
    fn name(self) -> &'static str {
        Method::name(self)
    }

    fn parse(name: &str) -> Option<Method> {
        Method::parse(name)
    }
}

/// The Bot API's way to refuse.
pub(super) struct BotApi;

impl Words for BotApi {
    fn too_many_requests(&self, retry_after: u64) -> Response {
        Refusal::too_many_requests(retry_after).into_response()
    }

    fn unavailable(&self) -> Response {
        Refusal::unavailable().into_response()
    }

    fn server_error(&self) -> Response {
        Refusal::restarting().into_response()
    }

    fn empty_page(&self, mut answer: Value) -> Value {
        answer["result"] = json!([]);
        answer
    }
}
