//! How REST says no: one shape for each generation, no `time`, no `Retry-After`.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::method::Generation;

/// A refused call.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub status: u16,
    /// `error` of the second generation, `error.code` of the third.
    pub code: String,
    pub text: String,
    generation: Generation,
    /// `error.validation` of the third generation: a field and what is wrong with it.
    fields: Vec<(String, String)>,
}

impl Refusal {
    /// A refusal of the second generation. `code` may be a digit in quotes, or nothing.
    pub fn v2(status: u16, code: &str, text: impl Into<String>) -> Refusal {
        Refusal {
            status,
            code: code.to_owned(),
            text: text.into(),
            generation: Generation::V2,
            fields: Vec::new(),
        }
    }

    /// A refusal of REST 3.0; `code` is what stands between `BITRIX_REST_V3_EXCEPTION_` and `EXCEPTION`.
    pub fn v3(status: u16, code: &str, text: impl Into<String>) -> Refusal {
        let code = format!("BITRIX_REST_V3_EXCEPTION_{code}EXCEPTION");
        Refusal { generation: Generation::V3, ..Refusal::v2(status, &code, text) }
    }

    /// REST 3.0: a field that is missing or not as it should be.
    pub fn field(code: &str, field: &str, text: &str) -> Refusal {
        let refusal = Refusal::v3(400, &format!("VALIDATION_{code}VALIDATION"), "Validation failed");
        Refusal { fields: vec![(field.to_owned(), text.to_owned())], ..refusal }
    }

    /// A wrong id, or an action that is not allowed here: the code is `"0"`.
    pub fn zero(text: &str) -> Refusal {
        Refusal::v2(400, "0", text)
    }

    /// The same thought under its other code.
    pub fn not_allowed() -> Refusal {
        Refusal::v2(400, "1048582", "Действие над задачей не разрешено<br>")
    }

    /// A parameter that is missing or of a wrong type.
    pub fn argument(text: &str) -> Refusal {
        Refusal::v2(400, "100", text)
    }

    /// What the modules below say: localised, with a line break of HTML.
    pub fn core(text: &str) -> Refusal {
        Refusal::v2(400, "ERROR_CORE", format!("{text}<br>"))
    }

    pub fn no_method(generation: Generation) -> Refusal {
        match generation {
            Generation::V2 => Refusal::v2(404, "ERROR_METHOD_NOT_FOUND", "Method not found!"),
            Generation::V3 => Refusal::v3(404, "METHODNOTFOUND", "Method not found"),
        }
    }

    pub fn credentials(generation: Generation) -> Refusal {
        let text = "Invalid request credentials";
        match generation {
            Generation::V2 => Refusal::v2(401, "INVALID_CREDENTIALS", text),
            Generation::V3 => Refusal { generation, ..Refusal::v2(401, "INVALID_CREDENTIALS", text) },
        }
    }

    pub fn scope(generation: Generation, status: u16) -> Refusal {
        let text = "The request requires higher privileges than provided by the webhook token";
        match generation {
            Generation::V2 => Refusal::v2(status, "insufficient_scope", text),
            Generation::V3 => Refusal::v3(status, "INSUFFICIENTSCOPE", text),
        }
    }

    pub fn query_limit(generation: Generation) -> Refusal {
        Refusal { generation, ..Refusal::v2(503, "QUERY_LIMIT_EXCEEDED", "Too many requests") }
    }

    pub fn overloaded(generation: Generation) -> Refusal {
        let text = "REST API is blocked due to overload";
        Refusal { generation, ..Refusal::v2(503, "OVERLOAD_LIMIT", text) }
    }

    pub fn operating(generation: Generation) -> Refusal {
        let text = "Method is blocked due to operation time limit.";
        match generation {
            Generation::V2 => Refusal::v2(429, "OPERATION_TIME_LIMIT", text),
            Generation::V3 => Refusal::v3(429, "RATELIMIT", text),
        }
    }

    pub fn internal(generation: Generation) -> Refusal {
        let text = "Internal server error";
        match generation {
            Generation::V2 => Refusal::v2(500, "INTERNAL_SERVER_ERROR", text),
            Generation::V3 => Refusal::v3(500, "INTERNAL", text),
        }
    }

    /// The body; inside a batch of the second generation it stands under the command's name.
    pub fn json(&self) -> Value {
        match self.generation {
            Generation::V2 => json!({"error": self.code, "error_description": self.text}),
            Generation::V3 => {
                let mut error = json!({"code": self.code, "message": self.text});
                if !self.fields.is_empty() {
                    let field = |(name, text): &(String, String)| json!({"field": name, "message": text});
                    error["validation"] = self.fields.iter().map(field).collect();
                }
                json!({"error": error})
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
        (status, kind, self.json().to_string()).into_response()
    }
}
